"""The bots of a run: a connector, kept going by Hummingbot's own clock, with what a random strategy does with it.

`Bot` does what every connector of Hummingbot can do; `full_bot.FullBot` adds what only ours can.
"""

import asyncio
import contextvars
import itertools
import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, TypeVar

from hummingbot.core.clock import Clock
from hummingbot.core.clock_mode import ClockMode
from hummingbot.core.data_type.common import OrderType, PositionAction
from hummingbot.core.event.event_forwarder import SourceInfoEventForwarder
from hummingbot.core.event.events import FundingPaymentCompletedEvent, MarketEvent, OrderFilledEvent

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative
from tests.chaos.growth import Growth
from tests.chaos.venue import Venue

T = TypeVar("T")
Deed = Callable[[random.Random], None]
Fill = tuple[str, str, Decimal, Decimal, Decimal, str]
"""Order id, trade id, price, quantity, fee, token of the fee."""
Payment = tuple[str, int, Decimal]
"""Pair, end of the interval in seconds since the epoch, USDC."""

PAIRS = ("SOL-USDC", "BTC-USDC")
EXTRA_PAIR = "ETH-USDC"
"""A pair that comes and goes at run time."""
KINDS = ("spot", "perpetual")
TICK_S = 1.0

_EVENTS = (
    MarketEvent.BuyOrderCreated,
    MarketEvent.SellOrderCreated,
    MarketEvent.OrderFilled,
    MarketEvent.OrderCancelled,
    MarketEvent.OrderFailure,
    MarketEvent.BuyOrderCompleted,
    MarketEvent.SellOrderCompleted,
    MarketEvent.FundingPaymentCompleted,
)

_owner: contextvars.ContextVar[int] = contextvars.ContextVar("owner", default=0)
_owners = itertools.count(1)


def symbol_of(kind: str, pair: str) -> str:
    """Return the exchange's name of a pair's market."""
    symbol = pair.replace("-", "_")
    return f"{symbol}_PERP" if kind == "perpetual" else symbol


