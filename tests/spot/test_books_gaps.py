"""F06 and F07: a book is complete and current, or it is empty; it is never spliced over a hole."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from backpack_connector import backpack_api_order_book_data_source as data_source_module
from backpack_connector import tracked_book
from backpack_connector.protocol.enums import Side
from tests.spot.session import OTHER_PAIR, OTHER_SYMBOL, PAIR, SYMBOL, World, book_of, stays, until, world
from tests.spot.stream_double import Reply, Seen

pytestmark = pytest.mark.usefixtures("each_reader_of_streams")

EMPTY: "tuple[dict[float, float], dict[float, float]]" = ({}, {})


class Gate:
    """Holds depth answers back, asked of the simulator before or after the wait."""

    def __init__(self, here: World, *, asks_first: bool = False) -> None:
        self.here = here
        self.waiting = 0
        self._asks_first = asks_first
        self._open = asyncio.Event()

    async def __call__(self, seen: Seen) -> Reply:
        answer = await self.here.double.ask_simulator(seen) if self._asks_first else None
        self.waiting += 1
        await self._open.wait()
        status, body = answer or await self.here.double.ask_simulator(seen)
        return Reply(body, status)

    def open(self) -> None:
        """Let all answers go, and later ones pass."""
        self._open.set()
        self.here.double.answer("get_depth", None)


def lose_next_depth_frame(here: World) -> None:
    """Withhold one depth message from the connector."""

    def withhold(connection: object, frame: dict) -> list:
        if not frame.get("stream", "").startswith("depth."):
            return [frame]
        here.double.on_server_frame = None
        return []

    here.double.on_server_frame = withhold


async def gap(here: World, *, asks_first: bool = False) -> Gate:
    """Lose an update of a book, and return the gate at which the connector waits for a new snapshot."""
    gate = Gate(here, asks_first=asks_first)
    here.double.answer("get_depth", gate)
    lose_next_depth_frame(here)
    here.rest(Side.BID, "149.5")
    here.rest(Side.BID, "149.4")
    await until(lambda: gate.waiting)
    return gate


async def test_f06_gap_empties_the_book_and_resynchronises(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        gate = await gap(here)
        assert book_of(connector) == EMPTY
        assert not connector.ready
        assert f"The order book of {PAIR} missed updates" in caplog.text
        gate.open()
        await until(lambda: connector.ready)
        assert book_of(connector) == here.book()


async def test_f06_gap_of_one_pair_leaves_the_books_of_others() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.fill_book(OTHER_SYMBOL, "86700")
        connector = await here.started(PAIR, OTHER_PAIR)
        gate = await gap(here)
        here.rest(Side.ASK, "86800", symbol=OTHER_SYMBOL)
        await until(lambda: book_of(connector, OTHER_PAIR) == here.book(OTHER_SYMBOL))
        assert book_of(connector) == EMPTY
        gate.open()
        await until(lambda: connector.ready)


async def _close(here: World) -> None:
    await here.double.public.close()


async def _cut(here: World) -> None:
    here.double.public.cut()


@pytest.mark.parametrize("end", [_close, _cut])
async def test_f06_reconnect_takes_a_new_snapshot(
    end: Callable[[World], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        asked_before = here.double.count("get_depth")
        here.double.refuses_streams = True
        await end(here)
        await until(lambda: not connector.ready)
        assert book_of(connector) == EMPTY
        missed = here.rest(Side.BID, "149.5")
        here.rest(Side.ASK, "150.5")
        here.withdraw(missed)
        assert "The connection of the public stream ended" in caplog.text
        here.double.refuses_streams = False
        await until(lambda: connector.ready)
        assert here.double.count("get_depth") > asked_before
        assert book_of(connector) == here.book()


async def test_f06_close_frame_of_the_simulator_is_survived() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        await here.simulator.hub.close()
        await until(lambda: not connector.ready)
        here.rest(Side.BID, "149.5")
        await until(lambda: connector.ready)
        here.rest(Side.BID, "149.4")
        await until(lambda: book_of(connector) == here.book())


async def test_f06_snapshot_that_arrives_without_a_stream_is_not_offered() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        gate = await gap(here)
        here.double.refuses_streams = True
        await here.double.public.close()
        await until(lambda: connector._orderbook_ds._ws_assistant is None)
        gate.open()
        await stays(lambda: not connector.ready and book_of(connector) == EMPTY, for_s=0.5)
        here.double.refuses_streams = False
        await until(lambda: connector.ready)
        assert book_of(connector) == here.book()


async def test_f06_snapshot_asked_before_a_reconnect_is_not_used_after_it() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        gate = await gap(here, asks_first=True)
        connections = len(here.double.connections)
        await here.double.public.close()
        here.rest(Side.BID, "149.3")
        await until(lambda: len(here.double.connections) > connections and here.double.public.streams)
        gate.open()
        await until(lambda: connector.ready)
        assert book_of(connector) == here.book()


async def test_f06_endless_gaps_do_not_use_up_the_requests() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        asked_before = here.double.count("get_depth")
        here.double.on_server_frame = _with_every_second_depth_frame_lost()
        for cents in range(200):
            here.rest(Side.BID, f"{140 + cents / 100:.2f}")
            await asyncio.sleep(0.005)
        assert here.double.count("get_depth") - asked_before <= 12
        here.double.on_server_frame = None
        await until(lambda: connector.ready and book_of(connector) == here.book())


def _with_every_second_depth_frame_lost() -> Callable[[object, dict], list]:
    seen = 0

    def lose(connection: object, frame: dict) -> list:
        nonlocal seen
        if not frame.get("stream", "").startswith("depth."):
            return [frame]
        seen += 1
        return [] if seen % 2 else [frame]

    return lose


async def test_f06_a_late_gap_does_not_wait_for_the_failures_of_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        monkeypatch.setattr(data_source_module, "HEALTHY_AFTER_S", 0.0, raising=False)
        backoff = connector._orderbook_ds._books[SYMBOL].backoff
        for _ in range(8):
            backoff.next_pause_s()
        lose_next_depth_frame(here)
        here.rest(Side.BID, "149.5")
        here.rest(Side.BID, "149.4")
        await until(lambda: connector.ready and book_of(connector) == here.book(), limit_s=1.0)
        assert backoff.next_pause_s() <= 2 * tracked_book.FIRST_RESYNC_PAUSE_S


async def test_f07_updates_that_the_snapshot_contains_are_dropped() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        gate = Gate(here)
        here.double.answer("get_depth", gate)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: gate.waiting and here.simulator.hub.is_wanted((None, f"depth.{SYMBOL}")))
        # The level comes and goes while the snapshot is on its way, so that replaying would bring back what is gone.
        here.withdraw(here.rest(Side.BID, "149.5"))
        here.withdraw(here.rest(Side.ASK, "150.4"))
        await until(lambda: connector._orderbook_ds._books[SYMBOL].sequence.buffered_count == 4)
        gate.open()
        await until(lambda: connector.ready)
        assert book_of(connector) == here.book()
        here.rest(Side.BID, "149.4")
        await until(lambda: book_of(connector) == here.book())


async def test_f07_snapshot_that_lags_the_stream_is_retried_and_never_spliced() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        gate = Gate(here, asks_first=True)  # the answer is the book as it was before the changes
        here.double.answer("get_depth", gate)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: gate.waiting and here.simulator.hub.is_wanted((None, f"depth.{SYMBOL}")))
        here.double.on_server_frame = _without_first_depth_frame()
        here.rest(Side.BID, "149.5")
        here.rest(Side.BID, "149.4")
        await until(lambda: connector._orderbook_ds._books[SYMBOL].sequence.buffered_count == 1)
        asked_before = here.double.count("get_depth")
        gate.open()
        await until(lambda: connector.ready)
        assert here.double.count("get_depth") == asked_before + 1
        assert book_of(connector) == here.book()


def _without_first_depth_frame() -> Callable[[object, dict], list]:
    lost: list[dict] = []

    def lose(connection: object, frame: dict) -> list:
        if frame.get("stream", "").startswith("depth.") and not lost:
            lost.append(frame)
            return []
        return [frame]

    return lose


async def test_f07_snapshot_ahead_of_the_stream_waits_for_no_one() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        held: list[dict] = []
        connection = here.double.public

        def hold(_: object, frame: dict) -> list:
            held.append(frame)
            return []

        here.double.on_server_frame = hold
        here.rest(Side.BID, "149.5")
        here.rest(Side.BID, "149.4")
        await until(lambda: len(held) == 2)
        tracked = connector._orderbook_ds._books[SYMBOL]
        tracked.sequence.restart()
        connector._orderbook_ds._start_again(tracked)
        await until(lambda: book_of(connector) == here.book())
        for frame in held:
            await connection.send(frame)
        here.double.on_server_frame = None
        here.rest(Side.BID, "149.3")
        await until(lambda: book_of(connector) == here.book())
        assert connector.ready
