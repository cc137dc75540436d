"""Keep connections to the exchange open between orders, so that a burst after a pause waits for no handshake.

A connection that nobody uses is closed: by Hummingbot's session after 15 seconds, by a server whenever it likes. A new
one costs two round trips, and orders that are sent side by side need one each. So a user may ask for a number of
connections that stay open: as many small public requests are sent together, again and again.

Rule 1: they are sent at the same moment, because the session hands out the connection that has rested longest, and two
        requests after each other would share one.
Rule 2: each takes a place in the account's request pools, as a read; where there is none it is left out.
Rule 3: none is sent before the network starts or after it stops, and whatever becomes of one is nobody's business.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from hummingbot.core.utils.async_utils import safe_ensure_future

PERIOD_S = 10.0
"""Well below the 15 s after which aiohttp closes a connection that nobody has used."""


class WarmConnections:
    """Uses so many connections side by side every ten seconds; none at all if the number is zero."""

    def __init__(self, count: int, touch: Callable[[], Awaitable[Any]], period_s: float = PERIOD_S) -> None:
        self._count = count
        self._touch = touch
        self._period_s = period_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, at once and then every ten seconds."""
        if self._count and self._task is None:
            self._task = safe_ensure_future(self._run())

    def stop(self) -> None:
        """End; requests whose answers are awaited are given up."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            begun = time.monotonic()
            await asyncio.gather(*(self._touch() for _ in range(self._count)), return_exceptions=True)
            await asyncio.sleep(max(0.0, begun + self._period_s - time.monotonic()))
