"""Whatever happens, no conditional order is lost: each ends once, keeps its ids, and is in exactly one place."""

import random
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from backpack_connector.protocol.enums import (
    MarketType,
    OrderEvent,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    TriggerBy,
)
from backpack_connector.simulator.events import Execution, OrderUpdated
from backpack_connector.simulator.orders import ExitTrigger, NewOrder, Order, Trigger
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import BOUNDED, SYMBOL, FakeClock, assert_sound, limit, new_exchange

PERP = "SOL_USDC_PERP"
SYMBOLS = (SYMBOL, PERP)
ACCOUNTS = ("a", "b", "c")
# Few prices close together, so that orders meet and triggers are reached.
PRICES = tuple(Decimal(halves) / 2 for halves in range(296, 305))
QUANTITIES = tuple(Decimal(tenths) / 10 for tenths in range(1, 60, 7))
ENDS = {
    OrderEvent.TRIGGER_FAILED: OrderStatus.TRIGGER_FAILED,
    OrderEvent.CANCELLED: OrderStatus.CANCELLED,
    OrderEvent.EXPIRED: OrderStatus.EXPIRED,
}


def random_order(chance: random.Random) -> NewOrder:
    """Return any order: with or without trigger, with or without exits, of both kinds of market."""
    symbol, side = chance.choice(SYMBOLS), chance.choice(list(Side))
    price = chance.choice((None, *PRICES))
    quantity = chance.choice(QUANTITIES)
    is_waiting = chance.random() < 0.5
    trigger = Trigger(
        price=chance.choice(PRICES),
        quantity=quantity,
        is_percent=chance.random() < 0.3,
        by=chance.choice((None, *TriggerBy)),
    )
    lower, upper = sorted(chance.sample(PRICES, 2))
    take_profit, stop_loss = (upper, lower) if side is Side.BID else (lower, upper)
    has_exits = chance.random() < 0.5
    return NewOrder(
        symbol=symbol,
        side=side,
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        price=price,
        quantity=None if is_waiting else quantity,
        trigger=trigger if is_waiting else None,
        reduce_only=True if symbol == PERP and not has_exits and chance.random() < 0.5 else None,
        take_profit=random_exit(chance, take_profit) if has_exits else None,
        stop_loss=random_exit(chance, stop_loss) if has_exits else None,
        time_in_force=chance.choices(list(TimeInForce), [8, 1, 1])[0],
        client_id=chance.randint(0, 3),
    )


def random_exit(chance: random.Random, price: Decimal) -> ExitTrigger | None:
    if chance.random() < 0.2:
        return None
    return ExitTrigger(price=price, limit_price=chance.choice((None, *PRICES)), by=chance.choice((None, *TriggerBy)))


