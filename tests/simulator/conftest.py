"""Give the tests of the simulator a running simulator without background flow, and callers."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.clock import Clock, wall_clock_us
from tests.simulator.streams import Stream
from tests.simulator.support import Client, assert_sound


@pytest.fixture
def clock() -> Clock:
    """Give the clock of `simulator`; modules replace it where time has to stand still."""
    return wall_clock_us


@pytest.fixture
async def simulator(clock: Clock) -> AsyncIterator[Simulator]:
    async with running_simulator(background=False, clock=clock) as running:
        yield running
        assert_sound(running.exchange)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def alice(simulator: Simulator, http: aiohttp.ClientSession) -> Client:
    return Client(simulator, http, seed=1)


@pytest.fixture
def bob(simulator: Simulator, http: aiohttp.ClientSession) -> Client:
    return Client(simulator, http, seed=2)


@pytest.fixture
async def stream(simulator: Simulator, http: aiohttp.ClientSession) -> AsyncIterator[Stream]:
    """Give a connection whose pings the test sees."""
    async with http.ws_connect(simulator.ws_url, autoping=False) as socket:
        yield Stream(socket)


@pytest.fixture
async def private(stream: Stream, alice: Client) -> Stream:
    """Give a connection that hears the order updates of alice."""
    await stream.send(alice.subscription("account.orderUpdate"))
    await stream.settle()
    return stream


@pytest.fixture
async def updates(stream: Stream, alice: Client) -> Stream:
    """Give a connection that hears the order updates and balance updates of alice."""
    await stream.send(alice.subscription("account.orderUpdate", "account.balanceUpdate"))
    await stream.settle()
    return stream
