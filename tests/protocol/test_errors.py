"""Errors: the tree of classes, and the reading of the exchange's error answers."""

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol import errors
from backpack_connector.protocol.errors import (
    AuthenticationRefused,
    BackpackError,
    ClockSkew,
    ConfigurationError,
    ErrorCode,
    InsufficientFunds,
    InvalidRequest,
    NoAnswer,
    OrderNotFound,
    OrderRejected,
    RateLimited,
    Refused,
    RequestError,
    Unavailable,
    WireFormatError,
    WouldTake,
    error_from_answer,
    error_from_result,
    plain,
    shown,
)
from tests.protocol.samples import BOUNDED, names, sample

BAD_REQUEST = "INVALID_CLIENT_REQUEST"

# API §4.4, row by row: HTTP status, code (None: the body is text; where the sources leave the code open, each that is
# likely), message, expected class.
ANSWERS = [
    ("wrong_signing_text", 400, BAD_REQUEST, "Invalid signature", AuthenticationRefused),
    ("foreign_key", 400, BAD_REQUEST, "Invalid X-Signature Header", AuthenticationRefused),
    ("expired", 400, BAD_REQUEST, "Request has expired", ClockSkew),
    (
        "time_stamp_far_off",
        400,
        BAD_REQUEST,
        "Invalid timestamp: must be within 10 minutes of current time",
        ClockSkew,
    ),
    ("too_many_decimals_of_quantity", 400, BAD_REQUEST, "Quantity decimal too long", InvalidRequest),
    ("too_many_decimals_of_price", 400, BAD_REQUEST, "Price decimal too long", InvalidRequest),
    ("quantity_too_small", 400, BAD_REQUEST, "Quantity is below the minimum allowed value", InvalidRequest),
    ("quantity_too_small_2", 400, "INVALID_QUANTITY", "Quantity is below the minimum allowed value", OrderRejected),
    ("no_quantity", 400, BAD_REQUEST, "Market orders must specify a positive `quantity`", InvalidRequest),
    (
        "half_a_trigger",
        400,
        BAD_REQUEST,
        "Must specify both `triggerPrice` and `triggerQuantity` or neither",
        InvalidRequest,
    ),
    ("post_only_would_take", 400, "INVALID_ORDER", "Order would immediately match and take", WouldTake),
    ("not_reducing", 400, "INVALID_ORDER", "Reduce only order not reduced", OrderRejected),
    ("not_reducing_2", 400, BAD_REQUEST, "Reduce only order not reduced", OrderRejected),
    ("outside_price_band", 400, "INVALID_PRICE", "Price is too far from the last active price", OrderRejected),
    ("empty_book", 400, BAD_REQUEST, "No liquidity for market order", OrderRejected),
    ("no_funds", 400, "INSUFFICIENT_FUNDS", "any text", InsufficientFunds),
    ("no_margin", 400, "INSUFFICIENT_MARGIN", "any text", InsufficientFunds),
    ("leverage", 400, "MAX_LEVERAGE_REACHED", "any text", OrderRejected),
    ("position_limit", 400, "POSITION_LIMIT", "any text", OrderRejected),
    ("order_limit", 400, "ORDER_LIMIT", "any text", OrderRejected),
    ("unknown_order", 404, "RESOURCE_NOT_FOUND", "Not Found", OrderNotFound),
    ("unknown_order_with_400", 400, "RESOURCE_NOT_FOUND", "Not Found", OrderNotFound),
    ("cancel_of_finished_order", 400, BAD_REQUEST, "Order not found", OrderNotFound),
    ("unknown_symbol", 400, BAD_REQUEST, "Invalid market symbol", InvalidRequest),
    ("unknown_symbol_of_mark_price", 400, BAD_REQUEST, "Symbol not found", InvalidRequest),
    (
        "unreadable_parameter",
        400,
        None,
        'failed to parse parameter `limit`: failed to parse "DepthLimit": Expect a valid enumeration value.',
        InvalidRequest,
    ),
    (
        "unreadable_body",
        400,
        None,
        'parse request payload error: failed to parse "MarketSymbol": Invalid market symbol'
        ' (occurred while parsing "OrderExecutePayload")',
        InvalidRequest,
    ),
    ("range_too_long", 400, BAD_REQUEST, "Time range between startTime and endTime is too long", InvalidRequest),
    ("too_many_requests", 429, "TOO_MANY_REQUESTS", "any text", RateLimited),
    ("too_many_requests_as_text", 429, None, "slow down", RateLimited),
    ("maintenance", 503, "MAINTENANCE", "any text", Unavailable),
    ("request time-out", 408, "INVALID_CLIENT_REQUEST", "Order not found", Unavailable),
    ("server_error", 503, "SERVER_ERROR", "any text", Unavailable),
    ("unauthorized", 401, "UNAUTHORIZED", "any text", AuthenticationRefused),
    ("forbidden", 403, "FORBIDDEN", "any text", AuthenticationRefused),
    ("forbidden_by_the_cdn", 403, None, "Request blocked.", AuthenticationRefused),
    ("unknown_path", 404, None, "not found", InvalidRequest),
    ("signature_code_of_the_enum", 400, "INVALID_SIGNATURE", "any text", AuthenticationRefused),
]

