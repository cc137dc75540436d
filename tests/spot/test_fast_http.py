"""`BACKPACK_HTTP`: which way the connector's requests take, and what the user is told where it is not that one."""

import logging
import sys
from decimal import Decimal

import pytest
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from backpack_connector import backpack_constants as constants
from backpack_connector.fast_http import fast_client
from backpack_connector.hosts import REST_URL
from backpack_connector.http_connection import HttpConnection
from backpack_connector.protocol.errors import ConfigurationError
from tests.spot.session import PAIR, until, world

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("word", "is_fast"), [(None, False), ("", False), ("aiohttp", False), ("fast", True), (" FAST ", True)]
)
def test_the_word_of_the_user(monkeypatch: pytest.MonkeyPatch, word: str | None, is_fast: bool) -> None:
    if word is None:
        monkeypatch.delenv("BACKPACK_HTTP", raising=False)
    else:
        monkeypatch.setenv("BACKPACK_HTTP", word)
    assert constants.is_http_fast() is is_fast


async def test_another_word_is_a_mistake_that_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPACK_HTTP", "quick")
    async with world() as here:
        with pytest.raises(ConfigurationError, match="BACKPACK_HTTP must be aiohttp or fast, not 'quick'"):
            here.connector()


def without_httptools(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("backpack_connector.http_client", "backpack_connector.http_connection"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "httptools", None)


def test_httptools_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    without_httptools(monkeypatch)
    said: list[str] = []
    assert fast_client(REST_URL, said.append) is None
    assert said == [
        "BACKPACK_HTTP=fast needs the package httptools: install it with `pip install httptools`. aiohttp is used."
    ]


def test_another_module_that_is_missing_is_no_reason_to_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "backpack_connector.http_client", raising=False)
    monkeypatch.setitem(sys.modules, "backpack_connector.http_connection", None)
    with pytest.raises(ModuleNotFoundError):
        fast_client(REST_URL, lambda _: None)


@pytest.mark.parametrize(
    ("environment", "is_fast"),
    [
        ({}, True),
        ({"https_proxy": "http://127.0.0.1:3128"}, False),
        ({"ALL_PROXY": "http://127.0.0.1:3128"}, False),
        ({"http_proxy": "http://127.0.0.1:3128"}, True),
        ({"https_proxy": "http://127.0.0.1:3128", "no_proxy": "backpack.exchange"}, True),
    ],
)
def test_a_proxy_is_left_to_aiohttp(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], is_fast: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    assert (fast_client(REST_URL, said.append) is not None) == is_fast
    assert said == (
        [] if is_fast else ["BACKPACK_HTTP=fast knows no proxies, and the environment names one. aiohttp is used."]
    )


def test_a_base_url_with_a_password_is_left_to_aiohttp_and_not_shown() -> None:
    said: list[str] = []
    assert fast_client("http://me:secret@127.0.0.1:8701", said.append) is None
    assert said == ["BACKPACK_HTTP=fast takes plain base URLs only. aiohttp is used."]


async def test_requests_of_a_connector_go_past_aiohttp_and_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPACK_HTTP", "fast")
    async with world() as here:
        connector = here.connector()
        await connector.request("ping")
        assert ConnectionsFactory()._shared_client is None
        fast = connector._sender._fast
        assert fast is not None
        assert fast.resting_connections == 1
        await connector.stop_network()
        assert fast.open_connections == 0


async def test_without_httptools_a_connector_says_so_once_and_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BACKPACK_HTTP", "fast")
    without_httptools(monkeypatch)
    async with world() as here:
        connector = here.connector()
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                await connector.request("ping")
        await connector._sender.touch()
        assert ConnectionsFactory()._shared_client is not None
    assert [record.message for record in caplog.records if "httptools" in record.message] == [
        "BACKPACK_HTTP=fast needs the package httptools: install it with `pip install httptools`. aiohttp is used."
    ]


async def test_the_order_leaves_within_the_call_that_places_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPACK_HTTP", "fast")
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        asked: list[bytes] = []
        ask = HttpConnection.ask
        monkeypatch.setattr(HttpConnection, "ask", lambda self, *args: (asked.append(args[0]), ask(self, *args)))
        order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(140))
        assert [request.split(b" HTTP")[0] for request in asked] == [b"POST /api/v1/order"]
        assert f'"clientId":{order_id}'.encode() in asked[0]
        await until(lambda: connector.in_flight_orders[order_id].is_open)
