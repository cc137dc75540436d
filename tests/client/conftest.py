"""Give the tests of the client a simulator without background flow, a double in front of it, and clients of both."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.signing import Credentials
from backpack_connector.simulator import Simulator, running_simulator
from tests.spot.stream_double import StreamDouble


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(background=False) as running:
        yield running


@pytest.fixture
async def double(simulator: Simulator) -> AsyncIterator[StreamDouble]:
    """Give a recorder between client and simulator, whose answers can be scripted."""
    running = StreamDouble(simulator.rest_url, simulator.ws_url)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def new_client(simulator: Simulator, key_pair: tuple[str, str]) -> AsyncIterator[Callable[..., BackpackClient]]:
    """Make clients that are closed after the test."""
    made: list[BackpackClient] = []

    def new(**options: Any) -> BackpackClient:
        options = {"url": simulator.rest_url, "credentials": Credentials(*key_pair), **options}
        made.append(BackpackClient(**options))
        return made[-1]

    yield new
    for client in made:
        await client.close()


@pytest.fixture
def client(new_client: Callable[..., BackpackClient]) -> BackpackClient:
    """Give a client of the simulator."""
    return new_client()


@pytest.fixture
def recorded(new_client: Callable[..., BackpackClient], double: StreamDouble) -> BackpackClient:
    """Give a client whose requests pass through `double`."""
    return new_client(url=double.url)
