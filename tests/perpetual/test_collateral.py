"""The margin model against figures that were computed by hand from API §5.5."""

import json
import sys
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from backpack_connector.protocol.enums import OrderStatus, Side
from backpack_connector.protocol.models import MarginFunction
from backpack_perpetual_connector.collateral import AccountMargin

from .margin_account import (
    BTC,
    BUY,
    IMF,
    SELL,
    SOL,
    account,
    balance_update,
    end_update,
    fill_update,
    order_row,
    order_update,
    position_row,
    position_update,
    summary,
    used,
)

SAMPLES = Path(__file__).parents[1] / "samples" / "rest"
SIDES = [BUY, SELL]
# One SOL at 100 USDC. SOL allows 50x at most, so that a limit of 75 asks for 2 %.
MARGIN_OF_ONE = {"1": "100", "5": "20", "20": "5", "75": "2"}
LEVERAGES = list(MARGIN_OF_ONE.items())


def signed(side: Side, quantity: str) -> str:
    return quantity if side is BUY else f"-{quantity}"


def test_functions_are_those_of_the_captured_markets() -> None:
    for symbol, name in ((SOL, "sol"), (BTC, "btc")):
        row = json.loads((SAMPLES / f"get_market.{name}_perpetual.200.json").read_text())["body"]["imfFunction"]
        assert {key: str(getattr(IMF[symbol], key)) for key in row} == row


def test_nothing_is_available_before_a_report() -> None:
    margin = AccountMargin()
    margin.apply_balance(balance_update("50"))
    assert (margin.is_known, margin.net_equity, margin.available) == (False, 0, 0)
    margin.report(summary("50", "50"), margin.mark())
    assert (margin.is_known, margin.net_equity, margin.available) == (True, 50, 50)


@pytest.mark.parametrize(("leverage", "of_one"), LEVERAGES)
@pytest.mark.parametrize("side", SIDES)
class TestOpening:
    def test_resting_order_locks_the_margin_of_its_quantity(self, side: Side, leverage: str, of_one: str) -> None:
        margin = account(leverage=leverage)
        assert margin.required(SOL, side, Decimal(3)) == 3 * Decimal(of_one)
        margin.apply_order(order_update("1", side, "3"))
        assert used(margin) == 3 * Decimal(of_one)
        assert margin.net_equity == 1000

    def test_partial_fill_moves_margin_from_order_to_position(self, side: Side, leverage: str, of_one: str) -> None:
        margin = account(leverage=leverage)
        margin.apply_order(order_update("1", side, "3"))
        margin.apply_order(fill_update("1", side, "3", "1", fee="0.02", at=2))
        assert used(margin) == 3 * Decimal(of_one)
        assert margin.net_equity == Decimal("999.98")
        margin.apply_balance(balance_update("999.98", at=2))
        margin.apply_position(position_update(signed(side, "1"), at=2))
        assert used(margin) == 3 * Decimal(of_one)
        assert margin.net_equity == Decimal("999.98")
        margin.apply_order(end_update("1", side, "3", executed="1", at=3))
        assert used(margin) == Decimal(of_one)

    def test_second_order_of_the_side_adds_and_the_other_side_does_not(
        self, side: Side, leverage: str, of_one: str
    ) -> None:
        margin = account(leverage=leverage)
        margin.apply_order(order_update("1", side, "2"))
        assert margin.required(SOL, side, Decimal(1)) == Decimal(of_one)
        assert margin.required(SOL, side.opposite, Decimal(2)) == 0
        assert margin.required(SOL, side.opposite, Decimal(3)) == Decimal(of_one)
        margin.apply_order(order_update("2", side.opposite, "3"))
        assert used(margin) == 3 * Decimal(of_one)


