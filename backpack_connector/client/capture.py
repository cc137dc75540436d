"""Record what the exchange tells everybody about some markets on a tape (tape_files), until it is told to stop.

First come the answers that say what the markets are, then the frames of all public streams of the markets, as they
arrive, and a snapshot of each book. Rule 1: books are recorded in sequence: when a frame is missing, or the connection
was lost, a new snapshot follows, so that a reader can go on from there. Rule 2: a frame is written before the next one
is read, so that memory does not grow. Rule 3: no account, no key, no private stream.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from backpack_connector.hosts import REST_URL, WS_URL
from backpack_connector.protocol.depth import DepthSequence, Verdict
from backpack_connector.protocol.errors import BackpackError, ConfigurationError, WireFormatError
from backpack_connector.protocol.messages import DepthUpdate, ErrorFrame, decoded_frame, parse_message
from backpack_connector.protocol.models import DepthSnapshot
from backpack_connector.protocol.streams import (
    LIQUIDATIONS,
    depth_stream,
    mark_price_stream,
    split_stream_name,
    subscribe_frame,
    trade_stream,
)
from backpack_connector.protocol.wire import read
from backpack_connector.reconnect import Backoff, keep_connected
from backpack_connector.tape_files import END, VERSION, TapeHeader, TapeWriter, stream_of_text

from .rest import BackpackClient

_MAX_FRAME_BYTES = 4 * 1024 * 1024
_SILENCE_S = 130.0
"""The exchange pings every minute (API §3.1); twice nothing means that nobody is there."""
_SNAPSHOT_PAUSE_S = 0.5
_OPENING = ("get_status", "get_markets", "get_assets", "get_tickers", "get_mark_prices", "get_open_interest")

T = TypeVar("T")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaptureOptions:
    """What to record, and where to."""

    path: Path
    symbols: Sequence[str]
    url: str = REST_URL
    replaces: bool = False
    """The file may exist, and is replaced once the exchange has answered."""


@dataclass
class CaptureReport:
    """What was recorded."""

    frames: int = 0
    snapshots: int = 0
    gaps: int = 0
    """Books that lost their sequence, apart from lost connections."""
    connections: int = 0
    unreadable: int = 0
    streams: dict[str, int] = field(default_factory=dict)
    """Frames by kind of stream."""


def stream_url(url: str) -> str:
    """Return where the streams of an exchange are: of the real one at an address of their own, else at the same."""
    return WS_URL if url == REST_URL else "ws" + url.removeprefix("http")


def public_source(url: str) -> str:
    """Return a URL without a user name and a password, for the tape's header."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


