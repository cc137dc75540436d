"""Know the exchange's markets: which can be traded, by which rules, at which prices."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bidict import bidict
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder

from backpack_connector.head_start import HeadStart
from backpack_connector.protocol.enums import MarketType
from backpack_connector.protocol.errors import ConfigurationError, shown
from backpack_connector.protocol.models import Market, Ticker, is_market_type, is_row_of, read_rows
from backpack_connector.protocol.symbols import Symbol, TradingPair, symbol_of, trading_pair_of
from backpack_connector.protocol.wire import read
from backpack_connector.reconnect import Backoff
from backpack_connector.to_hummingbot import trading_rule

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object

MOST_SYMBOLS = 4096
"""Far more than the exchange has; whoever sends names without end must not fill the memory."""


class ListedMarkets(_Base):
    """The part of the connector that knows the markets of its type; `BackpackExchangeBase` mixes it in."""

    market_type: MarketType
    _markets: dict[str, Market]
    _symbols: dict[str, Symbol]
    """The symbols of the trading pairs that somebody has asked for."""
    _pairs: dict[str, TradingPair | None]
    """What `trading_pair_or_none` has found, by symbol."""
    _listed: HeadStart[Any]
    """The list of markets as the exchange shows it."""

    async def _make_trading_rules_request(self) -> Any:
        return await self._listed.share()

    async def _ask_markets(self) -> Any:
        return await self.request("get_markets", {"marketType": self.market_type.value})

    async def _make_trading_pairs_request(self) -> Any:
        return await self._make_trading_rules_request()

    def _read_markets(self, exchange_info: Any) -> "tuple[dict[str, Market], list[str]]":
        """Return the visible markets of this connector's type by trading pair, and what could not be read.

        In a list with unreadable rows, or without any, a missing market proves nothing: what was known of it stays.
        """
        listed = read(list[Any], exchange_info, "get_markets")
        rows = [row for row in listed if is_market_type(row, self.market_type)]
        markets, complaints = read_rows(Market, rows, "get_markets")
        complaints += [f"get_markets: {shown(row)} is no market" for row in listed if not _has_market_type(row)]
        if not listed:
            complaints.append("get_markets: no market is listed")
        pairs = {self.trading_pair_or_none(market.symbol): market for market in markets if market.visible}
        found: dict[str, Market] = {pair: market for pair, market in pairs.items() if pair is not None}
        return {**self._markets, **found} if complaints else found, complaints

    async def _format_trading_rules(self, exchange_info_dict: Any) -> list[TradingRule]:
        self._markets, complaints = self._read_markets(exchange_info_dict)
        for complaint in complaints:
            self.logger().error(f"A market is left out because its rules cannot be read: {complaint}")
        if complaints and self._markets:
            self.logger().warning("Rules that were known stay until the list of markets can be read completely.")
        return [
            trading_rule(market, trading_pair)
            for trading_pair, market in self._markets.items()
            # A pair that is being traded keeps its rule, so that its orders can still be shown and cancelled.
            if market.accepts_new_orders or trading_pair in self._trading_pairs
        ]

    def _initialize_trading_pair_symbols_from_exchange_info(self, exchange_info: Any) -> None:
        markets, _ = self._read_markets(exchange_info)
        tradable = {market.symbol: pair for pair, market in markets.items() if market.accepts_new_orders}
        self._set_trading_pair_symbol_map(bidict(tradable))

    async def _initialize_trading_pair_symbol_map(self) -> None:
        # Unlike the base class, a failure is a failure here: an empty map would say that no pair is listed.
        self._initialize_trading_pair_symbols_from_exchange_info(await self._make_trading_pairs_request())

    async def _learn_symbols(self) -> None:
        backoff = Backoff()
        while not self.trading_pair_symbol_map_ready():
            if not await self.all_trading_pairs():
                await self._sleep(backoff.next_pause_s())

    async def all_trading_pairs(self) -> list[str]:
        """Return all pairs that can be traded; an empty list when the exchange cannot be asked."""
        try:
            return list((await self.trading_pair_symbol_map()).values())
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - Hummingbot calls this while it starts, and expects no exception
            self.logger().warning(f"The list of markets could not be read: {error}")
            return []

    def symbol_of(self, order: InFlightOrder) -> Symbol:
        """Return the symbol of an order's market."""
        return self._symbols.get(order.trading_pair) or self.symbol_of_pair(order.trading_pair)

    def symbol_of_pair(self, trading_pair: str) -> Symbol:
        """Return the symbol of a pair's market of this connector's type."""
        symbol = self._symbols.get(trading_pair)  # each order asks three times
        if symbol is None:
            symbol = self._symbols[trading_pair] = symbol_of(trading_pair, self.market_type)
        return symbol

    def trading_pair_or_none(self, symbol: str) -> TradingPair | None:
        """Return the trading pair of a symbol, or None when it is a market of another type."""
        if symbol not in self._pairs:  # every message asks
            try:
                pair = trading_pair_of(symbol, self.market_type)
            except ConfigurationError:
                pair = None
            if len(self._pairs) >= MOST_SYMBOLS:
                self._pairs.clear()
            self._pairs[symbol] = pair
        return self._pairs[symbol]

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        """Return last prices by trading pair with one request; a pair that never traded is absent."""
        symbols = {str(symbol_of(pair, self.market_type)): pair for pair in trading_pairs}
        if not symbols:
            return {}
        if len(symbols) == 1:
            answer = await self.request("get_ticker", {"symbol": next(iter(symbols))})
            rows = [] if answer is None else [answer]
        else:
            rows = await self.request("get_tickers")
        return {pair: float(price) for pair, price in self._last_prices(rows, symbols).items()}

    async def get_all_prices(self) -> dict[str, Decimal]:
        """Return the last prices of all listed pairs of this market type with one request."""
        symbols = dict(await self.trading_pair_symbol_map())
        return self._last_prices(await self.request("get_tickers"), symbols)

    def _last_prices(self, rows: Any, symbols: Mapping[str, str]) -> dict[str, Decimal]:
        # Tickers list markets of all types; only the wanted symbols are read, so that no odd one disturbs (F25).
        listed = read(list[Any], rows or [], "get_tickers")
        wanted = [row for row in listed if is_row_of(row, symbols)]
        tickers, complaints = read_rows(Ticker, wanted, "get_tickers")
        for complaint in complaints:
            self.logger().warning(f"A last price was left out: {complaint}")
        return {symbols[ticker.symbol]: ticker.last_price for ticker in tickers if ticker.last_price > 0}

    async def _get_last_traded_price(self, trading_pair: str) -> float:
        prices = await self.get_last_traded_prices([trading_pair])
        return prices.get(trading_pair, float("nan"))

    def reference_prices(self, trading_pair: str) -> "tuple[Decimal | None, Decimal | None, Decimal | None]":
        """Return (best bid, best ask, last price) of a pair, None for each that is not known."""
        book = self.order_book_tracker.order_books.get(trading_pair)
        if book is None:
            return None, None, None
        bid = next(iter(book.bid_entries()), None)
        ask = next(iter(book.ask_entries()), None)
        last = Decimal(str(book.last_trade_price))
        return (
            None if bid is None else Decimal(str(bid.price)),
            None if ask is None else Decimal(str(ask.price)),
            last if last.is_finite() else None,
        )

    def _expected_price(self, trading_pair: str, trade_type: TradeType) -> Decimal | None:
        bid, ask, last = self.reference_prices(trading_pair)
        touch = ask if trade_type is TradeType.BUY else bid
        return touch or last


def _has_market_type(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("marketType"), str)
