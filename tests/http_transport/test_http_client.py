"""Connections and requests of the quick transport: kept, counted, given up and closed; no request is sent twice."""

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from backpack_connector import http_client
from backpack_connector.http_client import HttpClient, can_be_asked
from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.errors import (
    ConfigurationError,
    InvalidRequest,
    NoAnswer,
    Unavailable,
    WireFormatError,
)
from backpack_connector.protocol.rest import RestRequest, build_request
from backpack_connector.single_attempts import ConnectionLost
from tests.http_transport.raw_server import (
    PONG,
    Peer,
    RawServer,
    is_silent,
    sends,
    sends_and_closes,
    sends_and_resets,
    until,
)

REQUEST = b"GET /api/v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
ORDER = RestRequest("execute_order", "POST", "/api/v1/order", {}, b'{"a":1}', {"X-Timestamp": "17"})
SOON_S = 0.05


def answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


# What is sent


def test_request_as_it_goes_over_the_wire() -> None:
    client = HttpClient("http://127.0.0.1:8701")
    agent = client.rendered(ORDER).split(b"User-Agent: ")[1].split(b"\r\n")[0]
    assert agent.startswith(b"backpack-hummingbot-connector/")
    assert client.rendered(ORDER, {"X-BROKER-ID": "2200"}) == (
        b"POST /api/v1/order HTTP/1.1\r\nHost: 127.0.0.1:8701\r\nUser-Agent: " + agent + b"\r\nAccept: */*\r\n"
        b'X-Timestamp: 17\r\nX-BROKER-ID: 2200\r\nContent-Length: 7\r\n\r\n{"a":1}'
    )
    question = build_request(endpoint("get_depth"), {"symbol": "SOL_USDC", "limit": "a b&c=ü"})
    assert client.rendered(question) == (
        b"GET /api/v1/depth?limit=a+b%26c%3D%C3%BC&symbol=SOL_USDC HTTP/1.1\r\nHost: 127.0.0.1:8701\r\n"
        b"User-Agent: " + agent + b"\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n\r\n"
    )
    empty = RestRequest("x", "DELETE", "/api/v1/order", {}, None, {})
    assert client.rendered(empty).endswith(b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("base_url", "line", "host"),
    [
        ("https://api.backpack.exchange", b"GET /api/v1/ping HTTP/1.1", b"api.backpack.exchange"),
        ("http://127.0.0.1:80/under/", b"GET /under/api/v1/ping HTTP/1.1", b"127.0.0.1:80"),
        ("http://[::1]:8700", b"GET /api/v1/ping HTTP/1.1", b"[::1]:8700"),
    ],
)
def test_host_and_path_of_a_base_url(base_url: str, line: bytes, host: bytes) -> None:
    lines = HttpClient(base_url).rendered(build_request(endpoint("ping"))).split(b"\r\n")
    assert lines[:2] == [line, b"Host: " + host]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "ü"])
