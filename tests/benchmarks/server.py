"""Stand in for the exchange: REST and streams by hand on asyncio, in a process of its own, loopback only.

Rule 1: it does as little as it can, so that it is not what is measured: no signature is checked, nothing is matched.
Rule 2: it notes when each order and cancel arrived, on the monotonic clock that all processes of a machine share.
Rule 3: one port answers at once; the other stands behind a line with a round trip of 50 ms, where a new connection
        costs two round trips more, as TCP with TLS 1.3 does.

`/bench/...` is what the benchmarks themselves ask: arrivals, the number of requests, and depth frames to be sent.
"""

import asyncio
import base64
import gc
import hashlib
import json
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.benchmarks import wire

ROUND_TRIP_S = 0.05
MARKETS = 100
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BURST_CHUNK = 500
_TICKER = {"firstPrice": "100", "high": "110", "lastPrice": "105", "low": "90", "priceChange": "5", "trades": "10"}
_TICKER |= {"priceChangePercent": "0.05", "quoteVolume": "1000", "volume": "10"}
_ACCOUNT = {"leverageLimit": "10", "spotMakerFee": "8", "spotTakerFee": "10", "futuresMakerFee": "2"}
_ACCOUNT |= {"futuresTakerFee": "5", "autoLend": False, "autoBorrowSettlements": True, "autoRepayBorrows": True}


def ws_frame(payload: bytes, opcode: int = 1) -> bytes:
    """Return a WebSocket frame as servers send it: complete and unmasked (RFC 6455 §5.2)."""
    length = len(payload)
    if length < 126:
        return bytes([0x80 | opcode, length]) + payload
    if length < 65_536:
        return struct.pack("!BBH", 0x80 | opcode, 126, length) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, length) + payload


