"""Measure what orders go through: signing, placing, cancelling, ten at once, and a full rate window."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterable
from statistics import median
from typing import Any

import aiohttp
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.event.events import MarketEvent
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from tests.benchmarks.contestants import OURS
from tests.benchmarks.floors import lateness
from tests.benchmarks.sides import AMOUNT, PRICE, SITUATIONS, Side
from tests.benchmarks.worker import StandIn

PAUSE_S = 0.002
"""Before each order, so that the server's process is asleep in every variant when the request comes."""
WAIT_LIMIT_S = 1.0


class _NoTransport:
    """A client session that ends where the transport would begin, and notes the time."""

    closed = False

    def __init__(self) -> None:
        self.reached_at = 0.0

    async def request(self, *_: Any, **__: Any) -> Any:
        self.reached_at = time.perf_counter()
        raise aiohttp.ClientError("there is no transport here")

    async def close(self) -> None:
        """Do nothing."""


class Contestant:
    """What all connectors' contestants of this module share."""

    def __init__(self, variant: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self.stand_in = stand_in
        self.options = options
        self.situation = SITUATIONS[options.get("situation", "idle")]
        self.side = Side(variant, stand_in.url)
        self.times: dict[str, float] = {}
        self._expected = 0
        self._all_heard = asyncio.Event()

    async def prepare(self) -> None:
        await self.side.learn()
        for kind in (MarketEvent.BuyOrderCreated, MarketEvent.OrderCancelled, MarketEvent.OrderFailure):
            self.side.listen(kind, self._hear)
        await self.side.enter(self.situation)

    def _hear(self, event: Any) -> None:
        self.times[event.order_id] = time.perf_counter()
        if len(self.times) >= self._expected:
            self._all_heard.set()

    def expect(self, count: int) -> None:
        """Begin to wait for so many events."""
        self.times = {}
        self._expected = count
        self._all_heard.clear()

    async def heard(self) -> dict[str, float]:
        """Return when each expected event came, by order id."""
        await asyncio.wait_for(self._all_heard.wait(), 20)
        return self.times

    async def fresh(self) -> None:
        """Pause, and make the situation again what it was."""
        self.side.reset_window()
        await asyncio.sleep(PAUSE_S)

    def arrived(self, what: str) -> dict[str, float]:
        """Return when the server got each request about orders, by client id."""
        return {str(client_id): at for kind, client_id, at in self.stand_in.taken()["arrivals"] if kind == what}

    async def finish(self) -> None:
        await self.side.close()


class Signing(Contestant):
    """From the fields of an order to where the transport would begin: limits, signature, headers and body."""

    async def prepare(self) -> None:
        await self.side.learn()
        await ConnectionsFactory().close()

    async def round(self) -> dict[str, float]:
        connector, spent = self.side.connector, []
        await self.side.enter(self.situation)
        client_ids = itertools.count(1)
        ConnectionsFactory()._shared_client = session = _NoTransport()
        for _ in range(self.options["count"]):
            work = self._request(connector, next(client_ids))
            begun = time.perf_counter()
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await work
            spent.append(session.reached_at - begun)
            self.side.reset_window()
        ConnectionsFactory()._shared_client = None
        return {"us": median(spent) * 1e6}

    def _request(self, connector: Any, client_id: int) -> Any:
        fields = {
            "symbol": "A00_USDC",
            "side": "Bid",
            "orderType": "Limit",
            "timeInForce": "GTC",
            "clientId": client_id,
        }
        if self.side.variant == OURS:
            return connector.request("execute_order", {**fields, "quantity": AMOUNT, "price": PRICE})
        fields |= {"instruction": "orderExecute", "quantity": "1", "price": "100.00", "postOnly": False}
        return connector._api_post(path_url="api/v1/order", data=fields, is_auth_required=True)


class Orders(Contestant):
    """From `buy()` to the request at the server, and to the event that the order is open."""

    async def round(self) -> dict[str, float]:
        await self.side.enter(self.situation)
        begun, opened, called = {}, {}, []
        for _ in range(self.options["count"]):
            await self.fresh()
            self.expect(1)
            start = time.perf_counter()
            order_id = self.side.buy()
            called.append(time.perf_counter() - start)
            begun[order_id] = start
            opened |= await self.heard()
            self.side.forget(order_id)
        arrivals = self.arrived("place")
        return {
            "server_us": _median_us(arrivals[order_id] - start for order_id, start in begun.items()),
            "open_us": _median_us(opened[order_id] - start for order_id, start in begun.items()),
            "call_us": _median_us(called),
        }


class Cancels(Contestant):
    """From `cancel()` to the request at the server."""

    async def round(self) -> dict[str, float]:
        await self.side.enter(self.situation)
        begun = {}
        for _ in range(self.options["count"]):
            self.expect(1)
            order_id = self.side.buy()
            await self.heard()
            await self.fresh()
            self.expect(1)
            begun[order_id] = time.perf_counter()
            self.side.connector.cancel(self.side.pairs[0], order_id)
            await self.heard()
            self.side.forget(order_id)
        arrivals = self.arrived("cancel")
        return {"server_us": _median_us(arrivals[order_id] - start for order_id, start in begun.items())}


class TenOrders(Contestant):
    """Ten orders in one tick, each by `buy()` and then all by `batch_order_create()`, until the server has the last."""

    ORDERS = 10

    async def round(self) -> dict[str, float]:
        await self.side.enter(self.situation)
        single = [await self._last_arrival(self._buy_ten) for _ in range(self.options["count"])]
        batch = [await self._last_arrival(self._batch) for _ in range(self.options["count"])]
        return {"last_us": _median_us(single), "batch_us": _median_us(batch)}

    def _buy_ten(self) -> list[str]:
        return [self.side.buy() for _ in range(self.ORDERS)]

    def _batch(self) -> list[str]:
        pair = self.side.pairs[0]
        base, quote = pair.split("-")
        wanted = [LimitOrder("", pair, True, base, quote, PRICE, AMOUNT) for _ in range(self.ORDERS)]
        return [order.client_order_id for order in self.side.connector.batch_order_create(wanted)]

    async def _last_arrival(self, place: Any) -> float:
        await self.fresh()
        self.expect(self.ORDERS)
        begun = time.perf_counter()
        order_ids = place()
        await self.heard()
        arrivals = self.arrived("place")
        for order_id in order_ids:
            self.side.forget(order_id)
        return max(arrivals[order_id] for order_id in order_ids) - begun


class FullWindow(Contestant):
    """Twenty calls wait for a place in the full window: what a timer and a cancel feel meanwhile."""

    WAITING = 20
    FULL = 2_000

    async def round(self) -> dict[str, float]:
        throttler = self.side.connector._throttler
        if self.side.variant == OURS:
            read, cancel = "get_open_orders", "cancel_order"
            waiting = await self._ours_full(throttler, read)
        else:
            read, cancel = "api/v1/capital", "api/v1/order"
            await self.side.set_window(self.FULL)
            waiting = [asyncio.ensure_future(_call(throttler, read)) for _ in range(self.WAITING)]
        await asyncio.sleep(0.05)
        cpu, begun = time.process_time(), time.perf_counter()
        late = await lateness(self.options["seconds"])
        share = (time.process_time() - cpu) / (time.perf_counter() - begun)
        wait_s = await _limited_wait(_call(throttler, cancel))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return {**late, "cpu_pct": share * 100, "cancel_ms": wait_s * 1e3}

    async def _ours_full(self, throttler: Any, read: str) -> list[Any]:
        """Let reads come until they have to wait; more urgent requests keep their reserve."""
        while True:
            call = asyncio.ensure_future(_call(throttler, read))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if not call.done():
                more = [asyncio.ensure_future(_call(throttler, read)) for _ in range(self.WAITING - 1)]
                return [call, *more]


async def _call(throttler: Any, limit_id: str) -> None:
    async with throttler.execute_task(limit_id):
        return


async def _limited_wait(call: Any) -> float:
    begun = time.perf_counter()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(call, WAIT_LIMIT_S)
    return time.perf_counter() - begun


def _median_us(seconds: Iterable[float]) -> float:
    return median(seconds) * 1e6
