"""F29: pools are shared per account, cancels never starve, and asking costs the same however much was sent."""

import asyncio
from collections import deque
from typing import Any

import pytest

from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.request_pools import RequestPool, RequestWindow, Urgency, urgency_of


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


async def test_what_is_taken_at_once_fits_the_same_limits_and_overtakes_nobody() -> None:
    pool, clock = a_pool(limit=10, keeps_reserve=True)
    assert [pool.take(Urgency.READ) for _ in range(10)] == [True] * 9 + [False]
    assert pool.take(Urgency.CANCEL)
    assert not pool.take(Urgency.CANCEL)
    waiting = asyncio.ensure_future(pool.acquire(Urgency.CANCEL))
    assert await is_waiting(waiting)
    clock.now_s += 60.0
    assert not pool.take(Urgency.CANCEL), "there is room, and somebody waits for it"
    pool._window._admit()
    await asyncio.wait_for(waiting, 1.0)
    assert pool.take(Urgency.READ)
    assert pool.used == 2


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


def shares(**limits: int) -> "tuple[list[RequestPool], RequestWindow, FakeClock]":
    """Return pools that share a window, each with its own limit."""
    clock = FakeClock()
    window = RequestWindow(60.0, clock)
    return [RequestPool(limit, 60.0, keeps_reserve=False, window=window) for limit in limits.values()], window, clock


async def test_who_is_over_a_small_share_is_passed_over_by_those_who_are_within_theirs() -> None:
    (small, large), window, clock = shares(small=10, large=100)
    await fill(large, 10)
    urgent = asyncio.ensure_future(small.acquire(Urgency.CANCEL))
    assert await is_waiting(urgent)
    await fill(large, 90)
    assert window.used == 100
    assert await is_waiting(urgent)
    # What waits is served as soon as its own limit allows it, and in the order of urgency.
    read = asyncio.ensure_future(large.acquire(Urgency.READ))
    assert await is_waiting(read)
    clock.now_s += 60.0
    window._admit()
    await asyncio.wait_for(asyncio.gather(urgent, read), 1.0)
    assert window.used == 2


async def test_within_a_share_nobody_is_passed_over() -> None:
    (small, large), window, clock = shares(small=2, large=3)
    await fill(large, 3)
    served: list[str] = []

    async def ask(pool: RequestPool, name: str) -> None:
        await pool.acquire(Urgency.READ)
        served.append(name)

    tasks = [
        asyncio.ensure_future(ask(pool, name))
        for pool, name in ((small, "small 1"), (large, "large 1"), (small, "small 2"), (large, "large 2"))
    ]
    await asyncio.sleep(0)
    clock.now_s += 60.0
    window._admit()
    assert await is_waiting(tasks[2])
    # The first two took what the small share allows, and the large one has room for one more.
    assert served == ["small 1", "large 1", "large 2"]
    clock.now_s += 60.0
    window._admit()
    await asyncio.wait_for(asyncio.gather(*tasks), 1.0)
    assert served[-1] == "small 2"


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
