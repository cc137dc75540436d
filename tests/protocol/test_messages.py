"""Frames of the streams read into messages: captured ones, odd ones, and anything else."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backpack_connector.protocol import messages, wire
from backpack_connector.protocol.enums import OrderEvent, OrderStatus, Side
from backpack_connector.protocol.errors import WireFormatError
from backpack_connector.protocol.messages import (
    decoded_frame,
    parse_message,
    quick_account_message,
    stream_of,
)
from tests.protocol.samples import BOUNDED, frame, names

KINDS: dict[str, Any] = {
    "depth": messages.DepthUpdate,
    "trade": messages.PublicTrade,
    "order_update": messages.OrderUpdate,
    "balance_update": messages.BalanceUpdate,
    "position_update": messages.PositionUpdate,
    "kline": messages.KlineUpdate,
    "mark_price": messages.MarkPriceUpdate,
    "error": messages.ErrorFrame,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["stream", "data", "error", "e", "s", "U", "u", "a", "b", "X"]), inner)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize("name", names("ws"))
def test_every_captured_frame_is_read_or_has_no_message_here(name: str) -> None:
    assert type(parse_message(frame(name))) is KINDS.get(name.split(".")[0], type(None))


def test_depth_updates_keep_levels_as_text_and_ids_as_numbers() -> None:
    update = parse_message(frame("depth.aggregated"))
    assert isinstance(update, messages.DepthUpdate)
    assert update.asks[0] == ("2766.95", "6.9498")
    assert update.bids[1] == ("2755.33", "0.0000")
    assert (update.first_update_id, update.last_update_id, update.symbol) == (7501116422, 7501116464, "ETH_USDC_PERP")


def test_f04_times_are_microseconds_on_the_wire_and_seconds_here() -> None:
    trade = parse_message(frame("trade"))
    assert isinstance(trade, messages.PublicTrade)
    assert trade.event_timestamp == 1790915531.025
    assert (trade.price, trade.quantity, trade.is_buyer_maker) == (Decimal("86642.9"), Decimal("0.07206"), False)


def test_f40_the_first_message_of_a_position_has_no_event_and_a_short_is_negative() -> None:
    position = parse_message(frame("position_update.initial_short"))
    assert isinstance(position, messages.PositionUpdate)
    assert (position.event, position.symbol, position.net_quantity) == (None, "SOL_USDC_PERP", Decimal("-0.01"))
    assert (position.entry_price, position.mark_price) == (Decimal("126.97"), Decimal("120.96"))
    # API §2.3: realised and unrealised together are the profit since entry.
    assert position.pnl_realized is not None
    assert position.pnl_unrealized is not None
    profit = (position.mark_price - position.entry_price) * position.net_quantity
    assert position.pnl_realized + position.pnl_unrealized == profit


def test_mark_prices_carry_index_and_funding() -> None:
    mark = parse_message(frame("mark_price.subscription_1"))
    assert isinstance(mark, messages.MarkPriceUpdate)
    assert mark.index_price is not None
    assert mark.funding_rate is not None
    assert mark.next_funding is not None
    assert mark.event_timestamp > 1_700_000_000


def test_messages_without_engine_time_have_the_time_of_sending() -> None:
    data = {"e": "balanceUpdate", "E": 2_000_000, "a": "USDC", "A": "1", "L": "0", "S": "0"}
    message = parse_message({"stream": "account.balanceUpdate", "data": data})
    assert isinstance(message, messages.BalanceUpdate)
    assert message.event_timestamp == 2.0


def test_fills_carry_everything_about_the_execution() -> None:
    fill = parse_message(frame("order_update.market_fill"))
    assert isinstance(fill, messages.OrderUpdate)
    assert fill.is_fill
    assert (fill.fill_price, fill.fill_quantity, fill.fee, fill.fee_symbol) == (
        Decimal("4299.16"),
        Decimal("0.0010"),
        Decimal("0.000001"),
        "ETH",
    )
    assert (fill.trade_id, fill.is_maker, fill.side, fill.executed_quantity) == (
        2888471,
        False,
        Side.BID,
        Decimal("0.0010"),
    )
    assert (fill.known_event, fill.known_status) == (OrderEvent.FILL, OrderStatus.FILLED)


def test_orders_without_client_id_have_none_and_numbers_become_text() -> None:
    content = frame("order_update.accepted")
    message = parse_message(content)
    assert isinstance(message, messages.OrderUpdate)
    assert (message.client_id_text, message.is_fill) == (None, False)
    with_id = parse_message({"stream": content["stream"], "data": {**content["data"], "c": 77}})
    assert isinstance(with_id, messages.OrderUpdate)
    assert with_id.client_id_text == "77"


def test_f19_unknown_events_and_states_are_no_error_and_no_outcome() -> None:
    content = frame("order_update.accepted")
    data = {**content["data"], "e": "orderTeleported", "X": "Elsewhere"}
    message = parse_message({"stream": content["stream"], "data": data})
    assert isinstance(message, messages.OrderUpdate)
    assert (message.known_event, message.known_status, message.status) == (None, None, "Elsewhere")


def test_f23_numbers_that_are_not_quoted_are_exact() -> None:
    data = json.loads('{"e":"balanceUpdate","E":1,"a":"SOL","A":0.29,"L":0,"S":0}')
    message = parse_message({"stream": "account.balanceUpdate", "data": data})
    assert isinstance(message, messages.BalanceUpdate)
    assert message.available == Decimal("0.29")


def test_streams_are_told_by_frames_that_carry_data() -> None:
    assert stream_of({"stream": "trade.SOL_USDC", "data": {}}) == "trade.SOL_USDC"
    assert stream_of({"stream": 5, "data": {}}) is None
    assert stream_of({"stream": "x"}) is None
    assert stream_of("text") is None


def test_a_scoped_private_stream_is_read_like_the_whole_one() -> None:
    content = frame("order_update.accepted")
    message = parse_message({"stream": "account.orderUpdate.SOL_USDC", "data": content["data"]})
    assert isinstance(message, messages.OrderUpdate)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("text", "expected a frame with stream and data, got 'text'"),
        ([], "expected a frame"),
        (5, "expected a frame"),
        (None, "expected a frame"),
        ({}, "expected a frame"),
        ({"data": {}}, "expected a frame"),
        ("x" * 500, r"\.\.\."),
        ({"stream": "trade.SOL_USDC", "data": None}, "trade.SOL_USDC: Expected `object`"),
        ({"stream": "depth.SOL_USDC", "data": {"E": 1}}, "depth.SOL_USDC: Object missing required field"),
        ({"error": {"code": "x"}}, "error frame: "),
        ({"error": "text"}, "error frame: "),
    ],
)
def test_what_is_no_frame_is_one_short_sentence(content: Any, sentence: str) -> None:
    with pytest.raises(WireFormatError, match=sentence) as caught:
        parse_message(content)
    assert len(str(caught.value)) < 250


READABLE = [name for name in names("ws") if name.split(".")[0] in KINDS and "data" in frame(name)]
MISSING = [
    pytest.param(name, field.encode_name, id=f"{name}-{field.encode_name}")
    for name in (
        "depth",
        "trade",
        "order_update.market_fill",
        "balance_update",
        "position_update.initial_short",
        "mark_price.subscription_1",
    )
    for field in msgspec.structs.fields(KINDS[name.split(".")[0]])
    if field.required
]


@pytest.mark.parametrize(("name", "key"), MISSING)
def test_a_missing_field_is_named_with_its_stream(name: str, key: str) -> None:
    content = frame(name)
    content["data"].pop(key)
    with pytest.raises(WireFormatError, match=f"{content['stream']}: .* missing required field `{key}`"):
        parse_message(content)


WRONG_VALUES = [
    ("trade", "p", "NaN", "price is NaN"),
    ("trade", "q", "Infinity", "quantity is Infinity"),
    ("trade", "p", "abc", r"Invalid decimal string - at `\$.p`"),
    ("trade", "p", True, r"Expected `decimal`, got `bool` - at `\$.p`"),
    ("trade", "t", "5", r"Expected `int`, got `str` - at `\$.t`"),
    ("trade", "E", 10**400, r"Expected `int` <= 9223372036854775807 - at `\$.E`"),
    ("trade", "T", -1, r"Expected `int` >= 0 - at `\$.T`"),
    ("depth", "u", None, r"Expected `int`, got `null` - at `\$.u`"),
    ("depth", "a", [["1"]], r"Expected `array` of length 2, got 1 - at `\$.a\[0\]`"),
    ("depth", "b", [["1", 2]], r"Expected `str`, got `int` - at `\$.b\[0\]\[1\]`"),
    ("balance_update", "A", "NaN", "available is NaN"),
    ("order_update.market_fill", "n", "NaN", "fee is NaN"),
    ("order_update.market_fill", "S", "Sideways", r"Invalid enum value 'Sideways' - at `\$.S`"),
    ("order_update.market_fill", "X", None, r"Expected `str`, got `null` - at `\$.X`"),
]


@pytest.mark.parametrize(("name", "key", "value", "sentence"), WRONG_VALUES)
def test_a_value_of_the_wrong_kind_is_named_with_its_place(name: str, key: str, value: Any, sentence: str) -> None:
    content = frame(name)
    content["data"][key] = value
    with pytest.raises(WireFormatError, match=f"{content['stream']}: {sentence}"):
        parse_message(content)


@BOUNDED
@given(st.sampled_from(READABLE), st.data())
def test_one_odd_value_in_a_captured_frame_is_read_or_a_format_error(name: str, data: st.DataObject) -> None:
    content = frame(name)
    content["data"][data.draw(st.sampled_from(sorted(content["data"])))] = data.draw(JSON)
    try:
        message = parse_message(content)
    except WireFormatError:
        return
    assert isinstance(message, KINDS[name.split(".")[0]])
    assert getattr(message, "event_timestamp", 0.0) >= 0


@BOUNDED
@given(JSON, st.sampled_from(["depth.X_Y", "trade.X_Y", "account.orderUpdate", "account.balanceUpdate", "nope"]))
def test_no_json_raises_anything_but_a_format_error(content: Any, stream: str) -> None:
    for candidate in (content, {"stream": stream, "data": content}):
        try:
            parse_message(candidate)
        except WireFormatError:
            continue


def test_an_update_that_ends_before_it_begins_is_refused() -> None:
    data = {"E": 1, "s": "SOL_USDC", "a": [], "b": []}
    assert parse_message({"stream": "depth.SOL_USDC", "data": {**data, "U": 7, "u": 7}}) is not None
    with pytest.raises(WireFormatError, match="the first update id is after the last one"):
        parse_message({"stream": "depth.SOL_USDC", "data": {**data, "U": 8, "u": 7}})


@pytest.mark.parametrize(("key", "value"), [("u", 2**63), ("U", -1), ("u", 10**40)])
def test_update_ids_fit_into_the_64_bits_of_a_book(key: str, value: int) -> None:
    data = {"E": 1, "s": "SOL_USDC", "a": [], "b": [], "U": 7, "u": 7}
    with pytest.raises(WireFormatError):
        parse_message({"stream": "depth.SOL_USDC", "data": {**data, key: value}})


@pytest.mark.parametrize(
    ("key", "value"), [("l", "0"), ("l", "-1"), ("L", "-4299.16"), ("z", "-1"), ("i", ""), ("t", -1)]
)
def test_a_fill_that_is_not_possible_is_refused(key: str, value: Any) -> None:
    fill = frame("order_update.market_fill")
    assert parse_message(fill) is not None
    with pytest.raises(WireFormatError, match=r"account\.orderUpdate"):
        parse_message({**fill, "data": {**fill["data"], key: value}})


@pytest.mark.parametrize("key", ["E", "T"])
def test_a_message_from_the_future_is_refused_where_the_time_is_known(key: str) -> None:
    fill = frame("order_update.market_fill")
    now = fill["data"]["E"] / 1e6
    assert parse_message(fill, now + 1) is not None
    odd = {**fill, "data": {**fill["data"], key: 2**63 - 1}}
    assert parse_message(odd) is not None
    with pytest.raises(WireFormatError, match=r"account\.orderUpdate: the message is dated in the future"):
        parse_message(odd, now + 1)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "9" * 5_000])
def test_text_that_is_no_json_is_its_own_frame(text: str) -> None:
    assert decoded_frame(text) == text
    assert decoded_frame('{"a": 1}') == {"a": 1}


def test_an_order_update_is_read_the_quick_way_too() -> None:
    content = frame("order_update.market_fill")
    now_us = content["data"]["E"]
    message = quick_account_message(json.dumps(content), now_us + 1)
    assert message == parse_message(content)
    assert quick_account_message(json.dumps(content), now_us - 1) is None
    assert quick_account_message(json.dumps({**content, "stream": "account.positionUpdate"}), 10**17) is None
    assert quick_account_message(json.dumps(frame("depth")), 10**17) is None


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("is_data_first", [True, False])
def test_the_spelling_of_an_order_update_does_not_matter(is_data_first: bool, separators: tuple[str, str]) -> None:
    content = frame("order_update.market_fill")
    content = {"data": content["data"], "stream": content["stream"]}
    ordered = content if is_data_first else dict(reversed(content.items()))
    text = json.dumps(ordered, separators=separators)
    assert quick_account_message(text, 10**17) == parse_message(content) is not None


def test_a_word_inside_an_order_update_does_not_make_it_another_message() -> None:
    content = frame("order_update.market_fill")
    content = {"data": {**content["data"], "R": "account.balanceUpdate"}, "stream": content["stream"]}
    text = json.dumps(content, separators=(",", ":"))
    assert quick_account_message(text, 10**17) == parse_message(content) is not None


@pytest.mark.parametrize("name", ["order_update.market_fill", "balance_update", "position_update.initial_short"])
def test_an_error_beside_a_private_message_is_for_the_careful_reader(name: str) -> None:
    content = {"error": {"code": 4005, "message": "Invalid signature"}, **frame(name)}
    assert isinstance(parse_message(content), messages.ErrorFrame)
    assert quick_account_message(json.dumps(content, separators=(",", ":")), 10**17) is None
    assert quick_account_message(json.dumps({**content, "error": None}), 10**17) == parse_message(frame(name))


ODD = ["NaN", "sNaN", "Infinity", "1e30", "1e-61", "1e999999999", "1e-999999999", "0e999999999", "-1", "x"]


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("key", ["q", "p", "z", "Z", "l", "L", "n", "P"])
def test_no_odd_number_gets_through_the_quick_way(key: str, value: str) -> None:
    content = frame("order_update.market_fill")
    odd = {**content, "data": {**content["data"], key: value}}
    if (key, value) in (("n", "-1"), ("P", "-1")):
        assert quick_account_message(json.dumps(odd), 10**17) == parse_message(odd) is not None
        return
    assert quick_account_message(json.dumps(odd), 10**17) is None
    with pytest.raises(WireFormatError):
        parse_message(odd)


@pytest.mark.parametrize(("name", "key"), [("balance_update", "A"), ("position_update.initial_short", "q")])
def test_balances_and_positions_are_read_the_quick_way_too(name: str, key: str) -> None:
    content = frame(name)
    now_us = content["data"]["E"]
    assert quick_account_message(json.dumps(content), now_us) == parse_message(content)
    assert quick_account_message(json.dumps(content), now_us - 10**6) is None
    assert quick_account_message(json.dumps({**content, "data": {**content["data"], key: "NaN"}}), now_us) is None
    other = {**content, "stream": f"{content['stream']}.X", "note": content["stream"]}
    assert quick_account_message(json.dumps(other), now_us) is None


NUMBERS = st.decimals(allow_nan=None, allow_infinity=None) | st.sampled_from(
    [Decimal(text) for text in ("0", "-0", "0e-99", "9e29", "1e30", "1e-60", "1e-61", "1.0e-60", "-1", "sNaN")]
)
FIGURES = {"q": "not negative", "p": "not negative", "z": "not negative", "Z": "not negative"}
FIGURES |= {"l": "positive", "L": "positive", "n": "", "P": ""}


@example(changes={"n": Decimal("-1e30"), "q": Decimal("9e29")})  # their sum is nothing odd
@example(changes={})
@given(changes=st.dictionaries(st.sampled_from(sorted(FIGURES)), NUMBERS, max_size=3))
def test_the_short_check_of_a_fill_lets_through_what_the_check_of_each_number_does(changes: dict[str, Decimal]) -> None:
    usual = {"q": "1000.00", "p": "100", "z": "0.12", "Z": "12", "l": "0.01", "L": "100", "n": "0.000008"}
    content = {**frame("order_update.market_fill")["data"], **usual}
    is_odd = any(wire._problem_of(number, FIGURES[key]) is not None for key, number in changes.items())
    try:
        msgspec.convert({**content, **changes}, messages.OrderUpdate)
    except msgspec.ValidationError:
        assert is_odd
    else:
        assert not is_odd


@pytest.mark.parametrize(
    ("start", "seconds"), [("2024-09-11T12:00:00", 1_726_056_000.0), (1_726_056_000, 1_726_056_000.0)]
)
def test_a_candles_beginning_is_text_or_seconds(start: Any, seconds: float) -> None:
    data = {"e": "kline", "E": 1_726_056_009_000_000, "s": "SOL_USDC", "t": start, "v": "0", "n": 0, "X": True}
    message = parse_message({"stream": "kline.1m.SOL_USDC", "data": data})
    assert isinstance(message, messages.KlineUpdate)
    assert (message.start_timestamp, message.is_final, message.close) == (seconds, True, None)


def test_a_candle_of_no_time_is_refused() -> None:
    data = {"e": "kline", "E": 1, "s": "SOL_USDC", "t": "noon", "v": "0", "n": 0}
    with pytest.raises(WireFormatError):
        parse_message({"stream": "kline.1m.SOL_USDC", "data": data})
