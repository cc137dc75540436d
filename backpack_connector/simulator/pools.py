"""Count requests in the exchange's two rate pools, per account or, for public requests, per remote address.

The exchange publishes the limits and not how it counts (API §2.1). This counts the strictest way that the words
allow: no window of 60 s may hold more than the limit. Refused requests do not count.
"""

from collections import deque

from backpack_connector.protocol.endpoints import Endpoint
from backpack_connector.protocol.errors import ErrorCode
from backpack_connector.protocol.rate_limits import RatePool, server_pool
from backpack_connector.protocol.units import us_from_seconds

from .refusals import TOO_MANY_REQUESTS, Refusal

_CALLERS_KEPT = 10_000


class _Window:
    """The times of the last requests; constant work per request."""

    def __init__(self, pool: RatePool) -> None:
        self._times_us: deque[int] = deque(maxlen=pool.limit)
        self._limit = pool.limit
        self._length_us = us_from_seconds(pool.window_s)

    def admit(self, now_us: int) -> bool:
        if len(self._times_us) == self._limit and now_us - self._times_us[0] < self._length_us:
            return False
        self._times_us.append(now_us)
        return True


class Pools:
    """The pools of all callers."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], _Window] = {}

    def count(self, caller: str, endpoint: Endpoint, now_us: int) -> None:
        """Count one request of a caller.

        Raises:   Refusal with TOO_MANY_REQUESTS when the pool is used up.
        """
        pool = server_pool(endpoint)
        key = (pool.name, caller)
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= _CALLERS_KEPT:
                self._windows.clear()  # bounded memory; nobody has ten thousand accounts on one machine
            window = self._windows[key] = _Window(pool)
        if not window.admit(now_us):
            raise Refusal(ErrorCode.TOO_MANY_REQUESTS, "Too many requests", TOO_MANY_REQUESTS)