# Every code, in an answer of status 400 whose message says nothing.
CODES: dict[str, type[RequestError]] = {
    "ACCOUNT_DEACTIVATED": AuthenticationRefused,
    "ACCOUNT_LIQUIDATING": OrderRejected,
    "BORROW_LIMIT": OrderRejected,
    "BORROW_REQUIRES_LEND_REDEEM": OrderRejected,
    "FORBIDDEN": AuthenticationRefused,
    "INSUFFICIENT_FUNDS": InsufficientFunds,
    "INSUFFICIENT_MARGIN": InsufficientFunds,
    "INSUFFICIENT_SUPPLY": InsufficientFunds,
    "INVALID_ASSET": InvalidRequest,
    "INVALID_CLIENT_REQUEST": InvalidRequest,
    "INVALID_MARKET": InvalidRequest,
    "INVALID_ORDER": OrderRejected,
    "INVALID_PRICE": OrderRejected,
    "INVALID_POSITION_ID": Refused,
    "INVALID_QUANTITY": OrderRejected,
    "INVALID_RANGE": InvalidRequest,
    "INVALID_SIGNATURE": AuthenticationRefused,
    "INVALID_SOURCE": InvalidRequest,
    "INVALID_SYMBOL": InvalidRequest,
    "INVALID_TWO_FACTOR_CODE": Refused,
    "LEND_LIMIT": Refused,
    "LEND_REQUIRES_BORROW_REPAY": Refused,
    "MAINTENANCE": Unavailable,
    "MAX_LEVERAGE_REACHED": OrderRejected,
    "NOT_IMPLEMENTED": Refused,
    "ORDER_LIMIT": OrderRejected,
    "POSITION_LIMIT": OrderRejected,
    "PRECONDITION_FAILED": Refused,
    "RESOURCE_NOT_FOUND": OrderNotFound,
    "SERVER_ERROR": Unavailable,
    "TIMEOUT": Unavailable,
    "TOO_EARLY": Unavailable,
    "TOO_MANY_REQUESTS": RateLimited,
    "TRADING_PAUSED": OrderRejected,
    "UNAUTHORIZED": AuthenticationRefused,
}

CDN_PAGE = "<!DOCTYPE HTML>\n<HTML><HEAD>\n<TITLE>ERROR</TITLE></HEAD>\n<BODY>\n" + "<P>blah</P>\n" * 500 + "</BODY>"


def _body(code: str | None, message: str) -> Any:
    return message if code is None else {"code": code, "message": message}


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"), [r[1:] for r in ANSWERS], ids=[r[0] for r in ANSWERS]
)
def test_an_error_answer_becomes_its_class(
    status: int, code: str | None, message: str, expected: type[RequestError]
) -> None:
    error = error_from_answer(status, _body(code, message))
    assert type(error) is expected
    assert (error.status, error.code, error.message) == (status, code, message)


@pytest.mark.parametrize(("code", "expected"), CODES.items(), ids=CODES)
def test_a_code_alone_decides_when_the_message_is_unknown(code: str, expected: type[RequestError]) -> None:
    assert type(error_from_answer(400, {"code": code, "message": "words nobody has seen"})) is expected


def test_every_code_of_the_exchange_is_listed() -> None:
    assert {code.value for code in ErrorCode} == set(CODES)


