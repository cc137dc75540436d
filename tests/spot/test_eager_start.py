"""Requests leave inside the call that asks for them, and nothing is told before that call has returned (issue 5)."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent

from backpack_connector import eager_start
from backpack_connector.protocol.rate_limits import STANDARD_POOL
from tests.spot.session import PAIR, until, world

ONE, PRICE = Decimal(1), Decimal(140)

eager = pytest.mark.skipif(not eager_start.IS_POSSIBLE, reason="tasks start later before Python 3.12")


class Told:
    """Collects what a connector tells a strategy."""

    def __init__(self, connector: Any) -> None:
        self.events: list[tuple[str, str]] = []
        self._forwarders = []
        for kind in (MarketEvent.BuyOrderCreated, MarketEvent.OrderFailure, MarketEvent.OrderCancelled):
            forwarder = EventForwarder(lambda event, name=kind.name: self.events.append((name, event.order_id)))
            self._forwarders.append(forwarder)
            connector.add_listener(kind, forwarder)


@eager
async def test_requests_of_orders_and_cancels_leave_inside_the_call() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        told, pool = Told(connector), connector._throttler.pool(STANDARD_POOL)
        before = pool.used
        order_id = connector.buy(PAIR, ONE, OrderType.LIMIT, PRICE)
        assert (pool.used - before, told.events) == (1, [])
        assert order_id in connector.in_flight_orders
        await until(lambda: told.events == [("BuyOrderCreated", order_id)])
        before = pool.used
        connector.cancel(PAIR, order_id)
        assert (pool.used - before, len(told.events)) == (1, 1)
        await until(lambda: told.events[1:] == [("OrderCancelled", order_id)])


@eager
async def test_a_batch_leaves_inside_the_call_with_one_request() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        told, pool = Told(connector), connector._throttler.pool(STANDARD_POOL)
        before = pool.used
        wanted = [LimitOrder("", PAIR, True, "SOL", "USDC", PRICE, ONE) for _ in range(10)]
        orders = connector.batch_order_create(wanted)
        assert (pool.used - before, told.events) == (1, [])
        await until(lambda: told.events == [("BuyOrderCreated", order.client_order_id) for order in orders])


@pytest.mark.parametrize("is_possible", [eager_start.IS_POSSIBLE, False])
@pytest.mark.parametrize(
    ("pair", "amount", "kind", "price"),
    [
        (PAIR, Decimal("0.000001"), OrderType.LIMIT, PRICE),
        (PAIR, Decimal("-1"), OrderType.LIMIT, PRICE),
        (PAIR, ONE, OrderType.LIMIT, Decimal("NaN")),
        ("NO-SUCH", ONE, OrderType.LIMIT, PRICE),
        (PAIR, ONE, OrderType.LIMIT, Decimal("0.01")),
    ],
)
async def test_a_failure_is_told_once_and_after_the_call(
    monkeypatch: pytest.MonkeyPatch, pair: str, amount: Decimal, kind: OrderType, price: Decimal, is_possible: bool
) -> None:
    monkeypatch.setattr(eager_start, "IS_POSSIBLE", is_possible)
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        told = Told(connector)
        order_id = connector.buy(pair, amount, kind, price)
        assert told.events == []
        await until(lambda: told.events)
        await asyncio.sleep(0.02)
        assert told.events == [("OrderFailure", order_id)]


async def test_one_failing_order_does_not_hold_up_its_batch() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        told = Told(connector)
        amounts = [ONE, Decimal("0.000001"), ONE]
        wanted = [LimitOrder("", PAIR, True, "SOL", "USDC", PRICE, amount) for amount in amounts]
        orders = connector.batch_order_create(wanted)
        assert told.events == []
        await until(lambda: len(told.events) == 3)
        kinds = ["BuyOrderCreated", "OrderFailure", "BuyOrderCreated"]
        ids = [order.client_order_id for order in orders]
        assert sorted(told.events) == sorted(zip(kinds, ids, strict=True))


def test_without_a_running_loop_the_work_waits_for_it() -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        eager_start.begin_alone(work())
        assert done == []
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        assert done == [1]
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.parametrize("is_possible", [eager_start.IS_POSSIBLE, False])
async def test_what_is_raised_is_logged_or_kept_for_who_awaits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_possible: bool
) -> None:
    monkeypatch.setattr(eager_start, "IS_POSSIBLE", is_possible)

    async def work() -> None:
        raise RuntimeError("an odd one")

    eager_start.begin_alone(work())
    await until(lambda: "an odd one" in caplog.text)
    with pytest.raises(RuntimeError, match="an odd one"):
        await eager_start.begin(work())
