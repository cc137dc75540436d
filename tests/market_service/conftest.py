"""Give the tests of the service a simulator, a client that counts what it asks, and somebody who asks the service."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.market_service.server import running_service
from backpack_connector.protocol.errors import BackpackError
from backpack_connector.simulator import Simulator, running_simulator


class WatchedClient(BackpackClient):
    """A client whose requests are noted, and can be held back, fail or be answered for."""

    def __init__(self, url: str) -> None:
        super().__init__(url=url, attempts=1)
        self.asked: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: BackpackError | None = None
        self.parameters: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        """What operations answer instead of what the simulator would."""

    async def request(self, operation_id: str, parameters: Any = None, **options: Any) -> Any:
        self.asked[operation_id] += 1
        self.parameters[operation_id] = parameters
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        if operation_id in self.answers:
            return self.answers[operation_id]
        return await super().request(operation_id, parameters, **options)


@dataclass(frozen=True)
class Answer:
    """What the service said."""

    status: int
    headers: Any
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def exact(self) -> Any:
        """Return the body with its numbers as they are written."""
        return json.loads(self.text, parse_float=Decimal)


class Asker:
    """Somebody who asks the service."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def __call__(self, path: str, method: str = "GET") -> Answer:
        async with self._session.request(method, self.url + path) as answer:
            return Answer(answer.status, answer.headers, await answer.text())


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator() as running:
        yield running


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[WatchedClient]:
    async with WatchedClient(simulator.rest_url) as client:
        yield client


@pytest.fixture
async def ask(client: WatchedClient) -> AsyncIterator[Asker]:
    async with running_service(client, port=0) as url, aiohttp.ClientSession() as session:
        yield Asker(url, session)
