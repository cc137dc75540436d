"""Deposits, withdrawals, dust and vaults over a socket, and the simulator's own levers for them."""

import json
from decimal import Decimal, localcontext
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.signing import Credentials
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.ledger import EXACT
from backpack_connector.simulator.web_sessions import SESSION_HEADER
from tests.judges.specification import assert_as_specified
from tests.simulator.streams import Stream
from tests.simulator.support import Client, same_kind

ADDRESS = "So11111111111111111111111111111111111111112"
WITHDRAWAL = {"address": ADDRESS, "blockchain": "Solana", "quantity": "10", "symbol": "USDC"}
# Captured rows, as ccxt's documentation shows them; nobody can spend anything with what is in them.
DEPOSIT_ROW: dict[str, Any] = {
    "createdAt": "2025-07-23T13:55:54.267",
    "fiatAmount": None,
    "fiatCurrency": None,
    "fromAddress": "0x2e3ab3e88a7dbdc763aadf5b28c18fb085af420a",
    "id": 6695353,
    "institutionBic": None,
    "platformMemo": None,
    "quantity": "120",
    "source": "ethereum",
    "status": "confirmed",
    "symbol": "USDC",
    "toAddress": "0xfBe7CbfCde93c8a4204a4be6B56732Eb32690170",
    "transactionHash": "0x58edaac415398d617b34c6673fffcaf0024990d5700565030119db5cbf3765d1",
}
WITHDRAWAL_ROW: dict[str, Any] = {
    "accountIdentifier": None,
    "bankIdentifier": None,
    "bankName": None,
    "blockchain": "Ethereum",
    "clientId": None,
    "createdAt": "2025-08-13T19:27:13.817",
    "fee": "3",
    "fiatFee": None,
    "fiatState": None,
    "fiatSymbol": None,
    "id": 5479929,
    "identifier": None,
    "isInternal": False,
    "providerId": None,
    "quantity": "10",
    "status": "pending",
    "subaccountId": None,
    "symbol": "USDC",
    "toAddress": "0x0ad42b8e602c2d3d475ae52d678cf63d84ab2749",
    "transactionHash": None,
    "triggerAt": None,
}


async def control(client: Client, what: str, body: Any) -> tuple[int, Any]:
    url = f"{client.simulator.rest_url}/simulator/{what}"
    async with client.session.post(url, json=body) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()


async def deposit(client: Client, **fields: Any) -> tuple[int, Any]:
    body = {"account": client.key, "blockchain": "Ethereum", "quantity": "120", "symbol": "USDC", **fields}
    return await control(client, "deposit", body)


def delay_of(hours: int) -> dict[str, Any]:
    return {"twoFactorToken": "123456", "withdrawalDelayHours": hours}


async def know(client: Client, address: str = ADDRESS, **fields: Any) -> Any:
    known = {"address": address, "blockchain": "Solana", **fields}
    status, answer = await control(client, "session", {"account": client.key, "address": known})
    assert status == 200, answer
    return answer


@pytest.fixture
async def opened(alice: Client) -> Client:
    """Give Alice, whose account has begun."""
    await alice.call("get_balances")
    return alice


async def test_a_deposit_is_told_as_a_balance_and_in_the_history(
    simulator: Simulator, opened: Client, updates: Stream
) -> None:
    status, row = await deposit(opened)
    assert (status, row["status"]) == (200, "pending")
    same_kind(row, DEPOSIT_ROW)
    simulator.advance_clock(30)
    told = (await updates.next())["data"]
    assert (told["e"], told["a"], told["A"]) == ("balanceUpdate", "USDC", "10120")
    _, rows = await opened.call("get_deposits")
    assert_as_specified("get_deposits", 200, rows)
    assert rows[0] == {**row, "status": "confirmed"}
    assert {row["source"] for row in rows[1:]} == {"administrator"}
    _, address = await opened.call("get_deposit_address", {"blockchain": "Ethereum"})
    assert address == {"address": row["toAddress"]}
    assert (await opened.call("get_deposits", {"excludePlatform": True}))[1] == rows[:1]
    assert (await opened.call("get_deposits", {"limit": 1, "offset": 1}))[1] == rows[1:2]
    now_ms = opened.now_ms()
    assert (await opened.call("get_deposits", {"from": now_ms + 60_000}))[1] == []
    assert (await opened.call("get_deposits", {"to": now_ms - 3_600_000}))[1] == []


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"account": "nobody"}, 400, "No such account"),
        ({"account": None}, 400, "`account` is missing or empty."),
        ({"symbol": "NOPE"}, 400, "Invalid asset"),
        ({"symbol": "$"}, 400, "Invalid asset"),
        ({"quantity": 5}, 400, "Invalid decimal"),
        ({"quantity": None}, 400, "`quantity` is missing."),
        ({"blockchain": "Nowhere"}, 400, "valid enumeration"),
        ({"fromAddress": "nowhere"}, 400, "Invalid address"),
    ],
)
async def test_odd_deposits_are_refused(opened: Client, fields: dict[str, Any], status: int, text: str) -> None:
    answer = await deposit(opened, **fields)
    assert answer[0] == status
    assert text in str(answer[1])
    assert len((await opened.call("get_deposits"))[1]) == len(opened.simulator.exchange.accounts.faucet)


