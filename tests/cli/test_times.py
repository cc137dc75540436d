"""Times of the command line: UTC text, seconds or milliseconds."""

import pytest

from backpack_connector.cli.times import time_in
from backpack_connector.protocol.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1790000000", 1_790_000_000),
        ("1790000000123", 1_790_000_000.123),
        ("2026-10-02", 1_790_899_200),
        ("2026-10-02T10:00", 1_790_935_200),
        (" 2026-10-02 10:00:00.5 ", 1_790_935_200.5),
        ("2026-10-02T10:00Z", 1_790_935_200),
        ("2026-10-02T12:00+02:00", 1_790_935_200),
        ("0", 0),
    ],
)
def test_times_are_utc(text: str, seconds: float) -> None:
    assert time_in("ms", text, "--from") == round(seconds * 1000)
    assert time_in("s", text, "--from") == int(seconds)


@pytest.mark.parametrize("text", ["", "yesterday", "-5", "1969-12-31", "2026-13-01", "9" * 20, "1e9"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--from has to be a UTC time such as 2026-10-02T10:00, not "):
        time_in("ms", text, "--from")
