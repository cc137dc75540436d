"""Tell the time in whole microseconds, the engine's unit, and convert it without rounding."""

import time
from collections.abc import Callable

from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND, MILLISECONDS_PER_SECOND, us_from_seconds

Clock = Callable[[], int]
"""Returns microseconds since the epoch. Everything below the server takes it as an argument."""

MICROSECONDS_PER_MILLISECOND = MICROSECONDS_PER_SECOND // MILLISECONDS_PER_SECOND
_NANOSECONDS_PER_MICROSECOND = 1_000
HOUR_US = 60 * 60 * MICROSECONDS_PER_SECOND
MAX_ADVANCE_S = 366 * 24 * 60 * 60


def wall_clock_us() -> int:
    """Return the wall clock in microseconds."""
    return time.time_ns() // _NANOSECONDS_PER_MICROSECOND


class MovableClock:
    """A clock that can be put forward, for tests that cannot wait for the hour."""

    def __init__(self, clock: Clock = wall_clock_us) -> None:
        self._clock = clock
        self._ahead_us = 0

    def __call__(self) -> int:
        """Return microseconds since the epoch, and what the clock was put forward by."""
        return self._clock() + self._ahead_us

    def advance(self, seconds: float) -> None:
        """Put the clock forward; never back, because engine times only rise.

        Raises:   ValueError for a negative number, or more than a year.
        """
        if not 0 <= seconds <= MAX_ADVANCE_S:
            raise ValueError(f"The clock can be advanced by 0 to {MAX_ADVANCE_S} seconds, not by {seconds}.")
        self._ahead_us += us_from_seconds(seconds)


def ms_from_us(time_us: int) -> int:
    """Return whole milliseconds, rounded down; integers, because a float of this size loses the last digit."""
    return time_us // MICROSECONDS_PER_MILLISECOND


def us_from_ms(time_ms: int) -> int:
    """Return microseconds for milliseconds."""
    return time_ms * MICROSECONDS_PER_MILLISECOND


def s_from_us(time_us: int) -> int:
    """Return whole seconds, rounded down."""
    return time_us // MICROSECONDS_PER_SECOND


def us_from_s(time_s: int) -> int:
    """Return microseconds for whole seconds."""
    return time_s * MICROSECONDS_PER_SECOND


def full_hours_us(after_us: int, until_us: int) -> range:
    """Return the full hours in (after, until], in microseconds."""
    return range((after_us // HOUR_US + 1) * HOUR_US, until_us + 1, HOUR_US)
