"""Requests from parameters, and data or typed errors from answers."""

import json
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.enums import Side, TimeInForce
from backpack_connector.protocol.errors import ConfigurationError, OrderNotFound, Unavailable, WireFormatError
from backpack_connector.protocol.rest import (
    ReadyBody,
    body_fields,
    build_request,
    read_response,
    read_server_time,
    ready_body,
)
from backpack_connector.protocol.signing import Credentials, is_signed_by, parameters_text
from tests.protocol.samples import BOUNDED, names, sample

PAIR = sample("signing_vectors.json")["key_pairs"]["K1"]
SIGNER = Credentials(PAIR["api_key"], PAIR["api_secret"])


class Number(IntEnum):
    """A closed set of numbers."""

    ONE = 1


FIELDS = st.dictionaries(
    st.text("abcXYZ", min_size=1, max_size=4),
    st.none()
    | st.booleans()
    | st.integers(0, 2**32 - 1)
    | st.text("aTrue.1_", max_size=6)
    | st.sampled_from(Side)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12),
    max_size=5,
)


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)
WORDS = st.sampled_from(
    [Side.ASK, TimeInForce.GTC, "Limit", "kPEPE_USDC_PERP", "AAPL.US_USDC", '"', "%s", "\\", "é", ""]
)
ODD = st.sampled_from([None, True, 7, Decimal("1.50"), Number.ONE, [], 0.5])
LIMIT_ORDERS = st.fixed_dictionaries(
    {
        "symbol": WORDS | ODD | st.text(max_size=4),
        "side": WORDS | ODD,
        "orderType": WORDS,
        "timeInForce": WORDS,
        "clientId": st.integers(0, 2**32 - 1) | ODD,
        "price": DECIMALS | ODD | WORDS,
        "quantity": DECIMALS | ODD,
    }
)


def general_body(fields: dict[str, Any]) -> ReadyBody | str:
    """Return what is signed and sent of parameters by the general rules, or the sentence that refuses them."""
    try:
        present = body_fields(fields)
        text = json.dumps(present, separators=(",", ":"), ensure_ascii=False)
        return ReadyBody(parameters_text(present), text.encode())
    except ConfigurationError as error:
        return str(error)


def text_for_the_server(instruction: str, sent: dict[str, Any]) -> str:
    """Return what the server makes of the parsed parameters of a request (API §1.4)."""
    pairs = [f"{name}={json.dumps(value).strip(chr(34))}" for name, value in sorted(sent.items())]
    return "&".join([f"instruction={instruction}", *pairs])


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
    orders: list[dict[str, Any]] = [{"symbol": "A_B", "side": Side.ASK}, {"symbol": "C_D", "x": None}]
    request = build_request(
        endpoint("execute_order_batch"), orders, credentials=SIGNER, timestamp_ms=7, window_ms=60_000
    )
    assert json.loads(request.body or "") == [{"side": "Ask", "symbol": "A_B"}, {"symbol": "C_D"}]
    assert request.headers["X-Signature"] == SIGNER.sign(
        "instruction=orderExecute&side=Ask&symbol=A_B&instruction=orderExecute&symbol=C_D&timestamp=7&window=60000"
    )


@BOUNDED
@given(FIELDS)
def test_the_signature_covers_exactly_the_body_that_is_sent(fields: dict[str, Any]) -> None:
    request = build_request(endpoint("execute_order"), fields, credentials=SIGNER, timestamp_ms=7)
    sent = json.loads(request.body or "")
    assert set(sent) == {name for name, value in fields.items() if value is not None}
    text = f"{text_for_the_server('orderExecute', sent)}&timestamp=7&window=5000"
    assert is_signed_by(PAIR["api_key"], request.headers["X-Signature"], text)


@BOUNDED
@given(FIELDS)
def test_the_signature_covers_exactly_the_query_that_is_sent(fields: dict[str, Any]) -> None:
    request = build_request(endpoint("get_fills"), fields, credentials=SIGNER, timestamp_ms=7)
    assert set(request.query) == {name for name, value in fields.items() if value is not None}
    text = f"{text_for_the_server('fillHistoryQueryAll', request.query)}&timestamp=7&window=5000"
    assert is_signed_by(PAIR["api_key"], request.headers["X-Signature"], text)


@BOUNDED
@given(st.lists(FIELDS, min_size=1, max_size=3))
def test_the_signature_covers_exactly_the_batch_that_is_sent(batch: list[dict[str, Any]]) -> None:
    request = build_request(endpoint("execute_order_batch"), batch, credentials=SIGNER, timestamp_ms=7)
    orders = [text_for_the_server("orderExecute", sent) for sent in json.loads(request.body or "")]
    text = f"{'&'.join(orders)}&timestamp=7&window=5000"
    assert is_signed_by(PAIR["api_key"], request.headers["X-Signature"], text)


