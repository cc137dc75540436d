"""The catalogue of operations, compared with what the official OpenAPI file lists."""

from collections import Counter
from typing import Any

import pytest

from backpack_connector.protocol.endpoints import ENDPOINTS, Effect, Endpoint, Pool, endpoint, endpoint_at
from backpack_connector.protocol.errors import ConfigurationError
from tests.protocol.samples import sample

OFFICIAL = sample("openapi_operations.json")["operations"]
OFFICIAL_IDS = {row["operation_id"] for row in OFFICIAL}
EVERY_ROW = pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.operation_id)

# API §2.2, "Added after May 2026"; the two vault histories are in the official Rust client only.
LATER = {
    "get_stock_sessions",
    "get_stock_holidays",
    "get_stock_indicative_quote",
    "get_vault_mint_history",
    "get_vault_redeem_history",
}
# API §1.5: the official list, then the words that are in use without being in it.
_INSTRUCTION_WORDS = """
    accountQuery accountUpdate balanceQuery borrowLendExecute borrowHistoryQueryAll
    borrowLendPositionQuery borrowPositionHistoryQueryAll collateralQuery convertDust
    depositAddressQuery depositQueryAll dustHistoryQueryAll fillHistoryQueryAll fundingHistoryQueryAll
    interestHistoryQueryAll maxBorrowQuantity maxOrderQuantity maxWithdrawalQuantity orderCancel
    orderCancelAll orderExecute orderHistoryQueryAll orderQuery orderQueryAll positionHistoryQueryAll
    positionQuery quoteAccept quoteFillHistoryQueryAll quoteHistoryQueryAll quoteSubmit rfqCancel
    rfqFillHistoryQueryAll rfqHistoryQueryAll rfqQuery rfqRefresh rfqSubmit settlementHistoryQueryAll
    strategyCancel strategyCancelAll strategyCreate strategyHistoryQueryAll strategyQuery
    strategyQueryAll withdraw withdrawalQueryAll
    vaultMint vaultRedeemRequest vaultRedeemCancel vaultMintHistoryQueryAll vaultRedeemHistoryQueryAll
    vaultPendingRedeemsQuery vaultNavQuery
"""
INSTRUCTIONS = set(_INSTRUCTION_WORDS.split())


@pytest.mark.parametrize("official", OFFICIAL, ids=lambda row: row["operation_id"])
def test_an_official_operation_stands_in_the_catalogue_as_it_is(official: dict[str, Any]) -> None:
    row = endpoint(official["operation_id"])
    assert (row.method, row.path, row.instruction) == (official["method"], official["path"], official["instruction"])


@pytest.mark.parametrize("official", OFFICIAL, ids=lambda row: row["operation_id"])
def test_parameters_travel_where_the_official_file_says(official: dict[str, Any]) -> None:
    sends_body = endpoint(official["operation_id"]).sends_body
    assert ("body" if sends_body else "query") == official["parameters"] or (
        official["parameters"] == "none" and not sends_body
    )


def test_the_official_file_lists_81_operations() -> None:
    assert len(OFFICIAL_IDS) == len(OFFICIAL) == 81


def test_what_the_official_file_lacks_was_added_later() -> None:
    assert {row.operation_id for row in ENDPOINTS} - OFFICIAL_IDS == LATER


def test_operation_ids_are_unique() -> None:
    assert max(Counter(row.operation_id for row in ENDPOINTS).values()) == 1


def test_routes_are_unique() -> None:
    assert max(Counter((row.method, row.path) for row in ENDPOINTS).values()) == 1


def test_the_instructions_are_those_of_the_documentation() -> None:
    assert {row.instruction for row in ENDPOINTS if row.instruction is not None} == INSTRUCTIONS


@EVERY_ROW
def test_an_operation_is_signed_exactly_when_it_has_an_instruction(row: Endpoint) -> None:
    assert row.is_signed == (row.instruction is not None)


@EVERY_ROW
def test_an_operation_that_the_session_signs_has_no_instruction(row: Endpoint) -> None:
    assert not (row.needs_session and row.is_signed)


@EVERY_ROW
def test_exactly_the_reading_operations_are_get_and_safe_to_repeat(row: Endpoint) -> None:
    assert (row.method == "GET") == (row.effect is Effect.READS) == row.is_safe_to_repeat


@EVERY_ROW
def test_everything_that_changes_something_needs_a_signature_or_a_session(row: Endpoint) -> None:
    assert row.effect is Effect.READS or row.is_signed or row.needs_session


def test_only_a_withdrawal_moves_funds() -> None:
    assert [row.operation_id for row in ENDPOINTS if row.effect is Effect.MOVES_FUNDS] == ["request_withdrawal"]


def test_settings_are_changed_by_three_operations() -> None:
    assert {row.operation_id for row in ENDPOINTS if row.effect is Effect.CONFIGURES} == {
        "update_account_settings",
        "create_withdrawal_delay",
        "update_withdrawal_delay",
    }


def test_the_only_batch_is_that_of_orders() -> None:
    assert [row.operation_id for row in ENDPOINTS if row.is_batch] == ["execute_order_batch"]


@EVERY_ROW
def test_the_rate_pool_is_that_of_the_api_facts(row: Endpoint) -> None:
    # API §2.1 and the last column of §2.2
    if row.operation_id in {"get_klines", "get_historical_trades"}:
        expected = Pool.HISTORICAL
    elif (
        row.path.startswith("/wapi/v1/history/")
        or row.path.endswith("/history")
        or row.operation_id in {"get_recent_trades", "get_funding_interval_rates"}
    ):
        expected = Pool.UNSTATED
    else:
        expected = Pool.STANDARD
    assert row.pool is expected


def test_an_operation_outside_the_catalogue_is_a_mistake_of_ours() -> None:
    with pytest.raises(ConfigurationError, match="There is no operation 'get_rich' in the catalogue"):
        endpoint("get_rich")


@EVERY_ROW
def test_a_route_leads_back_to_its_row(row: Endpoint) -> None:
    assert endpoint_at(row.method.lower(), row.path) is row


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/v1/order"), ("GET", "/api/v1/order/"), ("GET", "")])
def test_an_unknown_route_leads_nowhere(method: str, path: str) -> None:
    assert endpoint_at(method, path) is None
