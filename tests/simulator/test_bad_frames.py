"""Stream connections that want too much: too many names, names of nothing, frames and handshakes out of shape."""

import base64
from typing import Any

import aiohttp
import pytest

from backpack_connector.simulator import Simulator, websocket
from tests.simulator.streams import LIMIT_S, Stream, forgotten, place
from tests.simulator.support import SYMBOL, Client, limit

RFQ = f"{SYMBOL}_RFQ"
KEY = base64.b64encode(bytes(16)).decode()


async def test_nothing_is_kept_of_private_streams_of_unknown_symbols(
    simulator: Simulator, stream: Stream, alice: Client
) -> None:
    served = ["account.orderUpdate", f"account.orderUpdate.{SYMBOL}", f"account.rfqUpdate.{RFQ}"]
    names = [f"account.orderUpdate.x{number}" for number in range(1_000)]
    await stream.send(alice.subscription(*names, *served, "account.positionUpdate.NOPE_USDC_PERP"))
    assert await stream.settle() == []
    (session,) = simulator.hub.sessions
    assert list(session._subscriptions) == [(alice.key, name) for name in served]


async def test_a_connection_has_so_many_subscriptions_and_no_more(
    simulator: Simulator, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_SUBSCRIPTIONS", 2)
    await stream.subscribe(f"depth.{SYMBOL}", f"trade.{SYMBOL}", f"depth.{SYMBOL}")
    await stream.send({"method": "SUBSCRIBE", "params": [f"bookTicker.{SYMBOL}", f"markPrice.{SYMBOL}"]})
    assert await stream.next() == {"id": None, "error": {"code": 4006, "message": "Too many subscriptions"}}
    await stream.send({"method": "UNSUBSCRIBE", "params": [f"trade.{SYMBOL}"]})
    await stream.subscribe(f"bookTicker.{SYMBOL}")
    place(simulator, "x", limit("Ask", "151", "2"))
    assert [frame["data"]["e"] for frame in await stream.settle()] == ["depth", "bookTicker"]


class CountingName(str):
    """A name that counts how often it is compared with another."""

    comparisons = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        CountingName.comparisons += 1
        return str.__eq__(self, other)


async def test_ending_many_subscriptions_compares_each_name_a_few_times(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe()
    (session,) = simulator.hub.sessions
    names = [f"depth.S{number}" for number in range(2_000)]
    session._subscriptions = {(None, name): None for name in names}
    session._unsubscribe([CountingName(name) for name in names[1:]])
    assert list(session._subscriptions) == [(None, names[0])]
    assert CountingName.comparisons < 10 * len(names)


async def test_a_frame_that_is_too_large_ends_the_connection(
    simulator: Simulator, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    await stream.send(" " * 250_000)  # not too large, but no JSON either
    assert (await stream.next())["error"]["code"] == 4002
    await stream.send(" " * 270_000)
    message = await stream.socket.receive(LIMIT_S)
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.MESSAGE_TOO_BIG)
    await forgotten(simulator)
    assert caplog.text == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-WebSocket-Version": "99", "Sec-WebSocket-Key": KEY},
        {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Version": "13"},
    ],
    ids=["version", "key", "no key"],
)
async def test_a_handshake_out_of_shape_is_refused(
    simulator: Simulator, http: aiohttp.ClientSession, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    sent: Any = {"Connection": "Upgrade", "Upgrade": "websocket", **headers}
    async with http.get(simulator.rest_url, headers=sent) as response:
        assert (response.status, response.content_type) == (400, "text/plain")
    assert not simulator.hub.sessions
    assert caplog.text == ""


@pytest.mark.parametrize("headers", [{"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}])
async def test_the_exchanges_own_routes_take_any_origin_and_host(
    simulator: Simulator, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with http.get(f"{simulator.rest_url}/api/v1/ping", headers=headers) as response:
        assert (response.status, await response.text()) == (200, "pong")
    async with http.ws_connect(simulator.ws_url, headers=headers, autoping=False) as socket:
        assert await Stream(socket).settle() == []
    async with http.get(f"{simulator.rest_url}/simulator/truth", headers=headers) as response:
        assert response.status == 403  # what is no part of the exchange does not
