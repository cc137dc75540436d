"""Hold what all signed REST operations share: answers, prepared requests, filters and pages of histories."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import msgspec

from backpack_connector.protocol.enums import MarketType, SystemOrderType

from .events import Execution
from .payloads import Json
from .request_forms import Query
from .traded_market import TradedMarket

_DEFAULT_PAGE = 100
_MAX_PAGE = 1_000

# What a cache between client and exchange may do. The texts of the first three are known (API §2.0); the others have
# the header too (OpenAPI file), but its text is not known: here nobody keeps them.
_MAY_BE_MINUTES_OLD = "public, s-maxage=300, stale-while-revalidate=600"
_NOT_KEPT = "no-cache"
_HAVE_IT_TOO = (
    "get_assets",
    "get_borrow_lend_markets_history",
    "get_historical_trades",
    "get_klines",
    "get_recent_trades",
    "get_ticker",
    "get_tickers",
)
CACHING: Mapping[str, Mapping[str, str]] = {
    "get_markets": {"Cache-Control": _MAY_BE_MINUTES_OLD},
    "get_market": {"Cache-Control": _MAY_BE_MINUTES_OLD},
    "get_mark_prices": {"Cache-Control": "s-maxage=1, stale-while-revalidate=3, stale-if-error=3600"},
    **{operation_id: {"Cache-Control": _NOT_KEPT} for operation_id in _HAVE_IT_TOO},
}


class SortDirection(str, Enum):
    """The direction of a history; newest first unless asked otherwise."""

    ASCENDING = "Asc"
    DESCENDING = "Desc"


class FillType(str, Enum):
    """What a fill history can be asked for. Source: schema FillType; API §2.3 (fills)."""

    USER = "User"
    BOOK_LIQUIDATION = "BookLiquidation"
    ADL = "Adl"
    BACKSTOP = "Backstop"
    LIQUIDATION = "Liquidation"
    ALL_LIQUIDATION = "AllLiquidation"
    COLLATERAL_CONVERSION = "CollateralConversion"
    COLLATERAL_CONVERSION_AND_SPOT_LIQUIDATION = "CollateralConversionAndSpotLiquidation"


_ON_BOOK, _ON_BACKSTOP = SystemOrderType.LIQUIDATE_ON_BOOK, SystemOrderType.LIQUIDATE_ON_BACKSTOP
_ON_ADL = SystemOrderType.LIQUIDATE_ON_ADL
# What `Liquidation` leaves out is not documented; here it is the positions that were taken from the winners.
FILL_KINDS: Mapping[FillType, frozenset[SystemOrderType | None]] = {
    FillType.USER: frozenset({None}),
    FillType.BOOK_LIQUIDATION: frozenset({_ON_BOOK}),
    FillType.ADL: frozenset({_ON_ADL}),
    FillType.BACKSTOP: frozenset({_ON_BACKSTOP}),
    FillType.LIQUIDATION: frozenset({_ON_BOOK, _ON_BACKSTOP}),
    FillType.ALL_LIQUIDATION: frozenset({_ON_BOOK, _ON_BACKSTOP, _ON_ADL}),
    FillType.COLLATERAL_CONVERSION: frozenset({SystemOrderType.COLLATERAL_CONVERSION}),
    # Spot funds are sold in a liquidation by conversion orders too.
    FillType.COLLATERAL_CONVERSION_AND_SPOT_LIQUIDATION: frozenset({SystemOrderType.COLLATERAL_CONVERSION}),
}


class Answer(msgspec.Struct, frozen=True):
    """What an operation answers: a body (None is empty), headers, and what happened in the engine."""

    body: Any
    headers: dict[str, str] = {}
    executions: tuple[Execution, ...] = ()


Command = Callable[[str], Answer]
"""The parsed request; it runs when the account that signed is known."""


class Prepared(msgspec.Struct, frozen=True):
    """A parsed request, ready to be authenticated and run."""

    command: Command
    is_delayed: bool = False
    """It waits out the taker delay (API §4.1)."""


def market_filter(query: Query, markets: Mapping[str, TradedMarket]) -> Callable[[str], bool]:
    """Return what tells whether a symbol is one that `symbol` and `marketType` of a query ask for."""
    symbol = query.text("symbol")
    market_types = query.words("marketType", MarketType)
    if symbol is not None:
        query.symbol()

    def belongs(row_symbol: str) -> bool:
        if symbol is not None and row_symbol != symbol:
            return False
        return not market_types or markets[row_symbol].instrument.market_type in market_types

    return belongs


def page_headers(total: int, limit: int, offset: int) -> dict[str, str]:
    """Return the headers that describe a page. Source: API §2.0 (pagination); that pages count from 0 is a choice."""
    page_size = max(limit, 1)
    headers = {
        "X-CURRENT-PAGE": str(offset // page_size),
        "X-PAGE-COUNT": str(-(-total // page_size)),
        "X-PAGE-SIZE": str(limit),
        "X-TOTAL": str(total),
    }
    return {**headers, "Access-Control-Expose-Headers": ", ".join(headers)}


class Page:
    """One page of a history, with the headers that describe it. Source: API §2.0 (pagination)."""

    def __init__(self, query: Query) -> None:
        self._limit = query.integer("limit", _DEFAULT_PAGE, maximum=_MAX_PAGE) or 0
        self._offset = query.integer("offset", 0) or 0
        self._is_ascending = query.word("sortDirection", SortDirection) is SortDirection.ASCENDING

    def answer(self, rows: list[Any], payload: Callable[[Any], Json]) -> Answer:
        """Return the page of rows that come oldest first."""
        ordered = rows if self._is_ascending else rows[::-1]
        headers = {**page_headers(len(rows), self._limit, self._offset), "Cache-Control": _NOT_KEPT}
        return Answer([payload(row) for row in ordered[self._offset : self._offset + self._limit]], headers)
