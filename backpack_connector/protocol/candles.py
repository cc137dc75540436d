"""Know when candles begin and end, how to ask for them, and what a candle is in which nothing was traded.

Rule 1: a bucket without trades is a flat candle at the last close with volume zero, whether the exchange sends it with
        prices of null or leaves it out (required behaviour F24).
Rule 2: where buckets begin, the rows of the exchange say; only where there are none, the calendar here does.
Source: API §2.3 (klines), §3.2.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, NamedTuple

from .enums import KlineInterval
from .errors import WireFormatError, shown
from .models import Kline
from .wire import read

MAX_ROWS = 2_000
"""More in one request are refused."""

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S
# The epoch was a Thursday; weeks begin on Monday.
_MONDAY_OFFSET_S = 4 * DAY_S
_MONTHS_A_YEAR = 12

_LENGTHS_S: dict[KlineInterval, int] = {
    KlineInterval.SECOND_1: 1,
    KlineInterval.MINUTE_1: MINUTE_S,
    KlineInterval.MINUTES_3: 3 * MINUTE_S,
    KlineInterval.MINUTES_5: 5 * MINUTE_S,
    KlineInterval.MINUTES_15: 15 * MINUTE_S,
    KlineInterval.MINUTES_30: 30 * MINUTE_S,
    KlineInterval.HOUR_1: HOUR_S,
    KlineInterval.HOURS_2: 2 * HOUR_S,
    KlineInterval.HOURS_4: 4 * HOUR_S,
    KlineInterval.HOURS_6: 6 * HOUR_S,
    KlineInterval.HOURS_8: 8 * HOUR_S,
    KlineInterval.HOURS_12: 12 * HOUR_S,
    KlineInterval.DAY_1: DAY_S,
    KlineInterval.DAYS_3: 3 * DAY_S,
    KlineInterval.WEEK_1: WEEK_S,
}


class Candle(NamedTuple):
    """What was traded in one bucket; its names are in the order of Hummingbot's columns."""

    start_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


Rows = Mapping[int, Candle | None]
"""Buckets by their beginning in seconds; None = nothing was traded."""


def bucket_start_s(time_s: int, interval: KlineInterval) -> int:
    """Return the beginning of the bucket that a time falls into, both in seconds since the epoch, UTC."""
    if interval is KlineInterval.MONTH_1:
        return start_before(time_s, interval, 0)
    if interval is KlineInterval.WEEK_1:
        return (time_s - _MONDAY_OFFSET_S) // WEEK_S * WEEK_S + _MONDAY_OFFSET_S
    length_s = _LENGTHS_S[interval]
    return time_s // length_s * length_s


def next_bucket_s(start_s: int, interval: KlineInterval) -> int:
    """Return the beginning of the bucket after the one that begins at `start_s`."""
    return start_before(start_s, interval, -1)


def start_before(start_s: int, interval: KlineInterval, count: int) -> int:
    """Return the beginning of the bucket that is `count` buckets before the one that begins at `start_s`."""
    if interval is not KlineInterval.MONTH_1:
        return start_s - count * _LENGTHS_S[interval]
    moment = datetime.fromtimestamp(start_s, tz=timezone.utc)
    year, month = divmod(_MONTHS_A_YEAR * moment.year + moment.month - 1 - count, _MONTHS_A_YEAR)
    return int(datetime(year, month + 1, 1, tzinfo=timezone.utc).timestamp())


def pages(first_s: int, last_s: int, interval: KlineInterval) -> Iterator[tuple[int, int]]:
    """Yield the spans, oldest first, in which the buckets that begin in [first, last] can be asked for."""
    # Whether the end of a span belongs to it is not known, so each asks for a second more; of one-second candles that
    # is another row, which has to fit in.
    rows = MAX_ROWS - (interval is KlineInterval.SECOND_1)
    while first_s <= last_s:
        following_s = start_before(first_s, interval, -rows)
        yield first_s, min(last_s, start_before(following_s, interval, 1))
        first_s = following_s


