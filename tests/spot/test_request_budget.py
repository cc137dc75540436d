"""F29: pools are shared per account, cancels never starve, and asking costs the same however much was sent."""

import asyncio
from collections import deque
from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.protocol.endpoints import ENDPOINTS, endpoint
from backpack_connector.protocol.rate_limits import HISTORICAL_POOL, STANDARD_POOL, client_pool
from backpack_connector.request_budget import RequestBudget, RequestPool, Urgency, rate_limits, urgency_of
from tests.spot.session import world


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def a_pool(limit: int = 100, window_s: float = 60.0, *, keeps_reserve: bool = False) -> "tuple[RequestPool, FakeClock]":
    clock = FakeClock()
    return RequestPool(limit, window_s, clock, keeps_reserve=keeps_reserve), clock


async def fill(pool: RequestPool, count: int, urgency: Urgency = Urgency.READ) -> None:
    for _ in range(count):
        await asyncio.wait_for(pool.acquire(urgency), 1.0)


async def is_waiting(task: "asyncio.Task[Any]") -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return not task.done()


@pytest.mark.parametrize(
    ("operation_id", "urgency"),
    [
        ("cancel_order", Urgency.CANCEL),
        ("cancel_open_orders", Urgency.CANCEL),
        ("execute_order", Urgency.ORDER),
        ("get_balances", Urgency.READ),
        ("update_account_settings", Urgency.READ),
    ],
)
def test_urgency_of_operations(operation_id: str, urgency: Urgency) -> None:
    assert urgency_of(endpoint(operation_id)) is urgency


def test_unknown_operation_counts_as_a_read() -> None:
    assert urgency_of(None) is Urgency.READ


async def test_pool_admits_as_many_as_it_may_and_then_makes_wait() -> None:
    pool, _ = a_pool(limit=30)
    await fill(pool, 30)
    task = asyncio.ensure_future(pool.acquire(Urgency.READ))
    assert await is_waiting(task)
    assert pool.used == 30
    task.cancel()


async def test_oldest_request_that_leaves_the_window_lets_the_next_one_in() -> None:
    pool, clock = a_pool(limit=2, window_s=0.2)
    await fill(pool, 1)
    clock.now_s += 0.15
    await fill(pool, 1)
    task = asyncio.ensure_future(pool.acquire(Urgency.READ))
    assert await is_waiting(task)
    clock.now_s += 0.06
    await asyncio.wait_for(task, 1.0)
    assert pool.used == 2


async def test_no_window_ever_holds_more_than_the_limit() -> None:
    pool, clock = a_pool(limit=10, window_s=1.0)
    sent: list[float] = []

    async def send() -> None:
        await pool.acquire(Urgency.READ)
        sent.append(clock.now_s)

    tasks = [asyncio.ensure_future(send()) for _ in range(35)]
    while not all(task.done() for task in tasks):
        clock.now_s += 0.05
        pool._window._admit()
        await asyncio.sleep(0)
    assert all(sum(start <= at_s < start + 1.0 for at_s in sent) <= 10 for start in sent)


async def test_f29_cancels_are_never_starved_by_reads() -> None:
    pool, _ = a_pool(keeps_reserve=True)
    await fill(pool, 90)
    reads = [asyncio.ensure_future(pool.acquire(Urgency.READ)) for _ in range(50)]
    assert await is_waiting(reads[0])
    await fill(pool, 10, Urgency.CANCEL)
    assert not any(read.done() for read in reads)
    for read in reads:
        read.cancel()


async def test_f29_orders_go_before_reads_and_leave_room_for_cancels() -> None:
    pool, _ = a_pool(keeps_reserve=True)
    await fill(pool, 90)
    await fill(pool, 5, Urgency.ORDER)
    order = asyncio.ensure_future(pool.acquire(Urgency.ORDER))
    assert await is_waiting(order)
    await fill(pool, 5, Urgency.CANCEL)
    order.cancel()


async def test_f29_who_waits_is_served_by_urgency_and_then_by_arrival() -> None:
    pool, clock = a_pool(limit=1, window_s=1.0)
    await fill(pool, 1)
    served: list[str] = []

    async def ask(name: str, urgency: Urgency) -> None:
        await pool.acquire(urgency)
        served.append(name)

    names = [("read 1", Urgency.READ), ("read 2", Urgency.READ), ("order", Urgency.ORDER), ("cancel", Urgency.CANCEL)]
    tasks = [asyncio.ensure_future(ask(name, urgency)) for name, urgency in names]
    await asyncio.sleep(0)
    while len(served) < len(names):
        clock.now_s += 1.0
        pool._window._admit()
        for _ in range(3):
            await asyncio.sleep(0)
    assert served == ["cancel", "order", "read 1", "read 2"]
    await asyncio.gather(*tasks)


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


async def test_request_that_is_given_up_while_waiting_takes_no_place() -> None:
    pool, clock = a_pool(limit=1, window_s=1.0)
    await fill(pool, 1)
    given_up = asyncio.ensure_future(pool.acquire(Urgency.CANCEL))
    next_one = asyncio.ensure_future(pool.acquire(Urgency.READ))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    clock.now_s += 1.0
    pool._window._admit()
    await asyncio.wait_for(next_one, 1.0)
    assert pool.used == 1


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


class CountingDeque(deque):  # type: ignore[type-arg]
    operations = 0

    def append(self, item: Any) -> None:
        CountingDeque.operations += 1
        super().append(item)

    def popleft(self) -> Any:
        CountingDeque.operations += 1
        return super().popleft()

    def __getitem__(self, index: Any) -> Any:
        CountingDeque.operations += 1
        return super().__getitem__(index)

    def __iter__(self) -> Any:
        CountingDeque.operations += len(self)
        return super().__iter__()


@pytest.mark.parametrize("in_window", [10, 1_700])
async def test_f29_asking_costs_the_same_however_full_the_window_is(in_window: int) -> None:
    pool, _ = a_pool(limit=2_000)
    pool._window._sent = CountingDeque()
    await fill(pool, in_window)
    CountingDeque.operations = 0
    await fill(pool, 100)
    assert CountingDeque.operations <= 300


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
        pools = [connector.throttler.pool(STANDARD_POOL) for connector in (one, two, stranger)]
        assert pools[0]._window is pools[1]._window
        assert pools[0].used == 2 * pools[2].used


async def test_f29_share_of_a_connector_reaches_its_pools() -> None:
    async with world() as here:
        connector = here.connector(rate_limits_share_pct=Decimal(10))
        assert connector.throttler.pool(STANDARD_POOL).limit == 200


def test_each_event_loop_has_pools_of_its_own() -> None:
    async def pool() -> RequestPool:
        return RequestBudget("loops").pool(STANDARD_POOL)

    assert asyncio.run(pool())._window is not asyncio.run(pool())._window
