"""Give the tests of the simulator a running simulator without background flow, and callers."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from backpack_connector.simulator import Simulator, running_simulator
from tests.simulator.support import Client


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(background=False) as running:
        yield running


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
