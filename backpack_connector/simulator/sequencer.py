"""Run commands one after the other, each when it is due: the one linear stream in front of the engine.

The exchange holds every order that is not post-only back for 100 ms, cancels never (API §4.1). Commands run in the
order of their due times, and in the order of their arrival when those are equal.
"""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import TypeVar

T = TypeVar("T")

DEFAULT_TAKER_DELAY_S = 0.1


class Sequencer:
    """The queue in front of one engine; it lives in one event loop."""

    def __init__(self, taker_delay_s: float = DEFAULT_TAKER_DELAY_S) -> None:
        self.taker_delay_s = taker_delay_s
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting_count(self) -> int:
        """Return how many commands wait for their time."""
        return len(self._queue)

    async def run(self, command: Callable[[], T], *, is_delayed: bool = False) -> T:
        """Run a command in its turn and return its result, or raise what it raises."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()

        def execute() -> None:
            # A cancelled request (the client hung up) has reached the exchange all the same: it runs, and only its
            # answer is dropped.
            try:
                value = command()
            except Exception as error:  # noqa: BLE001  boundary: the caller gets the error, the queue goes on
                if not result.done():
                    result.set_exception(error)
            else:
                if not result.done():
                    result.set_result(value)

        delay_s = self.taker_delay_s if is_delayed else 0.0
        heapq.heappush(self._queue, (loop.time() + delay_s, next(self._numbers), execute))
        self._run_due()
        return await result

    def _run_due(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue and self._queue[0][0] <= loop.time():
            heapq.heappop(self._queue)[2]()
        if self._queue:
            self._timer = loop.call_at(self._queue[0][0], self._run_due)
