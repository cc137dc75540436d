"""The exchange's time between two answers."""

import pytest

from backpack_connector.client.server_clock import ServerClock
from backpack_connector.protocol.errors import ConfigurationError, WireFormatError


class Seconds:
    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def test_time_is_carried_on_from_the_middle_of_question_and_answer() -> None:
    seconds = Seconds()
    clock = ServerClock(seconds)
    asked_at = clock.start()
    seconds.now_s += 0.2
    clock.set(" 1785948047107\n", asked_at)
    assert clock.now_ms() == 1_785_948_047_207
    seconds.now_s += 10.0
    assert clock.now_ms() == 1_785_948_057_207


def test_unknown_time_signs_nothing() -> None:
    clock = ServerClock()
    assert not clock.is_set
    with pytest.raises(ConfigurationError, match="time is not known yet"):
        clock.now_ms()


@pytest.mark.parametrize("answer", ["", "soon", "-1"])
def test_bad_input_time_changes_nothing(answer: str) -> None:
    clock = ServerClock()
    with pytest.raises(WireFormatError, match="get_time"):
        clock.set(answer, clock.start())
    assert not clock.is_set


def test_no_two_commands_have_the_same_stamp() -> None:
    seconds = Seconds()
    clock = ServerClock(seconds)
    clock.set("1785948047100", clock.start())
    stamps = [clock.next_stamp_ms() for _ in range(3)]
    assert stamps == [1_785_948_047_100, 1_785_948_047_101, 1_785_948_047_102]
    seconds.now_s += 0.002
    assert clock.next_stamp_ms() == 1_785_948_047_103
    seconds.now_s += 10.0
    assert clock.next_stamp_ms() == 1_785_948_057_102
    clock.set("1785948047100", clock.start())  # put back: who is ten seconds ahead is refused
    assert clock.next_stamp_ms() == 1_785_948_047_100
