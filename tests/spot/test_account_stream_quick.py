"""Messages of the account are applied where their frame arrives, and never before one that came earlier."""

import asyncio
import itertools
import json
import logging
import sys
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.event.events import MarketEvent

from backpack_connector.protocol.streams import ORDER_UPDATES
from tests.protocol.samples import frame
from tests.spot.session import PAIR, SYMBOL, events_of, until, world

pytestmark = pytest.mark.usefixtures("each_reader_of_streams")

BALANCE = json.dumps(
    {"stream": "account.balanceUpdate", "data": {"E": 1, "T": 1, "a": "SOL", "A": "1", "L": "0", "S": "0"}}
)


OTHER = json.dumps({"stream": "account.positionUpdate", "data": {"E": 1, "s": "SOL_USDC_PERP"}})


def _order_text() -> str:
    return json.dumps({"stream": ORDER_UPDATES, "data": frame("order_update.market_fill")["data"]})


async def test_an_order_message_needs_neither_queue_nor_task() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        source, queue = connector._user_stream_tracker.data_source, connector._user_stream_tracker.user_stream
        put: list[Any] = []
        queue.put_nowait = put.append
        heard: list[Any] = []
        hear = connector._on_order_message
        connector._on_order_message = lambda message: (heard.append(message), hear(message))
        order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(149))
        await until(lambda: heard)
        assert [str(message.client_id) for message in heard] == [order_id]
        assert ORDER_UPDATES not in {entry.get("stream") for entry in put}
        await until(lambda: connector.in_flight_orders[order_id].current_state is OrderState.OPEN)
        assert source.last_recv_time > 0


async def test_an_order_message_does_not_overtake_what_waits_in_the_queue() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        source, queue = connector._user_stream_tracker.data_source, connector._user_stream_tracker.user_stream
        await until(queue.empty)
        assert source._is_heard_at_once(_order_text(), queue)
        assert source._is_heard_at_once(BALANCE, queue)
        assert not source._is_heard_at_once(OTHER, queue), "all else goes through the queue"
        queue.put_nowait(json.loads(BALANCE))
        assert not source._is_heard_at_once(_order_text(), queue)


async def test_who_has_a_queue_of_his_own_finds_every_frame_there() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        source = connector._user_stream_tracker.data_source
        assert not source._is_heard_at_once(_order_text(), asyncio.Queue())
        await connector.stop_network()
        assert connector.followed_queue is None
        assert not source._is_heard_at_once(_order_text(), connector._user_stream_tracker.user_stream)


async def test_a_message_that_breaks_something_ends_nothing() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        source, queue = connector._user_stream_tracker.data_source, connector._user_stream_tracker.user_stream
        await until(queue.empty)

        def fail(_: Any) -> None:
            raise RuntimeError("odd")

        connector._on_order_message = fail
        assert source._is_heard_at_once(_order_text(), queue)
        assert connector._asking_soon is not None, "what could not be applied is asked for"


async def test_a_balance_is_known_at_once() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        source, queue = connector._user_stream_tracker.data_source, connector._user_stream_tracker.user_stream
        await until(queue.empty)
        now_us = connector.latest_time_us - 10**12
        told = {"E": now_us, "T": now_us, "a": "SOL", "A": "12.5", "L": "2.5", "S": "0"}
        assert source._is_heard_at_once(json.dumps({"stream": "account.balanceUpdate", "data": told}), queue)
        assert (connector.get_available_balance("SOL"), connector.get_balance("SOL")) == (Decimal("12.5"), Decimal(15))


async def test_a_clock_that_has_gone_on_costs_one_message_the_long_way() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        source, queue = connector._user_stream_tracker.data_source, connector._user_stream_tracker.user_stream
        await until(queue.empty)
        source._latest_time_us = 10**15  # as if the stream had been subscribed to years ago
        assert not source._is_heard_at_once(_order_text(), queue)
        assert source._latest_time_us == connector.latest_time_us
        assert source._is_heard_at_once(_order_text(), queue)


async def test_while_a_stream_is_doubted_all_frames_take_the_long_way_that_clears_it() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        source, queue = connector._user_stream_tracker.data_source, connector._user_stream_tracker.user_stream
        await until(queue.empty)
        source._doubted_stream = ORDER_UPDATES
        assert not source._is_heard_at_once(_order_text(), queue)
        source._on_frame(json.loads(_order_text()), queue)
        assert source._doubted_stream is None


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
async def test_a_fill_is_the_same_event_whether_its_sentence_is_logged_or_not(
    level: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        source, queue = connector._user_stream_tracker.data_source, connector._user_stream_tracker.user_stream
        await until(queue.empty)
        order = _open_order(5)
        connector.order_tracker.start_tracking_order(order)
        filled = events_of(connector, MarketEvent.OrderFilled)
        with caplog.at_level(level, connector.order_tracker.logger().name):
            for trade_id in (1, 1, 2):
                assert source._is_heard_at_once(_fill_text(order, trade_id), queue)
        first, second = filled.event_log
        assert (first.order_id, first.trading_pair, first.amount) == ("5", PAIR, Decimal("0.01"))
        assert (first.exchange_trade_id, second.exchange_trade_id) == ("1", "2")
        assert (first.leverage, first.position, first.order_type) == (1, "NIL", OrderType.LIMIT)
        assert caplog.text.count("The BUY order 5 amounting to") == (2 if level == logging.INFO else 0)


FILLS = 50
WEIGHT_OF = {"one": (1, 0), "many": (1_000, 1_000)}


async def test_a_fill_costs_as_many_calls_with_a_thousand_orders_as_with_one() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        source, queue = connector._user_stream_tracker.data_source, connector._user_stream_tracker.user_stream
        await until(queue.empty)
        filled = events_of(connector, MarketEvent.OrderFilled)
        calls: dict[str, int] = {}
        numbers = itertools.count(1)
        for name, (open_orders, done_orders) in WEIGHT_OF.items():
            for number in range(open_orders + done_orders):
                order = _open_order(next(numbers))
                connector.order_tracker.start_tracking_order(order)
                if number >= open_orders:
                    connector.order_tracker.stop_tracking_order(order.client_order_id)
            order = next(iter(connector.order_tracker.active_orders.values()))
            frames = [_fill_text(order, next(numbers)) for _ in range(FILLS)]
            seen = 0

            def count(_: Any, event: str, __: Any) -> None:
                nonlocal seen
                seen += event in ("call", "c_call")

            sys.setprofile(count)
            try:
                for text in frames:
                    assert source._is_heard_at_once(text, queue)
            finally:
                sys.setprofile(None)
            calls[name] = seen
        assert len(filled.event_log) == 2 * FILLS
        assert calls["many"] <= 1.02 * calls["one"]


def _open_order(number: int) -> InFlightOrder:
    return InFlightOrder(
        client_order_id=str(number),
        exchange_order_id=f"7{number:09d}",
        trading_pair=PAIR,
        order_type=OrderType.LIMIT,
        trade_type=TradeType.BUY,
        amount=Decimal(1000),
        price=Decimal(100),
        creation_timestamp=1.0,
        initial_state=OrderState.OPEN,
    )


def _fill_text(order: InFlightOrder, trade_id: int) -> str:
    template = frame("order_update.market_fill")["data"]
    ids = {"c": int(order.client_order_id), "i": order.exchange_order_id, "s": SYMBOL, "t": trade_id}
    amounts = {"l": "0.01", "z": "999", "q": "1000", "X": "PartiallyFilled", "S": "Bid", "e": "orderFill"}
    return json.dumps({"stream": ORDER_UPDATES, "data": {**template, **ids, **amounts}})