@BOUNDED
@given(LIMIT_ORDERS | FIELDS)
def test_the_form_of_a_limit_order_gives_what_the_general_rules_give(fields: dict[str, Any]) -> None:
    expected = general_body(fields)
    try:
        found: ReadyBody | str = ready_body(fields)
    except ConfigurationError as error:
        found = str(error)
    assert found == expected


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"symbol": '"'},
        {"symbol": "é"},
        {"side": "Ask"},
        {"side": []},
        {"price": "1.50"},
        {"price": None},
        {"clientId": True},
        {"timeInForce": Number.ONE},
        {"quantity": Decimal("NaN")},
    ],
    ids=repr,
)
@pytest.mark.parametrize("missing", [None, "price"])
def test_each_way_around_the_form_of_a_limit_order(changed: dict[str, Any], missing: str | None) -> None:
    fields = {
        "symbol": "SOL_USDC",
        "side": Side.BID,
        "orderType": "Limit",
        "timeInForce": TimeInForce.GTC,
        "clientId": 7,
        "price": Decimal("1E-8"),
        "quantity": Decimal("100.00"),
        **changed,
    }
    if missing is not None:
        fields["selfTradePrevention"] = fields.pop(missing)
    expected = general_body(fields)
    if isinstance(expected, str):
        with pytest.raises(ConfigurationError, match="cannot be sent"):
            ready_body(fields)
    else:
        assert ready_body(fields) == expected


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
        ("execute_order_batch", ready_body({}), SIGNER, 7, "at least one order"),
        ("get_balances", ready_body({}), SIGNER, 7, "one set of parameters"),
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


@pytest.mark.parametrize(
    ("operation", "parameters", "travels"),
    [
        ("get_open_orders", {"symbol": "SOL_USDC", "x": None}, ({"symbol": "SOL_USDC"}, None)),
        ("get_balances", None, ({}, None)),
        ("cancel_order", {"orderId": "7", "x": True}, ({}, b'{"orderId":"7","x":true}')),
        ("execute_order_batch", [{"price": Decimal("1.50")}, {}], ({}, b'[{"price":"1.5"},{}]')),
    ],
)
def test_parameters_travel_in_the_query_or_in_the_body(operation: str, parameters: Any, travels: Any) -> None:
    request = build_request(endpoint(operation), parameters, credentials=SIGNER, timestamp_ms=7)
    assert (request.query, request.body) == travels


@BOUNDED
@given(st.lists(FIELDS, min_size=1, max_size=3))
def test_what_was_made_ready_before_is_the_same_request(batch: list[dict[str, Any]]) -> None:
    ready = [ready_body(fields) for fields in batch]
    for operation, raw, prepared in (
        ("execute_order_batch", batch, ready),
        ("execute_order_batch", batch, [batch[0], *ready[1:]]),
        ("execute_order", batch[0], ready[0]),
    ):
        row = endpoint(operation)
        expected = build_request(row, raw, credentials=SIGNER, timestamp_ms=7)
        assert build_request(row, prepared, credentials=SIGNER, timestamp_ms=7) == expected  # type: ignore[arg-type]


def test_json_numbers_keep_every_digit() -> None:
    assert read_response("x", 200, '{"a":0.10,"b":[5]}') == {"a": Decimal("0.10"), "b": [5]}


@pytest.mark.parametrize(("status", "text"), [(202, ""), (200, "  \n"), (204, "")])
def test_empty_answers_are_none(status: int, text: str) -> None:
    assert read_response("x", status, text) is None


def test_plain_text_operations_answer_with_text() -> None:
    assert read_response("get_time", 200, "1785948047107", is_json=False) == "1785948047107"


UNREADABLE = {
    "cut off": '{"a":',
    "page": "<html>",
    "not a number": "[NaN]",
    "exponent beyond Decimal": "[1.5e99999999999999999999]",
    "nesting beyond the stack": "[" * 100_000,
    "half of a surrogate pair": '["\ud800"]',
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_whatever_is_no_json_is_a_format_error(text: str) -> None:
    with pytest.raises(WireFormatError, match="get_balances: the answer is no JSON"):
        read_response("get_balances", 200, text)


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_error_answer_still_leaves_the_outcome_open(text: str) -> None:
    with pytest.raises(Unavailable):
        read_response("execute_order", 503, text)


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


@pytest.mark.parametrize("status", [300, 307, 308])
def test_redirect_is_no_answer_to_what_was_asked(status: int) -> None:
    with pytest.raises(Unavailable) as caught:
        read_response("cancel_order", status, "")
    assert not caught.value.outcome_known


def test_server_time_is_whole_milliseconds() -> None:
    assert read_server_time(" 1785948047107\n") == 1_785_948_047_107


@pytest.mark.parametrize("answer", ["", "soon", "-1", "1.5", "NaN", "١٢٣", None, {}, "178594", "9" * 14, "9" * 5_000])
def test_bad_input_server_time_is_one_sentence(answer: Any) -> None:
    with pytest.raises(WireFormatError, match="get_time: expected milliseconds, got") as caught:
        read_server_time(answer)
    assert len(str(caught.value)) < 400
