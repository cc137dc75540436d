"""F34: the exchange's time is known before anything is signed, and asked again when it is refused."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.core.data_type.common import OrderType

from backpack_connector.protocol.errors import ClockSkew
from backpack_connector.protocol.rate_limits import HISTORICAL_POOL
from tests.spot.session import PAIR, World, until, world
from tests.spot.stream_double import UNAVAILABLE, Connection, Reply, Seen, error_frame, failure

EXPIRED = failure(400, "INVALID_CLIENT_REQUEST", "Request has expired")


@contextmanager
def local_clock_off_by(seconds: float) -> Iterator[None]:
    """Let the machine's clock be wrong, as far as the connector sees it."""

    def wrong(_: TimeSynchronizer) -> float:
        return time.time() + seconds

    with mock.patch.object(TimeSynchronizer, "_time", wrong):
        yield


def signed(here: World) -> "list[Seen]":
    return [seen for seen in here.double.requests if seen.timestamp_ms is not None]


@pytest.mark.parametrize("off_by_s", [-3600.0, -30.0, 0.0, 30.0, 3600.0])
async def test_f34_first_signature_has_the_exchanges_time(off_by_s: float) -> None:
    with local_clock_off_by(off_by_s):
        async with world(with_double=True) as here:
            here.fill_book()
            await here.started(PAIR)
            first = signed(here)[0]
            time_asked = here.double.seen("get_time")[0]
            assert time_asked.at_s <= first.at_s
            assert first.timestamp_ms is not None
            assert abs(first.timestamp_ms / 1000 - time.time()) < 3
            stamp = here.double.private.received[0]["signature"][2]
            assert abs(int(stamp) / 1000 - time.time()) < 3


async def test_f34_exchange_whose_clock_is_elsewhere_is_followed() -> None:
    def an_hour_ahead() -> int:
        return (time.time_ns() // 1000) + 3_600_000_000

    async with world(clock=an_hour_ahead) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        connector.sell(PAIR, Decimal(1), OrderType.LIMIT, Decimal(160))
        account = here.simulator.exchange.open_account(here.key)
        await until(lambda: account.open_orders)


async def test_f34_nothing_is_signed_while_the_exchanges_time_is_unknown() -> None:
    with local_clock_off_by(-3600):
        async with world(with_double=True) as here:
            here.double.answer_once("get_time", UNAVAILABLE, UNAVAILABLE, UNAVAILABLE)
            known: list[float] = []

            async def note(seen: Seen) -> Reply:
                status, body = await here.double.ask_simulator(seen)
                known.append(time.monotonic())
                return Reply(body.decode(), status)

            here.double.answer("get_time", note)
            connector = here.connector()
            await connector.start_network()
            await until(lambda: connector.ready)
            assert signed(here)[0].at_s >= known[0]
            private = [connection for connection in here.double.connections if connection.is_private]
            for connection in private:
                stamp = int(connection.received[0]["signature"][2])
                assert abs(stamp / 1000 - time.time()) < 60, "a subscription was signed with the machine's own clock"


async def test_f34_request_that_waits_for_the_time_has_no_place_in_the_pool_yet() -> None:
    async with world(with_double=True) as here:
        connector = here.connector()
        asked, may_answer = asyncio.Event(), asyncio.Event()

        async def late(seen: Seen) -> Reply:
            asked.set()
            await may_answer.wait()
            status, body = await here.double.ask_simulator(seen)
            return Reply(body.decode(), status)

        here.double.answer("get_time", late)
        request = asyncio.ensure_future(connector.request("get_fills"))
        await asyncio.wait_for(asked.wait(), 10)
        pool = connector._throttler.pool(HISTORICAL_POOL)
        assert pool.used == 0
        may_answer.set()
        await request
        assert pool.used == 1


async def test_f34_expired_request_is_repeated_once_with_the_exchanges_time(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        connector = here.connector()
        here.double.answer_once("get_balances", EXPIRED)
        asked = here.double.count("get_time")
        assert "USDC" in await connector.request("get_balances")
        assert here.double.count("get_balances") == 2
        assert here.double.count("get_time") > asked
        assert "The exchange refused a time stamp" in caplog.text


async def test_f34_expired_request_is_repeated_only_once() -> None:
    async with world(with_double=True) as here:
        connector = here.connector()
        here.double.answer("get_balances", EXPIRED)
        with pytest.raises(ClockSkew):
            await connector.request("get_balances")
        assert here.double.count("get_balances") == 2


async def test_f34_expired_order_is_placed_once() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.double.answer_once("execute_order", EXPIRED)
        order_id = connector.sell(PAIR, Decimal(1), OrderType.LIMIT, Decimal(160))
        account = here.simulator.exchange.open_account(here.key)
        await until(lambda: account.open_orders)
        assert here.double.count("execute_order") == 2
        assert [order.client_id for order in account.orders.values()] == [int(order_id)]


async def test_f34_samples_of_a_wrong_time_are_forgotten() -> None:
    async with world(with_double=True) as here:
        connector = here.connector()
        connector._time_synchronizer.add_time_offset_ms_sample(connector._time_synchronizer.time_offset_ms - 600_000)
        assert "USDC" in await connector.request("get_balances")
        assert here.double.count("get_balances") == 2
        assert abs(connector._time_synchronizer.time() - time.time()) < 1


async def test_f34_expired_subscription_is_signed_again_with_the_exchanges_time() -> None:
    async with world(with_double=True) as here:
        refused: list[Any] = []

        async def refuse_first(connection: Connection, frame: Any) -> bool:
            if "signature" in frame and not refused:
                refused.append(frame)
                await connection.send(error_frame(4003, "Request has expired"))
                return False
            return True

        here.double.on_client_frame = refuse_first
        await here.started()
        assert refused
        assert here.double.private.received[0]["signature"] != refused[0]["signature"]


@pytest.mark.parametrize("answer", ["soon", "", "{}", "NaN", "-5"])
async def test_bad_input_time_is_no_time(answer: str) -> None:
    async with world(with_double=True) as here:
        here.double.answer_once("get_time", Reply(answer), Reply(answer))
        connector = await here.started()
        assert abs(connector._time_synchronizer.time() - time.time()) < 5
