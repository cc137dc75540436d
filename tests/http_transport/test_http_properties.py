"""Whatever arrives in whatever pieces: a part of an answer is never taken for the whole, and nobody waits for ever."""

import asyncio
import gzip
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.http_connection import AnswerUnusable, HttpConnection
from backpack_connector.single_attempts import ConnectionLost

OK = b"HTTP/1.1 200 OK\r\nServer: x\r\n"
TEXT = b'[{"id":"114511559769","status":"New"}]'
PACKED = gzip.compress(TEXT)
FRAMED = {
    "length": OK + b"Content-Length: %d\r\n\r\n%s" % (len(TEXT), TEXT),
    "chunks": OK
    + b"Transfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (TEXT[:5], len(TEXT) - 5, TEXT[5:]),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: %d\r\n\r\n%s" % (len(TEXT), TEXT),
    "packed": OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED),
    "empty": OK + b"Content-Length: 0\r\n\r\n",
    "accepted": b"HTTP/1.1 204 No Content\r\n\r\n",
}
RESULTS = {name: (200, TEXT) for name in FRAMED} | {"empty": (200, b""), "accepted": (204, b"")}


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Give a loop that never runs: everything here happens within a call."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


class Line:
    """A connection on which a request has been sent, and what its caller hears."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.transport = mock.Mock(spec=asyncio.Transport)
        self.transport.is_closing.side_effect = lambda: self.transport.abort.called
        self.transport.get_write_buffer_size.return_value = 0
        self.is_free = False
        self.connection = HttpConnection(self._on_free, lambda _: None)
        self.connection.connection_made(self.transport)
        self.waiter: asyncio.Future[Any] = loop.create_future()
        self.connection.ask(b"GET / HTTP/1.1\r\n\r\n", self.waiter)

    def _on_free(self, _: HttpConnection) -> None:
        self.is_free = True

    def feed(self, data: bytes, sizes: list[int]) -> None:
        """Deliver bytes in pieces of these sizes, the rest at once, as long as the connection is open."""
        place = 0
        for size in [*sizes, len(data)]:
            if place < len(data) and not self.transport.abort.called:
                self.connection.data_received(data[place : place + size])
                place += size

    def end(self) -> None:
        """End the connection in order, as far as it has not been ended."""
        if not self.transport.abort.called:
            self.connection.eof_received()
        self.connection.connection_lost(None)


SIZES = st.lists(st.integers(1, 40), max_size=12)


@pytest.mark.parametrize("form", FRAMED)
@given(sizes=SIZES)
def test_the_pieces_do_not_matter(loop: asyncio.AbstractEventLoop, form: str, sizes: list[int]) -> None:
    line = Line(loop)
    line.feed(FRAMED[form], sizes)
    assert line.waiter.result() == RESULTS[form]
    assert line.is_free


@pytest.mark.parametrize("form", FRAMED)
@given(data=st.data(), sizes=SIZES)
def test_a_part_is_never_the_whole(
    loop: asyncio.AbstractEventLoop, form: str, data: st.DataObject, sizes: list[int]
) -> None:
    line = Line(loop)
    line.feed(FRAMED[form][: data.draw(st.integers(0, len(FRAMED[form]) - 1))], sizes)
    assert not line.waiter.done()
    line.end()
    assert isinstance(line.waiter.exception(), (ConnectionLost, AnswerUnusable))
    assert not line.is_free


@pytest.mark.parametrize("form", FRAMED)
@given(
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4),
    sizes=SIZES,
    more=st.binary(max_size=20),
)
def test_whatever_comes_the_caller_hears_of_an_end(
    loop: asyncio.AbstractEventLoop, form: str, changes: list[tuple[int, int]], sizes: list[int], more: bytes
) -> None:
    raw = bytearray(FRAMED[form])
    for place, value in changes:
        raw[place % len(raw)] = value
    line = Line(loop)
    line.feed(bytes(raw) + more, sizes)
    was_free = line.is_free and not line.transport.abort.called
    line.end()
    assert line.waiter.done()
    if line.waiter.exception() is None:
        status, body = line.waiter.result()
        assert status >= 200
        assert isinstance(body, bytes)
    else:
        assert isinstance(line.waiter.exception(), (ConnectionLost, AnswerUnusable))
        assert not was_free
