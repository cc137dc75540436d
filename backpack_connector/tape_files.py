"""Write and read tapes: what the exchange told everybody over a time, as JSON lines in a gzip file.

The first line is the header, and each later line one row, in the order of arrival:

    {"tape":1,"source":"https://api.backpack.exchange","symbols":["SOL_USDC"],"startedUs":1791043256600000}
    {"t":1791043256641414,"operation":"get_depth","query":{"symbol":"SOL_USDC"},"body":{...}}
    {"t":1791043256700000,"stream":"depth.SOL_USDC","data":{...}}
    {"t":1791043299000000,"note":"the stream was connected again"}
    {"t":1791043316641414,"note":"end"}

`t` is when it arrived, in microseconds; bodies and data are what the exchange sent. Rule 1: no account data, whatever
arrives: of a private stream only its name is kept. Rule 2: what was written before a crash can be read; a line that is
cut off is left out. Plain JSON lines, not compressed, are read as well.
"""

import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import msgspec

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.streams import split_stream_name

VERSION = 1
END = "end"
"""The note that a tape ends with, unless its writer died."""

MAX_LINE_BYTES = 32 * 1024 * 1024
"""Twice the longest answer that is read (single_attempts)."""
FLUSH_INTERVAL_S = 1.0
"""What a crash can cost at most."""

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 64 * 1024
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


class TapeHeader(msgspec.Struct, rename="camel", kw_only=True):
    """Where a tape comes from."""

    tape: int
    """Version of the format."""
    source: str
    symbols: list[str]
    started_us: int


class TapeRow(msgspec.Struct, kw_only=True):
    """One row: a frame (`stream`, `data`), an answer (`operation`, `query`, `body`), or a note."""

    time_us: int = msgspec.field(name="t")
    stream: str | None = None
    data: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    operation: str | None = None
    query: dict[str, str] = {}
    body: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    note: str | None = None
    redacted: bool = False


class _Frame(msgspec.Struct):
    stream: str
    data: msgspec.Raw


_ENCODER = msgspec.json.Encoder(decimal_format="number")  # answers have their numbers with a point as Decimal
_read_header = msgspec.json.Decoder(TapeHeader).decode
_read_row = msgspec.json.Decoder(TapeRow).decode
_read_frame = msgspec.json.Decoder(_Frame).decode


def stream_of_text(text: str | bytes) -> str | None:
    """Return the stream of a frame that carries data, or None for any other text."""
    try:
        return _read_frame(text).stream
    except _UNREADABLE:
        return None


class TapeWriter:
    """A tape that is being written. Memory does not grow with it, and each second it is safe on the disk."""

    def __init__(
        self, path: Path, header: TapeHeader, *, replaces: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Create the file with its header.

        Raises:   ConfigurationError when it exists and may not be replaced, or cannot be written.
        """
        self.rows = 0
        self.failure: OSError | None = None
        """Why nothing can be written any more."""
        self.redacted = 0
        """Rows of private streams, whose data was left out."""
        self._monotonic = monotonic
        self._flushed_at = monotonic()
        self._compressor = zlib.compressobj(wbits=_GZIP)
        self._file: BinaryIO = create(path, replaces=replaces)
        try:
            self._write(_ENCODER.encode(header))
            self.flush()
        except OSError as error:
            self.close()
            raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from None

    def __enter__(self) -> "TapeWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def frame(self, time_us: int, text: str | bytes) -> None:
        """Write a frame as it came.

        Raises:   ValueError for a text that is no frame with data.
        """
        try:
            frame = _read_frame(text)
        except _UNREADABLE as error:
            raise ValueError("the text is no frame with stream and data") from error
        if split_stream_name(frame.stream).is_private:
            self.redacted += 1
            self._row({"t": time_us, "stream": frame.stream, "redacted": True})
        else:
            self._row({"t": time_us, "stream": frame.stream, "data": frame.data})

    def answer(self, time_us: int, operation: str, query: Mapping[str, str], body: Any) -> None:
        """Write the answer of a public REST operation."""
        self._row({"t": time_us, "operation": operation, "query": query, "body": body})

    def note(self, time_us: int, text: str) -> None:
        """Write down what happened to the recording itself."""
        self._row({"t": time_us, "note": text})

    def _row(self, row: Mapping[str, Any]) -> None:
        self.rows += 1
        self._write(_ENCODER.encode(row))
        if self._monotonic() - self._flushed_at >= FLUSH_INTERVAL_S:
            self.flush()

    def _write(self, line: bytes) -> None:
        self._to_file(self._compressor.compress(line + b"\n"))

    def _to_file(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        """Hand everything to the disk, so that a crash loses nothing of it.

        Raises:   OSError when the disk is full, as every method that writes does; `failure` remembers it.
        """
        self._flushed_at = self._monotonic()
        self._to_file(self._compressor.flush(zlib.Z_SYNC_FLUSH))
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Finish the file, if it can still be written."""
        with suppress(OSError):
            if not self._file.closed and self.failure is None:
                self._to_file(self._compressor.flush())
        self._file.close()


def create(path: Path, *, replaces: bool) -> BinaryIO:
    """Open a file for a new tape.

    Raises:   ConfigurationError when it exists and may not be replaced, or cannot be written.
    """
    try:
        return path.open("wb" if replaces else "xb", buffering=0)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already; name another file, or replace it with --force.") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from None


class TapeReader:
    """A tape that can be read as often as wanted, row by row, whatever its length."""

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:   ConfigurationError when the file cannot be read or is no tape.
        """
        self.path = path
        try:
            first = next(self._lines(), b"")
        except OSError as error:
            raise ConfigurationError(f"The tape {path} cannot be read: {error.strerror or error}.") from None
        try:
            self.header = _read_header(first)
        except _UNREADABLE:
            raise ConfigurationError(f"{path} is no tape; `backpack capture` makes one.") from None
        if self.header.tape != VERSION:
            known = f"this program reads version {VERSION}"
            raise ConfigurationError(f"{path} is a tape of version {self.header.tape}, and {known}.")

    def rows(self) -> Iterator[TapeRow]:
        """Yield the rows; a damaged tape ends where the damage begins."""
        lines = self._lines()
        next(lines, b"")
        for line in lines:
            try:
                yield _read_row(line)
            except _UNREADABLE:
                return

    def _lines(self) -> Iterator[bytes]:
        """Yield the complete lines."""
        rest = b""
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > MAX_LINE_BYTES:
                return

    def _chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            chunk = file.read(_CHUNK_BYTES)
            if not chunk.startswith(_GZIP_MAGIC):
                while chunk:
                    yield chunk
                    chunk = file.read(_CHUNK_BYTES)
                return
            yield from _unpacked(chunk, file)


def _unpacked(chunk: bytes, file: BinaryIO) -> Iterator[bytes]:
    """Unpack bit by bit; a file that was cut off, or is damaged, ends there."""
    unpacker = zlib.decompressobj(_GZIP)
    while chunk:
        try:
            yield unpacker.decompress(chunk, _CHUNK_BYTES)
        except zlib.error:
            return
        chunk = unpacker.unconsumed_tail or unpacker.unused_data or file.read(_CHUNK_BYTES)
        if unpacker.eof:  # files that were put one behind the other
            unpacker = zlib.decompressobj(_GZIP)
