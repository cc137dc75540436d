"""Name the questions that the service answers: path, parameters, answer, and for how long an answer is good."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backpack_connector.protocol import vocabulary
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.parameters import Kind, Operation, Parameter

from .market_data import MarketData, Values
from .records import (
    CandleRecord,
    FundingRecord,
    MarketRecord,
    OrderBookRecord,
    ServiceRecord,
    TickerRecord,
    TradeRecord,
)

MARKET_LIFETIME_S = 300.0
"""That a market exists is asked so seldom; the exchange's own cache keeps its list as long (API §2.0)."""

TYPE = replace(vocabulary.MARKET_TYPE, name="type", meaning="Only markets of this type; spot and perpetual without it.")
SYMBOL = vocabulary.SYMBOL
DEPTH = Parameter("depth", Kind.WHOLE, "Levels of each side; 20 when it is absent.", least=1, most=1_000)
INTERVAL = replace(vocabulary.KLINE_INTERVAL, meaning="The length of a candle; 1h when it is absent.")


@dataclass(frozen=True)
class Route:
    """One path, described as an operation of the exchange is."""

    operation: Operation
    answer: Callable[[MarketData, Values], Awaitable[Any]]
    lifetime_s: float
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Return the path."""
        return self.operation.operation_id

    @property
    def has_symbol(self) -> bool:
        """Tell whether a market can be asked about."""
        return self.operation.parameter("symbol") is not None

    def values_of(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the parameters of a question, checked, with those that were left out.

        Raises:   ConfigurationError with one sentence about the first thing that is wrong.
        """
        if len(query) != len(set(query)):
            raise ConfigurationError(f"{self.path} takes each parameter once.")
        given = {name: value.upper() if name == TYPE.name else value for name, value in query.items()}
        return {**self.defaults, **self.operation.fields(given)}


def _route(
    path: str,
    meaning: str,
    result: Any,
    answer: Callable[[MarketData, Values], Awaitable[Any]],
    lifetime_s: float,
    *parameters: Parameter,
    **defaults: Any,
) -> Route:
    return Route(Operation(path, "market data", meaning, result, parameters), answer, lifetime_s, defaults)


# Candles and trades come out of the exchange's smallest pool, thirty requests a minute, therefore they live longer.
ROUTES = (
    _route("/v1/markets", "All markets with their rules.", list[MarketRecord], MarketData.markets, 60.0, TYPE),
    _route(
        "/v1/ticker",
        "The last 24 hours of one market, or of all in which something was traded.",
        TickerRecord | list[TickerRecord],
        MarketData.ticker,
        2.0,
        SYMBOL,
    ),
    _route(
        "/v1/orderbook",
        "An order book, best prices first.",
        OrderBookRecord,
        MarketData.order_book,
        1.0,
        SYMBOL.required,
        DEPTH,
        depth=20,
    ),
    _route(
        "/v1/klines",
        "The last candles, oldest first; the last one is not over yet.",
        list[CandleRecord],
        MarketData.candles,
        10.0,
        SYMBOL.required,
        INTERVAL,
        vocabulary.limit(1_000),
        interval="1h",
        limit=100,
    ),
    _route(
        "/v1/trades",
        "The last trades, newest first.",
        list[TradeRecord],
        MarketData.trades,
        5.0,
        SYMBOL.required,
        vocabulary.limit(1_000),
        limit=100,
    ),
    _route(
        "/v1/funding",
        "Mark price, index price, funding and open interest of one perpetual market, or of all that are open.",
        FundingRecord | list[FundingRecord],
        MarketData.funding,
        2.0,
        SYMBOL,
    ),
    _route("/v1/meta", "What the service is, and whether the exchange works.", ServiceRecord, MarketData.service, 5.0),
)
OPENAPI_PATH = "/openapi.json"
PATHS = (*(route.path for route in ROUTES), OPENAPI_PATH)