ERROR_SAMPLES = [name for name in names("rest") if int(name.rpartition(".")[2]) >= 400]


@pytest.mark.parametrize("name", ERROR_SAMPLES)
def test_a_captured_error_answer_is_read_with_its_message(name: str) -> None:
    captured = sample(f"rest/{name}.json")
    message = captured["body"] if isinstance(captured["body"], str) else captured["body"]["message"]
    error = error_from_answer(captured["status"], captured["body"])
    assert isinstance(error, Refused)
    assert error.message == message


OPEN_OUTCOMES = [
    ("no_answer", NoAnswer("the connection was lost")),
    ("429", error_from_answer(429, {"code": "TOO_MANY_REQUESTS", "message": "any"})),
    ("429_that_looks_refused", error_from_answer(429, {"code": "INVALID_ORDER", "message": "Order not found"})),
    ("500", error_from_answer(500, "")),
    ("502_page", error_from_answer(502, CDN_PAGE)),
    ("503_that_looks_refused", error_from_answer(503, {"code": "INSUFFICIENT_FUNDS", "message": "Order not found"})),
    ("504", error_from_answer(504, None)),
    ("timeout_with_400", error_from_answer(400, {"code": "TIMEOUT", "message": "any"})),
]


@pytest.mark.parametrize("error", [row[1] for row in OPEN_OUTCOMES], ids=[row[0] for row in OPEN_OUTCOMES])
def test_a_request_that_may_have_been_executed_is_not_reported_as_refused(error: RequestError) -> None:
    assert not error.outcome_known
    assert not isinstance(error, Refused)


@pytest.mark.parametrize("code", [code for code, kind in CODES.items() if issubclass(kind, Refused)])
def test_a_refusal_has_a_known_outcome(code: str) -> None:
    assert error_from_answer(400, {"code": code, "message": "any"}).outcome_known


@BOUNDED
@given(st.sampled_from([429, 500, 502, 503, 504]), st.sampled_from(list(ErrorCode)), st.text(max_size=30))
def test_no_code_or_text_makes_an_outage_an_outcome(status: int, code: ErrorCode, message: str) -> None:
    assert not error_from_answer(status, {"code": code.value, "message": message}).outcome_known


@BOUNDED
@given(
    st.integers(400, 599),
    st.none() | st.text(max_size=9) | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(), st.integers()),
)
def test_any_answer_gives_an_error(status: int, body: Any) -> None:
    assert isinstance(error_from_answer(status, body), RequestError)


def test_an_unknown_code_is_a_refusal_with_everything_attached() -> None:
    error = error_from_answer(422, {"code": "NEW_RULE", "message": "Moon phase"}, operation="execute_order")
    assert type(error) is Refused
    assert str(error) == "execute_order: Moon phase (422, NEW_RULE)"


MESSAGES = [
    ("text_of_many_lines", 400, "first\n  second\tthird ", "first second third"),
    ("object_without_message", 400, {"code": "FORBIDDEN"}, "HTTP status 400"),
    ("object_without_anything", 418, {}, "HTTP status 418"),
    ("empty_text", 500, "", "HTTP status 500"),
    ("nothing", 502, None, "HTTP status 502"),
    ("list", 400, ["a", 1], "['a', 1]"),
    ("message_that_is_no_text", 400, {"code": 7, "message": {"a": 1}}, "{'a': 1}"),
]


@pytest.mark.parametrize(("status", "body", "expected"), [r[1:] for r in MESSAGES], ids=[r[0] for r in MESSAGES])
def test_the_message_is_one_line_whatever_the_body(status: int, body: Any, expected: str) -> None:
    assert error_from_answer(status, body).message == expected


def test_a_code_that_is_no_text_becomes_text() -> None:
    assert error_from_answer(400, {"code": 7, "message": "any"}).code == "7"


@pytest.mark.parametrize("body", [CDN_PAGE, {"code": "SERVER_ERROR", "message": CDN_PAGE}], ids=["text", "object"])
def test_an_error_page_of_the_cdn_is_cut_to_its_beginning(body: Any) -> None:
    error = error_from_answer(502, body, operation="execute_order")
    assert error.message.startswith("<!DOCTYPE HTML> <HTML><HEAD> <TITLE>ERROR</TITLE>")
    assert len(str(error)) < 350


