"""What the exchange has beyond its specification of May 2026 answers: API §2.2, "Added after May 2026"."""

import json
from typing import Any

import pytest

from backpack_connector.protocol.endpoints import ENDPOINTS, endpoint
from backpack_connector.protocol.rest import parameters_text, present_fields
from backpack_connector.simulator.rest_unlisted import UNLISTED
from tests.simulator.support import Client

STOCK = {"symbol": "AAPL.US", "side": "Bid", "quantity": "1"}
# Method, path and query of every operation of that table that needs no key, and the id under which it is answered.
PUBLIC: list[tuple[str, dict[str, str], str]] = [
    ("/api/v1/stockSessions", {}, "get_stock_sessions"),
    ("/api/v1/market-sessions", {}, "get_market_sessions"),
    ("/api/v1/stockHolidays", {}, "get_stock_holidays"),
    ("/api/v1/market-holidays", {}, "get_stock_holidays"),
    ("/api/v1/stockIndicativeQuote", STOCK, "get_stock_indicative_quote"),
    ("/api/v1/openInterests", {}, "get_open_interest"),
    ("/api/v1/openInterests", {"symbol": "SOL_USDC_PERP"}, "get_open_interest"),
    ("/wapi/v1/feeTiers", {}, "get_fee_tiers"),
    ("/wapi/v1/country", {}, "get_countries"),
    ("/wapi/v1/country/permissions", {}, "get_country_permissions"),
]
TWO_FACTOR = "/wapi/v1/user/2fa"


async def ask(client: Client, path: str, query: dict[str, str] | None = None) -> tuple[int, Any]:
    async with client.session.get(client.simulator.rest_url + path, params=query or {}) as response:
        text = await response.text()
        return response.status, json.loads(text) if response.content_type == "application/json" else text


async def ask_for_token(client: Client, fields: dict[str, Any], instruction: str) -> tuple[int, Any]:
    headers = client.credentials.headers(instruction, [parameters_text(present_fields(fields))], client.now_ms())
    url = client.simulator.rest_url + TWO_FACTOR
    async with client.session.post(url, json=fields, headers=headers) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(("path", "query", "operation"), PUBLIC)
async def test_a_public_one_answers(alice: Client, path: str, query: dict[str, str], operation: str) -> None:
    status, answer = await ask(alice, path, query)
    assert status == 200
    assert isinstance(answer, dict if operation in ("get_stock_indicative_quote", "get_fee_tiers") else list)
    assert answer or operation == "get_stock_holidays"


async def test_an_old_path_says_what_the_new_one_says(alice: Client) -> None:
    _, old = await ask(alice, "/api/v1/openInterests")
    _, new = await ask(alice, "/api/v1/openInterest")
    assert [(row["symbol"], row["openInterest"]) for row in old] == [
        (row["symbol"], row["openInterest"]) for row in new
    ]
    assert (await ask(alice, "/api/v1/openInterests", {"symbol": "NOPE_USDC_PERP"}))[0] == 400
    assert (await ask(alice, "/api/v1/market-sessions"))[1] == (await ask(alice, "/api/v1/stockSessions"))[1]


async def test_an_account_pays_what_the_first_tier_says(alice: Client) -> None:
    _, tiers = await ask(alice, "/wapi/v1/feeTiers")
    _, account = await alice.call("get_account")
    for kind in ("futures", "spot"):
        tier = tiers[kind][0]
        assert (tier["makerFee"], tier["takerFee"]) == (account[f"{kind}MakerFee"], account[f"{kind}TakerFee"])
    assert len(tiers["futures"]) == 11
    assert tiers["futures"][-1] == {"makerFee": "0", "name": "VIP5", "takerFee": "1.8"}
    assert tiers["spot"][-1] == {"makerFee": "0", "name": "VIP5", "takerFee": "2.5"}


async def test_nobody_is_shut_out(alice: Client) -> None:
    _, (country,) = await ask(alice, "/wapi/v1/country")
    assert not country["blocked"]
    assert not country["sanctioned"]
    _, (may,) = await ask(alice, "/wapi/v1/country/permissions")
    assert may["countryCode"] == country["countryCode"]
    assert may["isPerpEnabled"]
    assert may["isSpotEnabled"]


async def test_no_two_factor_token_is_issued(alice: Client) -> None:
    refusal = {"code": "PRECONDITION_FAILED", "message": "Two factor tokens are disabled"}
    assert await ask_for_token(alice, {"app": "123456"}, "issueTwoFactorToken") == (400, refusal)
    assert await ask_for_token(alice, {}, "issueTwoFactorToken") == (400, refusal)


async def test_a_two_factor_token_is_asked_for_with_a_signature(alice: Client) -> None:
    refusal = {"code": "INVALID_CLIENT_REQUEST", "message": "Invalid signature"}
    assert await ask_for_token(alice, {"app": "123456"}, "withdraw") == (400, refusal)
    async with alice.session.post(alice.simulator.rest_url + TWO_FACTOR, json={}) as response:
        assert (response.status, (await response.json())["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("operation", ["get_vault_mint_history", "get_vault_redeem_history"])
async def test_histories_of_vaults_answer(alice: Client, operation: str) -> None:
    assert await alice.call(operation) == (200, [])


async def test_what_was_removed_is_gone(alice: Client) -> None:
    assert await ask(alice, "/wapi/v1/history/pnl") == (404, "not found")


def test_no_client_is_offered_them() -> None:
    routes = {(row.method, row.path) for row in ENDPOINTS}
    assert not routes & {(row.method, row.path) for row in UNLISTED}
    for row in UNLISTED:
        if row.operation_id in {listed.operation_id for listed in ENDPOINTS}:
            assert endpoint(row.operation_id).method == row.method
