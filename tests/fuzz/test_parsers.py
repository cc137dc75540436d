"""Every field of every message and answer in the samples, spoilt in every way: an error of ours, or a usable value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import mutations, nested
from tests.fuzz.targets import (
    READERS,
    TARGETS,
    Violation,
    encoded,
    read_answer,
    read_failure,
    read_frame,
    read_text_of_frame,
)
from tests.protocol.samples import BOUNDED, body, frame, names

ANSWERS = [name for name in names("rest") if name.endswith(".200") and name.partition(".")[0] in READERS]
FAILURES = [name for name in names("rest") if name.rpartition(".")[2] >= "400"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.decimals().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("name", ANSWERS)
def test_no_spoilt_answer_escapes(name: str) -> None:
    for done, spoilt in mutations(body(name)):
        _try(read_answer, name.partition(".")[0], spoilt, done=done)


@pytest.mark.parametrize("name", names("ws"))
def test_no_spoilt_frame_escapes(name: str) -> None:
    for done, spoilt in mutations(frame(name)):
        _try(read_frame, spoilt, done=done)
        _try(read_text_of_frame, encoded(spoilt).decode(), done=done)


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("status", [400, 401, 404, 408, 429, 500, 503])
def test_no_spoilt_error_answer_escapes(name: str, status: int) -> None:
    for done, spoilt in mutations(body(name)):
        _try(read_failure, status, spoilt, done=done)


def _try(check: Any, *arguments: Any, done: str) -> None:
    try:
        check(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test says which field did it
        pytest.fail(f"{done}: {type(error).__name__}: {str(error)[:300]}")


@BOUNDED
@given(JSON)
def test_no_json_escapes_any_reader(value: Any) -> None:
    read_frame(value)
    read_frame({"stream": "account.orderUpdate", "data": value})
    read_frame({"error": value})
    read_failure(400, value)
    for operation_id in READERS:
        read_answer(operation_id, value)


@BOUNDED
@given(st.sampled_from(list(TARGETS)), st.binary(max_size=200))
def test_no_bytes_escape_any_target(name: str, data: bytes) -> None:
    TARGETS[name](data)


@BOUNDED
@given(st.sampled_from(list(TARGETS)), st.text(max_size=200))
def test_no_text_escapes_any_target(name: str, text: str) -> None:
    TARGETS[name](text.encode(errors="replace"))


@pytest.mark.parametrize("depth", [100, 900, 3_000, 100_000])
def test_nesting_is_refused_in_a_short_sentence(depth: int) -> None:
    for value in (nested(depth), {"error": nested(depth)}, {"stream": nested(depth), "data": 1}):
        read_frame(value)
    read_failure(400, {"code": nested(depth), "message": nested(depth)})
    for text in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
        for target in TARGETS.values():
            target(text)


@pytest.mark.parametrize(
    "text", [b"1" * 10_000, b"1." + b"1" * 10_000, b"1e999999999", b"-1e-999999999", b"NaN", b"\xff\xfe", b'"\\ud800"']
)
def test_odd_numbers_and_texts_are_read_or_refused_by_every_target(text: bytes) -> None:
    for target in TARGETS.values():
        target(text)
        target(b'{"stream":"account.orderUpdate","data":' + text + b"}")


def test_targets_notice_a_message_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.targets.LONGEST_MESSAGE", 10)
    with pytest.raises(Violation, match="a message of"):
        TARGETS["stream_frame"](encoded({"error": "x"}))


def test_targets_notice_a_number_that_would_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backpack_connector.protocol.wire._MAX_MAGNITUDE", 2_000_000_000)
    with pytest.raises(Exception, match="too many digits"):
        TARGETS["rest_answer"](b'[{"symbol": "SOL_USDC", "lastPrice": "1e999999999"}]')
