"""Tell the time in whole microseconds, the engine's unit, and convert it without rounding."""

import time
from collections.abc import Callable

from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND, MILLISECONDS_PER_SECOND

Clock = Callable[[], int]
"""Returns microseconds since the epoch. Everything below the server takes it as an argument."""

MICROSECONDS_PER_MILLISECOND = MICROSECONDS_PER_SECOND // MILLISECONDS_PER_SECOND
_NANOSECONDS_PER_MICROSECOND = 1_000


def wall_clock_us() -> int:
    """Return the wall clock in microseconds."""
    return time.time_ns() // _NANOSECONDS_PER_MICROSECOND


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
