"""The second half of the catalogue: complete, and asked before and after each request."""

from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.protocol.endpoints import ENDPOINTS
from backpack_connector.protocol.errors import ConfigurationError, InsufficientFunds, WireFormatError
from backpack_connector.protocol.models import Ticker
from backpack_connector.protocol.operations import (
    GROUPS,
    OPERATIONS,
    answer_problem,
    checked_fields,
    checked_orders,
    operation,
    read_result,
)
from backpack_connector.protocol.order_records import FullOrder
from tests.protocol.operation_rows import ADDED, LEFT_OUT, official_parameters
from tests.protocol.samples import body

LIMIT = {"symbol": "SOL_USDC", "side": "Bid", "order_type": "Limit", "price": "100.50", "quantity": Decimal("1E+1")}
WIRE = {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "100.5", "quantity": "10"}
ORDER = body("execute_order.limit_resting.200")
RFQ = {"symbol": "SOL_USDC_RFQ", "side": "Bid", "quantity": "1"}


def test_both_halves_of_the_catalogue_have_the_same_operations() -> None:
    assert set(OPERATIONS) == {row.operation_id for row in ENDPOINTS}
    assert "Order" in GROUPS


def test_each_exception_from_the_official_file_is_one() -> None:
    assert all(name in official_parameters(operation_id) for operation_id, name in LEFT_OUT)
    assert all(name not in official_parameters(operation_id) for operation_id, name in ADDED)


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="There is no operation 'get_rich' in the catalogue"):
        operation("get_rich")


def test_fields_are_checked_alone_and_together() -> None:
    assert checked_fields("execute_order", LIMIT) == WIRE
    assert checked_fields("get_fills", {"from_ms": 1, "to_ms": 2}) == {"from": 1, "to": 2}
    assert checked_fields("submit_rfq", RFQ) == RFQ
    assert checked_fields("submit_rfq", {**RFQ, "execution_mode": "Immediate", "price": 5})["price"] == "5"


@pytest.mark.parametrize(
    ("operation_id", "fields", "sentence"),
    [
        ("execute_order", {**LIMIT, "price": None}, "A limit order needs a price."),
        ("execute_order", {**LIMIT, "quantity": "0,5"}, "quantity has to have a point and no comma: 0.5, not '0,5'."),
        ("get_fills", {"from_ms": 3, "to_ms": 2}, "get_fills: the end of the time is before its beginning."),
        (
            "get_klines",
            {"symbol": "SOL_USDC", "interval": "1m", "start_time_s": 3, "end_time_s": 2},
            "get_klines: the end of the time is before its beginning.",
        ),
        ("submit_rfq", {**RFQ, "price": "5"}, "submit_rfq takes a price exactly when executionMode is Immediate."),
        (
            "submit_rfq",
            {**RFQ, "execution_mode": "Immediate"},
            "submit_rfq takes a price exactly when executionMode is Immediate.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(operation_id: str, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_fields(operation_id, fields)
    assert str(caught.value) == sentence


def test_a_batch_is_checked_order_by_order() -> None:
    assert checked_orders([LIMIT, WIRE]) == [WIRE, WIRE]


@pytest.mark.parametrize(
    ("orders", "sentence"),
    [
        ([], "execute_order_batch takes a list of at least one order."),
        (LIMIT, "execute_order_batch takes a list of at least one order."),
        (7, "execute_order_batch takes a list of at least one order."),
        ([LIMIT, "x"], "Order 2 of the batch is not a set of fields."),
        ([LIMIT, {**LIMIT, "price": "-1"}], "Order 2 of the batch: price has to be above zero, not '-1'."),
    ],
)
def test_a_batch_with_a_mistake_names_the_order(orders: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_orders(orders)
    assert str(caught.value) == sentence


def test_answers_are_read_as_the_catalogue_states() -> None:
    assert read_result("ping", "pong") == "pong"
    assert isinstance(read_result("get_ticker", body("get_ticker.200")), Ticker)
    assert read_result("get_ticker", None) is None
    assert read_result("update_account_settings", None) is None
    assert read_result("update_account_settings", {"surprise": 1}) is None
    assert read_result("get_stock_holidays", [{"any": 1}]) == [{"any": 1}]
    with pytest.raises(WireFormatError, match="execute_order"):
        read_result("execute_order", None)


def test_a_batch_has_an_order_or_an_error_for_each() -> None:
    rows = [{**ORDER, "operation": "Ok"}, {"operation": "Err", "code": "INSUFFICIENT_FUNDS", "message": "no"}]
    order, error = read_result("execute_order_batch", rows)
    assert isinstance(order, FullOrder)
    assert isinstance(error, InsufficientFunds)


def test_an_answer_must_be_about_its_request() -> None:
    order = read_result("execute_order", {**ORDER, "clientId": 7, "symbol": "SOL_USDC"})
    assert answer_problem("execute_order", {"symbol": "SOL_USDC", "clientId": 7}, order) is None
    assert answer_problem("execute_order", {"symbol": "SOL_USDC"}, order) is None
    assert answer_problem("execute_order", {"symbol": "BTC_USDC"}, order) == "it is about an order in SOL_USDC"
    other = {"symbol": "SOL_USDC", "clientId": 8}
    assert answer_problem("cancel_order", other, order) == "it is about the order with client id 7"
    assert answer_problem("get_depth", {"symbol": "X"}, None) is None
    assert answer_problem("execute_order_batch", [1, 2], [1, 2]) is None
    assert answer_problem("execute_order_batch", [1, 2], [1]) == "1 results for 2 orders"