def kline_parameters(symbol: str, interval: KlineInterval, first_s: int, last_s: int) -> dict[str, Any]:
    """Return the parameters of get_klines for the buckets that begin in [first, last]; seconds."""
    return {"symbol": symbol, "interval": interval.value, "startTime": first_s, "endTime": last_s + 1}


def read_klines(answer: Any, first_s: int, last_s: int) -> dict[int, Candle | None]:
    """Return the rows of get_klines that begin in [first, last], oldest first.

    Raises:   WireFormatError when a row cannot be read: without it there would be a gap that looks like no trades.
    """
    rows = {int(row.start_timestamp): _candle_of(row) for row in read(list[Kline], answer, "get_klines")}
    return {start_s: rows[start_s] for start_s in sorted(rows) if first_s <= start_s <= last_s}


def _candle_of(row: Kline) -> Candle | None:
    if row.open is None or row.high is None or row.low is None or row.close is None:
        return None
    if not (row.trades.isascii() and row.trades.isdigit()):
        raise WireFormatError(f"get_klines: {shown(row.trades)} is no number of trades")
    return Candle(
        int(row.start_timestamp),
        row.open,
        row.high,
        row.low,
        row.close,
        row.volume,
        row.quote_volume,
        int(row.trades),
    )


def without_holes(rows: Rows, first_s: int, last_s: int, interval: KlineInterval) -> dict[int, Candle | None]:
    """Return one row for each bucket that begins in [first, last], oldest first; what is missing had no trades."""
    start_s = next(iter(rows), bucket_start_s(last_s, interval))
    while (before_s := start_before(start_s, interval, 1)) >= first_s:
        start_s = before_s
    if start_s < first_s:
        start_s = next_bucket_s(start_s, interval)
    whole: dict[int, Candle | None] = {}
    while start_s <= last_s:
        whole[start_s] = rows.get(start_s)
        start_s = next_bucket_s(start_s, interval)
    return whole


def flat(start_s: int, close: Decimal) -> Candle:
    """Return the candle of a bucket in which nothing was traded."""
    return Candle(start_s, close, close, close, close, Decimal(0), Decimal(0), 0)


def filled(rows: Rows, close_before: Decimal | None) -> list[Candle]:
    """Return a candle for each row, given the last price before them; those before the first trade are left out."""
    candles = []
    close = close_before
    for start_s, row in rows.items():
        candle = row if row is not None else None if close is None else flat(start_s, close)
        if candle is not None:
            candles.append(candle)
            close = candle.close
    return candles


_COARSER: dict[KlineInterval, KlineInterval] = {
    KlineInterval.SECOND_1: KlineInterval.MINUTE_1,
    **dict.fromkeys(
        (
            KlineInterval.MINUTE_1,
            KlineInterval.MINUTES_3,
            KlineInterval.MINUTES_5,
            KlineInterval.MINUTES_15,
            KlineInterval.MINUTES_30,
        ),
        KlineInterval.HOUR_1,
    ),
    **dict.fromkeys(
        (
            KlineInterval.HOUR_1,
            KlineInterval.HOURS_2,
            KlineInterval.HOURS_4,
            KlineInterval.HOURS_6,
            KlineInterval.HOURS_8,
            KlineInterval.HOURS_12,
        ),
        KlineInterval.DAY_1,
    ),
}


def spans_before(start_s: int, interval: KlineInterval) -> Iterator[tuple[KlineInterval, int, int]]:
    """Yield (interval, first, last) of the requests that find the last trade before a time, the nearest first.

    Each reaches back a full page, in coarser candles each time, and together more than five years.
    """
    coarse: KlineInterval | None = interval
    while coarse is not None:
        interval, coarse = coarse, _COARSER.get(coarse)
        first_s = start_before(start_s, interval, MAX_ROWS - 1)
        if coarse is not None:  # the next candles end where these begin
            first_s = next_bucket_s(bucket_start_s(first_s, coarse), coarse)
        yield interval, max(0, first_s), start_before(start_s, interval, 1)
        start_s = first_s