async def test_a_withdrawal_goes_through_its_states(simulator: Simulator, opened: Client) -> None:
    status, refusal = await opened.call("request_withdrawal", WITHDRAWAL)
    assert (status, refusal) == (
        400,
        {"code": "INVALID_TWO_FACTOR_CODE", "message": "Two factor token is required"},
    )
    await know(opened)
    status, row = await opened.call("request_withdrawal", {**WITHDRAWAL, "clientId": "w-1"})
    assert_as_specified("request_withdrawal", status, row)
    same_kind(row, WITHDRAWAL_ROW)
    assert (row["status"], row["fee"], row["clientId"]) == ("pending", "1", "w-1")
    assert (await opened.call("get_balances"))[1]["USDC"]["available"] == "9990"
    simulator.advance_clock(30)
    _, rows = await opened.call("get_withdrawals")
    assert_as_specified("get_withdrawals", 200, rows)
    assert [(row["id"], row["status"]) for row in rows] == [(row["id"], "confirmed")]
    assert rows[0]["transactionHash"]
    assert (await opened.call("get_withdrawals", {"clientId": "w-1"}))[1] == rows
    assert (await opened.call("get_withdrawals", {"clientId": "w-2"}))[1] == []
    assert (await opened.call("get_withdrawals", {"id": row["id"] + 1}))[1] == []


async def test_the_owner_sets_addresses_and_the_delay(opened: Client) -> None:
    answer = await know(opened, whitelisted=False)
    assert answer.pop("session")
    assert answer == {
        "addressBook": [{"address": ADDRESS, "blockchain": "Solana", "twoFactorRequired": False, "whitelisted": False}],
        "withdrawalDelay": None,
    }
    for hours in (24, 48):
        _, answer = await control(opened, "session", {"account": opened.key, "withdrawalDelayHours": hours})
    delay = answer["withdrawalDelay"]
    assert_as_specified("get_withdrawal_delay", 200, delay)
    assert (delay["currentWithdrawalDelayHours"], delay["pendingWithdrawalDelayHours"]) == (24, 48)
    _, row = await opened.call("request_withdrawal", WITHDRAWAL)
    assert row["triggerAt"] is not None
    for body in ({"withdrawalDelayHours": 10**6}, {"withdrawalDelayHours": -1}, {"address": []}):
        assert (await control(opened, "session", {"account": opened.key, **body}))[0] == 400


@pytest.mark.parametrize(
    "fields",
    [
        {"address": ""},
        {"address": None},
        {"address": "x" * 256},
        {"address": 7},
        {"blockchain": "solana"},
        {"clientId": "x" * 256},
        {"clientId": 7},
        {"quantity": None},
        {"quantity": "ten"},
        {"symbol": "US DC"},
        {"autoBorrow": "yes"},
        {"recipientInformation": "me"},
    ],
)
async def test_what_cannot_be_read_is_refused_in_plain_text(opened: Client, fields: dict[str, Any]) -> None:
    body = {name: value for name, value in {**WITHDRAWAL, **fields}.items() if value is not None}
    status, text = await opened.call("request_withdrawal", body)
    assert status == 400
    assert isinstance(text, str)
    assert text.startswith("parse request payload error")


@pytest.mark.parametrize("operation", ["get_withdrawal_delay", "create_withdrawal_delay", "update_withdrawal_delay"])
async def test_a_key_is_not_enough_for_the_delay(alice: Client, operation: str) -> None:
    signed = alice.credentials.headers("withdraw", [""], alice.now_ms())
    for headers in (signed, {**signed, SESSION_HEADER: ""}, {**signed, SESSION_HEADER: alice.key}):
        answer = await alice.call(operation, headers=headers)
        assert answer == (401, {"code": "UNAUTHORIZED", "message": "Unauthorized"})


