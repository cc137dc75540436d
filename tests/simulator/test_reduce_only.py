"""Reduce-only orders: cut on arrival, shrunk later, never through zero."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Execution, OrderUpdated
from backpack_connector.simulator.orders import NewOrder, Trigger
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import assert_sound, kinds, levels, limit, market, new_exchange, state_of

SOL = "SOL_USDC_PERP"


def ask(price: str, quantity: str, **options: Any) -> NewOrder:
    return limit("Ask", price, quantity, symbol=SOL, **options)


def bid(price: str, quantity: str, **options: Any) -> NewOrder:
    return limit("Bid", price, quantity, symbol=SOL, **options)


def long_of(quantity: str) -> Exchange:
    """Return an exchange where account a is long and b is short, at 150."""
    exchange = new_exchange()
    exchange.place("b", ask("150", quantity))
    exchange.place("a", bid("150", quantity))
    return exchange


def quantities(exchange: Exchange, account_id: str = "a") -> list[str]:
    return [str(order.remaining) for order in exchange.open_account(account_id).open_orders.values()]


def orders_in(execution: Execution) -> list[tuple[str, str, str]]:
    return [
        (event.kind.value, event.order.status.value, str(event.order.quantity))
        for event in execution.events
        if isinstance(event, OrderUpdated) and event.order.account_id == "a"
    ]


@pytest.mark.parametrize(
    ("held", "order"),
    [
        pytest.param("0", ask("151", "1", reduce_only=True), id="flat"),
        pytest.param("5", bid("149", "1", reduce_only=True), id="the position's own direction"),
        pytest.param("5", market("Bid", "1", symbol=SOL, reduce_only=True), id="market order, own direction"),
    ],
)
def test_nothing_to_reduce_is_refused(held: str, order: NewOrder) -> None:
    exchange = long_of(held) if held != "0" else new_exchange()
    exchange.place("b", ask("150.5", "1"))
    exchange.open_account("a")
    before = state_of(exchange)
    with pytest.raises(Refusal, match="Reduce only order not reduced") as refusal:
        exchange.place("a", order)
    assert refusal.value.code.value == "INVALID_ORDER"
    assert state_of(exchange) == before


def test_a_position_that_resting_orders_cover_is_not_reduced_twice() -> None:
    exchange = long_of("5")
    exchange.place("a", ask("151", "3", reduce_only=True))
    assert exchange.place("a", ask("152", "3", reduce_only=True)).order.quantity == 2
    with pytest.raises(Refusal, match="Reduce only order not reduced"):
        exchange.place("a", market("Ask", "1", symbol=SOL, reduce_only=True))
    exchange.cancel_all("a", SOL)
    exchange.place("b", bid("149.9", "9"))
    exchange.place("a", market("Ask", "9", symbol=SOL, reduce_only=True))
    assert exchange.net_quantity("a", SOL) == 0


@pytest.mark.parametrize(
    ("order", "executed", "cut"),
    [
        pytest.param(ask("149.9", "20", reduce_only=True), "5", "5", id="limit"),
        pytest.param(market("Ask", "20", symbol=SOL, reduce_only=True), "5", "5", id="market by quantity"),
        pytest.param(market("Ask", quote="9000", symbol=SOL, reduce_only=True), "5", "5", id="market by quote"),
        pytest.param(market("Ask", quote="300", symbol=SOL, reduce_only=True), "2.00", "None", id="by less quote"),
        pytest.param(ask("149.9", "20", reduce_only=True, tif="IOC"), "5", "5", id="IOC"),
        pytest.param(ask("149.9", "20", reduce_only=True, tif="FOK"), "5", "5", id="FOK"),
    ],
)
def test_more_than_the_position_is_cut(order: NewOrder, executed: str, cut: str) -> None:
    exchange = long_of("5")
    exchange.place("b", bid("149.9", "50"))
    result = exchange.place("a", order).order
    assert (str(result.executed_quantity), str(result.quantity), result.status.value) == (executed, cut, "Filled")
    assert_sound(exchange)


def test_a_resting_order_shrinks_with_the_position() -> None:
    exchange = long_of("5")
    for price in ("151", "152", "153"):
        exchange.place("a", ask(price, "1.5" if price == "151" else "2", reduce_only=True))
    assert quantities(exchange) == ["1.5", "2", "1.5"]
    exchange.place("b", bid("149.9", "2"))
    execution = exchange.place("a", ask("149.9", "2"))
    # The newest order gives way first; events come in the order of the orders.
    assert orders_in(execution) == [
        ("orderAccepted", "New", "2"),
        ("orderFill", "Filled", "2"),
        ("orderModified", "New", "1.5"),
        ("orderExpired", "Expired", "1.5"),
    ]
    assert quantities(exchange) == ["1.5", "1.5"]
    assert levels(exchange, SOL)[1] == [("151", "1.5"), ("152", "1.5")]
    modified = exchange.open_account("a").open_orders
    assert [str(order.quote_quantity) for order in modified.values()] == ["226.5", "228.0"]
    assert_sound(exchange)


def test_an_order_that_was_partly_filled_keeps_what_was_executed() -> None:
    exchange = long_of("5")
    exchange.place("a", ask("151", "5", reduce_only=True))
    exchange.place("b", bid("151", "1"))
    exchange.place("b", bid("149.9", "3"))
    execution = exchange.place("a", ask("149.9", "3"))
    assert orders_in(execution)[-1] == ("orderModified", "PartiallyFilled", "2")
    assert quantities(exchange) == ["1"]


def test_what_has_nothing_left_expires_with_its_reason() -> None:
    exchange = long_of("5")
    exchange.place("a", ask("151", "5", reduce_only=True))
    exchange.place("b", bid("149.9", "8"))
    execution = exchange.place("a", ask("149.9", "8"))
    (expired,) = [
        event for event in execution.events if isinstance(event, OrderUpdated) and event.kind.value == "orderExpired"
    ]
    assert expired.order.expiry_reason is not None
    assert expired.order.expiry_reason.value == "ReduceOnlyNotReduced"
    assert exchange.net_quantity("a", SOL) == -3
    assert quantities(exchange) == []
    assert "LevelChanged" in kinds(execution.events)


def test_other_orders_do_not_shrink() -> None:
    exchange = long_of("5")
    exchange.place("a", ask("151", "5"))
    exchange.place("b", bid("149.9", "5"))
    exchange.place("a", ask("149.9", "5"))
    assert quantities(exchange) == ["5"]


def test_an_order_cannot_be_taken_that_another_fill_of_the_same_sweep_has_made_void() -> None:
    """The taker would fill an ordinary ask of a first, which closes the position, and then the reduce-only one."""
    exchange = long_of("5")
    exchange.place("a", ask("151", "3"))
    exchange.place("a", ask("152", "5", reduce_only=True))
    exchange.place("c", ask("152", "4"))
    result = exchange.place("d", market("Bid", "8", symbol=SOL)).order
    # 3 of the first, 2 of the reduce-only one (the position had 2 left), 3 of the stranger behind it.
    assert (result.executed_quantity, result.status.value) == (8, "Filled")
    assert exchange.net_quantity("a", SOL) == 0
    assert exchange.net_quantity("c", SOL) == -3
    assert quantities(exchange) == []
    assert_sound(exchange)


def test_a_maker_in_the_same_sweep_may_be_void_from_the_start() -> None:
    exchange = long_of("5")
    exchange.place("a", ask("151", "5"))
    exchange.place("a", ask("152", "5", reduce_only=True))
    result = exchange.place("d", bid("152", "8")).order
    assert (result.executed_quantity, result.status.value) == (5, "PartiallyFilled")
    assert exchange.net_quantity("a", SOL) == 0
    assert exchange.net_quantity("d", SOL) == 5
    assert quantities(exchange) == []
    assert quantities(exchange, "d") == ["3"]
    assert not exchange.markets[SOL].book.is_crossed
    assert_sound(exchange)


@pytest.mark.parametrize("trigger", [None, Trigger(price=Decimal(155), quantity=Decimal(1))])
def test_reduce_only_is_refused_on_spot_markets(trigger: Trigger | None) -> None:
    order = limit("Ask", "151", "1", reduce_only=True)
    if trigger is not None:
        order = msgspec.structs.replace(order, quantity=None, trigger=trigger)
    with pytest.raises(Refusal, match="Reduce only order not reduced"):
        new_exchange().place("a", order)


def test_a_reduce_only_order_needs_no_margin_and_adds_none() -> None:
    exchange = long_of("5")
    account = exchange.open_account("a")
    before = exchange.risk.margin(account)
    exchange.place("a", ask("151", "5", reduce_only=True))
    assert exchange.risk.margin(account) == before
    assert before.exposure_quantity(SOL) == Decimal(5)
