"""Answers of every form over raw sockets, on the event loops of asyncio and uvloop: whole, or known to be none."""

import asyncio
import gzip
import zlib
from typing import Any
from unittest import mock

import pytest

from backpack_connector import http_connection
from backpack_connector.http_client import HttpClient
from backpack_connector.http_connection import AnswerUnusable, HttpConnection
from backpack_connector.single_attempts import ConnectionLost
from tests.http_transport.raw_server import RawServer, Scene, sends, sends_and_closes, sends_and_resets, until

REQUEST = b"GET /api/v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
TEXT = b'{"id": "114511559769", "price": "150.25"}'
PACKED = gzip.compress(TEXT)
BAD_GATEWAY = b"<html><body>Bad gateway</body></html>"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"5;name=value\r\n" + TEXT[:5] + b"\r\n24\r\n" + TEXT[5:] + b"\r\n0\r\nExpires: never\r\n\r\n"


def sized(body: bytes, head: bytes = OK) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def bytewise(text: bytes) -> list[bytes]:
    return [text[place : place + 1] for place in range(len(text))]


WHOLE: dict[str, tuple[Scene, int, bytes, bool]] = {
    "with its length": (sends(sized(TEXT)), 200, TEXT, True),
    "byte by byte": (sends(*bytewise(sized(TEXT))), 200, TEXT, True),
    "in chunks": (sends(CHUNKED + CHUNKS), 200, TEXT, True),
    "in chunks, byte by byte": (sends(*bytewise(CHUNKED + CHUNKS)), 200, TEXT, True),
    "in other letters": (sends(OK + b"content-LENGTH: 2\r\n\r\n[]"), 200, b"[]", True),
    "to the end of the connection": (sends_and_closes(OK + b"\r\n" + TEXT), 200, TEXT, False),
    "of HTTP/1.0": (sends(sized(TEXT, b"HTTP/1.0 200 OK\r\n")), 200, TEXT, False),
    "the last one": (sends(sized(TEXT, OK + b"Connection: close\r\n")), 200, TEXT, False),
    "204": (sends(b"HTTP/1.1 204 No Content\r\n\r\n"), 204, b"", True),
    "202 without a body": (sends(sized(b"", b"HTTP/1.1 202 Accepted\r\n")), 202, b"", True),
    "304": (sends(b"HTTP/1.1 304 Not Modified\r\n\r\n"), 304, b"", True),
    "after interim ones": (
        sends(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + sized(TEXT)),
        200,
        TEXT,
        True,
    ),
    "gzip": (sends(sized(PACKED, OK + b"Content-Encoding: gzip\r\n")), 200, TEXT, True),
    "deflate": (sends(sized(zlib.compress(TEXT), OK + b"Content-Encoding: Deflate\r\n")), 200, TEXT, True),
    "gzip without a body": (sends(sized(b"", OK + b"Content-Encoding: gzip\r\n")), 200, b"", True),
    "gzip in chunks": (
        sends(CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(PACKED), PACKED)),
        200,
        TEXT,
        True,
    ),
    "a page of the CDN": (sends(sized(BAD_GATEWAY, b"HTTP/1.1 502 Bad Gateway\r\n")), 502, BAD_GATEWAY, True),
    "no text": (sends(sized(b"\xff\xfe{")), 200, b"\xff\xfe{", True),
    "followed by more": (sends(sized(TEXT) + sized(b"another")), 200, TEXT, False),
    "followed by rubbish": (sends(sized(TEXT) + b"rubbish"), 200, TEXT, False),
    "followed by rubbish after the last one": (
        sends(sized(TEXT, OK + b"Connection: close\r\n") + b"rubbish"),
        200,
        TEXT,
        False,
    ),
}


@pytest.mark.parametrize("form", WHOLE)
async def test_answer_is_read_whole_and_its_connection_used_again_where_that_is_allowed(
    server: RawServer, client: HttpClient, form: str
) -> None:
    scene, status, body, is_kept = WHOLE[form]
    server.scenes.append(scene)
    assert await client.exchange(REQUEST, 5) == (status, body)
    assert await client.exchange(REQUEST, 5) == (200, b"pong")
    assert (server.opened, len(server.requests)) == (1 if is_kept else 2, 2)


