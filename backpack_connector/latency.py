"""Measure how long a running bot's orders, cancels and messages take, for whoever watches it; pure but for the clock.

| what | from | to |
|---|---|---|
| an order is sent | `buy`, `sell` or `batch_order_create` is called | its request goes to the connection |
| an order is accepted | its request goes to the connection | an answer, a message or a list first tells of it |
| an order is cancelled | its cancel begins | an answer or a message first tells of its end |
| a book follows, one update in sixteen | a depth frame is handed over | the book has changed |
| a fill is told | a frame with a fill is handed over | its event has been told |

An event has been told when all who listen to it are done: Hummingbot writes each fill into its database first. A frame
is handed over when the WebSocket library gives it out: what waits in the kernel while the process is
busy is not seen here. Opening a connection counts as part of an answer's time.

Rule 1: to note a duration is to append it to a bounded list. Once a second the list is counted into buckets, each 3 %
        wide, so that memory stays the same however long the bot runs, and a figure is off by 1.6 % at most; the
        greatest is exact. hdrhistogram takes 1.2 us a duration, ddsketch 0.7 us; this takes 0.02 us, and 0.15 us later.
Rule 2: figures are those of the last five to ten minutes, so that what they show is how the bot is now.
"""

import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from math import ceil, exp, log
from typing import Any

import msgspec

from backpack_connector.protocol.units import duration_text

WINDOW_S = 300.0
"""A report covers the present window and the one before it."""
MOST_UNCOUNTED = 16_384
"""Durations that are kept until they are counted; where more come in a second, the earlier ones are left out."""
MOST_OPEN = 10_000
"""Orders and cancels that are followed at the same time."""
_BUCKETS_AN_E = 32
_SHORTEST_S, _LONGEST_S = 1e-7, 1e4
_OFFSET = -log(_SHORTEST_S) * _BUCKETS_AN_E
_BUCKETS = int(log(_LONGEST_S / _SHORTEST_S) * _BUCKETS_AN_E) + 1


class Latency(msgspec.Struct, frozen=True):
    """How long one thing takes; all figures zero while it has not happened.

    Units:    seconds.
    """

    what: str
    count: int
    p50_s: float
    p90_s: float
    p99_s: float
    max_s: float


class LatencyReport(msgspec.Struct, frozen=True):
    """The latencies of one connector at one moment."""

    connector: str
    covers_s: float
    """How many seconds back the figures reach."""
    latencies: list[Latency]


class LatencyWindow:
    """The durations of one thing in the last minutes."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._uncounted: deque[float] = deque(maxlen=MOST_UNCOUNTED)
        self.note: Callable[[float], None] = self._uncounted.append
        """Take a duration in seconds; it is the list's own method because frames come thousands a second."""
        self._buckets, self._earlier = [0] * _BUCKETS, [0] * _BUCKETS
        self._longest_s = self._earlier_longest_s = 0.0

    def count(self) -> None:
        """Count what was noted since the last time."""
        noted = list(self._uncounted)
        self._uncounted.clear()
        if not noted:
            return
        shortest_s, longest_s = min(noted), max(noted)
        self._longest_s = max(self._longest_s, longest_s)
        if shortest_s < _SHORTEST_S or longest_s > _LONGEST_S:
            noted = [min(max(duration_s, _SHORTEST_S), _LONGEST_S) for duration_s in noted]
        buckets = self._buckets
        for duration_s in noted:
            buckets[int(log(duration_s) * _BUCKETS_AN_E + _OFFSET)] += 1

    def turn(self) -> None:
        """Begin a new window; the present one becomes the earlier one."""
        self.count()
        self._earlier, self._buckets = self._buckets, [0] * _BUCKETS
        self._earlier_longest_s, self._longest_s = self._longest_s, 0.0

    def latency(self) -> Latency:
        """Return the figures of this window and the one before."""
        self.count()
        buckets = [now + earlier for now, earlier in zip(self._buckets, self._earlier, strict=True)]
        longest_s = max(self._longest_s, self._earlier_longest_s)
        total = sum(buckets)
        p50_s, p90_s, p99_s = (
            round(min(_value_s(buckets, ceil(total * share)), longest_s), 9) for share in (0.5, 0.9, 0.99)
        )
        return Latency(self.what, total, p50_s, p90_s, p99_s, round(longest_s, 9))


def _value_s(buckets: list[int], rank: int) -> float:
    """Return the middle of the bucket that holds the duration of a rank, counted from 1; 0 when there is none."""
    seen = 0
    for number, count in enumerate(buckets):
        seen += count
        if count and seen >= rank:
            return exp((number + 0.5 - _OFFSET) / _BUCKETS_AN_E)
    return 0.0


