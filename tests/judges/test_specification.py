"""The judge of answers itself: it lets through what the exchange really sent, and sees each kind of mistake."""

from typing import Any

import pytest

from tests.judges.specification import PATH, complaints, documented_headers, operations
from tests.protocol.samples import names, sample

# Printed by the documentation or the official client, with untrimmed numbers or an id that is a number.
NOT_AS_SENT = {"get_depth.number_id.200", "get_depth.text_id.200"}
BALANCES = {"SOL": {"available": "1.5", "locked": "0", "staked": "0"}}
TRADE = {
    "id": 7,
    "isBuyerMaker": True,
    "price": "150",
    "quantity": "0.5",
    "quoteQuantity": "75",
    "timestamp": 1_790_915_525_103,
}
DEPTH = {"asks": [["150", "1"]], "bids": [], "lastUpdateId": "5", "timestamp": 1_790_915_525_103_000}
RATE = {"fundingRate": "0.0000125", "intervalEndTimestamp": "2026-09-23T04:00:00", "symbol": "SOL_USDC_PERP"}
ORDER = sample("rest/execute_order.limit_resting.200.json")["body"]
REFUSAL = {"code": "INVALID_ORDER", "message": "Order would immediately match and take"}


@pytest.mark.parametrize("name", sorted(set(names("rest")) - NOT_AS_SENT))
def test_what_the_exchange_sent_is_let_through(name: str) -> None:
    answer = sample(f"rest/{name}.json")
    assert complaints(name.split(".")[0], answer["status"], answer["body"]) == []


@pytest.mark.parametrize(
    ("operation", "status", "body"),
    [
        ("get_balances", 200, BALANCES),
        ("get_depth", 200, DEPTH),
        ("get_recent_trades", 200, [TRADE]),
        ("get_funding_interval_rates", 200, [RATE]),
        ("execute_order_batch", 200, [{**ORDER, "operation": "Ok"}, {**REFUSAL, "operation": "Err"}]),
        ("execute_order", 400, REFUSAL),
        ("get_depth", 400, "failed to parse parameter `limit`"),
        ("update_account_settings", 200, None),
        ("get_ticker", 204, None),
        ("get_stock_holidays", 200, []),
    ],
)
def test_right_answers(operation: str, status: int, body: Any) -> None:
    assert complaints(operation, status, body) == []


@pytest.mark.parametrize(
    ("operation", "status", "body", "complaint"),
    [
        ("get_recent_trades", 200, TRADE, "not of type array"),
        ("get_recent_trades", 200, [{**TRADE, "price": 150}], "not of type string"),
        ("get_recent_trades", 200, [{**TRADE, "price": "150.0"}], "not a trimmed decimal"),
        ("get_recent_trades", 200, [{**TRADE, "price": "1.5e2"}], "not a trimmed decimal"),
        ("get_recent_trades", 200, [{**TRADE, "timestamp": "1"}], "not of type integer"),
        ("get_recent_trades", 200, [{**TRADE, "timestamp": True}], "not of type integer"),
        ("get_recent_trades", 200, [{**TRADE, "timestamp": 2**63}], "beyond int64"),
        ("get_recent_trades", 200, [{**TRADE, "isBuyerMaker": 1}], "not of type boolean"),
        ("get_recent_trades", 200, [{**TRADE, "price": None}], "not of type string"),
        ("get_recent_trades", 200, [{key: TRADE[key] for key in TRADE if key != "price"}], "price is missing"),
        ("get_recent_trades", 200, [{**TRADE, "symbol": "SOL_USDC"}], "not in the specification"),
        ("get_recent_trades", 204, None, "no such status"),
        ("get_balances", 200, {"SOL": {**BALANCES["SOL"], "locked": 0}}, "not of type string"),
        ("get_depth", 200, {**DEPTH, "asks": [["150", "1", "1"]]}, "has 3 elements"),
        ("get_depth", 200, {**DEPTH, "asks": [["150"]]}, "has 1 elements"),
        ("get_funding_interval_rates", 200, [{**RATE, "intervalEndTimestamp": "2026-09-23T04:00:00Z"}], "without zone"),
        ("get_funding_interval_rates", 200, [{**RATE, "intervalEndTimestamp": "2026-13-23T04:00:00"}], "without zone"),
        ("execute_order", 200, {**ORDER, "status": "Open"}, "documented words"),
        ("execute_order", 200, {**ORDER, "orderType": "Stop"}, "documented words"),
        ("execute_order_batch", 200, [{**ORDER, "operation": "Err"}], "code is missing"),
        ("execute_order", 400, {"code": "NO_SUCH_CODE", "message": ""}, "documented words"),
        ("execute_order", 503, "down", "not of type object"),
        ("update_account_settings", 200, {}, "has to be empty"),
        ("get_stock_holidays", 200, {}, "not of type array"),
        ("get_market_sessions", 200, [{"startTime": "25:00:00"}], "not a time of day"),
    ],
)
def test_wrong_answers(operation: str, status: int, body: Any, complaint: str) -> None:
    assert complaint in "\n".join(complaints(operation, status, body))


def test_the_content_type_counts() -> None:
    assert complaints("ping", 200, "pong", "text/plain; charset=utf-8") == []
    assert complaints("ping", 200, "pong", "application/json") != []


def test_promised_headers_are_known() -> None:
    assert "X-TOTAL" in documented_headers("get_fills", 200)
    assert documented_headers("get_stock_holidays", 200) == []


def test_the_file_is_the_official_one() -> None:
    listed = {
        (row["operation_id"], row["method"], row["path"]) for row in sample("openapi_operations.json")["operations"]
    }
    assert {(name, method, path) for name, (method, path, _) in operations().items()} == listed
    assert PATH.name in (PATH.parent / "README.md").read_text(encoding="utf-8")
