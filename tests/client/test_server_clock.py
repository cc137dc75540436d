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
