"""Depth sequencing: each rule in a table, and a model of an exchange that loses, repeats and lags."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.depth import DepthSequence, Verdict
from tests.protocol.samples import BOUNDED

APPLY, BUFFER, DROP, GAP = Verdict.APPLY, Verdict.BUFFER, Verdict.DROP, Verdict.GAP


def sequence_at(last_id: int) -> DepthSequence[str]:
    sequence: DepthSequence[str] = DepthSequence()
    assert sequence.snapshot(last_id) == []
    return sequence


def test_rule_1_updates_before_a_snapshot_are_buffered() -> None:
    sequence: DepthSequence[str] = DepthSequence()
    assert [sequence.update(5, 5, "a"), sequence.update(6, 6, "b")] == [BUFFER, BUFFER]
    assert (sequence.is_synchronized, sequence.last_update_id, sequence.buffered_count) == (False, None, 2)


@pytest.mark.parametrize(
    ("snapshot_id", "replay", "last_id"),
    [(4, ["5", "6", "7"], 7), (5, ["6", "7"], 7), (7, [], 7), (9, [], 9)],
)
def test_rule_2_buffered_updates_that_the_snapshot_contains_are_dropped(
    snapshot_id: int, replay: list[str], last_id: int
) -> None:
    sequence: DepthSequence[str] = DepthSequence()
    for update_id in (5, 6, 7):
        sequence.update(update_id, update_id, str(update_id))
    assert sequence.snapshot(snapshot_id) == replay
    assert (sequence.last_update_id, sequence.buffered_count) == (last_id, 0)


def test_rule_3_a_snapshot_before_the_first_buffered_update_is_never_spliced() -> None:
    sequence: DepthSequence[str] = DepthSequence()
    sequence.update(5, 5, "5")
    assert sequence.snapshot(3) is None
    assert (sequence.is_synchronized, sequence.buffered_count) == (False, 1)
    assert sequence.snapshot(4) == ["5"]


def test_rule_3_a_hole_inside_the_buffer_needs_a_snapshot_beyond_it() -> None:
    sequence: DepthSequence[str] = DepthSequence()
    sequence.update(5, 5, "5")
    sequence.update(7, 7, "7")
    assert sequence.snapshot(4) is None
    assert sequence.snapshot(6) == ["7"]


@pytest.mark.parametrize(
    ("first_id", "last_id", "verdict"),
    [(11, 11, APPLY), (11, 15, APPLY), (8, 12, APPLY), (9, 10, DROP), (10, 10, DROP), (12, 12, GAP), (13, 20, GAP)],
)
def test_rule_3_the_first_update_after_a_snapshot_contains_the_next_id(
    first_id: int, last_id: int, verdict: Verdict
) -> None:
    assert sequence_at(10).update(first_id, last_id, "x") is verdict


@pytest.mark.parametrize(
    ("first_id", "last_id", "verdict"), [(12, 12, APPLY), (11, 11, DROP), (11, 13, GAP), (13, 13, GAP)]
)
def test_rule_4_later_updates_begin_exactly_after_the_last(first_id: int, last_id: int, verdict: Verdict) -> None:
    sequence = sequence_at(10)
    sequence.update(11, 11, "first")
    assert sequence.update(first_id, last_id, "x") is verdict


def test_rule_4_the_update_after_a_gap_is_the_first_one_buffered() -> None:
    sequence = sequence_at(10)
    assert sequence.update(13, 13, "13") is GAP
    assert not sequence.is_synchronized
    assert sequence.snapshot(12) == ["13"]


def test_a_snapshot_older_than_the_book_changes_nothing() -> None:
    sequence = sequence_at(10)
    sequence.update(11, 11, "x")
    assert sequence.snapshot(9) is None
    assert sequence.last_update_id == 11
    assert sequence.update(12, 12, "y") is APPLY


def test_a_snapshot_newer_than_the_book_is_taken() -> None:
    sequence = sequence_at(10)
    assert sequence.snapshot(20) == []
    assert sequence.update(15, 15, "x") is DROP
    assert sequence.update(21, 21, "y") is APPLY


def test_an_overflowing_buffer_asks_for_a_newer_snapshot() -> None:
    sequence: DepthSequence[str] = DepthSequence(max_buffered=2)
    for update_id in (5, 6, 7):
        sequence.update(update_id, update_id, str(update_id))
    assert sequence.snapshot(4) is None
    assert sequence.snapshot(5) == ["6", "7"]


def test_a_restart_forgets_everything() -> None:
    sequence = sequence_at(10)
    sequence.restart()
    assert (sequence.is_synchronized, sequence.buffered_count) == (False, 0)
    assert sequence.update(11, 11, "x") is BUFFER


Levels = dict[tuple[str, int], int]
Frame = tuple[int, int, Levels]


def applied(book: Levels, levels: Levels) -> Levels:
    """Return a book with changed levels, where quantity zero deletes."""
    return {level: quantity for level, quantity in {**book, **levels}.items() if quantity}


def is_crossed(book: Levels) -> bool:
    bids = [price for side, price in book if side == "bid"]
    asks = [price for side, price in book if side == "ask"]
    return bool(bids and asks) and max(bids) >= min(asks)


class Market:
    """A model of one market: an exchange whose book has numbered events, a line that loses frames, and a follower."""

    def __init__(self) -> None:
        self.books: list[Levels] = [{}]
        self.unsent: Levels = {}
        self.unsent_from = 1
        self.line: list[Frame] = []
        self.delivered: list[Frame] = []
        self.snapshots: list[int] = []
        self.sequence: DepthSequence[Levels] = DepthSequence()
        self.book: Levels = {}
        self.newest_received = 0

    @property
    def last_id(self) -> int:
        return len(self.books) - 1

    def change(self, side: str, price: int, quantity: int) -> None:
        """Make one event: a level changes, and the levels of the other side that it crosses go."""
        sign = 1 if side == "bid" else -1
        gone = [
            (other, level)
            for other, level in self.books[-1]
            if quantity and other != side and sign * (price - level) >= 0
        ]
        levels = {**dict.fromkeys(gone, 0), (side, price): quantity}
        self.books.append(applied(self.books[-1], levels))
        self.unsent.update(levels)

    def send(self) -> None:
        """Put all events since the last frame into one frame, as the streams with a window do."""
        if self.unsent_from <= self.last_id:
            self.line.append((self.unsent_from, self.last_id, self.unsent))
            self.unsent, self.unsent_from = {}, self.last_id + 1

    def lose(self) -> None:
        if self.line:
            self.line.pop(0)

    def deliver(self) -> None:
        if self.line:
            self.delivered.append(self.line.pop(0))
            self.receive(self.delivered[-1])

    def repeat(self, age: int) -> None:
        """Deliver a frame again that was delivered some time ago."""
        if age < len(self.delivered):
            self.receive(self.delivered[-1 - age])

    def receive(self, frame: Frame) -> None:
        self.newest_received = max(self.newest_received, frame[1])
        if self.sequence.update(*frame) is APPLY:
            self.book = applied(self.book, frame[2])

    def ask(self, lag: int) -> None:
        """Ask for a snapshot; what answers may itself lag behind the exchange."""
        self.snapshots.append(max(0, self.last_id - lag))

    def answer(self) -> None:
        if not self.snapshots:
            return
        snapshot_id = self.snapshots.pop(0)
        replay = self.sequence.snapshot(snapshot_id)
        if replay is not None:
            self.book = self.books[snapshot_id]
            for levels in replay:
                self.book = applied(self.book, levels)

    def check(self) -> None:
        assert not is_crossed(self.books[-1])
        last_id = self.sequence.last_update_id
        assert self.sequence.is_synchronized == (last_id is not None)
        if last_id is not None:
            assert self.book == self.books[last_id]
            assert last_id >= self.newest_received


CHANGES = st.lists(
    st.tuples(st.sampled_from(["bid", "ask"]), st.integers(1, 4), st.sampled_from([0, 1, 2])), min_size=1, max_size=3
)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), CHANGES, st.sampled_from(["deliver"] * 5 + ["lose", "hold"])),
        st.tuples(st.just("snapshot"), st.sampled_from([0, 0, 1, 2, 4, 9, 99])),
        st.sampled_from([("ask", 0), ("answer",), ("deliver",), ("repeat", 0), ("repeat", 2)]),
    ),
    min_size=15,
    max_size=50,
)


def run(market: Market, action: tuple[Any, ...]) -> None:
    name, *arguments = action
    if name == "frame":
        changes, fate = arguments
        for change in changes:
            market.change(*change)
        market.send()
        if fate != "hold":
            getattr(market, fate)()
    elif name == "snapshot":
        market.snapshots.clear()
        market.ask(*arguments)
        market.answer()
    else:
        getattr(market, name)(*arguments)


@BOUNDED
@given(ACTIONS)
def test_whenever_it_is_synchronized_the_book_is_the_exchanges_at_the_newest_id_received(
    actions: list[tuple[Any, ...]],
) -> None:
    market = Market()
    for action in actions:
        run(market, action)
        market.check()


@BOUNDED
@given(ACTIONS)
def test_a_new_snapshot_always_brings_the_book_up_to_date(actions: list[tuple[Any, ...]]) -> None:
    market = Market()
    for action in actions:
        run(market, action)
    market.send()
    while market.line:
        market.deliver()
    market.snapshots.clear()
    market.ask(0)
    market.answer()
    assert market.sequence.last_update_id == market.last_id
    assert market.book == market.books[-1]


def test_large_updates_take_more_of_the_buffer_and_the_newest_always_stays() -> None:
    sequence: DepthSequence[str] = DepthSequence(max_buffered=100)
    for number in range(1, 6):
        sequence.update(number, number, f"update {number}", size=40)
    assert sequence.buffered_count == 2
    assert sequence.snapshot(3) == ["update 4", "update 5"]
    sequence.restart()
    sequence.update(6, 6, "update 6", size=1_000)
    assert sequence.buffered_count == 1
    assert sequence.snapshot(4) is None, "the snapshot is older than what is buffered"


@pytest.mark.parametrize(("first_id", "last_id"), [(11, 11), (11, 15)])
def test_advance_takes_what_continues_exactly(first_id: int, last_id: int) -> None:
    sequence = sequence_at(10)
    assert sequence.advance(first_id, last_id)
    assert sequence.last_update_id == last_id
    # It followed the snapshot directly, so nothing may begin inside it any more.
    assert sequence.update(last_id, last_id + 1, "") is GAP


@pytest.mark.parametrize(("first_id", "last_id"), [(10, 11), (12, 12), (11, 10), (9, 9)])
def test_advance_leaves_all_else_alone(first_id: int, last_id: int) -> None:
    sequence = sequence_at(10)
    assert not sequence.advance(first_id, last_id)
    assert sequence.last_update_id == 10
    assert sequence.update(9, 12, "") is APPLY


def test_advance_takes_nothing_before_a_snapshot() -> None:
    sequence: DepthSequence[str] = DepthSequence()
    assert not sequence.advance(0, 1)
    assert (sequence.is_synchronized, sequence.buffered_count) == (False, 0)