class Life:
    """One connector from its start to its end, with everything that runs on its behalf."""

    def __init__(self, make: Callable[[], Any], listen: Callable[[Any], None]) -> None:
        self._owner = next(_owners)
        self._context = contextvars.copy_context()
        self._context.run(_owner.set, self._owner)
        self.began_s = time.time()
        self.connector = self.call(make)
        self.call(self.connector._set_current_timestamp, time.time())
        listen(self.connector)
        self._driving: asyncio.Task[None] | None = None

    def call(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call something so that the tasks which it starts count as the connector's."""
        return self._context.run(function, *arguments, **options)

    def begin(self) -> None:
        """Let a clock drive the connector, as in a real bot."""
        self._driving = asyncio.get_running_loop().create_task(self._drive(), context=self._context)

    async def _drive(self) -> None:
        with Clock(ClockMode.REALTIME, tick_size=TICK_S) as clock:
            clock.add_iterator(self.connector)
            await clock.run()

    def tasks(self) -> "set[asyncio.Task[Any]]":
        """Return the tasks that run on the connector's behalf."""
        return {task for task in asyncio.all_tasks() if task.get_context().get(_owner) == self._owner}

    async def end(self) -> None:
        """Stop as Hummingbot does at its end."""
        if self._driving is not None:
            self._driving.cancel()
            await asyncio.gather(self._driving, return_exceptions=True)
        await asyncio.get_running_loop().create_task(self.connector.stop_network(), context=self._context)

    async def kill(self) -> None:
        """End everything at once, whatever it is in the middle of."""
        for _ in range(10):  # what is cancelled may start something on its way out
            tasks = self.tasks() - {asyncio.current_task()}
            if not tasks:
                break
            for task in sorted(tasks, key=_number):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _number(task: "asyncio.Task[Any]") -> int:
    """Return the number that asyncio gives each task: a set of tasks has no order that the seed determines."""
    return int(task.get_name().rpartition("-")[2])


class Bot:
    """A connector with what a random strategy does with it, and all that it has told."""

    settling_s = 300.0
    """The longest that it may take after the faults until everything is right."""

    def __init__(self, kind: str, venue: Venue) -> None:
        self.kind = kind
        self.venue = venue
        self.ids: list[str] = []
        self.closing: set[str] = set()
        """Orders that may end as `nothing to close` without having been at the exchange."""
        self._names: dict[str, list[str]] = {}
        self._fills: list[Fill] = []
        self._payments: list[Payment] = []
        self._forwarder = SourceInfoEventForwarder(self._remember)
        self._deeds: list[Deed] = []
        """What it does next, so that a short run has some of everything."""
        self.wanted_pairs: tuple[str, ...] = PAIRS
        """What it trades: what it begins with, and what has come and not gone."""
        self.deaths_s: list[tuple[float, float]] = []
        """When it was killed and when it began again, seconds since the epoch."""
        self.is_away = False
        """There is no connector that would take an order just now."""
        self._growth: Growth | None = None
        self.life = self._new_life()

    @property
    def connector(self) -> Any:
        """Return the connector that lives now."""
        return self.life.connector

    def _new_life(self) -> Life:
        return Life(lambda: self.make_connector(self.kind, self.venue), self._listen)

    def make_connector(self, kind: str, venue: Venue) -> Any:
        """Return a new connector for the venue's account."""
        make: Callable[..., Any] = BackpackPerpetualDerivative if kind == "perpetual" else BackpackExchange
        domain = "backpack_perpetual_simulator" if kind == "perpetual" else "backpack_simulator"
        return make(venue.key, venue.secret, trading_pairs=list(self.wanted_pairs), domain=domain)

    def _listen(self, connector: Any) -> None:
        for event in _EVENTS:
            connector.add_listener(event, self._forwarder)

    def _stop_listening(self, connector: Any) -> None:
        for event in _EVENTS:
            connector.remove_listener(event, self._forwarder)

    def _remember(self, tag: int, _: Any, event: Any) -> None:
        # The values, not the event: what a connector has let go of must not stay alive through this.
        if isinstance(event, FundingPaymentCompletedEvent):
            self._payments.append((event.trading_pair, int(event.timestamp), event.amount))
            return
        self._names.setdefault(event.order_id, []).append(MarketEvent(tag).name)
        if isinstance(event, OrderFilledEvent):
            fee = event.trade_fee.flat_fees[0]
            trade_id = str(event.exchange_trade_id)
            self._fills.append((event.order_id, trade_id, event.price, event.amount, fee.amount, fee.token))

    def begin(self) -> None:
        """Start the connector."""
        self.life.begin()

    def note_size(self) -> None:
        """Note what the connector holds while nothing has happened yet."""
        self._growth = Growth(self.connector, self.life.tasks())

    def grown(self) -> Iterator[str]:
        """Yield a sentence for each thing of which the connector holds more than it has reason to."""
        if self._growth is not None:
            more = max(0, len(self.connector.trading_pairs) - len(PAIRS))
            yield from self._growth.since(self.connector, self.life.tasks(), self.venue.open_count, more)

    async def stop(self) -> None:
        """Stop the connector."""
        await self.life.end()

    async def rest(self) -> None:
        """Wait until nothing that a deed has begun is under way any more."""

    # What it does

    def act(self, chance: random.Random) -> None:
        """Do one thing that a strategy does."""
        if self.is_away:
            return
        if not self._deeds:
            self._deeds = self.deeds(chance)
            chance.shuffle(self._deeds)
        self._deeds.pop()(chance)

    def deeds(self, chance: random.Random) -> list[Deed]:
        """Return what it will do next, in any order."""
        deeds = [self._limit, self._limit, self._maker, self._market, self._cancel, self._cancel]
        return [*deeds, self._close, self._close_limit] if self.kind == "perpetual" else deeds

    @property
    def pairs(self) -> tuple[str, ...]:
        """Return the pairs that it trades now."""
        return PAIRS

    def order(
        self, chance: random.Random, kind: OrderType, reach_bps: tuple[int, int], notional: tuple[int, int], **more: Any
    ) -> None:
        """Place an order so many basis points beyond the middle, from the far side's view, worth so many USDC."""
        pair, is_buy = chance.choice(self.pairs), chance.random() < 0.5
        symbol = symbol_of(self.kind, pair)
        reach = chance.randint(*reach_bps) * (1 if is_buy else -1)
        price = Decimal("NaN") if kind is OrderType.MARKET else self.venue.price(symbol, reach)
        quantity = self.venue.quantity(symbol, chance.randint(*notional))
        self.place(pair, is_buy, quantity, kind, price, **self.options(), **more)

    def place(self, pair: str, is_buy: bool, quantity: Decimal, kind: OrderType, price: Decimal, **more: Any) -> str:
        """Place one order, and remember it."""
        place = self.connector.buy if is_buy else self.connector.sell
        order_id: str = self.life.call(place, pair, quantity, kind, price, **more)
        self.ids.append(order_id)
        return order_id

    def options(self) -> dict[str, Any]:
        """Return what every order that opens needs."""
        return {"position_action": PositionAction.OPEN} if self.kind == "perpetual" else {}

    def _limit(self, chance: random.Random) -> None:
        self.order(chance, OrderType.LIMIT, (-25, 12), (20, 600))

    def _maker(self, chance: random.Random) -> None:
        self.order(chance, OrderType.LIMIT_MAKER, (-25, 6), (20, 300))

    def _market(self, chance: random.Random) -> None:
        self.order(chance, OrderType.MARKET, (0, 0), (20, 300))

    def _cancel(self, chance: random.Random) -> None:
        known = [order for order in self.connector.in_flight_orders.values() if not order.is_done]
        if known:
            order = chance.choice(known)
            self.life.call(self.connector.cancel, order.trading_pair, order.client_order_id)

    def _close(self, chance: random.Random) -> None:
        self._close_with(chance, OrderType.MARKET)

    def _close_limit(self, chance: random.Random) -> None:
        self._close_with(chance, OrderType.LIMIT)

    def _close_with(self, chance: random.Random, kind: OrderType) -> None:
        held = [(pair, amount) for pair in self.pairs if (amount := self.position(pair)[0])]
        if not held:
            return
        pair, amount = chance.choice(held)
        is_buy = amount < 0
        symbol = symbol_of(self.kind, pair)
        reach = chance.randint(-20, 8) * (1 if is_buy else -1)
        price = Decimal("NaN") if kind is OrderType.MARKET else self.venue.price(symbol, reach)
        part = abs(amount) * Decimal(chance.randint(2, 10)) / 10
        self.closing.add(self.place(pair, is_buy, part, kind, price, position_action=PositionAction.CLOSE))

    # What it knows

    def names(self, order_id: str) -> list[str]:
        """Return the names of an order's events, in their order."""
        return list(self._names.get(order_id, ()))

    def fills(self) -> list[Fill]:
        """Return every fill that was told."""
        return self._fills

    def payments(self) -> list[Payment]:
        """Return every funding payment that was told."""
        return self._payments

    def position(self, pair: str) -> tuple[Decimal, Decimal]:
        """Return the signed quantity and the entry price of the position in a pair; zeros when there is none."""
        position = self.connector.account_positions.get(pair)
        return (Decimal(0), Decimal(0)) if position is None else (position.amount, position.entry_price)

    def leverage(self, pair: str) -> int:
        """Return the leverage that the connector shows for a pair."""
        leverage: int = self.connector.get_leverage(pair)
        return leverage

    def book(self, pair: str) -> tuple[dict[float, float], dict[float, float]]:
        """Return the bids and asks that the connector shows, price to quantity."""
        book = self.connector.order_books[pair]
        return (
            {row.price: row.amount for row in book.bid_entries()},
            {row.price: row.amount for row in book.ask_entries()},
        )


async def until(condition: Callable[[], Any], limit_s: float) -> bool:
    """Wait for a condition, and tell whether it came true in time."""
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        await asyncio.sleep(0.1)
    return True