async def test_a_web_session_sets_the_delay_of_its_account(opened: Client, bob: Client) -> None:
    await bob.call("get_balances")
    bobs = {SESSION_HEADER: (await control(bob, "session", {"account": bob.key}))[1]["session"]}
    token = (await control(opened, "session", {"account": opened.key}))[1]["session"]
    assert (await control(opened, "session", {"account": opened.key}))[1]["session"] == token
    mine, day, week = {SESSION_HEADER: token}, delay_of(24), delay_of(168)
    assert await opened.call("get_withdrawal_delay", headers=mine) == (204, "")
    assert (await opened.call("update_withdrawal_delay", week, headers=mine))[0] == 404
    assert await opened.call("create_withdrawal_delay", day, headers=mine) == (200, "")
    conflict = {"code": "PRECONDITION_FAILED", "message": "Withdrawal delay already exists"}
    assert await opened.call("create_withdrawal_delay", week, headers=mine) == (409, conflict)
    status, delay = await opened.call("update_withdrawal_delay", week, headers=mine)
    assert_as_specified("update_withdrawal_delay", status, delay)
    assert (delay["currentWithdrawalDelayHours"], delay["pendingWithdrawalDelayHours"]) == (24, 168)
    assert await opened.call("get_withdrawal_delay", headers=mine) == (200, delay)
    assert await opened.call("get_withdrawal_delay", headers=bobs) == (204, "")


@pytest.mark.parametrize("operation", ["create_withdrawal_delay", "update_withdrawal_delay"])
async def test_an_odd_delay_changes_nothing(opened: Client, operation: str) -> None:
    session = {SESSION_HEADER: (await control(opened, "session", {"account": opened.key}))[1]["session"]}
    for body in ("not JSON", "[]", json.dumps({**delay_of(1), "twoFactorToken": ""}), json.dumps(delay_of(-1))):
        status, text = await opened.call(operation, delay_of(1), headers=session, body=body)
        assert status == 400
        assert text.startswith("parse request payload error")
    too_long = json.dumps(delay_of(10**6))
    assert (await opened.call(operation, delay_of(1), headers=session, body=too_long))[0] == 400
    assert await opened.call("get_withdrawal_delay", headers=session) == (204, "")


async def test_blockchains_without_tokens_have_no_address(alice: Client) -> None:
    status, answer = await alice.call("get_deposit_address", {"blockchain": "Sui"})
    assert (status, answer["code"]) == (400, "INVALID_CLIENT_REQUEST")
    assert (await alice.call("get_deposit_address"))[0] == 400


async def test_dust_is_converted_and_remembered(simulator: Simulator, opened: Client) -> None:
    await deposit(opened, blockchain="Solana", symbol="HNT", quantity="0.06")
    simulator.advance_clock(30)
    assert await opened.call("convert_dust", {"symbol": "HNT"}) == (200, "")
    _, rows = await opened.call("get_dust_history")
    assert_as_specified("get_dust_history", 200, rows)
    assert [(row["symbol"], row["quantity"], row["usdcReceived"]) for row in rows] == [("HNT", "0.06", "0.144")]
    assert (await opened.call("get_dust_history", {"id": rows[0]["id"], "symbol": "HNT"}))[1] == rows
    assert (await opened.call("get_dust_history", {"symbol": "SOL"}))[1] == []
    assert await opened.call("convert_dust", {}) == (200, "")
    assert (await opened.call("convert_dust", {"symbol": "SOL"}))[1]["code"] == "INVALID_QUANTITY"
    assert (await opened.call("convert_dust", {"symbol": 5}))[0] == 400


async def vault_keeper(simulator: Simulator, http: aiohttp.ClientSession) -> Client:
    async with http.get(f"{simulator.rest_url}/simulator/vaults") as response:
        (row,) = await response.json()
    keeper = Client(simulator, http)
    keeper.key, keeper.credentials = row["apiKey"], Credentials(row["apiKey"], row["apiSecret"])
    return keeper


