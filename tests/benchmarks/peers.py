"""Measure ccxt and bpx-py, each in its best case: ccxt with orjson and without its own rate limiter.

This runs in an environment of its own (`make bench PEERS=1`), where neither Hummingbot nor our package is installed.
"""

import asyncio
import json
import time
from statistics import median
from typing import Any

from tests.benchmarks import wire
from tests.benchmarks.worker import StandIn

API_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
API_SECRET = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PAUSE_S = 0.002
SYMBOL = "A00/USDC"


class _Ccxt:
    """An exchange object of ccxt that talks to the stand-in."""

    is_streaming = False

    def __init__(self, _: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self.stand_in = stand_in
        self.options = options
        self.client_ids = iter(range(1, 2**31))

    async def prepare(self) -> None:
        import ccxt.async_support
        import ccxt.pro

        library = ccxt.pro if self.is_streaming else ccxt.async_support
        self.exchange = library.backpack({"apiKey": API_KEY, "secret": API_SECRET, "enableRateLimit": False})
        self.exchange.urls["api"]["public"] = self.exchange.urls["api"]["private"] = self.stand_in.url
        if self.is_streaming:
            address = f"ws{self.stand_in.url[4:]}/"
            self.exchange.urls["api"]["ws"] = {"public": address, "private": address}
        await self.exchange.load_markets()

    def arrivals(self) -> dict[int, float]:
        """Return when the server got each order, by client id."""
        return {client_id: at for _, client_id, at in self.stand_in.taken()["arrivals"]}

    async def place(self, client_id: int) -> None:
        """Place a limit order."""
        await self.exchange.create_order(SYMBOL, "limit", "buy", 1, 100, {"clientOrderId": client_id})

    async def finish(self) -> None:
        await self.exchange.close()


class CcxtSigning(_Ccxt):
    """`sign` of one order: URL, headers and body."""

    async def round(self) -> dict[str, float]:
        spent = []
        for _ in range(self.options["count"]):
            fields = {"clientId": next(self.client_ids), "orderType": "Limit", "price": "100.00", "quantity": "1"}
            fields |= {"side": "Bid", "symbol": "A00_USDC", "timeInForce": "GTC"}
            begun = time.perf_counter()
            self.exchange.sign("api/v1/order", ["private"], "POST", fields)
            spent.append(time.perf_counter() - begun)
        return {"us": median(spent) * 1e6}


class CcxtOrders(_Ccxt):
    """`create_order`, until the server has the request, and until it returns."""

    async def round(self) -> dict[str, float]:
        begun, opened = {}, {}
        for _ in range(self.options["count"]):
            await asyncio.sleep(PAUSE_S)
            client_id = next(self.client_ids)
            begun[client_id] = time.perf_counter()
            await self.place(client_id)
            opened[client_id] = time.perf_counter()
        return _reduced(begun, opened, self.arrivals())


class CcxtTenOrders(_Ccxt):
    """Ten `create_order` side by side; then `create_orders` of ten."""

    async def round(self) -> dict[str, float]:
        count = self.options["count"]
        return {
            "last_us": median([await self._last(self._single) for _ in range(count)]) * 1e6,
            "batch_us": median([await self._last(self._batch) for _ in range(count)]) * 1e6,
        }

    async def _last(self, place: Any) -> float:
        await asyncio.sleep(PAUSE_S)
        client_ids = [next(self.client_ids) for _ in range(10)]
        begun = time.perf_counter()
        await place(client_ids)
        return max(self.arrivals().values()) - begun

    async def _single(self, client_ids: list[int]) -> None:
        await asyncio.gather(*(self.place(client_id) for client_id in client_ids))

    async def _batch(self, client_ids: list[int]) -> None:
        order = {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 1, "price": 100}
        await self.exchange.create_orders([{**order, "params": {"clientOrderId": one}} for one in client_ids])


class CcxtBooks(_Ccxt):
    """The way of a frame through the client's message handler into its book."""

    is_streaming = True

    async def prepare(self) -> None:
        import aiohttp

        await super().prepare()
        self._message = aiohttp.WSMessage
        self._text = aiohttp.WSMsgType.TEXT
        pairs = wire.pairs(self.options["pairs"])
        self._symbols = [wire.symbol_of(pair) for pair in pairs]
        self._last_ids = dict.fromkeys(self._symbols, 1_000)
        self._client = self.exchange.client(self.exchange.urls["api"]["ws"]["public"])
        for pair in pairs:
            name = pair.replace("-", "/")
            snapshot = await self.exchange.fetch_order_book(name)
            self.exchange.orderbooks[name] = self.exchange.order_book(snapshot)

    def _frames(self, count: int) -> list[Any]:
        frames = wire.depth_frames(self._symbols, self._last_ids, count, self.options["size"])
        return [self._message(self._text, text, None) for _, text in frames]

    async def round(self) -> dict[str, float]:
        handle = self._client.handle_message
        frames = self._frames(self.options["count"])
        begun = time.process_time()
        for frame in frames:
            handle(frame)
        found = {"us": (time.process_time() - begun) / len(frames) * 1e6}
        if self.options.get("singles"):
            spent = []
            for frame in self._frames(self.options["singles"]):
                start = time.perf_counter()
                handle(frame)
                spent.append(time.perf_counter() - start)
            found["single_us"] = median(spent) * 1e6
        self._check()
        return found

    def _check(self) -> None:
        for symbol, last_id in self._last_ids.items():
            assert self.exchange.orderbooks[symbol.replace("_", "/")]["nonce"] == last_id


class CcxtStream(_Ccxt):
    """`watch_order_book_for_symbols` in a loop, as ccxt's manual shows it."""

    is_streaming = True
    PRIMING = 40
    """Frames a market before the measurement: ccxt asks for a snapshot after ten of them."""

    async def prepare(self) -> None:
        await super().prepare()
        self._pairs = self.options["pairs"]
        self._names = [pair.replace("-", "/") for pair in wire.pairs(self._pairs)]
        self._watching = asyncio.ensure_future(self._watch())
        await asyncio.sleep(0.3)
        await self._take(self.PRIMING * self._pairs, 1_000)

    async def _watch(self) -> None:
        while True:
            await self.exchange.watch_order_book_for_symbols(self._names)

    async def round(self) -> dict[str, float]:
        count, rate, burst = (self.options[name] for name in ("count", "rate", "burst"))
        cpu_s, wall_s, _ = await self._take(count, rate)
        found = {"cpu_us": cpu_s / count * 1e6, "cpu_pct": cpu_s / wall_s * 100}
        if burst:
            _, _, done = await self._take(burst, 0)
            found["burst_per_s"] = burst / (done - self.stand_in.sent_at()["first"])
        return found

    async def _take(self, count: int, rate: float) -> tuple[float, float, float]:
        last_ids = await asyncio.to_thread(self.stand_in.publish, self._pairs, count, rate, wire.SMALL)
        targets = [(name, last_ids[name.replace("/", "_")]) for name in self._names]
        books = self.exchange.orderbooks
        cpu, begun = time.process_time(), time.perf_counter()
        while not all(name in books and (books[name]["nonce"] or 0) >= last_id for name, last_id in targets):
            await asyncio.sleep(0.02 if rate else 0.001)
            if time.perf_counter() - begun > 90:
                raise TimeoutError("the books did not get all frames")
        return time.process_time() - cpu, time.perf_counter() - begun, time.perf_counter()

    async def finish(self) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await super().finish()


class BpxSigning:
    """The configuration of one order's request, and its body as text."""

    def __init__(self, _: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self.stand_in = stand_in
        self.options = options
        self.client_ids = iter(range(1, 2**31))

    async def prepare(self) -> None:
        from bpx.async_.account import Account
        from bpx.base.base_account import BaseAccount

        self.account = Account(API_KEY, API_SECRET)
        self.account.BPX_API_URL = f"{self.stand_in.url}/"
        self._configure = BaseAccount.execute_order
        self._account = self.account

    def fields(self) -> dict[str, Any]:
        """Return what an order is asked with."""
        return {
            "symbol": "A00_USDC",
            "side": "Bid",
            "order_type": "Limit",
            "time_in_force": "GTC",
            "quantity": "1",
            "price": "100.00",
            "client_id": next(self.client_ids),
        }

    async def round(self) -> dict[str, float]:
        spent = []
        for _ in range(self.options["count"]):
            fields = self.fields()
            begun = time.perf_counter()
            json.dumps(self._configure(self._account, **fields).data)
            spent.append(time.perf_counter() - begun)
        return {"us": median(spent) * 1e6}

    async def finish(self) -> None:
        """Have nothing to close."""


class BpxOrders(BpxSigning):
    """`execute_order` of its asynchronous account, which opens a session for each call."""

    async def round(self) -> dict[str, float]:
        begun, opened = {}, {}
        for _ in range(self.options["count"]):
            await asyncio.sleep(PAUSE_S)
            fields = self.fields()
            begun[fields["client_id"]] = time.perf_counter()
            await self.account.execute_order(**fields)
            opened[fields["client_id"]] = time.perf_counter()
        arrivals = {client_id: at for _, client_id, at in self.stand_in.taken()["arrivals"]}
        return _reduced(begun, opened, arrivals)


def _reduced(begun: dict[int, float], opened: dict[int, float], arrivals: dict[int, float]) -> dict[str, float]:
    return {
        "server_us": median(arrivals[one] - start for one, start in begun.items()) * 1e6,
        "open_us": median(opened[one] - start for one, start in begun.items()) * 1e6,
    }
