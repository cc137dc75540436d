"""Answer the public REST operations about assets, stocks and prediction markets.

Prediction markets and holidays of the stocks' exchange there are none.
Source: API §2.2 (markets; "Added after May 2026"), §2.3 (assets).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from typing import Any

from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.units import decimal_text

from .answers import Answer, page_headers
from .clock import Clock, ms_from_us
from .engine import Exchange
from .ledger import EXACT
from .markets import Instrument
from .payloads import Json
from .refusals import invalid_request
from .request_forms import Query, is_plain_decimal
from .stocks import CLOSES, FRIDAY, MONDAY, OPENS, SESSION, is_open, stock_markets

_MAX_EVENTS = 1_000
_DEFAULT_EVENTS = 100
_EMPTY_LISTS = ("get_prediction_tags", "get_stock_holidays")


class ListsRest:
    """The public operations of one exchange that list what there is."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self.public: Mapping[str, Callable[[Query], Any]] = {
            "get_assets": lambda _: exchange.capital.assets.rows,
            "get_market_sessions": self.sessions,
            "get_prediction_events": self.prediction_events,
            "get_securities": self.securities,
            "get_stock_indicative_quote": self.stock_quote,
            "get_stock_sessions": self.sessions,
            "get_wallets": self.wallets,
            **{operation_id: lambda _: [] for operation_id in _EMPTY_LISTS},
        }

    def wallets(self, _: Query) -> list[Json]:
        """Answer get_wallets: the exchange's own."""
        return [
            {"address": address, "blockchain": blockchain.value}
            for blockchain, address in self._exchange.capital.wallets()
        ]

    def prediction_events(self, query: Query) -> Answer:
        """Answer get_prediction_events: a page of none."""
        query.flag("resolved")
        limit = query.integer("limit", _DEFAULT_EVENTS, maximum=_MAX_EVENTS) or 0
        return Answer([], page_headers(0, limit, query.integer("offset", 0) or 0))

    def sessions(self, _: Query) -> list[Json]:
        """Answer get_market_sessions, and get_stock_sessions, which is its later name."""
        return [
            {
                "description": "Regular trading hours",
                "endTime": CLOSES.isoformat(),
                "endWeekday": FRIDAY,
                "name": SESSION,
                "startTime": OPENS.isoformat(),
                "startWeekday": MONDAY,
                "timezone": "UTC",
            }
        ]

    def securities(self, _: Query) -> list[Json]:
        """Answer get_securities."""
        names = {row["symbol"]: row["displayName"] for row in self._exchange.capital.assets.rows}
        return [
            {
                "asset": asset,
                "cusip": None,
                "name": names[asset],
                "sessions": [{"name": SESSION, **_quantity_filter(market.instrument)}],
            }
            for asset, market in sorted(stock_markets(self._exchange.markets).items())
        ]

    def stock_quote(self, query: Query) -> Json:
        """Answer get_stock_indicative_quote: what a quantity would cost at the index or last price.

        What its fields mean beyond their names, and the texts of `reason`, is not known.
        """
        market = stock_markets(self._exchange.markets).get(query.required_text("symbol"))
        query.required_word("side", Side)
        quantity_text = query.required_text("quantity")
        if not is_plain_decimal(quantity_text):
            raise query.failure("quantity", "string_decimal", "Invalid decimal")
        if market is None:
            raise invalid_request("Invalid symbol")
        quantity, price = Decimal(quantity_text), market.index_price
        with localcontext(EXACT):
            reason, cost = self._reason(market.instrument, quantity), price * quantity
        price_text = decimal_text(price)
        return {
            "available": reason is None,
            "estimatedPrice": price_text,
            "price": price_text,
            "publishedAt": ms_from_us(self._clock()),
            "quantityFilter": _quantity_filter(market.instrument),
            "quoteQuantity": decimal_text(cost),
            "reason": reason,
        }

    def _reason(self, instrument: Instrument, quantity: Decimal) -> str | None:
        if quantity < instrument.min_quantity or quantity % instrument.step_size:
            return "InvalidQuantity"
        return None if is_open(self._clock()) else "MarketClosed"


def _quantity_filter(instrument: Instrument) -> Json:
    most = instrument.max_quantity
    return {
        "maxQuantity": None if most is None else decimal_text(most),
        "minQuantity": decimal_text(instrument.min_quantity),
        "stepSize": decimal_text(instrument.step_size),
    }
