"""Define what the service answers; its OpenAPI document is made of these definitions.

Rule 1: numbers are JSON numbers with all digits that the exchange wrote.
Rule 2: times are whole milliseconds since 1970, UTC.
Rule 3: every field is there; null stands for what the exchange did not say.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Time = Annotated[int, Meta(description="Milliseconds since 1970, UTC.")]
Level = tuple[
    Annotated[Decimal, Meta(description="Price.")], Annotated[Decimal, Meta(description="Quantity in base units.")]
]


class Record(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Something that the service answers."""


class MarketRecord(Record, frozen=True, kw_only=True):
    """A market and the rules for its orders."""

    symbol: str
    type: str
    base: str
    quote: str
    state: Annotated[str, Meta(description="Open is trading; the exchange's own word.")]
    tick_size: Annotated[Decimal, Meta(description="Prices are multiples of it.")]
    min_price: Decimal
    max_price: Decimal | None
    step_size: Annotated[Decimal, Meta(description="Quantities are multiples of it.")]
    min_quantity: Decimal
    max_quantity: Decimal | None
    funding_interval_ms: Annotated[int | None, Meta(description="Milliseconds between two funding payments.")]


class TickerRecord(Record, frozen=True, kw_only=True):
    """A market's last 24 hours; all null but the symbol when nothing was traded."""

    symbol: str
    last_price: Decimal | None
    first_price: Decimal | None
    high: Decimal | None
    low: Decimal | None
    price_change: Decimal | None
    price_change_fraction: Annotated[Decimal | None, Meta(description="0.01 is one percent.")]
    volume: Annotated[Decimal | None, Meta(description="In base units.")]
    quote_volume: Annotated[Decimal | None, Meta(description="In quote units.")]
    trades: int | None


class OrderBookRecord(Record, frozen=True, kw_only=True):
    """An order book, best prices first."""

    symbol: str
    bids: list[Level]
    asks: list[Level]
    update_id: Annotated[int, Meta(description="Number of the last change that is in the book.")]
    time: Time


class CandleRecord(Record, frozen=True, kw_only=True):
    """A candle; one without trades has no prices."""

    start: Time
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Annotated[Decimal, Meta(description="In base units.")]
    quote_volume: Annotated[Decimal, Meta(description="In quote units.")]
    trades: int | None


class TradeRecord(Record, frozen=True, kw_only=True):
    """A trade of anybody."""

    id: int | None
    time: Time
    side: Annotated[Literal["buy", "sell"], Meta(description="Of the order that matched on arrival.")]
    price: Decimal
    quantity: Annotated[Decimal, Meta(description="In base units.")]
    quote_quantity: Annotated[Decimal, Meta(description="In quote units.")]


class FundingRecord(Record, frozen=True, kw_only=True):
    """What a perpetual market says about its price and its funding."""

    symbol: str
    mark_price: Decimal
    index_price: Decimal | None
    funding_rate: Annotated[
        Decimal | None, Meta(description="Estimate for the running interval, as a fraction of the notional.")
    ]
    next_funding_time: Annotated[int | None, Meta(description="Milliseconds since 1970, UTC.")]
    open_interest: Annotated[Decimal | None, Meta(description="In base units.")]


class ExchangeRecord(Record, frozen=True, kw_only=True):
    """Whether the exchange works."""

    url: str
    status: Annotated[str, Meta(description="The exchange's own word, Ok or Maintenance; or Unreachable.")]
    message: str | None


class ServiceRecord(Record, frozen=True, kw_only=True):
    """What the service is, and what can be asked."""

    name: str
    version: str
    exchange: ExchangeRecord
    paths: list[str]
    market_types: list[str]
    intervals: list[str]


class AnswerMeta(Record, frozen=True, kw_only=True):
    """When the exchange was asked, and how much it is that it said."""

    time: Time
    age_ms: Annotated[int, Meta(ge=0, description="Milliseconds since the exchange was asked.")]
    count: Annotated[int, Meta(ge=0, description="Rows of the data; 1 when they are no list, 0 in an error.")]


class Envelope(Record, frozen=True, kw_only=True):
    """What surrounds every answer."""

    data: Any
    meta: AnswerMeta
    status: int
    message: str
    success: bool
