"""Depth sequencing: each rule in a table, and a model of an exchange that loses, repeats and lags."""

import random
from dataclasses import dataclass, field

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


@dataclass
class Exchange:
    """A book that changes by numbered events, with its whole past."""

    books: list[dict[int, int]] = field(default_factory=lambda: [{}])

    @property
    def last_id(self) -> int:
        return len(self.books) - 1

    def change(self, chance: random.Random) -> tuple[int, int, dict[int, int]]:
        """Make one to three events at once and return them as one frame: (first id, last id, new levels)."""
        first_id = self.last_id + 1
        levels: dict[int, int] = {}
        for _ in range(chance.randint(1, 3)):
            price, quantity = chance.randint(1, 6), chance.randint(0, 3)
            levels[price] = quantity
            self.books.append(applied(self.books[-1], {price: quantity}))
        return first_id, self.last_id, levels


def applied(book: dict[int, int], levels: dict[int, int]) -> dict[int, int]:
    return {price: quantity for price, quantity in {**book, **levels}.items() if quantity}


@BOUNDED
@given(st.integers(0, 10**6))
def test_whenever_it_is_synchronized_the_book_is_the_exchanges_at_that_id(seed: int) -> None:
    chance = random.Random(seed)
    exchange, book = Exchange(), {}
    sequence: DepthSequence[dict[int, int]] = DepthSequence()
    for _ in range(120):
        frame = exchange.change(chance)
        # Lost, delivered, or delivered twice.
        for _ in range(chance.choices([0, 1, 2], [1, 12, 1])[0]):
            if sequence.update(*frame) is Verdict.APPLY:
                book = applied(book, frame[2])
        if not sequence.is_synchronized and chance.random() < 0.4:
            # Snapshots lag behind the stream, as the exchange's do.
            snapshot_id = max(0, exchange.last_id - chance.choice([0, 0, 1, 2, 5, 9]))
            replay = sequence.snapshot(snapshot_id)
            if replay is not None:
                book = dict(exchange.books[snapshot_id])
                for levels in replay:
                    book = applied(book, levels)
        if sequence.last_update_id is not None:
            assert book == exchange.books[sequence.last_update_id]
