"""Define what the streams deliver, and read a frame into one of these messages.

The names of the wire's one-letter keys stand once, at the fields. Source: API §3.2, §3.4; tests/samples/ws.
"""

import json
from collections.abc import Callable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow, Rounded
from math import inf
from typing import Any, ClassVar, cast

import msgspec

from .book_levels import UNREADABLE
from .enums import OrderEvent, OrderStatus, Side
from .errors import WireFormatError, shown
from .streams import BALANCE_UPDATES, ORDER_UPDATES, POSITION_UPDATES, split_stream_name
from .units import seconds_from_iso, seconds_from_us
from .wire import NotNegative, OrderId, Positive, WireId, WireStruct, WireTime, read


class _Message(WireStruct, frozen=True, kw_only=True):
    event_time_us: WireTime = msgspec.field(name="E")
    engine_time_us: WireTime | None = msgspec.field(name="T", default=None)

    @property
    def event_timestamp(self) -> float:
        """Return when it happened in the engine, or else when it was sent, in seconds."""
        return seconds_from_us(self.event_time_us if self.engine_time_us is None else self.engine_time_us)


class DepthUpdate(_Message, frozen=True, kw_only=True):
    """Changed levels of a book as [price, quantity] text; quantity zero deletes. The kind of stream `depth`."""

    symbol: str = msgspec.field(name="s")
    first_update_id: WireId = msgspec.field(name="U")
    last_update_id: WireId = msgspec.field(name="u")
    asks: list[tuple[str, str]] = msgspec.field(name="a")
    bids: list[tuple[str, str]] = msgspec.field(name="b")

    def __post_init__(self) -> None:
        if self.first_update_id > self.last_update_id:
            raise ValueError("the first update id is after the last one")


class PublicTrade(_Message, frozen=True, kw_only=True):
    """A print of the market. The kind of stream `trade`."""

    symbol: str = msgspec.field(name="s")
    price: Positive = msgspec.field(name="p")
    quantity: Positive = msgspec.field(name="q")
    trade_id: WireId = msgspec.field(name="t")
    is_buyer_maker: bool = msgspec.field(name="m")


# What it adds without a signal has at most 60 places after the point and 30 before it, as `wire` demands of numbers.
_add = Context(prec=61, Emin=0, Emax=29, traps=[Inexact, Rounded, Overflow, InvalidOperation]).add


class OrderUpdate(_Message, frozen=True, kw_only=True):
    """Something happened to an order of ours. The kind of stream `account.orderUpdate`.

    `event` and `status` are plain text because an unknown word must leave the order alone and be asked about
    (required behaviour F19); `known_event` and `known_status` are None then.
    """

    event: str = msgspec.field(name="e")
    symbol: str = msgspec.field(name="s")
    order_id: OrderId = msgspec.field(name="i")
    status: str = msgspec.field(name="X")
    side: Side = msgspec.field(name="S")
    client_id: int | str | None = msgspec.field(name="c", default=None)
    order_type: str | None = msgspec.field(name="o", default=None)
    """Upper case here: LIMIT or MARKET."""
    quantity: NotNegative | None = msgspec.field(name="q", default=None)
    price: NotNegative | None = msgspec.field(name="p", default=None)
    executed_quantity: NotNegative | None = msgspec.field(name="z", default=None)
    executed_quote_quantity: NotNegative | None = msgspec.field(name="Z", default=None)
    fill_quantity: Positive | None = msgspec.field(name="l", default=None)
    fill_price: Positive | None = msgspec.field(name="L", default=None)
    trade_id: WireId | None = msgspec.field(name="t", default=None)
    """On the wire null unless it is a fill, although the documentation leaves it out then."""
    is_maker: bool | None = msgspec.field(name="m", default=None)
    fee: Decimal | None = msgspec.field(name="n", default=None)
    fee_symbol: str | None = msgspec.field(name="N", default=None)
    expiry_reason: str | None = msgspec.field(name="R", default=None)
    origin: str | None = msgspec.field(name="O", default=None)
    """USER, or who else caused the order: see enums.OrderOrigin."""
    reduce_only: bool | None = msgspec.field(name="r", default=None)
    post_only: bool | None = msgspec.field(name="y", default=None)
    trigger_price: Decimal | None = msgspec.field(name="P", default=None)
    trigger_quantity: str | None = msgspec.field(name="Y", default=None)
    """Base units, or a percentage such as 80%."""
    related_order_id: str | int | None = msgspec.field(name="I", default=None)

    def __post_init__(self) -> None:
        # The check of every payload costs as much as reading it; that of the usual fill, written out, a sixth of that.
        one, two, three = self.quantity, self.price, self.executed_quantity
        four, five, six = self.executed_quote_quantity, self.fill_quantity, self.fill_price
        seven = self.fee
        if (
            not (one and two and three and four and five and six and seven)
            or self.trigger_price is not None
            or one.is_signed()
            or two.is_signed()
            or three.is_signed()
            or four.is_signed()
            or five.is_signed()
            or six.is_signed()
            or seven.is_signed()
        ):
            WireStruct.__post_init__(self)
            return
        try:
            is_usual = _add(_add(_add(_add(_add(_add(one, two), three), four), five), six), seven).is_finite()
        except ArithmeticError:
            is_usual = False
        if not is_usual:
            WireStruct.__post_init__(self)

    @property
    def client_id_text(self) -> str | None:
        """Return the client id as text, or None when the order has none."""
        return None if self.client_id is None else str(self.client_id)

    @property
    def known_event(self) -> OrderEvent | None:
        """Return the event, or None for a word that we do not know."""
        return OrderEvent._value2member_map_.get(self.event)  # type: ignore[return-value]

    @property
    def known_status(self) -> OrderStatus | None:
        """Return the state, or None for a word that we do not know."""
        return OrderStatus._value2member_map_.get(self.status)  # type: ignore[return-value]

    @property
    def is_fill(self) -> bool:
        """Tell whether the message reports an execution."""
        return self.event == OrderEvent.FILL


