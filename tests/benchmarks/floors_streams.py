"""Do the least that frames need: depth by a compiled scanner, fills into Hummingbot's orders, one number looked up."""

import asyncio
import importlib.util
import json
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.benchmarks import wire
from tests.benchmarks.floors import Floor
from tests.benchmarks.worker import Absent

BUILD = Path(__file__).resolve().parents[2] / "build" / "benchmarks"
SOURCE = Path(__file__).with_name("depth_floor.cpp")

_encode = msgspec.json.Encoder().encode


def compiled() -> ModuleType:
    """Return the compiled scanner, built on first use.

    Raises:   Absent where there is no C++ compiler or no source of Hummingbot's book entries.
    """
    target = BUILD / f"depth_floor{sysconfig.get_config_var('EXT_SUFFIX')}"
    spec = importlib.util.find_spec("hummingbot")
    roots = list(spec.submodule_search_locations or []) if spec is not None else []
    entries = Path(roots[0]) / "core" / "cpp" if roots else Path()
    compiler = shutil.which("g++") or shutil.which("clang++")
    if not (entries / "OrderBookEntry.cpp").is_file() or compiler is None:
        raise Absent("no compiler")
    if not target.is_file() or target.stat().st_mtime < SOURCE.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        headers = [f"-I{sysconfig.get_paths()['include']}", f"-I{entries}"]
        sources = [str(SOURCE), str(entries / "OrderBookEntry.cpp")]
        unfinished = target.with_suffix(".new")
        command = [compiler, "-O2", "-std=c++17", "-shared", "-fPIC", *headers, *sources, "-o", str(unfinished)]
        subprocess.run(command, check=True, capture_output=True)
        unfinished.replace(target)
    found = importlib.util.spec_from_loader("depth_floor", ExtensionFileLoader("depth_floor", str(target)))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


class CompiledBooks:
    """Hummingbot's own books, changed by the compiled scanner; finding the book and its sequence is Python."""

    def __init__(self, floor: ModuleType, last_ids: Mapping[str, int]) -> None:
        from hummingbot.core.data_type.order_book import OrderBook
        from hummingbot.core.data_type.order_book_row import OrderBookRow
        from hummingbot.core.pubsub import PubSub

        floor.use(OrderBook, PubSub)
        self._scan, self._change = floor.scan, floor.apply
        self._last_ids = dict(last_ids)
        snapshot = json.loads("{" + wire.snapshot_levels() + "}")
        self.books = {symbol: OrderBook() for symbol in last_ids}
        for symbol, book in self.books.items():
            sides = [
                [OrderBookRow(float(price), float(size), last_ids[symbol]) for price, size in snapshot[side]]
                for side in ("bids", "asks")
            ]
            book.apply_snapshot(*sides, last_ids[symbol])

    def apply(self, text: str) -> None:
        """Apply one frame; raises ValueError when it does not continue its book."""
        symbol, first_id, last_id = self._scan(text)
        if first_id != self._last_ids[symbol] + 1:
            raise ValueError(f"a gap before {first_id}")
        self._change(self.books[symbol], last_id)
        self._last_ids[symbol] = last_id


class Books(Floor):
    """A compiled scanner straight into Hummingbot's own books, one call a frame."""

    async def prepare(self) -> None:
        self._last_ids = dict.fromkeys(self.symbols, 1_000)
        self._books = CompiledBooks(compiled(), self._last_ids)

    def _frames(self, count: int) -> list[str]:
        return [text for _, text in wire.depth_frames(self.symbols, self._last_ids, count, self.options["size"])]

    async def round(self) -> dict[str, float]:
        apply = self._books.apply
        frames = self._frames(self.options["count"])
        begun = time.process_time()
        for frame in frames:
            apply(frame)
        found = {"us": (time.process_time() - begun) / len(frames) * 1e6}
        if self.options.get("singles"):
            spent = []
            for frame in self._frames(self.options["singles"]):
                start = time.perf_counter()
                apply(frame)
                spent.append(time.perf_counter() - start)
            found["single_us"] = median(spent) * 1e6
        return found


