"""URLs of both domains, and answers read into data or one kind of error."""

import time
from typing import Any

import pytest

from backpack_connector import backpack_constants as constants
from backpack_connector.backpack_web_utils import (
    create_throttler,
    get_current_server_time,
    private_rest_url,
    public_rest_url,
    rest_url,
    ws_url,
)
from backpack_connector.hosts import SIMULATOR_URL_VARIABLE
from backpack_connector.protocol.errors import BackpackError, ConfigurationError, NoAnswer, RateLimited, Unavailable
from tests.spot.session import world
from tests.spot.stream_double import HANG_UP, UNAVAILABLE, Reply, failure

SIMULATOR = "backpack_simulator"


@pytest.mark.parametrize("path", ["/api/v1/time", "api/v1/time"])
@pytest.mark.parametrize("url", [rest_url, public_rest_url, private_rest_url])
def test_rest_url_of_the_exchange(url: Any, path: str) -> None:
    assert url(path) == url(path, "backpack") == "https://api.backpack.exchange/api/v1/time"


def test_stream_url_of_the_exchange() -> None:
    assert ws_url() == "wss://ws.backpack.exchange"


@pytest.mark.parametrize("domain", ["backpack_simulator", "backpack_perpetual_simulator"])
@pytest.mark.parametrize(
    ("variable", "rest", "stream"),
    [
        (None, "http://127.0.0.1:8700", "ws://127.0.0.1:8700/"),
        ("", "http://127.0.0.1:8700", "ws://127.0.0.1:8700/"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9", "ws://127.0.0.1:9/"),
        (" http://[::1]:9/ ", "http://[::1]:9", "ws://[::1]:9/"),
        ("https://sim.test", "https://sim.test", "wss://sim.test/"),
    ],
)
def test_urls_of_the_simulator(
    variable: str | None, rest: str, stream: str, domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is None:
        monkeypatch.delenv(SIMULATOR_URL_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(SIMULATOR_URL_VARIABLE, variable)
    assert rest_url("/api/v1/time", domain) == f"{rest}/api/v1/time"
    assert ws_url(domain) == stream


BAD_URLS = [
    "127.0.0.1:8700",
    "ftp://127.0.0.1",
    "ws://127.0.0.1:8700",
    "http://",
    "http:///path",
    "http://:8700",
    "http://127.0.0.1:port",
    "http://127.0.0.1:99999",
    "http://[::1",
    "http://two words",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_bad_input_url_of_the_simulator_is_one_sentence_with_the_variable(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIMULATOR_URL_VARIABLE, url)
    for ask in (lambda: rest_url("/api/v1/time", SIMULATOR), lambda: ws_url(SIMULATOR)):
        with pytest.raises(ConfigurationError, match=SIMULATOR_URL_VARIABLE) as caught:
            ask()
        assert str(caught.value).count(". ") == 0
        assert "\n" not in str(caught.value)


async def test_server_time_is_in_milliseconds() -> None:
    async with world() as _:
        assert abs(await get_current_server_time(domain=SIMULATOR) / 1000 - time.time()) < 5
        assert await get_current_server_time(throttler=create_throttler(), domain=SIMULATOR) > 1e12


@pytest.mark.parametrize("answer", ["soon", "", "{}", "NaN", "Infinity", "-1", "1e999"])
async def test_bad_input_server_time_is_a_wire_format_error(answer: str) -> None:
    async with world(with_double=True) as here:
        here.double.answer("get_time", Reply(answer))
        with pytest.raises(BackpackError, match="get_time"):
            await get_current_server_time(domain=SIMULATOR)


ANSWERS: "list[tuple[Reply, type[BackpackError], str]]" = [
    (UNAVAILABLE, Unavailable, "get_balances: Service unavailable (503, SERVER_ERROR)"),
    (failure(429, "TOO_MANY_REQUESTS", "slow down"), RateLimited, "get_balances: slow down (429, TOO_MANY_REQUESTS)"),
    (Reply("<html>" + "x" * 9_000 + "</html>", 502), Unavailable, "get_balances: <html>"),
    (HANG_UP, NoAnswer, "get_balances: no answer from the exchange"),
    (Reply("{no json"), BackpackError, "get_balances: the answer is no JSON"),
    (Reply(b"\xff\xfe{}"), BackpackError, "get_balances"),
    (Reply(b"\xff\xfe{}", 503), Unavailable, "get_balances"),
    (Reply("[" * 100_000), BackpackError, "get_balances"),
]


@pytest.mark.parametrize(
    ("reply", "kind", "text"), ANSWERS, ids=[f"{row[0].status} {row[0].body!s:.12}" for row in ANSWERS]
)
async def test_every_bad_answer_is_one_short_error_of_our_own(
    reply: Reply, kind: "type[BackpackError]", text: str
) -> None:
    async with world(with_double=True) as here:
        here.double.answer("get_balances", reply)
        with pytest.raises(kind) as caught:
            await here.connector().request("get_balances")
        assert str(caught.value).startswith(text)
        assert len(str(caught.value)) < 400


async def test_answer_that_does_not_come_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "REQUEST_TIMEOUT_S", 0.1)
    async with world(with_double=True) as here:
        here.double.answer("get_balances", Reply({}, delay_s=5.0))
        with pytest.raises(NoAnswer, match="get_balances: no answer"):
            await here.connector().request("get_balances")


async def test_empty_answer_is_nothing() -> None:
    async with world(with_double=True) as here:
        here.double.answer("get_balances", Reply(status=204))
        assert await here.connector().request("get_balances") is None


async def test_exchange_that_is_not_there_is_no_answer() -> None:
    async with world() as here:
        connector = here.connector()
        await here.simulator.stop()
        with pytest.raises(NoAnswer):
            await connector.request("get_status")
        with pytest.raises(BackpackError):
            await connector.request("get_balances")
