"""Conditional orders on perpetual markets: stops, entries, take-profit and stop-loss, and what the position does."""

from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.protocol.enums import OrderType, Side, TriggerBy
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Execution, OrderUpdated
from backpack_connector.simulator.orders import ExitTrigger, NewOrder, Order, Trigger
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import Client, limit, market, new_exchange

PERP = "SOL_USDC_PERP"
FIELDS = {"symbol": PERP, "side": "Bid", "orderType": "Limit", "price": "150", "quantity": "1"}


def perp(side: str, price: str, quantity: str, **fields: Any) -> NewOrder:
    return limit(side, price, quantity, symbol=PERP, **fields)


def stop(side: str, trigger_price: str, quantity: str, *, price: str | None = None, **fields: Any) -> NewOrder:
    by = fields.pop("by", None)
    trigger = Trigger(
        price=Decimal(trigger_price),
        quantity=Decimal(quantity.removesuffix("%")),
        is_percent=quantity.endswith("%"),
        by=by,
    )
    return NewOrder(
        symbol=fields.pop("symbol", PERP),
        side=Side(side),
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        price=None if price is None else Decimal(price),
        trigger=trigger,
        **fields,
    )


def entry(side: str, price: str, quantity: str, take_profit: str | None, stop_loss: str | None) -> NewOrder:
    order = perp(side, price, quantity)
    exits = [None if text is None else ExitTrigger(price=Decimal(text)) for text in (take_profit, stop_loss)]
    return NewOrder(
        **{
            **{name: getattr(order, name) for name in order.__struct_fields__},
            "take_profit": exits[0],
            "stop_loss": exits[1],
        }
    )


def trade_at(exchange: Exchange, price: str, quantity: str = "0.01") -> list[Any]:
    """Let two strangers trade at a price and return what the trade sets off."""
    exchange.place("x", perp("Ask", price, quantity))
    return story(exchange.place("y", perp("Bid", price, quantity)))


def story(execution: Execution, *, account_id: str = "a") -> list[tuple[str, str, str | None]]:
    """Return event, trigger price and reason of an account's order events."""
    return [
        (
            event.kind.value,
            "" if event.order.trigger is None else str(event.order.trigger.price),
            None if event.order.expiry_reason is None else event.order.expiry_reason.value,
        )
        for event in execution.events
        if isinstance(event, OrderUpdated) and event.order.account_id == account_id
    ]


def with_position(side: str = "Bid", quantity: str = "2") -> Exchange:
    """Return an exchange in which `a` has a position from a trade at 150."""
    exchange = new_exchange()
    open_position(exchange, side, quantity)
    return exchange


def open_position(exchange: Exchange, side: str, quantity: str) -> None:
    exchange.place("maker", perp(Side(side).opposite.value, "150", quantity))
    exchange.place("a", perp(side, "150", quantity))


def waiting(exchange: Exchange) -> list[Order]:
    return list(exchange.open_account("a").trigger_orders.values())


def last_order(exchange: Exchange, account_id: str = "a") -> Order:
    return list(exchange.open_account(account_id).orders.values())[-1]


@pytest.mark.parametrize(("side", "through"), [("Bid", "147"), ("Ask", "153")])
@pytest.mark.parametrize(
    ("quantity", "left"), [("100%", "0"), ("25%", "1.5"), ("0.5", "1.5"), ("7", "0"), ("0.51%", "1.99")]
)
def test_a_stop_closes_no_more_than_the_position(side: str, through: str, quantity: str, left: str) -> None:
    exchange = with_position(side)
    closing = Side(side).opposite.value
    order_id = exchange.place("a", stop(closing, through, quantity, reduce_only=True)).order.order_id
    # Resting orders on the side that the stop will take from; the trade price is between them and the start.
    exchange.place("maker", perp(side, "146" if side == "Bid" else "154", "50"))
    told = trade_at(exchange, through)
    assert told[0][0] == "orderAccepted"
    assert {kind for kind, _, _ in told[1:]} == {"orderFill"}
    assert abs(exchange.net_quantity("a", PERP)) == Decimal(left)
    assert last_order(exchange).order_id == order_id