class _Frames(asyncio.Protocol):
    """A WebSocket client that knows text frames of a server, and nothing else."""

    def __init__(self, take: Callable[[str], Any]) -> None:
        self._take = take
        self._buffer = b""
        self.is_open = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        at, size = 0, len(buffer)
        if not self.is_open.is_set():
            at = buffer.find(b"\r\n\r\n") + 4
            self.is_open.set()
        while size - at >= 2:
            length, start = buffer[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            end = start + length
            if size < end:
                break
            self._take(buffer[start:end].decode())
            at = end
        self._buffer = buffer[at:]


class Stream(Floor):
    """The smallest WebSocket client on asyncio, with the compiled scanner behind it."""

    async def prepare(self) -> None:
        self._books = CompiledBooks(compiled(), await asyncio.to_thread(self._publish, 0, 0))
        self._last = 0
        address = urlsplit(self.stand_in.url)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(lambda: _Frames(self._on), address.hostname, address.port)
        self._transport = transport
        transport.write(
            b"GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: c3RhbmQtaW4tYmVuY2htYXJrcw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await protocol.is_open.wait()
        wish = _encode({"method": "SUBSCRIBE", "params": [f"depth.{symbol}" for symbol in self.symbols]})
        transport.write(bytes([0x81, 0xFE]) + len(wish).to_bytes(2, "big") + bytes(4) + wish)

    def _publish(self, count: int, rate: float) -> dict[str, int]:
        return self.stand_in.publish(len(self.symbols), count, rate, wire.SMALL)

    def _on(self, text: str) -> None:
        self._books.apply(text)
        self._last += 1

    async def round(self) -> dict[str, float]:
        options = self.options
        cpu_s, wall_s, _ = await self._take(options["count"], options["rate"])
        found = {"cpu_us": cpu_s / options["count"] * 1e6, "cpu_pct": cpu_s / wall_s * 100}
        if options["burst"]:
            _, _, done = await self._take(options["burst"], 0)
            found["burst_per_s"] = options["burst"] / (done - self.stand_in.sent_at()["first"])
        return found

    async def _take(self, count: int, rate: float) -> tuple[float, float, float]:
        expected = self._last + count
        await asyncio.to_thread(self._publish, count, rate)
        cpu, begun = time.process_time(), time.perf_counter()
        while self._last < expected:
            await asyncio.sleep(0.02 if rate else 0.001)
            if time.perf_counter() - begun > 60:
                raise TimeoutError(f"{expected - self._last} frames are missing")
        return time.process_time() - cpu, time.perf_counter() - begun, time.perf_counter()

    async def finish(self) -> None:
        self._transport.close()


class _FillData(msgspec.Struct):
    """The fields of a fill that an event needs."""

    i: str
    l: Decimal  # noqa: E741 - the exchange's letter
    L: Decimal
    n: Decimal
    N: str
    t: int
    T: int
    c: int | None = None


class _FillFrame(msgspec.Struct):
    data: _FillData


class Fills(Floor):
    """Decode the frame, find the order, let Hummingbot's order take the fill, and tell the event."""

    async def prepare(self) -> None:
        from hummingbot.core.event.event_forwarder import EventForwarder
        from hummingbot.core.event.events import MarketEvent
        from hummingbot.core.pubsub import PubSub

        self._trade_ids = iter(range(1, 2**31))
        self._events = PubSub()
        self._filled_at = 0.0
        self._forwarder = EventForwarder(self._hear)
        self._tag = MarketEvent.OrderFilled
        self._events.add_listener(self._tag, self._forwarder)

    def _hear(self, _: Any) -> None:
        self._filled_at = time.perf_counter()

    def _handler(self, orders: dict[str, Any]) -> Callable[[str], None]:
        from hummingbot.core.data_type.in_flight_order import TradeUpdate
        from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount
        from hummingbot.core.event.events import OrderFilledEvent

        decode = msgspec.json.Decoder(_FillFrame, strict=False).decode

        def take(text: str) -> None:
            fill = decode(text).data
            order = orders[str(fill.c)]
            fee = DeductedFromReturnsTradeFee(flat_fees=[TokenAmount(fill.N, fill.n)])
            trade_id, at = str(fill.t), fill.T / 1e6
            update = TradeUpdate(
                trade_id=trade_id,
                client_order_id=order.client_order_id,
                exchange_order_id=fill.i,
                trading_pair=order.trading_pair,
                fill_timestamp=at,
                fill_price=fill.L,
                fill_base_amount=fill.l,
                fill_quote_amount=fill.l * fill.L,
                fee=fee,
            )
            if order.update_with_trade_update(update):
                event = OrderFilledEvent(
                    at,
                    order.client_order_id,
                    order.trading_pair,
                    order.trade_type,
                    order.order_type,
                    fill.L,
                    fill.l,
                    fee,
                    exchange_trade_id=trade_id,
                    exchange_order_id=fill.i,
                )
                self._events.trigger_event(self._tag, event)

        return take

    async def round(self) -> dict[str, float]:
        return {f"us_{count}_{done}": self._fills(count) for count, done in ((1, 0), (20, 0), (20, 60), (40, 600))}

    def _fills(self, open_orders: int) -> float:
        from tests.benchmarks.sides import open_order

        orders = [open_order(next(self.client_ids), "A00-USDC") for _ in range(open_orders)]
        take, spent = self._handler({order.client_order_id: order for order in orders}), []
        for number in range(self.options["count"]):
            order = orders[number % open_orders]
            text = wire.fill_frame(
                self.symbols[0], order.client_order_id, order.exchange_order_id, next(self._trade_ids), "0.01"
            )
            begun = time.perf_counter()
            take(text)
            spent.append(self._filled_at - begun)
        return median(spent) * 1e6


class Balance(Floor):
    """Look one number up."""

    async def round(self) -> dict[str, float]:
        balances, spent = {"USDC": Decimal(1)}, []
        for _ in range(self.options["count"]):
            begun = time.perf_counter()
            balances.get("USDC")
            spent.append(time.perf_counter() - begun)
        return {"us_20": median(spent) * 1e6, "us_crowd": median(spent) * 1e6}
