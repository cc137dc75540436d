"""History over REST: right in every interval, in full pages, within the limits, and flat where nothing was traded."""

import asyncio
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hummingbot.data_feed.candles_feed.candles_factory import CandlesFactory
from hummingbot.data_feed.candles_feed.data_types import CandlesConfig, HistoricalCandlesConfig

from backpack_connector.backpack_candles import INTERVALS
from backpack_connector.protocol.candles import DAY_S, MINUTE_S, bucket_start_s, next_bucket_s, start_before
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.errors import BackpackError, ConfigurationError, NoAnswer
from backpack_connector.protocol.rate_limits import HISTORICAL_POOL
from tests.candles.scene import FEEDS_KNOW_CONNECTORS, PERPETUAL, Feeds, klines_asked, market, now_s, store_of, truth
from tests.client.test_request_pools import is_waiting
from tests.spot.session import SYMBOL
from tests.spot.stream_double import HANG_UP, UNAVAILABLE, Reply


async def history(feed: Any, first_s: float, last_s: float) -> list[tuple[float, ...]]:
    config = HistoricalCandlesConfig(
        connector_name="any", trading_pair="SOL-USDC", interval=feed.interval, start_time=first_s, end_time=last_s
    )
    table = await feed.get_historical_candles(config)
    assert list(table.columns) == feed.columns
    assert set(map(str, table.dtypes)) == {"float64"}
    return [tuple(row) for row in table.itertuples(index=False)]


def test_hummingbot_and_the_exchange_know_the_same_intervals() -> None:
    feed = Feeds().make()
    assert set(INTERVALS) == set(feed.interval_to_seconds)
    assert feed.intervals == {**{name: name for name in INTERVALS}, "1M": "1month"}


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize(
    ("connector", "symbol"), [("backpack_simulator", SYMBOL), ("backpack_perpetual_simulator", PERPETUAL)]
)
async def test_every_interval_is_the_exchanges_own(connector: str, symbol: str, interval: str) -> None:
    kind = INTERVALS[interval]
    async with market() as (here, feeds):
        last_s = bucket_start_s(now_s() - 60, kind)
        first_s = start_before(last_s, kind, 11)
        found = await history(feeds.make(connector, interval=interval), first_s, last_s)
        assert [row[0] for row in found[:2]] == [first_s, next_bucket_s(first_s, kind)]
        assert len(found) == 12
        assert found == truth(here, kind, first_s, last_s, symbol)


async def test_f24_a_long_history_comes_in_pages_of_2000_rows() -> None:
    async with market(with_double=True) as (here, feeds):
        last_s = now_s() // MINUTE_S * MINUTE_S - MINUTE_S
        first_s = last_s - 4_999 * MINUTE_S
        found = await history(feeds.make(), first_s, last_s)
        assert found == truth(here, KlineInterval.MINUTE_1, first_s, last_s)
        spans = [int(asked["endTime"]) - int(asked["startTime"]) for asked in klines_asked(here)]
        assert spans == [1_999 * MINUTE_S + 1] * 2 + [999 * MINUTE_S + 1]


async def test_the_longest_pages_are_accepted_in_seconds_too() -> None:
    async with market(with_double=True) as (here, feeds):
        last_s = now_s() - 120
        found = await history(feeds.make(interval="1s"), last_s - 2_000, last_s)
        assert len(found) == 2_001
        assert len(klines_asked(here)) == 2


async def test_ends_belong_to_what_is_asked_and_the_future_does_not() -> None:
    async with market() as (_, feeds):
        start_s = now_s() // MINUTE_S * MINUTE_S - 600
        feed = feeds.make()
        assert [row[0] - start_s for row in await history(feed, start_s + 1, start_s + 120)] == [60, 120]
        assert [row[0] - start_s for row in await history(feed, start_s, start_s + 59)] == [0]
        assert await history(feed, start_s + 1, start_s + 59) == []
        assert await history(feed, now_s() + 3_600, now_s() + 7_200) == []
        latest = await history(feed, start_s, now_s() + 7_200)
        assert latest[-1][0] == now_s() // MINUTE_S * MINUTE_S


async def test_f24_empty_buckets_are_flat_at_the_last_close_and_the_rest_is_as_traded() -> None:
    """The last trade is found however long ago it was, in candles that get longer."""
    async with market(has_past=False, with_double=True) as (here, feeds):
        last_s = now_s() // MINUTE_S * MINUTE_S
        for ago_s, price in ((400 * DAY_S, "90"), (8 * DAY_S, "100"), (600, "110"), (180, "120")):
            store_of(here).add_trade(last_s - ago_s, Decimal(price), Decimal(2))
        found = await history(feeds.make(), last_s - 720, last_s - 120)
        assert [(row[4], row[5], row[7]) for row in found] == [
            (100.0, 0.0, 0.0),
            (100.0, 0.0, 0.0),
            (110.0, 2.0, 1.0),
            *[(110.0, 0.0, 0.0)] * 6,
            (120.0, 2.0, 1.0),
            (120.0, 0.0, 0.0),
        ]
        assert all(row[1] == row[2] == row[3] == row[4] for row in found)
        assert [asked["interval"] for asked in klines_asked(here)] == ["1m", "1m", "1h"]
        assert [
            row[4] for row in await history(feeds.make(interval="1d"), now_s() - 300 * DAY_S, now_s() - 200 * DAY_S)
        ]


