"""Compare what answers say with what the private stream tells: name every repair, and notice a stream that is silent.

Rule 1: an answer that knows something before the stream does is no fault: the stream has `GRACE_S` to tell the same.
Rule 2: what it has not told by then was repaired by the answer, and one line says what was wrong and by which evidence.
Rule 3: a stream that has told nothing else either meanwhile does not work, however alive its connection is: the
        exchange acknowledges no subscription, and may have ignored or forgotten it (API §3.1).
Rule 4: what happened while the stream was away is repaired as well, and is no evidence against it: differences count
        from the end of the first poll that began after the subscription.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from backpack_connector.protocol.messages import BalanceUpdate, OrderUpdate, PositionUpdate
from backpack_connector.protocol.streams import BALANCE_UPDATES, ORDER_UPDATES, POSITION_UPDATES

GRACE_S = 5.0
"""Answers and stream overtake each other by milliseconds; a message that is later than this is late for good."""
MOST_LINES = 10
"""How many repairs are named that come due together; more are counted."""
MOST_FINDINGS = 1_000
ANSWER_LAG_S = 3.0
"""Answers about balances and positions carry no time, and may be this much older than the moment of asking."""
_EARLY_S = 0.01

_STREAMS: dict[type[Any], str] = {
    OrderUpdate: ORDER_UPDATES,
    BalanceUpdate: BALANCE_UPDATES,
    PositionUpdate: POSITION_UPDATES,
}


@dataclass(frozen=True)
class Question:
    """When a request was sent: its place in the order of everything received and asked, and the monotonic time."""

    place: int
    at_s: float

    def is_outdated_by(self, place: int, heard_at_s: float) -> bool:
        """Tell whether what the stream said then is better than the answer; also if it came shortly before.

        If it is not, because a message was lost since, the next poll finds out.
        """
        return place > self.place or heard_at_s > self.at_s - ANSWER_LAG_S

    def knows_of(self, happened_at_s: float) -> bool:
        """Tell whether the answer surely contains what the exchange did before a moment of the monotonic clock."""
        return self.at_s >= happened_at_s + ANSWER_LAG_S


@dataclass(frozen=True)
class _Finding:
    """Something that an answer has told, and the stream has not."""

    stream: str
    describe: Callable[[], str]
    found_at_s: float
    connection: int | None
    """The connection that should have told it, or None while there was none, or not for long enough."""
    heard: int
    """How many messages of the stream had come in all until then."""


def accepted(order_id: str) -> Hashable:
    """Return the key of the fact that the exchange has an order."""
    return "accepted", order_id


def ended(order_id: str) -> Hashable:
    """Return the key of the fact that an order has ended."""
    return "ended", order_id


def filled(order_id: str, trade_id: int | None) -> Hashable:
    """Return the key of one fill."""
    return "filled", order_id, trade_id


def balance(asset: str) -> Hashable:
    """Return the key of a balance."""
    return "balance", asset


def position(symbol: str) -> Hashable:
    """Return the key of a position."""
    return "position", symbol


def _told_by(message: Any) -> Iterator[Hashable]:
    if isinstance(message, OrderUpdate):
        yield accepted(message.order_id)
        if message.is_fill:
            yield filled(message.order_id, message.trade_id)
        if message.known_status is not None and message.known_status.is_final:
            yield ended(message.order_id)
    elif isinstance(message, BalanceUpdate):
        yield balance(message.asset)
    elif isinstance(message, PositionUpdate):
        yield position(message.symbol)


class StreamEvidence:
    """What answers have told before the private stream of one account, and what follows from its silence."""

    def __init__(self, logger: logging.Logger, on_silent: Callable[[str, str], None]) -> None:
        self._logger = logger
        self._on_silent = on_silent
        """Called with the name of a stream that does not work, and how that is known."""
        self._findings: dict[Hashable, _Finding] = {}
        self._uncounted = 0
        self._heard: Counter[str] = Counter()
        self._connection = 0
        self._is_subscribed = False
        self._is_compared = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Tell whether there is anything that the stream should tell; only then it has to be looked at."""
        return bool(self._findings)

    @property
    def connection(self) -> int:
        """Return the number of the newest connection, for `compared`."""
        return self._connection

    @property
    def is_compared(self) -> bool:
        """Tell whether the stream is subscribed, and a poll that began after that has ended."""
        return self._is_compared

    def subscribed(self) -> None:
        """Note a new subscription."""
        self._connection += 1
        self._is_subscribed, self._is_compared = True, False

    def interrupted(self) -> None:
        """Note that the stream is away."""
        self._is_subscribed = self._is_compared = False

    def compared(self, connection: int) -> None:
        """Note the end of a poll that began when `connection` was the newest one."""
        self._is_compared = self._is_subscribed and connection == self._connection

    def close(self) -> None:
        """Forget everything, because the connector stops."""
        self.interrupted()
        self._findings.clear()
        self._uncounted = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def expect(self, stream: str, key: Hashable, describe: Callable[[], str]) -> None:
        """Note what the answer to a request of our own has told; the stream will say the same, if it is there."""
        if self._is_compared:
            self.found(stream, key, describe)

    def found(self, stream: str, key: Hashable, describe: Callable[[], str]) -> None:
        """Note a difference that a poll has found and mended; `describe` says what was wrong and by which evidence."""
        if key in self._findings:
            return
        if len(self._findings) >= MOST_FINDINGS:
            self._uncounted += 1
            return
        loop = asyncio.get_running_loop()
        connection = self._connection if self._is_compared else None
        self._findings[key] = _Finding(stream, describe, loop.time(), connection, self._heard[stream])
        if self._timer is None:
            self._timer = loop.call_later(GRACE_S, self._judge)

    def take(self, message: Any) -> None:
        """Compare a message of the private stream with what waits for it."""
        stream = _STREAMS.get(type(message))
        if stream is not None:
            self._heard[stream] += 1
            for key in _told_by(message):
                self._findings.pop(key, None)

    def _judge(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        horizon_s = loop.time() - GRACE_S + _EARLY_S
        due = {key: finding for key, finding in self._findings.items() if finding.found_at_s <= horizon_s}
        for key in due:
            del self._findings[key]
        if self._findings:
            oldest_s = next(iter(self._findings.values())).found_at_s
            self._timer = loop.call_at(oldest_s + GRACE_S, self._judge)
        self._log(list(due.values()))
        for finding in due.values():
            is_current = self._is_subscribed and finding.connection == self._connection
            if is_current and finding.heard == self._heard[finding.stream]:
                self._on_silent(finding.stream, f"it is connected but silent: {finding.describe()}")
                return

    def _log(self, due: list[_Finding]) -> None:
        for finding in due[:MOST_LINES]:
            if finding.connection is None:
                self._logger.info(f"Repaired what happened without the private stream: {finding.describe()}.")
            else:
                self._logger.warning(
                    f"Repaired what the private stream has not told within {GRACE_S:g} s: {finding.describe()}."
                )
        more = max(0, len(due) - MOST_LINES) + self._uncounted
        self._uncounted = 0
        if more > 0:
            self._logger.warning(f"{more} further differences between answers and the private stream were repaired.")
