"""Turn engine events and the passing of time into stream messages, for the streams that somebody listens to.

Pure: the server says which streams are wanted and when a second or a depth window is over, and sends what comes back.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

import msgspec

from backpack_connector.protocol.enums import KlineInterval, MarketType, OrderBookState
from backpack_connector.protocol.streams import (
    BALANCE_UPDATES,
    DEPTH_WINDOWS_MS,
    ORDER_UPDATES,
    depth_stream,
    kline_stream,
    mark_price_stream,
    trade_stream,
)

from .candles import DAY_S, HOUR_S, bucket_start_s, next_bucket_s
from .clock import Clock, ms_from_us, s_from_us, us_from_s
from .engine import Exchange
from .events import BalanceChanged, Event, LevelChanged, OrderUpdated, TouchChanged, TradePrinted
from .frames import (
    balance_update_data,
    book_ticker_data,
    depth_data,
    kline_data,
    mark_price_data,
    order_update_data,
    ticker_data,
    trade_data,
)
from .markets import Instrument
from .payloads import Json
from .traded_market import TradedMarket

Subscription = tuple[str | None, str]
"""(account of a private stream, or None; stream name)."""

# The quiet rate that the exchange publishes for crypto perpetuals (API §5.4).
QUIET_FUNDING_RATE = Decimal("0.0000125")
_KLINE_INTERVALS = tuple(KlineInterval)


class Frame(msgspec.Struct, frozen=True):
    """One message for everybody who has the subscription."""

    subscription: Subscription
    data: Json


def next_funding_ms(now_us: int) -> int:
    """Return the next full hour in milliseconds. Source: API §5.4."""
    return ms_from_us(us_from_s((s_from_us(now_us) // HOUR_S + 1) * HOUR_S))


def publishes_mark_price(market: TradedMarket) -> bool:
    """Tell whether mark prices of a market are published. Source: API §2.3 (markPrices): Open and PostOnly perps."""
    is_perpetual = market.instrument.market_type is MarketType.PERP
    return is_perpetual and market.state in (OrderBookState.OPEN, OrderBookState.POST_ONLY)


class Feeds:
    """The streams of one exchange."""

    def __init__(self, exchange: Exchange, is_wanted: Callable[[Subscription], bool], clock: Clock) -> None:
        self._exchange = exchange
        self._is_wanted = is_wanted
        self._clock = clock
        self._windows: dict[str, dict[int, Subscription]] = {
            symbol: {window_ms: (None, depth_stream(symbol, window_ms)) for window_ms in DEPTH_WINDOWS_MS}
            for symbol in exchange.markets
        }
        self._changes: dict[Subscription, list[LevelChanged]] = {}
        """Changes of the current window of each aggregated depth stream that somebody listens to."""
        self._traded: set[str] = set()
        """Markets with a trade since the last candle messages."""
        self._last_second_s = s_from_us(clock())

    def _instrument(self, symbol: str) -> Instrument:
        return self._exchange.markets[symbol].instrument

    def on_events(self, events: Iterable[Event]) -> Iterator[Frame]:
        """Yield the messages that follow from events at once."""
        for event in events:
            if isinstance(event, LevelChanged):
                yield from self._on_level(event)
            elif isinstance(event, TouchChanged):
                yield from self._on_touch(event)
            elif isinstance(event, OrderUpdated):
                yield from self._on_order(event)
            elif isinstance(event, BalanceChanged):
                yield from self._on_balance(event)
            else:
                yield from self._on_trade(event)

    def _on_level(self, event: LevelChanged) -> Iterator[Frame]:
        every_change: Subscription = (None, depth_stream(event.symbol))
        if self._is_wanted(every_change):
            yield Frame(every_change, depth_data(self._instrument(event.symbol), [event], self._clock()))
        for subscription in self._windows[event.symbol].values():
            if self._is_wanted(subscription):
                self._changes.setdefault(subscription, []).append(event)

    def _on_touch(self, event: TouchChanged) -> Iterator[Frame]:
        subscription = (None, f"bookTicker.{event.symbol}")
        if self._is_wanted(subscription):
            yield Frame(subscription, book_ticker_data(self._instrument(event.symbol), event, self._clock()))

    def _on_trade(self, event: TradePrinted) -> Iterator[Frame]:
        self._traded.add(event.symbol)
        subscription = (None, trade_stream(event.symbol))
        if self._is_wanted(subscription):
            yield Frame(subscription, trade_data(self._instrument(event.symbol), event.trade, self._clock()))

    def _on_order(self, event: OrderUpdated) -> Iterator[Frame]:
        account_id, symbol = event.order.account_id, event.order.symbol
        for subscription in ((account_id, ORDER_UPDATES), (account_id, f"{ORDER_UPDATES}.{symbol}")):
            if self._is_wanted(subscription):
                yield Frame(subscription, order_update_data(self._instrument(symbol), event, self._clock()))

    def _on_balance(self, event: BalanceChanged) -> Iterator[Frame]:
        subscription = (event.account_id, BALANCE_UPDATES)
        if self._is_wanted(subscription):
            yield Frame(subscription, balance_update_data(event, self._clock()))

    def on_window(self, window_ms: int) -> Iterator[Frame]:
        """Yield the aggregated depth messages of a window length that is over, and begin the next window."""
        for symbol, subscriptions in self._windows.items():
            subscription = subscriptions[window_ms]
            changes = self._changes.pop(subscription, None)
            if changes:
                yield Frame(subscription, depth_data(self._instrument(symbol), changes, self._clock()))

    def on_second(self) -> Iterator[Frame]:
        """Yield what is sent every second: tickers, mark prices, and candles that changed or closed."""
        now_us = self._clock()
        now_s = s_from_us(now_us)
        for market in self._exchange.markets.values():
            yield from self._ticker(market, now_us, now_s)
            yield from self._mark_price(market, now_us)
            for interval in _KLINE_INTERVALS:
                yield from self._klines(market, interval, now_us, now_s)
        self._traded.clear()
        self._last_second_s = now_s

    def _ticker(self, market: TradedMarket, now_us: int, now_s: int) -> Iterator[Frame]:
        subscription = (None, f"ticker.{market.symbol}")
        if self._is_wanted(subscription):
            data = ticker_data(market.instrument, market.candles.summary(now_s, DAY_S), now_us)
            if data is not None:
                yield Frame(subscription, data)

    def _mark_price(self, market: TradedMarket, now_us: int) -> Iterator[Frame]:
        subscription = (None, mark_price_stream(market.symbol))
        if publishes_mark_price(market) and self._is_wanted(subscription):
            price = market.last_price
            funding_ms = next_funding_ms(now_us)
            data = mark_price_data(market.instrument, price, price, QUIET_FUNDING_RATE, funding_ms, now_us)
            yield Frame(subscription, data)

    def _klines(self, market: TradedMarket, interval: KlineInterval, now_us: int, now_s: int) -> Iterator[Frame]:
        subscription = (None, kline_stream(market.symbol, interval))
        if not self._is_wanted(subscription):
            return
        start_s = bucket_start_s(self._last_second_s, interval)
        end_s = next_bucket_s(start_s, interval)
        if end_s <= now_s:
            closed = market.candles.current(interval, start_s)
            yield Frame(subscription, kline_data(market.instrument, closed, end_s, now_us, is_closed=True))
            start_s = bucket_start_s(now_s, interval)
            end_s = next_bucket_s(start_s, interval)
        if market.symbol in self._traded:
            candle = market.candles.current(interval, start_s)
            if candle.trades:
                yield Frame(subscription, kline_data(market.instrument, candle, end_s, now_us, is_closed=False))
