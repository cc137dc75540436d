"""Reading decoded JSON into structs: exact decimals, and one sentence for what cannot be read."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.errors import WireFormatError
from backpack_connector.protocol.wire import NotNegative, Positive, WireStruct, WireTime, read
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
    price: Positive = Decimal(1)
    maybe_price: Positive | None = None
    executed: NotNegative = Decimal(0)


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
        ({"paidAmount": "1e999999999"}, "here: paid_amount is a number of too many digits"),
        ({"paidAmount": "1e-999999999"}, "here: paid_amount is a number of too many digits"),
        ({"paidAmount": "0e999999999"}, "here: paid_amount is a number of too many digits"),
        ({"paidAmount": "9" * 10_000}, "here: paid_amount is a number of too many digits"),
        ({"paidAmount": "0." + "1" * 10_000}, "here: paid_amount is a number of too many digits"),
        ({"paidAmount": "1", "price": "0"}, "here: price is 0, which is not possible"),
        ({"paidAmount": "1", "price": "-1"}, "here: price is -1, which is not possible"),
        ({"paidAmount": "1", "maybePrice": "-1"}, "here: maybe_price is -1, which is not possible"),
        ({"paidAmount": "1", "executed": "-0.1"}, "here: executed is -0.1, which is not possible"),
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


def test_numbers_come_out_of_text_only_where_that_is_wished() -> None:
    assert read(list[float], ["1.5", 2], "here", is_strict=False) == [1.5, 2.0]
    with pytest.raises(WireFormatError, match=r"^here: Expected `float`, got `str`"):
        read(list[float], ["1.5"], "here")


def test_numbers_that_the_exchange_shows_are_far_from_the_limits() -> None:
    for text in ("-0.0000117704808946259223127855", "99999999999999999999.99999999", "0", "-0", "1E-8"):
        assert read(Payment, {"paidAmount": text, "executed": "0"}, "here").paid_amount == Decimal(text)


def test_a_complaint_stays_short_and_on_one_line() -> None:
    for text in ("9" * 100_000, "x\n" * 100_000, "\x1b[31m", "\ud800"):
        with pytest.raises(WireFormatError) as caught:
            read(Payment, {"paidAmount": text}, text)
        assert len(str(caught.value)) < 500
        assert str(caught.value).isprintable()


def test_numbers_that_are_odd_only_together_are_read() -> None:
    text = "9" * 30
    assert read(Payment, {"paidAmount": text, "executed": text}, "here").paid_amount == Decimal(text)
    assert read(Payment, {"paidAmount": "1E+29", "executed": "1E-60"}, "here").executed == Decimal("1E-60")
