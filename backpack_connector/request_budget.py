"""Offer the shared request pools of an account through Hummingbot's throttler interface."""

from decimal import Decimal
from types import TracebackType

from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.api_throttler.data_types import RateLimit

from backpack_connector.protocol.endpoints import ENDPOINTS, Endpoint
from backpack_connector.protocol.rate_limits import RatePool, client_pool
from backpack_connector.request_pools import AccountPools, RequestPool

_ROWS: dict[str, Endpoint] = {key: row for row in ENDPOINTS for key in (row.operation_id, row.path)}


class _Permit:
    """The context in which one request is sent, as Hummingbot's REST assistant enters it."""

    def __init__(self, budget: "RequestBudget", limit_id: str) -> None:
        self._budget = budget
        self._limit_id = limit_id

    async def __aenter__(self) -> None:
        await self._budget.acquire(self._limit_id)

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None


class RequestBudget(AsyncThrottlerBase):
    """Hummingbot's throttler interface over the shared pools of one account.

    A limit id is an operation id or a path; an id that the catalogue does not know counts in the standard pool, so
    code of others that sends requests through the connector is counted too.
    """

    def __init__(self, account: str, limits_share_percentage: Decimal | None = None) -> None:
        super().__init__(rate_limits=rate_limits(), limits_share_percentage=limits_share_percentage)
        self._pools = AccountPools(account, self.limits_pct)

    def execute_task(self, limit_id: str) -> _Permit:
        """Return the context that waits for a place in the pool."""
        return _Permit(self, limit_id)

    async def acquire(self, limit_id: str) -> None:
        """Wait for a place in the pool of an operation."""
        await self._pools.acquire(_ROWS.get(limit_id))

    def take(self, row: Endpoint) -> bool:
        """Count a request for which there is room now and nobody waits; return whether it did."""
        return self._pools.take(row)

    def pool(self, published: RatePool) -> RequestPool:
        """Return this budget's share of the window that all of the account's budgets in this process fill."""
        return self._pools.pool(published)


def rate_limits() -> list[RateLimit]:
    """Return the published limits in Hummingbot's form, one row an operation, for those who list them."""
    return [
        RateLimit(limit_id=row.operation_id, limit=client_pool(row).limit, time_interval=client_pool(row).window_s)
        for row in ENDPOINTS
    ]
