"""The simulator as the target: odd requests get the exchange's own errors, nothing crashes, and nothing changes."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.endpoints import ENDPOINTS, Endpoint, endpoint
from backpack_connector.protocol.errors import ConfigurationError, ErrorCode
from backpack_connector.protocol.rest import build_request
from backpack_connector.protocol.signing import Credentials
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.pools import Pools
from backpack_connector.simulator.truth import truth_payload
from tests.fuzz.hostile import ODD_FRAMES, RAW_FRAMES
from tests.fuzz.mutations import MISSING, mutations, unexpected_values
from tests.fuzz.targets import KEY, SECRET

CREDENTIALS = Credentials(KEY, SECRET)
CODES = {code.value for code in ErrorCode}
CONTROLS = [f"/simulator/{name}" for name in ("clock", "deposit", "faults", "price", "session")]
ORDER = {
    "symbol": "SOL_USDC_PERP",
    "side": "Bid",
    "orderType": "Limit",
    "price": "100",
    "quantity": "1",
    "timeInForce": "GTC",
    "postOnly": False,
    "reduceOnly": False,
    "selfTradePrevention": "RejectTaker",
    "clientId": 5,
    "takeProfitTriggerPrice": "110",
    "stopLossTriggerPrice": "80",
}
CONDITIONAL = {
    "symbol": "SOL_USDC_PERP",
    "side": "Bid",
    "orderType": "Market",
    "clientId": 6,
    "triggerPrice": "90",
    "triggerQuantity": "1",
    "triggerBy": "LastPrice",
    "slippageTolerance": "1",
    "slippageToleranceType": "Percent",
}
CANCEL = {"symbol": "SOL_USDC_PERP", "orderId": "1", "orderType": "RestingLimitOrder"}
COMMANDS = [
    ("execute_order", ORDER),
    ("execute_order", CONDITIONAL),
    ("execute_order_batch", ORDER),
    ("cancel_order", CANCEL),
    ("cancel_open_orders", CANCEL),
]
ODD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "half of an object": b'{"symbol":',
    "null": b"null",
    "number": b"17",
    "list": b"[]",
    "list of lists": b"[[]]",
    "100,000 brackets": b"[" * 100_000,
    "10,000 digits": b'{"symbol":"SOL_USDC","orderId":' + b"9" * 10_000 + b"}",
    "huge exponent": b'{"symbol":"SOL_USDC","orderId":"1","extra":1e999999999}',
    "tiny exponent": b'[{"symbol":"SOL_USDC","side":"Bid","orderType":"Limit","x":-1e-999999999}]',
    "NaN": b'{"symbol":NaN}',
    "invalid UTF-8": b'{"symbol":"\xff\xfe"}',
    "half a surrogate pair": b'{"symbol":"\\ud800"}',
    "too long": b'"' + b"x" * 300_000 + b'"',
    "twice the same key": b'{"symbol":"SOL_USDC","symbol":"BTC_USDC"}',
    "zero bytes": bytes(1_000),
}


@pytest.fixture
async def simulator(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Simulator]:
    """Give a simulator that does not count requests, and fail when it has logged an error."""
    monkeypatch.setattr(Pools, "count", lambda *_: None)
    async with running_simulator(background=False) as simulator:
        yield simulator
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not errors, [record.getMessage()[:300] for record in errors]


def state_of(simulator: Simulator) -> Any:
    """Return everything that requests can change, but time."""
    truth = truth_payload(simulator.exchange, seed=0, now_us=0)
    moving = ("markPrice", "indexPrice", "fundingRate")  # nobody has asked for that
    for market in truth["markets"].values():
        for name in moving:
            market.pop(name, None)
    # A signed request may open an account, which has its faucet money from then on.
    accounts = truth["accounts"].values()
    return truth["markets"], [(account.get("orders"), account.get("positions")) for account in accounts if account]


async def check_refusal(answer: aiohttp.ClientResponse, what: str) -> None:
    """Demand an error in one of the exchange's forms."""
    text = await answer.text(errors="replace")
    assert 400 <= answer.status < 500 or text.startswith('{"code":"NOT_IMPLEMENTED"'), f"{what}: {answer.status} {text}"
    assert len(text) < 1_000, f"{what}: {text[:300]}"
    if answer.content_type == "application/json":
        body = json.loads(text)
        assert set(body) == {"code", "message"}, what
        assert body["code"] in CODES, what
        assert isinstance(body["message"], str), what
    else:
        assert text, what


