"""The two rate pools."""

import pytest

from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.simulator.pools import Pools
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import START_US

SECOND_US = 10**6


@pytest.mark.parametrize(
    ("operation", "limit"), [("get_depth", 2_000), ("get_klines", 30), ("get_historical_trades", 30)]
)
def test_a_pool_refuses_what_exceeds_it_and_recovers_after_a_minute(operation: str, limit: int) -> None:
    pools, row = Pools(), endpoint(operation)
    for number in range(limit):
        pools.count("me", row, START_US + number)
    with pytest.raises(Refusal) as refusal:
        pools.count("me", row, START_US + 60 * SECOND_US - 1)
    assert (refusal.value.status, refusal.value.code.value) == (429, "TOO_MANY_REQUESTS")
    pools.count("me", row, START_US + 60 * SECOND_US)
    with pytest.raises(Refusal):
        pools.count("me", row, START_US + 60 * SECOND_US)


def test_pools_and_callers_are_separate() -> None:
    pools = Pools()
    for _ in range(30):
        pools.count("me", endpoint("get_klines"), START_US)
    pools.count("you", endpoint("get_klines"), START_US)
    pools.count("me", endpoint("get_depth"), START_US)


def test_fill_history_counts_as_standard() -> None:
    pools = Pools()
    for _ in range(31):
        pools.count("me", endpoint("get_fills"), START_US)
