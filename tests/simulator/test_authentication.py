"""Who may do what: headers, window, signature, with the exchange's answers. Nothing wrong may have an effect."""

import base64
import json
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.signing import signing_text
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.authentication import authenticate_request, authenticate_subscription
from backpack_connector.simulator.refusals import Refusal
from tests.protocol.samples import sample
from tests.simulator.support import SYMBOL, Client

ORDER = {"symbol": SYMBOL, "side": "Bid", "orderType": "Limit", "price": "150", "quantity": "1", "postOnly": True}
INVALID_SIGNATURE = {"code": "INVALID_CLIENT_REQUEST", "message": "Invalid signature"}
TEN_MINUTES_MS = 600_000


def signed(client: Client, *, timestamp_ms: int, window_ms: int = 5_000, fields: Any = None) -> dict[str, str | None]:
    text = signing_text("orderExecute", ORDER if fields is None else fields, timestamp_ms, window_ms)
    return {
        "X-Signature": client.credentials.sign(text),
        "X-Timestamp": str(timestamp_ms),
        "X-Window": str(window_ms),
    }


async def test_a_signed_order_opens_an_account_with_faucet_money(simulator: Simulator, alice: Client) -> None:
    assert (await alice.call("execute_order", ORDER))[0] == 200
    _, balances = await alice.call("get_balances")
    assert balances["USDC"] == {"available": "9850", "locked": "150", "staked": "0"}
    assert [account.account_id for account in simulator.exchange.accounts] == [alice.key]


@pytest.mark.parametrize(
    ("headers", "status", "code", "message"),
    [
        (dict.fromkeys(("X-API-Key", "X-Signature", "X-Timestamp", "X-Window")), 401, "UNAUTHORIZED", "Unauthorized"),
        ({"X-API-Key": None}, 400, "INVALID_CLIENT_REQUEST", "Invalid X-API-Key Header"),
        ({"X-API-Key": "AAAA"}, 400, "INVALID_CLIENT_REQUEST", "Invalid X-API-Key Header"),
        ({"X-API-Key": "not base64!"}, 400, "INVALID_CLIENT_REQUEST", "Invalid X-API-Key Header"),
        ({"X-API-Key": base64.b64encode(bytes(32)).decode()}, 400, "INVALID_CLIENT_REQUEST", "Invalid signature"),
        ({"X-Signature": None}, 400, "INVALID_CLIENT_REQUEST", "Invalid X-Signature Header"),
        ({"X-Signature": "AAAA"}, 400, "INVALID_CLIENT_REQUEST", "Invalid X-Signature Header"),
        ({"X-Signature": base64.b64encode(bytes(64)).decode()}, 400, "INVALID_CLIENT_REQUEST", "Invalid signature"),
        ({"X-Timestamp": None}, 400, "INVALID_CLIENT_REQUEST", "Invalid X-Timestamp Header"),
        ({"X-Timestamp": "1e12"}, 400, "INVALID_CLIENT_REQUEST", "Invalid X-Timestamp Header"),
        ({"X-Timestamp": "-1"}, 400, "INVALID_CLIENT_REQUEST", "Invalid X-Timestamp Header"),
        ({"X-Timestamp": "9" * 30}, 400, "INVALID_CLIENT_REQUEST", "Invalid X-Timestamp Header"),
        ({"X-Window": "5001"}, 400, "INVALID_CLIENT_REQUEST", "Invalid signature"),
        ({"X-Window": "x"}, 400, "INVALID_CLIENT_REQUEST", "Invalid X-Window Header"),
    ],
)
async def test_bad_headers(
    simulator: Simulator, alice: Client, headers: dict[str, Any], status: int, code: str, message: str
) -> None:
    answer = await alice.call("execute_order", ORDER, headers=headers)
    assert answer == (status, {"code": code, "message": message})
    assert list(simulator.exchange.accounts) == []


@pytest.mark.parametrize(
    ("age_ms", "window_ms", "message"),
    [
        (6_000, 5_000, "Request has expired"),
        (60_500, 60_000, "Request has expired"),
        (TEN_MINUTES_MS + 1_000, 60_000, "Invalid timestamp: must be within 10 minutes of current time"),
        (-TEN_MINUTES_MS - 5_000, 5_000, "Invalid timestamp: must be within 10 minutes of current time"),
        (0, 60_001, "Invalid window: must not exceed 60000"),
    ],
)
async def test_bad_times(simulator: Simulator, alice: Client, age_ms: int, window_ms: int, message: str) -> None:
    headers = signed(alice, timestamp_ms=alice.now_ms() - age_ms, window_ms=window_ms)
    answer = await alice.call("execute_order", ORDER, headers=headers)
    assert answer == (400, {"code": "INVALID_CLIENT_REQUEST", "message": message})
    assert list(simulator.exchange.accounts) == []


