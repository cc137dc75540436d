"""F09: a private stream that is connected but tells nothing is noticed by what answers know, and connected anew."""

from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType

from backpack_connector import backpack_api_user_stream_data_source as data_source_module
from backpack_connector import reconnect, stream_evidence
from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.streams import BALANCE_UPDATES, ORDER_UPDATES
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.spot.session import PAIR, World, stays, until, world
from tests.spot.stream_double import failure

GRACE_S = 0.4
REPAIRED = "Repaired what the private stream has not told within"
REPAIRED_LATER = "Repaired what happened without the private stream"
RECONNECTED = "The connection of the private stream ended (it is connected but silent:"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for messages as long as a test can, and come back soon."""
    monkeypatch.setattr(stream_evidence, "GRACE_S", GRACE_S)
    monkeypatch.setattr(reconnect.Backoff.__init__, "__defaults__", (0.05, 0.2))


def resting(connector: Any) -> list[Any]:
    return [order for order in connector.in_flight_orders.values() if order.exchange_order_id is not None]


async def place(connector: Any, price: str = "140") -> Any:
    """Place an order, and wait for the answer."""
    order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(price))
    await until(lambda: connector.in_flight_orders.get(order_id) in resting(connector))
    return connector.in_flight_orders[order_id]


def cancel_elsewhere(here: World, order: Any) -> None:
    here.publish(here.simulator.exchange.cancel(here.key, here.symbol, order_id=order.exchange_order_id))


def inject(here: World, kind: FaultKind, **options: Any) -> int:
    (fault_id,) = here.simulator.faults.inject(Fault(kind=kind, **options))
    return fault_id


def connections(here: World) -> int:
    return sum(connection.is_private for connection in here.double.connections)


async def test_f09_subscription_that_was_ignored_is_noticed_by_the_first_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        fault_id = inject(here, FaultKind.SUBSCRIPTION_IGNORED)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: connector.ready)
        await here._has_polled(connector)
        order = await place(connector)
        here.simulator.faults.end(fault_id)
        await until(lambda: not connector.status_dict["user_stream_initialized"])
        assert f"{REPAIRED} {GRACE_S:g} s: order {order.client_order_id} in {PAIR} was PENDING_CREATE" in caplog.text
        await until(lambda: f"{RECONNECTED} order {order.client_order_id}" in caplog.text)
        await until(lambda: connections(here) == 2)
        # On probation: the new connection has told nothing yet.
        await stays(lambda: not connector.status_dict["user_stream_initialized"], for_s=0.3)
        cancel_elsewhere(here, order)
        await until(lambda: order.is_cancelled and connector.ready)
        await stays(lambda: connections(here) == 2, for_s=2 * GRACE_S)


async def test_f09_connection_on_probation_that_misses_nothing_is_ready_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data_source_module, "PROBATION_S", 0.3)
    async with world(with_double=True) as here:
        connector = await here.started()
        connector._doubt_user_stream(ORDER_UPDATES, "a test says so")
        assert not connector.ready
        await until(lambda: connections(here) == 2)
        await until(lambda: connector.ready)


@pytest.mark.parametrize("stream", [ORDER_UPDATES, BALANCE_UPDATES])
async def test_f09_one_stream_of_two_that_is_silent_is_noticed_at_the_next_poll(
    stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        fault_id = inject(here, FaultKind.SUBSCRIPTION_IGNORED, streams=(stream,))
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: connector.ready)
        await here._has_polled(connector)
        order = await place(connector)
        if stream == BALANCE_UPDATES:
            await stays(lambda: connections(here) == 1, for_s=2 * GRACE_S)
            await here.poll(connector)
        here.simulator.faults.end(fault_id)  # before it is subscribed again
        await until(lambda: connections(here) == 2)
        await until(lambda: here.simulator.hub.is_wanted((here.key, stream)))
        cancel_elsewhere(here, order)
        await until(lambda: order.is_cancelled and connector.ready)
        believed = {ORDER_UPDATES: "was PENDING_CREATE here", BALANCE_UPDATES: "was 10000 available, 0 locked"}
        said = {
            ORDER_UPDATES: "and is OPEN according to the answer",
            BALANCE_UPDATES: "and is 9860 available, 140 locked",
        }
        assert believed[stream] in caplog.text
        assert said[stream] in caplog.text


async def test_f09_subscription_that_was_forgotten_is_noticed_by_what_a_poll_finds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        order = await place(connector, "149.5")
        await until(lambda: not connector._evidence.is_waiting)
        for session in here.simulator.hub.sessions:
            session.forget_account(here.key)
        here.take(Side.ASK, "149.5", "11")  # the ten above ours, and ours
        await here.poll(connector)
        await until(lambda: order.is_filled)
        await until(lambda: connections(here) == 2)
        assert REPAIRED in caplog.text
        which = f"order {order.client_order_id} in {PAIR} was"
        await until(lambda: f"a fill of {which} missing, 1 at 149.5, trade" in caplog.text)
        await until(lambda: f"{which} OPEN here and is FILLED according to the order history" in caplog.text)


async def test_f09_stream_that_is_a_moment_later_than_answers_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        inject(here, FaultKind.FRAME_DELAYED, delay_s=GRACE_S / 4, streams=("account",))
        order = await place(connector, "149.5")
        here.take(Side.ASK, "149.5", "11")
        await here.poll(connector)
        await until(lambda: order.is_filled)
        await stays(lambda: connections(here) == 1 and connector.ready, for_s=2 * GRACE_S)
        assert "Repaired" not in caplog.text


async def test_one_lost_message_of_a_stream_that_works_is_named_and_costs_no_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        order, other = await place(connector), await place(connector, "139")
        await until(lambda: not connector._evidence.is_waiting)
        inject(here, FaultKind.FRAME_DROPPED, streams=("account",), count=2)  # the order and the balance
        cancel_elsewhere(here, order)
        await here.poll(connector)
        await until(lambda: order.is_cancelled)
        cancel_elsewhere(here, other)  # of which the stream tells
        await until(lambda: REPAIRED in caplog.text)
        assert "was OPEN here and is CANCELED according to the order history" in caplog.text
        await stays(lambda: connections(here) == 1, for_s=GRACE_S)


async def test_what_happened_while_the_stream_was_away_is_named_and_no_evidence_against_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        order = await place(connector)
        here.double.refuses_streams = True
        here.double.private.cut()
        await until(lambda: not connector.ready)
        cancel_elsewhere(here, order)
        here.double.refuses_streams = False
        await until(lambda: connector.ready and order.is_cancelled)
        told = connections(here)
        await until(lambda: f"{REPAIRED_LATER}: order {order.client_order_id} in {PAIR} was OPEN here" in caplog.text)
        assert REPAIRED not in caplog.text
        await stays(lambda: connections(here) == told and connector.ready, for_s=2 * GRACE_S)


async def test_f09_key_that_is_revoked_makes_it_not_ready_at_the_next_poll(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        connector = await here.started()
        fault_id = inject(here, FaultKind.KEY_REVOKED, account=here.key)
        await here.poll(connector)
        await until(lambda: not connector.ready)
        await until(lambda: "the exchange refuses the key" in caplog.text)
        await stays(lambda: not connector.ready, for_s=0.5)
        here.simulator.faults.end(fault_id)
        await here.poll(connector)
        await until(lambda: "the exchange refused the subscription" in caplog.text)


async def test_f09_key_that_may_only_read_costs_no_connection() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.double.answer("execute_order", failure(403, "FORBIDDEN", "The key may only read"))
        order_id = connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(140))
        await until(lambda: order_id not in connector.in_flight_orders and here.double.count("execute_order"))
        await stays(lambda: connections(here) == 1 and connector.ready, for_s=0.3)
