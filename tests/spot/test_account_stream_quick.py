"""Messages about orders are applied where their frame arrives, and never before one that came earlier."""

import asyncio
import json
from decimal import Decimal
from typing import Any

from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import OrderState

from backpack_connector.protocol.streams import ORDER_UPDATES
from tests.protocol.samples import frame
from tests.spot.session import PAIR, until, world

BALANCE = json.dumps(
    {"stream": "account.balanceUpdate", "data": {"E": 1, "T": 1, "a": "SOL", "A": "1", "L": "0", "S": "0"}}
)


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
        assert not source._is_heard_at_once(BALANCE, queue), "all else goes through the queue"
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
