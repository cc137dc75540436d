"""Do the least that each path needs, with good Python libraries and without Hummingbot's layers or our connector's.

What is left out is what a connector is for: limits, tracking, outcomes, reconnects. Each class says what it does do.
"""

import asyncio
import base64
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

import aiohttp
import msgspec
from nacl.signing import SigningKey

from tests.benchmarks import wire
from tests.benchmarks.worker import StandIn

# The pair of RFC 8032, section 7.1, test 1.
API_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
_KEY = SigningKey(base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="))
PAUSE_S = 0.002
TICK_S = 0.010

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def signed(instruction: str, text: str, body: bytes) -> tuple[bytes, dict[str, str]]:
    """Return a body with the headers of its signature; `text` is what is signed between the verb and the time."""
    stamp = str(time.time_ns() // 1_000_000)
    message = f"instruction={instruction}&{text}&timestamp={stamp}&window=5000"
    return body, {
        "X-API-Key": API_KEY,
        "X-Signature": base64.b64encode(_KEY.sign(message.encode()).signature).decode(),
        "X-Timestamp": stamp,
        "X-Window": "5000",
        "Content-Type": "application/json; charset=utf-8",
    }


def signed_order(client_id: int, symbol: str, price: str, quantity: str) -> tuple[bytes, dict[str, str]]:
    """Return the request of one limit order: one text to sign, one to send, one signature with a key parsed before."""
    text = (
        f"clientId={client_id}&orderType=Limit&price={price}&quantity={quantity}&side=Bid&symbol={symbol}"
        "&timeInForce=GTC"
    )
    return signed("orderExecute", text, _encode(_fields(client_id, symbol, price, quantity)))


def _fields(client_id: int, symbol: str, price: str, quantity: str) -> dict[str, Any]:
    return {
        "clientId": client_id,
        "orderType": "Limit",
        "price": price,
        "quantity": quantity,
        "side": "Bid",
        "symbol": symbol,
        "timeInForce": "GTC",
    }


class Floor:
    """What the floors share."""

    def __init__(self, _: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self.stand_in = stand_in
        self.options = options
        self.symbols = [wire.symbol_of(pair) for pair in wire.pairs(options.get("pairs", 1))]
        self.client_ids = iter(range(1, 2**31))

    async def prepare(self) -> None:
        """Have nothing to prepare."""

    async def finish(self) -> None:
        """Have nothing to close."""


class Signing(Floor):
    """Sign and build one order."""

    async def round(self) -> dict[str, float]:
        spent = []
        for _ in range(self.options["count"]):
            client_id = next(self.client_ids)
            begun = time.perf_counter()
            signed_order(client_id, self.symbols[0], "100.00", "1")
            spent.append(time.perf_counter() - begun)
        return {"us": median(spent) * 1e6}


class _Posting(Floor):
    """One client session of aiohttp over kept connections."""

    session: aiohttp.ClientSession

    async def prepare(self) -> None:
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> Any:
        """Send a request and return its decoded answer."""
        async with self.session.post(self.stand_in.url + path, data=body, headers=headers) as answer:
            return _decode(await answer.read())

    def arrivals(self) -> dict[int, float]:
        """Return when the server got each order, by client id."""
        return {client_id: at for _, client_id, at in self.stand_in.taken()["arrivals"]}

    async def finish(self) -> None:
        await self.session.close()


class Orders(_Posting):
    """A bare signed POST of aiohttp, until its answer is decoded."""

    async def round(self) -> dict[str, float]:
        begun, opened = {}, {}
        for _ in range(self.options["count"]):
            await asyncio.sleep(PAUSE_S)
            client_id = next(self.client_ids)
            begun[client_id] = time.perf_counter()
            await self.post("/api/v1/order", *signed_order(client_id, self.symbols[0], "100.00", "1"))
            opened[client_id] = time.perf_counter()
        arrivals = self.arrivals()
        return {
            "server_us": median(arrivals[one] - start for one, start in begun.items()) * 1e6,
            "open_us": median(opened[one] - start for one, start in begun.items()) * 1e6,
        }


class TenOrders(_Posting):
    """Ten bare signed POSTs side by side; then one POST of ten orders."""

    async def round(self) -> dict[str, float]:
        count = self.options["count"]
        return {
            "last_us": median([await self._last(self._single) for _ in range(count)]) * 1e6,
            "batch_us": median([await self._last(self._batch) for _ in range(count)]) * 1e6,
        }

    async def _last(self, place: Callable[[list[int]], Any]) -> float:
        await asyncio.sleep(PAUSE_S)
        ids = [next(self.client_ids) for _ in range(10)]
        begun = time.perf_counter()
        await place(ids)
        return max(self.arrivals().values()) - begun

    async def _single(self, ids: list[int]) -> None:
        await asyncio.gather(
            *(self.post("/api/v1/order", *signed_order(one, self.symbols[0], "100.00", "1")) for one in ids)
        )

    async def _batch(self, ids: list[int]) -> None:
        orders = [_fields(one, self.symbols[0], "100.00", "1") for one in ids]
        texts = ["&".join(f"{name}={value}" for name, value in order.items()) for order in orders]
        text = "&instruction=orderExecute&".join(texts)
        await self.post("/api/v1/orders", *signed("orderExecute", text, _encode(orders)))


async def lateness(seconds: float) -> dict[str, float]:
    """Return by how much a timer of 10 ms is late, median and 99th percentile."""
    late = []
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        await asyncio.sleep(TICK_S)
        late.append(time.perf_counter() - begun - TICK_S)
    p99 = quantiles(late, n=100, method="inclusive")[98] if len(late) > 1 else late[0]
    return {"p50_ms": median(late) * 1e3, "p99_ms": p99 * 1e3}


class Timer(Floor):
    """The same timer while nobody waits: how late this machine is by itself."""

    async def round(self) -> dict[str, float]:
        cpu, begun = time.process_time(), time.perf_counter()
        late = await lateness(self.options["seconds"])
        return {**late, "cpu_pct": (time.process_time() - cpu) / (time.perf_counter() - begun) * 100}
