"""Connections to the streams: what subscribing does, which frames are refused, and how connections end."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from backpack_connector.simulator import Simulator, running_simulator
from tests.protocol.samples import sample
from tests.simulator.streams import LIMIT_S, Stream, forgotten, place
from tests.simulator.support import SYMBOL, Client, limit


@pytest.mark.parametrize("case", sample("websocket_error_cases.json")["cases"], ids=lambda case: case.get("note", ""))
async def test_captured_error_cases(stream: Stream, simulator: Simulator, case: dict[str, Any]) -> None:
    request = case.get("send_text") or json.dumps(case["send"])
    for _ in range(2 if case.get("twice") else 1):
        await stream.send(request)
    if case["expect"] is not None:
        assert await stream.next() == case["expect"]
    # The socket is still good, and nothing else has come.
    assert await stream.settle() == []


@pytest.mark.parametrize(
    "frame",
    [
        "[]",
        "7",
        '{"method":"SUBSCRIBE"}',
        '{"method":"SUBSCRIBE","params":"x"}',
        '{"method":"SUBSCRIBE","params":[1]}',
        "{" * 3_000,
    ],
)
async def test_other_malformed_frames_are_parse_errors(stream: Stream, frame: str) -> None:
    await stream.send(frame)
    assert await stream.next() == {"id": None, "error": {"code": 4002, "message": "Parse error"}}
    await stream.socket.send_bytes(b"{}")
    assert (await stream.next())["error"]["code"] == 4002


async def test_nothing_is_kept_of_streams_that_are_not_served(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe("depth.NOPE_USDC_PERP", "depth.WEN_USDC", f"depth.{SYMBOL}")
    wanted = [
        name for name in ("NOPE_USDC_PERP", "WEN_USDC", SYMBOL) if simulator.hub.is_wanted((None, f"depth.{name}"))
    ]
    assert wanted == [SYMBOL]


async def test_unsubscribe_ends_the_frames(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(f"depth.{SYMBOL}", f"bookTicker.{SYMBOL}")
    await stream.send({"method": "UNSUBSCRIBE", "params": [f"depth.{SYMBOL}", "depth.NOPE_USDC"]})
    await stream.settle()
    place(simulator, "x", limit("Ask", "151", "2"))
    assert [frame["data"]["e"] for frame in await stream.settle()] == ["bookTicker"]


async def test_a_second_subscription_delivers_nothing_twice(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(f"depth.{SYMBOL}")
    await stream.subscribe(f"depth.{SYMBOL}", f"depth.{SYMBOL}")
    place(simulator, "x", limit("Ask", "151", "2"))
    assert len(await stream.settle()) == 1


def spoil(frame: dict[str, Any], position: int, text: Any) -> dict[str, Any]:
    return {**frame, "signature": [*frame["signature"][:position], text, *frame["signature"][position + 1 :]]}


async def test_a_bad_signature_is_answered_and_subscribes_to_nothing(
    simulator: Simulator, stream: Stream, alice: Client, bob: Client
) -> None:
    good = alice.subscription("account.orderUpdate")
    old = {**good, "signature": alice.credentials.subscription_signature(alice.now_ms() - 20_000)}
    bad = {
        "none": {"method": "SUBSCRIBE", "params": ["account.orderUpdate"]},
        "short": {**good, "signature": good["signature"][:3]},
        "a number": spoil(good, 2, 5),
        "another key": spoil(good, 0, bob.key),
        "another time": spoil(good, 2, str(alice.now_ms() + 1)),
    }
    for what, frame in bad.items():
        await stream.send(frame)
        assert await stream.next() == {"id": None, "error": {"code": 4003, "message": "Invalid signature"}}, what
    await stream.send(old)
    assert await stream.next() == {"id": None, "error": {"code": 4003, "message": "Request has expired"}}
    assert list(simulator.exchange.accounts) == []


async def test_unknown_private_streams_are_invalid(stream: Stream, alice: Client) -> None:
    for name in ("account.nope", f"account.balanceUpdate.{SYMBOL}"):
        await stream.send(alice.subscription(name))
        assert (await stream.next())["error"]["code"] == 4006


async def test_the_server_pings_and_keeps_who_answers(http: aiohttp.ClientSession) -> None:
    options: Any = {"ping_interval_s": 0.02, "pong_timeout_s": 0.05}
    async with (
        running_simulator(background=False, **options) as simulator,
        http.ws_connect(simulator.ws_url, autoping=False) as socket,
    ):
        for _ in range(6):
            message = await socket.receive(LIMIT_S)
            assert message.type is aiohttp.WSMsgType.PING
            await socket.pong(message.data)


async def test_the_server_closes_who_does_not_answer_pings(http: aiohttp.ClientSession) -> None:
    options: Any = {"ping_interval_s": 0.02, "pong_timeout_s": 0.05}
    async with running_simulator(background=False, **options) as simulator:
        async with http.ws_connect(simulator.ws_url, autoping=False) as socket:
            kinds = []
            while not kinds or kinds[-1] is aiohttp.WSMsgType.PING:
                kinds.append((await socket.receive(LIMIT_S)).type)
            assert kinds[-1] is aiohttp.WSMsgType.CLOSE
            assert 2 <= len(kinds) <= 6
        await forgotten(simulator)


async def test_pings_of_clients_are_answered(stream: Stream) -> None:
    await stream.socket.ping(b"hello")
    message = await stream.socket.receive(LIMIT_S)
    assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"hello")


async def test_stopping_sends_a_close_frame(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=True) as simulator:
        socket = await http.ws_connect(simulator.ws_url)
        await Stream(socket).subscribe("depth.WEN_USDC")
        receiving = asyncio.ensure_future(socket.receive(LIMIT_S))
    message = await receiving
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert message.data == aiohttp.WSCloseCode.GOING_AWAY


async def test_a_client_that_does_not_read_is_disconnected(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=False, max_queued_frames=50) as simulator:
        socket = await http.ws_connect(simulator.ws_url)
        await Stream(socket).subscribe(f"depth.{SYMBOL}")
        # The server's task gets no turn in between, so that its queue fills up.
        for _ in range(60):
            place(simulator, "x", limit("Ask", "151", "0.01"))
        while not socket.closed:
            message = await socket.receive(LIMIT_S)
            assert message.type is not aiohttp.WSMsgType.ERROR
        assert socket.close_code == aiohttp.WSCloseCode.TRY_AGAIN_LATER
        assert not simulator.hub.is_wanted((None, f"depth.{SYMBOL}"))


async def test_a_client_that_vanishes_is_forgotten(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    socket = await http.ws_connect(simulator.ws_url)
    await Stream(socket).subscribe(f"depth.{SYMBOL}")
    await socket.close()
    await forgotten(simulator)
    assert not simulator.hub.is_wanted((None, f"depth.{SYMBOL}"))
    place(simulator, "x", limit("Ask", "151", "2"))


async def test_a_client_that_never_reads_cannot_hold_up_the_end(http: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    async with running_simulator(background=False) as simulator, http.ws_connect(simulator.ws_url) as socket:
        await Stream(socket).subscribe(f"depth.{SYMBOL}")
        (session,) = simulator.hub.sessions
        for _ in range(400):
            # Large frames, because the machine's own buffers hold megabytes.
            session.send("x" * 100_000)
            await asyncio.sleep(0)
        start_s = loop.time()
        await simulator.stop()
        assert loop.time() - start_s < LIMIT_S
        assert not simulator.hub.sessions
