"""Ask once for all who want to know the same: those who come while a question is open, and those who come soon after.

Rule 1: a question is asked by a task of its own. Who goes away takes nothing from those who still wait.
Rule 2: an answer is given out again for a short time, and an error too, so that an exchange in trouble is left alone.
Rule 3: everything is bounded: the questions that are open, how long each of them is, the answers that are kept.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any

from backpack_connector.protocol.errors import BackpackError, Refused, Unavailable

from .problems import RETRY_AFTER_S, UNAVAILABLE, Problem, problem_of

TIMEOUT_S = 10.0
"""It also ends the wait for a place in the pools of requests."""
MOST_OPEN, MOST_KEPT = 100, 1_000
ERROR_LIFETIME_S = 1.0
REFUSAL_LIFETIME_S = 10.0
"""An unknown market seldom becomes a known one."""

Ask = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Shared:
    """An answer, and how old it is."""

    value: Any
    age_s: float


@dataclass(frozen=True)
class _Kept:
    value: Any
    error: BackpackError | None
    asked_at_s: float
    until_s: float


class SharedAnswers:
    """The answers of the last moments, and the questions that are open."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        timeout_s: float = TIMEOUT_S,
        most_open: int = MOST_OPEN,
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._most_open = most_open
        self._most_kept = most_kept
        self._kept: dict[Hashable, _Kept] = {}
        self._open: dict[Hashable, asyncio.Task[_Kept]] = {}

    async def get(self, key: Hashable, lifetime_s: float, ask: Ask) -> Shared:
        """Return the answer to a question, asked now or a moment ago.

        Raises:   Problem when there is none.
        """
        kept = self._kept.get(key)
        if kept is None or kept.until_s <= self._clock():
            kept = await asyncio.shield(self._asking(key, lifetime_s, ask))
        if kept.error is not None:
            raise problem_of(kept.error)
        return Shared(kept.value, max(0.0, self._clock() - kept.asked_at_s))

    async def close(self) -> None:
        """End the questions that are open."""
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _asking(self, key: Hashable, lifetime_s: float, ask: Ask) -> "asyncio.Task[_Kept]":
        task = self._open.get(key)
        if task is None:
            if len(self._open) >= self._most_open:
                raise Problem(UNAVAILABLE, "Too many different questions are open; try again later.", RETRY_AFTER_S)
            task = self._open[key] = asyncio.create_task(self._ask(key, lifetime_s, ask))
            task.add_done_callback(lambda _: self._open.pop(key, None))
        return task

    async def _ask(self, key: Hashable, lifetime_s: float, ask: Ask) -> _Kept:
        asked_at_s = self._clock()
        value: Any = None
        error: BackpackError | None = None
        try:
            value = await asyncio.wait_for(ask(), self._timeout_s)
        except asyncio.TimeoutError:
            error = Unavailable(f"no answer within {self._timeout_s:g} s", status=UNAVAILABLE)
        except BackpackError as problem:
            error = problem.with_traceback(None)
        if error is not None:
            lifetime_s = REFUSAL_LIFETIME_S if isinstance(error, (Refused, Problem)) else ERROR_LIFETIME_S
        kept = _Kept(value, error, asked_at_s, self._clock() + lifetime_s)
        self._make_room()
        self._kept[key] = kept
        return kept

    def _make_room(self) -> None:
        if len(self._kept) < self._most_kept:
            return
        now_s = self._clock()
        for key in [key for key, kept in self._kept.items() if kept.until_s <= now_s]:
            del self._kept[key]
        while len(self._kept) >= self._most_kept:
            del self._kept[next(iter(self._kept))]
