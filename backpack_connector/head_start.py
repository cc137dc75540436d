"""Begin something before it is asked for, and hand it over when it is.

Rule 1: whoever asks gets what was begun, or, where nothing was or too long ago, what is done then.
Rule 2: a failure is told to those who wait for it, and not to anybody who asks later.
Rule 3: what nobody has taken is undone when it is dropped.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

VALID_S = 10.0
"""So long what was begun may wait; a stream that nobody reads must answer no ping in that time."""


class HeadStart(Generic[T]):
    """Work that may be begun early."""

    def __init__(self, work: Callable[[], Awaitable[T]], undo: Callable[[T], Awaitable[object]] | None = None) -> None:
        self._work = work
        self._undo = undo
        self._task: asyncio.Future[T] | None = None
        self._begun_at_s = 0.0
        self._undoing: set[asyncio.Future[object]] = set()

    def begin(self) -> None:
        """Begin now."""
        self.drop()
        self._begun_at_s = time.monotonic()
        self._task = asyncio.ensure_future(self._work())
        self._task.add_done_callback(_take_note)

    async def take(self) -> T:
        """Return the result, which nobody else gets; raises what the work raises."""
        task = self._valid_task()
        self._task = None
        return await self._work() if task is None else await task

    async def share(self) -> T:
        """Return the result, which others may get too; raises what the work raises."""
        task = self._valid_task()
        if task is not None:
            await asyncio.wait({task})  # who gives up waiting ends only that
            if task.cancelled() or task.exception() is not None:
                self._task = None
            if not task.cancelled():
                return task.result()
        return await self._work()

    def drop(self) -> None:
        """Forget what was begun: end it, or undo it when nobody has taken it."""
        task, self._task = self._task, None
        if task is None:
            return
        if not task.done():
            task.cancel()
        elif self._undo is not None and not task.cancelled() and task.exception() is None:
            undoing: asyncio.Future[object] = asyncio.ensure_future(self._undo(task.result()))
            self._undoing.add(undoing)
            undoing.add_done_callback(self._undoing.discard)
            undoing.add_done_callback(_take_note)

    def _valid_task(self) -> "asyncio.Future[T] | None":
        if self._task is not None and time.monotonic() - self._begun_at_s > VALID_S:
            self.drop()
        return self._task


def _take_note(task: "asyncio.Future[T]") -> None:
    if not task.cancelled():
        task.exception()  # else Python complains that nobody has asked for it
