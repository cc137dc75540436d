"""The tree of errors, and the exchange's error answers read into it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol import errors
from backpack_connector.protocol.errors import ErrorCode, error_from_answer
from tests.protocol.samples import BOUNDED

# API §4.4
TABLE = [
    (400, "INVALID_CLIENT_REQUEST", "Invalid signature", errors.AuthenticationRefused),
    (400, "INVALID_CLIENT_REQUEST", "Invalid X-Signature Header", errors.AuthenticationRefused),
    (400, "INVALID_CLIENT_REQUEST", "Request has expired", errors.ClockSkew),
    (400, "INVALID_CLIENT_REQUEST", "Invalid timestamp: must be within 10 minutes of current time", errors.ClockSkew),
    (400, "INVALID_CLIENT_REQUEST", "Quantity decimal too long", errors.InvalidRequest),
    (400, "INVALID_CLIENT_REQUEST", "Order not found", errors.OrderNotFound),
    (400, "INVALID_CLIENT_REQUEST", "ORDER NOT FOUND", errors.OrderNotFound),
    (400, "INVALID_CLIENT_REQUEST", "Invalid market symbol", errors.InvalidRequest),
    (400, "INVALID_ORDER", "Order would immediately match and take", errors.WouldTake),
    (400, "INVALID_ORDER", "Reduce only order not reduced", errors.OrderRejected),
    (400, "INVALID_PRICE", "Price is too far from the last active price", errors.OrderRejected),
    (400, "INSUFFICIENT_FUNDS", "", errors.InsufficientFunds),
    (400, "INSUFFICIENT_MARGIN", "x", errors.InsufficientFunds),
    (400, "MAX_LEVERAGE_REACHED", "x", errors.OrderRejected),
    (404, "RESOURCE_NOT_FOUND", "Not Found", errors.OrderNotFound),
    (400, "RESOURCE_NOT_FOUND", "Not Found", errors.OrderNotFound),
    (400, "INVALID_SIGNATURE", "x", errors.AuthenticationRefused),
    (401, "UNAUTHORIZED", "x", errors.AuthenticationRefused),
    (403, "FORBIDDEN", "x", errors.AuthenticationRefused),
    (403, "SOMETHING_NEW", "x", errors.AuthenticationRefused),
    (400, "SOMETHING_NEW", "x", errors.Refused),
    (429, "TOO_MANY_REQUESTS", "x", errors.RateLimited),
    (400, "TOO_MANY_REQUESTS", "x", errors.RateLimited),
    (500, "TIMEOUT", "x", errors.Unavailable),
    (400, "TIMEOUT", "x", errors.Unavailable),
    (503, "MAINTENANCE", "x", errors.Unavailable),
    (503, "INVALID_ORDER", "Order would immediately match and take", errors.Unavailable),
]


@pytest.mark.parametrize(("status", "code", "message", "kind"), TABLE)
def test_answers_become_errors_by_meaning(status: int, code: str, message: str, kind: type) -> None:
    error = error_from_answer(status, {"code": code, "message": message}, operation="op")
    assert type(error) is kind
    assert (error.status, error.code, error.operation) == (status, code, "op")
    assert message in str(error)


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "failed to parse parameter `limit`", errors.InvalidRequest),
        (404, "not found", errors.InvalidRequest),
        (403, "<html>blocked</html>", errors.AuthenticationRefused),
        (502, "<html>bad gateway</html>", errors.Unavailable),
        (429, "", errors.RateLimited),
    ],
)
def test_plain_text_answers_become_errors_too(status: int, text: str, kind: type) -> None:
    assert type(error_from_answer(status, text)) is kind


def test_an_empty_answer_says_its_status() -> None:
    assert str(error_from_answer(400, None)) == "HTTP status 400 (400)"


def test_long_pages_are_cut_and_stay_one_line() -> None:
    error = error_from_answer(503, "<html>\n" + "x" * 5000)
    assert len(error.message) == 300
    assert "\n" not in str(error)


def test_a_message_that_is_no_text_is_shown_as_text() -> None:
    assert error_from_answer(400, {"code": 5, "message": ["a"]}).message == "['a']"
    assert error_from_answer(400, {"message": None}).code is None


@pytest.mark.parametrize("kind", [errors.NoAnswer, errors.Unavailable, errors.RateLimited])
def test_lost_and_overloaded_answers_leave_the_outcome_open(kind: type[errors.RequestError]) -> None:
    assert not kind("x").outcome_known


@pytest.mark.parametrize("kind", [errors.Refused, errors.ClockSkew, errors.WouldTake, errors.OrderNotFound])
def test_refusals_are_outcomes(kind: type[errors.RequestError]) -> None:
    assert kind("x").outcome_known


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
    assert isinstance(error_from_answer(status, body), errors.RequestError)


def test_request_errors_are_os_errors_for_hummingbots_base_class() -> None:
    assert issubclass(errors.RequestError, OSError)


def test_every_code_of_the_documentation_is_listed() -> None:
    assert len(ErrorCode) == 35  # 34 of 2026-10, and NOT_IMPLEMENTED of 2026-05


def drawn_tree() -> dict[str, str | None]:
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"    ([│ ]*[├└]── )?(\w+)", line)
        if match:
            depth = len(match[1] or "") // 4
            path = [*path[:depth], match[2]]
            parents[match[2]] = path[-2] if depth else None
    return parents


def test_the_drawing_in_the_module_equals_the_classes() -> None:
    classes = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.BackpackError)
    }
    parents = {
        name: next((base.__name__ for base in kind.__bases__ if base.__name__ in classes), None)
        for name, kind in classes.items()
    }
    assert drawn_tree() == parents
