"""The user chooses who reads the streams; where picows cannot, aiohttp does, and one sentence says so."""

import sys

import pytest

from backpack_connector import backpack_web_utils
from backpack_connector.backpack_web_utils import StreamConnection, build_api_factory, connected_stream
from backpack_connector.hosts import SIMULATOR_URL_VARIABLE
from backpack_connector.picows_stream import PicowsConnection
from backpack_connector.protocol.errors import ConfigurationError
from tests.spot.raw_peer import RawPeer, frame, raw_peer
from tests.spot.session import until

DOMAIN = "backpack_simulator"
PROXIES = ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the proxies of whoever runs the tests out of the environment, and let each sentence be said again."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    backpack_web_utils._say_once.cache_clear()


async def connection_to(peer: RawPeer, monkeypatch: pytest.MonkeyPatch) -> type:
    """Connect, take a frame, and return what reads the stream."""
    monkeypatch.setenv(SIMULATOR_URL_VARIABLE, "http" + peer.url.removeprefix("ws"))
    peer.first = frame('{"stream": "x"}')
    assistant = await connected_stream(build_api_factory(domain=DOMAIN), DOMAIN)
    response = await assistant.receive()
    assert response is not None
    assert response.data == {"stream": "x"}
    await assistant.disconnect()
    await until(peer.is_gone.is_set)
    return type(assistant._connection)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("", StreamConnection),
        ("aiohttp", StreamConnection),
        ("picows", PicowsConnection),
        (" PICOWS ", PicowsConnection),
    ],
)
async def test_the_word_chooses(
    word: str, kind: type, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BACKPACK_WEBSOCKET", word)
    async with raw_peer() as peer:
        assert await connection_to(peer, monkeypatch) is kind
    assert not caplog.records


def test_another_word_is_refused_before_anything_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPACK_WEBSOCKET", "websockets")
    with pytest.raises(ConfigurationError, match=r"^BACKPACK_WEBSOCKET must be aiohttp or picows, not 'websockets'\.$"):
        build_api_factory(domain=DOMAIN)


async def test_aiohttp_reads_where_picows_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BACKPACK_WEBSOCKET", "picows")
    monkeypatch.setitem(sys.modules, "picows", None)
    monkeypatch.delitem(sys.modules, "backpack_connector.picows_stream")
    async with raw_peer() as peer:
        for _ in range(3):
            assert await connection_to(peer, monkeypatch) is StreamConnection
    (record,) = caplog.records
    assert "so the streams use aiohttp" in record.getMessage()


@pytest.mark.parametrize(
    ("proxies", "kind"),
    [
        ({"http_proxy": "http://127.0.0.1:9"}, StreamConnection),
        ({"ALL_PROXY": "http://127.0.0.1:9"}, StreamConnection),
        ({"https_proxy": "http://127.0.0.1:9"}, PicowsConnection),
        ({"http_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}, PicowsConnection),
    ],
)
async def test_proxies_are_left_to_aiohttp(
    proxies: dict[str, str], kind: type, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BACKPACK_WEBSOCKET", "picows")
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    async with raw_peer() as peer:
        assert await connection_to(peer, monkeypatch) is kind
    assert [record.getMessage() for record in caplog.records] == (
        ["BACKPACK_WEBSOCKET is picows, but the environment names a proxy, so the streams use aiohttp."]
        if kind is StreamConnection
        else []
    )