class Capture:
    """One recording."""

    def __init__(self, options: CaptureOptions, now_us: Callable[[], int]) -> None:
        self._options = options
        self._symbols = list(dict.fromkeys(options.symbols))
        self._now_us = now_us
        self._sequences = {symbol: DepthSequence[None]() for symbol in self._symbols}
        self._missing = asyncio.Event()
        self.report = CaptureReport()

    async def run(self, stopped: asyncio.Event) -> CaptureReport:
        """Record until `stopped` is set.

        Raises:   ConfigurationError for an unknown market or a file that cannot be written; the errors of requests
                  while there is no tape yet. Later failures are repaired, and noted on the tape.
        """
        if not self._symbols:
            raise ConfigurationError("Name at least one market with --symbols.")
        if self._options.path.exists() and not self._options.replaces:
            raise ConfigurationError(
                f"{self._options.path} exists already; name another file, or replace it with --force."
            )
        async with BackpackClient(url=self._options.url) as client, aiohttp.ClientSession() as session:
            opening = await unless(stopped, self._opening(client))
            if opening is None:
                return self.report
            header = TapeHeader(
                tape=VERSION,
                source=public_source(self._options.url),
                symbols=self._symbols,
                started_us=self._now_us(),
            )
            with TapeWriter(self._options.path, header, replaces=self._options.replaces) as tape:
                for time_us, operation, body in opening:
                    tape.answer(time_us, operation, {}, body)
                await self._record(tape, client, session, opening, stopped)
                if tape.failure is None:
                    tape.note(self._now_us(), END)
        if tape.failure is not None:
            raise ConfigurationError(f"{self._options.path} cannot be written any more: {tape.failure.strerror}.")
        return self.report

    async def _opening(self, client: BackpackClient) -> list[tuple[int, str, Any]]:
        """Ask what the markets are, and refuse those that are none."""
        rows = []
        for operation in _OPENING:
            body = await client.request(operation)
            rows.append((self._now_us(), operation, body))
        for symbol in self._symbols:
            _check_symbol(symbol, _listings(rows))
        return rows

    async def _record(
        self,
        tape: TapeWriter,
        client: BackpackClient,
        session: aiohttp.ClientSession,
        opening: list[tuple[int, str, Any]],
        stopped: asyncio.Event,
    ) -> None:
        streams = self._streams(_listings(opening))

        async def listen() -> None:
            try:
                await self._listen(tape, session, streams)
            finally:
                if tape.failure is not None:  # a full disk is not repaired by a new connection
                    stopped.set()

        tasks = [
            asyncio.ensure_future(keep_connected(listen, "the capture", _logger)),
            asyncio.ensure_future(self._keep_snapshots(tape, client)),
            asyncio.ensure_future(stopped.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _streams(self, listings: Mapping[str, Any]) -> list[str]:
        names = [LIQUIDATIONS]
        for symbol in self._symbols:
            names += [depth_stream(symbol), trade_stream(symbol), f"bookTicker.{symbol}", f"ticker.{symbol}"]
            if listings[symbol]["marketType"] == "PERP":
                names += [mark_price_stream(symbol), f"openInterest.{symbol}"]
        return names

    async def _listen(self, tape: TapeWriter, session: aiohttp.ClientSession, streams: list[str]) -> None:
        """Subscribe, and write what comes until the connection ends."""
        url = stream_url(self._options.url)
        async with session.ws_connect(url, max_msg_size=_MAX_FRAME_BYTES) as socket:
            await socket.send_json(subscribe_frame(streams))
            self.report.connections += 1
            tape.note(self._now_us(), "connected")
            self._missing.set()
            try:
                while True:
                    message = await socket.receive(_SILENCE_S)
                    if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                        return
                    self._on_text(tape, message.data)
            finally:
                tape.note(self._now_us(), "disconnected")
                for sequence in self._sequences.values():
                    sequence.restart()

    def _on_text(self, tape: TapeWriter, text: str | bytes) -> None:
        time_us, stream = self._now_us(), stream_of_text(text)
        if stream is None:
            self._on_other(tape, time_us, text)
            return
        tape.frame(time_us, text)
        self.report.frames += 1
        kind = split_stream_name(stream).kind
        self.report.streams[kind] = self.report.streams.get(kind, 0) + 1
        if kind == "depth":
            self._follow(tape, time_us, text)

    def _on_other(self, tape: TapeWriter, time_us: int, text: str | bytes) -> None:
        self.report.unreadable += 1
        try:
            message = parse_message(decoded_frame(text if isinstance(text, str) else text.decode(errors="replace")))
        except BackpackError:
            message = None
        said = f"{message.code} {message.message}" if isinstance(message, ErrorFrame) else "it is no frame with data"
        tape.note(time_us, f"a message was not recorded: {said}")

    def _follow(self, tape: TapeWriter, time_us: int, text: str | bytes) -> None:
        """Notice a missing update, and have a snapshot taken."""
        try:
            message = parse_message(decoded_frame(text if isinstance(text, str) else text.decode(errors="replace")))
        except BackpackError:
            self.report.unreadable += 1
            return
        if not isinstance(message, DepthUpdate) or message.symbol not in self._sequences:
            return
        sequence = self._sequences[message.symbol]
        if sequence.update(message.first_update_id, message.last_update_id, None) is Verdict.GAP:
            self.report.gaps += 1
            tape.note(time_us, f"the book of {message.symbol} has a gap")
            self._missing.set()

    async def _keep_snapshots(self, tape: TapeWriter, client: BackpackClient) -> None:
        """Take a snapshot of each book that has none, again until it fits; a closed market may never have one."""
        backoff = Backoff(_SNAPSHOT_PAUSE_S)
        while True:
            await self._missing.wait()
            self._missing.clear()
            for symbol, sequence in self._sequences.items():
                if not sequence.is_synchronized:
                    await self._take_snapshot(tape, client, symbol)
            if all(sequence.is_synchronized for sequence in self._sequences.values()):
                backoff.reset()
            else:
                asyncio.get_running_loop().call_later(backoff.next_pause_s(), self._missing.set)

    async def _take_snapshot(self, tape: TapeWriter, client: BackpackClient, symbol: str) -> None:
        query = {"symbol": symbol}
        try:
            body = await client.request("get_depth", query)
            update_id = read(DepthSnapshot, body, "get_depth").update_id
        except BackpackError as error:
            tape.note(self._now_us(), f"no snapshot of {symbol}: {error}")
            return
        if self._sequences[symbol].snapshot(update_id) is not None:
            tape.answer(self._now_us(), "get_depth", query, body)
            self.report.snapshots += 1


async def unless(stopped: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what some work returns, or None when `stopped` is set before; then it is cancelled."""
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].result() if tasks[0].done() else None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _listings(rows: Sequence[tuple[int, str, Any]]) -> dict[str, Any]:
    body = next(body for _, operation, body in rows if operation == "get_markets")
    if not isinstance(body, list) or not all(isinstance(row, dict) and "symbol" in row for row in body):
        raise WireFormatError("What answers there does not list markets as the exchange does.")
    return {row["symbol"]: row for row in body}


def _check_symbol(symbol: str, listings: Mapping[str, Any]) -> None:
    if symbol in listings:
        return
    similar = get_close_matches(symbol.upper(), list(listings), n=1, cutoff=0.5)
    hint = f"; did you mean {similar[0]}?" if similar else "."
    raise ConfigurationError(f"The exchange has no market {symbol}{hint}")
