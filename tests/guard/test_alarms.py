"""When a bot counts as silent: seconds on paper, no clock."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from backpack_connector.guard.alarms import LONGEST_GAP_S, Alarms, Sighting
from tests.guard.bot import record

HEARTBEAT_S, STEP_S = 15.0, 2.0
BOT = Sighting("bot", beat=1, is_alive=True, orders=(record(1),))


class Story:
    """A clock that moves from look to look."""

    def __init__(self) -> None:
        self.alarms = Alarms(HEARTBEAT_S, STEP_S)
        self.now_s = 1_000.0
        self.beat = 100

    def look(self, *sightings: Sighting, after_s: float = 1.0) -> list[str]:
        self.now_s += after_s
        return [f"{change.sighting.bot} {change.kind.value}" for change in self.alarms.look(self.now_s, sightings)]

    def beats(self, count: int, sighting: Sighting) -> list[str]:
        """Look so often, each time with a new sign of life."""
        changes = []
        for _ in range(count):
            self.beat += 1
            changes += self.look(replace(sighting, beat=self.beat))
        return changes

    def looks(self, count: int, *sightings: Sighting) -> list[str]:
        return [change for _ in range(count) for change in self.look(*sightings)]


def test_a_bot_that_beats_is_never_alarmed() -> None:
    story = Story()
    changes = [change for beat in range(1_000) for change in story.look(replace(BOT, beat=beat))]
    assert changes == ["bot bot_seen"]
    assert story.alarms.alarmed == []


def test_silence_of_a_heartbeat_is_an_alarm_once_and_steady_signs_of_life_end_it() -> None:
    story = Story()
    assert story.look(BOT) == ["bot bot_seen"]
    assert story.looks(14, BOT) == []
    assert story.look(BOT) == ["bot alarm"]
    assert story.alarms.alarmed == [BOT]
    assert story.looks(100, BOT) == []
    assert story.beats(3, BOT) == []
    assert story.beats(1, BOT) == ["bot bot_back"]
    assert story.alarms.alarmed == []
    last = replace(BOT, beat=story.beat)
    assert story.looks(14, last) == []
    assert story.look(last) == ["bot alarm"]


def test_an_alarm_outlasts_the_orders_in_the_journal() -> None:
    """Orders on their way may still arrive after the journal says that all have ended."""
    story = Story()
    story.look(BOT)
    story.looks(15, BOT)
    assert story.looks(100, replace(BOT, orders=())) == []
    assert story.alarms.alarmed == [replace(BOT, orders=())]


def test_a_burst_of_signs_is_no_life() -> None:
    """A bot whose clock hangs hears of the cancels, and writes into its journal that the orders have ended."""
    story = Story()
    story.look(BOT)
    story.looks(15, BOT)
    story.beats(2, BOT)
    last = replace(BOT, beat=story.beat)
    assert story.looks(30, last) == []
    assert story.alarms.alarmed == [last]
    story.beats(3, BOT)
    assert story.alarms.alarmed
    assert story.beats(1, BOT) == ["bot bot_back"]


def test_a_killed_bot_and_a_hung_one_are_the_same() -> None:
    for is_alive in (True, False):
        story = Story()
        story.look(BOT)
        assert story.looks(15, replace(BOT, is_alive=is_alive)) == ["bot alarm"]


def test_a_beat_that_goes_backwards_is_a_sign_of_life() -> None:
    """The clock of the machine was put back by an hour."""
    story = Story()
    story.look(BOT)
    story.looks(14, BOT)
    assert story.look(replace(BOT, beat=-3_600)) == []
    assert story.looks(14, replace(BOT, beat=-3_600)) == []


def test_a_file_that_is_touched_without_its_process_is_no_sign_of_life() -> None:
    story = Story()
    dead = replace(BOT, is_alive=False)
    story.look(dead)
    changes = [change for beat in range(2, 30) for change in story.look(replace(dead, beat=beat))]
    assert changes == ["bot alarm"]


def test_silence_without_orders_is_told_and_no_alarm() -> None:
    story = Story()
    idle = replace(BOT, orders=())
    story.look(idle)
    assert story.looks(60, idle) == ["bot bot_silent"]
    assert story.alarms.alarmed == []
    assert story.beats(4, idle) == ["bot bot_back"]


def test_an_order_in_the_journal_of_a_silent_bot_makes_an_alarm() -> None:
    story = Story()
    story.look(replace(BOT, orders=()))
    story.looks(20, replace(BOT, orders=()))
    assert story.look(BOT) == ["bot alarm"]


def test_a_journal_that_is_closed_ends_everything() -> None:
    story = Story()
    story.look(BOT)
    assert story.looks(20, BOT) == ["bot alarm"]
    assert story.look() == ["bot bot_gone"]
    assert story.alarms.alarmed == story.alarms.sightings == []
    assert story.look(BOT) == ["bot bot_seen"]


def test_a_guard_that_stood_still_does_not_blame_the_bots() -> None:
    """The machine was suspended for a night: the first look after it shows an old sign of life."""
    story = Story()
    story.look(BOT)
    story.looks(10, BOT)
    assert story.look(BOT, after_s=8 * 3_600.0) == []
    assert story.look(replace(BOT, beat=2)) == []
    assert story.looks(14, replace(BOT, beat=2)) == []


def test_a_guard_that_starts_waits_a_whole_heartbeat() -> None:
    story = Story()
    assert story.look(replace(BOT, is_alive=False)) == ["bot bot_seen"]
    assert story.looks(14, replace(BOT, is_alive=False)) == []
    assert story.look(replace(BOT, is_alive=False)) == ["bot alarm"]


def test_each_bot_has_its_own_alarm() -> None:
    story = Story()
    other = replace(BOT, bot="other")
    story.look(BOT, other)
    changes = [change for beat in range(2, 40) for change in story.look(BOT, replace(other, beat=beat))]
    assert changes == ["bot alarm"]
    assert [sighting.bot for sighting in story.alarms.alarmed] == ["bot"]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.booleans()), max_size=60))
def test_alarm_comes_exactly_after_a_heartbeat_of_counted_silence(steps: list[tuple[float, bool]]) -> None:
    story, silent_s, beat = Story(), 0.0, 1
    story.look(BOT)
    for after_s, is_beating in steps:
        beat += is_beating
        silent_s = 0.0 if is_beating else silent_s + min(STEP_S, after_s)
        was_alarmed = bool(story.alarms.alarmed)
        changes = story.look(replace(BOT, beat=beat), after_s=after_s)
        assert changes in ([], ["bot alarm"], ["bot bot_back"])
        if abs(silent_s - HEARTBEAT_S) > 1e-6 and not was_alarmed:
            assert bool(story.alarms.alarmed) is (silent_s > HEARTBEAT_S)
        if "bot bot_back" in changes:
            assert silent_s < LONGEST_GAP_S