async def test_before_its_first_trade_a_market_has_no_candles() -> None:
    async with market(has_past=False) as (here, feeds):
        last_s = now_s() // MINUTE_S * MINUTE_S
        store_of(here).add_trade(last_s - 60, Decimal(100), Decimal(2))
        assert [row[0] for row in await history(feeds.make(), last_s - 600, last_s)] == [last_s - 60, last_s]
        assert await history(feeds.make(pair="BTC-USDC"), last_s - 600, last_s) == []


async def test_rows_that_the_exchange_leaves_out_are_flat_too() -> None:
    async with market(with_double=True) as (here, feeds):
        start_s = now_s() // MINUTE_S * MINUTE_S - 600
        rows = truth(here, KlineInterval.MINUTE_1, start_s, start_s + 120)
        from backpack_connector.simulator.payloads import kline_payload

        candles = store_of(here).klines(KlineInterval.MINUTE_1, start_s, start_s + 120)
        here.double.answer_once("get_klines", Reply([kline_payload(candles[0], 0), kline_payload(candles[2], 0)]))
        found = await history(feeds.make(), start_s, start_s + 120)
        assert found[1][1:6] == (rows[0][4],) * 4 + (0.0,)
        assert [found[0], found[2]] == [rows[0], rows[2]]


async def test_fetching_a_number_of_candles() -> None:
    async with market() as (here, feeds):
        feed = feeds.make()
        end_s = now_s() // MINUTE_S * MINUTE_S - 600
        until_end = await feed.fetch_candles(end_time=end_s + 59, limit=4)
        from_start = await feed.fetch_candles(start_time=end_s - 180, limit=4)
        assert isinstance(until_end, np.ndarray)
        assert until_end.tolist() == from_start.tolist()
        assert [tuple(row) for row in until_end] == truth(here, KlineInterval.MINUTE_1, end_s - 180, end_s)
        assert len(await feed.fetch_candles(end_time=end_s)) == 2_000
        assert (await feed.fetch_candles(start_time=now_s() + 999)).shape == (0, 10)
        with pytest.raises(ValueError, match="Either the start time or end time"):
            await feed.fetch_candles(limit=3)


async def test_f24_all_feeds_share_the_exchanges_limit_for_history(quick: None, monkeypatch: Any) -> None:
    monkeypatch.undo()  # the fixture's generous pools: here the published ones count
    async with market() as (_, feeds):
        here_feeds = [feeds.make(interval=interval) for interval in ("1m", "5m", "1h")]
        for number in range(30):
            await here_feeds[number % 3].fetch_candles(end_time=now_s() - 3_600, limit=1)
        task = asyncio.ensure_future(here_feeds[0].fetch_candles(end_time=now_s() - 3_600, limit=1))
        assert await is_waiting(task)
        task.cancel()


@FEEDS_KNOW_CONNECTORS
async def test_f24_a_feed_of_a_connector_also_counts_in_its_account() -> None:
    async with market() as (here, feeds):
        connector = here.connector(rate_limits_share_pct=Decimal(50))
        feed = CandlesFactory.get_candle(
            CandlesConfig(connector="backpack_simulator", trading_pair="SOL-USDC"), connector=connector
        )
        await feed.fetch_candles(end_time=now_s() - 3_600, limit=1)
        pool = connector.throttler.pool(HISTORICAL_POOL)
        assert (pool.used, pool.limit) == (1, 15)
        await feeds.make().fetch_candles(end_time=now_s() - 3_600, limit=1)
        assert pool.used == 1


async def test_a_lost_connection_is_asked_again_once_and_an_error_is_told() -> None:
    async with market(with_double=True) as (here, feeds):
        feed = feeds.make()
        here.double.answer_once("get_klines", HANG_UP)
        assert len(await feed.fetch_candles(end_time=now_s() - 3_600, limit=1)) == 1
        here.double.answer_once("get_klines", UNAVAILABLE)
        with pytest.raises(BackpackError, match="Service unavailable"):
            await feed.fetch_candles(end_time=now_s() - 3_600, limit=1)
        here.double.answer_once("get_klines", HANG_UP, HANG_UP)
        with pytest.raises(NoAnswer):
            await feed.fetch_candles(end_time=now_s() - 3_600, limit=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"interval": "7m"}, "one of 1s, 1m, .*1w, 1M, not '7m'"),
        ({"pair": "SOLUSDC"}, "looks like SOL-USDC"),
        ({"max_records": 0}, "at least one candle"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Feeds().make(**options)


async def test_a_market_that_is_not_there_is_told_by_the_exchange() -> None:
    async with market() as (_, feeds):
        with pytest.raises(BackpackError, match="Invalid market symbol"):
            await feeds.make(pair="NOPE-USDC").fetch_candles(end_time=now_s(), limit=1)


def test_names_say_exchange_and_pair() -> None:
    names = [Feeds().make(connector).name for connector in ("backpack", "backpack_perpetual", "backpack_simulator")]
    assert names == ["backpack_SOL-USDC", "backpack_perpetual_SOL-USDC", "backpack_simulator_SOL-USDC"]


def test_the_exchange_itself_is_asked_unless_it_is_the_simulator() -> None:
    feed = Feeds().make("backpack_perpetual")
    assert (feed.candles_url, feed.wss_url) == (
        "https://api.backpack.exchange/api/v1/klines",
        "wss://ws.backpack.exchange",
    )
    assert feed.health_check_url == "https://api.backpack.exchange/api/v1/status"
