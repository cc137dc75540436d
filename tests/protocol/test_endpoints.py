"""The catalogue of operations, compared with what the official OpenAPI file lists."""

from collections import Counter
from collections.abc import Callable

import pytest

from backpack_connector.protocol.endpoints import ENDPOINTS, Effect, Endpoint, Pool, endpoint, endpoint_at
from backpack_connector.protocol.errors import ConfigurationError
from tests.protocol.samples import sample

OFFICIAL = sample("openapi_operations.json")["operations"]
OFFICIAL_IDS = {row["operation_id"] for row in OFFICIAL}

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


def test_every_official_operation_stands_in_the_catalogue_as_it_is() -> None:
    ours = [endpoint(official["operation_id"]) for official in OFFICIAL]
    assert [(row.operation_id, row.method, row.path, row.instruction) for row in ours] == [
        (official["operation_id"], official["method"], official["path"], official["instruction"])
        for official in OFFICIAL
    ]


def test_parameters_travel_where_the_official_file_says() -> None:
    assert {row["operation_id"] for row in OFFICIAL if row["parameters"] == "body"} == {
        row.operation_id for row in ENDPOINTS if row.sends_body
    }


def ids(chosen: Callable[[Endpoint], bool]) -> set[str]:
    """Return the ids of the rows that a question is answered with yes for."""
    return {row.operation_id for row in ENDPOINTS if chosen(row)}


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


def test_an_operation_is_signed_exactly_when_it_has_an_instruction() -> None:
    assert ids(lambda row: row.is_signed) == ids(lambda row: row.instruction is not None)


def test_an_operation_of_the_web_session_is_not_signed() -> None:
    assert not ids(lambda row: row.needs_session and row.is_signed)


def test_exactly_the_get_operations_read() -> None:
    assert ids(lambda row: row.method == "GET") == ids(lambda row: row.effect is Effect.READS)


def test_exactly_the_reading_operations_are_safe_to_repeat() -> None:
    assert ids(lambda row: row.is_safe_to_repeat) == ids(lambda row: row.effect is Effect.READS)


def test_everything_that_changes_something_needs_a_signature_or_a_session() -> None:
    assert not ids(lambda row: row.effect is not Effect.READS and not row.is_signed and not row.needs_session)


def test_only_a_withdrawal_moves_funds() -> None:
    assert ids(lambda row: row.effect is Effect.MOVES_FUNDS) == {"request_withdrawal"}


def test_settings_are_changed_by_three_operations() -> None:
    assert ids(lambda row: row.effect is Effect.CONFIGURES) == {
        "update_account_settings",
        "create_withdrawal_delay",
        "update_withdrawal_delay",
    }


def test_the_only_batch_is_that_of_orders() -> None:
    assert ids(lambda row: row.is_batch) == {"execute_order_batch"}


def test_two_operations_are_known_to_be_historical() -> None:
    assert ids(lambda row: row.pool is Pool.HISTORICAL) == {"get_klines", "get_historical_trades"}


def test_histories_trades_and_funding_rates_may_be_historical() -> None:
    # API §2.1 and the last column of §2.2: the sources say nothing about these.
    assert ids(lambda row: row.pool is Pool.UNSTATED) == ids(
        lambda row: (
            row.path.startswith("/wapi/v1/history/")
            or row.operation_id
            in {
                "get_recent_trades",
                "get_funding_interval_rates",
                "get_borrow_lend_markets_history",
                "get_vault_history",
            }
        )
    )


def test_an_operation_outside_the_catalogue_is_a_mistake_of_ours() -> None:
    with pytest.raises(ConfigurationError, match="There is no operation 'get_rich' in the catalogue"):
        endpoint("get_rich")


def test_a_route_leads_back_to_its_row() -> None:
    assert [endpoint_at(row.method.lower(), row.path) for row in ENDPOINTS] == list(ENDPOINTS)


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/v1/order"), ("GET", "/api/v1/order/"), ("GET", "")])
def test_an_unknown_route_leads_nowhere(method: str, path: str) -> None:
    assert endpoint_at(method, path) is None
