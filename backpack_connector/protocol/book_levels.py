"""Read the levels of order books straight from the text of frames and answers into what order books take.

A busy bot reads thousands of frames a second, and a snapshot has thousands of levels. What cannot be read here is for
the readers of `messages` and `wire` to read, or to refuse with the reason. Source: API §3.3, §2.3 (depth).
"""

import sys
from contextvars import ContextVar
from typing import Annotated, Any

import msgspec

from .errors import WireFormatError, plain
from .wire import WireId, WireTime, read

_changing_update_id: ContextVar[int] = ContextVar("changing_update_id")

_LevelNumber = Annotated[float, msgspec.Meta(ge=0, le=sys.float_info.max)]
"""The bounds refuse what is negative, infinite or no number; `strict=False` reads it out of text."""


class BookLevel(msgspec.Struct, array_like=True, gc=False, forbid_unknown_fields=True):
    """A level [price, quantity] in floats, as order books hold it (ARCHITECTURE.md, D4).

    The names are those by which Hummingbot's order book reads a row. The update id is that of the change that is being
    made, whoever asks, because writing it into each of a hundred levels takes longer than reading their prices.
    """

    price: _LevelNumber
    amount: _LevelNumber
    update_id = property(_changing_update_id.get)


set_changing_update_id = _changing_update_id.set
"""Say which update id the levels have that the order book is given next."""


def book_levels(levels: Any, where: str) -> list[BookLevel]:
    """Return levels of text as those that an order book takes.

    Raises:   WireFormatError for a level that is no pair of numbers of zero or more.
    """
    return read(list[BookLevel], levels, where, is_strict=False)


class QuickDepthUpdate(msgspec.Struct, gc=False):
    """The content of `DepthUpdate`, read straight into levels; whether its ids are in order is left to the sequence."""

    event_time_us: WireTime = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    first_update_id: WireId = msgspec.field(name="U")
    last_update_id: WireId = msgspec.field(name="u")
    asks: list[BookLevel] = msgspec.field(name="a")
    bids: list[BookLevel] = msgspec.field(name="b")
    engine_time_us: WireTime = msgspec.field(name="T", default=0)


class QuickDepthFrame(msgspec.Struct, gc=False):
    """A frame of a depth stream; what cannot be read as one is for `parse_message` to read or to refuse.

    A number in place of a text, or the other way round, is read too; it can mean nothing else.
    """

    stream: str
    data: QuickDepthUpdate


read_quick_depth_frame = msgspec.json.Decoder(QuickDepthFrame, strict=False).decode
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What `read_quick_depth_frame` raises for any other frame."""


class BookSnapshot(msgspec.Struct, gc=False):
    """The content of `models.DepthSnapshot`, read straight into levels."""

    asks: list[BookLevel]
    bids: list[BookLevel]
    update_id: WireId = msgspec.field(name="lastUpdateId")
    """Of the last change in the snapshot."""
    timestamp: WireTime
    """Microseconds."""


_read_book_snapshot = msgspec.json.Decoder(BookSnapshot, strict=False).decode


def read_book_snapshot(text: str | None, where: str) -> BookSnapshot:
    """Return the snapshot in the text of an answer of get_depth, None for an empty one.

    Raises:   WireFormatError when it is none, or a level is no pair of numbers of zero or more.
    """
    try:
        return _read_book_snapshot(text or "")
    except UNREADABLE as error:
        raise WireFormatError(f"{where}: {plain(str(error))}") from None
