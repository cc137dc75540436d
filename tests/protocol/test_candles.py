"""When candles begin, how they are asked for, and what fills the buckets without trades."""

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.candles import (
    DAY_S,
    MAX_ROWS,
    MINUTE_S,
    Candle,
    bucket_start_s,
    filled,
    kline_parameters,
    next_bucket_s,
    pages,
    read_klines,
    spans_before,
    start_before,
    without_holes,
)
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.errors import WireFormatError
from tests.protocol.samples import BOUNDED, body

NOON = 1_790_164_800  # 2026-09-23 12:00 UTC, a Wednesday
INTERVALS = st.sampled_from(list(KlineInterval))
TIMES = st.integers(1_600_000_000, 4_000_000_000)


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp())


def candle(start_s: int, close: str = "10", trades: int = 1) -> Candle:
    price = Decimal(close)
    return Candle(start_s, price, price, price, price, Decimal(2), 2 * price, trades)


def row(start: str, **changes: Any) -> dict[str, Any]:
    return {**body("get_klines.200")[0], "start": start, **changes}


@pytest.mark.parametrize(
    ("interval", "start", "following"),
    [
        (KlineInterval.SECOND_1, "2026-09-23 12:34:56", "2026-09-23 12:34:57"),
        (KlineInterval.HOURS_8, "2026-09-23 08:00:00", "2026-09-23 16:00:00"),
        (KlineInterval.WEEK_1, "2026-09-21 00:00:00", "2026-09-28 00:00:00"),
        (KlineInterval.MONTH_1, "2026-09-01 00:00:00", "2026-10-01 00:00:00"),
    ],
)
def test_buckets_of_the_calendar(interval: KlineInterval, start: str, following: str) -> None:
    assert bucket_start_s(utc("2026-09-23 12:34:56"), interval) == utc(start)
    assert next_bucket_s(utc(start), interval) == utc(following)


def test_months_before_reach_over_years() -> None:
    assert start_before(utc("2026-01-01"), KlineInterval.MONTH_1, 13) == utc("2024-12-01")
    assert next_bucket_s(utc("2026-12-01"), KlineInterval.MONTH_1) == utc("2027-01-01")


@BOUNDED
@given(INTERVALS, TIMES, st.integers(0, 5_000))
def test_pages_cover_every_bucket_once_and_none_is_longer_than_allowed(
    interval: KlineInterval, time_s: int, count: int
) -> None:
    last_s = bucket_start_s(time_s, interval)
    first_s = max(bucket_start_s(0, interval), start_before(last_s, interval, count))
    expected = first_s
    for page_first_s, page_last_s in pages(first_s, last_s, interval):
        assert page_first_s == expected
        asked = kline_parameters("SOL_USDC", interval, page_first_s, page_last_s)
        longest_s = start_before(page_first_s, interval, -MAX_ROWS) - page_first_s
        assert asked["endTime"] - asked["startTime"] <= longest_s
        assert interval is not KlineInterval.SECOND_1 or asked["endTime"] - asked["startTime"] < MAX_ROWS
        expected = next_bucket_s(page_last_s, interval)
    assert expected == next_bucket_s(last_s, interval)


def test_parameters_are_seconds_and_reach_a_second_beyond_the_last_bucket() -> None:
    assert kline_parameters("SOL_USDC", KlineInterval.MONTH_1, NOON, NOON + 60) == {
        "symbol": "SOL_USDC",
        "interval": "1month",
        "startTime": NOON,
        "endTime": NOON + 61,
    }


def test_rows_are_sorted_read_and_only_those_that_were_asked_for() -> None:
    answer = [row("2026-09-23 12:01:00", close=None), row("2026-09-23 12:00:00"), row("2026-09-23 12:02:00")]
    rows = read_klines(answer, NOON, NOON + 60)
    assert list(rows) == [NOON, NOON + 60]
    assert rows[NOON + 60] is None
    assert rows[NOON] == Candle(
        NOON, *(Decimal(text) for text in ("4422.62", "4422.75", "4422.62", "4422.62", "0.0176", "77.840361")), 2
    )


@pytest.mark.parametrize("changes", [{"trades": "two"}, {"trades": "²"}, {"open": "0"}, {"volume": "-1"}])
def test_a_row_that_cannot_be_is_an_error_and_no_empty_bucket(changes: dict[str, str]) -> None:
    with pytest.raises(WireFormatError, match="get_klines"):
        read_klines([row("2026-09-23 12:00:00", **changes)], NOON, NOON)


def test_what_the_exchange_leaves_out_had_no_trades() -> None:
    rows = {NOON + 60: candle(NOON + 60), NOON + 180: candle(NOON + 180)}
    whole = without_holes(rows, NOON, NOON + 250, KlineInterval.MINUTE_1)
    assert list(whole) == [NOON, NOON + 60, NOON + 120, NOON + 180, NOON + 240]
    assert [start_s for start_s, found in whole.items() if found] == list(rows)


def test_buckets_begin_where_the_rows_say() -> None:
    """A week of the exchange that began on a Thursday would not be ours."""
    thursday = utc("2026-09-17")
    whole = without_holes({thursday: None}, utc("2026-09-07"), utc("2026-09-30"), KlineInterval.WEEK_1)
    assert list(whole) == [utc("2026-09-10"), thursday, utc("2026-09-24")]


def test_without_any_row_buckets_begin_where_the_calendar_says() -> None:
    assert list(without_holes({}, NOON - 60, NOON + 90, KlineInterval.MINUTE_1)) == [NOON - 60, NOON, NOON + 60]
    assert list(without_holes({}, NOON + 10, NOON + 70, KlineInterval.MINUTE_1)) == [NOON + 60]
    assert without_holes({}, NOON + 10, NOON + 50, KlineInterval.MINUTE_1) == {}


def test_f24_an_empty_bucket_is_flat_at_the_last_close_with_volume_zero() -> None:
    first, second, third = filled({NOON: None, NOON + 60: candle(NOON + 60, "11"), NOON + 120: None}, Decimal(9))
    assert first == Candle(NOON, *(Decimal(9),) * 4, Decimal(0), Decimal(0), 0)
    assert second.close == 11
    assert third == Candle(NOON + 120, *(Decimal(11),) * 4, Decimal(0), Decimal(0), 0)


def test_there_is_no_candle_before_the_first_trade_of_all() -> None:
    assert filled({NOON: None, NOON + 60: candle(NOON + 60)}, None) == [candle(NOON + 60)]


@BOUNDED
@given(INTERVALS, TIMES)
def test_the_search_for_the_last_trade_reaches_back_without_a_gap(interval: KlineInterval, time_s: int) -> None:
    end_s = start_s = bucket_start_s(time_s, interval)
    for coarse, first_s, last_s in spans_before(start_s, interval):
        assert next_bucket_s(last_s, coarse) == end_s
        assert len(list(pages(first_s, last_s, coarse))) <= 1 + (coarse is KlineInterval.SECOND_1)
        end_s = first_s
    assert start_s - end_s > 5 * 365 * DAY_S or end_s == 0


def test_the_search_goes_on_in_coarser_candles() -> None:
    spans = list(spans_before(NOON, KlineInterval.SECOND_1))
    assert [interval.value for interval, _, _ in spans] == ["1s", "1m", "1h", "1d"]
    assert spans[0][1] % MINUTE_S == 0
    assert [interval.value for interval, _, _ in spans_before(NOON, KlineInterval.WEEK_1)] == ["1w"]