class LatencyRecorder:
    """Everything that one connector measures; a clock that counts seconds can be given for tests."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or time.monotonic
        self._sent = LatencyWindow("order: call -> sent")
        self._accepted = LatencyWindow("order: sent -> accepted")
        self._cancelled = LatencyWindow("cancel: begun -> cancelled")
        self._book = LatencyWindow("depth frame -> book (1 in 16)")
        self._fill = LatencyWindow("fill frame -> event told")
        self._windows = (self._sent, self._accepted, self._cancelled, self._book, self._fill)
        self.book_changed: Callable[[float], None] = self._book.note
        """Take how long a depth frame took to get into its book, in seconds."""
        self._called_at_s: dict[str, float] = {}
        self._sent_at_s: dict[str, float] = {}
        self._cancels_at_s: dict[str, float] = {}
        now_s = self._clock()
        self._frame_came_s = self._counted_s = self._turned_s = self._earlier_turned_s = now_s

    # Orders

    def order_called(self, client_order_id: str) -> None:
        """Hear that the strategy wants an order."""
        _keep(self._called_at_s, client_order_id, self._clock())

    def requests_leave(self) -> None:
        """Hear that the request of the orders that the present task has named goes to the connection."""
        now_s = self._clock()
        for client_order_id in orders_of_request.get():
            called_at_s = self._called_at_s.pop(client_order_id, None)
            if called_at_s is not None:  # a request that is repeated left before
                self._sent.note(now_s - called_at_s)
                _keep(self._sent_at_s, client_order_id, now_s)

    def order_known(self, client_order_id: str) -> None:
        """Hear that the exchange has told of an order for the first time."""
        sent_at_s = self._sent_at_s.pop(client_order_id, None)
        if sent_at_s is not None:
            self._accepted.note(self._clock() - sent_at_s)

    def cancel_called(self, client_order_id: str) -> None:
        """Hear that an order is about to be cancelled."""
        _keep(self._cancels_at_s, client_order_id, self._clock())

    def order_cancelled(self, client_order_id: str) -> None:
        """Hear that an order is cancelled."""
        called_at_s = self._cancels_at_s.pop(client_order_id, None)
        if called_at_s is not None:
            self._cancelled.note(self._clock() - called_at_s)

    def order_ended(self, client_order_id: str) -> None:
        """Hear that an order is not followed any longer."""
        for moments in (self._called_at_s, self._sent_at_s, self._cancels_at_s):
            moments.pop(client_order_id, None)

    # Frames

    def frame_came(self, came_s: float | None = None) -> None:
        """Hear that a private frame is looked at now, which was handed over then, or just now."""
        self._frame_came_s = self._clock() if came_s is None else came_s

    def fill_told(self) -> None:
        """Hear that the fill of the present frame has been told."""
        self._fill.note(self._clock() - self._frame_came_s)

    # Reports

    def tick(self) -> None:
        """Count what was noted; called every second or more often."""
        now_s = self._clock()
        if now_s - self._counted_s < 0.5:
            return
        self._counted_s = now_s
        for window in self._windows:
            window.count()
        if now_s - self._turned_s >= WINDOW_S:
            for window in self._windows:
                window.turn()
            self._earlier_turned_s, self._turned_s = self._turned_s, now_s

    def report(self, connector: str) -> LatencyReport:
        """Return the latencies of the last minutes."""
        covers_s = self._clock() - self._earlier_turned_s
        return LatencyReport(connector, round(covers_s, 1), [window.latency() for window in self._windows])


class TimedFrame(dict[str, Any]):
    """A decoded frame that waits in a queue, and knows when it was handed over."""

    __slots__ = ("came_s",)

    came_s: float


def timed(frame: Any) -> Any:
    """Return a frame with the present moment; what is no object stays as it is."""
    if not isinstance(frame, dict):
        return frame
    with_time = TimedFrame(frame)
    with_time.came_s = time.monotonic()
    return with_time


orders_of_request: ContextVar[tuple[str, ...]] = ContextVar("orders_of_request", default=())
"""Client ids of the orders that the present task is about to place."""


def _keep(moments_s: dict[str, float], name: str, moment_s: float) -> None:
    if len(moments_s) >= MOST_OPEN:
        del moments_s[next(iter(moments_s))]
    moments_s[name] = moment_s


def as_facts(report: LatencyReport) -> dict[str, Any]:
    """Return a report as what JSON is made of."""
    facts: dict[str, Any] = msgspec.to_builtins(report)
    return facts


def as_text(report: LatencyReport) -> str:
    """Return a report as a small table."""
    span = f"{report.covers_s / 60:.0f} min" if report.covers_s >= 120 else f"{report.covers_s:.0f} s"
    lines = [f"Latency of {report.connector}, last {span}:"]
    rows: list[tuple[str, ...]] = [("", "count", "median", "90 %", "99 %", "longest")]
    for one in report.latencies:
        figures = (one.p50_s, one.p90_s, one.p99_s, one.max_s)
        shown = [duration_text(figure) if one.count else "-" for figure in figures]
        rows.append((one.what, f"{one.count:,}", *shown))
    lines += [f"  {row[0]:<29}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
