"""An exchange that sends garbage between genuine frames: every listener goes on, and no state is wrong afterwards."""

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import pytest

from backpack_connector import account_stream
from backpack_connector.protocol import depth
from backpack_connector.protocol.enums import Side
from tests.fuzz.hostile import (
    KINDS,
    LARGEST_FRAME,
    ODD_FRAMES,
    RAW_FRAMES,
    Hostile,
    check_log,
    hostile_world,
    send_raw,
    spoilt_frames,
    terminal_events,
)
from tests.spot.session import until
from tests.spot.stream_double import UNAVAILABLE

pytestmark = pytest.mark.usefixtures("each_reader_of_streams")

EXPECTED_KINDS = {
    "spot": {"depth", "trade", "account.orderUpdate", "account.balanceUpdate"},
    "perpetual": {"depth", "trade", "account.orderUpdate", "account.balanceUpdate", "account.positionUpdate"},
}


async def _live(bot: Hostile) -> None:
    """Trade, and be right."""
    await bot.trade()
    await bot.check()


@pytest.mark.parametrize("kind", KINDS)
async def test_no_spoilt_frame_of_any_stream_ends_a_listener_or_an_order(
    kind: str, short_pauses: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with hostile_world(kind) as bot:
        await _live(bot)
        assert EXPECTED_KINDS[kind] <= bot.seen.keys()
        ended = terminal_events(bot.connector)
        connections = dict(bot.connections)
        for stream, frame in dict(bot.seen).items():
            connection = connections["private" if stream.startswith("account.") else "public"]
            for number, (_, spoilt) in enumerate(spoilt_frames(frame)):
                await connection.send(json.dumps(spoilt))
                if number % 200 == 0:
                    bot.here.rest(Side.BID, "140")
        await _live(bot)
        assert ended() == []
        assert bot.connections == connections, "frames that can be skipped must not cost a connection"
        check_log(caplog)
        assert "was skipped" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
async def test_odd_frames_are_skipped(kind: str, short_pauses: None, caplog: pytest.LogCaptureFixture) -> None:
    async with hostile_world(kind) as bot:
        await _live(bot)
        connections = dict(bot.connections)
        for connection in connections.values():
            for odd in ODD_FRAMES.values():
                await connection.send(odd)
        await _live(bot)
        assert bot.connections == connections
        check_log(caplog)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_no_frame_costs_the_connection_at_most(
    kind: str, short_pauses: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with hostile_world(kind) as bot:
        await _live(bot)
        ended = terminal_events(bot.connector)
        for data in RAW_FRAMES.values():
            for which in bot.connections:
                await send_raw(bot, which, data)
            bot.here.rest(Side.BID, "141")
            await bot.check()
        await _live(bot)
        assert ended() == []
        check_log(caplog)


@pytest.mark.parametrize("kind", KINDS)
async def test_frame_above_the_limit_costs_the_connection(
    kind: str, short_pauses: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with hostile_world(kind) as bot:
        await _live(bot)
        for which, connection in bot.connections.items():
            with suppress(ConnectionError):  # the client may hang up in the middle of it
                await connection.send(LARGEST_FRAME)
            await until(lambda which=which, old=connection: bot.connections[which] is not old)
        await _live(bot)
        assert "a frame could not be taken" in caplog.text
        check_log(caplog)


@pytest.mark.parametrize("kind", KINDS)
async def test_fill_in_an_unreadable_message_is_asked_for_soon(
    kind: str, short_pauses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_stream, "UNREADABLE_PAUSE_S", 0.05)
    async with hostile_world(kind) as bot:
        await bot.check()
        monkeypatch.setattr(bot.here, "poll", None)  # nobody asks but the connector itself
        price = max(bot.here.book()[0])
        order_id = bot.place("buy", "0.4", str(price))
        await bot.announced(order_id)

        def spoil(_: Any, frame: Any) -> list[Any]:
            return [{**frame, "data": {**frame["data"], "E": "soon"}}]

        bot.here.double.on_server_frame = spoil
        bot.here.take(Side.ASK, str(price), str(bot.here.book()[0][price]))
        await until(lambda: bot.order(order_id).is_filled)
        await until(lambda: not bot._money())


async def test_message_from_the_future_does_not_make_the_present_look_old(short_pauses: None) -> None:
    async with hostile_world("perpetual") as bot:
        await _live(bot)
        for stream in ("account.positionUpdate", "account.orderUpdate", "account.balanceUpdate", "trade", "depth"):
            frame = bot.seen[stream]
            connection = bot.connections["private" if stream.startswith("account.") else "public"]
            for key in ("E", "T"):
                data = {**frame["data"], key: frame["data"]["E"] * 1_000}  # nanoseconds
                await connection.send({**frame, "data": data})
        await bot.trade()
        await bot.check()
        assert bot.connector._positions.get(bot.here.symbol).engine_timestamp < time.time() + 60


@pytest.mark.parametrize("kind", KINDS)
async def test_fill_that_comes_again_under_another_number_counts_once(kind: str, short_pauses: None) -> None:
    async with hostile_world(kind) as bot:
        _, _, part = await bot.trade()
        await bot.check()
        frame = bot.seen["account.orderUpdate"]
        fills = [sent for sent in (frame,) if sent["data"]["e"] == "orderFill" and str(sent["data"]["c"]) == part]
        assert fills, "the last message about an order is its fill"
        for number in (0, 1, 2**62):
            await bot.here.double.private.send({**frame, "data": {**frame["data"], "t": number}})
        await bot.check()
        await _live(bot)


async def test_large_updates_without_a_snapshot_do_not_fill_the_memory(short_pauses: None) -> None:
    async with hostile_world("spot") as bot:
        await bot.check()
        sequence = bot.connector._orderbook_ds._books[bot.here.symbol].sequence
        bot.here.double.answer("get_depth", UNAVAILABLE)
        first_id = bot.here.simulator.exchange.markets[bot.here.symbol].book.update_id + 2
        levels = [[str(price), "1"] for price in range(1, 5_001)]
        for update_id in range(first_id, first_id + 60):
            data = {"e": "depth", "E": 1, "s": bot.here.symbol, "U": update_id, "u": update_id, "a": [], "b": levels}
            await bot.here.double.public.send({"stream": f"depth.{bot.here.symbol}", "data": data})
        await until(lambda: sequence._buffer and sequence._buffer[-1][1] == update_id)
        assert sum(len(update.bids) for *_, update in sequence._buffer) <= depth.MAX_BUFFERED_SIZE
        bot.here.double.answer("get_depth", None)
        bot.here.rest(Side.BID, "140")
        await bot.here.double.public.close()
        await bot.check()


async def test_flood_of_garbage_leaves_time_for_everything_else(short_pauses: None) -> None:
    async with hostile_world("spot") as bot:
        await _live(bot)
        is_over = False

        async def flood() -> None:
            while not is_over:
                for connection in bot.connections.values():
                    await connection.send({"stream": "account.orderUpdate", "data": {"E": "x" * 10_000}})
                await asyncio.sleep(0)

        flooding = asyncio.ensure_future(flood())
        await bot.trade()
        is_over = True
        await flooding
        await bot.check()
