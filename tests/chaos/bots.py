"""The bots of a run: the real connectors, kept going by Hummingbot's own clock, and all that they have told."""

import asyncio
import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hummingbot.core.clock import Clock
from hummingbot.core.data_type.common import OrderType, PositionAction
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.event.event_forwarder import SourceInfoEventForwarder
from hummingbot.core.event.events import MarketEvent

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative
from tests.chaos.venue import Venue

PAIRS = ("SOL-USDC", "BTC-USDC")
KINDS = ("spot", "perpetual")

_EVENTS = (
    MarketEvent.BuyOrderCreated,
    MarketEvent.SellOrderCreated,
    MarketEvent.OrderFilled,
    MarketEvent.OrderCancelled,
    MarketEvent.OrderFailure,
    MarketEvent.BuyOrderCompleted,
    MarketEvent.SellOrderCompleted,
)


def symbol_of(kind: str, pair: str) -> str:
    """Return the exchange's name of a pair's market."""
    symbol = pair.replace("-", "_")
    return f"{symbol}_PERP" if kind == "perpetual" else symbol


class Bot:
    """One connector with what a random strategy does with it."""

    def __init__(self, kind: str, venue: Venue) -> None:
        self.kind = kind
        self._venue = venue
        make: Callable[..., Any] = BackpackPerpetualDerivative if kind == "perpetual" else BackpackExchange
        domain = "backpack_perpetual_simulator" if kind == "perpetual" else "backpack_simulator"
        self.connector = make(venue.key, venue.secret, trading_pairs=list(PAIRS), domain=domain)
        self.connector.check_network_interval = 0.5
        self.connector.check_network_timeout = 3.0
        self.connector._set_current_timestamp(time.time())
        self.ids: list[str] = []
        self.closing: set[str] = set()
        """Orders that may end as `nothing to close` without having been at the exchange."""
        self._deeds: list[Callable[[random.Random], None]] = []
        """What it does next, so that a short run has some of everything."""
        self.events: list[tuple[str, Any]] = []
        self._forwarder = SourceInfoEventForwarder(self._remember)
        for event in _EVENTS:
            self.connector.add_listener(event, self._forwarder)

    def _remember(self, tag: int, _: Any, event: Any) -> None:
        self.events.append((MarketEvent(tag).name, event))

    def join(self, clock: Clock) -> None:
        """Let a clock drive the connector, as in a real bot."""
        clock.add_iterator(self.connector)

    async def stop(self) -> None:
        """Stop as Hummingbot does at its end."""
        await self.connector.stop_network()

    def act(self, chance: random.Random) -> None:
        """Do one thing that a strategy does."""
        if not self._deeds:
            self._deeds = [self._limit, self._limit, self._maker, self._market, self._ioc, self._batch]
            self._deeds += [self._cancel, self._cancel]
            if self.kind == "perpetual":
                self._deeds += [self._close, self._close_limit]
            chance.shuffle(self._deeds)
        self._deeds.pop()(chance)

    def _order(
        self,
        chance: random.Random,
        kind: OrderType,
        reach_bps: tuple[int, int],
        notional: tuple[int, int],
        **options: Any,
    ) -> None:
        pair, is_buy = chance.choice(PAIRS), chance.random() < 0.5
        symbol = symbol_of(self.kind, pair)
        reach = chance.randint(*reach_bps) * (1 if is_buy else -1)
        price = Decimal("NaN") if kind is OrderType.MARKET else self._venue.price(symbol, reach)
        quantity = self._venue.quantity(symbol, chance.randint(*notional))
        place = self.connector.buy if is_buy else self.connector.sell
        self.ids.append(place(pair, quantity, kind, price, **self._options(), **options))

    def _options(self) -> dict[str, Any]:
        return {"position_action": PositionAction.OPEN} if self.kind == "perpetual" else {}

    def _limit(self, chance: random.Random) -> None:
        self._order(chance, OrderType.LIMIT, (-25, 12), (20, 600))

    def _maker(self, chance: random.Random) -> None:
        self._order(chance, OrderType.LIMIT_MAKER, (-25, 6), (20, 300))

    def _market(self, chance: random.Random) -> None:
        self._order(chance, OrderType.MARKET, (0, 0), (20, 300))

    def _ioc(self, chance: random.Random) -> None:
        self._order(chance, OrderType.LIMIT, (-5, 12), (20, 900), time_in_force="IOC")

    def _batch(self, chance: random.Random) -> None:
        pair = chance.choice(PAIRS)
        symbol = symbol_of(self.kind, pair)
        base, quote = pair.split("-")
        orders = []
        for _ in range(chance.randint(2, 4)):
            is_buy = chance.random() < 0.5
            price = self._venue.price(symbol, chance.randint(-25, 8) * (1 if is_buy else -1))
            quantity = self._venue.quantity(symbol, chance.randint(20, 300))
            orders.append(LimitOrder("", pair, is_buy, base, quote, price, quantity))
        created = self.connector.batch_order_create(orders, **self._options())
        self.ids.extend(order.client_order_id for order in created)

    def _cancel(self, chance: random.Random) -> None:
        known = [order for order in self.connector.in_flight_orders.values() if not order.is_done]
        if known:
            order = chance.choice(known)
            self.connector.cancel(order.trading_pair, order.client_order_id)

    def _close(self, chance: random.Random) -> None:
        self._close_with(chance, OrderType.MARKET)

    def _close_limit(self, chance: random.Random) -> None:
        self._close_with(chance, OrderType.LIMIT)

    def _close_with(self, chance: random.Random, kind: OrderType) -> None:
        held = sorted(self.connector.account_positions.items())
        if not held:
            return
        pair, position = chance.choice(held)
        is_buy = position.amount < 0
        symbol = symbol_of(self.kind, pair)
        reach = chance.randint(-20, 8) * (1 if is_buy else -1)
        price = Decimal("NaN") if kind is OrderType.MARKET else self._venue.price(symbol, reach)
        place = self.connector.buy if is_buy else self.connector.sell
        amount = abs(position.amount) * Decimal(chance.randint(2, 10)) / 10
        order_id = place(pair, amount, kind, price, position_action=PositionAction.CLOSE)
        self.ids.append(order_id)
        self.closing.add(order_id)

    # What it knows

    def names(self, order_id: str) -> list[str]:
        """Return the names of an order's events, in their order."""
        return [name for name, event in self.events if event.order_id == order_id]

    def fills(self) -> list[tuple[Any, ...]]:
        """Return every fill that was told: (order id, trade id, price, quantity, fee, token)."""
        rows = []
        for name, event in self.events:
            if name == "OrderFilled":
                fee = event.trade_fee.flat_fees[0]
                rows.append(
                    (event.order_id, str(event.exchange_trade_id), event.price, event.amount, fee.amount, fee.token)
                )
        return rows

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
        await asyncio.sleep(0.02)
    return True