@pytest.mark.parametrize(("leverage", "of_one"), LEVERAGES)
@pytest.mark.parametrize("side", SIDES)
class TestClosing:
    """`side` is the position's; the closing order is on the other side."""

    def test_order_against_the_position_needs_nothing_up_to_a_flip(
        self, side: Side, leverage: str, of_one: str
    ) -> None:
        margin = account(leverage=leverage)
        margin.apply_position(position_update(signed(side, "2")))
        assert used(margin) == 2 * Decimal(of_one)
        assert margin.required(SOL, side.opposite, Decimal(4)) == 0  # short 2 costs what long 2 does
        assert margin.required(SOL, side.opposite, Decimal(5)) == Decimal(of_one)
        margin.apply_order(order_update("1", side.opposite, "2"))
        assert used(margin) == 2 * Decimal(of_one)

    def test_closing_fill_frees_the_margin(self, side: Side, leverage: str, of_one: str) -> None:
        margin = account(leverage=leverage)
        margin.apply_position(position_update(signed(side, "2")))
        margin.apply_order(order_update("1", side.opposite, "2"))
        margin.apply_order(fill_update("1", side.opposite, "2", "1.5", at=2))
        assert used(margin) == Decimal(of_one) / 2

    def test_flip_in_one_fill(self, side: Side, leverage: str, of_one: str) -> None:
        margin = account(leverage=leverage)
        margin.apply_position(position_update(signed(side, "2")))
        margin.apply_order(order_update("1", side.opposite, "5"))
        assert used(margin) == 3 * Decimal(of_one)
        margin.apply_order(fill_update("1", side.opposite, "5", "5", at=2))
        assert used(margin) == 3 * Decimal(of_one)
        margin.apply_position(position_update(signed(side.opposite, "3"), at=2))
        assert used(margin) == 3 * Decimal(of_one)

    def test_reduce_only_order_locks_nothing_whatever_its_quantity(
        self, side: Side, leverage: str, of_one: str
    ) -> None:
        margin = account(leverage=leverage)
        margin.apply_position(position_update(signed(side, "2")))
        assert margin.required(SOL, side.opposite, Decimal(9), reduce_only=True) == 0
        margin.hold("7", SOL, side.opposite, Decimal(9), reduce_only=True)
        margin.apply_order(order_update("1", side.opposite, "9", reduce_only=True))
        assert used(margin) == 2 * Decimal(of_one)


def test_large_positions_pay_by_the_root_of_their_notional() -> None:
    margin = account("10000", leverage="75")
    # 1600 SOL at 100: sqrt(160000) = 400, times 0.000075 is 3 %, more than the base of 2 %.
    assert margin.required(SOL, BUY, Decimal(1600)) == 4800
    # The next 900: sqrt(250000) = 500 makes 3.75 % of 250000.
    margin.apply_order(order_update("1", BUY, "1600"))
    assert margin.required(SOL, BUY, Decimal(900)) == 9375 - 4800
    margin.set_leverage(Decimal(20))  # 5 % is more than both
    assert used(margin) == 8000


def test_root_overtakes_the_base_of_bitcoin_where_the_exchange_says() -> None:
    margin = account("100000", leverage="75", btc_mark="1")
    below, above = (margin.required(BTC, BUY, Decimal(notional)) / notional for notional in (285_000, 286_600))
    assert below == Decimal("0.01333333333333333333333333333")  # 1 / 75, a little more than the base
    assert above > Decimal("0.01333334")


def test_two_markets_add_up_and_two_sides_of_one_market_do_not() -> None:
    margin = account()
    margin.apply_order(order_update("1", BUY, "2"))
    margin.apply_order(order_update("2", SELL, "1"))
    margin.apply_order(order_update("3", SELL, "0.1", "10000", symbol=BTC))
    assert used(margin) == 40 + 200
    assert margin.symbols_in_use == {SOL, BTC}
    margin.apply_order(end_update("3", SELL, "0.1", symbol=BTC))
    assert used(margin) == 40
    assert margin.symbols_in_use == {SOL}


@pytest.mark.parametrize(("side", "profit"), [(BUY, 10), (SELL, -10)])
def test_mark_price_moves_profit_and_margin(side: Side, profit: int) -> None:
    margin = account()
    margin.apply_position(position_update(signed(side, "2"), "100", "0.5"))
    margin.apply_mark(SOL, Decimal(105), 2)
    assert margin.net_equity == 1000 + Decimal("0.5") + profit
    assert used(margin) == 42
    margin.apply_mark(SOL, Decimal(90), 1.5)  # older
    assert used(margin) == 42
    margin.apply_mark(SOL, Decimal(100))  # no time: the newest
    assert used(margin) == 40


def test_fill_away_from_the_mark_price_shows_at_once() -> None:
    margin = account()
    margin.apply_order(fill_update("1", BUY, "2", "2", "101", fee="0.101"))
    assert margin.net_equity == 1000 - 2 - Decimal("0.101")
    margin.apply_position(position_update("2", "100", "-2"))
    margin.apply_balance(balance_update("999.899"))
    assert margin.net_equity == 1000 - 2 - Decimal("0.101")
    assert used(margin) == 40