def test_a_percentage_covers_what_the_position_has_grown_to() -> None:
    exchange = with_position()
    exchange.place("a", stop("Ask", "147", "100%", reduce_only=True))
    open_position(exchange, "Bid", "3")
    exchange.place("maker", perp("Bid", "146", "50"))
    trade_at(exchange, "147")
    assert exchange.net_quantity("a", PERP) == 0


@pytest.mark.parametrize("order", [stop("Ask", "147", "100%"), stop("Ask", "147", "1", reduce_only=True)])
@pytest.mark.parametrize("position", [None, "Ask"])
def test_a_stop_without_position_fails(order: NewOrder, position: str | None) -> None:
    exchange = new_exchange()
    if position is not None:
        open_position(exchange, position, "2")
    exchange.place("a", order)
    exchange.place("maker", perp("Bid", "146", "50"))
    assert trade_at(exchange, "147") == [("triggerFailed", "147", "StopWithoutPosition")]
    assert last_order(exchange).status.value == "TriggerFailed"
    assert waiting(exchange) == []


def test_a_trigger_can_open_a_position_and_needs_margin_only_then() -> None:
    exchange = new_exchange()
    exchange.place("a", stop("Bid", "153", "50"))
    exchange.place("a", stop("Bid", "153", "100000", price="154"))
    account = exchange.open_account("a")
    assert exchange.risk.margin(account).initial_margin == 0
    exchange.place("maker", perp("Ask", "154", "60"))
    told = trade_at(exchange, "153")
    assert told[-1] == ("triggerFailed", "153", "InsufficientMargin")
    assert [row[0] for row in told[:-1]] == ["orderAccepted", "orderFill"]
    assert exchange.net_quantity("a", PERP) == 50


@pytest.mark.parametrize("by", [TriggerBy.MARK_PRICE, TriggerBy.INDEX_PRICE])
def test_mark_and_index_prices_fire_at_the_next_second(by: TriggerBy) -> None:
    exchange = with_position()
    exchange.place("a", stop("Ask", "147", "100%", by=by))
    exchange.place("maker", perp("Bid", "146", "50"))
    assert trade_at(exchange, "147") == [], "the last price is not what it waits for"
    assert all(story(execution) == [] for execution in exchange.on_second(exchange.now_us()))
    exchange.prices.set_index(PERP, Decimal(146), exchange.now_us())
    told = [row for execution in exchange.on_second(exchange.now_us()) for row in story(execution)]
    assert [row[0] for row in told] == ["orderAccepted", "orderFill"]
    assert exchange.net_quantity("a", PERP) == 0


def protected(side: str = "Bid", quantity: str = "2") -> Exchange:
    """Return an exchange in which `a` has a position with take-profit and stop-loss, and the book takes what comes."""
    exchange = new_exchange()
    take_profit, stop_loss = ("153", "147") if side == "Bid" else ("147", "153")
    exchange.place("maker", perp(Side(side).opposite.value, "150", quantity))
    exchange.place("a", entry(side, "150", quantity, take_profit, stop_loss))
    exchange.place("maker", perp("Bid", "146", "50"))
    exchange.place("maker", perp("Ask", "154", "50"))
    return exchange


def test_exits_only_reduce() -> None:
    exits = waiting(protected())
    assert [(row.side.value, row.reduce_only, str(row.trigger and row.trigger.price)) for row in exits] == [
        ("Ask", True, "153"),
        ("Ask", True, "147"),
    ]


@pytest.mark.parametrize(
    ("side", "price", "fired", "ended"),
    [("Bid", "153", "153", "147"), ("Bid", "147", "147", "153"), ("Ask", "147", "147", "153")],
)
def test_one_exit_closes_the_position_and_ends_the_other(side: str, price: str, fired: str, ended: str) -> None:
    exchange = protected(side)
    assert trade_at(exchange, price) == [
        ("orderAccepted", fired, None),
        ("orderFill", fired, None),
        ("orderCancelled", ended, None),
    ]
    assert exchange.net_quantity("a", PERP) == 0
    assert waiting(exchange) == []


