"""Share the exchange's request limits among all who send requests of an account in this process, most urgent first.

Rule 1: a pool counts requests of the last window; a request that does not fit waits until the oldest one leaves it.
Rule 2: cancels go before orders, orders before reads; within a class it is first come, first served. Who is over the
        limit of a small share is passed over by those who are within theirs.
Rule 3: reads leave a tenth of the pool to orders and cancels, orders leave a twentieth to cancels, so that a cancel
        never waits behind polls (required behaviour F29).
Rule 4: asking costs the same however many requests the window holds.
Source: API §2.1: the limits are per account, whichever connector or client spends them.
"""

import asyncio
import heapq
import itertools
import math
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from enum import IntEnum
from weakref import WeakKeyDictionary

from backpack_connector.protocol.endpoints import Effect, Endpoint
from backpack_connector.protocol.rate_limits import STANDARD_POOL, RatePool, client_pool


class Urgency(IntEnum):
    """Who goes first; smaller is more urgent."""

    CANCEL = 0
    ORDER = 1
    READ = 2


SAFETY = 1.05
"""The exchange counts when requests arrive, which is later by a little more or less than when they are sent."""

_RESERVED_SHARE = {Urgency.CANCEL: 0.0, Urgency.ORDER: 0.05, Urgency.READ: 0.10}


def urgency_of(row: Endpoint | None) -> Urgency:
    """Return how urgent an operation is; a request that is not in the catalogue counts as a read."""
    if row is None or row.effect is not Effect.TRADES:
        return Urgency.READ
    return Urgency.CANCEL if row.method == "DELETE" else Urgency.ORDER


class RequestWindow:
    """The requests that an account has sent in one pool's last window, and those that wait to join them."""

    def __init__(self, length_s: float, clock: Callable[[], float]) -> None:
        self._length_s = length_s
        self._clock = clock
        self._sent: deque[float] = deque()
        self._waiting: dict[int, list[tuple[int, int, asyncio.Future[None]]]] = {}
        """Who waits, by the limit that it waits for, the most urgent and earliest first."""
        self._arrivals = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def used(self) -> int:
        """Return how many requests the window holds now."""
        horizon = self._clock() - self._length_s
        while self._sent and self._sent[0] <= horizon:
            self._sent.popleft()
        return len(self._sent)

    def take(self, allowed: int) -> bool:
        """Count one request more if the window holds fewer than allowed and nobody waits; return whether it did."""
        if self._waiting:
            return False
        now, sent = self._clock(), self._sent
        horizon = now - self._length_s
        while sent and sent[0] <= horizon:
            sent.popleft()
        if len(sent) >= allowed:
            return False
        sent.append(now)
        return True

    async def acquire(self, urgency: Urgency, allowed: int) -> None:
        """Wait until the window holds fewer requests than allowed and nothing more urgent waits, and count one more."""
        if self.take(allowed):
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting.setdefault(allowed, []), (urgency, next(self._arrivals), place))
        self._admit()
        await place

    def _admit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (queue := self._next_queue()) is not None:
            _, _, place = heapq.heappop(queue)
            self._sent.append(self._clock())
            place.set_result(None)
        if self._waiting:
            wait_s = max(0.001, self._sent[0] + self._length_s - self._clock())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._admit)

    def _next_queue(self) -> "list[tuple[int, int, asyncio.Future[None]]] | None":
        """Return the queue with the next request that may go, or None; those that were given up are dropped."""
        used = self.used
        best: list[tuple[int, int, asyncio.Future[None]]] | None = None
        for allowed, queue in list(self._waiting.items()):
            while queue and queue[0][2].done():  # its task was cancelled
                heapq.heappop(queue)
            if not queue:
                del self._waiting[allowed]
            elif used < allowed and (best is None or queue[0][:2] < best[0][:2]):
                best = queue
        return best


class RequestPool:
    """One user's share of a window, which others of the same account may share with other limits."""

    def __init__(
        self,
        limit: int,
        window_s: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        keeps_reserve: bool = True,
        window: RequestWindow | None = None,
    ) -> None:
        self.limit = limit
        self._window = window or RequestWindow(window_s, clock)
        reserved = {
            urgency: math.ceil(limit * share) if keeps_reserve else 0 for urgency, share in _RESERVED_SHARE.items()
        }
        self._allowed = {urgency: max(1, limit - kept) for urgency, kept in reserved.items()}

    @property
    def used(self) -> int:
        """Return how many requests the window holds now, those of others included."""
        return self._window.used

    def take(self, urgency: Urgency) -> bool:
        """Count a request of this urgency if it fits and nobody waits; return whether it did."""
        return self._window.take(self._allowed[urgency])

    async def acquire(self, urgency: Urgency) -> None:
        """Wait until a request of this urgency fits, and count it."""
        await self._window.acquire(urgency, self._allowed[urgency])


# Waiting uses futures of one event loop, so each loop has windows of its own; Hummingbot runs all connectors on one.
_windows: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], RequestWindow]]" = WeakKeyDictionary()


class AccountPools:
    """One user's share of both pools of an account, which all users of the account in this process fill together."""

    def __init__(self, account: str, share: Decimal = Decimal(1)) -> None:
        self._account = account
        self._share = share
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known: dict[str, tuple[RequestPool, Urgency]] = {}

    def take(self, row: Endpoint | None) -> bool:
        """Count a request for which there is room now and nobody waits; return whether it did. It costs no task."""
        pool, urgency = self._pool_of(row)
        return pool.take(urgency)

    async def acquire(self, row: Endpoint | None) -> None:
        """Wait for a place in the pool of an operation; one that the catalogue does not know counts as standard."""
        pool, urgency = self._pool_of(row)
        await pool.acquire(urgency)

    def _pool_of(self, row: Endpoint | None) -> tuple[RequestPool, Urgency]:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._known = loop, {}
        name = row.operation_id if row else ""
        known = self._known.get(name)
        if known is None:
            pool = self.pool(client_pool(row) if row else STANDARD_POOL)
            known = self._known[name] = (pool, urgency_of(row))
        return known

    def pool(self, published: RatePool) -> RequestPool:
        """Return this user's share of a pool's window."""
        windows = _windows.setdefault(asyncio.get_running_loop(), {})
        length_s = published.window_s * SAFETY
        window = windows.setdefault((self._account, published.name), RequestWindow(length_s, time.monotonic))
        # Orders and cancels never use the historical pool, so nothing is kept for them there.
        return RequestPool(
            max(1, int(published.limit * self._share)),
            published.window_s,
            keeps_reserve=published is STANDARD_POOL,
            window=window,
        )
