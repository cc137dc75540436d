"""F09, F38 and F41: the private stream works, or the connector says that it does not; no frame ends the listener."""

import asyncio
from typing import Any

import pytest

from backpack_connector import reconnect
from tests.spot.session import PAIR, World, stays, until, world
from tests.spot.stream_double import Connection, error_frame
from tests.spot.test_account_stream import place_elsewhere, usdc


def refuse_private(here: World, frame: Any = None) -> None:
    """Answer private subscriptions with an error frame, as the exchange does."""

    async def refuse(connection: Connection, received: Any) -> bool:
        if connection.is_private:
            await connection.send(frame or error_frame())
            return False
        return True

    here.double.on_client_frame = refuse


def private_connections(here: World) -> int:
    """Return how many private connections there were."""
    return sum(connection.is_private for connection in here.double.connections)


async def test_f09_refused_subscription_is_not_ready_then_repeated_then_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        refuse_private(here)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: private_connections(here) >= 2)
        status = connector.status_dict
        assert not status.pop("user_stream_initialized")
        assert all(status.values())
        assert "Invalid signature" in caplog.text
        assert "connecting again" in caplog.text
        here.double.on_client_frame = None
        await until(lambda: connector.ready)
        place_elsewhere(here)
        await until(lambda: usdc(connector)[1] == 9_720)


async def test_f09_refused_stream_is_never_taken_for_a_working_one() -> None:
    async with world(with_double=True) as here:
        refuse_private(here)
        connector = here.connector()
        await connector.start_network()
        await stays(lambda: not connector.status_dict["user_stream_initialized"], for_s=0.8)
        assert private_connections(here) >= 2


async def test_f09_error_frame_on_a_working_stream_makes_it_not_ready_until_it_works_again() -> None:
    async with world(with_double=True) as here:
        connector = await here.started()
        connections = private_connections(here)
        await here.double.private.send(error_frame(4006, "Invalid stream"))
        await until(lambda: not connector.ready)
        await until(lambda: connector.ready)
        assert private_connections(here) == connections + 1


async def test_f09_account_is_asked_often_while_the_stream_is_refused() -> None:
    async with world(with_double=True) as here:
        refuse_private(here)
        connector = here.connector()
        await connector.start_network()
        await until(lambda: private_connections(here))
        assert connector._get_poll_interval(connector.current_timestamp) == connector.SHORT_POLL_INTERVAL
        here.double.on_client_frame = None
        await until(lambda: connector.ready)
        assert connector._get_poll_interval(connector.current_timestamp) == connector.LONG_POLL_INTERVAL


async def test_f38_refused_private_stream_costs_few_connections() -> None:
    async with world(with_double=True) as here:
        refuse_private(here)
        connector = here.connector()
        await connector.start_network()
        await asyncio.sleep(2.0)
        assert 2 <= private_connections(here) <= 5


async def test_f38_refused_connections_cost_few_attempts() -> None:
    async with world(with_double=True) as here:
        here.double.refuses_streams = True
        connector = here.connector(PAIR)
        await connector.start_network()
        await asyncio.sleep(2.0)
        assert 4 <= len(here.double.connections) <= 10, "two streams, each with growing pauses"
        assert not connector.ready


async def test_f38_stream_that_is_closed_at_once_costs_few_connections() -> None:
    async with world(with_double=True) as here:

        async def close(connection: Connection, received: Any) -> bool:
            await connection.close()
            return False

        here.double.on_client_frame = close
        connector = here.connector()
        await connector.start_network()
        await asyncio.sleep(2.0)
        assert 2 <= private_connections(here) <= 5


FRAMES: "dict[str, Any]" = {
    "text": "hello",
    "half of JSON": '{"stream": "account.',
    "empty text": "",
    "list": [],
    "list of lists": [[1]],
    "number": "17",
    "fraction": "1.5",
    "null": "null",
    "true": "true",
    "JSON text": '"hello"',
    "empty object": {},
    "bytes": b"\x00\x01\xff",
    "no bytes": b"",
    "object without stream": {"data": {}},
    "stream is a number": {"stream": 5, "data": {}},
    "data is null": {"stream": "account.orderUpdate", "data": None},
    "data is text": {"stream": "account.orderUpdate", "data": "x"},
    "unknown stream": {"stream": "account.tomorrow", "data": {}},
    "half an order": {"stream": "account.orderUpdate", "data": {"e": "orderFill", "s": 5}},
    "error null": {"id": None, "error": None},
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
async def test_f41_listener_survives_any_frame(frame: Any) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        connections = private_connections(here)
        await here.double.private.send(frame)
        place_elsewhere(here)
        await until(lambda: usdc(connector)[1] == 9_720)
        assert private_connections(here) == connections, "one odd frame must not cost the connection"
        assert connector.ready


@pytest.mark.parametrize("error", ["text", 5, [], {"code": "4003"}, {"message": 7}], ids=str)
async def test_f41_odd_error_frame_counts_as_a_refusal(error: Any) -> None:
    async with world(with_double=True) as here:
        connector = await here.started()
        await here.double.private.send({"id": None, "error": error})
        await until(lambda: not connector.ready)
        await until(lambda: connector.ready)


async def test_f41_frame_that_is_too_deep_is_survived() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        await here.double.private.send("[" * 100_000)
        place_elsewhere(here)
        await until(lambda: usdc(connector)[1] == 9_720)
        assert connector.ready
        assert private_connections(here) == 1


async def test_bad_input_odd_message_does_not_hold_up_the_next_one() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        started = asyncio.get_running_loop().time()
        for _ in range(20):
            await here.double.private.send({"stream": "account.orderUpdate", "data": "x"})
        place_elsewhere(here)
        await until(lambda: usdc(connector)[1] == 9_720)
        assert asyncio.get_running_loop().time() - started < 1.0


async def test_stream_that_worked_for_a_while_is_back_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "HEALTHY_AFTER_S", 0.0)
    async with world(with_double=True) as here:
        connector = await here.started()
        for _ in range(4):
            await here.double.private.close()
            await until(lambda: not connector.ready)
            await until(lambda: connector.ready, limit_s=1.5)