@pytest.mark.parametrize(
    "message", ["ORDER NOT FOUND", "order not found.", "Order not found: 123"], ids=["upper", "full_stop", "with_id"]
)
def test_a_message_is_recognised_by_its_beginning_in_any_case(message: str) -> None:
    assert type(error_from_answer(400, {"code": BAD_REQUEST, "message": message})) is OrderNotFound


STRINGS = [
    ("message_only", RequestError("lost"), "lost"),
    ("operation", RequestError("lost", operation="get_order"), "get_order: lost"),
    ("status", RequestError("lost", status=502), "lost (502)"),
    ("all", RequestError("lost", operation="ping", status=400, code="X"), "ping: lost (400, X)"),
]


@pytest.mark.parametrize(("error", "expected"), [r[1:] for r in STRINGS], ids=[r[0] for r in STRINGS])
def test_an_error_says_operation_message_status_and_code(error: RequestError, expected: str) -> None:
    assert str(error) == expected


def test_the_wait_that_the_exchange_asks_for_is_kept() -> None:
    assert error_from_answer(429, "slow down", retry_after_s=1.5).retry_after_s == 1.5


CLASSES = {kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, BackpackError)}


def _drawn_tree() -> dict[str, str]:
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip(" │├└─")
        if not (line.startswith("    ") and name.isidentifier()):
            continue
        depth = (len(line) - len(name)) // 4 - 1
        del path[depth:]
        if path:
            parents[name] = path[-1]
        path.append(name)
    return parents


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    assert _drawn_tree() == {kind.__name__: kind.__bases__[0].__name__ for kind in CLASSES - {BackpackError}}


FOREIGN_BASES = [(ConfigurationError, ValueError), (WireFormatError, ValueError), (RequestError, OSError)]


@pytest.mark.parametrize(("kind", "base"), FOREIGN_BASES, ids=[kind.__name__ for kind, _ in FOREIGN_BASES])
def test_hosts_that_know_only_built_in_errors_catch_ours(kind: type, base: type) -> None:
    assert issubclass(kind, base)


@pytest.mark.parametrize(
    ("code", "message", "kind", "text"),
    [
        ("INSUFFICIENT_FUNDS", "No money", InsufficientFunds, "execute_order_batch: No money (INSUFFICIENT_FUNDS)"),
        ("INVALID_ORDER", "Order would immediately match and take", WouldTake, None),
        ("TIMEOUT", "?", Unavailable, None),
        ("TOO_MANY_REQUESTS", "?", RateLimited, None),
        ("TOMORROW", "?", Refused, None),
        (None, "Bad", InvalidRequest, None),
        (None, None, InvalidRequest, "execute_order_batch: refused without a reason"),
    ],
)
def test_an_order_of_a_batch_has_its_own_error(
    code: str | None, message: str | None, kind: type[RequestError], text: str | None
) -> None:
    error = error_from_result(code, message, operation="execute_order_batch")
    assert type(error) is kind
    assert (error.code, error.status) == (code, None)
    assert text is None or str(error) == text


def test_what_the_exchange_sent_is_quoted_short_and_on_one_line() -> None:
    assert plain("  two \n words ") == "two words"
    assert plain("\x1b[31mred\ud800") == "?[31mred?"
    assert len(plain("x" * 1_000_000)) == 300
    assert shown({"a": [1, "two"]}) == "{'a': [1, 'two']}"
    assert shown(10**5_000) == "a number that is too long (int)"
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    for value in ("x" * 1_000_000, nested, list(range(1_000_000)), {"x" * 100: "y" * 100, "z" * 100: 1}):
        assert len(shown(value)) <= 120


ODD_VALUES: dict[str, Any] = {
    "object": {"a": {"b": 1}},
    "list": [1, 2],
    "5,000 digits": 10**5_000,
    "long": "x" * 100_000,
    "true": True,
}


@pytest.mark.parametrize("value", ODD_VALUES.values(), ids=ODD_VALUES.keys())
def test_a_code_or_message_of_any_kind_makes_a_short_line(value: Any) -> None:
    error = error_from_answer(400, {"code": value, "message": value})
    assert len(str(error)) < 500
    assert len(str(error_from_answer(400, [value]))) < 500
