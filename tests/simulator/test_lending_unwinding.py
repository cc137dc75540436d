"""Debts to the clearing house are reconciled, and the debts of liquidated accounts are unwound."""

from decimal import Decimal

import pytest

from backpack_connector.simulator.lending import LendingState
from backpack_connector.simulator.liquidation import BACKSTOP_ACCOUNT
from tests.simulator.lending_support import LendingScene
from tests.simulator.support import assert_sound, limit

PERP = "SOL_USDC_PERP"


def owing(*, lends: bool = False) -> LendingScene:
    """Let `a` lose 600 USDC on twenty perpetual SOL and own about 100 USDC, the lent ones included."""
    scene = LendingScene()
    scene.exchange.ledger.deposit("b", "SOL", Decimal(1_000))
    scene.exchange.place("b", limit("Ask", "150", "20", symbol=PERP))
    scene.exchange.place("a", limit("Bid", "150", "20", symbol=PERP))
    spare = scene.available("USDC") - 100
    scene.exchange.place("b", limit("Ask", "75", str(spare // 75)))
    scene.exchange.place("a", limit("Bid", "75", str(spare // 75)))
    if lends:
        scene.lend(str(scene.available("USDC")), "USDC")
    scene.exchange.prices.set_index(PERP, Decimal(120), scene.clock())
    return scene


def unsettled(scene: LendingScene) -> Decimal:
    return scene.exchange.ledger.unsettled("a")


def test_lent_usdc_is_redeemed_first() -> None:
    scene = owing(lends=True)
    scene.account().auto_settings["autoBorrowSettlements"] = False
    lent = scene.net("USDC")
    scene.wait(10)
    assert scene.net("USDC") == 0
    assert scene.moves()[-1] == ("LendRedeem", "Reconciliation", f"{lent.normalize():f}")
    assert unsettled(scene) < 0


def test_usdc_is_borrowed_for_settlements_unless_the_account_does_not_want_it() -> None:
    scene = owing()
    scene.wait(10)
    assert (unsettled(scene), scene.available("USDC")) == (0, 0)
    assert scene.net("USDC") < -100
    assert scene.moves()[0][:2] == ("Borrow", "Reconciliation")
    unwilling = owing()
    unwilling.account().auto_settings["autoBorrowSettlements"] = False
    unwilling.wait(10)
    assert (unsettled(unwilling) < -100, unwilling.net("USDC")) == (True, 0)


def test_collateral_is_sold_where_nothing_is_borrowed() -> None:
    scene = owing()
    scene.account().auto_settings["autoBorrowSettlements"] = False
    scene.exchange.place("b", limit("Bid", "70", "100"))
    before = scene.available("SOL")
    scene.wait(10)
    assert unsettled(scene) == 0
    assert scene.available("SOL") < before
    (fill,) = [fill for fill in scene.account().fills if fill.system_order_type is not None]
    assert fill.system_order_type is not None
    assert (fill.system_order_type.value, fill.symbol, fill.side.value) == ("CollateralConversion", "SOL_USDC", "Ask")
    order = scene.account().orders[fill.order_id]
    assert order.cause is not None
    assert order.cause.origin.value == "COLLATERAL_CONVERSION"
    # No more than about what was owed.
    assert 0 <= scene.available("USDC") < 80


def test_a_pool_that_is_closed_lends_nothing_and_collateral_is_sold() -> None:
    scene = owing()
    scene.exchange.lending.states |= {"USDC": LendingState.CLOSED}
    scene.exchange.place("b", limit("Bid", "70", "100"))
    scene.wait(10)
    assert (unsettled(scene), scene.net("USDC")) == (0, 0)


def in_trouble() -> LendingScene:
    """Let `a` owe 600 SOL, and have sold them and everything else for 100,000 USDC."""
    scene = LendingScene()
    ledger = scene.exchange.ledger
    scene.borrow("600", name="a")
    change = ledger.change()
    for asset, balance in ledger.balances("a").items():
        change.give("a", asset, -balance.available)
        change.give("b", asset, balance.available)
    change.give("a", "USDC", Decimal(100_000))
    change.leave("USDC", Decimal(-100_000))
    ledger.commit(change)
    assert_sound(scene.exchange)
    assert not scene.exchange.risk.margin(scene.account()).is_liquidatable
    return scene


def lift(scene: LendingScene, price: str) -> None:
    """Let somebody trade SOL at a higher price; the price of collateral and debts."""
    scene.exchange.ledger.deposit("x", "SOL", Decimal(10_000))
    scene.exchange.ledger.deposit("y", "USDC", Decimal(10**7))
    for step in ("200", "260", price):
        scene.exchange.place("x", limit("Ask", step, "0.01"))
        scene.exchange.place("y", limit("Bid", step, "0.01"))


def test_a_debt_that_has_become_too_dear_is_bought_back_on_the_book() -> None:
    scene = in_trouble()
    assert scene.exchange.ledger.loans.has_debts("a")
    lift(scene, "165")
    assert scene.exchange.risk.margin(scene.account()).is_liquidatable
    scene.exchange.place("x", limit("Ask", "165", "1000"))
    scene.wait(1)
    # The fee is taken out of what was bought, and all but a trace of the money was spent; the rest is safe.
    assert -1 < scene.net() <= 0
    assert not scene.account().is_liquidating
    assert {row[1] for row in scene.moves()} == {"Manual", "Interest", "Liquidation"}
    assert 0 < scene.available("USDC") < 2_000
    assert BACKSTOP_ACCOUNT not in [account.account_id for account in scene.exchange.accounts]


def test_what_nobody_sells_the_backstop_provider_takes_over() -> None:
    scene = in_trouble()
    lift(scene, "165")
    owed = -scene.net()
    scene.wait(1)
    assert (scene.net(), scene.net(name=BACKSTOP_ACCOUNT)) == (0, -owed)
    assert scene.moves()[-1][1] == "LiquidationBackstop"
    # It gets what the debt is worth, and the account keeps the rest.
    assert scene.available("USDC") == pytest.approx(100_000 - owed * 165)
    assert not scene.account().is_liquidating


def test_an_account_that_has_less_than_it_owes_loses_all_and_owes_nothing() -> None:
    scene = in_trouble()
    lift(scene, "300")
    scene.wait(1)
    assert (scene.net(), scene.available("USDC")) == (0, 0)
    assert scene.exchange.risk.margin(scene.account()).net_equity == 0


def test_lent_funds_are_redeemed_and_other_assets_sold_for_a_debt_in_usdc() -> None:
    scene = LendingScene()
    scene.borrow("50000", "USDC", "a")
    ledger = scene.exchange.ledger
    change = ledger.change()
    for asset, quantity in (("USDC", scene.available("USDC")), ("BTC", Decimal("0.2")), ("ETH", Decimal(2))):
        change.give("a", asset, -quantity)
        change.give("b", asset, quantity)
    change.give("a", "SOL", Decimal(350))
    change.leave("SOL", Decimal(-350))
    ledger.commit(change)
    scene.lend("300")
    assert not scene.exchange.risk.margin(scene.account()).is_liquidatable
    ledger.deposit("x", "USDC", Decimal(10**7))
    ledger.deposit("y", "SOL", Decimal(10**4))
    scene.exchange.place("x", limit("Bid", "136", "600"))
    scene.exchange.place("y", limit("Ask", "136", "0.01"))
    assert scene.exchange.risk.margin(scene.account()).is_liquidatable
    scene.wait(1)
    assert scene.net() == 0
    assert scene.net("USDC") == 0
    assert "CollateralConversion" in {
        fill.system_order_type.value for fill in scene.account().fills if fill.system_order_type is not None
    }
    assert scene.exchange.risk.margin(scene.account()).net_equity > 0
    assert not scene.account().is_liquidating


def test_an_account_with_a_debt_cannot_trade_while_it_is_liquidated() -> None:
    scene = in_trouble()
    order = scene.exchange.place("a", limit("Bid", "100", "1")).order
    lift(scene, "165")
    scene.wait(1)
    assert order.order_id not in scene.account().open_orders