def test_the_exits_of_one_entry_leave_those_of_another_alone() -> None:
    exchange = protected()
    exchange.place("maker", perp("Ask", "150", "3"))
    exchange.place("a", entry("Bid", "150", "3", "155", "145"))
    trade_at(exchange, "153")
    assert exchange.net_quantity("a", PERP) == 3
    assert [str(row.trigger and row.trigger.price) for row in waiting(exchange)] == ["155", "145"]


@pytest.mark.parametrize("quantity", ["2", "5"])
def test_a_position_that_is_closed_or_turned_ends_the_exits(quantity: str) -> None:
    exchange = protected()
    told = story(exchange.place("a", market("Ask", quantity, symbol=PERP)))
    assert told[-2:] == [
        ("orderExpired", "153", "StopWithoutPosition"),
        ("orderExpired", "147", "StopWithoutPosition"),
    ]
    assert waiting(exchange) == []
    assert {row.status.value for row in list(exchange.open_account("a").orders.values())[1:3]} == {"Expired"}


def test_a_position_that_shrinks_keeps_its_exits_which_then_close_the_rest() -> None:
    exchange = protected()
    exchange.place("y", perp("Bid", "150", "1.5"))
    exchange.place("a", market("Ask", "1.5", symbol=PERP))
    assert len(waiting(exchange)) == 2
    told = trade_at(exchange, "153")
    assert told[1][0] == "orderFill"
    assert exchange.net_quantity("a", PERP) == 0
    assert waiting(exchange) == []


def test_an_exit_that_another_one_has_made_pointless_does_not_fire() -> None:
    exchange = protected()
    exchange.place("maker", perp("Ask", "150", "1"))
    exchange.place("a", entry("Bid", "150", "1", "153", "147"))
    exchange.place("y", perp("Bid", "150", "1"))
    exchange.place("a", market("Ask", "1", symbol=PERP))
    told = trade_at(exchange, "147")
    assert told[:3] == [
        ("orderAccepted", "147", None),
        ("orderFill", "147", None),
        ("orderCancelled", "153", None),
    ]
    assert {row[0] for row in told[3:]} == {"orderExpired"}
    assert waiting(exchange) == []


def test_a_position_that_the_exchange_has_closed_ends_the_exits_within_a_second() -> None:
    exchange = protected()
    exchange.place("y", perp("Bid", "150", "2"))
    exchange.match("a", market("Ask", "2", symbol=PERP))
    assert len(waiting(exchange)) == 2
    told = [row for execution in exchange.on_second(exchange.now_us()) for row in story(execution)]
    assert [row[0] for row in told] == ["orderExpired", "orderExpired"]


def test_a_stop_of_the_user_outlives_the_position() -> None:
    """It belongs to no entry, and the exchange is not known to end it."""
    exchange = with_position()
    exchange.place("a", stop("Ask", "147", "100%", reduce_only=True))
    exchange.place("maker", perp("Bid", "150", "2"))
    exchange.place("a", market("Ask", "2", symbol=PERP))
    assert len(waiting(exchange)) == 1


def test_an_entry_that_only_reduces_an_opposite_position_gets_no_exits() -> None:
    exchange = with_position("Ask", "2")
    exchange.place("maker", perp("Ask", "150", "1"))
    told = story(exchange.place("a", entry("Bid", "150", "1", "153", "147")))
    assert [row[0] for row in told] == ["orderAccepted", "orderFill"]
    assert waiting(exchange) == []
    assert exchange.net_quantity("a", PERP) == -1


def test_a_maker_gets_its_exits_when_a_stranger_fills_it() -> None:
    exchange = new_exchange()
    parent = exchange.place("a", entry("Bid", "149", "2", "153", None)).order
    told = story(exchange.place("x", perp("Ask", "149", "0.5")))
    assert told == [("orderFill", "", None), ("triggerPlaced", "153", None)]
    (take_profit,) = waiting(exchange)
    assert take_profit.related_order_id == parent.order_id


def test_an_exit_that_was_reached_before_it_came_to_be_fires_at_once() -> None:
    exchange = new_exchange()
    exchange.place("maker", perp("Bid", "149", "50"))
    exchange.place("maker", perp("Ask", "150", "1"))
    told = story(exchange.place("a", entry("Bid", "150", "1", "153", "152")))
    assert [row[0] for row in told] == [
        *("orderAccepted", "orderFill", "triggerPlaced", "triggerPlaced"),
        *("orderAccepted", "orderFill", "orderCancelled"),
    ]
    assert exchange.net_quantity("a", PERP) == 0


