"""Name the streams, and write the frames that subscribe to them. Source: API §3."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .enums import KlineInterval

ORDER_UPDATES = "account.orderUpdate"
BALANCE_UPDATES = "account.balanceUpdate"
POSITION_UPDATES = "account.positionUpdate"
RFQ_UPDATES = "account.rfqUpdate"
LIQUIDATIONS = "liquidation"
PRIVATE_PREFIX = "account."

DEPTH_WINDOWS_MS = (200, 600, 1000)
STREAM_KINDS = (
    "depth",
    "trade",
    "bookTicker",
    "ticker",
    "markPrice",
    "kline",
    "openInterest",
    LIQUIDATIONS,
    "externalTicker",
    "stockPrice",
    "stockIndicativeQuote",
    ORDER_UPDATES,
    BALANCE_UPDATES,
    POSITION_UPDATES,
    RFQ_UPDATES,
)

_WINDOW = re.compile(r"(\d+)ms")
_KLINE_INTERVALS = frozenset(interval.value for interval in KlineInterval)


@dataclass(frozen=True)
class StreamName:
    """A stream name taken apart: `depth.200ms.AAPL.US_USDC_PERP` is kind depth, argument 200ms, and the symbol."""

    kind: str
    argument: str | None = None
    symbol: str | None = None

    @property
    def is_private(self) -> bool:
        """Tell whether subscribing needs a signature."""
        return self.kind.startswith(PRIVATE_PREFIX)


def depth_stream(symbol: str, window_ms: int | None = None) -> str:
    """Return the name of a depth stream: every book event, or one message per window of 200, 600 or 1000 ms."""
    return f"depth.{symbol}" if window_ms is None else f"depth.{window_ms}ms.{symbol}"


def trade_stream(symbol: str) -> str:
    """Return the name of a stream of public trades."""
    return f"trade.{symbol}"


def mark_price_stream(symbol: str) -> str:
    """Return the name of a stream of mark price and funding rate."""
    return f"markPrice.{symbol}"


def kline_stream(symbol: str, interval: KlineInterval) -> str:
    """Return the name of a stream of candles."""
    return f"kline.{interval.value}.{symbol}"


def book_ticker_stream(symbol: str) -> str:
    """Return the name of a stream of best bid and ask."""
    return f"bookTicker.{symbol}"


def ticker_stream(symbol: str) -> str:
    """Return the name of a stream of prices and volume of the last day."""
    return f"ticker.{symbol}"


def open_interest_stream(symbol: str) -> str:
    """Return the name of a stream of open interest."""
    return f"openInterest.{symbol}"


def stream_problem(name: str) -> str | None:
    """Return one sentence why the exchange would not know a stream, or None. Source: API §3.1, §3.2, §3.4."""
    parts = split_stream_name(name)
    if parts.kind not in STREAM_KINDS:
        return f"There is no stream {name!r}; the kinds are {', '.join(STREAM_KINDS)}."
    if parts.symbol is None and not parts.is_private and parts.kind != LIQUIDATIONS:
        return f"The stream {name!r} needs a market, such as {parts.kind}.SOL_USDC."
    if parts.kind == "depth" and parts.argument not in (None, *(f"{window}ms" for window in DEPTH_WINDOWS_MS)):
        return f"Depth comes at once or in windows of {', '.join(map(str, DEPTH_WINDOWS_MS))} ms, not as {name!r}."
    if parts.kind == "kline" and parts.argument is None:
        return f"The stream {name!r} needs an interval, such as kline.1m.SOL_USDC."
    return None


def split_stream_name(name: str) -> StreamName:
    """Take a stream name apart; symbols may contain dots. An unknown kind keeps the rest as its symbol."""
    if name.startswith(PRIVATE_PREFIX):
        prefix, _, rest = name.partition(".")
        topic, _, symbol = rest.partition(".")
        return StreamName(f"{prefix}.{topic}", symbol=symbol or None)
    kind, _, rest = name.partition(".")
    head, dot, tail = rest.partition(".")
    if dot and ((kind == "depth" and _WINDOW.fullmatch(head)) or (kind == "kline" and head in _KLINE_INTERVALS)):
        return StreamName(kind, argument=head, symbol=tail)
    return StreamName(kind, symbol=rest or None)


def subscribe_frame(streams: Sequence[str], signature: list[str] | None = None) -> dict[str, Any]:
    """Return the frame that subscribes; private streams carry `Credentials.subscription_signature`.

    The exchange does not acknowledge it (API §3.1): silence is success, and the error frame tells a failure.
    """
    frame: dict[str, Any] = {"method": "SUBSCRIBE", "params": list(streams)}
    if signature is not None:
        frame["signature"] = signature
    return frame


def unsubscribe_frame(streams: Sequence[str]) -> dict[str, Any]:
    """Return the frame that ends subscriptions."""
    return {"method": "UNSUBSCRIBE", "params": list(streams)}
