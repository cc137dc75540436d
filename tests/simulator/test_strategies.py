"""Scheduled strategies: slices over a time, what ends them, and what REST and the stream say of them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.enums import MarketType, OrderBookState, OrderStatus
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Execution, OrderUpdated
from backpack_connector.simulator.refusals import ParseFailure, Refusal
from backpack_connector.simulator.rest_strategies import read_new_strategy
from backpack_connector.simulator.strategies import NewStrategy, Strategy, StrategyEnd, StrategyStatus
from tests.simulator.streams import Stream, place
from tests.simulator.support import (
    BOUNDED,
    START_US,
    SYMBOL,
    Client,
    FakeClock,
    assert_sound,
    limit,
    new_exchange,
    state_of,
)

PERP = "SOL_USDC_PERP"
PLAN = {
    "duration": 600_000,
    "interval": 60_000,
    "quantity": "1",
    "side": "Bid",
    "strategyType": "Scheduled",
    "symbol": SYMBOL,
}


def planned(**changes: Any) -> NewStrategy:
    body = {name: value for name, value in {**PLAN, **changes}.items() if value is not None}
    return read_new_strategy(body)


class World:
    """An exchange with a deep book, and one strategy in it."""

    def __init__(self, **changes: Any) -> None:
        self.clock = FakeClock()
        self.exchange: Exchange = new_exchange(self.clock)
        self.exchange.place("maker", limit("Ask", "150", "20"))
        self.exchange.place("maker", limit("Bid", "149", "20"))
        self.executions: list[Execution] = []
        self.strategy, first = self.exchange.strategies.create("a", planned(**changes))
        self.executions.append(first)
        self.clock.advance_s(0.5)

    def run(self, seconds: int) -> None:
        """Let seconds pass, one by one."""
        for _ in range(seconds):
            self.clock.advance_s(1)
            self.executions += self.exchange.on_second(self.clock())
        assert_sound(self.exchange)

    @property
    def slices(self) -> list[str]:
        return [str(row.quantity) for row in self.exchange.open_account("a").orders.values()]

    @property
    def outcome(self) -> tuple[str, str | None, str]:
        end = self.strategy.end
        return self.strategy.status.value, None if end is None else end.value, str(self.strategy.executed_quantity)


def test_slices_are_sent_at_the_beginning_of_each_interval_until_all_is_filled() -> None:
    world = World()
    assert world.slices == ["0.10"]
    world.run(59)
    assert world.slices == ["0.10"]
    world.run(1)
    assert world.slices == ["0.10", "0.10"]
    world.run(8 * 60)
    assert world.slices == ["0.10"] * 10
    assert world.outcome == ("Completed", None, "1.00")
    assert world.strategy.executed_quote_quantity == 150
    world.run(200)
    assert len(world.slices) == 10


def test_a_quantity_that_does_not_divide_is_sent_whole_in_the_end() -> None:
    world = World(quantity="1.04", duration=300_000)
    world.run(300)
    assert world.slices == ["0.20", "0.21", "0.21", "0.21", "0.21"]
    assert world.outcome == ("Completed", None, "1.04")


def test_randomised_slices_differ_within_bounds_and_are_the_same_again() -> None:
    worlds = [World(randomizedIntervalQuantity=True, quantity="10") for _ in range(2)]
    for world in worlds:
        world.run(600)
        assert world.outcome == ("Completed", None, "10.00")
    slices = [Decimal(text) for text in worlds[0].slices]
    assert worlds[0].slices == worlds[1].slices
    assert len(set(slices)) > 3
    assert all(Decimal("0.6") <= part <= Decimal("1.4") for part in slices)


@BOUNDED
@given(
    quantity=st.integers(100, 10**9),
    slices=st.integers(1, 60),
    is_randomized=st.booleans(),
    strategy_id=st.integers(1, 10**9),
)
def test_schedules_never_fall_and_end_with_the_whole(
    quantity: int, slices: int, is_randomized: bool, strategy_id: int
) -> None:
    step = Decimal("0.01")
    request = planned(
        quantity=str(quantity * step), duration=slices * 1_000, interval=1_000, randomizedIntervalQuantity=is_randomized
    )
    strategy = Strategy(strategy_id=str(strategy_id), account_id="a", request=request, created_us=START_US)
    schedule = [strategy.scheduled_quantity(number, step) for number in range(1, slices + 1)]
    assert schedule == sorted(schedule)
    assert not any(part % step for part in schedule)
    assert schedule[-1] == request.order.quantity
    assert strategy.slices_due(START_US + (slices - 1) * 10**6) == strategy.slices == slices


def test_slices_that_a_pause_has_swallowed_are_made_up_for_in_one() -> None:
    world = World()
    world.clock.advance_s(185)
    world.run(0)
    world.executions += world.exchange.on_second(world.clock())
    assert world.slices == ["0.10", "0.30"]
    world.clock.advance_s(3_000)
    world.executions += world.exchange.on_second(world.clock())
    assert world.slices == ["0.10", "0.30", "0.60"]
    assert world.outcome == ("Completed", None, "1.00")


def test_slices_with_a_price_rest_and_what_is_open_at_the_end_is_cancelled() -> None:
    world = World(price="149.5")
    world.run(120)
    account = world.exchange.open_account("a")
    assert [str(row.remaining) for row in account.open_orders.values()] == ["0.10"] * 3
    world.exchange.place("b", limit("Ask", "149.5", "0.25"))
    world.run(480)
    assert world.outcome == ("Terminated", "Expired", "0.25")
    assert not account.open_orders
    assert {row.status for row in account.orders.values()} == {OrderStatus.FILLED, OrderStatus.CANCELLED}


def test_a_strategy_is_completed_when_its_last_resting_slice_is_filled() -> None:
    world = World(price="149.5")
    world.run(545)
    world.exchange.place("b", limit("Ask", "149.5", "0.5"))
    world.run(1)
    assert world.outcome == ("Running", None, "0.50")
    world.exchange.place("b", limit("Ask", "149.5", "0.5"))
    world.run(1)
    assert world.outcome == ("Completed", None, "1.00")


def test_a_resting_slice_that_the_exchange_ends_takes_the_others_along() -> None:
    world = World(price="149.5")
    world.run(60)
    account = world.exchange.open_account("a")
    first = next(iter(account.open_orders.values()))
    world.exchange.place("a", limit("Ask", "149.5", "0.1", stp="RejectMaker"))
    assert first.status is OrderStatus.EXPIRED
    world.run(1)
    assert world.outcome == ("Terminated", "SelfTradePrevention", "0")
    assert [row.side.value for row in account.open_orders.values()] == ["Ask"]


def test_what_a_slice_did_not_get_is_part_of_the_next_one() -> None:
    world = World(price="149.5", timeInForce="IOC")
    assert world.outcome == ("Running", None, "0")
    world.run(60)
    assert world.slices == ["0.10", "0.20"]
    world.exchange.place("b", limit("Ask", "149.5", "5"))
    world.run(60)
    assert world.outcome == ("Running", None, "0.30")


def test_post_only_slices_wait_while_they_would_take() -> None:
    world = World(price="150", postOnly=True, side="Ask")
    world.exchange.place("b", limit("Ask", "149.5", "20"))
    world.exchange.place("c", limit("Bid", "149.5", "20"))
    world.exchange.place("c", limit("Bid", "150", "20"))
    world.exchange.place("c", limit("Bid", "150", "1"))
    world.run(60)
    assert world.outcome[0] == "Running"
    assert len(world.slices) == 1


@pytest.mark.parametrize(
    ("changes", "spoil", "end"),
    [
        ({}, "buy everything", "InsufficientLiquidity"),
        ({"timeInForce": "FOK"}, "leave little", "FillOrKill"),
        ({}, "close", "Unknown"),
        ({"price": "150"}, "spend", "InsufficientFunds"),
        ({}, "liquidate", "Liquidation"),
        ({"price": "150"}, "offer itself", "SelfTradePrevention"),
    ],
)
def test_a_slice_that_fails_ends_the_strategy(changes: Any, spoil: str, end: str) -> None:
    world = World(**changes)
    exchange = world.exchange
    if spoil in ("buy everything", "leave little", "offer itself"):
        exchange.place("b", limit("Bid", "150", "19.9" if spoil != "leave little" else "19.85"))
    if spoil == "offer itself":
        exchange.place("a", limit("Ask", "150", "1"))
    if spoil == "close":
        exchange.set_market_state(SYMBOL, OrderBookState.CLOSED)
    if spoil == "spend":
        free = exchange.ledger.balance("a", "USDC").available
        exchange.place("a", limit("Bid", "100", str(free // 100)))
        exchange.place("a", limit("Bid", "50", str((free % 100 / 50).quantize(Decimal("0.01")))))
    if spoil == "liquidate":
        exchange.open_account("a").is_liquidating = True
    world.clock.advance_s(60)
    list(exchange.strategies.on_second(world.clock()))
    assert (world.strategy.status, world.strategy.end) == (StrategyStatus.TERMINATED, StrategyEnd(end))
    assert exchange.strategies.running("a") == []
    assert list(exchange.strategies.on_second(world.clock())) == []
    assert_sound(exchange)


def test_reduce_only_slices_close_a_position() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    exchange.place("maker", limit("Bid", "149", "20", symbol=PERP))
    exchange.place("maker", limit("Ask", "150", "20", symbol=PERP))
    exchange.place("a", limit("Bid", "150", "0.5", symbol=PERP))
    strategy, _ = exchange.strategies.create("a", planned(symbol=PERP, side="Ask", reduceOnly=True))
    for _ in range(600):
        clock.advance_s(1)
        list(exchange.on_second(clock()))
    assert exchange.net_quantity("a", PERP) == 0
    assert (strategy.status, strategy.end) == (StrategyStatus.TERMINATED, StrategyEnd.REDUCE_ONLY_NOT_REDUCED)
    assert strategy.executed_quantity == Decimal("0.5")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"symbol": "NOPE_USDC"}, "Invalid market symbol"),
        ({"quantity": None}, "must specify `quantity`"),
        ({"duration": None}, "must specify"),
        ({"interval": None}, "must specify"),
        ({"interval": 999}, "`interval` must be from 1000"),
        ({"interval": 600_001}, "`interval` must be"),
        ({"duration": 604_800_001}, "up to 604800000"),
        ({"duration": 2**64 - 1}, "up to 604800000"),
        ({"quantity": "0.09"}, "of a slice is below"),
        ({"quantity": "0.16", "randomizedIntervalQuantity": True}, "of a slice is below"),
        ({"quantity": "1.001"}, "Quantity decimal too long"),
        ({"quantity": "-1"}, "positive `quantity`"),
        ({"price": "149.001"}, "Price decimal too long"),
        ({"reduceOnly": True}, "not reduced"),
        ({"price": "150", "quantity": "1000"}, "Insufficient funds"),
        ({"slippageTolerance": "1"}, "slippageToleranceType"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(changes: Any, text: str) -> None:
    exchange = new_exchange()
    exchange.place("maker", limit("Ask", "150", "20"))
    exchange.open_account("a")
    before = state_of(exchange)
    with pytest.raises(Refusal) as refused:
        exchange.strategies.create("a", planned(**changes))
    assert text in refused.value.message
    assert state_of(exchange) == before
    assert exchange.strategies.running("a") == exchange.strategies.ended("a") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"strategyType": "Sniper"},
        {"strategyType": None},
        {"side": None},
        {"duration": "600000"},
        {"duration": -1},
        {"interval": True},
        {"interval": 2**64},
        {"clientStrategyId": 2**32},
        {"clientStrategyId": "1"},
        {"randomizedIntervalQuantity": "yes"},
        {"quantity": 1},
    ],
)
def test_what_cannot_be_read_fails_in_plain_text(changes: Any) -> None:
    with pytest.raises(ParseFailure, match="StrategyCreatePayload"):
        planned(**changes)


def test_a_missing_first_slice_refuses_the_strategy() -> None:
    exchange = new_exchange()
    with pytest.raises(Refusal, match="No liquidity"):
        exchange.strategies.create("a", planned())
    assert exchange.strategies.running("a") == []


async def test_orders_fills_and_updates_carry_the_strategy_id(
    simulator: Simulator, alice: Client, private: Stream
) -> None:
    place(simulator, "maker", limit("Ask", "150", "20"))
    status, created = await alice.call("strategy_create", {**PLAN, "clientStrategyId": 7})
    assert (status, created["status"], created["executedQuantity"]) == (200, "Running", "0.1")
    simulator.advance_clock(60)
    frames = await private.settle()
    assert [(frame["data"]["e"], frame["data"]["H"]) for frame in frames] == [
        ("orderAccepted", created["id"]),
        ("orderFill", created["id"]),
    ] * 2
    query = {"strategyId": created["id"]}
    for operation in ("get_order_history", "get_fills"):
        assert len((await alice.call(operation, query))[1]) == 2
        assert (await alice.call(operation, {"strategyId": "1"}))[1] == []
    rows = (await alice.call("get_order_history", query))[1]
    assert {row["strategyId"] for row in rows} == {created["id"]}
    _, running = await alice.call("get_strategy", {"symbol": SYMBOL, "clientStrategyId": 7})
    assert (running["executedQuantity"], running["executedQuoteQuantity"]) == ("0.2", "30")


async def test_strategies_are_found_filtered_and_cancelled(simulator: Simulator, alice: Client, bob: Client) -> None:
    place(simulator, "maker", limit("Ask", "151", "20"))
    place(simulator, "maker", limit("Ask", "151", "20", symbol=PERP))
    ids = []
    for number, symbol in enumerate((SYMBOL, SYMBOL, PERP)):
        plan = {**PLAN, "symbol": symbol, "price": "149", "clientStrategyId": number}
        ids.append((await alice.call("strategy_create", plan))[1]["id"])

    async def found(query: Any, who: Client = alice) -> list[str]:
        return [row["id"] for row in (await who.call("get_open_strategies", query))[1]]

    assert await found({}) == ids
    assert await found({"symbol": SYMBOL}) == ids[:2]
    assert await found({"marketType": MarketType.PERP.value, "strategyType": "Scheduled"}) == ids[2:]
    assert await found({}, bob) == []
    assert (await bob.call("cancel_strategy", {"symbol": SYMBOL, "strategyId": ids[0]}))[0] == 400
    assert (await alice.call("get_strategy", {"symbol": PERP, "strategyId": ids[0]}))[0] == 404
    assert (await alice.call("get_strategy", {"symbol": PERP}))[0] == 400
    assert (await alice.call("cancel_strategy", {"symbol": PERP}))[0] == 400
    status, cancelled = await alice.call("cancel_strategy", {"symbol": SYMBOL, "strategyId": ids[0]})
    assert (status, cancelled["id"], cancelled["status"]) == (200, ids[0], "Cancelled")
    assert len((await alice.call("get_open_orders", {}))[1]) == 2
    assert (await alice.call("cancel_open_strategies", {"symbol": "NOPE_USDC"}))[0] == 400
    _, rows = await alice.call("cancel_open_strategies", {"symbol": PERP})
    assert [row["id"] for row in rows] == ids[2:]
    assert await found({}) == ids[1:2]
    _, history = await alice.call("get_strategies_history", {"sortDirection": "Asc"})
    assert [(row["id"], row["cancelReason"]) for row in history] == [(ids[0], None), (ids[2], None)]
    assert [row["id"] for row in (await alice.call("get_strategies_history", {"strategyId": ids[2]}))[1]] == ids[2:]
    assert isinstance(history[0]["createdAt"], str)


async def test_the_last_fills_of_a_cancelled_strategy_still_count(simulator: Simulator, alice: Client) -> None:
    place(simulator, "maker", limit("Ask", "150", "0.05"))
    plan = {**PLAN, "price": "150", "clientStrategyId": 1}
    await alice.call("strategy_create", plan)
    _, cancelled = await alice.call("cancel_strategy", {"symbol": SYMBOL, "clientStrategyId": 1})
    assert (cancelled["executedQuantity"], cancelled["quantity"]) == ("0.05", "1")
    events = [event for event in simulator.exchange.on_second(simulator.now_ms() * 1_000) if event.events]
    assert not any(isinstance(event, OrderUpdated) for execution in events for event in execution.events)