class World:
    """An exchange, and what somebody knows of its conditional orders who only read the events."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.exchange = new_exchange(self.clock)
        self.waiting: dict[str, Order] = {}
        self.over: dict[str, str] = {}
        self.known: dict[str, Order] = {}
        self.seen: Counter[tuple[str, str]] = Counter()
        """How often an event came for an exit, an entry with exits, or another trigger order."""

    def act(self, chance: random.Random) -> None:
        """Do one thing that somebody may do, or let time pass."""
        account_id, symbol = chance.choice(ACCOUNTS), chance.choice(SYMBOLS)
        exchange = self.exchange
        actions: list[tuple[int, Any]] = [
            (6, lambda: [exchange.place(account_id, random_order(chance))]),
            (4, lambda: self.trade(chance, symbol)),
            (2, lambda: self.quote(chance, symbol)),
            (1, lambda: [exchange.prices.set_index(PERP, chance.choice(PRICES), exchange.now_us())]),
            (2, lambda: exchange.on_second(exchange.now_us())),
            (1, lambda: [exchange.cancel(account_id, symbol, client_id=chance.randint(0, 3))]),
        ]
        if chance.random() < 0.05:
            conditional = chance.choice((None, True, False))
            actions = [(1, lambda: [exchange.cancel_all(account_id, symbol, conditional=conditional)])]
        self.clock.advance_s(chance.random())
        (action,) = chance.choices([action for _, action in actions], [weight for weight, _ in actions])
        try:
            self.read(action())
        except Refusal:
            return

    def trade(self, chance: random.Random, symbol: str) -> Iterable[Execution]:
        """Let a stranger sweep the book to a price, and another one answer there."""
        price, quantity, side = chance.choice(PRICES), chance.choice(QUANTITIES), chance.choice(list(Side))
        for account_id, order_side in (("x", side), ("y", side.opposite)):
            order = limit(order_side.value, str(price), str(quantity), symbol=symbol, stp="RejectMaker", tif="IOC")
            yield self.exchange.place(account_id, order)

    def quote(self, chance: random.Random, symbol: str) -> Iterable[Execution]:
        """Let a market maker quote around a new price."""
        yield self.exchange.cancel_all("maker", symbol)
        middle = chance.choice(PRICES)
        for side, sign in (("Bid", -1), ("Ask", 1)):
            for step in (1, 2, 4):
                price = str(middle + sign * Decimal(step) / 2)
                yield self.exchange.place("maker", limit(side, price, "3", symbol=symbol, stp="RejectMaker"))

    def read(self, executions: Iterable[Execution]) -> None:
        """Follow the events as a client would."""
        for execution in executions:
            last_us = 0
            for event in execution.events:
                if not isinstance(event, OrderUpdated):
                    continue
                assert event.time_us >= last_us
                last_us = event.time_us
                self._read_ids(event.order)
                if event.order.trigger is not None:
                    self._read_trigger_order(event)

    def _read_ids(self, order: Order) -> None:
        known = self.known.setdefault(order.order_id, order)
        for name in ("account_id", "symbol", "side", "client_id", "related_order_id", "created_us", "order_type"):
            assert getattr(known, name) == getattr(order, name), name

    def _read_trigger_order(self, event: OrderUpdated) -> None:
        order = event.order
        self.seen[event.kind.value, "trigger" if order.related_order_id is None else "exit"] += 1
        if event.kind is OrderEvent.TRIGGER_PLACED:
            assert order.order_id not in self.over
            assert (order.status, order.quantity, order.triggered_us) == (OrderStatus.TRIGGER_PENDING, 0, None)
            self.waiting[order.order_id] = order
        elif order.order_id not in self.waiting:
            # Only what has fired goes on, or an exit has failed because there were too many.
            assert self.over.setdefault(order.order_id, event.kind.value) in ("fired", "triggerFailed")
        elif event.kind is not OrderEvent.MODIFIED:
            del self.waiting[order.order_id]
            self.over[order.order_id] = "fired" if event.kind is OrderEvent.ACCEPTED else event.kind.value
            assert order.executed_quantity == 0
            if event.kind is OrderEvent.ACCEPTED:
                assert (order.status, order.triggered_us) == (OrderStatus.NEW, event.time_us)
            else:
                assert order.status is ENDS[event.kind]

    def check(self) -> None:
        """Check that every conditional order is in exactly one place, and that its money is in order."""
        waiting: dict[str, Order] = {}
        for account in self.exchange.accounts:
            waiting |= account.trigger_orders
            assert not account.trigger_orders.keys() & account.open_orders.keys()
            for order in account.orders.values():
                if order.trigger is not None:
                    self._check_place(order, is_waiting=order.order_id in account.trigger_orders)
                if order.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED):
                    assert order.order_id in account.open_orders
        assert waiting.keys() == self.waiting.keys()
        assert_sound(self.exchange)

    def _check_place(self, order: Order, *, is_waiting: bool) -> None:
        assert order.trigger is not None
        assert order.trigger.quantity > 0
        assert is_waiting == (order.status is OrderStatus.TRIGGER_PENDING)
        assert is_waiting != (order.order_id in self.over)
        assert (order.triggered_us is not None) == (self.over.get(order.order_id) == "fired")
        if is_waiting and order.related_order_id is not None:
            self._check_exit(order)

    def _check_exit(self, order: Order) -> None:
        parent = self.known[order.related_order_id or ""]
        assert order.side is parent.side.opposite
        if self.exchange.markets[order.symbol].instrument.market_type is MarketType.PERP:
            net_quantity = self.exchange.net_quantity(order.account_id, order.symbol)
            assert net_quantity > 0 if order.side is Side.ASK else net_quantity < 0


def test_six_thousand_random_actions_lose_no_conditional_order() -> None:
    world, chance = World(), random.Random(20261121)
    for number in range(6_000):
        world.act(chance)
        if number % 10 == 0:
            world.check()
    world.check()
    for kind in ("triggerPlaced", "orderAccepted", "orderFill", "triggerFailed", "orderCancelled"):
        assert world.seen[kind, "trigger"] > 20, kind
    for kind in ("triggerPlaced", "orderAccepted", "orderFill", "orderModified", "orderExpired", "orderCancelled"):
        assert world.seen[kind, "exit"] > 5, kind


class Conditions(RuleBasedStateMachine):
    """The same with examples that shrink to the shortest failing story."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(seed=st.integers(0, 1_000_000))
    def act(self, seed: int) -> None:
        self.world.act(random.Random(seed))

    @invariant()
    def nothing_is_lost(self) -> None:
        self.world.check()


TestConditions = Conditions.TestCase
TestConditions.settings = settings(BOUNDED, stateful_step_count=40)
