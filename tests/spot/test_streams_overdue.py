"""Part 3 of reconnecting: public streams are watched by the rate that each is known to have, and Close is honoured."""

import asyncio
import time
from typing import Any

import pytest
from aiohttp import WSCloseCode
from hummingbot.core.data_type.order_book import OrderBook

from backpack_connector import order_book_tracking, reconnect, silence_watch, tracked_book
from backpack_connector.protocol.book_levels import BookLevel, BookSnapshot
from backpack_connector.protocol.enums import Side
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from backpack_connector.tracked_book import TrackedBook
from tests.spot.session import OTHER_PAIR, OTHER_SYMBOL, PAIR, SYMBOL, World, book_of, stays, until, world
from tests.spot.stream_double import UNAVAILABLE, Connection

pytestmark = pytest.mark.usefixtures("each_reader_of_streams")

SUSPICION = "is silent although its book has moved"


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for silence as often as a test can wait for."""
    monkeypatch.setattr(tracked_book, "SILENCE_S", 0.4)
    monkeypatch.setattr(tracked_book, "FIRST_SILENCE_S", 0.2)
    monkeypatch.setattr(silence_watch, "SILENCE_CHECK_S", 0.05)
    monkeypatch.setattr(silence_watch, "STREAM_LAG_S", 0.1)
    monkeypatch.setattr(reconnect.Backoff.__init__, "__defaults__", (0.05, 0.2))


def public(here: World) -> int:
    """Return how many public connections there were."""
    return sum(bool(connection.streams) and not connection.is_private for connection in here.double.connections)


def withhold_depth(here: World) -> None:
    """Deliver no update of a book any more, on connections that are alive."""
    here.double.on_server_frame = lambda _, frame: [] if frame.get("stream", "").startswith("depth") else [frame]


# The pace of one book, without a network


def a_book(last_id: int = 1000) -> TrackedBook:
    tracked = TrackedBook(PAIR, SYMBOL, OrderBook())
    assert tracked.take_snapshot(snapshot(last_id)) == []
    tracked.spliced()
    return tracked


def snapshot(last_id: int) -> BookSnapshot:
    return BookSnapshot(asks=[BookLevel(101, 1)], bids=[BookLevel(99, 1)], update_id=last_id, timestamp=1)


def hear(tracked: TrackedBook, last_id: int, at_s: float) -> None:
    """Let updates up to an id have come at a time."""
    tracked.sequence.snapshot(last_id)
    tracked.heard_at_s = at_s


@pytest.mark.parametrize(
    ("updates_a_second", "silence_s"), [(0, 30.0), (0.2, 30.0), (1, 20.0), (2, 10.0), (100, 5.0), (3_000, 5.0)]
)
def test_lively_stream_is_overdue_sooner_than_a_quiet_one(updates_a_second: float, silence_s: float) -> None:
    tracked = a_book()
    now_s = time.monotonic()
    for step in range(40):  # looks, each 5 s after the other
        now_s += 5.0
        hear(tracked, 1000 + round((step + 1) * 5 * updates_a_second), now_s)
        tracked.measure(now_s)
    assert not tracked.is_overdue(now_s + 0.9 * silence_s)
    assert tracked.is_overdue(now_s + 1.1 * silence_s)


def test_book_that_is_being_resynchronised_is_not_overdue() -> None:
    tracked = a_book()
    tracked.sequence.restart()
    assert not tracked.is_overdue(time.monotonic() + 1_000)


def test_new_book_is_looked_at_soon_once() -> None:
    tracked = a_book()
    now_s = time.monotonic()
    tracked.heard_at_s = now_s - 100
    assert not tracked.is_overdue(now_s + 4)
    assert tracked.is_overdue(now_s + 6)
    tracked.looked()
    assert not tracked.is_overdue(now_s + 29)


def test_newer_snapshot_shows_silence_at_once_an_older_one_after_three_looks() -> None:
    tracked = a_book(1000)
    assert not tracked.is_behind(1000)
    assert tracked.is_behind(1001)
    assert [tracked.is_behind(999) for _ in range(3)] == [False, False, True]
    assert not tracked.is_behind(1000)
    assert [tracked.is_behind(999) for _ in range(2)] == [False, False]


def test_connection_is_given_up_after_2_4_8_and_16_looks() -> None:
    tracked = a_book()
    assert [number for number in range(1, 40) if tracked.strike()] == [2, 4, 8, 16, 32]
    tracked.heard_at_s = time.monotonic()
    tracked.measure(time.monotonic())
    assert (tracked.strikes, tracked.is_suspect) == (0, False)


# Whole connections


async def test_f08_stream_that_stays_silent_is_connected_anew_and_not_ready_meanwhile(
    short_waits: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        withhold_depth(here)
        here.rest(Side.BID, "149.5")
        await until(lambda: SUSPICION in caplog.text)
        assert not connector.ready
        await until(lambda: book_of(connector) == here.book())
        assert not connector.ready, "the book is right now, and nobody knows for how long"
        here.rest(Side.BID, "149.4")  # which is not told either, after it was subscribed again
        await until(lambda: public(here) == 2)
        assert f"it stays silent about {PAIR}, where books move" in caplog.text
        assert not connector.ready
        here.double.on_server_frame = None
        await until(lambda: connector.ready)
        here.rest(Side.BID, "149.3")
        await until(lambda: book_of(connector) == here.book())
        await stays(lambda: connector.ready and public(here) == 2, for_s=0.6)


async def test_f08_silent_book_that_stopped_moving_is_ready_again(short_waits: None) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        withhold_depth(here)
        here.rest(Side.BID, "149.5")
        await until(lambda: not connector.ready)
        await until(lambda: connector.ready)
        assert book_of(connector) == here.book()
        assert public(here) == 1


async def test_f08_one_silent_market_leaves_the_books_of_others(short_waits: None) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.fill_book(OTHER_SYMBOL, "86700")
        connector = await here.started(PAIR, OTHER_PAIR)
        here.double.on_server_frame = lambda _, frame: [] if frame.get("stream") == f"depth.{SYMBOL}" else [frame]
        here.rest(Side.BID, "149.5")
        await until(lambda: not connector.ready)
        assert book_of(connector, OTHER_PAIR) == here.book(OTHER_SYMBOL)


async def test_f08_snapshot_that_overtakes_the_stream_by_a_moment_is_no_silence(
    short_waits: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence_watch, "STREAM_LAG_S", 0.5)
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        held: list[Any] = []
        here.double.on_server_frame = lambda _, frame: held.append(frame) or []
        here.rest(Side.BID, "149.5")
        asked = here.double.count("get_depth")
        await until(lambda: here.double.count("get_depth") > asked and held)
        here.double.on_server_frame = None
        for frame in held:
            await here.double.public.send(frame)
        await until(lambda: book_of(connector) == here.book())
        await stays(lambda: connector.ready, for_s=0.7)
        assert SUSPICION not in caplog.text


async def test_f08_stream_of_trades_that_is_silent_is_subscribed_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(order_book_tracking, "LAST_PRICES_INTERVAL_S", 0.1)
    monkeypatch.setattr(order_book_tracking, "QUIET_AFTER_S", 0.3)
    monkeypatch.setattr(order_book_tracking, "STREAM_LAG_S", 0.1)
    async with world(with_double=True) as here:
        here.fill_book()
        (fault_id,) = here.simulator.faults.inject(Fault(kind=FaultKind.SUBSCRIPTION_IGNORED, streams=("trade",)))
        connector = await here.started(PAIR)
        here.take(Side.ASK, "149.99")
        await until(lambda: connector.order_books[PAIR].last_trade_price == 149.99)
        here.take(Side.BID, "150.01")
        here.simulator.faults.end(fault_id)
        await until(lambda: "subscribing again" in caplog.text)
        assert f"The stream of trades in {PAIR} is silent although its last price is 150.01 now and was 149.99" in (
            caplog.text
        )
        await until(lambda: here.simulator.hub.is_wanted((None, f"trade.{SYMBOL}")))
        assert connector.ready


async def test_trades_that_are_told_are_no_silence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(order_book_tracking, "LAST_PRICES_INTERVAL_S", 0.05)
    monkeypatch.setattr(order_book_tracking, "QUIET_AFTER_S", 0.1)
    monkeypatch.setattr(order_book_tracking, "STREAM_LAG_S", 0.1)
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        for side, price in ((Side.ASK, "149.99"), (Side.BID, "150.01"), (Side.ASK, "149.99")):
            here.take(side, price)
            await until(lambda price=price: connector.order_books[PAIR].last_trade_price == float(price))
            await asyncio.sleep(0.2)
        assert "subscribing again" not in caplog.text


@pytest.mark.parametrize("is_private", [True, False])
async def test_close_frame_is_answered_and_the_stream_is_back_at_once(is_private: bool) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        connection = here.double.private if is_private else here.double.public
        ends: list[Any] = []
        begun_s = time.monotonic()
        # The server goes on for half a minute after its Close (API §3.1, shutdown), if it gets no answer.
        closing = asyncio.ensure_future(close_and_wait(connection, ends))
        await until(lambda: not connector.ready)
        await until(lambda: connector.ready, limit_s=2.0)
        assert time.monotonic() - begun_s < 2.0
        await closing
        assert ends == [WSCloseCode.OK], "the client has answered with a Close frame of its own"


async def close_and_wait(connection: Connection, ends: "list[Any]") -> None:
    await connection.socket.close(code=WSCloseCode.GOING_AWAY)
    ends.append(connection.socket.close_code)


async def test_pair_whose_first_snapshot_fails_is_not_half_added() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.fill_book(OTHER_SYMBOL, "86700")
        connector = await here.started(PAIR)
        here.double.answer("get_depth", UNAVAILABLE)
        assert not await connector.add_trading_pair(OTHER_PAIR)
        here.double.answer("get_depth", None)
        assert connector.trading_pairs == [PAIR]
        await until(lambda: here.double.public.ended_streams)
        await until(lambda: not here.simulator.hub.is_wanted((None, f"depth.{OTHER_SYMBOL}")))
        assert connector.ready
        assert await connector.add_trading_pair(OTHER_PAIR)
        assert book_of(connector, OTHER_PAIR) == here.book(OTHER_SYMBOL)
        assert not await connector.add_trading_pair(OTHER_PAIR), "it is there already"
        assert connector.trading_pairs == [PAIR, OTHER_PAIR]
        await asyncio.sleep(0)
