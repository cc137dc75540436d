"""Candle feeds on a simulator with a past, and what its exchange knows to compare them with."""

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hummingbot.data_feed.candles_feed.candles_base import CandlesBase
from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory
from hummingbot.data_feed.candles_feed.data_types import CandlesConfig

from backpack_connector.protocol.candles import Candle as Row
from backpack_connector.protocol.candles import filled
from backpack_connector.protocol.enums import KlineInterval, Side
from backpack_connector.simulator.candles import CandleStore
from backpack_connector.simulator.klines import give_past
from tests.spot.session import SYMBOL, World, until, world

PERPETUAL = "SOL_USDC_PERP"
FEEDS_KNOW_CONNECTORS = pytest.mark.skipif(
    not hasattr(CandlesBase, "attach_connector"), reason="this older Hummingbot gives candle feeds no connector"
)
Rows = list[tuple[float, ...]]


def store_of(here: World, symbol: str = SYMBOL) -> CandleStore:
    """Return what the exchange knows about the trades of a market."""
    return here.simulator.exchange.markets[symbol].candles


def truth(here: World, interval: KlineInterval, first_s: int, last_s: int, symbol: str = SYMBOL) -> Rows:
    """Return the candles as the exchange knows them, in Hummingbot's columns, empty buckets flat."""
    rows: dict[int, Row | None] = {}
    # The past of the simulator ends with the last full minute, so the close before the first second may be earlier.
    before_s = 120 if interval is KlineInterval.SECOND_1 else 0
    for candle in store_of(here, symbol).klines(interval, first_s - before_s, last_s):
        prices = (candle.open, candle.high, candle.low, candle.close)
        rows[candle.start_s] = (
            None if None in prices else Row(candle.start_s, *prices, candle.volume, candle.quote_volume, candle.trades)  # type: ignore[arg-type]
        )
    return [(*map(float, row), 0.0, 0.0) for row in filled(rows, None) if row.start_s >= first_s]


def seen(feed: Any) -> Rows:
    """Return what a strategy sees of a feed."""
    return [tuple(row) for row in feed.candles_df.itertuples(index=False)]


def without_quote_volume(rows: Iterable[tuple[float, ...]]) -> Rows:
    """Leave out what the stream does not tell."""
    return [(*row[:6], *row[7:]) for row in rows]


def trade(here: World, price: str = "150", quantity: str = "1", symbol: str = SYMBOL) -> None:
    """Let two others trade with each other, once."""
    here.rest(Side.ASK, price, quantity, symbol=symbol)
    here.take(Side.BID, price, quantity, symbol=symbol)


def klines_asked(here: World) -> list[dict[str, str]]:
    """Return the questions for candles that arrived; the world has a double."""
    return [seen.query for seen in here.double.requests if seen.operation_id == "get_klines"]


class Feeds:
    """Makes feeds as Hummingbot does, and stops them at the end."""

    def __init__(self) -> None:
        self.feeds: list[CandlesBase] = []

    def make(self, connector: str = "backpack_simulator", pair: str = "SOL-USDC", **options: Any) -> Any:
        """Return a feed that is not started."""
        feed = CandlesFactory.get_candle(CandlesConfig(connector=connector, trading_pair=pair, **options))
        self.feeds.append(feed)
        return feed

    async def ready(self, *names: str, **options: Any) -> Any:
        """Return a feed that is ready."""
        feed = self.make(*names, **options)
        await feed.start_network()
        await until(lambda: feed.ready)
        return feed


@asynccontextmanager
async def market(*, has_past: bool = True, **options: Any) -> AsyncIterator[tuple[World, Feeds]]:
    """Run a simulator without background trades, with a past on request."""
    feeds = Feeds()
    async with world(**options) as here:
        if has_past:
            give_past(here.simulator.exchange.markets.values(), seed=1, now_us=here.simulator.exchange.now_us())
        try:
            yield here, feeds
        finally:
            for feed in feeds.feeds:
                await feed.stop_network()


def now_s() -> int:
    """Return the current time in whole seconds."""
    return int(time.time())
