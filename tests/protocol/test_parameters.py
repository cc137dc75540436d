"""Parameters and operations: what users may give, what goes onto the wire, and the sentence for everything else."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.parameters import Kind, Operation, Parameter
from tests.protocol.samples import BOUNDED

SYMBOL = Parameter("symbol", Kind.SYMBOL, "The market.")
PRICE = Parameter("price", Kind.DECIMAL, "The price.", unit="quote units")
SHARE = Parameter("triggerQuantity", Kind.DECIMAL_OR_PERCENT, "How much.")
SIDE = Parameter("side", Kind.WORD, "Which side.", words=("Bid", "Ask"))
START = Parameter("startTime", Kind.WHOLE, "From when.", unit="s")
CLIENT_ID = Parameter("clientId", Kind.WHOLE, "A number.", most=2**32 - 1)
LEVELS = Parameter("limit", Kind.WHOLE, "Levels.", words=("5", "10"))
FLAG = Parameter("postOnly", Kind.FLAG, "Only post.")
TEXT = Parameter("address", Kind.TEXT, "Where to.")

GOOD = [
    (SYMBOL, "kPEPE_USDC_PERP", "kPEPE_USDC_PERP"),
    (SYMBOL, " AAPL.US_USDC ", "AAPL.US_USDC"),
    (PRICE, "100.50", "100.5"),
    (PRICE, 3, "3"),
    (PRICE, Decimal("1E-8"), "0.00000001"),
    (PRICE, Decimal("1E+3"), "1000"),
    (SHARE, "80%", "80%"),
    (SHARE, "100.0%", "100%"),
    (SHARE, "0.5", "0.5"),
    (SHARE, Decimal("0.50"), "0.5"),
    (SIDE, "Bid", "Bid"),
    (SIDE, Side.ASK, "Ask"),
    (START, 1_790_000_000, 1_790_000_000),
    (START, " 7 ", 7),
    (CLIENT_ID, 2**32 - 1, 2**32 - 1),
    (LEVELS, "5", 5),
    (FLAG, True, True),
    (FLAG, "False", False),
    (TEXT, " 0xabc ", "0xabc"),
    (TEXT, 12, "12"),
]

BAD = [
    (SYMBOL, "SOL/USDC", "symbol has to be written like SOL_USDC_PERP or SOL, not 'SOL/USDC'."),
    (SYMBOL, None, "symbol has to be text, not None."),
    (PRICE, "NaN", "price has to be a number such as 0.5, not 'NaN'."),
    (PRICE, "Infinity", "price has to be a number such as 0.5, not 'Infinity'."),
    (PRICE, Decimal("NaN"), "price has to be a number, not NaN."),
    (PRICE, Decimal("-Infinity"), "price has to be a number, not -Infinity."),
    (PRICE, "1e-8", "price has to be written plainly: 0.00000001, not '1e-8'."),
    (PRICE, "1E3", "price has to be written plainly: 1000, not '1E3'."),
    (PRICE, ".5", "price has to be written plainly: 0.5, not '.5'."),
    (PRICE, "+5", "price has to be written plainly: 5, not '+5'."),
    (PRICE, "0,5", "price has to have a point and no comma: 0.5, not '0,5'."),
    (PRICE, "1_000", "price has to be a number such as 0.5, not '1_000'."),
    (PRICE, "٣", "price has to be a number such as 0.5, not '٣'."),
    (PRICE, "", "price has to be a number such as 0.5, not ''."),
    (PRICE, "ten", "price has to be a number such as 0.5, not 'ten'."),
    (PRICE, "-1", "price has to be above zero, not '-1'."),
    (PRICE, 0, "price has to be above zero, not 0."),
    (PRICE, 0.1, "price is a float, which is not exact: give text or Decimal, such as '0.1'."),
    (PRICE, True, "price has to be a number such as 0.5, not True."),
    (PRICE, [], "price has to be a number such as 0.5, not []."),
    (PRICE, "1" * 61, "price has too many digits."),
    (PRICE, "1e999999999", "price has too many digits."),
    (PRICE, Decimal("1e999999"), "price has too many digits."),
    (SHARE, "101%", "triggerQuantity has to be at most 100%, not '101%'."),
    (SHARE, "-5%", "triggerQuantity has to be above zero, not '-5'."),
    (SHARE, "5 %%", "triggerQuantity has to be a number such as 0.5, not '5 %'."),
    (SIDE, "buy", "side has to be one of Bid, Ask, not 'buy'."),
    (SIDE, "bid", "side has to be one of Bid, Ask, not 'bid'. Did you mean Bid?"),
    (SIDE, 1, "side has to be one of Bid, Ask, not 1."),
    (START, "soon", "startTime has to be a whole number, not 'soon'."),
    (START, 1.5, "startTime has to be a whole number, not 1.5."),
    (START, True, "startTime has to be a whole number, not True."),
    (START, -1, "startTime has to be from 0 to 9223372036854775807, not -1."),
    (CLIENT_ID, 2**32, "clientId has to be from 0 to 4294967295, not 4294967296."),
    (LEVELS, 7, "limit has to be one of 5, 10, not 7."),
    (FLAG, "yes", "postOnly has to be true or false, not 'yes'."),
    (FLAG, 1, "postOnly has to be true or false, not 1."),
    (TEXT, " ", "address has to be text, not ' '."),
    (TEXT, True, "address has to be text, not True."),
    (TEXT, "a\nb", "address has to be one line of at most 1000 characters, not 'a\\nb'."),
]


@pytest.mark.parametrize(("parameter", "value", "expected"), GOOD)
def test_what_is_good_goes_onto_the_wire(parameter: Parameter, value: Any, expected: Any) -> None:
    read = parameter.wire_value(value)
    assert (read, type(read)) == (expected, type(expected))


@pytest.mark.parametrize(("parameter", "value", "sentence"), BAD)
def test_what_is_bad_gives_one_sentence(parameter: Parameter, value: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parameter.wire_value(value)
    assert str(caught.value) == sentence


@BOUNDED
@given(st.one_of(st.text(max_size=80), st.decimals(), st.integers(), st.floats(), st.none(), st.binary(max_size=5)))
def test_whatever_is_given_is_plain_on_the_wire_or_refused_in_a_short_line(value: Any) -> None:
    for parameter in (SYMBOL, PRICE, SHARE, SIDE, START, LEVELS, FLAG, TEXT):
        read = read_or_sentence(parameter, value)
        if isinstance(read, ConfigurationError):
            assert len(str(read)) < 400
            assert "\n" not in str(read)
        elif parameter is PRICE:
            assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", read)
            assert Decimal(read) == Decimal(value) > 0


def read_or_sentence(parameter: Parameter, value: Any) -> Any:
    try:
        return parameter.wire_value(value)
    except ConfigurationError as error:
        return error


def test_python_names_say_the_unit_of_times() -> None:
    assert [row.python_name for row in (START, PRICE, SHARE)] == ["start_time_s", "price", "trigger_quantity"]
    assert Parameter("from", Kind.WHOLE, "From when.", unit="ms").python_name == "from_ms"


ROW = Operation("do_it", "System", "Do it.", None, (SYMBOL.required, PRICE, CLIENT_ID, START))
CHOICE = Operation("choose", "System", "Choose.", None, (SYMBOL, PRICE, CLIENT_ID), exactly_one=("price", "clientId"))
ANY = Operation("set_it", "System", "Set it.", None, (SYMBOL, PRICE), at_least_one=("symbol", "price"))


def test_names_of_both_worlds_are_understood_and_none_means_absent() -> None:
    given_fields = {"symbol": "SOL_USDC", "start_time_s": 5, "clientId": None, "price": "1"}
    assert ROW.fields(given_fields) == {"symbol": "SOL_USDC", "startTime": 5, "price": "1"}
    assert CHOICE.fields({"client_id": 0}) == {"clientId": 0}
    assert ANY.fields({"price": 1}) == {"price": "1"}
    assert ROW.parameter("startTime") is ROW.parameter("start_time_s") is START


@pytest.mark.parametrize(
    ("operation", "fields", "sentence"),
    [
        (ROW, {}, "do_it needs symbol."),
        (ROW, {"symbol": None}, "do_it needs symbol."),
        (ROW, {"symbl": "SOL_USDC"}, "do_it has no parameter 'symbl'; did you mean symbol?"),
        (ROW, {"zzz": 1}, "do_it has no parameter 'zzz'; it takes symbol, price, clientId, startTime."),
        (Operation("ping", "System", "Ping.", str), {"zzz": 1}, "ping has no parameter 'zzz'; it takes none."),
        (CHOICE, {}, "choose needs price or clientId."),
        (CHOICE, {"price": 1, "clientId": 1}, "choose takes only one of price and clientId."),
        (ANY, {}, "set_it needs at least one of symbol, price."),
    ],
)
def test_a_request_that_makes_no_sense_gives_one_sentence(
    operation: Operation, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        operation.fields(fields)
    assert str(caught.value) == sentence
