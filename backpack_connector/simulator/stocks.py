"""Know the stocks that are traded here: their tickers, one market of each, and when their exchange is open.

Stocks trade from 13:30 to 20:00 UTC on weekdays: the hours of New York in summer, but all the year. Holidays there are
none. Source: API §2.2 ("Added after May 2026"); hours and the session's name are choices.
"""

from collections.abc import Mapping
from datetime import datetime, time, timedelta, timezone

from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND

from .traded_market import TradedMarket

SESSION = "US_MARKET_HOURS"
OPENS, CLOSES = time(13, 30), time(20, 0)
MONDAY, FRIDAY = 1, 5

_ENDING = ".US"


def stock_markets(markets: Mapping[str, TradedMarket]) -> dict[str, TradedMarket]:
    """Return one market of each stock, by asset, such as AAPL.US."""
    return {row.instrument.base: row for row in markets.values() if row.instrument.base.endswith(_ENDING)}


def ticker_of(asset: str) -> str:
    """Return the bare ticker of a stock: AAPL of AAPL.US."""
    return asset.removesuffix(_ENDING)


def market_of(markets: Mapping[str, TradedMarket], name: str) -> TradedMarket | None:
    """Return the market of a stock by its ticker or its asset, or None where there is no such stock."""
    stocks = stock_markets(markets)
    return stocks.get(name, stocks.get(f"{name}{_ENDING}"))


def is_open(now_us: int) -> bool:
    """Tell whether the exchange of the stocks is open."""
    now = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=now_us // MICROSECONDS_PER_SECOND)
    return MONDAY <= now.isoweekday() <= FRIDAY and OPENS <= now.time() < CLOSES
