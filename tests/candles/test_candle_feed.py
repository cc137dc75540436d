"""A live feed: history first, then the stream, in step with the exchange whatever happens to the connection."""

import asyncio
import time
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hummingbot.core.network_iterator import NetworkStatus

from backpack_connector import backpack_candles
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.candles.scene import (
    PERPETUAL,
    Feeds,
    klines_asked,
    market,
    now_s,
    seen,
    store_of,
    trade,
    truth,
    without_quote_volume,
)
from tests.spot.session import SYMBOL, World, stays, until
from tests.spot.stream_double import UNAVAILABLE, Connection, error_frame

LONG = 20.0


@pytest.fixture
def no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a bucket without a message count as empty as soon as it begins."""
    monkeypatch.setattr(backpack_candles, "STREAM_LAG_S", 0.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look after a silent stream several times a second."""
    monkeypatch.setattr(backpack_candles, "FIRST_SILENCE_S", 0.2)
    monkeypatch.setattr(backpack_candles, "LONGEST_SILENCE_S", 0.2)
    monkeypatch.setattr(backpack_candles, "STREAM_LAG_S", 0.1)


def exchange_rows(here: World, feed: Any, interval: KlineInterval, symbol: str = SYMBOL) -> Any:
    rows = seen(feed)
    return truth(here, interval, int(rows[0][0]), int(rows[-1][0]), symbol)


async def is_true(here: World, feed: Any, interval: KlineInterval, symbol: str = SYMBOL) -> None:
    """Wait until the feed shows exactly what the exchange knows of the same buckets."""

    def equal() -> bool:
        if not feed.ready:
            return False
        ours, theirs = seen(feed), exchange_rows(here, feed, interval, symbol)
        return without_quote_volume(ours) == without_quote_volume(theirs)

    await until(equal, LONG)


@pytest.mark.parametrize(
    ("connector", "symbol"), [("backpack_simulator", SYMBOL), ("backpack_perpetual_simulator", PERPETUAL)]
)
async def test_history_then_trades_in_both_kinds_of_market(connector: str, symbol: str) -> None:
    async with market() as (here, feeds):
        feed = await feeds.ready(connector, interval="1m", max_records=30)
        rows = seen(feed)
        assert len(rows) == 30
        assert [b[0] - a[0] for a, b in pairwise(rows)] == [60.0] * 29
        assert rows == exchange_rows(here, feed, KlineInterval.MINUTE_1, symbol)
        trade(here, "150.5", symbol=symbol)
        trade(here, "151.5", "2", symbol=symbol)
        await until(lambda: seen(feed)[-1][4] == 151.5, LONG)
        await is_true(here, feed, KlineInterval.MINUTE_1, symbol)
        last = exchange_rows(here, feed, KlineInterval.MINUTE_1, symbol)[-1]
        assert seen(feed)[-1][6] == pytest.approx(last[6], rel=0.01)


async def test_a_month_that_has_just_begun_is_fed_like_any_interval() -> None:
    async with market() as (here, feeds):
        for interval, kind in (("1M", KlineInterval.MONTH_1), ("1w", KlineInterval.WEEK_1)):
            feed = await feeds.ready(interval=interval, max_records=12)
            trade(here, "151.5")
            await is_true(here, feed, kind)
            assert len(seen(feed)) == 12


async def test_buckets_follow_each_other_in_real_time_with_and_without_trades(no_lag: None) -> None:
    async with market() as (here, feeds):
        feed = await feeds.ready(interval="1s", max_records=60)
        first_s = seen(feed)[-1][0]
        trade(here, "151")
        await until(lambda: seen(feed)[-1][0] >= first_s + 3, LONG)
        trade(here, "152")
        await is_true(here, feed, KlineInterval.SECOND_1)
        assert len(seen(feed)) == 60
        assert {row[4] for row in seen(feed)} >= {151.0, 152.0}