async def send(simulator: Simulator, method: str, path: str, **options: Any) -> "tuple[int, str]":
    """Send a request; a refusal must have the exchange's form."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, simulator.rest_url + path, **options) as answer,
    ):
        if answer.status >= 300:
            await check_refusal(answer, f"{method} {path}")
        return answer.status, await answer.text(errors="replace")


@pytest.mark.parametrize("name", ODD_BODIES)
async def test_odd_bodies_are_refused_everywhere_and_change_nothing(simulator: Simulator, name: str) -> None:
    before = state_of(simulator)
    targets = [(row.method, row.path) for row in ENDPOINTS if row.sends_body] + [("POST", path) for path in CONTROLS]
    for method, path in targets:
        status, text = await send(simulator, method, path, data=ODD_BODIES[name])
        assert status >= 400 or (path == "/simulator/faults" and text == '{"ids":[]}'), f"{method} {path}"
    assert state_of(simulator) == before


async def test_odd_parameters_are_refused_everywhere_and_change_nothing(simulator: Simulator) -> None:
    before = state_of(simulator)
    texts = ["", " ", "x", "-1", "9" * 5_000, "1e999999999", "NaN", "٣", "\x00", "../..", "%", "a&b=c", "SOL_USDC\n"]
    names = ("symbol", "limit", "offset", "interval", "startTime", "orderId", "marketType", "from", "to", "account")
    rows = [(row.method, row.path) for row in ENDPOINTS if not row.sends_body]
    for method, path in [*rows, ("GET", "/simulator/truth"), ("GET", "/simulator/faults")]:
        for text in texts:
            await send(simulator, method, path, params=dict.fromkeys(names, text))
    assert state_of(simulator) == before


async def test_odd_headers_are_refused(simulator: Simulator) -> None:
    row = endpoint("get_balances")
    for name in ("X-API-Key", "X-Signature", "X-Timestamp", "X-Window"):
        for text in ("", "x", "-1", "9" * 5_000, "A" * 44, "=" * 88, "1e9", "NaN", "\u0663"):
            request = build_request(row, credentials=CREDENTIALS, timestamp_ms=simulator.now_ms())
            status, _ = await send(simulator, row.method, row.path, headers={**request.headers, name: text})
            assert status >= 400, (name, text)


@pytest.mark.parametrize(("operation_id", "command"), COMMANDS)
async def test_signed_commands_with_odd_fields_are_executed_or_refused_as_a_whole(
    simulator: Simulator, operation_id: str, command: dict[str, Any]
) -> None:
    row = endpoint(operation_id)
    async with aiohttp.ClientSession() as session:
        for done, spoilt in mutations(command):
            before = state_of(simulator)
            body = [spoilt] if row.is_batch else spoilt
            answer = await _send_signed(simulator, session, row, body)
            if answer is None:
                continue
            async with answer:
                if answer.status >= 300:
                    await check_refusal(answer, done)
                    assert state_of(simulator)[0] == before[0], done
    for symbol, market in simulator.exchange.markets.items():
        assert not market.book.is_crossed, symbol


async def test_number_that_would_fill_the_memory_is_not_written_out_to_be_verified(simulator: Simulator) -> None:
    row = endpoint("cancel_order")
    headers = build_request(row, CANCEL, credentials=CREDENTIALS, timestamp_ms=simulator.now_ms()).headers
    body = b'{"symbol":"SOL_USDC_PERP","orderId":"1","extra":1e999999999}'
    status, text = await send(simulator, row.method, row.path, data=body, headers=headers)
    assert (status, json.loads(text)["message"]) == (400, "Invalid signature")


async def _send_signed(simulator: Simulator, session: aiohttp.ClientSession, row: Endpoint, body: Any) -> Any:
    orders = body if row.is_batch else [body]
    if not all(isinstance(order, dict) for order in orders):
        return None
    try:
        known = [{k: v for k, v in order.items() if v is not MISSING} for order in orders]
        request = build_request(
            row, known if row.is_batch else known[0], credentials=CREDENTIALS, timestamp_ms=simulator.now_ms()
        )
        headers = request.headers
    except (ConfigurationError, ValueError, UnicodeEncodeError):
        headers = {"X-API-Key": KEY, "X-Signature": "x", "X-Timestamp": "1", "Content-Type": "application/json"}
    text = json.dumps(body).encode()
    return await session.request(row.method, simulator.rest_url + row.path, data=text, headers=headers)


async def test_odd_frames_leave_every_other_client_alone(simulator: Simulator) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(simulator.ws_url) as witness:
        await witness.send_json({"method": "SUBSCRIBE", "params": ["markPrice.SOL_USDC_PERP"]})
        frames = [*ODD_FRAMES.values(), *(json.dumps(value) for value in _odd_commands())]
        for frame in frames:
            with suppress(ConnectionError, aiohttp.ClientError):
                async with session.ws_connect(simulator.ws_url) as socket:
                    await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
        for data in RAW_FRAMES.values():
            socket = await session.ws_connect(simulator.ws_url)
            transport = socket._response.connection.transport
            transport.write(data)
            transport.close()
        message = await witness.receive(timeout=5.0)
        assert json.loads(message.data)["stream"] == "markPrice.SOL_USDC_PERP"


def _odd_commands() -> "list[Any]":
    command = {"method": "SUBSCRIBE", "params": ["account.orderUpdate"], "signature": [KEY, "x", "1", "5000"]}
    return [spoilt for _, spoilt in mutations(command)]


@pytest.mark.parametrize("name", [name for name, value in unexpected_values().items() if value is not MISSING])
async def test_every_odd_command_is_answered_or_ignored_on_an_open_socket(simulator: Simulator, name: str) -> None:
    value = unexpected_values()[name]
    async with aiohttp.ClientSession() as session, session.ws_connect(simulator.ws_url) as socket:
        for command in (value, {"method": value}, {"method": "SUBSCRIBE", "params": value}):
            await socket.send_str(json.dumps(command))
        await socket.send_str('{"method": "SUBSCRIBE", "params": ["nonsense"]}')
        answers = []
        while not answers or answers[-1]["error"]["code"] != 4006:
            answers.append(await socket.receive_json(timeout=5.0))
        assert {answer["error"]["code"] for answer in answers} <= {4002, 4003, 4006, 4008}
