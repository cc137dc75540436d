"""Define the public messages that bots do not need and people do: tickers, candles, open interest, liquidations.

Source: API §3.2; tests/samples/ws. Names of the wire's one-letter keys stand once, at the fields.
"""

from decimal import Decimal
from typing import Any

import msgspec

from .enums import Side
from .streams import LIQUIDATIONS, split_stream_name
from .wire import NotNegative, WireId, WireStruct, WireTime, read


class BookTicker(WireStruct, frozen=True, kw_only=True):
    """Best bid and ask, on each change; None for an empty side. The kind of stream `bookTicker`."""

    symbol: str = msgspec.field(name="s")
    event_time_us: WireTime = msgspec.field(name="E")
    update_id: WireId | str = msgspec.field(name="u")
    """That of the book's last change."""
    bid_price: NotNegative | None = msgspec.field(name="b", default=None)
    bid_quantity: NotNegative | None = msgspec.field(name="B", default=None)
    ask_price: NotNegative | None = msgspec.field(name="a", default=None)
    ask_quantity: NotNegative | None = msgspec.field(name="A", default=None)


class TickerUpdate(WireStruct, frozen=True, kw_only=True):
    """Prices and volume of the last day, each second. The kind of stream `ticker`."""

    symbol: str = msgspec.field(name="s")
    event_time_us: WireTime = msgspec.field(name="E")
    first_price: Decimal = msgspec.field(name="o")
    last_price: Decimal = msgspec.field(name="c")
    high: Decimal = msgspec.field(name="h")
    low: Decimal = msgspec.field(name="l")
    volume: NotNegative = msgspec.field(name="v")
    """Base units; likewise `quote_volume` in quote units."""
    quote_volume: NotNegative = msgspec.field(name="V")
    trades: int = msgspec.field(name="n")


class KlineUpdate(WireStruct, frozen=True, kw_only=True):
    """A candle while it grows, and once when it is closed. The kind of stream `kline`."""

    symbol: str = msgspec.field(name="s")
    event_time_us: WireTime = msgspec.field(name="E")
    start: str = msgspec.field(name="t")
    """UTC text without zone; likewise `end`."""
    end: str = msgspec.field(name="T")
    is_closed: bool = msgspec.field(name="X")
    trades: int = msgspec.field(name="n")
    volume: NotNegative = msgspec.field(name="v")
    open: Decimal | None = msgspec.field(name="o", default=None)
    """None in a bucket without trades; likewise the other prices."""
    high: Decimal | None = msgspec.field(name="h", default=None)
    low: Decimal | None = msgspec.field(name="l", default=None)
    close: Decimal | None = msgspec.field(name="c", default=None)


class OpenInterestUpdate(WireStruct, frozen=True, kw_only=True):
    """The open interest of a market, each minute. The kind of stream `openInterest`."""

    symbol: str = msgspec.field(name="s")
    event_time_us: WireTime = msgspec.field(name="E")
    open_interest: NotNegative = msgspec.field(name="o")
    """Base units."""


class Liquidation(WireStruct, frozen=True, kw_only=True):
    """A position that was closed by force, of whatever market. The stream `liquidation`."""

    symbol: str = msgspec.field(name="s")
    event_time_us: WireTime = msgspec.field(name="E")
    side: Side = msgspec.field(name="S")
    price: Decimal = msgspec.field(name="p")
    quantity: Decimal = msgspec.field(name="q")


MarketMessage = BookTicker | TickerUpdate | KlineUpdate | OpenInterestUpdate | Liquidation

_KINDS: dict[str, type[Any]] = {
    "bookTicker": BookTicker,
    "ticker": TickerUpdate,
    "kline": KlineUpdate,
    "openInterest": OpenInterestUpdate,
    LIQUIDATIONS: Liquidation,
}


def read_market_message(stream: str, data: Any) -> "MarketMessage | None":
    """Return the message that a stream of these kinds carries, or None for a stream of another kind.

    Raises:   WireFormatError for a message that cannot be read.
    """
    kind = _KINDS.get(split_stream_name(stream).kind)
    message: MarketMessage | None = None if kind is None else read(kind, data, stream)
    return message
