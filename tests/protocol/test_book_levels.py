"""Levels of order books out of frames and answers: the same numbers as by the careful readers, or an error."""

import json
from typing import Any

import pytest

from backpack_connector.protocol import messages, models
from backpack_connector.protocol.book_levels import (
    UNREADABLE,
    book_levels,
    read_book_snapshot,
    read_quick_depth_frame,
    set_changing_update_id,
)
from backpack_connector.protocol.errors import WireFormatError
from backpack_connector.protocol.messages import decoded_frame, parse_message
from backpack_connector.protocol.wire import read
from tests.protocol.samples import body, frame


def test_levels_are_floats_with_the_update_id_of_the_change_that_is_being_made() -> None:
    (level,) = book_levels([("86640.80", "0.00")], "depth.X")
    for update_id in (7, 8):
        set_changing_update_id(update_id)
        assert (level.price, level.amount, level.update_id) == (86640.8, 0.0, update_id)


BAD_LEVELS = [["NaN", "1"], ["1", "-1"], ["1", "Infinity"], ["1", "1e400"], ["x", "1"], ["1"], ["1", "2", "3"], None]


@pytest.mark.parametrize("level", BAD_LEVELS)
def test_levels_that_are_no_pair_of_numbers_of_zero_or_more_are_refused(level: Any) -> None:
    with pytest.raises(WireFormatError, match=r"^depth\.X: "):
        book_levels([["1", "1"], level], "depth.X")
    with pytest.raises(UNREADABLE):
        read_quick_depth_frame(quick_frame(b=[level]))


def quick_frame(**changes: Any) -> str:
    data = {"E": 5, "T": 4, "s": "X_Y", "U": 7, "u": 8, "a": [["2", "1.5"]], "b": [["1", "0.00"]], **changes}
    return json.dumps({"stream": "depth.X_Y", "data": data})


def test_the_quick_way_reads_what_the_slow_one_reads() -> None:
    for text in (quick_frame(), json.dumps(frame("depth"))):
        slow, quick = parse_message(json.loads(text)), read_quick_depth_frame(text)
        assert isinstance(slow, messages.DepthUpdate)
        assert quick.stream == json.loads(text)["stream"]
        for name in ("event_time_us", "engine_time_us", "symbol", "first_update_id", "last_update_id"):
            assert getattr(quick.data, name) == getattr(slow, name)
        for name in ("asks", "bids"):
            numbers = [(level.price, level.amount) for level in getattr(quick.data, name)]
            assert numbers == [(float(price), float(size)) for price, size in getattr(slow, name)]


@pytest.mark.parametrize("changes", [{"E": -1}, {"T": None}, {"U": 2**63}, {"u": "soon"}, {"s": ["X_Y"]}, {"b": None}])
def test_what_the_quick_way_cannot_read_is_left_to_the_slow_one(changes: dict[str, Any]) -> None:
    with pytest.raises(UNREADABLE):
        read_quick_depth_frame(quick_frame(**changes))


@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"stream": "depth', "9" * 5_000, "\ud800", "NaN", "null"])
def test_text_that_is_no_frame_is_an_error_that_is_known(text: str) -> None:
    with pytest.raises(UNREADABLE):
        read_quick_depth_frame(text)
    with pytest.raises(WireFormatError):
        parse_message(decoded_frame(text))


def snapshot_text(**changes: Any) -> str:
    sides = {"asks": [["2", "1.5"]], "bids": [["1", "0.5"]]}
    return json.dumps({**sides, "lastUpdateId": "7", "timestamp": 5, **changes})


def test_a_snapshot_has_the_numbers_that_the_slow_reader_finds() -> None:
    content = body("get_depth.200")
    slow, quick = read(models.DepthSnapshot, content, "get_depth"), read_book_snapshot(json.dumps(content), "get_depth")
    assert (quick.update_id, quick.timestamp) == (slow.update_id, slow.timestamp)
    for ours, theirs in ((quick.asks, slow.asks), (quick.bids, slow.bids)):
        assert [(level.price, level.amount) for level in ours] == [(float(p), float(q)) for p, q in theirs]
        assert ours


BAD_SNAPSHOTS: dict[str, dict[str, Any]] = {
    "no id": {"lastUpdateId": None},
    "odd id": {"lastUpdateId": "soon"},
    "negative id": {"lastUpdateId": "-1"},
    "id beyond 64 bits": {"lastUpdateId": str(2**63)},
    "negative time": {"timestamp": -1},
    "no side": {"bids": None},
    **{f"level {level}": {"asks": [level]} for level in BAD_LEVELS},
}


@pytest.mark.parametrize("changes", BAD_SNAPSHOTS.values(), ids=BAD_SNAPSHOTS.keys())
def test_an_odd_snapshot_is_an_error_that_names_its_market(changes: dict[str, Any]) -> None:
    with pytest.raises(WireFormatError, match=r"^get_depth X_Y: "):
        read_book_snapshot(snapshot_text(**changes), "get_depth X_Y")


@pytest.mark.parametrize("text", [None, "", "null", "[]", "{}", "{", "[" * 100_000, "9" * 5_000, "\ud800"])
def test_text_that_is_no_snapshot_is_an_error_of_one_line(text: str | None) -> None:
    with pytest.raises(WireFormatError) as caught:
        read_book_snapshot(text, "get_depth X_Y")
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
