"""Read times from the command line: UTC text, or a number of seconds or milliseconds since 1970."""

import re
from datetime import datetime, timezone

from backpack_connector.protocol.errors import ConfigurationError, shown
from backpack_connector.protocol.units import ms_from_seconds, seconds_from_ms_or_us

_NUMBER = re.compile(r"[0-9]{1,16}")
_SECONDS_BELOW = 100_000_000_000
"""A stamp in seconds passes this in the year 5138, one in milliseconds passed it in 1973."""


def time_in(unit: str, text: str, name: str) -> int:
    """Return a time in `s` or `ms`.

    Raises:   ConfigurationError for text that is no time.
    """
    seconds = _seconds(text.strip())
    if seconds is None:
        raise ConfigurationError(f"{name} has to be a UTC time such as 2026-10-02T10:00, not {shown(text)}.")
    return int(seconds) if unit == "s" else ms_from_seconds(seconds)


def _seconds(text: str) -> float | None:
    if _NUMBER.fullmatch(text):
        number = int(text)
        return float(number) if number < _SECONDS_BELOW else seconds_from_ms_or_us(number)
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None
