"""Answer the public REST operations: system, markets, market data. Source: API §2.2, §2.3."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from backpack_connector.protocol.candles import DAY_S, WEEK_S, next_bucket_s
from backpack_connector.protocol.enums import KlineInterval, MarketType, OrderBookState, SystemStatus
from backpack_connector.protocol.units import decimal_text, iso_from_us

from .answers import Answer, page_headers
from .candles import CandleStore
from .clock import ms_from_us, s_from_us
from .engine import Exchange
from .faults import Faults
from .markets import listing_with_state
from .payloads import Json, kline_payload, ticker_payload, trade_payload
from .pricing import FundingInterval
from .refusals import invalid_request, not_found
from .request_forms import Query
from .rest_lending import LendingRest
from .rest_lists import ListsRest
from .rest_unlisted import UNLISTED_PUBLIC
from .rest_vaults import VaultsRest
from .traded_market import TradedMarket

MAX_KLINES = 2_000
_MAX_LEVELS = 5_000
# The year 9000: dates beyond 9999 have no text.
_LAST_SECOND = 221_845_392_000
_MAX_TRADES = 1_000
_DEFAULT_TRADES = 100
_MAX_FUNDING_RATES = 10_000
_DEFAULT_FUNDING_RATES = 100


class DepthLimit(str, Enum):
    """The limits that depth queries may carry. Source: API §2.3 (depth)."""

    FIVE = "5"
    TEN = "10"
    TWENTY = "20"
    FIFTY = "50"
    HUNDRED = "100"
    FIVE_HUNDRED = "500"
    THOUSAND = "1000"


class KlinePriceType(str, Enum):
    """Which price a candle is made of. Source: schema KlinePriceType."""

    LAST = "Last"
    INDEX = "Index"
    MARK = "Mark"


def _candles(market: TradedMarket, price_type: KlinePriceType) -> CandleStore:
    if price_type is KlinePriceType.LAST:
        return market.candles
    return market.index_candles if price_type is KlinePriceType.INDEX else market.mark_candles


class TickerInterval(str, Enum):
    """The spans that tickers sum up."""

    DAY = "1d"
    WEEK = "1w"


_TICKER_SPANS_S = {TickerInterval.DAY: DAY_S, TickerInterval.WEEK: WEEK_S}


class PublicRest:
    """The public operations of one exchange. Each returns a body (None: status 204), or an Answer with headers."""

    def __init__(self, exchange: Exchange, clock: Callable[[], int], now_ms: Callable[[], int], faults: Faults) -> None:
        self._exchange = exchange
        self._clock = clock
        self._faults = faults
        self.operations: Mapping[str, Callable[[Query], Any]] = {
            "get_status": self.status,
            "ping": lambda _: "pong",
            "get_time": lambda _: str(now_ms()),
            "get_markets": self.markets,
            "get_market": self.market,
            "get_depth": self.depth,
            "get_ticker": self.ticker,
            "get_tickers": self.tickers,
            "get_klines": self.klines,
            "get_recent_trades": self.recent_trades,
            "get_historical_trades": self.historical_trades,
            "get_mark_prices": self.mark_prices,
            "get_open_interest": self.open_interest,
            "get_funding_interval_rates": self.funding_rates,
            **ListsRest(exchange, clock).public,
            **VaultsRest(exchange).public,
            **LendingRest(exchange).operations,
            **UNLISTED_PUBLIC,
        }

    def _market(self, query: Query, complaint: str = "Invalid market symbol") -> TradedMarket:
        market = self._exchange.markets.get(query.symbol())
        if market is None or not market.is_listed:
            raise invalid_request(complaint)
        return market

    def status(self, _: Query) -> Json:
        """Answer get_status."""
        message = self._faults.maintenance_text
        status = SystemStatus.OK if message is None else SystemStatus.MAINTENANCE
        return {"message": message, "status": status.value}

    def markets(self, query: Query) -> list[Json]:
        """Answer get_markets; without a type, spot and perpetual markets."""
        wanted = query.words("marketType", MarketType) or [MarketType.SPOT, MarketType.PERP]
        return [
            listing_with_state(market.instrument, market.state)
            for market in self._exchange.markets.values()
            if market.is_listed and market.instrument.market_type in wanted
        ]

    def market(self, query: Query) -> Json:
        """Answer get_market."""
        market = self._market(query)
        return listing_with_state(market.instrument, market.state)

    def depth(self, query: Query) -> Json:
        """Answer get_depth; closed markets have none."""
        limit = query.word("limit", DepthLimit)
        market = self._market(query)
        if market.state is OrderBookState.CLOSED:
            raise not_found()
        return self._faults.reads.depth(market, _MAX_LEVELS if limit is None else int(limit.value))

    def ticker(self, query: Query) -> Json | None:
        """Answer get_ticker; nothing traded, nothing shown."""
        span_s = _TICKER_SPANS_S[query.word("interval", TickerInterval) or TickerInterval.DAY]
        return self._ticker(self._market(query), span_s)

    def tickers(self, query: Query) -> list[Json]:
        """Answer get_tickers."""
        span_s = _TICKER_SPANS_S[query.word("interval", TickerInterval) or TickerInterval.DAY]
        rows = [self._ticker(market, span_s) for market in self._exchange.markets.values() if market.is_listed]
        return [row for row in rows if row is not None]

    def _ticker(self, market: TradedMarket, span_s: int) -> Json | None:
        return ticker_payload(market.symbol, market.candles.summary(s_from_us(self._clock()), span_s))

    def klines(self, query: Query) -> list[Json]:
        """Answer get_klines; times in seconds, oldest first."""
        interval = query.required_word("interval", KlineInterval)
        start_s = query.required_integer("startTime", maximum=_LAST_SECOND, is_signed=True)
        end_s = query.integer("endTime", s_from_us(self._clock()), maximum=_LAST_SECOND, is_signed=True)
        price_type = query.word("priceType", KlinePriceType) or KlinePriceType.LAST
        market = self._market(query)
        assert end_s is not None
        # From the epoch to the bucket after it is one bucket's length.
        if end_s - start_s > MAX_KLINES * next_bucket_s(0, interval):
            raise invalid_request("Time range between startTime and endTime is too long")
        return [
            kline_payload(candle, next_bucket_s(candle.start_s, interval))
            for candle in _candles(market, price_type).klines(interval, max(start_s, 0), end_s)
        ]

    def recent_trades(self, query: Query) -> list[Json]:
        """Answer get_recent_trades, newest first."""
        return self._trades(query, 0)

    def historical_trades(self, query: Query) -> list[Json]:
        """Answer get_historical_trades, newest first; offset counts from the newest."""
        return self._trades(query, query.integer("offset", 0) or 0)

    def _trades(self, query: Query, offset: int) -> list[Json]:
        limit = query.integer("limit", _DEFAULT_TRADES, maximum=_MAX_TRADES) or 0
        trades = list(reversed(self._market(query).trades))
        return [trade_payload(trade) for trade in trades[offset : offset + limit]]

    def mark_prices(self, query: Query) -> list[Json]:
        """Answer get_mark_prices, always a list; perpetuals only."""
        market_type = query.word("marketType", MarketType)
        return [
            {
                "fundingRate": decimal_text(market.funding_rate),
                "indexPrice": decimal_text(market.index_price),
                "markPrice": decimal_text(market.mark_price),
                "nextFundingTimestamp": ms_from_us(market.prices.next_funding_us),
                "symbol": market.symbol,
            }
            for market in self._perpetuals(query)
            if market.prices is not None and market_type in (None, market.instrument.market_type)
        ]

    def _perpetuals(self, query: Query) -> list[TradedMarket]:
        """Return the perpetuals that publish prices: all, or the one that is asked for."""
        symbol = query.text("symbol")
        markets = [market for market in self._exchange.markets.values() if market.publishes_mark_price]
        if symbol is not None:
            markets = [market for market in markets if market.symbol == symbol]
            if not markets:
                raise invalid_request("Symbol not found")
        return markets

    def open_interest(self, query: Query) -> list[Json]:
        """Answer get_open_interest, always a list; `timestamp` in milliseconds.

        What it says about an unknown symbol is not known; here it is the answer of get_mark_prices.
        """
        return [
            {
                "openInterest": decimal_text(self._exchange.open_interest(market.symbol)),
                "symbol": market.symbol,
                "timestamp": ms_from_us(self._clock()),
            }
            for market in self._perpetuals(query)
        ]

    def funding_rates(self, query: Query) -> Answer:
        """Answer get_funding_interval_rates, newest first; the first row is the interval that is not over yet."""
        symbol = query.symbol()
        limit = query.integer("limit", _DEFAULT_FUNDING_RATES, maximum=_MAX_FUNDING_RATES) or 0
        offset = query.integer("offset", 0) or 0
        market = self._exchange.markets.get(symbol)
        if market is None or market.prices is None or not market.is_listed:
            return Answer([], page_headers(0, limit, offset))
        running = FundingInterval(market.prices.next_funding_us, market.funding_rate)
        rows = [running, *reversed(market.settled_funding)]
        return Answer(
            [
                {
                    "fundingRate": decimal_text(row.rate),
                    "intervalEndTimestamp": iso_from_us(row.end_us),
                    "symbol": symbol,
                }
                for row in rows[offset : offset + limit]
            ],
            page_headers(len(rows), limit, offset),
        )
