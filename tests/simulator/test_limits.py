"""The largest borrow, order and withdrawal are accepted, and a step more is refused."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backpack_connector.protocol.enums import Side
from backpack_connector.simulator.lending_positions import LoanSide
from backpack_connector.simulator.lending_rates import STEP_SIZE
from backpack_connector.simulator.limits import largest
from backpack_connector.simulator.orders import NO_SPOT_MARGIN, SpotMargin
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.lending_support import LendingScene
from tests.simulator.support import limit

PERP = "SOL_USDC_PERP"
PRICES = {"SOL_USDC": "150", PERP: "150", "BTC_USDC": "86700"}


@pytest.mark.parametrize("most", ["0", "0.4", "0.5", "7", "100"])
def test_the_search_finds_the_last_multiple_that_is_accepted(most: str) -> None:
    found = largest(lambda quantity: quantity <= Decimal(most), Decimal(50), Decimal("0.5"))
    assert found == min(Decimal(50), Decimal(most) // Decimal("0.5") * Decimal("0.5"))


@pytest.mark.parametrize("asset", ["SOL", "USDC", "BTC"])
def test_the_largest_borrow_is_the_last_that_is_accepted(asset: str) -> None:
    scene = LendingScene()
    most = scene.exchange.limits.borrow(scene.account(), asset)
    assert most > 0
    # Time passes, and the fee of the opening falls by less than this.
    assert scene.refusal(LoanSide.BORROW, str(most + Decimal("0.0001")), asset) == "INSUFFICIENT_MARGIN"
    scene.borrow(str(most), asset)
    assert scene.exchange.limits.borrow(scene.account(), asset) < Decimal("0.0001")


def test_the_borrow_limit_and_the_pool_bound_a_rich_account() -> None:
    scene = LendingScene()
    scene.exchange.ledger.deposit("a", "USDC", Decimal(10**9))
    assert (
        scene.exchange.limits.borrow(scene.account(), "SOL")
        == scene.account().borrow_limit / 150 // STEP_SIZE * STEP_SIZE
    )
    scene.account().borrow_limit = Decimal(10**12)
    assert scene.exchange.limits.borrow(scene.account(), "SOL") == scene.exchange.lending.pool("SOL").room


def test_what_cannot_be_borrowed_has_the_limit_zero() -> None:
    scene = LendingScene()
    scene.lend("1")
    assert scene.exchange.limits.borrow(scene.account(), "SOL") == 0
    assert scene.exchange.limits.borrow(scene.account(), "WEN") == 0
    scene.account("b").is_liquidating = True
    assert scene.exchange.limits.borrow(scene.account("b"), "SOL") == 0
    assert scene.exchange.limits.withdrawal(scene.account("b"), "SOL", auto_borrow=True, auto_lend_redeem=True) == 0
    assert order_limit(scene, "SOL_USDC", "Bid", name="b") == 0


def order_limit(
    scene: LendingScene, symbol: str, side: str, *, name: str = "a", reduce_only: bool = False, **flags: bool
) -> Decimal:
    return scene.exchange.limits.order(
        scene.account(name),
        scene.exchange.markets[symbol],
        Side(side),
        Decimal(PRICES[symbol]),
        reduce_only=reduce_only,
        spot_margin=SpotMargin(**flags),
    )


def accepts(scene: LendingScene, symbol: str, side: str, quantity: Decimal, **flags: bool) -> bool:
    """Tell whether an order is accepted, and cancel it."""
    order = replace(limit(side, PRICES[symbol], str(quantity), symbol=symbol), spot_margin=SpotMargin(**flags))
    try:
        placed = scene.exchange.place("a", order).order
    except Refusal:
        return False
    scene.exchange.cancel("a", symbol, order_id=placed.order_id)
    return True


@pytest.mark.parametrize("symbol", PRICES)
@pytest.mark.parametrize("side", ["Bid", "Ask"])
@pytest.mark.parametrize("prepare", ["nothing", "lend", "borrow", "position"])
@pytest.mark.parametrize("flags", [{}, {"auto_lend_redeem": True}, {"auto_borrow": True, "auto_lend_redeem": True}])
def test_the_largest_order_is_the_last_that_is_accepted(
    symbol: str, side: str, prepare: str, flags: dict[str, bool]
) -> None:
    scene = LendingScene()
    if prepare == "lend":
        for asset, quantity in (("SOL", "30"), ("USDC", "7000"), ("BTC", "0.1")):
            scene.lend(quantity, asset)
    elif prepare == "borrow":
        scene.borrow("30")
    elif prepare == "position":
        scene.exchange.place("b", limit("Ask", "150", "300", symbol=PERP))
        scene.exchange.place("a", limit("Bid", "150", "300", symbol=PERP))
    if symbol == PERP:
        flags = {}
    most = order_limit(scene, symbol, side, **flags)
    step = scene.exchange.markets[symbol].instrument.step_size
    assert most > 0
    assert not accepts(scene, symbol, side, most + step, **flags)
    assert accepts(scene, symbol, side, most, **flags)


def test_reduce_only_orders_are_for_what_they_may_close() -> None:
    scene = LendingScene()
    assert order_limit(scene, PERP, "Ask", reduce_only=True) == 0
    scene.exchange.place("b", limit("Ask", "150", "30", symbol=PERP))
    scene.exchange.place("a", limit("Bid", "150", "30", symbol=PERP))
    assert order_limit(scene, PERP, "Ask", reduce_only=True) == 30
    assert order_limit(scene, PERP, "Bid", reduce_only=True) == 0


def test_without_a_price_the_best_of_the_book_or_the_last_counts() -> None:
    scene = LendingScene()
    row = scene.exchange.markets["SOL_USDC"]

    def most(side: Side) -> Decimal:
        return scene.exchange.limits.order(
            scene.account(), row, side, None, reduce_only=False, spot_margin=NO_SPOT_MARGIN
        )

    assert (most(Side.BID), most(Side.ASK)) == (Decimal("66.66"), 50)
    scene.exchange.place("b", limit("Ask", "160", "1"))
    assert most(Side.BID) == Decimal("62.5")


def test_less_than_the_minimum_is_nothing() -> None:
    scene = LendingScene()
    scene.lend("1000", "USDT")
    row = scene.exchange.markets["USDT_USDC"]
    most = scene.exchange.limits.order(
        scene.account(), row, Side.ASK, Decimal(1), reduce_only=False, spot_margin=NO_SPOT_MARGIN
    )
    assert most == 0


def withdrawable(scene: LendingScene, asset: str, **flags: bool) -> Decimal:
    return scene.exchange.limits.withdrawal(
        scene.account(),
        asset,
        auto_borrow=flags.get("auto_borrow", False),
        auto_lend_redeem=flags.get("auto_lend_redeem", False),
    )


def test_a_withdrawal_takes_what_is_there_and_may_redeem_and_borrow() -> None:
    scene = LendingScene()
    scene.lend("30")
    assert withdrawable(scene, "SOL") == 20
    assert withdrawable(scene, "SOL", auto_lend_redeem=True) == 50
    assert withdrawable(scene, "SOL", auto_lend_redeem=True, auto_borrow=True) > 60
    assert withdrawable(scene, "SOL", auto_borrow=True) == 20  # what is lent forbids a debt
    assert withdrawable(scene, "WEN") == 0


def test_a_withdrawal_leaves_the_margin_that_positions_and_debts_need() -> None:
    scene = LendingScene()
    scene.borrow("500", name="a")
    most = withdrawable(scene, "SOL")
    assert 0 < most < 550
    before = scene.exchange.risk.margin(scene.account()).available
    assert before - most * 150 * Decimal("0.9") == pytest.approx(0, abs=1)


def test_a_position_may_not_exceed_the_open_interest_limit() -> None:
    scene = LendingScene()
    for name in "ab":
        scene.exchange.ledger.deposit(name, "USDC", Decimal(10**10))
    symbol = "AAPL.US_USDC_PERP"
    price = str(scene.exchange.markets[symbol].mark_price)
    assert scene.exchange.markets[symbol].instrument.open_interest_limit == 20_000

    def place(name: str, side: str, quantity: str) -> str:
        try:
            scene.exchange.place(name, limit(side, price, quantity, symbol=symbol))
        except Refusal as refusal:
            return refusal.code.value
        return "accepted"

    assert place("a", "Bid", "20000.01") == "POSITION_LIMIT"
    assert place("a", "Bid", "20000") == "accepted"
    assert place("b", "Ask", "20000") == "accepted"
    # The market is full: nobody may come in, and everybody may go out.
    assert place("c", "Bid", "1") == "POSITION_LIMIT"
    assert place("b", "Bid", "5") == "accepted"
    assert place("a", "Ask", "5") == "accepted"
    assert place("c", "Bid", "1") == "accepted"