class Exchange:
    """The little that the stand-in knows: open orders, arrivals, update ids, and who listens."""

    def __init__(self) -> None:
        self.symbols = [wire.symbol_of(pair) for pair in wire.pairs(MARKETS)]
        self.markets = json.dumps([wire.market(symbol) for symbol in self.symbols]).encode()
        self.levels = wire.snapshot_levels()
        self.last_ids = dict.fromkeys(self.symbols, 1_000)
        self.orders: dict[str, dict[str, Any]] = {}
        self.arrivals: list[tuple[str, int | str | None, float]] = []
        self.requests: Counter[str] = Counter()
        self.sent_at: dict[str, float] = {}
        self.listeners: set[Connection] = set()
        self.busy: asyncio.Task[None] | None = None
        self._next_id = 8_000_000_000
        self._routes: dict[tuple[str, str], Callable[[dict[str, str], Any, float], Any]] = {
            ("GET", "/api/v1/ping"): lambda *_: b"pong",
            ("GET", "/api/v1/time"): lambda *_: str(time.time_ns() // 1_000_000).encode(),
            ("GET", "/api/v1/status"): lambda *_: {"status": "Ok", "message": None},
            ("GET", "/api/v1/markets"): lambda *_: self.markets,
            ("GET", "/api/v1/depth"): lambda query, *_: wire.depth_answer(self.levels, self.last_ids[query["symbol"]]),
            ("GET", "/api/v1/ticker"): lambda query, *_: {**_TICKER, "symbol": query["symbol"]},
            ("GET", "/api/v1/tickers"): lambda *_: [{**_TICKER, "symbol": symbol} for symbol in self.symbols],
            ("GET", "/api/v1/capital"): lambda *_: _balances(),
            ("GET", "/api/v1/account"): lambda *_: _ACCOUNT,
            ("GET", "/api/v1/orders"): lambda *_: list(self.orders.values()),
            ("GET", "/api/v1/order"): self._order,
            ("POST", "/api/v1/order"): self._place,
            ("POST", "/api/v1/orders"): self._place_batch,
            ("DELETE", "/api/v1/order"): self._cancel,
            ("DELETE", "/api/v1/orders"): self._cancel_market,
            ("GET", "/bench/arrivals"): lambda *_: self._taken(),
            ("GET", "/bench/sent"): lambda *_: self.sent_at,
            ("POST", "/bench/publish"): self._publish,
        }

    def answer(self, method: str, target: str, body: bytes, now: float) -> bytes:
        """Return the body of an answer; what is not known is an empty list, as of a quiet account."""
        parts = urlsplit(target)
        if not parts.path.startswith("/bench/"):
            self.requests[f"{method} {parts.path}"] += 1
        route = self._routes.get((method, parts.path))
        if route is None:
            return b"[]"
        query = {name: values[0] for name, values in parse_qs(parts.query).items()} if parts.query else {}
        found = route(query, json.loads(body) if body else None, now)
        return found if isinstance(found, bytes) else json.dumps(found, separators=(",", ":")).encode()

    def _taken(self) -> dict[str, Any]:
        taken = {"arrivals": self.arrivals, "requests": dict(self.requests)}
        self.arrivals, self.requests = [], Counter()
        return taken

    def _rest(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._next_id += 1
        placed = self.orders[str(self._next_id)] = wire.order(self._next_id, fields)
        return placed

    def _place(self, _: Any, fields: dict[str, Any], now: float) -> dict[str, Any]:
        self.arrivals.append(("place", fields.get("clientId"), now))
        return self._rest(fields)

    def _place_batch(self, _: Any, batch: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
        self.arrivals.extend(("place", fields.get("clientId"), now) for fields in batch)
        return [{"operation": "Ok", **self._rest(fields)} for fields in batch]

    def _find(self, fields: dict[str, Any]) -> str | None:
        order_id = fields.get("orderId")
        if order_id is not None:
            return str(order_id)
        wanted = str(fields.get("clientId"))
        return next((key for key, row in self.orders.items() if str(row["clientId"]) == wanted), None)

    def _order(self, query: dict[str, str], *_: Any) -> dict[str, Any]:
        return self.orders.get(self._find(query) or "") or wire.order(1, query)

    def _cancel(self, _: Any, fields: dict[str, Any], now: float) -> dict[str, Any]:
        found = self._find(fields) or ""
        row = self.orders.pop(found, None) or wire.order(1, fields)
        self.arrivals.append(("cancel", row["clientId"], now))
        return {**row, "status": "Cancelled"}

    def _cancel_market(self, _: Any, fields: dict[str, Any], now: float) -> list[dict[str, Any]]:
        gone = [key for key, row in self.orders.items() if row["symbol"] == fields["symbol"]]
        self.arrivals.extend(("cancel", self.orders[key]["clientId"], now) for key in gone)
        return [{**self.orders.pop(key), "status": "Cancelled"} for key in gone]

    # Streams

    def _publish(self, _: Any, wish: dict[str, Any], __: float) -> dict[str, Any]:
        """Begin to send depth frames: `count` of them over `pairs` markets, `rate` a second or 0 for all at once."""
        self.busy = asyncio.ensure_future(self._send_frames(**wish))
        ends = {symbol: self.last_ids[symbol] for symbol in self.symbols}
        for number in range(wish["count"]):
            ends[self.symbols[number % wish["pairs"]]] += 1
        return {symbol: ends[symbol] for symbol in self.symbols[: wish["pairs"]]}

    async def _send_frames(self, pairs: int, count: int, rate: float, size: str) -> None:
        await asyncio.sleep(0.05)  # the asker prepares its clock
        frames = wire.depth_frames(self.symbols[:pairs], self.last_ids, count, size)
        if not rate:
            packed = [ws_frame(text.encode()) for _, text in frames]
            self.sent_at = {"first": time.perf_counter()}
            for start in range(0, count, _BURST_CHUNK):
                chunk = b"".join(packed[start : start + _BURST_CHUNK])
                for listener in list(self.listeners):
                    listener.send(chunk)
                await asyncio.sleep(0)
            return
        begun = time.perf_counter()
        for number, (_, text) in enumerate(frames):
            # A timer of the event loop is good for a millisecond, so the loop turns until a frame is due.
            while time.perf_counter() < begun + number / rate:  # noqa: ASYNC110
                await asyncio.sleep(0)
            packed_frame = ws_frame(text.encode())
            for listener in list(self.listeners):
                listener.send(packed_frame)
        self.sent_at = {"first": begun, "last": time.perf_counter()}


def _balances() -> dict[str, dict[str, str]]:
    row = {"available": "100000000", "locked": "0", "staked": "0"}
    return {"USDC": row, **{f"A{number:02d}": row for number in range(20)}}


class Connection(asyncio.Protocol):
    """One client: requests one after another, or a stream after an upgrade."""

    def __init__(self, exchange: Exchange, delay_s: float) -> None:
        self._exchange = exchange
        self._delay_s = delay_s
        self._buffer = b""
        self._is_stream = False
        self._transport: asyncio.Transport | None = None
        self._open_at = self._last_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if self._delay_s:
            self._open_at = asyncio.get_running_loop().time() + 4 * self._delay_s

    def connection_lost(self, _: Exception | None) -> None:
        self._exchange.listeners.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if not self._delay_s:
            self._take(data)
            return
        loop = asyncio.get_running_loop()
        self._last_at = max(self._last_at, max(self._open_at, loop.time()) + self._delay_s)
        loop.call_at(self._last_at, self._take, data)

    def send(self, data: bytes) -> None:
        """Send at once, or over the slow line."""
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._write, data)
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _take(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if self._is_stream:
            self._take_frames()
            return
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].split(b"\r\n")
            headers = {name.strip().lower(): value.strip() for name, _, value in (row.partition(b":") for row in head)}
            size = int(headers.get(b"content-length", 0))
            if len(self._buffer) < end + 4 + size:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + size], self._buffer[end + 4 + size :]
            if headers.get(b"upgrade", b"").lower() == b"websocket":
                self._upgrade(headers[b"sec-websocket-key"])
                return
            method, target, _ = head[0].decode().split(" ")
            answer = self._exchange.answer(method, target, body, now)
            kind = b"text/plain" if target.endswith(("/time", "/ping")) else b"application/json"
            self.send(
                b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(answer), answer)
            )

    def _upgrade(self, key: bytes) -> None:
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        self._is_stream = True
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.send(head + b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept)

    def _take_frames(self) -> None:
        while len(self._buffer) >= 6:
            opcode, length, start = self._buffer[0] & 0x0F, self._buffer[1] & 0x7F, 2
            if length == 126:
                length, start = struct.unpack_from("!H", self._buffer, 2)[0], 4
            if len(self._buffer) < start + 4 + length:
                return
            mask = self._buffer[start : start + 4]
            masked = self._buffer[start + 4 : start + 4 + length]
            self._buffer = self._buffer[start + 4 + length :]
            payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))
            if opcode == 9:
                self.send(ws_frame(payload, opcode=10))
            elif opcode == 8:
                self.send(ws_frame(payload[:2], opcode=8))
            elif b"SUBSCRIBE" in payload and b"depth." in payload:
                self._exchange.listeners.add(self)


async def main() -> None:
    """Serve until the standard input ends; print the two ports as JSON."""
    exchange = Exchange()
    loop = asyncio.get_running_loop()
    ports = []
    for delay_s in (0.0, ROUND_TRIP_S / 2):
        server = await loop.create_server(lambda delay_s=delay_s: Connection(exchange, delay_s), "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
    gc.freeze()
    gc.disable()
    print(json.dumps(ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
