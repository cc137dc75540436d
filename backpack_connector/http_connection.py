"""One connection to an HTTP/1.1 server, over which requests go one after another; answers are parsed by httptools.

Rule 1: a request leaves with one write, and nothing is ever written twice.
Rule 2: a connection whose answer is outstanding, cut off, malformed or followed by more than was asked for is closed;
        what is left of one answer must not meet the next request.
Rule 3: whoever waits hears how it ended: an answer, ConnectionLost while not even the head of one was there (which is
        what aiohttp calls it), or AnswerUnusable.
"""

import asyncio
import zlib
from collections.abc import Callable
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from backpack_connector.single_attempts import MAX_ANSWER_BYTES, ConnectionLost

MAX_HEAD_BYTES = 64 * 1024
"""What may come before the body of an answer begins, interim answers included; the exchange sends some 600 bytes."""
_MAX_WIRE_BYTES = 2 * MAX_ANSWER_BYTES
"""Body and what frames it: chunks can be so small that their sizes are longer than what they carry."""
_EARLIEST_FINAL_STATUS = 200
_ANY_ZLIB_HEADER = zlib.MAX_WBITS | 32
_ENCODINGS = {b"gzip": True, b"x-gzip": True, b"deflate": True, b"identity": False, b"": False}
"""Whether a body that is encoded like this must be unpacked."""

Answer = tuple[int, bytes]
"""Status and body."""


class AnswerUnusable(Exception):
    """What came is no answer that can be read to its end, for the reason given; the request may have been executed."""


class HttpConnection(asyncio.Protocol):
    """A connection, from its opening to its end; `on_free` and `on_gone` are called with it."""

    def __init__(
        self, on_free: Callable[["HttpConnection"], None], on_gone: Callable[["HttpConnection"], None]
    ) -> None:
        self._on_free = on_free
        self._on_gone = on_gone
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._is_dropped = False
        self.is_last_request = False
        """The connection is closed when the present answer is complete."""
        self.rests_since_s = 0.0
        """Kept by whoever keeps the connection."""
        self._expect_message()
        self._wire_bytes = 0

    def _expect_message(self) -> None:
        self._status = 0
        self._is_head_complete = self._is_complete = self._is_kept = False
        self._has_length = self._must_unpack = False
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._fault = ""

    @property
    def is_usable(self) -> bool:
        """Tell whether a request can be sent now."""
        return self._transport is not None and self._waiter is None and not self._transport.is_closing()

    def ask(self, request: bytes, waiter: "asyncio.Future[Answer]") -> None:
        """Send a request on a usable connection; the waiter hears of its answer, or of why there is none."""
        assert self._transport is not None
        self._waiter = waiter
        self._expect_message()
        self._wire_bytes = 0
        self._transport.write(request)

    def give_up(self, waiter: "asyncio.Future[Answer]") -> None:
        """Drop the connection if this is whose answer is outstanding."""
        if self._waiter is waiter:
            self.drop()

    def drop(self) -> None:
        """End the connection at once, also one that is not open yet."""
        self._is_dropped = True
        self._waiter = None
        self._on_gone(self)
        if self._transport is not None:
            self._transport.abort()

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hear that the connection is open, TLS included."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not derived from it
        if self._is_dropped:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes of an answer; those that nobody has asked for end the connection."""
        if self._waiter is None:
            self.drop()
            return
        self._wire_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            # What follows a complete answer cannot spoil it; the connection is closed either way.
            self._is_kept = False
            self._fault = self._fault or f"the answer is no HTTP/1.1: {error}"
            if not self._is_complete:
                self._fail(AnswerUnusable(self._fault))
                return
        if self._is_complete:
            self._finish()
        elif self._fault:
            self._fail(AnswerUnusable(self._fault))
        elif self._wire_bytes > (_MAX_WIRE_BYTES if self._is_head_complete else MAX_HEAD_BYTES):
            self._fail(AnswerUnusable("the answer is too long"))

    def eof_received(self) -> None:
        """Hear that the server sends nothing more; the transport closes itself."""
        if self._waiter is not None and self._is_head_complete and not self._has_length and not self._fault:
            self._is_kept = False
            self._finish()  # such a body ends with the connection

    def connection_lost(self, error: Exception | None) -> None:
        """Hear that the connection has ended."""
        self._on_gone(self)
        if self._waiter is None:
            return
        reason = str(error) if error else "Server disconnected"
        if self._is_head_complete:
            self._fail(AnswerUnusable(f"the answer was cut off: {reason}"))
        else:
            self._fail(ConnectionLost(reason))

    # What the parser tells

    def on_message_begin(self) -> None:
        """Hear that an answer begins; a second one makes the connection useless."""
        if self._is_complete:
            self._fault = "more came than one answer"

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note the headers that say how the body comes; also called for trailers, which say nothing."""
        if self._is_head_complete or self._is_complete:
            return
        name = name.lower()
        if name == b"content-length":
            self._has_length = True
        elif name == b"transfer-encoding":
            self._has_length = True
            if value.strip().lower() != b"chunked":
                self._fault = "the answer comes in a transfer encoding that was not asked for"
        elif name == b"content-encoding":
            must_unpack = _ENCODINGS.get(value.strip().lower())
            if must_unpack is None or self._must_unpack:
                self._fault = "the answer comes in a content encoding that was not asked for"
            self._must_unpack = bool(must_unpack)

    def on_headers_complete(self) -> None:
        """Note status and fate of the connection."""
        if self._is_complete:
            return
        self._status = self._parser.get_status_code()
        self._is_kept = self._parser.should_keep_alive()
        self._is_head_complete = True

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body; beyond the limit it is thrown away, and the answer with it."""
        if self._is_complete or self._fault:
            return
        self._body_bytes += len(part)
        if self._body_bytes > MAX_ANSWER_BYTES:
            self._fault = _too_long()
        else:
            self._body.append(part)

    def on_message_complete(self) -> None:
        """Hear that the answer is complete; an interim one (1xx) is followed by the real one."""
        if self._is_complete:
            return
        if self._status >= _EARLIEST_FINAL_STATUS:
            self._is_complete = not self._fault
        else:
            self._expect_message()

    # Ends of a request

    def _finish(self) -> None:
        waiter, transport = self._waiter, self._transport
        assert waiter is not None
        assert transport is not None
        body = b"".join(self._body)
        if self._must_unpack and body:
            try:
                body = _unpacked(body)
            except AnswerUnusable as error:
                self._fail(error)
                return
        self._waiter = None
        if (
            self._is_kept
            and not self._fault
            and not self.is_last_request
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        ):
            self._on_free(self)
        else:
            self.drop()
        if not waiter.done():
            waiter.set_result((self._status, body))

    def _fail(self, error: Exception) -> None:
        waiter = self._waiter
        self.drop()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(_ANY_ZLIB_HEADER)
    try:
        text = unpacker.decompress(body, MAX_ANSWER_BYTES + 1)
    except zlib.error as error:
        raise AnswerUnusable(f"the answer cannot be unpacked: {error}") from error
    if len(text) > MAX_ANSWER_BYTES:
        raise AnswerUnusable(_too_long())
    if not unpacker.eof or unpacker.unused_data:
        raise AnswerUnusable("the packed answer is not one whole")
    return text


def _too_long() -> str:
    return f"an answer of more than {MAX_ANSWER_BYTES} bytes was not read to its end"
