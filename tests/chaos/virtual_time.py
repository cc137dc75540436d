"""Let an event loop jump from timer to timer, so that a week passes in minutes and every wait has its real length.

Connectors and simulator share one process and one event loop. While a socket has something to deliver, or a thread
works for the loop, time stands still; otherwise nothing can happen before the next timer, and the clock is put there.
What the product asks about the time (`time.time` and its sisters) follows the loop, so the product runs with its real
constants: polls every half minute, pauses of up to half a minute, pools of requests a minute.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from unittest import mock

import aiohttp.connector
import cachetools

from backpack_connector import client_order_ids

T = TypeVar("T")

_NS_PER_S = 1_000_000_000
_TURN_NS = 1_000
"""How long a turn of the loop takes; whoever sets a timer for now, again and again, would hold the time otherwise."""
_LOOKS = 3
"""How often the sockets are asked before a jump; what the loopback interface carries arrives within the call."""
_LONG_JUMP_NS = _NS_PER_S // 2
_LONG_JUMP_PATIENCE_S = 0.0005
_DEADLOCK_S = 30.0
"""Nothing can be waited for that long in real time, unless a thread does it."""


class VirtualClock:
    """A clock that moves only when it is told to."""

    def __init__(self, begins_s: int) -> None:
        self._elapsed_ns = 1_000 * _NS_PER_S  # monotonic clocks are rarely near zero
        self._epoch_ns = begins_s * _NS_PER_S - self._elapsed_ns

    def advance_ns(self, nanoseconds: int) -> None:
        """Put the clock forward."""
        self._elapsed_ns += nanoseconds

    def monotonic(self) -> float:
        """Return seconds since some moment, as `time.monotonic` does."""
        return self._elapsed_ns / _NS_PER_S

    def monotonic_ns(self) -> int:
        """Return nanoseconds since some moment."""
        return self._elapsed_ns

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self.time_ns() / _NS_PER_S

    def time_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        return self._epoch_ns + self._elapsed_ns


class _JumpingSelector(selectors.BaseSelector):
    """A selector that jumps over the time in which nothing can happen."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self.threads = 0
        """How many calls run in threads; while they do, time goes on only as they come back."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, jump to the end of the timeout."""
        self._clock.advance_ns(_TURN_NS)
        events = self._selector.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self.threads or timeout is None:
            events = self._selector.select(_DEADLOCK_S)
            if not events and not self.threads:
                raise RuntimeError("The event loop waits for something that cannot happen any more.")
            return events
        jump_ns = int(timeout * _NS_PER_S) + 1
        for _ in range(_LOOKS):
            events = self._selector.select(0)
            if events:
                return events
        if jump_ns >= _LONG_JUMP_NS:
            # On a machine under load the kernel may be late with a delivery.
            events = self._selector.select(_LONG_JUMP_PATIENCE_S)
            if events:
                return events
        self._clock.advance_ns(jump_ns)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Register a file object."""
        return self._selector.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Forget a file object."""
        return self._selector.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Change what is waited for."""
        return self._selector.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return what is registered."""
        return self._selector.get_map()

    def close(self) -> None:
        """Close the selector."""
        self._selector.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that lives by a virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._virtual_clock = clock
        self._jumping = _JumpingSelector(clock)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the time by which timers are due."""
        return self._virtual_clock.monotonic()

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        """Let a thread work, and hold the time meanwhile."""
        self._jumping.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._on_thread_done)
        return future

    def _on_thread_done(self, _: "asyncio.Future[Any]") -> None:
        self._jumping.threads -= 1


@contextmanager
def _showing(clock: VirtualClock) -> Iterator[None]:
    with ExitStack() as stack:
        for name, reader in (
            ("time", clock.time),
            ("time_ns", clock.time_ns),
            ("monotonic", clock.monotonic),
            ("monotonic_ns", clock.monotonic_ns),
            ("perf_counter", clock.monotonic),
            ("perf_counter_ns", clock.monotonic_ns),
        ):
            stack.enter_context(mock.patch.object(time, name, reader))
        # These have taken the function out of the module when they were imported.
        stack.enter_context(mock.patch.object(aiohttp.connector, "monotonic", clock.monotonic))
        stack.enter_context(mock.patch.object(cachetools.TTLCache.__init__, "__defaults__", (clock.monotonic, None)))
        ids = client_order_ids.ClientOrderIds("chaos", clock.time)
        stack.enter_context(mock.patch.object(client_order_ids, "_process_ids", ids))
        yield


def run_virtually(main: Coroutine[Any, Any, T], begins_s: int) -> T:
    """Run a coroutine in a loop of its own whose time begins so many seconds after the epoch; return its result."""
    clock = VirtualClock(begins_s)
    with _showing(clock), asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main)