def test_a_resting_take_profit_is_cancelled_so_that_the_stop_loss_can_close() -> None:
    exchange = new_exchange()
    exchange.place("maker", perp("Ask", "150", "2"))
    order = entry("Bid", "150", "2", "153", "147")
    values = {name: getattr(order, name) for name in order.__struct_fields__}
    values["take_profit"] = ExitTrigger(price=Decimal(153), limit_price=Decimal(155))
    exchange.place("a", NewOrder(**values))
    exchange.place("maker", perp("Bid", "146", "50"))
    trade_at(exchange, "153")
    assert [str(row.price) for row in exchange.open_account("a").open_orders.values()] == ["155"]
    assert trade_at(exchange, "147") == [
        ("orderCancelled", "153", None),
        ("orderAccepted", "147", None),
        ("orderFill", "147", None),
    ]
    assert exchange.net_quantity("a", PERP) == 0


def test_a_stop_is_refused_when_resting_orders_cover_the_position_already() -> None:
    exchange = with_position()
    exchange.place("a", perp("Ask", "155", "2", reduce_only=True))
    exchange.place("a", stop("Ask", "147", "2", reduce_only=True))
    exchange.place("maker", perp("Bid", "146", "50"))
    assert trade_at(exchange, "147") == [("triggerFailed", "147", "ReduceOnlyNotReduced")]


def test_two_exits_reached_by_one_sweep_close_once() -> None:
    exchange = with_position("Bid", "1")
    exchange.place("maker", perp("Ask", "150", "2"))
    exchange.place("a", entry("Bid", "150", "2", "151", "149"))
    exchange.place("maker", perp("Bid", "152", "1"))
    exchange.place("maker", perp("Bid", "148", "50"))
    # One sale trades at 152 and at 148: take-profit and stop-loss are both reached within one command.
    exchange.place("x", perp("Ask", "148", "3"))
    assert exchange.net_quantity("a", PERP) == 1
    statuses = [row.status.value for row in list(exchange.open_account("a").orders.values())[-2:]]
    assert statuses == ["Filled", "Cancelled"]


def test_all_events_of_a_firing_have_its_own_time() -> None:
    exchange = protected()
    exchange.place("x", perp("Ask", "153", "1"))
    execution = exchange.place("y", perp("Bid", "153", "1"))
    times = [event.time_us for event in execution.events if hasattr(event, "time_us")]
    assert times == sorted(times)
    fired = next(e for e in execution.events if isinstance(e, OrderUpdated) and e.order.account_id == "a")
    assert fired.time_us > times[0]


async def test_over_the_wire_an_exit_is_marked_reduce_only_and_related(simulator: Simulator, alice: Client) -> None:
    simulator.exchange.place("x", perp("Ask", "150", "1"))
    order = {**FIELDS, "takeProfitTriggerPrice": "153", "stopLossTriggerPrice": "147"}
    _, parent = await alice.call("execute_order", order)
    rows = (await alice.call("get_open_orders", {"symbol": PERP}))[1]
    assert [(row["reduceOnly"], row["relatedOrderId"], row["status"]) for row in rows] == [
        (True, parent["id"], "TriggerPending"),
        (True, parent["id"], "TriggerPending"),
    ]


async def test_spot_margin_flags_are_refused(alice: Client) -> None:
    status, answer = await alice.call("execute_order", {**FIELDS, "autoBorrow": True})
    assert (status, answer["message"]) == (
        400,
        "autoBorrow, autoBorrowRepay, autoLend and autoLendRedeem are for spot orders only",
    )
    assert (await alice.call("execute_order", {**FIELDS, "autoBorrow": False}))[0] == 200


def test_a_trigger_is_refused_while_the_account_is_liquidated() -> None:
    exchange = with_position()
    exchange.open_account("a").is_liquidating = True
    with pytest.raises(Refusal, match="liquidated"):
        exchange.place("a", stop("Ask", "147", "100%"))