@pytest.mark.parametrize(("age_ms", "window_ms"), [(50_000, 60_000), (-60_000, 5_000)])
async def test_a_stamp_inside_its_window_or_a_little_in_the_future_is_good(
    alice: Client, age_ms: int, window_ms: int
) -> None:
    headers = signed(alice, timestamp_ms=alice.now_ms() - age_ms, window_ms=window_ms)
    assert (await alice.call("execute_order", ORDER, headers=headers))[0] == 200


async def test_without_a_window_header_the_default_of_5000_was_signed(alice: Client) -> None:
    assert (await alice.call("execute_order", ORDER, headers={"X-Window": None}))[0] == 200


async def test_white_space_and_order_of_keys_do_not_matter(alice: Client) -> None:
    body = (
        '{ "symbol":"SOL_USDC",\n "side" : "Bid", "quantity":"1","postOnly": true, "price":"150","orderType":"Limit" }'
    )
    assert (await alice.call("execute_order", ORDER, body=body))[0] == 200


async def test_null_fields_are_not_part_of_what_is_signed(alice: Client) -> None:
    body = json.dumps({**ORDER, "clientId": None})
    assert (await alice.call("execute_order", ORDER, body=body))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        '{"symbol":"SOL_USDC","side":"Bid","orderType":"Limit","price":"150.0","quantity":"1","postOnly":true}',
        '{"symbol":"SOL_USDC","side":"Bid","orderType":"Limit","price":"150","quantity":"2","postOnly":true}',
        '{"symbol":"SOL_USDC","side":"Bid","orderType":"Limit","price":"150","quantity":"1","postOnly":true,"x":1}',
        '{"symbol":"SOL_USDC","side":"Bid","orderType":"Limit","price":"150","quantity":"1","postOnly":true,"x":[1]}',
    ],
)
async def test_a_body_that_differs_from_what_was_signed_is_refused(
    simulator: Simulator, alice: Client, body: str
) -> None:
    assert await alice.call("execute_order", ORDER, body=body) == (400, INVALID_SIGNATURE)
    assert list(simulator.exchange.accounts) == []


@pytest.mark.parametrize("operation", ["get_order", "cancel_order"])
async def test_with_both_ids_the_signature_fails(alice: Client, operation: str) -> None:
    await alice.call("execute_order", {**ORDER, "clientId": 5})
    ids = {"symbol": SYMBOL, "orderId": "1", "clientId": 5}
    assert await alice.call(operation, ids) == (400, INVALID_SIGNATURE)


async def test_a_signature_is_good_for_one_instruction_only(alice: Client) -> None:
    now_ms = alice.now_ms()
    signature = alice.credentials.sign(signing_text("balanceQuery", None, now_ms, 5_000))
    headers = {"X-Signature": signature, "X-Timestamp": str(now_ms)}
    assert (await alice.call("get_balances", headers=headers))[0] == 200
    assert await alice.call("get_account", headers=headers) == (400, INVALID_SIGNATURE)


async def test_the_signature_of_a_batch_names_the_instruction_of_each_order(alice: Client) -> None:
    status, results = await alice.call("execute_order_batch", [ORDER, {**ORDER, "price": "149"}])
    assert status == 200
    assert [row["operation"] for row in results] == ["Ok", "Ok"]


async def test_public_operations_ask_nobody(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{simulator.rest_url}/api/v1/depth", params={"symbol": SYMBOL}) as response:
        assert response.status == 200


def test_the_published_vectors_pass() -> None:
    vectors = sample("signing_vectors.json")
    assert vectors  # shape is checked by the tests of the protocol
    key = "zDIJj9qneWIY0IYZ5aXoHcNMCm+XDhVcTssiT0HyY0A="
    headers = {
        "X-API-Key": key,
        "X-Signature": "qz9CmzCkuYD4Y2s2ifeL3MBHc3NtCapiiHhZm1px08FqkZFuHSO5sohI+MKABd02yXwf7EviULr6IGRs/kRsDw==",
        "X-Timestamp": "1614550000000",
        "X-Window": "5000",
    }
    assert authenticate_request(headers, endpoint("get_balances"), {}, 1_614_550_001_000) == key
    subscription = [
        key,
        "JET04e2DKxa3MzJX+vHAvZ2t85IDCQV0Yvkne6ZioCLxZhaDPHACzfEFkaACTR+J2WlVJjGX2nICcJMwOK8zAw==",
        "1614550000000",
        "5000",
    ]
    assert authenticate_subscription(subscription, 1_614_550_001_000) == key
    with pytest.raises(Refusal, match="Request has expired"):
        authenticate_subscription(subscription, 1_614_550_005_001)