def test_settlement_moves_profit_into_the_balance() -> None:
    margin = account()
    margin.apply_position(position_update("2", "100", "3"))
    assert margin.net_equity == 1003
    margin.apply_balance(balance_update("1003", at=2))
    margin.apply_position(position_update("2", "100", "0", at=2))
    assert margin.net_equity == 1003


def test_price_worse_than_the_mark_price_is_part_of_what_an_opening_order_needs() -> None:
    margin = account()
    assert margin.required(SOL, BUY, Decimal(2), price=Decimal(101)) == 42
    assert margin.required(SOL, BUY, Decimal(2), price=Decimal(99)) == 40
    assert margin.required(SOL, SELL, Decimal(2), price=Decimal(99)) == 42
    margin.apply_position(position_update("2"))
    assert margin.required(SOL, SELL, Decimal(2), price=Decimal(99)) == 0


def test_planned_orders_count_beside_the_one_asked_about() -> None:
    margin = account()
    assert margin.required(SOL, BUY, Decimal(2), planned_asks=Decimal(3)) == 0
    assert margin.required(SOL, BUY, Decimal(2), planned_asks=Decimal(1)) == 20
    assert margin.required(SOL, SELL, Decimal(2), planned_asks=Decimal(3)) == 40


def test_market_without_mark_price_is_valued_at_the_price_of_the_order() -> None:
    margin = account()
    assert margin.required("NEW_USDC_PERP", BUY, Decimal(2), price=Decimal(10)) == 4
    margin.apply_order(order_update("1", BUY, "2", "10", symbol="NEW_USDC_PERP"))
    assert used(margin) == 4
    margin.apply_mark("NEW_USDC_PERP", Decimal(11), 1)
    assert used(margin) == Decimal("4.4")


def test_account_under_water_has_nothing_available() -> None:
    margin = account("10")
    margin.apply_position(position_update("2", "100", "-8"))
    assert margin.net_equity == 2
    assert margin.available == 0


def test_live_account_of_the_notes() -> None:
    """API §5.5, sanity sample: equity 79.14, position 25.78, open orders 14.92, available 38.44."""
    margin = AccountMargin()
    margin.set_leverage(Decimal(10))
    margin.set_market(SOL, IMF[SOL])
    margin.apply_mark(SOL, Decimal(128), 0.5)
    margin.replace_positions([position_row("2.014063", "128")], margin.mark(), is_complete=True)
    margin.replace_orders([order_row("1", BUY, "1.165625")], margin.mark())
    margin.report(summary("79.14", "38.44"), margin.mark())
    assert margin.required(SOL, BUY, Decimal("1.165625")) == Decimal("14.92")
    assert margin.available == Decimal("38.44")
    margin.apply_order(end_update("1", BUY, "1.165625"))
    # Without orders, available is total - position margin; 4 millionths are what "25.78" rounded away.
    assert margin.available == Decimal("53.36")
    assert abs(79 + Decimal("0.14") - margin.available - Decimal("25.78")) < Decimal("0.00001")


def test_two_executors_with_twenty_dollars_at_leverage_five() -> None:
    """The public complaint: the second order finds "not enough budget" after the first one has been filled."""
    margin = account("20")
    fee = Decimal("0.023")
    for executor, (order_id, price) in enumerate((("11", "100"), ("12", "100")), start=1):
        assert margin.required(SOL, BUY, Decimal("0.46")) == Decimal("9.2")
        assert margin.required(SOL, BUY, Decimal("0.46")) + fee <= margin.available
        margin.hold(str(executor), SOL, BUY, Decimal("0.46"), reduce_only=False)
        margin.apply_order(order_update(order_id, BUY, "0.46", price, client_id=executor, at=executor))
        margin.acknowledge(str(executor), order_row(order_id, BUY, "0.46", client_id=executor))
        margin.release(str(executor))
        margin.apply_order(fill_update(order_id, BUY, "0.46", "0.46", price, fee="0.023", at=executor))
        margin.apply_position(position_update(str(Decimal("0.46") * executor), at=executor))
        margin.apply_balance(balance_update(str(20 - fee * executor), at=executor))
        assert margin.available == 20 - (Decimal("9.2") + fee) * executor
    assert margin.available == Decimal("1.554")


