"""The network as a whole: maintenance, failing queries (F33), keep-alive, and stopping without a trace."""

import asyncio
from contextlib import suppress
from typing import Any
from unittest import mock

import pytest
from hummingbot.core.network_iterator import NetworkStatus

from backpack_connector.protocol.enums import Side
from tests.spot.session import PAIR, book_of, stays, until, world
from tests.spot.stream_double import HANG_UP, UNAVAILABLE, Reply, failure


async def test_working_exchange_is_connected() -> None:
    async with world() as here:
        assert await here.connector().check_network() is NetworkStatus.CONNECTED


async def test_maintenance_is_not_connected_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        here.double.answer("get_status", Reply({"status": "Maintenance", "message": "back at noon"}))
        assert await here.connector().check_network() is NetworkStatus.NOT_CONNECTED
        assert "is in maintenance: back at noon" in caplog.text


REPLIES: "dict[str, Reply]" = {
    "unavailable": UNAVAILABLE,
    "rate limited": failure(429, "TOO_MANY_REQUESTS", "slow down"),
    "cut": HANG_UP,
    "unknown word": Reply({"status": "Sleeping", "message": None}),
    "no JSON": Reply("<html>"),
    "empty": Reply(status=204),
    "list": Reply([]),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())
async def test_failing_status_is_not_connected(reply: Reply) -> None:
    async with world(with_double=True) as here:
        here.double.answer("get_status", reply)
        assert await here.connector().check_network() is NetworkStatus.NOT_CONNECTED


async def test_exchange_that_is_not_there_is_not_connected() -> None:
    async with world() as here:
        connector = here.connector()
        await here.simulator.stop()
        assert await connector.check_network() is NetworkStatus.NOT_CONNECTED


@pytest.mark.parametrize(
    "operation_id",
    [
        "get_markets",
        "get_account",
        "get_balances",
        "get_borrow_lend_positions",
        "get_open_orders",
        "get_depth",
        "get_time",
    ],
)
@pytest.mark.parametrize("reply", [UNAVAILABLE, HANG_UP, Reply("no JSON")], ids=["503", "cut", "no JSON"])
async def test_f33_failing_query_costs_few_requests(operation_id: str, reply: Reply) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.double.answer(operation_id, reply)
        connector = here.connector(PAIR)
        await connector.start_network()
        await asyncio.sleep(1.0)
        # Loops, streams and pairs each need these two, and aiohttp repeats a GET on a connection that was cut.
        assert here.double.count(operation_id) <= (24 if operation_id in ("get_markets", "get_time") else 8)
        here.double.answer(operation_id, None)
        await here.poll(connector)
        await until(lambda: connector.ready)


async def test_ping_of_the_exchange_is_answered() -> None:
    async with world(ping_interval_s=0.05, pong_timeout_s=0.15) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        sessions = set(here.simulator.hub.sessions)
        await stays(lambda: connector.ready, for_s=0.6)
        assert set(here.simulator.hub.sessions) == sessions


async def test_close_frames_end_both_streams_and_both_come_back() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        sessions = set(here.simulator.hub.sessions)
        await here.simulator.hub.close()
        await until(lambda: not connector.ready)
        await until(lambda: connector.ready)
        assert len(here.simulator.hub.sessions) == 2
        assert not here.simulator.hub.sessions & sessions


KEYS: "list[dict[str, Any]]" = [{}, {"backpack_api_key": "", "backpack_api_secret": "", "trading_required": False}]


def connectors_tasks() -> "list[str]":
    """Return the tasks that run code of the connector or of Hummingbot; those of the simulator are not counted."""
    codes = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks() if not task.done()]
    files = [code.co_filename.replace("\\", "/") for code in codes if code is not None]
    return [file for file in files if "/backpack_connector/backpack_" in file or "/hummingbot/" in file]


async def test_stop_leaves_no_tasks_and_no_connections() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR, "HNT-USDC")
        assert connectors_tasks()
        await connector.stop_network()
        await until(lambda: not here.simulator.hub.sessions)
        await until(lambda: not connectors_tasks())


async def test_stop_empties_the_books() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        await connector.stop_network()
        assert not connector.ready
        await until(lambda: book_of(connector) == ({}, {}))


async def test_stop_before_start_and_twice_is_nothing() -> None:
    async with world() as here:
        connector = here.connector(PAIR)
        await connector.stop_network()
        await connector.stop_network()


async def test_stop_while_starting_leaves_nothing() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.double.answer("get_depth", UNAVAILABLE)
        connector = here.connector(PAIR)
        await connector.start_network()
        await until(lambda: here.double.count("get_depth"))
        await connector.stop_network()
        await until(lambda: not any(connection.is_open for connection in here.double.connections))
        await until(lambda: not connectors_tasks())


@pytest.mark.parametrize("keys", KEYS, ids=["trading", "not trading"])
async def test_start_right_after_stop_has_live_books(keys: "dict[str, Any]") -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR, **keys)
        for price in ("149.5", "149.4", "149.3"):
            await connector.stop_network()
            await connector.start_network()
            await until(lambda: connector.ready)
            here.rest(Side.BID, price)
            await until(lambda: book_of(connector) == here.book())


@pytest.mark.parametrize("keys", KEYS, ids=["trading", "not trading"])
async def test_restart_is_not_disturbed_by_the_slow_end_of_the_last_run(keys: "dict[str, Any]") -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR, **keys)
        source = connector._orderbook_ds
        end_stream = source._on_order_stream_interruption

        async def slow_end(assistant: Any) -> None:
            await end_stream(assistant)
            end_s = asyncio.get_running_loop().time() + 0.3
            while asyncio.get_running_loop().time() < end_s:
                with suppress(asyncio.CancelledError):  # a socket may take its time, however often it is told to stop
                    await asyncio.sleep(0.05)

        with mock.patch.object(source, "_on_order_stream_interruption", slow_end):
            await connector.stop_network()
            await connector.start_network()
            await asyncio.sleep(0)
        await until(lambda: connector.ready)
        await asyncio.sleep(0.4)
        here.rest(Side.BID, "149.5")
        await until(lambda: connector.ready and book_of(connector) == here.book())
        here.rest(Side.BID, "149.4")
        await until(lambda: connector.ready and book_of(connector) == here.book())


async def test_start_twice_has_one_connection_of_each_kind() -> None:
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        await connector.start_network()
        await until(lambda: connector.ready)
        await until(lambda: len(here.simulator.hub.sessions) == 2)
        here.rest(Side.BID, "149.5")
        await until(lambda: book_of(connector) == here.book())
