"""F29: pools are shared per account, cancels never starve, and asking costs the same however much was sent."""

import asyncio
from decimal import Decimal

import pytest

from backpack_connector.protocol.endpoints import ENDPOINTS
from backpack_connector.protocol.rate_limits import HISTORICAL_POOL, STANDARD_POOL, client_pool
from backpack_connector.request_budget import RequestBudget, rate_limits
from backpack_connector.request_pools import RequestPool
from tests.client.test_request_pools import is_waiting
from tests.spot.session import world


@pytest.mark.parametrize("share", ["4", "1"])
async def test_f29_cancels_are_not_starved_with_a_small_share_either(share: str) -> None:
    budget = RequestBudget(f"small {share}", Decimal(share))
    pool = budget.pool(STANDARD_POOL)
    reads = [asyncio.ensure_future(budget.acquire("get_balances")) for _ in range(100)]
    assert await is_waiting(reads[-1])
    assert pool.used < pool.limit
    await asyncio.wait_for(budget.acquire("cancel_order"), 0.5)
    for read in reads:
        read.cancel()


async def test_f29_two_connectors_of_one_account_share_a_pool() -> None:
    one, two = RequestBudget("shared"), RequestBudget("shared")
    assert one.pool(STANDARD_POOL)._window is two.pool(STANDARD_POOL)._window
    await one.acquire("get_balances")
    await two.acquire("get_balances")
    assert one.pool(STANDARD_POOL).used == 2


async def test_f29_connectors_of_one_account_with_different_shares_do_not_exceed_the_limit_together() -> None:
    whole, half = RequestBudget("mixed"), RequestBudget("mixed", Decimal(50))
    for _ in range(20):
        await whole.acquire("get_fills")
    task = asyncio.ensure_future(half.acquire("get_fills"))
    assert await is_waiting(task), "20 of the 30 requests are spent, and half of the pool is 15"
    task.cancel()


async def test_f29_accounts_have_pools_of_their_own() -> None:
    assert RequestBudget("one").pool(STANDARD_POOL)._window is not RequestBudget("two").pool(STANDARD_POOL)._window


@pytest.mark.parametrize(("share", "standard", "historical"), [("100", 2000, 30), ("50", 1000, 15), ("1", 20, 1)])
async def test_f29_share_of_the_limits_is_honoured(share: str, standard: int, historical: int) -> None:
    budget = RequestBudget(f"share {share}", Decimal(share))
    assert budget.pool(STANDARD_POOL).limit == standard
    assert budget.pool(HISTORICAL_POOL).limit == historical


async def test_f29_history_has_its_own_pool_of_30() -> None:
    budget = RequestBudget("history")
    for _ in range(30):
        await asyncio.wait_for(budget.acquire("get_fills"), 1.0)
    task = asyncio.ensure_future(budget.acquire("get_order_history"))
    assert await is_waiting(task)
    await asyncio.wait_for(budget.acquire("get_balances"), 1.0)
    assert budget.pool(HISTORICAL_POOL).used == 30
    assert budget.pool(STANDARD_POOL).used == 1
    task.cancel()


async def test_path_counts_like_its_operation_and_an_unknown_id_in_the_standard_pool() -> None:
    budget = RequestBudget("paths")
    await budget.acquire("/wapi/v1/history/fills")
    await budget.acquire("/somewhere/else")
    assert budget.pool(HISTORICAL_POOL).used == 1
    assert budget.pool(STANDARD_POOL).used == 1


async def test_delete_of_the_order_path_is_a_cancel_by_operation_id() -> None:
    budget = RequestBudget("context")
    async with budget.execute_task("cancel_order"):
        assert budget.pool(STANDARD_POOL).used == 1


async def test_error_inside_the_permit_is_passed_on() -> None:
    with pytest.raises(RuntimeError, match="inside"):
        async with RequestBudget("errors").execute_task("get_balances"):
            raise RuntimeError("inside")


def test_published_limits_have_a_row_for_each_operation() -> None:
    rows = {row.limit_id: row for row in rate_limits()}
    assert len(rows) == len(ENDPOINTS)
    for row in ENDPOINTS:
        assert rows[row.operation_id].limit == client_pool(row).limit
        assert rows[row.operation_id].time_interval == 60


async def test_f29_two_connectors_in_one_process_count_together_and_a_stranger_apart() -> None:
    async with world() as here:
        one, two = here.connector(), here.connector()
        from backpack_connector.protocol.signing import generate_key_pair

        key, secret = generate_key_pair(bytes([7] * 32))
        stranger = here.connector(backpack_api_key=key, backpack_api_secret=secret)
        for connector in (one, two, stranger):
            await connector.request("get_balances")
        pools = [connector._throttler.pool(STANDARD_POOL) for connector in (one, two, stranger)]
        assert pools[0]._window is pools[1]._window
        assert pools[0].used == 2 * pools[2].used


async def test_f29_share_of_a_connector_reaches_its_pools() -> None:
    async with world() as here:
        connector = here.connector(rate_limits_share_pct=Decimal(10))
        assert connector._throttler.pool(STANDARD_POOL).limit == 200


def test_each_event_loop_has_pools_of_its_own() -> None:
    async def pool() -> RequestPool:
        return RequestBudget("loops").pool(STANDARD_POOL)

    assert asyncio.run(pool())._window is not asyncio.run(pool())._window
