"""Keep a stream connected: one session after another, with growing pauses between failures."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from backpack_connector.protocol.errors import BackpackError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 30.0


class Backoff:
    """Pauses that double from half a second to half a minute, each shortened by up to half at random.

    The jitter keeps many bots from coming back in the same instant after an outage (required behaviour F38).
    """

    def __init__(self, first_s: float = FIRST_PAUSE_S, longest_s: float = LONGEST_PAUSE_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    def next_pause_s(self) -> float:
        """Return how long to wait after one more failure."""
        pause_s = min(self._longest_s, self._first_s * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return pause_s * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._failures = 0


async def first_to_end(*parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts of a session side by side until one ends, end the others, and raise what ended it."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def keep_connected(
    session: Callable[[], Awaitable[None]],
    what: str,
    logger: logging.Logger,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    backoff: "Backoff | None" = None,
) -> None:
    """Run sessions for ever; `session` connects, listens, cleans up after itself and raises or returns when it ends.

    A session that lasted half a minute proves the exchange reachable, so the next failure starts with a short pause.
    """
    backoff = backoff or Backoff()
    while True:
        started = time.monotonic()
        try:
            await session()
            reason = "the exchange closed it"
        except asyncio.CancelledError:
            raise
        except (BackpackError, OSError, asyncio.TimeoutError) as error:
            reason = str(error) or type(error).__name__
        except Exception as error:
            logger.error(f"Unexpected error in {what}.", exc_info=True)
            reason = type(error).__name__
        if time.monotonic() - started > HEALTHY_AFTER_S:
            backoff.reset()
        pause_s = backoff.next_pause_s()
        logger.warning(f"The connection of {what} ended ({reason}); connecting again in {pause_s:.1f} s.")
        await sleep(pause_s)
