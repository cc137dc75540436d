"""Run the real connector against the real simulator in one event loop, with or without a double in between."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from hummingbot.core.event.event_logger import EventLogger
from hummingbot.core.event.events import MarketEvent
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from backpack_connector.backpack_constants import SIMULATOR_DOMAIN
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.hosts import SIMULATOR_URL_VARIABLE
from backpack_connector.order_journal import JOURNAL_VARIABLE
from backpack_connector.protocol.enums import OrderBookState, OrderType, Side, TimeInForce
from backpack_connector.protocol.signing import generate_key_pair
from backpack_connector.protocol.streams import BALANCE_UPDATES, depth_stream
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.events import Execution
from backpack_connector.simulator.orders import NewOrder
from tests.spot.stream_double import StreamDouble

PAIR, SYMBOL = "SOL-USDC", "SOL_USDC"
OTHER_PAIR, OTHER_SYMBOL = "BTC-USDC", "BTC_USDC"
LIMIT_S = 15.0

_MAKER = "resting-liquidity"
_TAKER = "passing-liquidity"
_DEPOSIT = {asset: Decimal(10**9) for asset in ("USDC", "SOL", "BTC", "ETH", "USDT", "kBONK", "HNT", "SPCX.US", "WEN")}


async def until(condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """Wait until a condition holds, and return what it gave; fail when it does not within the limit."""
    end_s = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < end_s, "the condition did not come true in time"
        await asyncio.sleep(0.005)
    return value


async def stays(condition: Callable[[], Any], for_s: float) -> None:
    """Fail as soon as a condition does not hold during the given time."""
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        assert condition(), "the condition did not last"
        await asyncio.sleep(0.005)


class World:
    """A simulator, the double in front of it when there is one, and the connectors that use them."""

    domain = SIMULATOR_DOMAIN
    symbol = SYMBOL
    """The market of `PAIR`, where a method is not told otherwise."""

    def __init__(self, simulator: Simulator, double: StreamDouble | None) -> None:
        self.simulator = simulator
        self._double = double
        self.connectors: list[BackpackExchange] = []
        self.key, self.secret = generate_key_pair(bytes(32))
        for name in (_MAKER, _TAKER):
            simulator.exchange.accounts.open_background(name, simulator.exchange.now_us(), _DEPOSIT)

    @property
    def double(self) -> StreamDouble:
        """Return the double; it is there when the world was made with one."""
        assert self._double is not None
        return self._double

    @property
    def url(self) -> str:
        """Return the base URL that connectors use."""
        return self.simulator.rest_url if self._double is None else self._double.url

    # The exchange's side

    def publish(self, execution: Execution) -> Execution:
        """Send the events of an engine command to whoever listens."""
        self.simulator.publish(execution)
        return execution

    def rest(self, side: Side, price: str, quantity: str = "1", symbol: str | None = None) -> Execution:
        """Put somebody else's order into a book."""
        return self._place(_MAKER, symbol or self.symbol, side, price, quantity, TimeInForce.GTC, post_only=True)

    def take(self, side: Side, price: str, quantity: str = "1", symbol: str | None = None) -> Execution:
        """Let somebody else trade against a book, whoever has the best orders in it."""
        return self._place(_TAKER, symbol or self.symbol, side, price, quantity, TimeInForce.IOC, post_only=False)

    def _place(
        self, who: str, symbol: str, side: Side, price: str, quantity: str, time_in_force: TimeInForce, post_only: bool
    ) -> Execution:
        request = NewOrder(
            symbol=symbol,
            side=side,
            order_type=OrderType.LIMIT,
            price=Decimal(price),
            quantity=Decimal(quantity),
            time_in_force=time_in_force,
            post_only=post_only,
        )
        return self.publish(self.simulator.exchange.place(who, request))

    def withdraw(self, execution: Execution) -> Execution:
        """Cancel an order that `rest` has placed."""
        order = execution.order
        return self.publish(self.simulator.exchange.cancel(_MAKER, order.symbol, order_id=order.order_id))

    def fill_book(self, symbol: str | None = None, middle: str = "150") -> None:
        """Put two orders on each side of a book, one and two hundredths of a percent or so from the middle."""
        symbol = symbol or self.symbol
        tick = self.simulator.exchange.markets[symbol].instrument.tick_size
        for distance in (1, 2):
            self.rest(Side.BID, str(Decimal(middle) - distance * tick), "5", symbol)
            self.rest(Side.ASK, str(Decimal(middle) + distance * tick), "5", symbol)

    def set_state(self, symbol: str, state: OrderBookState) -> None:
        """Change what a market accepts."""
        self.simulator.exchange.set_market_state(symbol, state)

    def book(self, symbol: str | None = None) -> "tuple[dict[float, float], dict[float, float]]":
        """Return the true bids and asks, price to quantity."""
        book = self.simulator.exchange.markets[symbol or self.symbol].book
        sides = (book.bids, book.asks)
        bids, asks = ({float(p): float(q) for p, q in side.best_levels(10_000)} for side in sides)
        return bids, asks

    # The connector's side

    def new_connector(self, **options: Any) -> Any:
        """Return a connector of the kind that this world is about."""
        return BackpackExchange(**options)

    def symbol_of(self, trading_pair: str) -> str:
        """Return the symbol of a pair's market."""
        return trading_pair.replace("-", "_")

    def connector(self, *trading_pairs: str, **options: Any) -> BackpackExchange:
        """Return a connector that is not started yet."""
        options = {"backpack_api_key": self.key, "backpack_api_secret": self.secret, **options}
        connector = self.new_connector(trading_pairs=list(trading_pairs), domain=self.domain, **options)
        connector._set_current_timestamp(time.time())
        self.connectors.append(connector)
        return connector

    async def started(self, *trading_pairs: str, **options: Any) -> BackpackExchange:
        """Return a connector that is ready, hears its streams and asks nothing more about its account."""
        connector = self.connector(*trading_pairs, **options)
        await connector.start_network()
        await until(lambda: connector.ready)
        await self.heard(connector)
        return connector

    async def heard(self, connector: BackpackExchange) -> None:
        """Wait until the exchange has all subscriptions of a connector, which it does not acknowledge."""
        wanted = [(None, depth_stream(symbol)) for symbol in self._open_symbols(connector)]
        if connector.is_trading_required:
            wanted.append((self.key, BALANCE_UPDATES))
            await self._has_polled(connector)
        await until(lambda: all(self.simulator.hub.is_wanted(subscription) for subscription in wanted))

    def _open_symbols(self, connector: BackpackExchange) -> "list[str]":
        symbols = [self.symbol_of(pair) for pair in connector.trading_pairs]
        markets = self.simulator.exchange.markets
        return [name for name in symbols if name in markets and markets[name].state is not OrderBookState.CLOSED]

    async def _has_polled(self, connector: BackpackExchange) -> None:
        await until(lambda: connector._poll_notifier._waiters and not connector._poll_notifier.is_set())

    async def poll(self, connector: BackpackExchange) -> None:
        """Let the connector ask about its account and orders now, as the clock does every half minute."""
        # Hummingbot forgets a wish that comes while a poll is running.
        await self._has_polled(connector)
        connector._set_current_timestamp(time.time())
        connector._poll_notifier.set()