class BalanceUpdate(_Message, frozen=True, kw_only=True):
    """The new balance of one asset, absolute. The kind of stream `account.balanceUpdate`, since 2026-08-01."""

    asset: str = msgspec.field(name="a")
    available: Decimal = msgspec.field(name="A")
    locked: Decimal = msgspec.field(name="L")
    staked: Decimal = msgspec.field(name="S")


class PositionUpdate(_Message, frozen=True, kw_only=True):
    """A position of ours, absolute. The kind of stream `account.positionUpdate`.

    On subscribing one message for each open position comes without an event (API §3.4).
    """

    symbol: str = msgspec.field(name="s")
    net_quantity: Decimal = msgspec.field(name="q")
    """Base units; negative = short, zero = closed."""
    mark_price: NotNegative = msgspec.field(name="M")
    entry_price: NotNegative = msgspec.field(name="B")
    event: str | None = msgspec.field(name="e", default=None)
    break_even_price: Decimal | None = msgspec.field(name="b", default=None)
    net_exposure_quantity: Decimal | None = msgspec.field(name="Q", default=None)
    """Base units, unsigned, with open orders that increase the risk."""
    pnl_realized: Decimal | None = msgspec.field(name="p", default=None)
    pnl_unrealized: Decimal | None = msgspec.field(name="P", default=None)
    """USDC, since the last settlement."""
    position_id: int | str | None = msgspec.field(name="i", default=None)


class MarkPriceUpdate(_Message, frozen=True, kw_only=True):
    """Mark price, index price and funding of a market, every second. The kind of stream `markPrice`."""

    symbol: str = msgspec.field(name="s")
    mark_price: NotNegative = msgspec.field(name="p")
    index_price: NotNegative | None = msgspec.field(name="i", default=None)
    funding_rate: Decimal | None = msgspec.field(name="f", default=None)
    """Fraction per interval, running estimate."""
    next_funding: WireTime | None = msgspec.field(name="n", default=None)
    """Milliseconds on the wire, microseconds in the documentation: see units.seconds_from_ms_or_us."""


