"""The virtual clock: waits cost nothing, work holds the time, and what a run leaves in the process is as before."""

import asyncio
import socket
import time

import pytest
from cachetools import TTLCache

from backpack_connector.client_order_ids import next_client_order_id
from tests.chaos.virtual_time import run_virtually

BEGINS_S = 1_800_000_000
WEEK_S = 7 * 24 * 3600.0
SOON_S = 5.0
"""Real time that no test here may take; a machine under load is slow."""


def test_a_week_passes_at_once_on_every_clock() -> None:
    async def week() -> list[float]:
        before = [time.time(), time.monotonic(), time.perf_counter(), asyncio.get_running_loop().time()]
        assert before[0] == pytest.approx(BEGINS_S, abs=1)
        await asyncio.sleep(WEEK_S)
        after = [time.time(), time.monotonic(), time.perf_counter(), asyncio.get_running_loop().time()]
        return [one - other for one, other in zip(after, before, strict=True)]

    began_s = time.monotonic()
    assert run_virtually(week(), BEGINS_S) == pytest.approx([WEEK_S] * 4, abs=1)
    assert time.monotonic() - began_s < SOON_S


def test_timers_fire_in_their_order_and_on_time() -> None:
    async def sleepers() -> list[tuple[float, int]]:
        began_s = time.monotonic()

        async def sleeper(seconds: int) -> tuple[float, int]:
            await asyncio.sleep(seconds)
            return time.monotonic() - began_s, seconds

        return [await done for done in asyncio.as_completed([sleeper(300), sleeper(1), sleeper(20)])]

    woken = run_virtually(sleepers(), BEGINS_S)
    assert [seconds for _, seconds in woken] == [1, 20, 300]
    assert [at_s for at_s, _ in woken] == pytest.approx([1, 20, 300], abs=0.01)


def test_a_message_arrives_before_the_time_goes_on() -> None:
    async def talk() -> float:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(4))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        began_s = time.monotonic()
        for _ in range(50):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"ping")
            assert await asyncio.wait_for(reader.readexactly(4), 3600) == b"ping"
            writer.close()
        server.close()
        return time.monotonic() - began_s

    assert run_virtually(talk(), BEGINS_S) < 0.1


def test_a_thread_holds_the_time() -> None:
    async def work() -> tuple[float, float]:
        began_s, real = time.monotonic(), socket.socketpair()
        future = asyncio.get_running_loop().run_in_executor(None, real[0].recv, 1)
        asyncio.get_running_loop().call_soon(real[1].send, b"x")
        await asyncio.wait_for(future, 3600)
        held_s = time.monotonic() - began_s
        await asyncio.sleep(100)
        for end in real:
            end.close()
        return held_s, time.monotonic() - began_s

    held_s, total_s = run_virtually(work(), BEGINS_S)
    assert held_s < 0.1
    assert total_s == pytest.approx(100, abs=0.1)


def test_caches_and_client_ids_follow_the_clock() -> None:
    async def live() -> tuple[bool, bool, int]:
        cache: TTLCache[str, int] = TTLCache(10, 600)
        cache["order"] = 1
        first = int(next_client_order_id())
        await asyncio.sleep(599)
        is_there = "order" in cache
        await asyncio.sleep(2)
        return is_there, "order" in cache, int(next_client_order_id()) - first

    was_there, is_there, ids = run_virtually(live(), BEGINS_S)
    assert was_there
    assert not is_there
    assert ids == pytest.approx(601 * 34, abs=1)


def test_afterwards_the_clocks_are_the_machines_again() -> None:
    run_virtually(asyncio.sleep(WEEK_S), BEGINS_S)
    assert time.time() < BEGINS_S + WEEK_S
    assert abs(time.time_ns() / 1e9 - time.time()) < SOON_S