def book_of(connector: BackpackExchange, trading_pair: str = PAIR) -> "tuple[dict[float, float], dict[float, float]]":
    """Return the bids and asks that the connector offers, price to quantity."""
    book = connector.order_books[trading_pair]
    return (
        {row.price: row.amount for row in book.bid_entries()},
        {row.price: row.amount for row in book.ask_entries()},
    )


def events_of(connector: BackpackExchange, *kinds: MarketEvent) -> EventLogger:
    """Return a log of the connector's events of some kinds, or of all kinds."""
    log = EventLogger()
    for kind in kinds or MarketEvent:
        connector.add_listener(kind, log)
    return log


@asynccontextmanager
async def world(
    *, with_double: bool = False, background: bool = False, kind: type[World] = World, **options: Any
) -> AsyncIterator[World]:
    """Run a simulator, and a double in front of it on request; connectors are stopped at the end."""
    async with running_simulator(background=background, **options) as simulator:
        double = StreamDouble(simulator.rest_url, simulator.ws_url) if with_double else None
        if double is not None:
            await double.start()
        here = kind(simulator, double)
        # Whoever runs this without pytest may not leave orders of the simulator among the journals of real bots.
        with TemporaryDirectory() as folder, mock.patch.dict(os.environ, {SIMULATOR_URL_VARIABLE: here.url}):
            os.environ.setdefault(JOURNAL_VARIABLE, folder)
            try:
                yield here
            finally:
                for connector in here.connectors:
                    await connector.stop_network()
                await ConnectionsFactory().close()
                if double is not None:
                    await double.stop()