BOMB = gzip.compress(bytes(2_000))
UNUSABLE: dict[str, Scene] = {
    "no HTTP": sends(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "length is no number": sends(OK + b"Content-Length: many\r\n\r\n"),
    "length is negative": sends(OK + b"Content-Length: -1\r\n\r\n"),
    "two lengths": sends(OK + b"Content-Length: 2\r\nContent-Length: 4\r\n\r\n[]{}"),
    "length and chunks": sends(OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"),
    "chunk of a bad size": sends(CHUNKED + b"xyz\r\n"),
    "transfer encoding": sends(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"),
    "content encoding": sends(sized(b"[]", OK + b"Content-Encoding: br\r\n")),
    "packed twice": sends(sized(PACKED, OK + b"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n")),
    "not packed": sends(sized(TEXT, OK + b"Content-Encoding: gzip\r\n")),
    "packed and cut off": sends(sized(PACKED[:-9], OK + b"Content-Encoding: gzip\r\n")),
    "packed in two parts": sends(sized(PACKED + PACKED, OK + b"Content-Encoding: gzip\r\n")),
    "unpacked too long": sends(sized(BOMB, OK + b"Content-Encoding: gzip\r\n")),
    "another protocol": sends(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    "another protocol, unnamed": sends(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    "too long": sends(sized(bytes(1_500))),
    "too long in chunks": sends(CHUNKED + (b"190\r\n" + bytes(400) + b"\r\n") * 3),
    "endless chunk sizes": sends(CHUNKED + b"1;" + b"x" * 3_000),
    "endless head": sends(OK + b"X: " + b"x" * 300, b"x" * 300),
    "endless interim answers": sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 25),
    "cut off": sends_and_closes(sized(TEXT)[:-1]),
    "cut off between chunks": sends_and_closes((CHUNKED + CHUNKS)[:-9]),
    "reset": sends_and_resets(sized(TEXT)[:-1]),
    "reset without a length": sends_and_resets(OK + b"\r\n" + TEXT),
}


@pytest.mark.parametrize("form", UNUSABLE)
async def test_answer_that_is_none_is_known_and_its_connection_closed(
    server: RawServer, client: HttpClient, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "MAX_ANSWER_BYTES", 1_000)
    monkeypatch.setattr(http_connection, "_MAX_WIRE_BYTES", 2_000)
    monkeypatch.setattr(http_connection, "MAX_HEAD_BYTES", 500)
    server.scenes.append(UNUSABLE[form])
    with pytest.raises(AnswerUnusable):
        await client.exchange(REQUEST, 5)
    assert len(server.requests) == 1
    await until(lambda: server.open == client.open_connections == 0)
    assert await client.exchange(REQUEST, 5) == (200, b"pong")


LOST: dict[str, Scene] = {
    "closed": sends_and_closes(),
    "reset": sends_and_resets(),
    "closed within the head": sends_and_closes(OK),
    "closed after an interim answer": sends_and_closes(b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("form", LOST)
@pytest.mark.parametrize("is_new", [True, False], ids=["first request", "second request"])
async def test_connection_that_ends_before_an_answer_begins_is_lost_and_nothing_is_sent_again(
    server: RawServer, client: HttpClient, form: str, is_new: bool
) -> None:
    if not is_new:
        await client.exchange(REQUEST, 5)
    server.scenes.append(LOST[form])
    with pytest.raises(ConnectionLost):
        await client.exchange(REQUEST, 5)
    assert len(server.requests) == (1 if is_new else 2)
    assert server.opened == 1
    await until(lambda: server.open == client.open_connections == 0)


async def test_bytes_that_nobody_asked_for_end_a_connection_that_rests(server: RawServer, client: HttpClient) -> None:
    await client.exchange(REQUEST, 5)
    await server.peers[0].send(sized(b"stale", b"HTTP/1.1 408 Request Timeout\r\n"))
    await until(lambda: not client.open_connections)
    assert await client.exchange(REQUEST, 5) == (200, b"pong")
    assert server.opened == 2


async def test_a_request_is_one_write() -> None:
    transport = mock.Mock(spec=asyncio.Transport)
    transport.is_closing.return_value = False
    transport.get_write_buffer_size.return_value = 0
    freed: list[HttpConnection] = []
    connection = HttpConnection(freed.append, lambda _: None)
    assert not connection.is_usable
    connection.connection_made(transport)
    waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    connection.ask(REQUEST, waiter)
    assert not connection.is_usable
    assert transport.write.mock_calls == [mock.call(REQUEST)]
    connection.data_received(sized(TEXT))
    assert waiter.result() == (200, TEXT)
    assert freed == [connection]
    assert connection.is_usable


async def test_a_connection_over_which_a_request_is_still_being_written_is_not_used_again() -> None:
    transport = mock.Mock(spec=asyncio.Transport)
    transport.is_closing.return_value = False
    transport.get_write_buffer_size.return_value = 7
    gone: list[HttpConnection] = []
    connection = HttpConnection(lambda _: pytest.fail("the answer came before the request had left"), gone.append)
    connection.connection_made(transport)
    waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    connection.ask(REQUEST, waiter)
    connection.data_received(sized(b"too large", b"HTTP/1.1 413 Content Too Large\r\n"))
    assert waiter.result() == (413, b"too large")
    assert gone == [connection]
    transport.abort.assert_called_once()


async def test_a_connection_that_was_given_up_before_it_was_open_is_closed_then() -> None:
    transport = mock.Mock(spec=asyncio.Transport)
    connection = HttpConnection(lambda _: None, lambda _: None)
    connection.drop()
    connection.connection_made(transport)
    transport.abort.assert_called_once()
