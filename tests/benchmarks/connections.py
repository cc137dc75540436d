"""Measure what depends on the line to the exchange: the start, polls, a burst after silence, and cancelling all.

The line has a round trip of 50 ms, and a new connection costs two more (`server`).
"""

import asyncio
import json
import math
import os
import time
import urllib.request
from collections import Counter
from statistics import median
from typing import Any

from hummingbot.core.event.events import MarketEvent

from tests.benchmarks.contestants import OURS
from tests.benchmarks.sides import AMOUNT, PRICE, Running, Side
from tests.benchmarks.worker import StandIn

READY_LIMIT_S = 240.0


class AfterSilence:
    """Ten orders in one tick after some silence: until each is open, in a connector that runs as in a bot.

    Ours keeps ten connections open meanwhile, as a user asks for who places ten orders at once.
    """

    ORDERS = 10

    def __init__(self, variant: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self._silence_s = options["seconds"]
        if variant == OURS:
            os.environ["BACKPACK_WARM_CONNECTIONS"] = str(self.ORDERS)
        self._side = Side(variant, stand_in.slow_url)
        self._running = Running(self._side.connector)
        self._opened: dict[str, float] = {}

    async def prepare(self) -> None:
        self._side.listen(MarketEvent.BuyOrderCreated, self._hear)
        await self._running.__aenter__()
        await self._running.ready(READY_LIMIT_S)
        await self._ten()

    def _hear(self, event: Any) -> None:
        self._opened[event.order_id] = time.perf_counter()

    async def _ten(self) -> list[float]:
        self._opened = {}
        begun = time.perf_counter()
        order_ids = [self._side.buy() for _ in range(self.ORDERS)]
        while len(self._opened) < self.ORDERS:
            await asyncio.sleep(0.001)
            if time.perf_counter() - begun > 20:
                raise TimeoutError(f"only {len(self._opened)} of ten orders are open")
        for order_id in order_ids:
            self._side.forget(order_id)
        return [self._opened[order_id] - begun for order_id in order_ids]

    async def round(self) -> dict[str, float]:
        await asyncio.sleep(self._silence_s)
        return {"open_ms": median(await self._ten()) * 1e3}

    async def finish(self) -> None:
        await self._running.__aexit__(None, None, None)
        await self._side.close()
        os.environ.pop("BACKPACK_WARM_CONNECTIONS", None)


class Start:
    """From the start of the clock until the connector is ready, with connections and everything else cold."""

    def __init__(self, variant: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self._variant = variant
        self._url = stand_in.slow_url
        self._pairs = options["pairs"]

    async def prepare(self) -> None:
        """Load what a first connector loads, so that no round pays for imports."""
        await Side(self._variant, self._url).close()

    async def round(self) -> dict[str, float]:
        side = Side(self._variant, self._url, self._pairs)
        begun = time.perf_counter()
        async with Running(side.connector) as running:
            await running.ready(READY_LIMIT_S)
            spent = time.perf_counter() - begun
        await side.close()
        return {"s": spent}

    async def finish(self) -> None:
        """Leave nothing open: each round has closed its own."""


class _Seeded:
    """A connector whose orders rest at the stand-in, which it was told without a measured request."""

    def __init__(self, variant: str, stand_in: StandIn, url: str) -> None:
        self.side = Side(variant, url)
        self._stand_in = stand_in

    async def prepare(self) -> None:
        await self.side.learn()

    async def seed(self, count: int) -> None:
        """Let so many orders rest, and the tracker know them."""
        self.side.track(0, 0)
        tracker = self.side.connector._order_tracker
        orders = [self.side.new_order(number) for number in range(count)]
        fields = {"symbol": self.side.pairs[0].replace("-", "_"), "side": "Bid", "orderType": "Limit"}
        fields |= {"price": str(PRICE), "quantity": str(AMOUNT)}
        wishes = [{**fields, "clientId": int(order.client_order_id)} for order in orders]
        for order, row in zip(orders, await asyncio.to_thread(self._place, wishes), strict=True):
            order.exchange_order_id = row["id"]
            tracker.start_tracking_order(order)

    def _place(self, wishes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for path, method, body in (
            ("/api/v1/orders", "DELETE", {"symbol": wishes[0]["symbol"]}),
            ("/api/v1/orders", "POST", wishes),
        ):
            request = urllib.request.Request(self._stand_in.url + path, json.dumps(body).encode(), method=method)
            with urllib.request.urlopen(request, timeout=20) as answer:
                rows: list[dict[str, Any]] = json.loads(answer.read())
        self._stand_in.taken()
        return rows

    def requests(self) -> Counter[str]:
        """Return the requests since the last time that anybody asked."""
        return Counter(self._stand_in.taken()["requests"])


class CancelAll:
    """`cancel_all` of many orders of a market with one warm connection, as it is and where the account is exclusive."""

    def __init__(self, variant: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self._orders = options["orders"]
        self._plain = _Seeded(variant, stand_in, stand_in.slow_url)
        self._exclusive = self._plain
        if variant == OURS:
            os.environ["BACKPACK_EXCLUSIVE_ACCOUNT"] = "yes"
            self._exclusive = _Seeded(variant, stand_in, stand_in.slow_url)
            del os.environ["BACKPACK_EXCLUSIVE_ACCOUNT"]

    async def prepare(self) -> None:
        for seeded in {self._plain, self._exclusive}:
            await seeded.prepare()

    async def round(self) -> dict[str, float]:
        spent, calls = await self._cancel(self._plain)
        exclusive_spent, exclusive_calls = await self._cancel(self._exclusive)
        return {
            "ms": spent * 1e3,
            "calls": calls,
            "exclusive_ms": exclusive_spent * 1e3,
            "exclusive_calls": exclusive_calls,
        }

    async def _cancel(self, seeded: _Seeded) -> tuple[float, int]:
        connector = seeded.side.connector
        await seeded.side.close()  # no connection is left from the round before
        if connector is not self._plain.side.connector:
            # What a running bot has: a private stream that works, and since then a list without orders of others.
            connector._evidence.subscribed()
            connector._evidence.compared(connector._evidence.connection)
            connector._others_possible_s = -math.inf
            connector.warn_of_unknown_orders([], is_complete=True)
        await seeded.seed(self._orders)
        await connector._update_all_balances()  # one is warm, as from the last poll
        seeded.requests()
        begun = time.perf_counter()
        results = await connector.cancel_all(20)
        spent = time.perf_counter() - begun
        assert len(results) == self._orders
        assert all(result.success for result in results)
        return spent, seeded.requests().total()

    async def finish(self) -> None:
        await self._plain.side.close()


class Poll:
    """One status poll: how many requests it takes, the one for the server's time included."""

    def __init__(self, variant: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self._orders = options["orders"]
        self._seeded = _Seeded(variant, stand_in, stand_in.url)

    async def prepare(self) -> None:
        await self._seeded.prepare()

    async def round(self) -> dict[str, float]:
        found: dict[str, float] = {}
        connector = self._seeded.side.connector
        for place, count in enumerate(self._orders, start=1):
            await self._seeded.seed(count)
            connector._set_current_timestamp(time.time())
            self._seeded.requests()
            await connector._update_time_synchronizer()
            await connector._status_polling_loop_fetch_updates()
            found[f"calls_{place}"] = self._seeded.requests().total()
        return found

    async def finish(self) -> None:
        await self._seeded.side.close()
