"""An exchange that sends garbage between genuine frames: every listener goes on, and no state is wrong afterwards."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from backpack_connector.protocol.enums import Side
from tests.fuzz.hostile import (
    FATAL_FRAMES,
    HARMLESS,
    KINDS,
    ODD_FRAMES,
    RAW_FRAMES,
    Hostile,
    hostile_world,
    send_raw,
    spoilt_frames,
    terminal_events,
)
from tests.spot.session import until

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
        assert "Unexpected error" not in caplog.text
        assert max(len(record.getMessage()) for record in caplog.records) < 1_000
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
        assert "Unexpected error" not in caplog.text
        assert max(len(record.getMessage()) for record in caplog.records) < 1_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*FATAL_FRAMES, *RAW_FRAMES])
async def test_what_no_client_can_read_costs_the_connection_and_nothing_else(
    kind: str, name: str, short_pauses: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with hostile_world(kind) as bot:
        await _live(bot)
        ended = terminal_events(bot.connector)
        for which, connection in bot.connections.items():
            await _send(connection, name)
            if name not in HARMLESS:
                await until(lambda which=which, old=connection: bot.connections[which] is not old, 10.0)
        await _live(bot)
        assert ended() == []
        assert "Unexpected error" not in caplog.text
        assert max(len(record.getMessage()) for record in caplog.records) < 1_000


async def _send(connection: Any, name: str) -> None:
    if name in RAW_FRAMES:
        await send_raw(connection, RAW_FRAMES[name])
        return
    with suppress(ConnectionError):  # the client may hang up in the middle of it
        await connection.send(FATAL_FRAMES[name])


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
