"""F08 and F45: pairs come, go, close, open and fall silent, each on its own."""

import asyncio
from types import SimpleNamespace

import pytest
from hummingbot.connector.exchange.paper_trade.paper_trade_exchange import PaperTradeExchange
from hummingbot.core.data_type.composite_order_book import CompositeOrderBook

from backpack_connector import order_book_tracking, silence_watch, tracked_book
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.enums import OrderBookState, Side
from tests.spot.session import OTHER_PAIR, OTHER_SYMBOL, PAIR, SYMBOL, book_of, stays, until, world
from tests.spot.stream_double import UNAVAILABLE, Reply, Seen, failure

CLOSED_PAIR, CLOSED_SYMBOL = "HNT-USDC", "HNT_USDC"
STREAMS = [f"depth.{SYMBOL}", f"trade.{SYMBOL}"]
OTHER_STREAMS = [f"depth.{OTHER_SYMBOL}", f"trade.{OTHER_SYMBOL}"]


async def test_f08_streams_carry_symbols() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        await here.started(PAIR, OTHER_PAIR)
        assert sorted(here.double.public.streams) == sorted(STREAMS + OTHER_STREAMS)


async def test_f08_pair_added_at_run_time_has_a_live_book() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.fill_book(OTHER_SYMBOL, "86700")
        connector = await here.started(PAIR)
        assert await connector.add_trading_pair(OTHER_PAIR)
        assert here.double.public.streams == STREAMS + OTHER_STREAMS
        assert book_of(connector, OTHER_PAIR) == here.book(OTHER_SYMBOL)
        here.rest(Side.BID, "86000", symbol=OTHER_SYMBOL)
        await until(lambda: book_of(connector, OTHER_PAIR) == here.book(OTHER_SYMBOL))
        assert connector.ready


async def test_f08_pair_added_at_run_time_is_subscribed_again_after_a_reconnect() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        await connector.add_trading_pair(OTHER_PAIR)
        await here.double.public.close()
        await until(lambda: not connector.ready)
        await until(lambda: connector.ready)
        assert sorted(here.double.public.streams) == sorted(STREAMS + OTHER_STREAMS)


@pytest.mark.parametrize("notation", [OTHER_PAIR, OTHER_SYMBOL])
async def test_f08_both_notations_subscribe_to_the_same_streams(notation: str) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        source = connector.order_book_tracker.data_source
        assert await source.subscribe_to_trading_pair(notation)
        await until(lambda: here.double.public.streams == STREAMS + OTHER_STREAMS)
        assert await source.unsubscribe_from_trading_pair(notation)
        await until(lambda: here.double.public.ended_streams == OTHER_STREAMS)


async def test_f08_removed_pair_is_unsubscribed_and_holds_nothing_up() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR, OTHER_PAIR)
        assert await connector.remove_trading_pair(OTHER_PAIR)
        await until(lambda: here.double.public.ended_streams == OTHER_STREAMS)
        assert OTHER_PAIR not in connector.order_books
        asked = here.double.count("get_depth")
        await here.double.public.close()
        await until(lambda: not connector.ready)
        await until(lambda: connector.ready)
        assert sorted(here.double.public.streams) == sorted(STREAMS)
        assert {seen.query["symbol"] for seen in here.double.seen("get_depth")[asked:]} == {SYMBOL}


async def test_f08_unlisted_pair_cannot_be_added(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        assert not await connector.add_trading_pair("NOPE-USDC")
        assert "NOPE-USDC is not a market that can be traded" in caplog.text
        assert connector.ready


async def test_f08_pair_cannot_be_added_without_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        await here.simulator.hub.close()
        await until(lambda: not connector.ready)
        assert not await connector.add_trading_pair(OTHER_PAIR)
        assert f"The public stream is not connected, so {OTHER_PAIR}" in caplog.text


async def test_f08_silent_stream_whose_book_moves_is_noticed_and_subscribed_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracked_book, "SILENCE_S", 0.1)
    monkeypatch.setattr(silence_watch, "SILENCE_CHECK_S", 0.05)
    monkeypatch.setattr(silence_watch, "STREAM_LAG_S", 0.05)
    async with world(with_double=True) as here:
        here.fill_book()

        async def withhold_first_subscription(connection: object, frame: dict) -> bool:
            return frame.get("params") != STREAMS or len(here.double.public.streams) > len(STREAMS)

        here.double.on_client_frame = withhold_first_subscription
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: connector.ready)
        here.rest(Side.BID, "149.5")
        await until(lambda: here.double.public.streams == STREAMS * 2)
        assert "is silent although its book has moved" in caplog.text
        await until(lambda: connector.ready)
        here.rest(Side.BID, "149.4")
        await until(lambda: book_of(connector) == here.book())