class KlineUpdate(WireStruct, frozen=True, kw_only=True):
    """What was traded in one bucket so far; no prices when nothing was. The kind of stream `kline`.

    It comes with trades, at most once a second, and when the bucket is over.
    """

    engine_time_us: ClassVar[None] = None
    event_time_us: WireTime = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    start: str | WireTime = msgspec.field(name="t")
    """Text on the wire, seconds in older documentation (API §3.2)."""
    volume: NotNegative = msgspec.field(name="v")
    trades: WireId = msgspec.field(name="n")
    is_final: bool = msgspec.field(name="X", default=False)
    open: Positive | None = msgspec.field(name="o", default=None)
    high: Positive | None = msgspec.field(name="h", default=None)
    low: Positive | None = msgspec.field(name="l", default=None)
    close: Positive | None = msgspec.field(name="c", default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.start_timestamp  # noqa: B018 - it raises when the text is no time

    @property
    def start_timestamp(self) -> float:
        """Return the beginning of the bucket in seconds."""
        return float(self.start) if isinstance(self.start, int) else seconds_from_iso(self.start)


class ErrorFrame(WireStruct, frozen=True, kw_only=True):
    """What the exchange answers to a frame that it does not accept; the socket stays open. Source: API §3.1."""

    code: int
    message: str


Message = (
    DepthUpdate
    | PublicTrade
    | OrderUpdate
    | BalanceUpdate
    | PositionUpdate
    | MarkPriceUpdate
    | KlineUpdate
    | ErrorFrame
)

_KINDS: dict[str, type[Any]] = {
    "depth": DepthUpdate,
    "trade": PublicTrade,
    ORDER_UPDATES: OrderUpdate,
    BALANCE_UPDATES: BalanceUpdate,
    POSITION_UPDATES: PositionUpdate,
    "markPrice": MarkPriceUpdate,
    "kline": KlineUpdate,
}


def decoded_frame(text: str) -> Any:
    """Return the JSON value in the text of a frame, or the text itself, which no reader takes for a message."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # also a number of 5,000 digits and deep nesting
        return text


def stream_of(frame: Any) -> str | None:
    """Return the stream name of a frame that carries data, or None for any other frame."""
    if isinstance(frame, dict) and "data" in frame:
        stream = frame.get("stream")
        return stream if isinstance(stream, str) else None
    return None


def parse_message(frame: Any, latest_timestamp: float = inf) -> Message | None:
    """Return the message in a decoded frame, or None for a stream of a kind that has no message here.

    A message that is dated after `latest_timestamp` (seconds) is unreadable: whoever keeps only what is newer than
    what he knows would keep it for ever.
    Raises:   WireFormatError for anything else: text, a list, a frame without stream or data, a missing field.
    """
    if isinstance(frame, dict) and frame.get("error") is not None:
        return read(ErrorFrame, frame["error"], "error frame")
    stream = stream_of(frame)
    if stream is None:
        raise WireFormatError(f"expected a frame with stream and data, got {shown(frame)}")
    kind_of_stream = split_stream_name(stream).kind
    kind = _KINDS.get(kind_of_stream)
    message: Any = None if kind is None else read(kind, frame["data"], stream)
    if message is not None and _latest_time_of(message) > latest_timestamp:
        raise WireFormatError(f"{kind_of_stream}: the message is dated in the future, {_latest_time_of(message):.0f} s")
    return cast("Message | None", message)


def _latest_time_of(message: _Message | KlineUpdate) -> float:
    return seconds_from_us(max(message.event_time_us, message.engine_time_us or 0))


class _QuickOrderFrame(msgspec.Struct):
    stream: str
    data: OrderUpdate
    error: Any = None


class _QuickBalanceFrame(msgspec.Struct):
    stream: str
    data: BalanceUpdate
    error: Any = None


class _QuickPositionFrame(msgspec.Struct):
    stream: str
    data: PositionUpdate
    error: Any = None


_Read = Callable[[str], _QuickOrderFrame | _QuickBalanceFrame | _QuickPositionFrame]
_read_quick_order_frame: _Read = msgspec.json.Decoder(_QuickOrderFrame).decode
_ORDER_FRAME_END = f'"stream":"{ORDER_UPDATES}"}}'
_OTHER_QUICK_FRAMES: tuple[tuple[str, str, _Read], ...] = (
    (f'"{BALANCE_UPDATES}"', BALANCE_UPDATES, msgspec.json.Decoder(_QuickBalanceFrame).decode),
    (f'"{POSITION_UPDATES}"', POSITION_UPDATES, msgspec.json.Decoder(_QuickPositionFrame).decode),
)


def quick_account_message(text: str, latest_time_us: int) -> OrderUpdate | BalanceUpdate | PositionUpdate | None:
    """Return the message in the text of a frame about an order, a balance or a position, or None for any other text.

    It refuses what `parse_message` refuses; what it leaves is for that to read.
    Units:    no message is dated after `latest_time_us`.
    """
    stream, decode = ORDER_UPDATES, _read_quick_order_frame
    if not text.endswith(_ORDER_FRAME_END):  # the usual order of the keys; any other costs a look for the others
        for mark, other_stream, other_decode in _OTHER_QUICK_FRAMES:
            if mark in text:
                stream, decode = other_stream, other_decode
    try:
        frame = decode(text)
    except UNREADABLE:
        return None
    message = frame.data
    if frame.stream != stream or frame.error is not None:
        return None
    if message.event_time_us > latest_time_us or (message.engine_time_us or 0) > latest_time_us:
        return None
    return message
