"""The invented past and the candles of index and mark prices."""

from decimal import Decimal
from itertools import pairwise

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.candles import DAY_S, WEEK_S, bucket_start_s, next_bucket_s
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator import klines as klines_module
from backpack_connector.simulator.candles import Candle, CandleStore
from backpack_connector.simulator.klines import PAST_DAYS, Past, give_past
from backpack_connector.simulator.markets import Instrument
from tests.simulator.support import BOUNDED, START_US, SYMBOL, Client, FakeClock, instrument, new_exchange

PERP = "SOL_USDC_PERP"
NOW_S = START_US // 10**6
END_S = NOW_S // 60 * 60
TRADED = ("BTC_USDC", "SOL_USDC_PERP", "USDT_USDC", "kBONK_USDC", "AAPL.US_USDC_PERP")


def stored(symbol: str = SYMBOL, seed: int = 1, end_s: int = END_S) -> CandleStore:
    store = CandleStore()
    store.past = Past(instrument(symbol), seed, end_s).between
    return store


def back(interval: KlineInterval, bars: int) -> int:
    """Return the beginning of a bucket so many buckets ago."""
    start_s = bucket_start_s(NOW_S, interval)
    for _ in range(bars):
        start_s = bucket_start_s(start_s - 1, interval)
    return start_s


def joined(candles: list[Candle]) -> Candle:
    total = Candle(candles[0].start_s)
    for candle in candles:
        total.add(candle)
    return total


@pytest.mark.parametrize("interval", KlineInterval)
@pytest.mark.parametrize("symbol", TRADED)
def test_every_interval_is_full_and_plausible(symbol: str, interval: KlineInterval) -> None:
    row: Instrument = instrument(symbol)
    start_s = back(interval, 20)
    *complete, last = stored(symbol).klines(interval, start_s, NOW_S)
    assert len(complete) == 20
    if interval is KlineInterval.SECOND_1:
        assert last == Candle(last.start_s)
        complete = [candle for candle in complete if candle.start_s < END_S]
    for candle in complete:
        assert candle.open is not None
        assert candle.high is not None
        assert candle.low is not None
        assert candle.close is not None
        assert 0 < candle.low <= min(candle.open, candle.close)
        assert max(candle.open, candle.close) <= candle.high
        assert not any(price % row.tick_size for price in (candle.open, candle.high, candle.low, candle.close))
        assert candle.volume > 0
        assert not candle.volume % row.step_size
        assert candle.low * candle.volume <= candle.quote_volume <= candle.high * candle.volume
        assert candle.trades > 0
    for before, after in pairwise(complete):
        assert before.close == after.open


@pytest.mark.parametrize("symbol", TRADED)
def test_the_past_ends_with_the_price_at_which_the_market_begins(symbol: str) -> None:
    (last,) = stored(symbol).klines(KlineInterval.MINUTE_1, END_S - 60, END_S - 60)
    assert last.close == instrument(symbol).seed_price


def parts(interval: KlineInterval, start_s: int, store: CandleStore) -> Candle:
    candle = store.klines(interval, start_s, start_s)[0]
    candle.quote_volume = Decimal(0)  # only this one is not a sum (klines.py)
    return candle


