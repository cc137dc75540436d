"""Candles and summaries out of trades."""

from datetime import datetime, timezone
from decimal import Decimal

import pytest

from backpack_connector.protocol.candles import bucket_start_s, next_bucket_s
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.simulator.candles import Candle, CandleStore

HOUR = 1_790_913_600  # 2026-10-02T04:00:00Z


def stored(*trades: tuple[int, str, str]) -> CandleStore:
    store = CandleStore()
    for time_s, price, quantity in trades:
        store.add_trade(HOUR + time_s, Decimal(price), Decimal(quantity))
    return store


def test_a_candle_sums_up_its_trades() -> None:
    store = stored((0, "10", "1"), (10, "12", "2"), (59, "9", "1"), (60, "11", "1"))
    first, second = store.klines(KlineInterval.MINUTE_1, HOUR, HOUR + 60)
    assert first == Candle(HOUR, *map(Decimal, ("10", "12", "9", "9", "4", "43")), 3)
    assert second.open == second.close == 11


def test_empty_buckets_have_no_prices() -> None:
    candles = stored((0, "10", "1"), (130, "12", "1")).klines(KlineInterval.MINUTE_1, HOUR, HOUR + 120)
    assert [candle.close for candle in candles] == [10, None, 12]
    assert [candle.trades for candle in candles] == [1, 0, 1]


def test_longer_intervals_are_sums_of_minutes() -> None:
    store = stored((0, "10", "1"), (299, "12", "1"), (300, "13", "1"))
    assert [candle.trades for candle in store.klines(KlineInterval.MINUTES_5, HOUR, HOUR + 300)] == [2, 1]
    assert [candle.trades for candle in store.klines(KlineInterval.SECOND_1, HOUR + 299, HOUR + 300)] == [1, 1]


def test_only_buckets_that_begin_inside_the_range_are_shown() -> None:
    store = stored((0, "10", "1"), (60, "12", "1"))
    assert [candle.start_s for candle in store.klines(KlineInterval.MINUTE_1, HOUR + 1, HOUR + 60)] == [HOUR + 60]


@pytest.mark.parametrize(
    ("interval", "start", "following"),
    [
        (KlineInterval.DAYS_3, "2026-10-01", "2026-10-04"),
        (KlineInterval.WEEK_1, "2026-09-28", "2026-10-05"),
        (KlineInterval.MONTH_1, "2026-10-01", "2026-11-01"),
    ],
)
def test_calendar_buckets(interval: KlineInterval, start: str, following: str) -> None:
    start_s = bucket_start_s(HOUR, interval)
    dates = [
        datetime.fromtimestamp(s, tz=timezone.utc).date().isoformat()
        for s in (start_s, next_bucket_s(start_s, interval))
    ]
    assert dates == [start, following]


def test_seconds_are_forgotten_after_an_hour_or_two_and_minutes_are_not() -> None:
    store = stored(*[(number * 60, "10", "1") for number in range(200)])
    assert sum(c.trades for c in store.klines(KlineInterval.SECOND_1, HOUR, HOUR + 60)) == 0
    assert sum(c.trades for c in store.klines(KlineInterval.MINUTE_1, HOUR, HOUR + 60)) == 2


def test_a_summary_leaves_out_what_is_older() -> None:
    store = stored((0, "10", "1"), (120, "12", "1"), (180, "11", "1"))
    summary = store.summary(HOUR + 180, 120)
    assert (summary.open, summary.close, summary.trades) == (12, 11, 2)
