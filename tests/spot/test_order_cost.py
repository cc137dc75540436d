"""What placing and cancelling costs: counted calls, which do not grow with what is open or was done (issue 5)."""

import asyncio
import gc
import sys
from collections.abc import Callable
from decimal import Decimal
from types import FrameType
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import OrderState
from hummingbot.core.data_type.limit_order import LimitOrder

from backpack_connector import eager_start, order_placement, request_sender
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.models import Order
from backpack_connector.protocol.rate_limits import STANDARD_POOL
from tests.benchmarks import wire
from tests.benchmarks.sides import open_order
from tests.spot.session import PAIR, World, world

CROWD = 400

# Before Python 3.12 the work begins after the call (eager_start).
pytestmark = pytest.mark.skipif(not eager_start.IS_POSSIBLE, reason="needs eager tasks")


def calls_of(work: Callable[[], Any]) -> int:
    """Return how many functions are called by some work, those of C included."""
    count = 0

    def note(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.collect()
    gc.disable()  # what it would call is no part of the work
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def crowd(connector: BackpackExchange) -> None:
    """Let the connector know many open orders, many that are done, and many requests in the last minute."""
    for name in range(1, CROWD + 1):
        connector.order_tracker.start_tracking_order(open_order(name, PAIR))
        done = open_order(CROWD + name, PAIR)
        connector.order_tracker.start_tracking_order(done)
        done.current_state = OrderState.CANCELED
        connector.order_tracker.stop_tracking_order(done.client_order_id)
    pool = connector._throttler.pool(STANDARD_POOL)
    for _ in range(CROWD):
        pool._window._sent.append(pool._window._clock())


async def started(here: World, monkeypatch: pytest.MonkeyPatch) -> BackpackExchange:
    """Return a running connector whose requests end from now on where the transport would begin."""

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    here.fill_book()
    connector = await here.started(PAIR)
    monkeypatch.setattr(request_sender, "answer_to", never)
    return connector


def buy(connector: BackpackExchange) -> str:
    return connector.buy(PAIR, Decimal("0.1"), OrderType.LIMIT, Decimal("140.00"))


def batch(connector: BackpackExchange, count: int) -> list[Any]:
    wanted = [LimitOrder("", PAIR, True, *PAIR.split("-"), Decimal("140.00"), Decimal("0.1")) for _ in range(count)]
    return connector.batch_order_create(wanted)


async def test_an_order_costs_the_same_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as here:
        connector = await started(here, monkeypatch)
        buy(connector)  # what is remembered from the first one is there
        alone = calls_of(lambda: buy(connector))
        crowd(connector)
        assert alone > 50, "the request left inside the call"
        assert calls_of(lambda: buy(connector)) == alone


async def test_a_cancel_costs_the_same_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as here:
        connector = await started(here, monkeypatch)
        names = ["8000001", "8000002", "8000003"]
        for name in names:
            connector.order_tracker.start_tracking_order(open_order(int(name), PAIR))
        connector.cancel(PAIR, names[0])
        alone = calls_of(lambda: connector.cancel(PAIR, names[1]))
        crowd(connector)
        assert alone > 50, "the request left inside the call"
        assert calls_of(lambda: connector.cancel(PAIR, names[2])) == alone


async def test_the_answer_to_an_order_costs_the_same_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as here:
        connector = await started(here, monkeypatch)

        def answered(name: str) -> int:
            order = connector.order_tracker.active_orders[name]
            fields = {"clientId": int(name), "symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit"}
            row = wire.order(9_000_000_000 + int(name), {**fields, "price": "140", "quantity": "0.1"})
            report = order_placement.read(Order, row, "execute_order")
            return calls_of(lambda: connector.apply_report(order, report))

        answered(buy(connector))
        alone = answered(buy(connector))
        crowd(connector)
        assert answered(buy(connector)) == alone


async def test_each_order_of_a_batch_costs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as here:
        connector = await started(here, monkeypatch)
        batch(connector, 1)
        five, ten, fifteen = (calls_of(lambda count=count: batch(connector, count)) for count in (5, 10, 15))
        assert fifteen - ten == ten - five
        assert ten - five < 5 * calls_of(lambda: buy(connector)), "what is shared is not done for each"


async def test_ten_orders_and_a_batch_of_ten_take_ten_places_and_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as here:
        connector = await started(here, monkeypatch)
        pool = connector._throttler.pool(STANDARD_POOL)
        used = pool.used
        for _ in range(10):
            buy(connector)
        assert pool.used == used + 10
        batch(connector, 10)
        assert pool.used == used + 11