@BOUNDED
@given(
    pair=st.sampled_from(
        [
            (KlineInterval.MINUTE_1, KlineInterval.SECOND_1),
            (KlineInterval.MINUTES_3, KlineInterval.MINUTE_1),
            (KlineInterval.MINUTES_30, KlineInterval.MINUTES_5),
            (KlineInterval.HOUR_1, KlineInterval.MINUTE_1),
            (KlineInterval.HOURS_12, KlineInterval.HOURS_2),
            (KlineInterval.DAY_1, KlineInterval.MINUTES_15),
            (KlineInterval.WEEK_1, KlineInterval.HOURS_6),
            (KlineInterval.MONTH_1, KlineInterval.DAY_1),
        ]
    ),
    age_s=st.integers(0, 400 * DAY_S),
    end_s=st.integers(0, 3 * DAY_S).map(lambda s: END_S + s // 60 * 60),
)
def test_longer_intervals_are_the_sums_of_shorter_ones(
    pair: tuple[KlineInterval, KlineInterval], age_s: int, end_s: int
) -> None:
    longer, shorter = pair
    store = stored(end_s=end_s)
    start_s = bucket_start_s(end_s - age_s, longer)
    whole = parts(longer, start_s, store)
    small = store.klines(shorter, start_s, next_bucket_s(start_s, longer) - 1)
    total = joined(small)
    total.quote_volume = Decimal(0)
    assert total == whole


def test_the_same_seed_makes_the_same_past_and_another_one_another() -> None:
    charts = [
        stored(symbol, seed).klines(KlineInterval.HOUR_1, END_S - DAY_S, END_S)
        for symbol, seed in ((SYMBOL, 1), (SYMBOL, 1), (SYMBOL, 2), (PERP, 1))
    ]
    assert charts[0] == charts[1]
    assert charts[0] != charts[2]
    # Spot and perpetual of one asset have one past.
    assert charts[0] == charts[3]


def test_what_was_asked_for_before_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = stored().klines(KlineInterval.MINUTE_1, END_S - 7_200, END_S)
    monkeypatch.setattr(klines_module, "_SPLITS_KEPT", 3)
    worn = stored()
    for age in range(40, 0, -3):
        worn.klines(KlineInterval.SECOND_1, END_S - age * 3_000, END_S - age * 3_000 + 60)
    assert worn.klines(KlineInterval.MINUTE_1, END_S - 7_200, END_S) == fresh


def test_before_the_past_there_is_nothing() -> None:
    store = stored()
    first, second = store.klines(KlineInterval.DAY_1, (END_S // DAY_S - PAST_DAYS - 1) * DAY_S, END_S)[:2]
    assert (first.open, first.trades) == (None, 0)
    assert second.trades > 0


def test_prices_never_vanish_over_two_years() -> None:
    lows = [
        candle.low for candle in stored("USDT_USDC").klines(KlineInterval.DAY_1, END_S - PAST_DAYS * DAY_S // 2, END_S)
    ]
    assert all(low is not None and Decimal("0.97") < low < Decimal("1.03") for low in lows)


def test_trades_go_on_where_the_past_ends() -> None:
    store = stored()
    (before,) = store.klines(KlineInterval.HOUR_1, END_S // 3_600 * 3_600, END_S)
    store.add_trade(NOW_S, Decimal(1), Decimal(2))
    (after,) = store.klines(KlineInterval.HOUR_1, END_S // 3_600 * 3_600, END_S)
    assert (after.open, after.low, after.close) == (before.open, 1, 1)
    assert (after.trades, after.volume) == (before.trades + 1, before.volume + 2)
    (minute,) = store.klines(KlineInterval.MINUTE_1, END_S, END_S)
    assert minute.trades == 1


@pytest.mark.parametrize("length_s", [DAY_S, WEEK_S])
def test_tickers_sum_up_the_past_and_forget_it_minute_by_minute(length_s: int) -> None:
    store = stored()
    for now_s in (NOW_S, NOW_S + 1, NOW_S + 61, NOW_S + DAY_S // 2):
        summary = store.summary(now_s, length_s)
        first_s = -(-(now_s - length_s) // 60) * 60
        minutes = joined(store.klines(KlineInterval.MINUTE_1, first_s, END_S - 60))
        assert (summary.open, summary.high, summary.low) == (minutes.open, minutes.high, minutes.low)
        assert (summary.volume, summary.trades) == (minutes.volume, minutes.trades)
    assert store.summary(END_S + length_s, length_s).trades == 0


def test_only_open_markets_have_a_past_and_prices_have_no_volume() -> None:
    exchange = new_exchange()
    give_past(exchange.markets.values(), 1, START_US)
    assert {symbol for symbol, row in exchange.markets.items() if row.candles.past is None} == {
        "HNT_USDC",
        "SPCX.US_USDC",
        "WEN_USDC",
    }
    assert exchange.markets[SYMBOL].index_candles.past is None
    market = exchange.markets[PERP]
    last, index, mark = (
        store.klines(KlineInterval.HOUR_1, END_S - 7_200, END_S - 3_600)[0]
        for store in (market.candles, market.index_candles, market.mark_candles)
    )
    assert index == mark
    assert (index.open, index.high, index.low, index.close) == (last.open, last.high, last.low, last.close)
    assert (index.volume, index.quote_volume, index.trades) == (0, 0, 0)


def test_index_and_mark_candles_follow_the_published_prices() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    for price in ("150", "160", "140"):
        exchange.prices.set_index(PERP, Decimal(price), clock())
        clock.advance_s(1)
        list(exchange.on_second(clock()))
        list(exchange.on_second(clock()))
    market = exchange.markets[PERP]
    for store in (market.index_candles, market.mark_candles):
        (candle,) = store.klines(KlineInterval.MINUTE_1, END_S, END_S)
        assert (candle.open, candle.high, candle.low, candle.close) == (150, 160, 140, 140)
        assert (candle.volume, candle.trades) == (0, 0)
        assert len([row for row in store.klines(KlineInterval.SECOND_1, NOW_S, NOW_S + 9) if row.open]) == 3
    assert market.candles.klines(KlineInterval.MINUTE_1, END_S, END_S)[0].open is None


async def test_klines_are_of_the_price_that_is_asked_for(simulator: Simulator, alice: Client) -> None:
    simulator.set_index_price(PERP, Decimal(170))
    simulator.advance_clock(1)
    query = {"symbol": PERP, "interval": "1month", "startTime": NOW_S - 31 * DAY_S}

    async def closes(**more: str) -> list[str | None]:
        status, rows = await alice.call("get_klines", {**query, **more})
        assert status == 200
        return [row["close"] for row in rows][-1:]

    assert await closes(priceType="Index") == await closes(priceType="Mark") == ["170"]
    assert await closes() == await closes(priceType="Last") == [None]
    assert await closes(priceType="Index", symbol=SYMBOL) == [None]
    status, text = await alice.call("get_klines", {**query, "priceType": "Median"})
    assert (status, "KlinePriceType" in text) == (400, True)


async def test_a_chart_is_full_when_the_simulator_starts(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=True) as simulator:
        client = Client(simulator, http)
        now_s = simulator.now_ms() // 1_000
        for interval in KlineInterval:
            start_s = bucket_start_s(now_s - 3 * next_bucket_s(0, interval), interval)
            query = {"symbol": PERP, "interval": interval.value, "startTime": start_s, "endTime": now_s}
            _, rows = await client.call("get_klines", query)
            assert len(rows) >= 3
            assert all(row["close"] for row in rows[:-1]) or interval is KlineInterval.SECOND_1
        _, ticker = await client.call("get_ticker", {"symbol": PERP})
        assert int(ticker["trades"]) > 100_000
