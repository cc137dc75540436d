"""The latencies of a running bot: what the figures are, how much memory they take, and that real paths note them."""

import asyncio
import random
import time
from decimal import Decimal
from math import inf
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent
from hummingbot.core.network_iterator import NetworkStatus

from backpack_connector import latency
from backpack_connector.latency import LatencyRecorder, LatencyWindow, TimedFrame, as_text, orders_of_request, timed
from backpack_connector.order_journal import latency_of, read_journals
from backpack_connector.protocol.enums import Side
from tests.spot.session import PAIR, book_of, until, world

NAMES = ["order: call -> sent", "order: sent -> accepted", "cancel: begun -> cancelled"]
NAMES += ["depth frame -> book (1 in 16)", "fill frame -> event told"]


class Hands:
    """A clock that is set by hand."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def counts(recorder: Any) -> dict[str, int]:
    return {one.what: one.count for one in recorder.report("x").latencies}


@pytest.mark.parametrize("scale_s", [2e-6, 3e-4, 0.7])
def test_percentiles_are_off_by_two_percent_at_most_and_the_greatest_is_exact(scale_s: float) -> None:
    values = [random.Random(1).lognormvariate(0, 1) * scale_s * (1 + number / 999) for number in range(999)]
    window = LatencyWindow("x")
    for value in values:
        window.note(value)
    values.sort()
    found = window.latency()
    for figure, rank in ((found.p50_s, 500), (found.p90_s, 900), (found.p99_s, 990)):
        assert figure == pytest.approx(values[rank - 1], rel=0.02)
    assert found.max_s == pytest.approx(values[-1], abs=1e-9)
    assert found.count == 999


def test_no_figure_is_greater_than_the_longest() -> None:
    window = LatencyWindow("x")
    window.note(0.001)
    found = window.latency()
    assert (found.count, found.max_s) == (1, 0.001)
    assert 0.00098 < found.p50_s <= 0.001
    assert found.p50_s == found.p99_s


def test_nothing_has_no_figures_and_odd_durations_do_no_harm() -> None:
    window = LatencyWindow("x")
    assert window.latency() == latency.Latency("x", 0, 0.0, 0.0, 0.0, 0.0)
    for odd in (0.0, -1.0, 1e9):
        window.note(odd)
    assert window.latency().count == 3


def test_memory_does_not_grow_however_much_comes() -> None:
    window = LatencyWindow("x")
    for _ in range(3 * latency.MOST_UNCOUNTED):
        window.note(0.001)
    assert len(window._uncounted) == latency.MOST_UNCOUNTED
    size = len(window._buckets)
    for _ in range(3):
        window.turn()
    assert len(window._uncounted) == 0
    assert (len(window._buckets), len(window._earlier)) == (size, size)


def test_orders_that_nobody_ends_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "MOST_OPEN", 3)
    recorder = LatencyRecorder()
    for number in range(10):
        recorder.order_called(str(number))
        recorder.cancel_called(str(number))
    assert list(recorder._called_at_s) == list(recorder._cancels_at_s) == ["7", "8", "9"]


def test_figures_are_those_of_the_last_minutes() -> None:
    clock = Hands()
    recorder = LatencyRecorder(clock)
    for moment_s, count, covers_s in ((10, 1, 10), (310, 2, 310), (500, 3, 500), (615, 2, 305), (930, 1, 315)):
        clock.now_s = 1_000.0 + moment_s
        recorder.book_changed(moment_s * 1e-6)
        recorder.tick()
        report = recorder.report("x")
        assert (report.latencies[3].count, report.covers_s) == (count, covers_s), moment_s
    assert recorder.report("x").latencies[3].max_s == pytest.approx(930e-6)


async def test_an_order_is_followed_from_the_call_to_its_end() -> None:
    clock = Hands()
    recorder = LatencyRecorder(clock)

    async def place(*client_order_ids: str) -> None:
        orders_of_request.set(client_order_ids)
        clock.now_s += 0.25
        recorder.requests_leave()
        recorder.requests_leave()  # asked again with another time

    recorder.order_called("1")
    recorder.order_called("2")
    recorder.order_called("never sent")
    await asyncio.create_task(place("1", "2"))
    recorder.requests_leave()  # of a task without orders
    for seconds, tell in ((0.5, recorder.order_known), (0.0, recorder.order_known), (2.0, recorder.cancel_called),
                          (1.0, recorder.order_cancelled), (1.0, recorder.order_cancelled)):  # fmt: skip
        clock.now_s += seconds
        tell("1")
    recorder.order_known("adopted")
    recorder.order_cancelled("by the exchange")
    sent, accepted, cancelled, *_ = recorder.report("x").latencies
    assert (sent.count, sent.max_s) == (2, 0.25)
    assert (accepted.count, accepted.max_s) == (1, 0.5)
    assert (cancelled.count, cancelled.max_s) == (1, 1.0)
    for name in ("1", "2", "never sent"):
        recorder.order_ended(name)
    assert not recorder._called_at_s
    assert not recorder._sent_at_s
    assert not recorder._cancels_at_s


def test_a_frame_that_waited_knows_when_it_came() -> None:
    clock = Hands()
    recorder = LatencyRecorder(clock)
    earliest_s = time.monotonic()
    frame = timed({"stream": "x"})
    assert isinstance(frame, TimedFrame)
    assert earliest_s <= frame.came_s <= time.monotonic()
    assert frame == {"stream": "x"}
    assert timed(None) is None
    for came_s, count, longest_s in ((None, 1, 0.5), (990.0, 2, 11.0)):
        recorder.frame_came(came_s)
        clock.now_s += 0.5
        recorder.fill_told()
        found = recorder.report("x").latencies[4]
        assert (found.count, found.max_s) == (count, longest_s)


def test_the_table_has_a_line_for_each_and_no_figures_for_what_never_happened() -> None:
    clock = Hands()
    recorder = LatencyRecorder(clock)
    recorder.book_changed(0.0000021)
    clock.now_s += 42
    text = as_text(recorder.report("backpack"))
    assert text.splitlines()[0] == "Latency of backpack, last 42 s:"
    assert [line[2:31].strip() for line in text.splitlines()[2:]] == NAMES
    assert "depth frame -> book (1 in 16)         1   2.10 us" in text
    assert "fill frame -> event told              0         -" in text
    clock.now_s += 240
    assert "last 5 min" in as_text(recorder.report("backpack"))


async def test_the_real_paths_are_measured() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.rest(Side.BID, "149.5")  # the first frame learns the time
        await until(lambda: book_of(connector) == here.book())
        order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("149"))
        await until(lambda: connector.in_flight_orders[order_id].is_open)
        connector.cancel(PAIR, order_id)
        await until(lambda: order_id not in connector.in_flight_orders)
        assert counts(connector.latency) | {NAMES[3]: 0} == dict(zip(NAMES, (1, 1, 1, 0, 0), strict=True))
        wanted = [LimitOrder("", PAIR, True, "SOL", "USDC", Decimal(price), Decimal(1)) for price in (148, 149)]
        connector.batch_order_create(wanted)
        await until(lambda: sum(order.is_open for order in connector.in_flight_orders.values()) == 2)
        connector.sell(PAIR, Decimal(1), OrderType.MARKET)
        await until(lambda: counts(connector.latency)[NAMES[4]] == 1)
        for step in range(16):
            here.rest(Side.BID, f"148.{step + 51}")
        await until(lambda: counts(connector.latency)[NAMES[3]])
        found = connector.latency_report()
        assert [one.count for one in found.latencies[:3]] == [4, 4, 1]
        assert all(0 < one.p50_s <= one.p99_s <= one.max_s < 5 for one in found.latencies)
        assert found.connector == connector.name
        assert connector.latency_text().startswith(f"Latency of {connector.name}, last ")
        await until(lambda: len(connector.in_flight_orders) == 2)
        assert len(connector.latency._called_at_s) + len(connector.latency._sent_at_s) == 0


async def test_the_cancel_of_an_order_that_has_ended_is_not_followed() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        order_id = connector.sell(PAIR, Decimal(1), OrderType.MARKET)
        order = connector.in_flight_orders[order_id]
        await until(lambda: order.is_filled)
        await connector._execute_order_cancel(order)
        assert not connector.latency._cancels_at_s


async def test_the_clock_counts_and_shows_what_was_measured() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal("149"))
        await until(lambda: connector.latency._accepted._uncounted)
        connector.latency._counted_s -= 1
        connector._journal._show_at = inf
        connector.tick(time.time())
        assert not connector.latency._accepted._uncounted
        connector._journal._show_at = 0.0
        connector.tick(time.time())
        (journal,) = read_journals(connector._journal.path.parent)
        shown = latency_of(journal)
        assert shown is not None
        assert shown.latencies[1].count == 1


async def test_an_order_that_was_refused_leaves_nothing_behind() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        order_id = connector.buy(PAIR, Decimal(10**6), OrderType.LIMIT, Decimal("149"))
        assert order_id in connector.latency._sent_at_s or order_id in connector.latency._called_at_s
        await until(lambda: order_id not in connector.in_flight_orders)
        assert not connector.latency._sent_at_s
        assert not connector.latency._called_at_s
        assert counts(connector.latency)[NAMES[1]] == 0


async def test_the_book_has_changed_when_its_frame_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.rest(Side.BID, "149.5")
        await until(lambda: book_of(connector) == here.book())
        done: list[str] = []
        source, apply_diffs = connector._orderbook_ds, OrderBook.apply_diffs
        connector._orderbook_ds._book_changed = lambda seconds: done.append("measured")
        book = source._books["SOL_USDC"]

        class Watched:
            def __getattr__(self, name: str) -> Any:
                return getattr(connector.get_order_book(PAIR), name)

            def apply_diffs(self, *arguments: Any) -> None:
                done.append("changed")
                apply_diffs(connector.get_order_book(PAIR), *arguments)

        book.book = Watched()
        before = book.sequence.last_update_id
        for step in range(32):
            here.rest(Side.BID, f"149.{step + 51}")
        await until(lambda: done.count("changed") == 32)
        numbers = range(before + 1, before + 33)
        expected = [["changed", "measured"] if number % 16 == 0 else ["changed"] for number in numbers]
        assert done == [one for both in expected for one in both]


async def test_a_fill_is_measured_when_its_event_has_been_told_also_from_the_queue() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        told: list[float] = []
        seen: list[int] = []
        listener = EventForwarder(
            lambda event: (told.append(event.price), seen.append(counts(connector.latency)[NAMES[4]]))
        )
        connector.add_listener(MarketEvent.OrderFilled, listener)
        source = connector._user_stream_tracker.data_source
        came: list[float | None] = []
        frame_came = connector.latency.frame_came

        def note(came_s: float | None = None) -> None:
            came.append(came_s)
            frame_came(came_s)

        connector.latency.frame_came = note
        connector.sell(PAIR, Decimal(1), OrderType.MARKET)
        await until(lambda: counts(connector.latency)[NAMES[4]] == 1)
        assert (len(told), seen) == (1, [0])
        assert None in came, "heard at once"
        source._is_heard_at_once = lambda text, queue: False
        came.clear()
        earliest_s = time.monotonic()
        connector.sell(PAIR, Decimal(1), OrderType.MARKET)
        await until(lambda: counts(connector.latency)[NAMES[4]] == 2)
        assert (len(told), seen) == (2, [0, 1])
        assert came
        assert all(moment_s is not None and earliest_s < moment_s < time.monotonic() for moment_s in came)


async def test_a_stop_leaves_the_figures_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        caplog.set_level("INFO")
        monkeypatch.setattr(type(connector), "network_status", NetworkStatus.STOPPED)
        connector.latency = LatencyRecorder()
        await connector.stop_network()
        assert "depth frame -> book" not in caplog.text, "nothing was measured"
        connector.latency.book_changed(0.001)
        await connector.stop_network()
        assert "depth frame -> book" in caplog.text
