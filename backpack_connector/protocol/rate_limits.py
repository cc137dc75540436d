"""State the published rate limits. Source: API §2.1."""

from dataclasses import dataclass

from .endpoints import Endpoint, Pool


@dataclass(frozen=True)
class RatePool:
    """How many requests one account may send in any window of the given length."""

    name: str
    limit: int
    window_s: float


STANDARD_POOL = RatePool("backpack-standard", 2_000, 60.0)
HISTORICAL_POOL = RatePool("backpack-historical", 30, 60.0)

_CLIENT_POOLS: dict[Pool, RatePool] = {
    Pool.STANDARD: STANDARD_POOL,
    Pool.HISTORICAL: HISTORICAL_POOL,
    Pool.UNSTATED: HISTORICAL_POOL,
}
_SERVER_POOLS: dict[Pool, RatePool] = {**_CLIENT_POOLS, Pool.UNSTATED: STANDARD_POOL}


def client_pool(endpoint: Endpoint) -> RatePool:
    """Return the pool that a careful client counts an operation in."""
    return _CLIENT_POOLS[endpoint.pool]


def server_pool(endpoint: Endpoint) -> RatePool:
    """Return the pool that a model of the server counts an operation in."""
    return _SERVER_POOLS[endpoint.pool]
