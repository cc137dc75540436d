"""Reading decoded JSON into structs: exact decimals, and one sentence for what cannot be read."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.errors import WireFormatError
from backpack_connector.protocol.wire import WireStruct, WireTime, finite_number, read
from tests.protocol.samples import BOUNDED

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


class Payment(WireStruct, frozen=True, kw_only=True):
    """A struct with every kind of field that matters here."""

    paid_amount: Decimal
    maybe_amount: Decimal | None = None
    event_time: WireTime = msgspec.field(name="E", default=0)


def test_fields_are_read_by_their_wire_names() -> None:
    payment = read(Payment, {"paidAmount": "0.10", "E": 5, "newField": []}, "here")
    assert (payment.paid_amount, payment.maybe_amount, payment.event_time) == (Decimal("0.10"), None, 5)


def test_numbers_that_are_not_quoted_are_exact_too() -> None:
    assert read(Payment, {"paidAmount": 0.29}, "here").paid_amount == Decimal("0.29")


def test_structs_cannot_be_changed() -> None:
    payment = read(Payment, {"paidAmount": "1"}, "here")
    with pytest.raises(AttributeError):
        payment.paid_amount = Decimal(2)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ({"paidAmount": "NaN"}, "here: paid_amount is NaN"),
        ({"paidAmount": "1", "maybeAmount": "Infinity"}, "here: maybe_amount is Infinity"),
        ({"paidAmount": "abc"}, "here: Invalid decimal"),
        ({"paidAmount": None}, "here: Expected"),
        ({}, "here: Object missing required field `paidAmount`"),
        ({"paidAmount": "1", "E": -1}, "here: Expected"),
        ([], "here: Expected `object`"),
        ("text", "here: Expected `object`"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_its_place(payload: Any, sentence: str) -> None:
    with pytest.raises(WireFormatError) as caught:
        read(Payment, payload, "here")
    assert str(caught.value).startswith(sentence)


@BOUNDED
@given(JSON)
def test_no_json_raises_anything_else(payload: Any) -> None:
    for kind in (Payment, list[Payment], dict[str, Payment]):
        try:
            read(kind, payload, "here")
        except WireFormatError:
            continue


@pytest.mark.parametrize(("text", "number"), [("86640.8", 86640.8), ("0.00", 0.0), (5, 5.0)])
def test_levels_become_floats(text: Any, number: float) -> None:
    assert finite_number(text, "here") == number


@pytest.mark.parametrize("text", ["NaN", "inf", "-1", "abc", None, [], "1" * 400, 10**400])
def test_levels_that_are_no_numbers_of_zero_or_more_are_errors(text: Any) -> None:
    with pytest.raises(WireFormatError, match="here: expected a number"):
        finite_number(text, "here")