async def test_f08_silent_stream_of_a_quiet_market_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked_book, "SILENCE_S", 0.1)
    monkeypatch.setattr(silence_watch, "SILENCE_CHECK_S", 0.05)
    monkeypatch.setattr(silence_watch, "STREAM_LAG_S", 0.05)
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        asked = here.double.count("get_depth")
        await until(lambda: here.double.count("get_depth") >= asked + 2)
        assert here.double.public.streams == STREAMS
        assert connector.ready
        assert book_of(connector) == here.book()


async def test_f08_failing_silence_check_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracked_book, "SILENCE_S", 0.1)
    monkeypatch.setattr(silence_watch, "SILENCE_CHECK_S", 0.05)
    monkeypatch.setattr(silence_watch, "STREAM_LAG_S", 0.05)
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.double.answer("get_depth", UNAVAILABLE)
        await until(lambda: "is silent, and so is its depth" in caplog.text)
        assert connector.ready
        assert book_of(connector) == here.book()


async def test_f45_one_failing_snapshot_is_asked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.double.answer_once("get_depth", UNAVAILABLE)
        connector = await here.started(PAIR)
        assert book_of(connector) == here.book()
        assert f"No order book of {PAIR} yet" in caplog.text


async def test_f45_failing_pair_does_not_hold_up_the_book_of_another() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.double.answer("get_depth", lambda seen: UNAVAILABLE if seen.query["symbol"] == OTHER_SYMBOL else None)
        connector = here.connector(OTHER_PAIR, PAIR)
        await connector.start_network()
        await until(lambda: PAIR in connector.order_books)
        assert book_of(connector) == here.book()
        assert not connector.ready
        here.double.answer("get_depth", None)
        await until(lambda: connector.ready)


async def test_f45_one_failing_market_list_does_not_unlist_the_pairs(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.double.answer_once("get_markets", UNAVAILABLE, UNAVAILABLE)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: book_of(connector) == here.book() if PAIR in connector.order_books else False)
        assert "is not a market that can be traded" not in caplog.text
        await until(lambda: connector.ready)
        here.rest(Side.BID, "149.5")
        await until(lambda: book_of(connector) == here.book())


@pytest.mark.parametrize("pair", [CLOSED_PAIR, "NOPE-USDC"])
async def test_f45_closed_or_unlisted_pair_is_reported_and_holds_nothing_up(
    pair: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(pair, PAIR)
        assert f"{pair} is not a market that can be traded" in caplog.text
        assert book_of(connector) == here.book()
        assert book_of(connector, pair) == ({}, {})
        here.rest(Side.BID, "149.5")
        await until(lambda: book_of(connector) == here.book())


async def test_f45_closed_pair_gets_its_book_when_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_book_tracking, "CLOSED_PAIR_PAUSE_S", 0.1)
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR, CLOSED_PAIR)
        await stays(lambda: connector.ready, for_s=0.25)
        here.set_state(CLOSED_SYMBOL, OrderBookState.OPEN)
        here.fill_book(CLOSED_SYMBOL, "2")
        await until(lambda: book_of(connector, CLOSED_PAIR) == here.book(CLOSED_SYMBOL))
        here.rest(Side.BID, "1", "10", CLOSED_SYMBOL)
        await until(lambda: book_of(connector, CLOSED_PAIR) == here.book(CLOSED_SYMBOL))
        assert connector.ready
        assert connector.trading_rules[CLOSED_PAIR].supports_limit_orders


async def test_f45_opening_pair_misses_nothing_between_snapshot_and_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_book_tracking, "CLOSED_PAIR_PAUSE_S", 0.1)
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR, CLOSED_PAIR)

        async def move_the_book_first(connection: object, frame: dict) -> bool:
            here.rest(Side.BID, "1", "10", CLOSED_SYMBOL)
            return True

        here.double.on_client_frame = move_the_book_first
        here.set_state(CLOSED_SYMBOL, OrderBookState.OPEN)
        here.fill_book(CLOSED_SYMBOL, "2")
        await until(lambda: f"depth.{CLOSED_SYMBOL}" in here.double.public.streams)
        await until(lambda: book_of(connector, CLOSED_PAIR) == here.book(CLOSED_SYMBOL), limit_s=2.0)


async def test_f45_pair_that_closes_at_run_time_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as here:
        here.fill_book()
        here.fill_book(OTHER_SYMBOL, "86700")
        connector = await here.started(PAIR, OTHER_PAIR)
        here.set_state(OTHER_SYMBOL, OrderBookState.CLOSED)
        await connector._update_trading_rules()
        await here.simulator.hub.close()
        await until(lambda: not connector.ready)
        await until(lambda: connector.ready)
        assert book_of(connector) == here.book()
        assert book_of(connector, OTHER_PAIR) == ({}, {})
        assert OTHER_PAIR in caplog.text


