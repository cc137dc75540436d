"""Measure what the account's events cost: fills, available balances, and the garbage collector's longest pause."""

import asyncio
import gc
import os
import time
from statistics import median
from typing import Any

from hummingbot.core.event.events import MarketEvent

from tests.benchmarks import wire
from tests.benchmarks.contestants import OURS
from tests.benchmarks.fed import FedSocket, fed_socket, message
from tests.benchmarks.sides import Running, Side, until
from tests.benchmarks.worker import StandIn

CROWD = 1_000
GARBAGE_VARIABLE = "BACKPACK_GC_FREEZE"
"""Not imported: the built-in connector's process loads nothing of ours."""
SITUATIONS = ((1, 0), (20, 0), (20, 60), (40, 600))


class Fills:
    """From the frame of a fill in the process to the event `OrderFilled`."""

    def __init__(self, variant: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self._count = options["count"]
        self._crowd = options.get("crowd", CROWD)
        self._side = Side(variant, stand_in.url)
        self._socket: FedSocket | None = None
        self._filled_at: list[float] = []
        self._tasks: list[asyncio.Future[Any]] = []
        self._trade_ids = iter(range(1, 2**31))

    async def prepare(self) -> None:
        await self._side.learn()
        self._side.listen(MarketEvent.OrderFilled, lambda _: self._filled_at.append(time.perf_counter()))
        self._socket = await fed_socket()
        self._tasks = [
            asyncio.ensure_future(self._side.connector._user_stream_tracker.start()),
            asyncio.ensure_future(self._side.connector._user_stream_event_listener()),
        ]

    async def round(self) -> dict[str, float]:
        found = {}
        for open_orders, done_orders in SITUATIONS:
            found[f"us_{open_orders}_{done_orders}"] = await self._fills(open_orders, done_orders)
        found["growth"] = await self._fills(self._crowd, self._crowd) / found["us_1_0"]
        return found

    async def _fills(self, open_orders: int, done_orders: int) -> float:
        orders = self._side.track(open_orders, done_orders)
        frames = []
        for number in range(self._count):
            order = orders[number % len(orders)]
            executed = f"{(number // len(orders) + 1) / 100:.2f}"
            symbol, name = wire.symbol_of(order.trading_pair), order.client_order_id
            text = wire.fill_frame(symbol, name, order.exchange_order_id or "", next(self._trade_ids), executed)
            frames.append(message(text))
        socket, self._filled_at = self._socket, []
        assert socket is not None
        await until(lambda: socket.is_empty)
        socket.feed(frames, lambda: len(self._filled_at) >= len(socket.handed_at))
        await until(lambda: socket.is_empty and len(self._filled_at) == self._count)
        spent = zip(socket.handed_at, self._filled_at, strict=True)
        return median(end - start for start, end in spent) * 1e6

    async def finish(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._side.close()


class Balance:
    """`get_available_balance` of the quote asset."""

    def __init__(self, variant: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self._count = options["count"]
        self._crowd = options.get("crowd", CROWD)
        self._side = Side(variant, stand_in.url)

    async def prepare(self) -> None:
        await self._side.learn()

    async def round(self) -> dict[str, float]:
        return {"us_20": self._spent(20), "us_crowd": self._spent(self._crowd)}

    def _spent(self, open_orders: int) -> float:
        self._side.track(open_orders, 0)
        ask, spent = self._side.connector.get_available_balance, []
        for _ in range(self._count):
            begun = time.perf_counter()
            ask("USDC")
            spent.append(time.perf_counter() - begun)
        return median(spent) * 1e6

    async def finish(self) -> None:
        await self._side.close()


class Garbage:
    """A full garbage collection in a process whose bot is ready; ours with the switch that is there for it."""

    def __init__(self, variant: str, stand_in: StandIn, _: dict[str, Any]) -> None:
        if variant == OURS:
            os.environ[GARBAGE_VARIABLE] = "yes"
        self._side = Side(variant, stand_in.url)
        self._running = Running(self._side.connector)

    async def prepare(self) -> None:
        await self._running.__aenter__()
        await self._running.ready(60)
        if self._side.variant == OURS:
            await until(gc.get_freeze_count)

    async def round(self) -> dict[str, float]:
        begun = time.perf_counter()
        gc.collect()
        return {"ms": (time.perf_counter() - begun) * 1e3}

    async def finish(self) -> None:
        gc.unfreeze()
        os.environ.pop(GARBAGE_VARIABLE, None)
        await self._running.__aexit__(None, None, None)
        await self._side.close()
