"""Requests from parameters, and data or typed errors from answers."""

import json
from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.errors import ConfigurationError, OrderNotFound, Unavailable, WireFormatError
from backpack_connector.protocol.rest import build_request, read_response
from backpack_connector.protocol.signing import Credentials
from tests.protocol.samples import names, sample

PAIR = sample("signing_vectors.json")["key_pairs"]["K1"]
SIGNER = Credentials(PAIR["api_key"], PAIR["api_secret"])


def test_public_reads_carry_their_parameters_in_the_query_and_no_headers() -> None:
    request = build_request(endpoint("get_depth"), {"symbol": "SOL_USDC", "limit": 5, "x": None})
    assert (request.method, request.path, request.body, request.headers) == ("GET", "/api/v1/depth", None, {})
    assert request.query == {"limit": "5", "symbol": "SOL_USDC"}


def test_orders_carry_exact_texts_in_a_body_and_are_signed_over_the_same_texts() -> None:
    fields = {
        "symbol": "SOL_USDC",
        "side": Side.BID,
        "price": Decimal("1E-8"),
        "clientId": 4294967295,
        "postOnly": True,
        "reduceOnly": None,
    }
    request = build_request(endpoint("execute_order"), fields, credentials=SIGNER, timestamp_ms=7)
    assert json.loads(request.body or "") == {
        "clientId": 4294967295,
        "postOnly": True,
        "price": "0.00000001",
        "side": "Bid",
        "symbol": "SOL_USDC",
    }
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert request.headers["X-Signature"] == SIGNER.sign(
        "instruction=orderExecute&clientId=4294967295&postOnly=true&price=0.00000001&side=Bid&symbol=SOL_USDC"
        "&timestamp=7&window=5000"
    )


def test_signed_reads_are_signed_over_their_query() -> None:
    request = build_request(endpoint("get_open_orders"), {"marketType": "SPOT"}, credentials=SIGNER, timestamp_ms=7)
    assert request.headers["X-Signature"] == SIGNER.sign(
        "instruction=orderQueryAll&marketType=SPOT&timestamp=7&window=5000"
    )


def test_batches_are_lists_signed_order_by_order() -> None:
    orders = [{"symbol": "A_B", "side": Side.ASK}, {"symbol": "C_D", "x": None}]
    request = build_request(endpoint("execute_order_batch"), orders, credentials=SIGNER, timestamp_ms=7)
    assert json.loads(request.body or "") == [{"side": "Ask", "symbol": "A_B"}, {"symbol": "C_D"}]
    assert request.headers["X-Signature"] == SIGNER.sign(
        "instruction=orderExecute&side=Ask&symbol=A_B&instruction=orderExecute&symbol=C_D&timestamp=7&window=5000"
    )


def test_an_operation_without_parameters_signs_its_instruction() -> None:
    request = build_request(endpoint("get_balances"), credentials=SIGNER, timestamp_ms=7, window_ms=60_000)
    assert request.headers["X-Signature"] == SIGNER.sign("instruction=balanceQuery&timestamp=7&window=60000")
    assert request.query == {}


@pytest.mark.parametrize(
    ("operation", "parameters", "signer", "time_ms", "sentence"),
    [
        ("get_balances", None, None, 7, "needs an API key"),
        ("get_balances", None, SIGNER, None, "needs an API key"),
        ("execute_order", [{}], SIGNER, 7, "one set of parameters"),
        ("execute_order_batch", {}, SIGNER, 7, "at least one order"),
        ("execute_order_batch", [], SIGNER, 7, "at least one order"),
        ("execute_order_batch", None, SIGNER, 7, "at least one order"),
        ("execute_order", {"price": 0.1}, SIGNER, 7, "type float cannot be sent"),
    ],
)
def test_what_cannot_be_sent_is_one_sentence(
    operation: str, parameters: Any, signer: Credentials | None, time_ms: int | None, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        build_request(endpoint(operation), parameters, credentials=signer, timestamp_ms=time_ms)


def test_a_float_in_an_unsigned_body_is_refused_too() -> None:
    with pytest.raises(ConfigurationError, match="cannot be sent"):
        build_request(endpoint("create_withdrawal_delay"), {"hours": 0.5})


def test_json_numbers_keep_every_digit() -> None:
    assert read_response("x", 200, '{"a":0.10,"b":[5]}') == {"a": Decimal("0.10"), "b": [5]}


@pytest.mark.parametrize(("status", "text"), [(202, ""), (200, "  \n"), (204, "")])
def test_empty_answers_are_none(status: int, text: str) -> None:
    assert read_response("x", status, text) is None


def test_plain_text_operations_answer_with_text() -> None:
    assert read_response("get_time", 200, "1785948047107", is_json=False) == "1785948047107"


def test_unreadable_json_is_one_sentence() -> None:
    with pytest.raises(WireFormatError, match="get_balances: the answer is no JSON"):
        read_response("get_balances", 200, '{"a":')


@pytest.mark.parametrize("name", names("rest"))
def test_every_sample_is_read_or_raises_by_its_status(name: str) -> None:
    envelope = sample(f"rest/{name}.json")
    content = envelope["body"]
    is_json = not isinstance(content, str)
    text = "" if content is None else json.dumps(content) if is_json else content
    if envelope["status"] < 400:
        read_response(name, envelope["status"], text, is_json=is_json)
    else:
        with pytest.raises(OSError, match=r"\d{3}"):
            read_response(name, envelope["status"], text)


def test_errors_know_their_operation() -> None:
    with pytest.raises(OrderNotFound) as caught:
        read_response("get_order", 404, '{"code":"RESOURCE_NOT_FOUND","message":"Not Found"}')
    assert (caught.value.operation, caught.value.status, caught.value.code) == ("get_order", 404, "RESOURCE_NOT_FOUND")


def test_pages_of_the_cdn_are_errors_too() -> None:
    with pytest.raises(Unavailable, match="<html>"):
        read_response("get_order", 503, "<html>\n<body>Bad</body>")