def test_market_that_was_not_announced_asks_for_the_leverage_limit() -> None:
    margin = account(leverage="4")
    margin.apply_position(position_update("1", "100", symbol="NEW_USDC_PERP"))
    assert used(margin) == 25
    margin.set_market("NEW_USDC_PERP", MarginFunction(type="sqrt", base=Decimal("0.5"), factor=Decimal(0)))
    assert used(margin) == 50


class Steps:
    """Count the lines of Python that a call executes; loops inside `max` or `dict` do not occur in the model."""

    def __init__(self) -> None:
        self.count = 0

    def of(self, call: Any, *args: Any) -> int:
        self.count = 0
        whose = sys.gettrace()
        sys.settrace(self._trace)
        try:
            call(*args)
        finally:
            sys.settrace(whose)
        return self.count

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        self.count += event == "line"
        return self._trace


def test_work_per_event_does_not_grow_with_the_account() -> None:
    small, large = account(), account("1000000")
    for margin in (small, large):
        margin.apply_order(order_update("1", BUY, "3"))
    for number in range(400):
        symbol = f"M{number % 40}_USDC_PERP"
        large.apply_position(position_update("1", symbol=symbol))
        large.apply_order(order_update(f"other {number}", SELL, "1", symbol=symbol))
    for _ in range(10):
        large.replace_positions([], large.mark(), is_complete=False)
        large.report(summary("1000000", "1000000"), large.mark())
    small.report(summary("1000", "1000"), small.mark())
    steps = Steps()
    for call, *args in (
        ("apply_order", fill_update("1", BUY, "3", "1", at=2)),
        ("apply_position", position_update("1", at=2)),
        ("apply_balance", balance_update("5", at=2)),
        ("apply_mark", SOL, Decimal(101), 2),
        ("apply_order", end_update("1", BUY, "3", at=3)),
        ("required", SOL, BUY, Decimal(1)),
    ):
        assert steps.of(getattr(small, call), *args) == steps.of(getattr(large, call), *args), call
    assert steps.of(lambda: small.available) == steps.of(lambda: large.available) < 40


def test_closed_position_and_cancelled_orders_leave_nothing() -> None:
    margin = account()
    margin.apply_order(order_update("1", BUY, "3.3", "99.99"))
    margin.apply_order(fill_update("1", BUY, "3.3", "1.1", "99.99", at=2))
    margin.apply_mark(SOL, Decimal("101.37"), 2.5)
    margin.apply_order(end_update("1", BUY, "3.3", at=3))
    margin.apply_position(position_update("0", "101.37", at=4))
    margin.apply_balance(balance_update("1001.5", at=4))
    assert (margin.net_equity, margin.available) == (Decimal("1001.5"), Decimal("1001.5"))


def test_unknown_state_of_an_order_changes_nothing() -> None:
    margin = account()
    margin.apply_order(order_update("1", BUY, "3"))
    update = order_update("1", BUY, "3", at=2)
    margin.apply_order(type(update)(**{**_fields(update), "status": "Paused"}))
    assert used(margin) == 60


def test_conditional_order_counts_from_its_firing_on() -> None:
    margin = account()
    margin.hold("5", SOL, BUY, Decimal(1), reduce_only=False)
    margin.apply_order(order_update("1", BUY, "0", status=OrderStatus.TRIGGER_PENDING, client_id=5))
    assert used(margin) == 0
    margin.acknowledge("5", order_row("1", BUY, "0", status=OrderStatus.TRIGGER_PENDING, client_id=5))
    margin.replace_orders([order_row("1", BUY, "0", status=OrderStatus.TRIGGER_PENDING, client_id=5)], margin.mark())
    assert used(margin) == 0
    margin.apply_order(order_update("1", BUY, "0", status=OrderStatus.TRIGGER_PENDING, client_id=5, at=1.5))
    margin.replace_orders([order_row("1", BUY, "1", client_id=5)], margin.mark())
    assert used(margin) == 20
    margin.apply_order(order_update("1", BUY, "1", client_id=5, at=2))
    assert used(margin) == 20


def _fields(update: Any) -> dict[str, Any]:
    return {name: getattr(update, name) for name in type(update).__struct_fields__}
