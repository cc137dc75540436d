"""The arithmetic of one position: fills by hand, and what holds for any fills."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.simulator.positions import Position, PositionFill, after_fill
from tests.simulator.support import BOUNDED

SYMBOL = "SOL_USDC_PERP"


def fill(quantity: str, price: str, fee: str = "0", liquidation_fee: str = "0", time_us: int = 1) -> PositionFill:
    return PositionFill(
        symbol=SYMBOL,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        liquidation_fee=Decimal(liquidation_fee),
        time_us=time_us,
    )


def after(*fills: PositionFill) -> tuple[list[Position], Position | None]:
    """Return the positions that some fills closed, oldest first, and the open one."""
    closed, position = [], None
    for number, entry in enumerate(fills, 1):
        ended, position = after_fill(position, entry, str(number))
        closed += [] if ended is None else [ended]
    return closed, position


@pytest.mark.parametrize(
    ("fills", "quantity", "entry", "profit_at_160"),
    [
        pytest.param([fill("2", "150")], "2", "150", "20", id="long"),
        pytest.param([fill("-2", "150")], "-2", "150", "-20", id="short"),
        pytest.param([fill("2", "150"), fill("1", "153")], "3", "151", "27", id="added to"),
        pytest.param([fill("-1", "150"), fill("-3", "154")], "-4", "153", "-28", id="short added to"),
        pytest.param([fill("3", "150"), fill("-1", "157")], "2", "150", "27", id="reduced: 7 earned, 20 open"),
        pytest.param([fill("-3", "150"), fill("1", "145")], "-2", "150", "-15", id="short reduced: 5 earned, -20 open"),
        pytest.param([fill("2", "150"), fill("-1", "152"), fill("1", "156")], "2", "153", "16", id="reduced, added to"),
    ],
)
def test_an_open_position(fills: list[PositionFill], quantity: str, entry: str, profit_at_160: str) -> None:
    closed, position = after(*fills)
    assert closed == []
    assert position is not None
    assert (position.position_id, position.quantity) == ("1", Decimal(quantity))
    assert (position.entry_price, position.profit(Decimal(160))) == (Decimal(entry), Decimal(profit_at_160))


def test_a_fill_of_the_whole_quantity_closes() -> None:
    closed, position = after(fill("3", "150", "0.02"), fill("-1", "152", "0.03"), fill("-2", "155", "0.04"))
    assert position is None
    (ended,) = closed
    assert (ended.quantity, ended.cash, ended.fees) == (0, Decimal(12), Decimal("0.09"))
    assert (ended.closed_quantity, ended.closing_price, ended.entry_price) == (3, Decimal(154), Decimal(150))
    assert ended.break_even_price == Decimal(150)


def test_a_fill_through_zero_closes_one_position_and_opens_another() -> None:
    closed, position = after(fill("1", "150"), fill("-4", "156", "0.312", "6.24", time_us=9))
    (ended,) = closed
    assert (ended.position_id, ended.quantity, ended.cash) == ("1", 0, Decimal(6))
    assert (ended.fees, ended.liquidation_fees, ended.liquidated_quantity) == (Decimal("0.078"), Decimal("1.56"), 1)
    assert position is not None
    assert (position.position_id, position.quantity, position.entry_price) == ("2", -3, Decimal(156))
    assert (position.fees, position.liquidation_fees) == (Decimal("0.234"), Decimal("4.68"))
    assert (position.realized, position.opened_us, position.liquidated_quantity) == (0, 9, 0)


@pytest.mark.parametrize(
    ("quantity", "entry", "fees", "funding", "break_even"),
    [
        # The two live samples of API §2.3 and §3.4; of the short's 0.000393 only the sum is known.
        pytest.param("0.002", "4447.065", "0.004448", "-0.022061", "4460.3195", id="ETH long"),
        pytest.param("-0.01", "126.97", "0.000254", "-0.000139", "126.9307", id="SOL short"),
    ],
)
def test_break_even_is_the_entry_with_fees_and_funding_spread_over_the_quantity(
    quantity: str, entry: str, fees: str, funding: str, break_even: str
) -> None:
    _, position = after(fill(quantity, entry, fees))
    assert position is not None
    funded = msgspec.structs.replace(position, funding=Decimal(funding))
    assert funded.break_even_price == Decimal(break_even)


def test_profit_is_exact_where_an_average_is_not() -> None:
    _, position = after(fill("1", "100"), fill("1", "100"), fill("1", "100.01"))
    assert position is not None
    assert position.entry_price * 3 != Decimal("300.01")
    assert position.profit(Decimal("100.01")) == Decimal("0.02")
    assert position.unrealized(Decimal("100.01")) == Decimal("0.02")


def test_realised_profit_is_not_unrealised_any_more() -> None:
    _, position = after(fill("2", "150"))
    assert position is not None
    settled = msgspec.structs.replace(position, realized=Decimal(15))
    assert (settled.profit(Decimal(160)), settled.unrealized(Decimal(160))) == (20, 5)


fills_of_any_kind = st.lists(
    st.tuples(st.integers(-50, 50).filter(bool), st.integers(14_000, 16_000)), min_size=1, max_size=30
)


@BOUNDED
@given(fills_of_any_kind, st.integers(13_000, 17_000))
def test_any_fills_give_the_quantity_and_the_profit_that_they_add_up_to(
    fills: list[tuple[int, int]], mark: int
) -> None:
    closed, position = after(*[fill(str(quantity), str(Decimal(cents) / 100)) for quantity, cents in fills])
    total = sum(quantity for quantity, _ in fills)
    assert (0 if position is None else position.quantity) == total
    price = Decimal(mark) / 100
    profit = sum((ended.cash for ended in closed), Decimal(0)) + (0 if position is None else position.profit(price))
    assert profit == sum(quantity * (price - Decimal(cents) / 100) for quantity, cents in fills)


@BOUNDED
@given(fills_of_any_kind)
def test_the_entry_price_is_the_average_of_what_was_added(fills: list[tuple[int, int]]) -> None:
    _, position = after(*[fill(str(quantity), str(Decimal(cents) / 100)) for quantity, cents in fills])
    quantity, entry = 0, 0.0
    for bought, cents in fills:
        before, quantity = quantity, quantity + bought
        if before * bought >= 0:
            entry = (entry * abs(before) + abs(bought) * cents / 100) / abs(quantity)
        elif before * quantity < 0:
            entry = cents / 100
    assert (position is None) == (quantity == 0)
    if position is not None:
        assert float(position.entry_price) == pytest.approx(entry)
