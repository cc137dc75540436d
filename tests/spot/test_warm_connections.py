"""Connections that stay open: counted on a real server, so that a burst after a pause opens none."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from backpack_connector import backpack_constants as constants
from backpack_connector.backpack_constants import WARM_CONNECTIONS_VARIABLE
from backpack_connector.hosts import SIMULATOR_URL_VARIABLE
from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.rate_limits import STANDARD_POOL
from backpack_connector.request_budget import RequestBudget
from backpack_connector.request_sender import RequestSender
from backpack_connector.warm_connections import PERIOD_S, WarmConnections
from tests.spot.session import until, world

WARM = 5
LONG_S = 3_600.0


class Server:
    """Answers every request at once or when it is told to, and counts connections and requests."""

    def __init__(self) -> None:
        self.opened = 0
        self.requests = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def open(self) -> int:
        """Return how many connections are open now."""
        return len(self._open)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.opened += 1
        self._open.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                await self.may_answer.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\npong")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def close_idle(self) -> None:
        """Close all connections, as a server does when its idle limit is over."""
        for writer in list(self._open):
            writer.close()
            self._open.discard(writer)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    served = Server()
    listening = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    monkeypatch.setenv(SIMULATOR_URL_VARIABLE, f"http://127.0.0.1:{port}")
    yield served
    await ConnectionsFactory().close()
    listening.close()
    served.close_idle()


def resting(sender: RequestSender) -> int:
    """Return how many connections Hummingbot's session, or the quick transport, keeps for whoever sends next."""
    if sender._fast is not None:
        return sender._fast.resting_connections
    session = ConnectionsFactory()._shared_client
    assert session is not None
    assert session.connector is not None
    return sum(map(len, session.connector._conns.values()))


class Warmed:
    """A sender and its warm connections."""

    def __init__(self, account: str, period_s: float = LONG_S) -> None:
        no_auth: Any = None
        self.budget = RequestBudget(account)
        self.sender = RequestSender(
            self.budget, no_auth, no_auth, no_auth, "backpack_simulator", is_fast=constants.is_http_fast()
        )
        self.warm = WarmConnections(WARM, self.sender.touch, period_s)

    async def burst(self, count: int) -> None:
        """Send so many requests side by side, as orders of one tick are."""
        row = endpoint("ping")
        await asyncio.gather(*(self.sender.send(row, None) for _ in range(count)))


@pytest.fixture
async def warmed() -> AsyncIterator[Warmed]:
    found = Warmed("warm")
    yield found
    found.warm.stop()
    found.sender.close()


@pytest.mark.usefixtures("each_way_of_requests")
async def test_so_many_connections_are_open_and_a_burst_needs_no_other(server: Server, warmed: Warmed) -> None:
    server.may_answer.clear()
    warmed.warm.start()
    await until(lambda: server.requests == WARM)
    assert server.opened == WARM, "they are on their way at the same time"
    server.may_answer.set()
    await until(lambda: resting(warmed.sender) == WARM)
    assert warmed.budget.pool(STANDARD_POOL).used == WARM
    server.may_answer.clear()
    burst = asyncio.ensure_future(warmed.burst(WARM))
    await until(lambda: server.requests == 2 * WARM)
    server.may_answer.set()
    await burst
    assert server.opened == WARM


@pytest.mark.usefixtures("each_way_of_requests")
async def test_each_round_uses_every_connection_and_replaces_those_that_the_server_has_closed(server: Server) -> None:
    warmed = Warmed("rounds", period_s=0.02)
    warmed.warm.start()
    try:
        await until(lambda: server.requests >= 4 * WARM)
        assert server.opened == WARM
        server.close_idle()
        requests = server.requests
        await until(lambda: server.open == WARM)
        await until(lambda: server.requests >= requests + 2 * WARM)
        assert server.opened <= 2 * WARM + 1  # one may have been in use when it was closed
    finally:
        warmed.warm.stop()
        warmed.sender.close()


async def test_none_is_sent_where_the_limits_leave_no_room(server: Server, warmed: Warmed) -> None:
    row = endpoint("ping")
    while warmed.budget.take(row):
        pass
    used = warmed.budget.pool(STANDARD_POOL).used
    await warmed.sender.touch()
    assert (server.requests, warmed.budget.pool(STANDARD_POOL).used) == (0, used)


async def test_failures_end_nothing_and_stopping_ends_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    async def touch() -> None:
        nonlocal calls
        calls += 1
        raise OSError("no line")

    warm = WarmConnections(WARM, touch, period_s=0.0)
    warm.start()
    warm.start()
    await until(lambda: calls >= 3 * WARM)
    warm.stop()
    counted = calls
    for _ in range(20):
        await asyncio.sleep(0)
    assert calls == counted
    assert calls % WARM == 0, "started twice is started once"


@pytest.mark.parametrize(("wish", "expected"), [(None, 0), ("", 0), ("0", 0), ("3", 3)])
async def test_a_connector_keeps_them_open_from_its_start_to_its_stop(
    monkeypatch: pytest.MonkeyPatch, wish: str | None, expected: int
) -> None:
    if wish is None:
        monkeypatch.delenv(WARM_CONNECTIONS_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(WARM_CONNECTIONS_VARIABLE, wish)
    async with world(with_double=True) as here:
        connector = here.connector()
        monkeypatch.setattr(connector._warm_connections, "_period_s", 0.01)
        assert here.double.count("ping") == 0
        await connector.start_network()
        await until(lambda: here.double.count("ping") >= 3 * expected and here.double.count("get_open_orders"))
        await connector.stop_network()
        await until(lambda: connector._throttler.pool(STANDARD_POOL).used)
        told = here.double.count("ping")
        assert bool(told) == bool(expected)
        await asyncio.sleep(0.05)
        assert here.double.count("ping") <= told + expected, "those on their way may still arrive, and no others"


def test_the_period_is_shorter_than_the_rest_that_the_session_allows() -> None:
    import aiohttp

    async def keeps_s() -> float:
        async with aiohttp.ClientSession() as session:
            assert isinstance(session.connector, aiohttp.BaseConnector)
            return session.connector._keepalive_timeout

    assert asyncio.run(keeps_s()) > PERIOD_S + 2
