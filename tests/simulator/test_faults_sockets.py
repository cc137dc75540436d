"""Faults of connections, as a client sees them: dropped, closed, half-open, slow, refused."""

import asyncio
from typing import Any

import aiohttp
import pytest

from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.faults_kinds import FaultKind
from tests.simulator.faults_support import (
    DEPTH,
    LATE_S,
    ORDERS,
    change_book,
    first_id,
    inject,
    timed,
    until,
    update_ids,
)
from tests.simulator.streams import LIMIT_S, Stream, forgotten
from tests.simulator.support import SYMBOL, Client

ABNORMAL = 1006


async def ended(stream: Stream) -> Any:
    """Return the message that ends a connection."""
    message = await stream.socket.receive(LIMIT_S)
    while message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING):
        message = await stream.socket.receive(LIMIT_S)
    return message


async def test_a_dropped_connection_has_no_close_frame(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    fault_id = inject(simulator, FaultKind.SOCKET_DROPPED)
    assert simulator.faults.struck_count(fault_id) == 1
    message = await ended(stream)
    assert message.type is not aiohttp.WSMsgType.CLOSE
    assert stream.socket.close_code == ABNORMAL
    await forgotten(simulator)
    assert not simulator.hub.is_wanted((None, DEPTH))


async def test_a_connection_is_dropped_at_a_certain_frame(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH, f"bookTicker.{SYMBOL}")
    inject(simulator, FaultKind.SOCKET_DROPPED, streams=(DEPTH,), skip=2)
    first = first_id(simulator)
    change_book(simulator, 5)
    frames = [await stream.next() for _ in range(4)]
    assert [(frame["stream"] == DEPTH, frame["data"]["u"] - first) for frame in frames] == [
        (True, 0),
        (False, 0),
        (True, 1),
        (False, 1),
    ]
    assert (await ended(stream)).type is not aiohttp.WSMsgType.CLOSE
    assert stream.socket.close_code == ABNORMAL


async def test_a_connection_with_a_full_queue_is_dropped_as_well(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=False, max_queued_frames=3) as simulator:
        socket = await http.ws_connect(simulator.ws_url)
        await Stream(socket).subscribe(DEPTH)
        inject(simulator, FaultKind.SOCKET_DROPPED, streams=(DEPTH,), skip=3)
        change_book(simulator, 4)  # the server's task gets no turn in between
        await forgotten(simulator)
        await socket.close()


async def test_only_connections_of_an_account_are_dropped(
    simulator: Simulator, stream: Stream, http: aiohttp.ClientSession, alice: Client
) -> None:
    async with http.ws_connect(simulator.ws_url) as socket:
        private = Stream(socket)
        await private.send(alice.subscription(ORDERS))
        await private.settle()
        await stream.subscribe(DEPTH)
        inject(simulator, FaultKind.SOCKET_DROPPED, account=alice.key)
        await ended(private)
    change_book(simulator, 1)
    assert len(await update_ids(stream)) == 1


async def test_frames_do_not_end_a_connection_whose_time_has_not_come(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.SOCKET_DROPPED, skip=1)
    change_book(simulator, 5)
    assert len(await update_ids(stream)) == 5
    simulator.advance_clock(1)
    assert (await ended(stream)).type is not aiohttp.WSMsgType.CLOSE


async def test_a_fault_waits_for_the_next_connection(
    simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    inject(simulator, FaultKind.SOCKET_DROPPED, account=alice.key)
    async with http.ws_connect(simulator.ws_url) as socket:
        private = Stream(socket)
        await private.send(alice.subscription(ORDERS))
        await ended(private)  # within the next second


@pytest.mark.parametrize("streams", [(), (DEPTH,)])
async def test_a_closed_connection_gets_a_close_frame_first(
    simulator: Simulator, stream: Stream, streams: tuple[str, ...]
) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.SOCKET_CLOSED, streams=streams, code=4000, message="Enough")
    change_book(simulator, 3)
    message = await stream.socket.receive(LIMIT_S)
    assert (message.type, message.data, message.extra) == (aiohttp.WSMsgType.CLOSE, 4000, "Enough")
    await forgotten(simulator)


async def test_the_usual_close_frame_is_that_of_a_shutdown(simulator: Simulator, stream: Stream) -> None:
    inject(simulator, FaultKind.SOCKET_CLOSED)
    message = await stream.socket.receive(LIMIT_S)
    assert (message.data, message.extra) == (aiohttp.WSCloseCode.GOING_AWAY, "Shutdown")


async def test_a_half_open_connection_says_nothing_any_more(http: aiohttp.ClientSession) -> None:
    options: Any = {"ping_interval_s": 0.02, "pong_timeout_s": 0.05}
    async with running_simulator(background=False, **options) as simulator:
        timeout = aiohttp.ClientWSTimeout(ws_close=LATE_S)
        socket = await http.ws_connect(simulator.ws_url, autoping=False, timeout=timeout)
        stream = Stream(socket)
        await stream.send({"method": "SUBSCRIBE", "params": [DEPTH]})
        await until(lambda: simulator.hub.is_wanted((None, DEPTH)))
        inject(simulator, FaultKind.SOCKET_SILENT)
        assert len(simulator.hub.sessions) == 1
        receiving = await quiet(socket)
        change_book(simulator, 3)
        await socket.ping(b"hello")
        await stream.send({"method": "SUBSCRIBE", "params": ["mark.here"]})
        assert not (await asyncio.wait({receiving}, timeout=LATE_S))[0]
        assert len(simulator.hub.sessions) == 1
        # It does not even answer the Close frame, so that the client waits as long as it likes.
        assert (await timed(socket.close()))[0] >= LATE_S
        assert (await receiving).type is aiohttp.WSMsgType.CLOSING
        await forgotten(simulator)
        # New connections are well.
        async with http.ws_connect(simulator.ws_url, autoping=False) as other:
            assert (await other.receive(LIMIT_S)).type is aiohttp.WSMsgType.PING


async def quiet(socket: aiohttp.ClientWebSocketResponse) -> asyncio.Task[aiohttp.WSMessage]:
    """Read what was sent before, and return the task that waits for more."""
    while True:
        receiving = asyncio.ensure_future(socket.receive())
        if not (await asyncio.wait({receiving}, timeout=LATE_S))[0]:
            return receiving
        assert receiving.result().type is aiohttp.WSMsgType.PING


async def test_a_half_open_connection_does_not_hold_up_the_end(http: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    async with running_simulator(background=False) as simulator:
        socket = await http.ws_connect(simulator.ws_url)
        await Stream(socket).subscribe(DEPTH)
        inject(simulator, FaultKind.SOCKET_SILENT, streams=(DEPTH,))
        change_book(simulator, 1)
        await until(lambda: all(session._is_silent for session in simulator.hub.sessions))
        start_s = loop.time()
    assert loop.time() - start_s < 1
    assert (await socket.receive(LIMIT_S)).type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.CLOSE)
    await socket.close()


async def test_a_simulator_that_stops_forgets_what_it_holds(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=False) as simulator:
        async with http.ws_connect(simulator.ws_url) as socket:
            await Stream(socket).subscribe(DEPTH)
            fault_id = inject(simulator, FaultKind.FRAME_DELAYED, delay_s=600)
            change_book(simulator, 2)
        (active,) = simulator.faults._active
        assert active.fault_id == fault_id
        assert simulator.faults._frames.is_holding(active)
    assert not simulator.faults._frames.is_holding(active)


async def test_a_slow_connection_falls_behind(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.SOCKET_SLOW, delay_s=0.05)
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    change_book(simulator, 6)
    arrivals = []
    for _ in range(6):
        await stream.next()
        arrivals.append(loop.time() - start_s)
    assert all(arrival >= 0.05 * number for number, arrival in enumerate(arrivals, 1))


async def test_a_slow_connection_is_closed_when_too_much_waits_for_it(http: aiohttp.ClientSession) -> None:
    """What the exchange does to a slow reader, which others do not feel (rule 2 of the module `websocket`)."""
    async with running_simulator(background=False, max_queued_frames=5) as simulator:
        alice = Client(simulator, http)
        async with http.ws_connect(simulator.ws_url) as one, http.ws_connect(simulator.ws_url) as other:
            slow, quick = Stream(one), Stream(other)
            await slow.send(alice.subscription(ORDERS))
            for stream in (slow, quick):
                await stream.subscribe(DEPTH)
            inject(simulator, FaultKind.SOCKET_SLOW, account=alice.key, delay_s=LATE_S)
            for _ in range(10):
                change_book(simulator, 1)
                assert len(await update_ids(quick)) == 1
            message = await ended(slow)
            closed = (message.type, message.data, message.extra)
            assert closed == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.TRY_AGAIN_LATER, "Too slow")
            assert not simulator.hub.is_wanted((alice.key, ORDERS))
            assert simulator.hub.is_wanted((None, DEPTH))


async def test_only_the_connection_of_an_account_is_slow(simulator: Simulator, stream: Stream, alice: Client) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.SOCKET_SLOW, delay_s=LATE_S, account=alice.key)
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    change_book(simulator, 1)
    await stream.next()
    assert loop.time() - start_s < LATE_S


async def test_new_connections_are_refused(simulator: Simulator, stream: Stream, http: aiohttp.ClientSession) -> None:
    inject(simulator, FaultKind.SOCKET_REFUSED, count=2)
    for _ in range(2):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(simulator.ws_url)
        assert refused.value.status == 503
    async with http.ws_connect(simulator.ws_url) as socket:
        assert await Stream(socket).settle() == []
    assert await stream.settle() == []  # the old one is still there
