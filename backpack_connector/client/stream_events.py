"""Define what a listener to streams gets: messages, gaps, refusals, and frames that cannot be read."""

from dataclasses import dataclass
from typing import Any

from backpack_connector.protocol.market_messages import MarketMessage
from backpack_connector.protocol.messages import Message


@dataclass(frozen=True)
class Received:
    """A message of a stream."""

    stream: str
    message: "Message | MarketMessage | Any"
    """A struct of `protocol.messages` or `protocol.market_messages`; of other streams the JSON as it came."""


@dataclass(frozen=True)
class Disconnected:
    """The connection was lost, and is being made again: until the next `Gap` nothing that is kept is up to date."""

    reason: str


@dataclass(frozen=True)
class Gap:
    """From here back to the event before, messages may be missing: ask REST for what you keep of these streams."""

    streams: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Refused:
    """The exchange did not accept a frame; with which subscription that has to do, it does not say."""

    code: int
    message: str


@dataclass(frozen=True)
class Unreadable:
    """A frame that is no message; `stream` is None when not even that can be read."""

    stream: str | None
    reason: str


Event = Received | Disconnected | Gap | Refused | Unreadable
