"""A start as Hummingbot's clock makes it: what is asked beside the first look at the status, and what is not."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
from hummingbot.core.clock import Clock
from hummingbot.core.clock_mode import ClockMode
from hummingbot.core.network_iterator import NetworkStatus

from backpack_connector import order_book_tracking
from backpack_connector.protocol.rate_limits import STANDARD_POOL
from tests.spot.session import PAIR, World, until, world
from tests.spot.stream_double import UNAVAILABLE, Reply, Seen, failure

AT_ONCE = 3
CLOCK = Clock(ClockMode.REALTIME)
"""It does not run, so that nothing polls but the start."""
PAIRS = ("SOL-USDC", "BTC-USDC", "ETH-USDC")
MAINTENANCE = Reply({"status": "Maintenance", "message": None})


def asked(here: World) -> Counter[str]:
    return Counter(seen.operation_id for seen in here.double.requests)


def begin(connector: Any) -> None:
    """Start a connector as the clock does, which looks at its network and starts it when that works."""
    connector.start(CLOCK, time.time())


async def end(connector: Any) -> None:
    connector.stop(CLOCK)
    await connector.stop_network()


async def test_a_start_asks_everything_once_beside_the_status() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        may_answer = asyncio.Event()

        async def late(seen: Seen) -> None:
            await may_answer.wait()

        here.double.answer("get_status", late)
        connector = here.connector(*PAIRS)
        begin(connector)
        beside = {"get_status": 1, "get_markets": 1, "get_time": 1, "ping": 4}
        await until(lambda: asked(here) == beside)
        await until(lambda: len(here.double.connections) == 2)
        assert not any(connection.received for connection in here.double.connections), "subscribed before the status"
        may_answer.set()
        await until(lambda: connector.ready)
        await here.heard(connector)
        found = asked(here)
        assert all(connection.is_open for connection in here.double.connections)
        assert len(here.double.connections) == 2
        afterwards = {"get_account": 1, "get_balances": 1, "get_borrow_lend_positions": 1, "get_open_orders": 1}
        assert connector._asking_soon is None, "another poll would follow"
        prices = found.pop("get_tickers", 0)
        assert prices <= 1
        assert found == {**beside, **afterwards, "get_depth": 3}
        await end(connector)


async def test_snapshots_are_asked_side_by_side_inside_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_book_tracking, "PARALLEL_SNAPSHOTS", AT_ONCE)
    async with world(with_double=True) as here:
        at_once, most = 0, 0
        may_answer = asyncio.Event()

        async def count(seen: Seen) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await may_answer.wait()
            at_once -= 1

        here.double.answer("get_depth", count)
        symbols = [name for name in here.simulator.exchange.markets if name.endswith("_USDC")]
        pairs = [name.replace("_", "-") for name in symbols]
        assert len(pairs) > AT_ONCE
        connector = here.connector(*pairs)
        begin(connector)
        await until(lambda: at_once == AT_ONCE)
        assert connector._throttler.pool(STANDARD_POOL).used >= AT_ONCE, "they count"
        may_answer.set()
        await until(lambda: connector.order_book_tracker.ready)
        assert most == AT_ONCE
        assert asked(here)["get_depth"] <= len(pairs)
        await end(connector)


@pytest.mark.parametrize("reply", [MAINTENANCE, UNAVAILABLE], ids=["maintenance", "503"])
async def test_an_exchange_that_does_not_work_is_asked_for_nothing_but_its_status(reply: Reply) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.double.answer("get_status", reply)
        connector = here.connector(PAIR)
        connector.check_network_interval = 0.02
        begin(connector)
        await until(lambda: asked(here)["get_status"] >= 5)
        await until(lambda: not any(connection.is_open for connection in here.double.connections))
        known = asked(here)
        assert known["get_markets"] <= 1
        assert known["get_time"] <= 1
        assert len(here.double.connections) <= 2
        assert not any(connection.received for connection in here.double.connections)
        await until(lambda: asked(here)["get_status"] >= known["get_status"] + 3)
        later = asked(here)
        later.subtract(known)
        assert +later == {"get_status": later["get_status"]}
        here.double.answer("get_status", None)
        await until(lambda: connector.ready)
        await end(connector)


@pytest.mark.parametrize("operation_id", ["get_markets", "get_time", "ping"])
@pytest.mark.parametrize("reply", [UNAVAILABLE, failure(429, "TOO_MANY_REQUESTS", "slow down"), Reply("no JSON")])
async def test_what_fails_early_is_asked_again(operation_id: str, reply: Reply) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.double.answer_once(operation_id, *([reply] * 2))
        connector = here.connector(PAIR)
        begin(connector)
        await until(lambda: connector.ready)
        await end(connector)


async def test_a_stop_in_the_middle_of_the_first_look_leaves_nothing() -> None:
    async with world(with_double=True) as here:
        may_answer = asyncio.Event()

        async def late(seen: Seen) -> None:
            await may_answer.wait()

        here.double.answer("get_status", late)
        connector = here.connector(PAIR)
        begin(connector)
        await until(lambda: len(here.double.connections) == 2)
        await end(connector)
        await until(lambda: not any(connection.is_open for connection in here.double.connections))
        may_answer.set()


async def test_a_stop_before_anybody_took_the_streams_closes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(with_double=True) as here:
        connector = here.connector(PAIR)

        async def take_nothing(_: Any) -> None:
            return

        monkeypatch.setattr(type(connector), "start_network", take_nothing)
        begin(connector)
        await until(lambda: connector.network_status is NetworkStatus.CONNECTED)
        await until(lambda: len(here.double.connections) == 2)
        await end(connector)
        await until(lambda: not any(connection.is_open for connection in here.double.connections))


async def test_a_connector_that_does_not_trade_begins_no_private_stream() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = here.connector(PAIR, backpack_api_key="", backpack_api_secret="", trading_required=False)
        begin(connector)
        await until(lambda: connector.ready)
        assert len(here.double.connections) == 1
        assert asked(here)["get_time"] == 0
        assert asked(here)["ping"] == 0
        await end(connector)


async def test_a_look_at_the_network_without_a_start_begins_nothing() -> None:
    async with world(with_double=True) as here:
        assert await here.connector(PAIR).check_network() is NetworkStatus.CONNECTED
        assert asked(here) == {"get_status": 1}
        assert not here.double.connections