async def test_header_that_is_more_than_a_line_is_refused_before_anything_is_sent(
    server: RawServer, value: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await HttpClient(server.url).answer_to(ORDER, 5, {"X-BROKER-ID": value})
    assert value not in str(caught.value)
    assert server.opened == 0


def test_what_is_left_to_aiohttp() -> None:
    assert can_be_asked("https://api.backpack.exchange")
    for url in ("http://me:secret@127.0.0.1", "http://127.0.0.1/?a=1", "http://exämple.org"):
        assert not can_be_asked(url)


# What comes back


async def test_answers_are_read_as_over_aiohttp(server: RawServer, client: HttpClient) -> None:
    server.scenes.extend(
        sends(answer(status, body))
        for status, body in (
            (200, b'{"id":"7"}'),
            (202, b""),
            (200, b'{"id":'),
            (400, b'{"code":"INVALID_ORDER","message":"no"}'),
            (502, b"<html>Bad gateway</html>"),
            (307, b""),
            (400, b"\xff"),
        )
    )
    assert await client.answer_to(ORDER, 5) == {"id": "7"}
    assert await client.answer_to(ORDER, 5) is None
    with pytest.raises(WireFormatError):
        await client.answer_to(ORDER, 5)
    with pytest.raises(Exception, match="INVALID_ORDER"):
        await client.answer_to(ORDER, 5)
    for _ in range(2):  # a redirect would carry the signature elsewhere
        with pytest.raises(Unavailable) as caught:
            await client.answer_to(ORDER, 5)
        assert not caught.value.outcome_known
    with pytest.raises(InvalidRequest, match="\N{REPLACEMENT CHARACTER}"):
        await client.answer_to(ORDER, 5)
    assert await client.answer_to(build_request(endpoint("ping")), 5) == "pong"
    server.scenes.append(sends(answer(200, b'{"id":"7"}')))
    assert await client.answer_to(ORDER, 5, is_text_wanted=True) == '{"id":"7"}'
    assert (server.opened, len(server.requests)) == (1, 9)


@pytest.mark.parametrize("form", ["closed", "reset", "cut off", "no HTTP", "silent"])
async def test_no_whole_answer_is_an_unknown_outcome_and_never_a_second_request(
    server: RawServer, client: HttpClient, form: str
) -> None:
    scene = {
        "closed": sends_and_closes(),
        "reset": sends_and_resets(),
        "cut off": sends_and_closes(answer(200, b"{}")[:-1]),
        "no HTTP": sends(b"rubbish\r\n\r\n"),
        "silent": is_silent,
    }[form]
    server.scenes.append(scene)
    with pytest.raises(NoAnswer) as caught:
        await client.answer_to(ORDER, SOON_S if form == "silent" else 5)
    assert caught.value.operation == "execute_order"
    assert not caught.value.outcome_known
    assert isinstance(caught.value.__cause__, ConnectionLost) == (form in ("closed", "reset"))
    assert len(server.requests) == 1


async def test_refused_connection_is_no_lost_one(server: RawServer) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        client = HttpClient(f"http://127.0.0.1:{reserved.getsockname()[1]}")
        with pytest.raises(NoAnswer) as caught:
            await client.answer_to(ORDER, 5)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert not client.open_connections


# Time limits and cancelled callers


async def test_late_answer_meets_no_other_request(server: RawServer, client: HttpClient) -> None:
    go = asyncio.Event()

    async def late(peer: Peer) -> None:
        await go.wait()
        await peer.send(answer(200, b"late"))

    server.scenes.append(late)
    with pytest.raises(asyncio.TimeoutError, match="nothing came"):
        await client.exchange(REQUEST, SOON_S)
    assert not client.open_connections
    go.set()
    assert await client.exchange(REQUEST, 5) == (200, b"pong")
    assert server.opened == 2


async def test_the_limit_covers_an_answer_that_comes_in_drops(server: RawServer, client: HttpClient) -> None:
    async def drips(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await peer.send(b"x")

    server.scenes.append(drips)
    with pytest.raises(asyncio.TimeoutError):
        await client.exchange(REQUEST, SOON_S)
    await until(lambda: not server.open)


async def test_the_limit_covers_the_opening_of_a_connection() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        client = HttpClient(f"https://127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(NoAnswer) as caught:
            await client.answer_to(ORDER, SOON_S)
    assert isinstance(caught.value.__cause__, asyncio.TimeoutError)
    assert not client.open_connections


@pytest.mark.parametrize("moment", ["waiting for the answer", "in the middle of it"])
async def test_cancelled_caller_drops_its_connection(server: RawServer, client: HttpClient, moment: str) -> None:
    await client.exchange(REQUEST, 5)
    server.scenes.append(is_silent if moment == "waiting for the answer" else sends(answer(200, b"{}")[:-1]))
    caller = asyncio.ensure_future(client.exchange(REQUEST, 5))
    await until(lambda: len(server.requests) == 2)
    await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not client.open_connections
    await until(lambda: not server.open)
    assert await client.exchange(REQUEST, 5) == (200, b"pong")
    assert server.opened == 2


async def test_caller_that_is_cancelled_while_it_connects_leaves_nothing() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        client = HttpClient(f"https://127.0.0.1:{deaf.getsockname()[1]}")
        caller = asyncio.ensure_future(client.exchange(REQUEST, 5))
        accepted, _ = await asyncio.get_running_loop().run_in_executor(None, deaf.accept)
        with accepted:
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
            assert not client.open_connections
            accepted.settimeout(5)

            def reads_to_the_end() -> None:
                with contextlib.suppress(ConnectionResetError):
                    while accepted.recv(65_536):
                        pass

            await asyncio.get_running_loop().run_in_executor(None, reads_to_the_end)


async def test_answer_that_came_before_the_caller_was_cancelled_leaves_the_connection_usable(
    server: RawServer, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers: list[asyncio.Future[Any]] = []
    rest = client._rest

    def rest_and_cancel(connection: Any) -> None:
        rest(connection)
        for caller in callers:
            caller.cancel()

    monkeypatch.setattr(client, "_rest", rest_and_cancel)
    callers.append(asyncio.ensure_future(client.exchange(REQUEST, 5)))
    with pytest.raises(asyncio.CancelledError):
        await callers[0]
    callers.clear()
    assert client.resting_connections == 1
    assert await client.exchange(REQUEST, 5) == (200, b"pong")
    assert server.opened == 1


# Connections


async def test_requests_side_by_side_have_a_connection_each_and_then_share(
    server: RawServer, client: HttpClient
) -> None:
    answers = await asyncio.gather(*(client.exchange(REQUEST, 5) for _ in range(5)))
    assert answers == [(200, b"pong")] * 5
    assert client.resting_connections == client.open_connections == server.opened == 5
    for _ in range(5):
        await client.exchange(REQUEST, 5)
    assert server.opened == 5


async def test_connection_that_the_server_closed_is_noticed_before_the_next_request(
    server: RawServer, client: HttpClient
) -> None:
    server.scenes.append(sends_and_closes(PONG))
    await client.exchange(REQUEST, 5)
    await until(lambda: not client.open_connections)
    assert await client.exchange(REQUEST, 5) == (200, b"pong")
    assert (server.opened, len(server.requests)) == (2, 2)


async def test_connection_that_is_closed_at_the_moment_of_the_request_has_an_unknown_outcome(
    server: RawServer, client: HttpClient
) -> None:
    await client.exchange(REQUEST, 5)
    server.peers[0].reset()  # what the kernel knows, the client has not been told yet
    with pytest.raises(NoAnswer) as caught:
        await client.answer_to(ORDER, 5)
    assert isinstance(caught.value.__cause__, ConnectionLost)
    assert (server.opened, len(server.requests)) == (1, 1)


async def test_connection_that_is_being_closed_is_not_used(server: RawServer, client: HttpClient) -> None:
    await client.exchange(REQUEST, 5)
    transport = client._resting[0]._transport
    assert transport is not None
    transport.close()  # as the event loop does when it hears the end, before it tells of it
    assert await client.exchange(REQUEST, 5) == (200, b"pong")
    assert (server.opened, len(server.requests)) == (2, 2)


async def test_answered_requests_leave_no_timers(
    server: RawServer, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, timers = asyncio.get_running_loop(), []
    call_at = loop.call_at

    def noted(*args: Any, **context: Any) -> asyncio.TimerHandle:
        timer = call_at(*args, **context)
        if args[1] is http_client._expire:
            timers.append(timer)
        return timer

    await client.exchange(REQUEST, 5)  # sets the timer of its connection, too
    monkeypatch.setattr(loop, "call_at", noted)
    for _ in range(5):
        await client.exchange(REQUEST, 5)
    assert [timer.cancelled() for timer in timers] == [True] * 5


async def test_no_more_connections_than_the_limit(
    server: RawServer, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "MOST_CONNECTIONS", 2)
    go = asyncio.Event()

    async def when_told(peer: Peer) -> None:
        await go.wait()
        await peer.send(PONG)

    server.scenes.extend([when_told] * 2)
    first = [asyncio.ensure_future(client.exchange(REQUEST, 5)) for _ in range(2)]
    await until(lambda: len(server.requests) == 2)
    more = [asyncio.ensure_future(client.exchange(REQUEST, 5)) for _ in range(4)]
    with pytest.raises(asyncio.TimeoutError):
        await client.exchange(REQUEST, SOON_S)
    more[0].cancel()
    await asyncio.sleep(0.01)
    assert len(server.requests) == 2
    go.set()
    assert await asyncio.gather(*first, *more[1:]) == [(200, b"pong")] * 5
    assert server.opened == 2


async def test_place_of_a_lost_connection_is_given_on_even_if_its_first_taker_is_cancelled(
    server: RawServer, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "MOST_CONNECTIONS", 1)
    server.scenes.append(is_silent)
    first = asyncio.ensure_future(client.exchange(REQUEST, 5))
    await until(lambda: server.requests)
    taker, other = (asyncio.ensure_future(client.exchange(REQUEST, 5)) for _ in range(2))
    await until(lambda: len(client._waiting) == 2)
    offer = client._offer_place

    def offer_and_cancel() -> None:
        monkeypatch.setattr(client, "_offer_place", offer)
        offer()
        taker.cancel()

    monkeypatch.setattr(client, "_offer_place", offer_and_cancel)
    first.cancel()
    assert await other == (200, b"pong")
    for caller in (first, taker):
        with pytest.raises(asyncio.CancelledError):
            await caller


async def test_connections_that_nobody_uses_are_closed_after_a_while(
    server: RawServer, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "KEEP_S", 0.05)
    await asyncio.gather(*(client.exchange(REQUEST, 5) for _ in range(3)))
    await asyncio.sleep(0.02)
    await client.exchange(REQUEST, 5)
    await until(lambda: server.open <= 1)
    await until(lambda: server.open == client.open_connections == 0)
    assert client._closing is None


async def test_connection_that_has_rested_too_long_is_not_used_although_no_timer_closed_it(
    server: RawServer, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.exchange(REQUEST, 5)
    monkeypatch.setattr(http_client, "KEEP_S", 0.0)  # the timer was set for fifteen seconds
    assert await client.exchange(REQUEST, 5) == (200, b"pong")
    assert server.opened == 2


async def test_closing_ends_what_rests_at_once_and_what_is_used_with_its_answer(
    server: RawServer, client: HttpClient
) -> None:
    go = asyncio.Event()

    async def when_told(peer: Peer) -> None:
        await go.wait()
        await peer.send(PONG)

    await asyncio.gather(*(client.exchange(REQUEST, 5) for _ in range(3)))
    server.scenes.append(when_told)
    used = asyncio.ensure_future(client.exchange(REQUEST, 5))
    await until(lambda: len(server.requests) == 4)
    client.close()
    await until(lambda: server.open == client.open_connections == 1)
    go.set()
    assert await used == (200, b"pong")
    await until(lambda: server.open == client.open_connections == 0)
    assert await client.exchange(REQUEST, 5) == (200, b"pong"), "whoever asks afterwards gets an answer, too"


def test_a_client_goes_on_in_another_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[HttpClient] = []

    async def once(is_last: bool) -> None:
        async with RawServer() as server:
            client = made[0] if made else HttpClient(server.url)
            made.append(client)
            client._port = server.port
            assert await client.exchange(REQUEST, 5) == (200, b"pong")
            assert client.open_connections == client.resting_connections == 1
            if is_last:
                await until(lambda: not client.open_connections)  # by the timer of this loop
        assert server.requests == [REQUEST]

    for is_last in (False, True):
        if is_last:
            monkeypatch.setattr(http_client, "KEEP_S", 0.05)
        asyncio.run(once(is_last))