async def test_a_vault_from_mint_to_redeem(
    simulator: Simulator, http: aiohttp.ClientSession, alice: Client, bob: Client
) -> None:
    keeper = await vault_keeper(simulator, http)
    (offer,) = (await alice.call("get_vaults"))[1]
    assert (offer["redeemDelayMs"], offer["remainingMintQuantity"]) == (3_600_000, "1000000")
    one = {"vaultId": offer["id"]}
    assert await alice.call("vault_mint", {**one, "symbol": "USDC", "quantity": "50"}) == (200, "")
    assert await alice.call("vault_redeem", {**one, "vaultTokenQuantity": "20"}) == (200, "")
    _, rows = await keeper.call("get_vault_pending_redeems", one)
    assert_as_specified("get_vault_pending_redeems", 200, rows)
    assert [(row["status"], row["vaultTokenQuantity"], row["quantity"]) for row in rows] == [("Requested", "20", None)]
    assert (await bob.call("get_vault_pending_redeems", one))[0] == 403
    assert await alice.call("vault_redeem_cancel", one) == (200, "")
    assert await alice.call("vault_redeem", one) == (200, "")
    simulator.advance_clock(3_601)
    _, history = await alice.call("get_vault_redeem_history", {**one, "limit": 10})
    assert [row["status"] for row in history] == ["Redeemed", "Requested", "Cancelled", "Requested"]
    assert (history[0]["quantity"], history[0]["nav"], history[0]["vaultToken"]) == ("50", "1", "vUSDC")
    _, mints = await alice.call("get_vault_mint_history")
    assert [(row["vaultTokensMinted"], row["nav"], row["symbol"]) for row in mints] == [("50", "1", "USDC")]
    assert (await alice.call("get_vault_mint_history", {"vaultId": 2}))[1] == []
    status, nav = await keeper.call("get_vault_nav")
    assert_as_specified("get_vault_nav", status, nav)
    assert (nav["tokenCirculatingSupply"], nav["nav"]) == ("0", "1")
    assert (await bob.call("get_vault_nav"))[0] == 401
    _, past = await alice.call("get_vault_history", {"interval": "1d", **one})
    assert_as_specified("get_vault_history", 200, past)
    assert len(past) == 2
    assert (await alice.call("get_vault_history", {"interval": "1h"}))[0] == 400
    assert (await alice.call("vault_mint", {"vaultId": 2, "symbol": "USDC", "quantity": "50"}))[0] == 400
    assert (await alice.call("vault_redeem", {"vaultId": -1}))[0] == 400


async def test_the_lists_have_the_documented_form(alice: Client) -> None:
    for operation in ("get_assets", "get_wallets", "get_market_sessions", "get_stock_sessions", "get_securities"):
        status, rows = await alice.call(operation)
        assert_as_specified(operation, status, rows)
        assert rows
    for operation in ("get_prediction_events", "get_prediction_tags", "get_stock_holidays"):
        assert await alice.call(operation) == (200, [])
    sessions = {row["name"] for row in (await alice.call("get_market_sessions"))[1]}
    _, securities = await alice.call("get_securities")
    assert {row["asset"] for row in securities} == {"AAPL.US", "SPCX.US"}
    assert {session["name"] for row in securities for session in row["sessions"]} == sessions


@pytest.mark.parametrize(
    ("time_us", "quantity", "reason"),
    [
        # Friday, 2026-10-02: before, in and after the session; Saturday.
        (1_790_947_799_000_000, "2", "MarketClosed"),
        (1_790_947_800_000_000, "2", None),
        (1_790_947_800_000_000, "0.005", "InvalidQuantity"),
        (1_790_947_800_000_000, "1.005", "InvalidQuantity"),
        (1_790_947_800_000_000, "9" * 28, None),
        (1_790_971_200_000_000, "2", "MarketClosed"),
        (1_791_034_200_000_000, "2", "MarketClosed"),
    ],
)
async def test_a_stock_quote_says_whether_it_can_be_had(
    alice: Client, monkeypatch: pytest.MonkeyPatch, time_us: int, quantity: str, reason: str | None
) -> None:
    ahead_us = time_us - alice.simulator._clock()
    monkeypatch.setattr(alice.simulator._clock, "_ahead_us", ahead_us)
    _, quote = await alice.call(
        "get_stock_indicative_quote", {"symbol": "AAPL.US", "side": "Bid", "quantity": quantity}
    )
    assert (quote["available"], quote["reason"]) == (reason is None, reason)
    with localcontext(EXACT):
        assert Decimal(quote["quoteQuantity"]) == Decimal(quote["price"]) * Decimal(quantity)
    assert set(quote["quantityFilter"]) == {"maxQuantity", "minQuantity", "stepSize"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"symbol": "AAPL.US", "side": "Bid"},
        {"symbol": "AAPL.US", "side": "Bid", "quantity": "x"},
        {"symbol": "AAPL.US", "side": "Buy", "quantity": "1"},
        {"symbol": "NOPE.US", "side": "Bid", "quantity": "1"},
        {"side": "Bid", "quantity": "1"},
    ],
)
async def test_odd_stock_quotes_are_refused(alice: Client, parameters: dict[str, str]) -> None:
    assert (await alice.call("get_stock_indicative_quote", parameters))[0] == 400
