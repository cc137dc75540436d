"""Measure the way of depth frames into the books: inside the process, and through sockets."""

import asyncio
import time
from statistics import median
from typing import Any

from tests.benchmarks import wire
from tests.benchmarks.fed import FedSocket, fed_socket, message
from tests.benchmarks.sides import Side, until
from tests.benchmarks.worker import StandIn


class _Tracking:
    """A connector whose order book tracker runs."""

    def __init__(self, variant: str, url: str, pairs: int) -> None:
        self.side = Side(variant, url, pairs)
        self.symbols = [wire.symbol_of(pair) for pair in self.side.pairs]

    async def start(self) -> None:
        """Start the streams and wait for all books."""
        tracker = self.side.connector.order_book_tracker
        tracker._sleep = _no_sleep  # the built-in waits a second a pair; what is measured comes after it
        await self.side.connector._update_trading_rules()
        tracker.start()
        end = time.monotonic() + 60
        while not tracker.ready:
            if time.monotonic() > end:
                raise TimeoutError("the books did not get ready")
            await asyncio.sleep(0.005)
        del tracker._sleep  # otherwise whoever asks for something each minute does so all the time, at our cost
        self.books = [tracker.order_books[pair] for pair in self.side.pairs]

    def has_reached(self, last_ids: dict[str, int]) -> bool:
        """Tell whether every book has applied its last update."""
        return all(
            book.last_diff_uid >= last_ids[symbol] for book, symbol in zip(self.books, self.symbols, strict=True)
        )

    async def stop(self) -> None:
        """End the streams."""
        self.side.connector.order_book_tracker.stop()
        await self.side.close()


async def _no_sleep(*_: Any, **__: Any) -> None:
    return


class InProcess:
    """A burst of frames through the process, by CPU time; then one at a time, by the clock."""

    def __init__(self, variant: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self._options = options
        self._tracking = _Tracking(variant, stand_in.url, options["pairs"])
        self._last_ids = dict.fromkeys(self._tracking.symbols, 1_000)
        self._socket: FedSocket | None = None

    async def prepare(self) -> None:
        self._socket = await fed_socket()
        await self._tracking.start()

    def _frames(self, count: int) -> list[tuple[str, Any]]:
        frames = wire.depth_frames(self._tracking.symbols, self._last_ids, count, self._options["size"])
        return [(symbol, message(text)) for symbol, text in frames]

    async def round(self) -> dict[str, float]:
        assert self._socket is not None
        frames = self._frames(self._options["count"])
        begun = time.process_time()
        self._socket.feed([frame for _, frame in frames])
        await until(lambda: self._tracking.has_reached(self._last_ids))
        found = {"us": (time.process_time() - begun) / len(frames) * 1e6}
        if self._options.get("singles"):
            found["single_us"] = await self._one_at_a_time(self._options["singles"])
        return found

    async def _one_at_a_time(self, count: int) -> float:
        socket = self._socket
        assert socket is not None
        by_symbol = dict(zip(self._tracking.symbols, self._tracking.books, strict=True))
        targets, expected = [], dict(self._last_ids)
        frames = self._frames(count)
        for symbol, _ in frames:
            expected[symbol] += 1
            targets.append((by_symbol[symbol], expected[symbol]))

        def is_applied() -> bool:
            book, update_id = targets[len(socket.handed_at) - 1]
            return book.last_diff_uid >= update_id

        await until(lambda: socket.is_empty)
        socket.feed([frame for _, frame in frames], is_applied)
        await until(lambda: socket.is_empty)
        spent = zip(socket.handed_at, socket.came_back_at, strict=True)
        return median(end - start for start, end in spent) * 1e6

    async def finish(self) -> None:
        await self._tracking.stop()


class Sockets:
    """Frames at a steady rate over a real connection, by CPU time, and a burst, by the clock."""

    def __init__(self, variant: str, stand_in: StandIn, options: dict[str, Any]) -> None:
        self._options = options
        self._stand_in = stand_in
        self._tracking = _Tracking(variant, stand_in.url, options["pairs"])

    async def prepare(self) -> None:
        await self._tracking.start()

    async def round(self) -> dict[str, float]:
        found = await self._at_rate()
        if self._options["burst"]:
            found["burst_per_s"] = await self._burst()
        return found

    async def _at_rate(self) -> dict[str, float]:
        count, rate = self._options["count"], self._options["rate"]
        last_ids = await asyncio.to_thread(self._publish, count, rate)
        cpu, begun = time.process_time(), time.perf_counter()
        while not self._tracking.has_reached(last_ids):
            await asyncio.sleep(0.02)
            if time.perf_counter() - begun > count / rate + 30:
                raise TimeoutError("the books did not get all frames")
        cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - begun
        return {"cpu_us": cpu_s / count * 1e6, "cpu_pct": cpu_s / wall_s * 100}

    async def _burst(self) -> float:
        count = self._options["burst"]
        last_ids = await asyncio.to_thread(self._publish, count, 0)
        end = time.monotonic() + 60
        while not self._tracking.has_reached(last_ids):
            await asyncio.sleep(0.001)
            if time.monotonic() > end:
                raise TimeoutError("the books did not get all frames")
        done = time.perf_counter()
        return count / (done - self._stand_in.sent_at()["first"])

    def _publish(self, count: int, rate: float) -> dict[str, int]:
        return self._stand_in.publish(len(self._tracking.symbols), count, rate, wire.SMALL)

    async def finish(self) -> None:
        await self._tracking.stop()