async def test_f45_pair_whose_depth_is_not_found_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        # The market list comes from a cache of five minutes, so that it may still show a closed market as open.
        here.double.alter("get_markets", _as_open)
        connector = await here.started(CLOSED_PAIR, PAIR)
        assert book_of(connector) == here.book()
        assert CLOSED_PAIR in caplog.text


def _as_open(rows: list) -> list:
    return [{**row, "orderBookState": "Open"} if row["symbol"] == CLOSED_SYMBOL else row for row in rows]


async def test_books_are_made_by_the_function_that_the_tracker_was_given() -> None:
    async with world() as here:
        here.fill_book()
        connector = here.connector(
            PAIR, CLOSED_PAIR, backpack_api_key="", backpack_api_secret="", trading_required=False
        )
        paper = PaperTradeExchange(connector.order_book_tracker, BackpackExchange, exchange_name="backpack_simulator")
        await paper.start_network()
        try:
            await until(lambda: paper.ready)
            assert type(paper.order_books[PAIR]) is CompositeOrderBook
            assert type(paper.order_books[CLOSED_PAIR]) is CompositeOrderBook
            here.rest(Side.BID, "149.5")
            await until(lambda: book_of(connector) == here.book())
        finally:
            await paper.stop_network()


class Gate:
    """A place where something waits until the test lets it go on."""

    def __init__(self) -> None:
        self.is_reached, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def passed(self) -> None:
        self.is_reached.set()
        await self.may_go_on.wait()


@pytest.mark.parametrize("moment", ["snapshot", "closed market", "lag of the stream", "subscribing again"])
async def test_pair_that_is_removed_while_its_silence_is_looked_into_stays_removed(
    moment: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.fill_book(OTHER_SYMBOL, "86700")
        connector = await here.started(PAIR, OTHER_PAIR)
        source, gate = connector._orderbook_ds, Gate()
        tracked = source._books[OTHER_SYMBOL]

        async def late(_: Seen) -> Reply | None:
            await gate.passed()
            return failure(404, "RESOURCE_NOT_FOUND", "Not found") if moment == "closed market" else None

        async def sleep(delay_s: float) -> None:
            await (gate.passed() if delay_s == silence_watch.STREAM_LAG_S else asyncio.sleep(delay_s))

        async def subscribe(pair: str) -> bool:
            is_sent = bool(await type(source).subscribe_to_trading_pair(source, pair))
            await gate.passed()
            return is_sent

        if moment in ("snapshot", "closed market"):
            here.double.answer("get_depth", late)
        if moment == "lag of the stream":
            monkeypatch.setattr(silence_watch, "asyncio", SimpleNamespace(sleep=sleep, gather=asyncio.gather))
        else:
            monkeypatch.setattr(silence_watch, "STREAM_LAG_S", 0.0)
        if moment == "subscribing again":
            monkeypatch.setattr(source, "subscribe_to_trading_pair", subscribe)
        tracked.strike()  # the next one is enough to blame the connection
        here.double.on_server_frame = lambda _, frame: [] if frame.get("stream", "").startswith("depth") else [frame]
        here.rest(Side.BID, "86600", symbol=OTHER_SYMBOL)
        verdict = asyncio.ensure_future(source._is_connection_to_blame(tracked))
        await gate.is_reached.wait()
        assert await connector.remove_trading_pair(OTHER_PAIR)
        gate.may_go_on.set()
        assert not await verdict
        await asyncio.sleep(0)
        assert tracked.resync is not None
        assert tracked.resync.done(), "nobody would cancel it"
        again = moment == "subscribing again"
        assert here.double.public.streams.count(f"depth.{OTHER_SYMBOL}") == 1 + again
        assert (OTHER_PAIR in caplog.text and "subscribing again" in caplog.text) == again


@pytest.mark.parametrize("is_given_up", [False, True], ids=["the first comes last", "the first is given up"])
async def test_of_two_who_ask_for_a_book_both_have_the_one_that_is_followed(
    is_given_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(with_double=True) as here:
        here.fill_book(OTHER_SYMBOL, "86700")
        source = (await here.started(PAIR))._orderbook_ds
        splice, may_go_on, seen = source._splice, asyncio.Event(), list[object]()

        async def slow_at_first(tracked: tracked_book.TrackedBook) -> bool:
            seen.append(tracked)
            if tracked is seen[0]:
                await may_go_on.wait()
            return bool(await splice(tracked))

        monkeypatch.setattr(source, "_splice", slow_at_first)
        first = asyncio.ensure_future(source.get_new_order_book(OTHER_PAIR))
        await until(lambda: seen)
        second = await source.get_new_order_book(OTHER_PAIR)
        if is_given_up:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        else:
            may_go_on.set()
            assert await first is second
        assert source._books[OTHER_SYMBOL].book is second
