"""Recording an exchange: what is on the tape, gaps and lost connections, and what ends it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from backpack_connector.client import capture as module
from backpack_connector.client.capture import Capture, CaptureOptions, CaptureReport, public_source, stream_url
from backpack_connector.hosts import REST_URL, WS_URL
from backpack_connector.protocol.errors import ConfigurationError, NoAnswer
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.clock import wall_clock_us
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from backpack_connector.simulator.markets import load_instruments
from backpack_connector.simulator.replay import Replay, Tape, TapeOptions
from backpack_connector.tape_files import TapeReader
from tests.simulator.faults_support import until

SYMBOLS = ("SOL_USDC", "SOL_USDC_PERP")
LIMIT_S = 20.0


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator() as running:
        yield running


@asynccontextmanager
async def recording(simulator: Simulator, path: Path, *symbols: str) -> AsyncIterator[Capture]:
    """Record until the body is left."""
    capture = Capture(CaptureOptions(path, symbols or SYMBOLS, simulator.rest_url), wall_clock_us)
    stopped = asyncio.Event()
    task = asyncio.ensure_future(capture.run(stopped))
    try:
        yield capture
    finally:
        stopped.set()
        await asyncio.wait_for(task, LIMIT_S)


def replayed(path: Path) -> Exchange:
    """Return an exchange after the whole tape."""
    now_us = [10**15]
    tape = Tape(TapeOptions(path, speed=100.0))
    exchange = Exchange(tape.instruments(load_instruments()), clock=lambda: now_us[0], first_id=1)
    replay = Replay(tape, exchange, now_us[0])
    while not replay.is_over:
        list(replay.advance(now_us[0]))
        now_us[0] += 500_000
    assert replay.unreadable == 0
    return exchange


def book_of(exchange: Exchange, symbol: str) -> list[list[tuple[Decimal, Decimal]]]:
    book = exchange.markets[symbol].book
    return [book.bids.best_levels(10_000), book.asks.best_levels(10_000)]


def recorded_book(path: Path, symbol: str) -> list[list[tuple[Decimal, Decimal]]]:
    """Follow a book over the tape with a few lines that share nothing with the replay."""
    sides: list[dict[Decimal, Decimal]] = [{}, {}]
    last = 0
    for row in TapeReader(path).rows():
        if row.operation == "get_depth" and row.query["symbol"] == symbol:
            body = json.loads(bytes(row.body))
            if int(body["lastUpdateId"]) >= last:
                last = int(body["lastUpdateId"])
                sides = [{Decimal(p): Decimal(q) for p, q in body[name]} for name in ("bids", "asks")]
        elif row.stream == f"depth.{symbol}":
            data = json.loads(bytes(row.data))
            if data["U"] == last + 1:
                last = data["u"]
                for side, name in zip(sides, ("b", "a"), strict=True):
                    side.update({Decimal(p): Decimal(q) for p, q in data[name]})
    return [sorted((p, q) for p, q in side.items() if q) for side in sides]


async def test_a_recording_replays_to_the_books_that_were_there(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "x.tape.gz"
    async with recording(simulator, path) as capture:
        report = capture.report
        await until(lambda: report.snapshots >= 2 and report.streams.get("trade", 0) > 5)
        await until(lambda: {"depth", "trade", "bookTicker", "ticker", "markPrice"} <= set(report.streams))
    rows = list(TapeReader(path).rows())
    assert [row.operation for row in rows if row.operation][:6] == list(module._OPENING)
    assert rows[-1].note == "end"
    assert sum(row.stream is not None for row in rows) == report.frames
    assert all(later.time_us >= row.time_us for row, later in pairwise(rows))
    assert (report.gaps, report.connections, report.unreadable) == (0, 1, 0)
    exchange = replayed(path)
    for symbol in SYMBOLS:
        assert book_of(exchange, symbol) == recorded_book(path, symbol) != [[], []]
        traded = sum(row.stream == f"trade.{symbol}" for row in rows)
        assert len(exchange.markets[symbol].trades) == traded


async def test_after_a_gap_a_new_snapshot_is_recorded(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "x.tape.gz"
    async with recording(simulator, path, "SOL_USDC") as capture:
        await until(lambda: capture.report.snapshots == 1 and capture.report.frames > 20)
        simulator.faults.inject(Fault(kind=FaultKind.FRAME_DROPPED, streams=("depth",), count=1))
        await until(lambda: capture.report.snapshots == 2)
        await until(lambda count=capture.report.frames: capture.report.frames > count + 20)  # type: ignore[misc]
    assert capture.report.gaps == 1
    notes = [row.note for row in TapeReader(path).rows() if row.note]
    assert notes == ["connected", "the book of SOL_USDC has a gap", "disconnected", "end"]
    assert book_of(replayed(path), "SOL_USDC") == recorded_book(path, "SOL_USDC")


async def test_a_lost_connection_is_made_again(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "x.tape.gz"
    async with recording(simulator, path, "SOL_USDC") as capture:
        await until(lambda: capture.report.snapshots == 1)
        simulator.faults.inject(Fault(kind=FaultKind.SOCKET_DROPPED))
        await until(lambda: capture.report.connections == 2 and capture.report.snapshots == 2)
        await until(lambda count=capture.report.frames: capture.report.frames > count + 20)  # type: ignore[misc]
    assert book_of(replayed(path), "SOL_USDC") == recorded_book(path, "SOL_USDC")


async def test_a_snapshot_that_does_not_come_is_asked_for_again(simulator: Simulator, tmp_path: Path) -> None:
    simulator.faults.inject(Fault(kind=FaultKind.UNAVAILABLE, operations=("get_depth",), count=1))
    path = tmp_path / "x.tape.gz"
    async with recording(simulator, path, "SOL_USDC") as capture:
        await until(lambda: capture.report.snapshots == 1)
    assert any("no snapshot of SOL_USDC" in (row.note or "") for row in TapeReader(path).rows())


async def test_a_market_without_a_book_is_asked_for_less_and_less_and_holds_nothing_up(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    class Counting(module.Backoff):
        def next_pause_s(self) -> float:
            pauses.append(super().next_pause_s())
            return pauses[-1] / 100

    monkeypatch.setattr(module, "Backoff", Counting)
    simulator.faults.inject(Fault(kind=FaultKind.UNAVAILABLE, operations=("get_depth",), market="SOL_USDC"))
    path = tmp_path / "x.tape.gz"
    async with recording(simulator, path) as capture:
        await until(lambda: len(pauses) > 8 and capture.report.snapshots == 1)
    assert 10 < pauses[-1] <= 30
    assert book_of(replayed(path), "SOL_USDC_PERP") == recorded_book(path, "SOL_USDC_PERP")


@pytest.mark.parametrize(
    ("symbols", "sentence"),
    [
        ((), "Name at least one market with --symbols."),
        (("SOL_USD",), "The exchange has no market SOL_USD; did you mean SOL_USDC?"),
        (("sol_usdc",), "The exchange has no market sol_usdc; did you mean SOL_USDC?"),
        (("?",), "The exchange has no market ?."),
    ],
)
async def test_a_market_that_does_not_exist_leaves_no_file(
    simulator: Simulator, tmp_path: Path, symbols: tuple[str, ...], sentence: str
) -> None:
    path = tmp_path / "x"
    with pytest.raises(ConfigurationError) as caught:
        await Capture(CaptureOptions(path, symbols, simulator.rest_url), wall_clock_us).run(asyncio.Event())
    assert str(caught.value) == sentence
    assert not path.exists()


async def test_a_file_is_replaced_only_when_the_exchange_has_answered(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("precious")
    stopped = asyncio.Event()
    with pytest.raises(ConfigurationError, match="exists already"):
        await Capture(CaptureOptions(path, ("SOL_USDC",), simulator.rest_url), wall_clock_us).run(stopped)
    simulator.faults.inject(Fault(kind=FaultKind.REQUEST_LOST))
    options = CaptureOptions(path, ("SOL_USDC",), simulator.rest_url, replaces=True)
    with pytest.raises(NoAnswer):
        await Capture(options, wall_clock_us).run(stopped)
    assert path.read_text() == "precious"
    simulator.faults.end(None)
    stopped.set()
    assert await Capture(options, wall_clock_us).run(stopped) == CaptureReport()
    assert path.read_text() == "precious"


async def test_a_full_disk_ends_the_recording(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    capture = Capture(CaptureOptions(path, SYMBOLS, simulator.rest_url), wall_clock_us)
    create = module.TapeWriter.frame

    def fail(tape: module.TapeWriter, time_us: int, text: str) -> None:
        create(tape, time_us, text)
        if tape.rows > 30:
            tape.failure = OSError(28, "No space left on device")
            raise tape.failure

    monkeypatch.setattr(module.TapeWriter, "frame", fail)
    with pytest.raises(ConfigurationError, match="cannot be written any more: No space left on device"):
        await asyncio.wait_for(capture.run(asyncio.Event()), LIMIT_S)


def test_addresses() -> None:
    assert stream_url(REST_URL) == WS_URL
    assert stream_url("http://127.0.0.1:8700") == "ws://127.0.0.1:8700"
    assert stream_url("https://example.org") == "wss://example.org"
    assert public_source("https://me:secret@example.org/x") == "https://example.org/x"
    assert public_source(REST_URL) == REST_URL
