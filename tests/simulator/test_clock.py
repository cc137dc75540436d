"""The clock that can be put forward, and the full hours between two times."""

import pytest

from backpack_connector.simulator.clock import HOUR_US, MovableClock, full_hours_us
from tests.simulator.support import START_US, FakeClock


def test_a_clock_that_is_put_forward_runs_on_from_there() -> None:
    wall = FakeClock()
    clock = MovableClock(wall)
    assert clock() == START_US
    clock.advance(3600)
    clock.advance(0.25)
    assert clock() == START_US + 3_600_250_000
    wall.advance_s(2)
    assert clock() == START_US + 3_602_250_000


@pytest.mark.parametrize("seconds", [-1, 366 * 86_400 + 1, float("nan"), float("inf")])
def test_a_clock_goes_neither_back_nor_out_of_sight(seconds: float) -> None:
    clock = MovableClock(FakeClock())
    with pytest.raises(ValueError, match="0 to 31622400 seconds"):
        clock.advance(seconds)
    assert clock() == START_US


@pytest.mark.parametrize(
    ("after", "until", "hours"),
    [
        (0, HOUR_US - 1, []),
        (0, HOUR_US, [1]),
        (HOUR_US, HOUR_US, []),
        (HOUR_US - 1, HOUR_US, [1]),
        (HOUR_US, 3 * HOUR_US + 5, [2, 3]),
        (3 * HOUR_US, HOUR_US, []),
    ],
)
def test_full_hours(after: int, until: int, hours: list[int]) -> None:
    assert list(full_hours_us(after, until)) == [hour * HOUR_US for hour in hours]
