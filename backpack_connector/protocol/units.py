"""Convert between wire units and inside units: seconds for time, Decimal for money.

Only this module multiplies by a power of ten. Inside, time is float seconds since the epoch (Hummingbot's unit) in
names that end in `_timestamp`; raw fields keep their encoding in the name: `_us`, `_ms`, `_s`, `_iso`.
Source: API §2.3 (units legend) and §3.1.
"""

from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation

from .errors import ConfigurationError, WireFormatError, shown

MICROSECONDS_PER_SECOND = 1_000_000
MILLISECONDS_PER_SECOND = 1_000
BASIS_POINTS_PER_UNIT = Decimal(10_000)
PERCENT_PER_UNIT = Decimal(100)

# No number of money is written longer; 1e999999999 would be a gigabyte of zeros.
_MAX_WRITTEN_DIGITS = 1_000
# Text of this length without an exponent is far from that limit, and needs no look at the digits.
_SHORT_TEXT = 100

# A millisecond stamp passes this in the year 5138, a microsecond stamp passed it in 1973.
_MILLISECONDS_BELOW = 100_000_000_000_000


def seconds_from_us(time_us: int) -> float:
    """Return seconds since the epoch for microseconds (streams, depth snapshots)."""
    return time_us / MICROSECONDS_PER_SECOND


def seconds_from_ms(time_ms: int) -> float:
    """Return seconds since the epoch for milliseconds (server time, order createdAt, public trades)."""
    return time_ms / MILLISECONDS_PER_SECOND


def seconds_from_ms_or_us(time_value: int) -> float:
    """Return seconds for a stamp whose unit the sources dispute, deciding by its magnitude.

    Source: API §2.3 and §3.1 (`nextFundingTimestamp` and `n` are milliseconds on the wire, microseconds in the docs).
    """
    return seconds_from_ms(time_value) if time_value < _MILLISECONDS_BELOW else seconds_from_us(time_value)


def ms_from_seconds(timestamp: float) -> int:
    """Return whole milliseconds for seconds since the epoch."""
    return round(timestamp * MILLISECONDS_PER_SECOND)


def us_from_seconds(timestamp: float) -> int:
    """Return whole microseconds for seconds since the epoch."""
    return round(timestamp * MICROSECONDS_PER_SECOND)


def duration_text(duration_s: float) -> str:
    """Return a duration for people: three digits and the unit that suits them, such as `85.3 us` or `1.24 ms`."""
    for unit, units_a_second in (("us", MICROSECONDS_PER_SECOND), ("ms", MILLISECONDS_PER_SECOND)):
        value = duration_s * units_a_second
        if value < 999.5:
            return f"{_three_digits(value)} {unit}"
    return f"{_three_digits(duration_s)} s"


def _three_digits(value: float) -> str:
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}"


def seconds_from_iso(time_iso: str) -> float:
    """Return seconds for a UTC time without zone, `2025-09-11T20:10:40.699` or `2025-09-11 20:10:00`.

    Raises:   WireFormatError for any other text.
    Source:   API §2.3 (units legend): 0 to 6 fractional digits occur, candles use a space for the T.
    """
    try:
        moment = datetime.fromisoformat(_with_six_fractional_digits(time_iso))
        time_s = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, AttributeError, OverflowError):
        time_s = -1.0
    if time_s < 0:
        raise WireFormatError(f"expected a UTC time such as 2025-09-11T20:10:40.699, got {shown(time_iso)}")
    return time_s


def _with_six_fractional_digits(time_iso: str) -> str:
    # Python 3.10 reads three or six fractional digits only.
    whole, point, fraction = time_iso.partition(".")
    if not point or not fraction.isdigit():
        return time_iso
    return f"{whole}.{fraction[:6]:0<6}"


def iso_from_us(time_us: int, *, separator: str = "T") -> str:
    """Return the UTC text without zone that REST histories carry, milliseconds included when not zero."""
    whole_s, rest_us = divmod(time_us, MICROSECONDS_PER_SECOND)
    text = datetime.fromtimestamp(whole_s, tz=timezone.utc).strftime(f"%Y-%m-%d{separator}%H:%M:%S")
    milliseconds = rest_us * MILLISECONDS_PER_SECOND // MICROSECONDS_PER_SECOND
    return f"{text}.{milliseconds:03d}" if milliseconds else text


def decimal_from_text(text: str) -> Decimal:
    """Return the exact Decimal of a wire number.

    Raises:   WireFormatError for a float, for text that is no number and for NaN or an infinity.
    """
    if not isinstance(text, (str, int)) or isinstance(text, bool):
        raise WireFormatError(f"expected a decimal as text, got {shown(text)}")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise WireFormatError(f"expected a decimal as text, got {shown(text)}") from None
    if not number.is_finite():
        raise WireFormatError(f"expected a finite decimal, got {shown(text)}")
    return number


def decimal_text(number: Decimal) -> str:
    """Return a Decimal in plain notation without trailing zeros, as REST writes it: `86700`, `0.0001`, never `1E-8`.

    Raises:   ConfigurationError, a ValueError, for NaN, an infinity, or a number of more than a thousand digits.
    """
    text = str(number)
    if len(text) <= _SHORT_TEXT and "E" not in text and number.is_finite():
        return _without_trailing_zeros(text)
    if not number.is_finite():
        raise ConfigurationError(f"{shown(number)} cannot be sent as a number")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if len(digits) + abs(exponent) > _MAX_WRITTEN_DIGITS:
        raise ConfigurationError(f"{shown(number)} has too many digits to be sent")
    return _without_trailing_zeros(format(number, "f"))


def _without_trailing_zeros(text: str) -> str:
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def padded_text(number: Decimal, increment: Decimal) -> str:
    """Return a Decimal with as many decimals as its increment has, as streams write it: `86700.0` for tick 0.1."""
    exponent = increment.normalize().as_tuple().exponent
    return f"{number:.{max(0, -int(exponent))}f}"


def fraction_from_bps(basis_points: Decimal) -> Decimal:
    """Return the fraction for basis points: 8 becomes 0.0008."""
    return basis_points / BASIS_POINTS_PER_UNIT


def fraction_from_percent(percent: Decimal) -> Decimal:
    """Return the fraction for a percentage: 80 becomes 0.8."""
    return percent / PERCENT_PER_UNIT
