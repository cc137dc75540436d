"""Ask the exchange what the service is asked, and say it in the service's words."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from backpack_connector import __version__
from backpack_connector.client.candles import interval_s
from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.enums import KlineInterval, MarketType
from backpack_connector.protocol.errors import BackpackError, InvalidRequest
from backpack_connector.protocol.market_records import OpenInterest, Trade
from backpack_connector.protocol.models import Kline, Market, MarkPrice, Ticker
from backpack_connector.protocol.units import (
    decimal_from_text,
    ms_from_seconds,
    seconds_from_iso,
    seconds_from_ms_or_us,
    seconds_from_us,
)

from .problems import NOT_FOUND, Problem
from .records import (
    CandleRecord,
    ExchangeRecord,
    FundingRecord,
    Level,
    MarketRecord,
    OrderBookRecord,
    ServiceRecord,
    TickerRecord,
    TradeRecord,
)

NAME = "backpack-market-data"
UNREACHABLE = "Unreachable"
DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
"""The exchange takes no others (API §2.3, depth)."""

LONGEST_MONTH_S = 31 * 86_400
_TICKER = ("last_price", "first_price", "high", "low", "price_change", "volume", "quote_volume")

Values = Mapping[str, Any]


class MarketData:
    """The answers to the questions of the service, each asked anew; `routes` says which question is which path."""

    def __init__(self, client: BackpackClient, paths: Sequence[str], now_s: Callable[[], float]) -> None:
        self._client = client
        self._paths = list(paths)
        self._now_s = now_s

    async def check_market(self, symbol: str) -> None:
        """Ask whether there is a market.

        Raises:   Problem when there is none.
        """
        try:
            await self._client.get_market(symbol)
        except InvalidRequest:
            raise Problem(NOT_FOUND, f"The exchange has no market {symbol}; /v1/markets lists all.") from None

    async def markets(self, values: Values) -> list[MarketRecord]:
        """Return all markets, or those of a type."""
        return [_market(row) for row in await self._client.get_markets(market_type=values.get("type"))]

    async def ticker(self, values: Values) -> TickerRecord | list[TickerRecord]:
        """Return the last 24 hours of a market, or of all markets in which something was traded."""
        symbol = values.get("symbol")
        if symbol is None:
            return [_ticker(row.symbol, row) for row in await self._client.get_tickers()]
        return _ticker(symbol, await self._client.get_ticker(symbol))

    async def order_book(self, values: Values) -> OrderBookRecord:
        """Return an order book with as many levels as are wanted."""
        symbol, depth = values["symbol"], values["depth"]
        limit: Any = next(one for one in DEPTHS if one >= depth)
        book = await self._client.get_depth(symbol, limit=limit)
        return OrderBookRecord(
            symbol=symbol,
            bids=_levels(book.bids[::-1][:depth]),
            asks=_levels(book.asks[:depth]),
            update_id=book.update_id,
            time=ms_from_seconds(seconds_from_us(book.timestamp)),
        )

    async def candles(self, values: Values) -> list[CandleRecord]:
        """Return the last candles, oldest first; the last one is not over yet."""
        interval, limit = values["interval"], values["limit"]
        length_s = LONGEST_MONTH_S if interval == KlineInterval.MONTH_1 else interval_s(interval)
        start_s = max(0, int(self._now_s()) - limit * length_s)
        rows = await self._client.get_klines(values["symbol"], interval, start_s)
        return [_candle(row) for row in rows[-limit:]]

    async def trades(self, values: Values) -> list[TradeRecord]:
        """Return the last trades, newest first."""
        rows = await self._client.get_recent_trades(values["symbol"], limit=values["limit"])
        return [_trade(row) for row in rows]

    async def funding(self, values: Values) -> FundingRecord | list[FundingRecord]:
        """Return prices, funding and open interest of a perpetual market, or of all that are open."""
        symbol = values.get("symbol")
        try:
            marks, interests = await asyncio.gather(
                self._client.get_mark_prices(symbol=symbol), self._client.get_open_interest(symbol=symbol)
            )
        except InvalidRequest:
            if symbol is None:
                raise
            raise _no_funding(symbol) from None
        by_symbol = {row.symbol: row for row in interests}
        found = [_funding(row, by_symbol.get(row.symbol)) for row in marks]
        if symbol is None:
            return found
        if not found:
            raise _no_funding(symbol)
        return found[0]

    async def service(self, _: Values) -> ServiceRecord:
        """Return what the service is; it answers also when the exchange does not."""
        try:
            state = await self._client.get_status()
            status, message = state.status.value, state.message
        except BackpackError:
            status, message = UNREACHABLE, None
        return ServiceRecord(
            name=NAME,
            version=__version__,
            exchange=ExchangeRecord(url=self._client.url, status=status, message=message),
            paths=self._paths,
            market_types=[member.value for member in MarketType],
            intervals=[member.value for member in KlineInterval],
        )


def _no_funding(symbol: str) -> Problem:
    return Problem(NOT_FOUND, f"{symbol} is not a perpetual market that is open, so it has no funding.")


def _market(row: Market) -> MarketRecord:
    price, quantity = row.filters.price, row.filters.quantity
    return MarketRecord(
        symbol=row.symbol,
        type=row.market_type,
        base=row.base_symbol,
        quote=row.quote_symbol,
        state=row.order_book_state,
        tick_size=price.tick_size,
        min_price=price.min_price,
        max_price=price.max_price,
        step_size=quantity.step_size,
        min_quantity=quantity.min_quantity,
        max_quantity=quantity.max_quantity,
        funding_interval_ms=row.funding_interval,
    )


def _ticker(symbol: str, row: Ticker | None) -> TickerRecord:
    same: dict[str, Any] = {name: getattr(row, name, None) for name in _TICKER}
    fraction, trades = (None, None) if row is None else (row.price_change_percent, _whole(row.trades))
    return TickerRecord(symbol=symbol, price_change_fraction=fraction, trades=trades, **same)


def _levels(levels: Sequence[tuple[str, str]]) -> list[Level]:
    return [(decimal_from_text(price), decimal_from_text(quantity)) for price, quantity in levels]


def _candle(row: Kline) -> CandleRecord:
    return CandleRecord(
        start=ms_from_seconds(seconds_from_iso(row.start)),
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        quote_volume=row.quote_volume,
        trades=_whole(row.trades),
    )


def _trade(row: Trade) -> TradeRecord:
    return TradeRecord(
        id=row.id,
        time=row.timestamp,
        side="sell" if row.is_buyer_maker else "buy",
        price=row.price,
        quantity=row.quantity,
        quote_quantity=row.quote_quantity,
    )


def _funding(row: MarkPrice, interest: OpenInterest | None) -> FundingRecord:
    next_time = row.next_funding_timestamp
    open_interest: Decimal | None = None if interest is None else interest.open_interest
    return FundingRecord(
        symbol=row.symbol,
        mark_price=row.mark_price,
        index_price=row.index_price,
        funding_rate=row.funding_rate,
        next_funding_time=None if next_time is None else ms_from_seconds(seconds_from_ms_or_us(next_time)),
        open_interest=open_interest,
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
