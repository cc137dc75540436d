"""Run every test of the quick transport on the event loops of asyncio and uvloop."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from backpack_connector.http_client import HttpClient
from tests.http_transport.raw_server import RawServer, until


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if sys.platform == "win32":
        return {"asyncio": asyncio.new_event_loop}  # there is no uvloop for it
    import uvloop

    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    """Give a server whose answers can be scripted."""
    async with RawServer() as raw:
        yield raw


@pytest.fixture
async def client(server: RawServer) -> AsyncIterator[HttpClient]:
    """Give a client of that server; after the test none of its connections may be left."""
    made = HttpClient(server.url)
    yield made
    made.close()
    await until(lambda: not made.open_connections)
