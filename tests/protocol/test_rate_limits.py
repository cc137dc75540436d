"""Rate limits: the published numbers, and which pool each operation draws from."""

import pytest

from backpack_connector.protocol.endpoints import ENDPOINTS, Endpoint, Pool, endpoint
from backpack_connector.protocol.rate_limits import (
    HISTORICAL_POOL,
    STANDARD_POOL,
    RatePool,
    client_pool,
    server_pool,
)

# operation, pool of a careful client, pool of a model of the server
POOLS = [
    ("execute_order", STANDARD_POOL, STANDARD_POOL),
    ("get_klines", HISTORICAL_POOL, HISTORICAL_POOL),
    ("get_historical_trades", HISTORICAL_POOL, HISTORICAL_POOL),
    ("get_fills", HISTORICAL_POOL, STANDARD_POOL),
    ("get_order_history", HISTORICAL_POOL, STANDARD_POOL),
]


@pytest.mark.parametrize(("pool", "limit"), [(STANDARD_POOL, 2_000), (HISTORICAL_POOL, 30)])
def test_the_limits_are_those_of_the_official_answers(pool: RatePool, limit: int) -> None:
    assert (pool.limit, pool.window_s) == (limit, 60.0)


def test_the_pools_have_different_names() -> None:
    assert STANDARD_POOL.name != HISTORICAL_POOL.name


@pytest.mark.parametrize(("operation_id", "of_client", "of_server"), POOLS, ids=[row[0] for row in POOLS])
def test_an_operation_counts_in_its_pool(operation_id: str, of_client: RatePool, of_server: RatePool) -> None:
    assert client_pool(endpoint(operation_id)) is of_client
    assert server_pool(endpoint(operation_id)) is of_server


def test_a_client_never_counts_more_generously_than_a_model_of_the_server() -> None:
    assert not [row for row in ENDPOINTS if client_pool(row).limit > server_pool(row).limit]


@pytest.mark.parametrize("pool", Pool)
def test_every_kind_of_pool_has_a_limit_for_both_sides(pool: Pool) -> None:
    row = Endpoint("any", "GET", "/any", pool=pool)
    assert {client_pool(row), server_pool(row)} <= {STANDARD_POOL, HISTORICAL_POOL}
