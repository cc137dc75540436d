"""What nobody can read, and failures of our own: all are answered in the exchange's form, and nothing has an effect."""

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.simulator.streams import LIMIT_S, Stream, forgotten
from tests.simulator.support import SYMBOL, Client, state_of

ORDER = "/api/v1/order"
CLOCK = "/simulator/clock"
UNREADABLE = (400, "text/plain", "parse request payload error: the body cannot be read or decompressed")
TOO_LARGE = (413, "text/plain", "request entity too large")
GZIP = {"Content-Encoding": "gzip"}


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if is_so():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it has not happened")


async def answer_to(http: aiohttp.ClientSession, simulator: Simulator, path: str, **sent: Any) -> tuple[int, str, str]:
    """Post something, and return status, type and text; the exchange must be as it was."""
    before = state_of(simulator.exchange)
    async with http.post(simulator.rest_url + path, **sent) as response:
        answer = response.status, response.content_type, await response.text()
    assert state_of(simulator.exchange) == before
    async with http.get(f"{simulator.rest_url}/api/v1/ping") as response:
        assert await response.text() == "pong"
    return answer


@pytest.mark.parametrize("with_faults", [False, True])
@pytest.mark.parametrize("path", [ORDER, "/api/v1/orders", CLOCK, "/simulator/faults"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"hello", UNREADABLE),
        (gzip.compress(b"{}")[:10] + b"\xff\xff", UNREADABLE),
        (gzip.compress(bytes(50_000_000)), UNREADABLE),
        (gzip.compress(bytes(300_000)), TOO_LARGE),
    ],
    ids=["no gzip", "broken gzip", "bomb", "too large"],
)
async def test_compressed_bodies_that_cannot_be_read(
    simulator: Simulator,
    http: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    with_faults: bool,
    path: str,
    body: bytes,
    expected: Any,
) -> None:
    if with_faults:
        simulator.faults.inject(Fault(kind=FaultKind.ANSWER_DELAYED, delay_s=0.0, operations=("get_time",)))
    assert await answer_to(http, simulator, path, data=body, headers=GZIP) == expected
    assert caplog.text == ""


