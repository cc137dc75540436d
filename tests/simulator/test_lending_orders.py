"""Orders with spot margin: they redeem, borrow, repay and lend on their way."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backpack_connector.protocol.enums import ExpiryReason, OrderStatus
from backpack_connector.simulator.orders import NewOrder, Order, SpotMargin, Trigger
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.lending_support import LendingScene
from tests.simulator.support import assert_sound, limit, market, state_of


def margined(order: NewOrder, **flags: bool) -> NewOrder:
    return replace(order, spot_margin=SpotMargin(**flags))


def place(scene: LendingScene, order: NewOrder, name: str = "a") -> Order:
    execution = scene.exchange.place(name, order)
    assert_sound(scene.exchange)
    return execution.orders[0]


def refusal(scene: LendingScene, order: NewOrder, name: str = "a") -> str:
    """Return the code with which an order is refused; it must leave everything alone."""
    before = state_of(scene.exchange)
    with pytest.raises(Refusal) as caught:
        scene.exchange.place(name, order)
    assert state_of(scene.exchange) == before
    return caught.value.code.value


def test_an_order_redeems_what_it_needs_and_is_not_there() -> None:
    scene = LendingScene()
    scene.lend("40")
    assert refusal(scene, limit("Ask", "160", "30")) == "INSUFFICIENT_FUNDS"
    order = place(scene, margined(limit("Ask", "160", "30"), auto_lend_redeem=True))
    assert (scene.available(), scene.net()) == (0, 20)
    row = scene.account().loan_movements[-1]
    assert (row.event.value, row.source.value, row.quantity, row.order_id) == (
        "LendRedeem",
        "SpotMargin",
        20,
        order.order_id,
    )
    # What it has redeemed stays so when it is cancelled.
    scene.exchange.cancel("a", "SOL_USDC", order_id=order.order_id)
    assert (scene.available(), scene.net()) == (30, 20)


def test_an_order_that_has_what_it_needs_redeems_and_borrows_nothing() -> None:
    scene = LendingScene()
    scene.lend("10")
    place(scene, margined(limit("Ask", "160", "40"), auto_lend_redeem=True, auto_borrow=True))
    assert (scene.available(), scene.net()) == (0, 10)


def test_more_than_is_lent_is_not_there() -> None:
    scene = LendingScene()
    scene.lend("40")
    assert refusal(scene, margined(limit("Ask", "160", "50.01"), auto_lend_redeem=True)) == "INSUFFICIENT_FUNDS"


def test_an_order_borrows_what_is_missing_and_the_margin_allows() -> None:
    scene = LendingScene()
    assert refusal(scene, limit("Ask", "160", "60")) == "INSUFFICIENT_FUNDS"
    order = place(scene, margined(limit("Ask", "160", "60"), auto_borrow=True))
    assert scene.available() == 0
    assert scene.net() < -10
    row = scene.account().loan_movements[0]
    assert (row.event.value, row.source.value, row.quantity, row.order_id) == (
        "Borrow",
        "SpotMargin",
        10,
        order.order_id,
    )


def test_an_order_redeems_first_and_borrows_then() -> None:
    scene = LendingScene()
    scene.lend("40")
    assert refusal(scene, margined(limit("Ask", "160", "60"), auto_borrow=True)) == "BORROW_REQUIRES_LEND_REDEEM"
    place(scene, margined(limit("Ask", "160", "60"), auto_borrow=True, auto_lend_redeem=True))
    assert [row[:2] for row in scene.moves()[1:3]] == [("LendRedeem", "SpotMargin"), ("Borrow", "SpotMargin")]


@pytest.mark.parametrize(
    ("quantity", "code"),
    [("5000", "INSUFFICIENT_MARGIN"), ("6800", "BORROW_LIMIT"), ("20000", "INSUFFICIENT_SUPPLY")],
)
def test_debts_of_orders_have_the_same_limits(quantity: str, code: str) -> None:
    assert refusal(LendingScene(), margined(limit("Ask", "160", quantity), auto_borrow=True)) == code


def test_what_a_market_order_redeemed_and_did_not_need_is_available() -> None:
    scene = LendingScene()
    place(scene, limit("Ask", "150", "20"), "b")
    scene.lend("10000", "USDC")
    order = place(scene, margined(market("Bid", quote="299.99"), auto_lend_redeem=True))
    assert order.executed_quote_quantity == Decimal("298.5")
    # It redeemed 299.99; the rest is available.
    assert (scene.net("USDC"), scene.available("USDC")) == (Decimal("9700.01"), Decimal("1.49"))


def test_a_market_order_repays_at_once_what_it_borrowed_too_much() -> None:
    scene = LendingScene()
    scene.borrow("100")
    place(scene, limit("Ask", "150", "150"))
    # b has 10,000 USDC and wants 100 SOL: 15,000; asked for by quote, in whole steps of quantity.
    order = place(scene, margined(market("Bid", quote="15000.99"), auto_borrow=True), "b")
    assert order.executed_quote_quantity == 15_000
    moves = [row[:2] for row in scene.moves("b") if row[1] != "Interest"]
    assert moves == [("Borrow", "SpotMargin"), ("BorrowRepay", "SpotMargin")]
    fee = -scene.account("b").interest_payments[0].amount
    assert scene.net("USDC", "b") == -5_000 - fee
    assert scene.available("USDC", "b") == 0


@pytest.mark.parametrize("is_maker", [True, False])
def test_what_fills_bring_is_lent_or_repays(is_maker: bool) -> None:
    scene = LendingScene()
    scene.borrow("1", name="a")
    owed = -scene.net()
    mine = margined(limit("Bid", "150", "3"), auto_lend=True, auto_borrow_repay=True)
    theirs = limit("Ask", "150", "3")
    first, second = (("a", mine), ("b", theirs)) if is_maker else (("b", theirs), ("a", mine))
    place(scene, first[1], first[0])
    place(scene, second[1], second[0])
    fee = Decimal("0.0024") if is_maker else Decimal("0.003")
    assert scene.net() == 3 - fee - owed
    assert scene.available() == 51
    order_id = next(iter(scene.account().orders))
    rows = [row for row in scene.account().loan_movements if row.order_id == order_id]
    assert [row.event.value for row in rows] == ["BorrowRepay", "Lend"]


@pytest.mark.parametrize(
    ("flags", "net", "available"),
    [({"auto_lend": True}, "-1", "53.997"), ({"auto_borrow_repay": True}, "0", "52.997"), ({}, "-1", "53.997")],
)
def test_only_what_is_asked_for_happens_with_what_fills_bring(flags: dict[str, bool], net: str, available: str) -> None:
    scene = LendingScene()
    scene.borrow("1")
    fee = -1 - scene.net()
    place(scene, limit("Ask", "150", "3"), "b")
    place(scene, margined(limit("Bid", "150", "3"), **flags))
    is_repaid = net == "0"
    assert scene.net() == (0 if is_repaid else -1 - fee)
    assert scene.available() == Decimal(available) - (fee if is_repaid else 0)


@pytest.mark.parametrize(
    ("quantity", "status", "reason"),
    [
        ("55", OrderStatus.FILLED, None),
        ("20000", OrderStatus.TRIGGER_FAILED, ExpiryReason.INSUFFICIENT_BORROWABLE_QUANTITY),
    ],
)
def test_a_fired_order_keeps_its_flags(quantity: str, status: OrderStatus, reason: ExpiryReason | None) -> None:
    scene = LendingScene()
    scene.exchange.ledger.deposit("b", "USDC", Decimal(10**7))
    trigger = Trigger(price=Decimal(149), quantity=Decimal(quantity))
    spot_margin = SpotMargin(auto_borrow=True)
    waiting = place(scene, replace(market("Ask"), trigger=trigger, spot_margin=spot_margin))
    place(scene, limit("Bid", "149", "30000"), "b")
    place(scene, limit("Ask", "149", "0.01"), "b2")
    order = scene.account().orders[waiting.order_id]
    assert (order.status, order.expiry_reason) == (status, reason)
    assert (scene.net() < -5) is (status is OrderStatus.FILLED)


def test_assets_without_a_pool_are_left_alone() -> None:
    scene = LendingScene()
    flags = {"auto_lend": True, "auto_borrow": True, "auto_lend_redeem": True, "auto_borrow_repay": True}
    place(scene, limit("Ask", "0.0215", "1000", symbol="kBONK_USDC"), "b")
    place(scene, margined(limit("Bid", "0.0215", "1000", symbol="kBONK_USDC"), **flags))
    assert scene.available("kBONK") > 50_000
    assert refusal(scene, margined(limit("Ask", "0.03", "60000", symbol="kBONK_USDC"), **flags)) == "INSUFFICIENT_FUNDS"
