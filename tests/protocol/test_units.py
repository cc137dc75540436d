"""Units: times between their encodings and seconds, and decimals between text and Decimal."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol import units
from backpack_connector.protocol.errors import ConfigurationError, WireFormatError
from tests.protocol.samples import BOUNDED

END_OF_CENTURY_S = 4_102_444_800
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15)


def test_integers_become_seconds() -> None:
    assert units.seconds_from_us(1_790_915_525_103_070) == 1_790_915_525.10307
    assert units.seconds_from_ms(1_757_621_440_699) == 1_757_621_440.699


@pytest.mark.parametrize("stamp", [1_785_949_200_000, 1_785_949_200_000_000])
def test_disputed_unit_is_told_by_magnitude(stamp: int) -> None:
    assert units.seconds_from_ms_or_us(stamp) == 1_785_949_200


def test_seconds_become_integers() -> None:
    assert units.ms_from_seconds(1_757_621_440.699) == 1_757_621_440_699
    assert units.us_from_seconds(1_757_621_440.5) == 1_757_621_440_500_000


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0.0, "0.00 us"),
        (0.00000214, "2.14 us"),
        (0.0000853, "85.3 us"),
        (0.0009994, "999 us"),
        (0.0009996, "1.00 ms"),
        (0.012345, "12.3 ms"),
        (0.9996, "1.00 s"),
        (123.4, "123 s"),
    ],
)
def test_durations_have_three_digits_and_a_unit_that_suits_them(duration_s: float, text: str) -> None:
    assert units.duration_text(duration_s) == text


@BOUNDED
@given(st.integers(0, END_OF_CENTURY_S * 1_000))
def test_milliseconds_come_back_from_seconds_unchanged(time_ms: int) -> None:
    assert units.ms_from_seconds(units.seconds_from_ms(time_ms)) == time_ms


@BOUNDED
@given(st.integers(0, END_OF_CENTURY_S * 1_000_000))
def test_microseconds_come_back_from_seconds_unchanged(time_us: int) -> None:
    assert units.us_from_seconds(units.seconds_from_us(time_us)) == time_us


@pytest.mark.parametrize("time_ms", [1_001, 2_192_084_810_108])
def test_a_float_just_below_its_millisecond_is_not_cut_down(time_ms: int) -> None:
    assert units.ms_from_seconds(time_ms / 1_000) == time_ms


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-09-11T20:10:40", 1_757_621_440.0),
        ("2025-09-11T20:10:40.699", 1_757_621_440.699),
        ("2025-09-11T20:10:40.699123", 1_757_621_440.699123),
        ("2025-09-11T20:10:40.6991234", 1_757_621_440.699123),
        ("2025-09-11T20:10:40.7", 1_757_621_440.7),
        ("2025-09-11 20:10:40", 1_757_621_440.0),
        ("2025-09-11 20:10:40.250", 1_757_621_440.25),
        ("2025-01-21T06:34:54.691858", 1_737_441_294.691858),
        ("2025-09-11T20:10:40+00:00", 1_757_621_440.0),
        ("2025-09-11T22:10:40.699+02:00", 1_757_621_440.699),
    ],
)
def test_times_without_zone_are_utc(text: str, seconds: float) -> None:
    assert units.seconds_from_iso(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2025-13-01T00:00:00", "2025-09-11T20:10:40.", "2025-09-11T20:10:40.x", None, 5]
)
def test_text_that_is_no_time_is_an_error(text: object) -> None:
    with pytest.raises(WireFormatError, match="UTC time"):
        units.seconds_from_iso(text)  # type: ignore[arg-type]


def test_times_are_written_as_the_histories_write_them() -> None:
    assert units.iso_from_us(1_757_621_440_699_123) == "2025-09-11T20:10:40.699"
    assert units.iso_from_us(1_757_621_440_000_000) == "2025-09-11T20:10:40"
    assert units.iso_from_us(1_757_621_440_000_000, separator=" ") == "2025-09-11 20:10:40"


@BOUNDED
@given(st.integers(0, END_OF_CENTURY_S * 1_000 - 1), st.sampled_from("T "))
def test_a_written_time_is_read_back(time_ms: int, separator: str) -> None:
    text = units.iso_from_us(time_ms * 1_000, separator=separator)
    assert units.seconds_from_iso(text) == units.seconds_from_ms(time_ms)


@pytest.mark.parametrize(("text", "value"), [("0.10", "0.10"), ("1E-8", "1E-8"), (5, "5"), ("-3.5", "-3.5")])
def test_numbers_are_read_exactly(text: str, value: str) -> None:
    assert units.decimal_from_text(text).as_tuple() == Decimal(value).as_tuple()


@pytest.mark.parametrize(
    "text", ["NaN", "sNaN", "Infinity", "-Infinity", "", "abc", "N/A", "0,5", 0.29, None, True, ["1"]]
)
def test_what_is_no_exact_number_is_an_error(text: object) -> None:
    with pytest.raises(WireFormatError, match="decimal"):
        units.decimal_from_text(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("86700.0", "86700"),
        ("1E-8", "0.00000001"),
        ("1E+5", "100000"),
        ("0.10", "0.1"),
        ("100", "100"),
        ("-1.50", "-1.5"),
        ("0.000", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0E+3", "0"),
    ],
)
def test_decimals_are_written_plainly(value: str, text: str) -> None:
    assert units.decimal_text(Decimal(value)) == text


@BOUNDED
@given(DECIMALS)
def test_written_decimals_never_use_exponents_and_lose_nothing(value: Decimal) -> None:
    text = units.decimal_text(value)
    assert set(text) <= set("-.0123456789")
    assert Decimal(text) == value


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_number_cannot_be_written(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        units.decimal_text(Decimal(value))


@pytest.mark.parametrize(
    ("value", "increment", "text"),
    [
        ("86700", "0.1", "86700.0"),
        ("0", "0.00001", "0.00000"),
        ("12", "1", "12"),
        ("120", "10", "120"),
        ("1.32076", "0.00001", "1.32076"),
        ("5", "0.010", "5.00"),
        ("5", "1E-3", "5.000"),
    ],
)
def test_streams_pad_to_the_increment(value: str, increment: str, text: str) -> None:
    assert units.padded_text(Decimal(value), Decimal(increment)) == text


@BOUNDED
@given(st.integers(0, 10**12), st.integers(0, 8))
def test_padding_a_multiple_of_the_increment_changes_no_number(steps: int, decimals: int) -> None:
    increment = Decimal(1).scaleb(-decimals)
    assert Decimal(units.padded_text(steps * increment, increment)) == steps * increment


def test_basis_points_become_fractions() -> None:
    assert units.fraction_from_bps(Decimal(8)) == Decimal("0.0008")
    assert units.fraction_from_bps(Decimal("-0.5")) == Decimal("-0.00005")


def test_percentages_become_fractions() -> None:
    assert units.fraction_from_percent(Decimal(80)) == Decimal("0.8")
    assert units.fraction_from_percent(Decimal("0.05")) == Decimal("0.0005")


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "-1e1001", "9" * 1_001])
def test_a_number_that_would_fill_the_memory_is_not_written_out(text: str) -> None:
    with pytest.raises(ConfigurationError, match="has too many digits to be sent") as caught:
        units.decimal_text(Decimal(text))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "1969-12-31T23:59:59", "0001-01-01T00:00:00+10:00"])
def test_a_time_before_the_epoch_is_refused(text: str) -> None:
    with pytest.raises(WireFormatError, match="expected a UTC time"):
        units.seconds_from_iso(text)