async def test_compressed_bodies_that_can_be_read_are_read(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    before_ms = simulator.now_ms()
    body = gzip.compress(b'{"advanceSeconds": 3600}')
    status, _, _ = await answer_to(http, simulator, CLOCK, data=body, headers=GZIP)
    assert status == 200
    assert simulator.now_ms() - before_ms >= 3_600_000


@pytest.mark.parametrize("with_faults", [False, True])
@pytest.mark.parametrize("path", [ORDER, CLOCK])
async def test_bodies_that_are_too_large(
    simulator: Simulator, http: aiohttp.ClientSession, path: str, with_faults: bool
) -> None:
    if with_faults:
        simulator.faults.inject(Fault(kind=FaultKind.ANSWER_DELAYED, delay_s=0.0, operations=("get_time",)))
    assert await answer_to(http, simulator, path, data=b" " * 300_000) == TOO_LARGE


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/v1/time"), ("GET", "/simulator/truth")])
async def test_a_failure_of_our_own_is_reported_and_answered_in_the_exchanges_form(
    simulator: Simulator,
    http: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setitem(simulator._public.operations, "get_time", fail)
    monkeypatch.setattr("backpack_connector.simulator.server.truth_payload", fail)
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    async with http.request(method, f"{simulator.rest_url}{path}?secret=1") as response:
        assert response.status == 500
        assert response.content_type == "application/json"
        assert await response.json() == {"code": "SERVER_ERROR", "message": "Internal server error"}
    (context,) = heard
    assert context["message"] == f"the simulator could not answer {method} {path}"
    assert isinstance(context["exception"], ZeroDivisionError)


async def test_a_failure_in_a_stream_ends_the_connection(
    simulator: Simulator, stream: Stream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("a mistake")

    await stream.subscribe(f"depth.{SYMBOL}")
    monkeypatch.setattr("backpack_connector.simulator.websocket._read_command", fail)
    await stream.send({"method": "SUBSCRIBE", "params": []})
    message = await stream.socket.receive(LIMIT_S)
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    await forgotten(simulator)
    assert "a mistake" in caplog.text


async def test_a_client_that_goes_away_in_the_middle_of_a_body_is_no_failure(
    simulator: Simulator, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection(simulator.host, simulator.port)
    writer.write(b"POST /api/v1/order HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    runner = simulator._runner
    assert runner is not None
    assert runner.server is not None
    server = runner.server
    await until(lambda: any(connection._request_in_progress for connection in server.connections))
    writer.transport.abort()
    await until(lambda: not server.connections)
    async with http.get(f"{simulator.rest_url}/api/v1/ping") as response:
        assert await response.text() == "pong"
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("path", "headers"), [(f"/api/v1/time?x={'y' * 9_000}", {}), ("/api/v1/time", {"X-Signature": "y" * 9_000})]
)
async def test_an_address_or_a_header_that_is_too_long(
    simulator: Simulator,
    http: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    path: str,
    headers: dict[str, str],
) -> None:
    async with http.get(simulator.rest_url + path, headers=headers) as response:
        assert (response.status, response.content_type) == (400, "text/plain")
        assert (await response.text()).startswith("Got more than 8190 bytes")
    async with http.get(f"{simulator.rest_url}/api/v1/ping") as response:
        assert await response.text() == "pong"
    assert caplog.text == ""


TOO_LONG = {"code": "INVALID_CLIENT_REQUEST", "message": "Time range between startTime and endTime is too long"}
LONG_AGO = {"symbol": SYMBOL, "interval": "1m", "startTime": "-1", "endTime": "60"}


def unread(name: str, what: str) -> str:
    return f'failed to parse parameter `{name}`: failed to parse "integer": {what}'


@pytest.mark.parametrize(
    ("operation", "parameters", "status", "answer"),
    [
        ("get_klines", LONG_AGO | {"endTime": "-1"}, 200, []),
        ("get_klines", LONG_AGO | {"startTime": str(-(2**63))}, 400, TOO_LONG),
        (
            "get_klines",
            LONG_AGO | {"startTime": str(-(2**63) - 1)},
            400,
            unread("startTime", "number too small to fit in target type"),
        ),
        ("get_klines", LONG_AGO | {"startTime": "--1"}, 400, unread("startTime", "invalid digit found in string")),
        ("get_fills", {"from": "-1", "to": str(2**63 - 1)}, 200, []),
        ("get_fills", {"to": str(2**63)}, 400, unread("to", "number too large to fit in target type")),
        ("get_deposits", {"from": str(-(2**63)), "to": "-1"}, 200, []),
        ("get_fills", {"offset": str(2**64 - 1)}, 200, []),
        ("get_fills", {"limit": str(2**64 - 1)}, 400, unread("limit", "Value must not exceed 1000.")),
        ("get_fills", {"offset": str(2**64)}, 400, unread("offset", "number too large to fit in target type")),
        ("get_fills", {"offset": "9" * 5_000}, 400, unread("offset", "number too large to fit in target type")),
        ("get_fills", {"offset": "-1"}, 400, unread("offset", "invalid digit found in string")),
        ("get_historical_trades", {"symbol": SYMBOL, "offset": str(2**64 - 1)}, 200, []),
    ],
)
async def test_whole_numbers_have_64_bits(
    alice: Client, operation: str, parameters: dict[str, str], status: int, answer: Any
) -> None:
    assert await alice.call(operation, parameters) == (status, answer)


async def test_a_candle_that_began_before_1970_is_not_there(alice: Client) -> None:
    status, candles = await alice.call("get_klines", LONG_AGO | {"startTime": "-60"})
    assert (status, [candle["start"] for candle in candles]) == (200, ["1970-01-01 00:00:00", "1970-01-01 00:01:00"])


@pytest.mark.parametrize(
    ("broker", "what"),
    [
        ("abc", "invalid digit found in string"),
        ("-1", "invalid digit found in string"),
        ("70000", "Value must not exceed 65535."),
        ("65536", "Value must not exceed 65535."),
        ("65535", None),
    ],
)
async def test_a_broker_has_an_id_of_16_bits(
    simulator: Simulator, alice: Client, broker: str, what: str | None
) -> None:
    order = {"symbol": SYMBOL, "side": "Bid", "orderType": "Limit", "price": "150", "quantity": "1"}
    headers = {"x-broker-id": broker}
    strategy = {"symbol": SYMBOL, "side": "Bid", "strategyType": "Scheduled", "quantity": "1"}
    answers = {
        operation: await alice.call(operation, fields, headers=headers)
        for operation, fields in (("execute_order", order), ("execute_order_batch", [order]))
    }
    expected = (400, unread("X-BROKER-ID", what or ""))
    if what is None:
        assert [status for status, _ in answers.values()] == [200, 200]
    else:
        assert answers == dict.fromkeys(answers, expected)
        assert await alice.call("strategy_create", strategy, headers=headers) == expected
        assert not list(simulator.exchange.accounts)
    # It is no header of other operations.
    assert (await alice.call("get_balances", headers=headers))[0] == 200
