"""Faults of streams and connections, as a client sees them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.depth import Verdict
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.faults_kinds import FaultKind
from tests.simulator.faults_support import LATE_S, ORDER, SHORT_S, inject, timed, until
from tests.simulator.support import SYMBOL, Client, limit
from tests.simulator.test_websocket import LIMIT_S, LocalBook, Stream, forgotten, place

DEPTH = f"depth.{SYMBOL}"
ORDERS = "account.orderUpdate"
ABNORMAL = 1006


@pytest.fixture
async def stream(simulator: Simulator, http: aiohttp.ClientSession) -> AsyncIterator[Stream]:
    async with http.ws_connect(simulator.ws_url, autoping=False) as socket:
        yield Stream(socket)


def change_book(simulator: Simulator, times: int, symbol: str = SYMBOL) -> None:
    price = {"ETH_USDC": "4000"}.get(symbol, "151")
    for _ in range(times):
        place(simulator, "x", limit("Ask", price, "0.1", symbol=symbol))


async def update_ids(stream: Stream) -> list[int]:
    """Return the ids of the depth frames that have come, counted from the first book event."""
    return [frame["data"]["u"] for frame in await stream.settle() if frame["stream"] == DEPTH]


def first_id(simulator: Simulator) -> int:
    return simulator.exchange.markets[SYMBOL].book.update_id + 1


async def test_a_dropped_frame_is_a_gap_in_one_stream(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH, f"bookTicker.{SYMBOL}")
    inject(simulator, FaultKind.FRAME_DROPPED, streams=(DEPTH,), skip=1, count=1)
    first = first_id(simulator)
    change_book(simulator, 4)
    frames = await stream.settle()
    depths = [frame for frame in frames if frame["stream"] == DEPTH]
    assert [frame["data"]["u"] - first for frame in depths] == [0, 2, 3]
    assert [frame["data"]["u"] - first for frame in frames if frame["stream"] != DEPTH] == [0, 1, 2, 3]
    # What a client makes of it: the snapshot was that of before.
    local = LocalBook()
    local.sequence.snapshot(first - 1)
    assert [local.take(frame) for frame in depths] == [Verdict.APPLY, Verdict.GAP, Verdict.BUFFER]


async def test_a_duplicated_frame_comes_twice(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DUPLICATED, streams=("depth",), skip=1, count=1)
    first = first_id(simulator)
    change_book(simulator, 3)
    assert [update_id - first for update_id in await update_ids(stream)] == [0, 1, 1, 2]


async def test_a_reordered_frame_comes_after_the_next_one(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_REORDERED, streams=(DEPTH,), probability=1)
    first = first_id(simulator)
    change_book(simulator, 4)
    assert [update_id - first for update_id in await update_ids(stream)] == [1, 0, 3, 2]


@pytest.mark.parametrize(("delay_s", "seconds"), [(LATE_S, LATE_S), (None, 1)])
async def test_a_reordered_frame_that_nothing_follows_comes_later(
    simulator: Simulator, stream: Stream, delay_s: float | None, seconds: float
) -> None:
    await stream.subscribe(DEPTH)
    fault_id = inject(simulator, FaultKind.FRAME_REORDERED, streams=(DEPTH,), delay_s=delay_s, count=1)
    first = first_id(simulator)
    change_book(simulator, 1)
    assert await update_ids(stream) == []
    waited_s, frame = await timed(stream.next())
    assert frame["data"]["u"] == first
    assert seconds - SHORT_S < waited_s < seconds + 1
    assert simulator.faults.struck_count(fault_id) == 1


async def test_a_delayed_stream_falls_behind_rest_and_the_other_streams(
    simulator: Simulator, stream: Stream, alice: Client
) -> None:
    await stream.send(alice.subscription(ORDERS, "account.balanceUpdate"))
    await stream.settle()
    inject(simulator, FaultKind.FRAME_DELAYED, streams=(ORDERS,), account=alice.key, delay_s=LATE_S)
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    assert (await alice.call("execute_order", ORDER))[0] == 200
    assert (await alice.call("cancel_order", {"symbol": SYMBOL, "clientId": 7}))[1]["status"] == "Cancelled"
    assert {frame["stream"] for frame in await stream.settle()} == {"account.balanceUpdate"}
    accepted, cancelled = await stream.next(), await stream.next()
    assert loop.time() - start_s >= LATE_S
    assert (accepted["data"]["e"], cancelled["data"]["e"]) == ("orderAccepted", "orderCancelled")


async def test_a_stream_keeps_its_order_when_only_some_frames_are_delayed(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DELAYED, delay_s=LATE_S, jitter_s=LATE_S, probability=0.3, seed=5)
    first = first_id(simulator)
    change_book(simulator, 20)
    ids = [update_id - first for update_id in await update_ids(stream)]
    assert 0 < len(ids) < 20
    while len(ids) < 20:
        ids.append((await stream.next())["data"]["u"] - first)
    assert ids == list(range(20))


async def test_what_is_held_back_comes_when_the_fault_ends(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DELAYED, delay_s=600)
    inject(simulator, FaultKind.FRAME_REORDERED, delay_s=600, streams=(DEPTH,))
    first = first_id(simulator)
    change_book(simulator, 3)
    assert await update_ids(stream) == []
    assert simulator.faults.end() == 2
    change_book(simulator, 1)
    ids = await update_ids(stream)
    # Released by the first fault, they meet the second one, which still holds then.
    assert sorted(update_id - first for update_id in ids) == [0, 1, 2, 3]
    assert ids[-1] - first == 3


async def test_what_one_fault_lets_go_meets_the_next_one(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DELAYED, delay_s=LATE_S)
    inject(simulator, FaultKind.FRAME_DUPLICATED)
    inject(simulator, FaultKind.FRAME_DUPLICATED)
    change_book(simulator, 1)
    assert await update_ids(stream) == []
    assert len({(await stream.next())["data"]["u"] for _ in range(4)}) == 1
    assert await update_ids(stream) == []


async def test_a_fault_that_is_over_does_not_wait_for_what_another_one_holds(
    simulator: Simulator, stream: Stream
) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DELAYED, delay_s=LATE_S)
    dropping = inject(simulator, FaultKind.FRAME_DROPPED)
    change_book(simulator, 1)
    simulator.faults.end(dropping)
    assert (await stream.next())["stream"] == DEPTH
    assert simulator.faults.struck_count(dropping) == 0


async def test_a_spent_fault_still_delivers_what_it_holds(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    fault_id = inject(simulator, FaultKind.FRAME_DELAYED, delay_s=LATE_S, count=1)
    change_book(simulator, 1)
    simulator.advance_clock(1)  # the second in which spent faults are put away
    assert simulator.faults.is_set
    assert await update_ids(stream) == []
    assert (await stream.next())["stream"] == DEPTH
    simulator.advance_clock(1)
    assert not simulator.faults.is_set
    assert simulator.faults.struck_count(fault_id) == 1


async def test_frames_of_a_market_are_chosen_within_a_stream_of_all(
    simulator: Simulator, stream: Stream, alice: Client
) -> None:
    await stream.send(alice.subscription(ORDERS))
    await stream.settle()
    inject(simulator, FaultKind.FRAME_DROPPED, market=SYMBOL)
    await alice.call("execute_order", ORDER)
    await alice.call("execute_order", {**ORDER, "symbol": "ETH_USDC", "price": "4000", "quantity": "0.1"})
    assert [frame["data"]["s"] for frame in await stream.settle()] == ["ETH_USDC"]


async def test_frames_of_an_account_are_its_private_ones(
    simulator: Simulator, stream: Stream, alice: Client, bob: Client
) -> None:
    await stream.send(alice.subscription(ORDERS))
    await stream.send(bob.subscription(ORDERS))
    await stream.subscribe(DEPTH)
    fault_id = inject(simulator, FaultKind.FRAME_DROPPED, account=alice.key)
    await alice.call("execute_order", ORDER)
    assert [frame["stream"] for frame in await stream.settle()] == [DEPTH]
    await bob.call("execute_order", {**ORDER, "clientId": 8})
    assert [frame["stream"] for frame in await stream.settle()] == [ORDERS, DEPTH]
    simulator.faults.end(fault_id)
    inject(simulator, FaultKind.FRAME_DROPPED, streams=("account",))
    await alice.call("execute_order", {**ORDER, "clientId": 9})
    assert [frame["stream"] for frame in await stream.settle()] == [DEPTH]


async def test_the_first_frames_of_a_subscription_meet_faults_too(
    simulator: Simulator, stream: Stream, alice: Client
) -> None:
    symbol = "SOL_USDC_PERP"
    place(simulator, "x", limit("Ask", "150", "1", symbol=symbol))
    place(simulator, alice.key, limit("Bid", "150", "1", symbol=symbol))
    inject(simulator, FaultKind.FRAME_DROPPED, streams=("account.positionUpdate",), count=1)
    await stream.send(alice.subscription("account.positionUpdate"))
    assert await stream.settle() == []
    await stream.send(alice.subscription(f"account.positionUpdate.{symbol}"))
    assert [frame["data"]["s"] for frame in await stream.settle()] == [symbol]


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


async def test_only_the_connection_of_an_account_is_slow(simulator: Simulator, stream: Stream, alice: Client) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.SOCKET_SLOW, delay_s=LATE_S, account=alice.key)
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    change_book(simulator, 1)
    await stream.next()
    assert loop.time() - start_s < SHORT_S


async def test_new_connections_are_refused(simulator: Simulator, stream: Stream, http: aiohttp.ClientSession) -> None:
    inject(simulator, FaultKind.SOCKET_REFUSED, count=2)
    for _ in range(2):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(simulator.ws_url)
        assert refused.value.status == 503
    async with http.ws_connect(simulator.ws_url) as socket:
        assert await Stream(socket).settle() == []
    assert await stream.settle() == []  # the old one is still there


async def test_a_private_subscription_is_refused(simulator: Simulator, stream: Stream, alice: Client) -> None:
    inject(simulator, FaultKind.SUBSCRIPTION_REFUSED, count=1, code=4005, message="Not now")
    await stream.subscribe(DEPTH)
    await stream.send(alice.subscription(ORDERS))
    assert await stream.next() == {"id": None, "error": {"code": 4005, "message": "Not now"}}
    assert not simulator.hub.is_wanted((alice.key, ORDERS))
    await stream.send(alice.subscription(ORDERS))
    assert await stream.settle() == []
    assert simulator.hub.is_wanted((alice.key, ORDERS))


async def test_a_refused_subscription_says_what_a_bad_signature_does(
    simulator: Simulator, stream: Stream, alice: Client, bob: Client
) -> None:
    inject(simulator, FaultKind.SUBSCRIPTION_REFUSED, account=alice.key)
    await stream.send(bob.subscription(ORDERS))
    assert await stream.settle() == []
    await stream.send(alice.subscription(ORDERS))
    assert await stream.next() == {"id": None, "error": {"code": 4003, "message": "Invalid signature"}}


async def test_a_subscription_is_ignored_without_a_word(simulator: Simulator, stream: Stream, alice: Client) -> None:
    inject(simulator, FaultKind.SUBSCRIPTION_IGNORED, streams=("account.balanceUpdate", DEPTH))
    await stream.send(alice.subscription(ORDERS, "account.balanceUpdate", DEPTH, f"trade.{SYMBOL}"))
    assert await stream.settle() == []
    wanted = [name for name in (ORDERS, "account.balanceUpdate") if simulator.hub.is_wanted((alice.key, name))]
    assert wanted == [ORDERS]
    assert not simulator.hub.is_wanted((None, DEPTH))
    assert simulator.hub.is_wanted((None, f"trade.{SYMBOL}"))


async def test_subscriptions_of_a_market_are_chosen(simulator: Simulator, stream: Stream) -> None:
    inject(simulator, FaultKind.SUBSCRIPTION_IGNORED, streams=("depth",), market=SYMBOL)
    await stream.subscribe(DEPTH, "depth.ETH_USDC")
    assert not simulator.hub.is_wanted((None, DEPTH))
    assert simulator.hub.is_wanted((None, "depth.ETH_USDC"))


async def test_a_symbol_that_begins_like_another_one_is_not_meant(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH, "depth.SOL_USDC_PERP")
    inject(simulator, FaultKind.FRAME_DROPPED, streams=(DEPTH,))
    change_book(simulator, 1)
    change_book(simulator, 1, "SOL_USDC_PERP")
    assert [frame["stream"] for frame in await stream.settle()] == ["depth.SOL_USDC_PERP"]


async def test_windows_are_streams_of_their_own(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH, f"depth.200ms.{SYMBOL}")
    inject(simulator, FaultKind.FRAME_DROPPED, streams=("depth.200ms",))
    change_book(simulator, 1)
    assert len(await update_ids(stream)) == 1
    await until(lambda: simulator.faults.payload()[0]["struck"] == 1)
    assert simulator.faults.payload()[0]["occasions"] == 1
