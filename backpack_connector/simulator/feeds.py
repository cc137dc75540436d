"""Turn engine events and the passing of time into stream messages, for the streams that somebody listens to.

Pure: the server says which streams are wanted and when a second or a depth window is over, and sends what comes back.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from backpack_connector.protocol.candles import DAY_S, MINUTE_S, bucket_start_s, next_bucket_s, start_before
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.streams import (
    BALANCE_UPDATES,
    DEPTH_WINDOWS_MS,
    LIQUIDATIONS,
    ORDER_UPDATES,
    POSITION_UPDATES,
    RFQ_UPDATES,
    depth_stream,
    kline_stream,
    mark_price_stream,
    split_stream_name,
    trade_stream,
)

from .clock import Clock, s_from_us
from .engine import Exchange
from .events import (
    BalanceChanged,
    Event,
    LevelChanged,
    Liquidated,
    MarkPricePublished,
    OrderUpdated,
    PositionChanged,
    RfqUpdated,
    TouchChanged,
    TradePrinted,
)
from .frames import (
    balance_update_data,
    book_ticker_data,
    depth_data,
    external_ticker_data,
    kline_data,
    liquidation_data,
    mark_price_data,
    open_interest_data,
    order_update_data,
    position_update_data,
    stock_indicative_quote_data,
    stock_price_data,
    ticker_data,
    trade_data,
)
from .markets import Instrument
from .payloads import Json
from .rfq_payloads import rfq_update_data
from .stocks import SESSION, is_open, stock_markets, ticker_of
from .traded_market import TradedMarket

Subscription = tuple[str | None, str]
"""(account of a private stream, or None; stream name)."""

EXTERNAL_TICKER = "externalTicker"
STOCK_PRICE = "stockPrice"
STOCK_QUOTE = "stockIndicativeQuote"

_KLINE_INTERVALS = tuple(KlineInterval)
_MOST_CLOSED_CANDLES = 60


class Frame(msgspec.Struct, frozen=True):
    """One message for everybody who has the subscription."""

    subscription: Subscription
    data: Json


class Feeds:
    """The streams of one exchange."""

    def __init__(self, exchange: Exchange, is_wanted: Callable[[Subscription], bool], clock: Clock) -> None:
        self._exchange = exchange
        self._is_wanted = is_wanted
        self._clock = clock
        self._stocks = stock_markets(exchange.markets)
        self._windows: dict[str, dict[int, Subscription]] = {
            symbol: {window_ms: (None, depth_stream(symbol, window_ms)) for window_ms in DEPTH_WINDOWS_MS}
            for symbol in exchange.markets
        }
        self._candles: dict[str, list[tuple[KlineInterval, Subscription]]] = {
            symbol: [(interval, (None, kline_stream(symbol, interval))) for interval in _KLINE_INTERVALS]
            for symbol in exchange.markets
        }
        self._changes: dict[Subscription, list[LevelChanged]] = {}
        """Changes of the current window of each aggregated depth stream that somebody listens to."""
        self._traded: set[str] = set()
        """Markets with a trade since the last candle messages."""
        self._last_second_s = s_from_us(clock())
        self._on: Mapping[type[Event], Callable[[Any], Iterator[Frame]]] = {
            BalanceChanged: self._on_balance,
            LevelChanged: self._on_level,
            Liquidated: self._on_liquidation,
            MarkPricePublished: self._on_mark_price,
            OrderUpdated: self._on_order,
            PositionChanged: self._on_position,
            RfqUpdated: self._on_rfq,
            TouchChanged: self._on_touch,
            TradePrinted: self._on_trade,
        }

    def _instrument(self, symbol: str) -> Instrument:
        return self._exchange.markets[symbol].instrument

    def on_events(self, events: Iterable[Event]) -> Iterator[Frame]:
        """Yield the messages that follow from events at once."""
        for event in events:
            yield from self._on[type(event)](event)

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

    def _on_position(self, event: PositionChanged) -> Iterator[Frame]:
        symbol = event.position.symbol
        for subscription in ((event.account_id, POSITION_UPDATES), (event.account_id, f"{POSITION_UPDATES}.{symbol}")):
            if self._is_wanted(subscription):
                instrument, now_us = self._instrument(symbol), self._clock()
                data = position_update_data(instrument, event.position, event.kind, event.time_us, now_us)
                yield Frame(subscription, data)

    def _on_rfq(self, event: RfqUpdated) -> Iterator[Frame]:
        told = [event.account_id]
        if event.account_id is None:
            told = [row.account_id for row in self._exchange.accounts if row.account_id != event.rfq.account_id]
        for account_id in told:
            for subscription in ((account_id, RFQ_UPDATES), (account_id, f"{RFQ_UPDATES}.{event.rfq.symbol}")):
                if self._is_wanted(subscription):
                    yield Frame(subscription, rfq_update_data(event, self._clock()))

    def on_subscribed(self, subscription: Subscription) -> Iterator[Frame]:
        """Yield what a new subscription begins with: each open position for position updates. Source: API §3.4."""
        account_id, name = subscription
        stream = split_stream_name(name)
        account = None if account_id is None else self._exchange.accounts.get(account_id)
        if account is None or stream.kind != POSITION_UPDATES:
            return
        for position in self._exchange.risk.views(account, stream.symbol):
            now_us = self._clock()
            instrument = self._instrument(position.symbol)
            yield Frame(subscription, position_update_data(instrument, position, None, now_us, now_us))

    def _on_mark_price(self, event: MarkPricePublished) -> Iterator[Frame]:
        subscription = (None, mark_price_stream(event.symbol))
        if self._is_wanted(subscription):
            yield Frame(subscription, mark_price_data(self._instrument(event.symbol), event, self._clock()))

    def _on_liquidation(self, event: Liquidated) -> Iterator[Frame]:
        # The documentation names one stream for all markets, a probe one for each (API §3.2): both are served.
        for subscription in ((None, LIQUIDATIONS), (None, f"{LIQUIDATIONS}.{event.symbol}")):
            if self._is_wanted(subscription):
                yield Frame(subscription, liquidation_data(self._instrument(event.symbol), event, self._clock()))

    def on_window(self, window_ms: int) -> Iterator[Frame]:
        """Yield the aggregated depth messages of a window length that is over, and begin the next window."""
        for symbol, subscriptions in self._windows.items():
            subscription = subscriptions[window_ms]
            changes = self._changes.pop(subscription, None)
            if changes:
                yield Frame(subscription, depth_data(self._instrument(symbol), changes, self._clock()))

    def on_second(self) -> Iterator[Frame]:
        """Yield what is due each second: tickers, stocks, candles that changed or closed; each minute open interest."""
        now_us = self._clock()
        now_s = s_from_us(now_us)
        for market in self._exchange.markets.values():
            yield from self._ticker(market, now_us, now_s)
            yield from self._external_ticker(market, now_us, now_s)
            yield from self._open_interest(market, now_us, now_s)
            for interval, subscription in self._candles[market.symbol]:
                if self._is_wanted(subscription):
                    yield from self._klines(market, interval, subscription, now_us, now_s)
        for asset, market in self._stocks.items():
            yield from self._stock(asset, market, now_us)
        self._traded.clear()
        self._last_second_s = now_s

    def _ticker(self, market: TradedMarket, now_us: int, now_s: int) -> Iterator[Frame]:
        subscription = (None, f"ticker.{market.symbol}")
        if self._is_wanted(subscription):
            data = ticker_data(market.instrument, market.candles.summary(now_s, DAY_S), now_us)
            if data is not None:
                yield Frame(subscription, data)

    def _external_ticker(self, market: TradedMarket, now_us: int, now_s: int) -> Iterator[Frame]:
        subscription = (None, f"{EXTERNAL_TICKER}.{market.symbol}")
        if self._is_wanted(subscription):
            prices = market.candles if market.prices is None else market.index_candles
            data = external_ticker_data(market.instrument, prices.summary(now_s, DAY_S), now_us)
            if data is not None:
                yield Frame(subscription, data)

    def _stock(self, asset: str, market: TradedMarket, now_us: int) -> Iterator[Frame]:
        ticker, price = ticker_of(asset), market.index_price
        subscription = (None, f"{STOCK_PRICE}.{ticker}")
        if self._is_wanted(subscription):
            session = SESSION if is_open(now_us) else None
            yield Frame(subscription, stock_price_data(ticker, market.instrument, price, session, now_us))
        # The stream's name is said to have the ticker, the query of the REST operation has the asset: both are served.
        for name in (ticker, asset):
            subscription = (None, f"{STOCK_QUOTE}.{name}")
            if self._is_wanted(subscription):
                yield Frame(subscription, stock_indicative_quote_data(name, market.instrument, price, now_us))

    def _open_interest(self, market: TradedMarket, now_us: int, now_s: int) -> Iterator[Frame]:
        subscription = (None, f"openInterest.{market.symbol}")
        is_due = now_s // MINUTE_S != self._last_second_s // MINUTE_S
        if is_due and market.prices is not None and self._is_wanted(subscription):
            open_interest = self._exchange.open_interest(market.symbol)
            yield Frame(subscription, open_interest_data(market.instrument, open_interest, now_us))

    def _klines(
        self, market: TradedMarket, interval: KlineInterval, subscription: Subscription, now_us: int, now_s: int
    ) -> Iterator[Frame]:
        start_s = bucket_start_s(self._last_second_s, interval)
        # A timer may come late. After a jump of the clock the one that was open, the one with the newest trade and the
        # last few are told.
        traded_s = bucket_start_s(s_from_us(market.trades[-1].time_us), interval) if market.trades else 0
        earliest_s = start_before(bucket_start_s(now_s, interval), interval, _MOST_CLOSED_CANDLES)
        while (end_s := next_bucket_s(start_s, interval)) <= now_s:
            closed = market.candles.current(interval, start_s)
            yield Frame(subscription, kline_data(market.instrument, closed, end_s, now_us, is_closed=True))
            start_s = traded_s if end_s <= traded_s < earliest_s else max(end_s, earliest_s)
        if market.symbol in self._traded:
            candle = market.candles.current(interval, start_s)
            if candle.trades:
                yield Frame(subscription, kline_data(market.instrument, candle, end_s, now_us, is_closed=False))