async def test_after_a_reconnect_there_is_neither_a_gap_nor_a_duplicate(
    no_lag: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with market(with_double=True) as (here, feeds):
        feed = await feeds.ready(interval="1s", max_records=60)
        trade(here, "151")
        await until(lambda: 151.0 in {row[4] for row in seen(feed)}, LONG)
        before = seen(feed)
        here.double.refuses_streams = True
        here.double.public.cut()
        await until(lambda: not feed.ready)
        assert seen(feed)[: len(before)], "what was known stays while there is no connection"
        trade(here, "152")
        await until(lambda: now_s() >= before[-1][0] + 2, LONG)
        trade(here, "153")
        asked = len(klines_asked(here))
        here.double.refuses_streams = False
        await is_true(here, feed, KlineInterval.SECOND_1)
        assert {row[4] for row in seen(feed)} >= {152.0, 153.0}
        (question,) = klines_asked(here)[asked : asked + 1]
        assert int(question["startTime"]) > before[0][0], "only what may have been missed is asked again"
        assert "the exchange refused it with status 503" in caplog.text
        assert [record for record in caplog.records if record.exc_info] == []


async def test_an_answer_that_fails_is_asked_again_and_the_feed_is_not_ready_before() -> None:
    async with market(with_double=True) as (here, feeds):
        here.double.answer_once("get_klines", UNAVAILABLE)
        feed = await feeds.ready(max_records=5)
        await is_true(here, feed, KlineInterval.MINUTE_1)
        assert len(klines_asked(here)) == 2


async def test_a_bucket_that_the_stream_leaves_out_is_asked_for(no_lag: None) -> None:
    """Only where it also tells of buckets without trades: then leaving one out says that something was lost."""
    kept: list[Any] = []

    def leave_out(connection: Connection, frame: Any) -> Iterable[Any]:
        lost = frame["data"]["n"] > 0
        (kept if lost else []).append(frame)
        return [] if lost else [frame]

    async with market(with_double=True) as (here, feeds):
        feed = await feeds.ready(interval="1s", max_records=60)
        here.double.on_server_frame = leave_out
        await until(lambda: feed._tells_empty_buckets, LONG)
        trade(here, "154")
        await until(lambda: kept, LONG)
        await is_true(here, feed, KlineInterval.SECOND_1)
        assert 154.0 in {row[4] for row in seen(feed)}


async def test_an_unreadable_message_has_the_candles_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    def garble(connection: Connection, frame: Any) -> Iterable[Any]:
        return [{**frame, "data": {**frame["data"], "c": "many"}}] if "data" in frame else [frame]

    async with market(with_double=True) as (here, feeds):
        feed = await feeds.ready(max_records=5)
        here.double.on_server_frame = garble
        trade(here, "155")
        await until(lambda: len(klines_asked(here)) == 2, LONG)
        await is_true(here, feed, KlineInterval.MINUTE_1)
        assert seen(feed)[-1][4] == 155.0
    assert "could not be read, so they are asked for" in caplog.text


async def test_a_message_of_another_market_or_interval_changes_nothing() -> None:
    def foreign(connection: Connection, frame: Any) -> Iterable[Any]:
        other = {**frame, "data": {**frame["data"], "s": "BTC_USDC", "c": "1"}}
        wrong = {**frame["data"], "c": "2"}
        streams = ("kline.1h.SOL_USDC", "trade2.SOL_USDC")
        return [frame, other, *({"stream": stream, "data": wrong} for stream in streams)]

    async with market(with_double=True) as (here, feeds):
        feed = await feeds.ready(max_records=5)
        here.double.on_server_frame = foreign
        trade(here, "155")
        await until(lambda: seen(feed)[-1][4] == 155.0, LONG)
        await stays(lambda: seen(feed)[-1][4] == 155.0, 0.2)
        await is_true(here, feed, KlineInterval.MINUTE_1)


async def test_a_refused_subscription_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    refused: list[Any] = []

    async def refuse(connection: Connection, frame: Any) -> bool:
        if not refused:
            refused.append(frame)
            await connection.send(error_frame(4005, "Invalid stream"))
            return False
        return True

    async with market(with_double=True) as (here, feeds):
        here.double.on_client_frame = refuse
        feed = feeds.make()
        await feed.start_network()
        await until(lambda: "the exchange refused the subscription: Invalid stream" in caplog.text, LONG)
        await until(lambda: feed.ready, LONG)
        assert refused[0]["params"] == ["kline.1m.SOL_USDC"]


async def test_a_silent_stream_is_found_out_by_its_trades(impatient: None, caplog: pytest.LogCaptureFixture) -> None:
    async with market() as (here, feeds):
        here.simulator.faults.inject(Fault(kind=FaultKind.SUBSCRIPTION_IGNORED, streams=("kline",), count=1))
        feed = await feeds.ready(max_records=5)
        trade(here, "157")
        await until(lambda: seen(feed)[-1][4] == 157.0, LONG)
        assert "the stream is silent about trades that REST shows" in caplog.text
        caplog.clear()
        trade(here, "158")
        await is_true(here, feed, KlineInterval.MINUTE_1)


async def test_a_quiet_market_keeps_its_connection(impatient: None, caplog: pytest.LogCaptureFixture) -> None:
    async with market(with_double=True) as (here, feeds):
        feed = await feeds.ready(interval="1d", max_records=5)
        await until(lambda: len(klines_asked(here)) >= 4, LONG)
        assert len(here.double.connections) == 1
        assert feed.ready
    assert "ended" not in caplog.text


async def test_a_market_younger_than_the_wanted_history_is_ready_with_what_there_is() -> None:
    async with market(has_past=False) as (here, feeds):
        last_s = now_s() // 60 * 60
        store_of(here).add_trade(last_s - 60, Decimal(100), Decimal(2))
        feed = await feeds.ready(max_records=50)
        assert [row[4] for row in seen(feed)][:2] == [100.0, 100.0]
        assert len(seen(feed)) <= 3
        never = await feeds.ready("backpack_simulator", "BTC-USDC", max_records=50)
        assert seen(never) == []
        trade(here, "60000", symbol="BTC_USDC")
        await until(lambda: [row[4] for row in seen(never)] == [60000.0], LONG)


async def test_a_wrong_clock_of_this_machine_leaves_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    async with market() as (here, feeds):
        feed = feeds.make(interval="1s", max_records=5)
        monkeypatch.setattr(feed, "_time", lambda: time.time() - 100)
        await feed.start_network()
        await until(lambda: feed.ready)
        assert seen(feed)[-1][0] <= now_s() - 90
        trade(here, "159")
        await until(lambda: seen(feed)[-1][0] >= now_s() - 10, LONG)
        await is_true(here, feed, KlineInterval.SECOND_1)


async def test_messages_while_the_history_is_asked_are_not_lost() -> None:
    async with market(with_double=True) as (here, feeds):
        asked, may_answer = asyncio.Event(), asyncio.Event()

        async def late(request: Any) -> None:
            asked.set()
            await may_answer.wait()

        here.double.answer("get_klines", late)
        feed = feeds.make(max_records=5)
        await feed.start_network()
        await asked.wait()
        trade(here, "161")
        await until(lambda: feed._last_message_s is not None, LONG)
        may_answer.set()
        await is_true(here, feed, KlineInterval.MINUTE_1)
        assert seen(feed)[-1][4] == 161.0


async def test_a_stopped_feed_is_not_ready_and_can_start_again() -> None:
    async with market() as (here, feeds):
        feed = await feeds.ready(max_records=5)
        await feed.stop_network()
        assert not feed.ready
        trade(here, "162")
        await feed.start_network()
        await is_true(here, feed, KlineInterval.MINUTE_1)
        await stays(lambda: len(seen(feed)) == 5, 0.1)


async def test_the_network_check_knows_maintenance_and_silence() -> None:
    async with market() as (here, feeds):
        feed = feeds.make()
        assert await feed.check_network() is NetworkStatus.CONNECTED
        here.simulator.faults.inject(Fault(kind=FaultKind.MAINTENANCE, duration_s=0.2))
        assert await feed.check_network() is NetworkStatus.NOT_CONNECTED
        await here.simulator.stop()
        assert await feed.check_network() is NetworkStatus.NOT_CONNECTED


def test_the_subscription_names_the_exchanges_interval() -> None:
    payload = Feeds().make("backpack_perpetual", interval="1M").ws_subscription_payload()
    assert payload == {"method": "SUBSCRIBE", "params": ["kline.1month.SOL_USDC_PERP"]}
