"""Give the tests of the guard a simulator, clients of two people, reports to read, and short waits."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.guard.reports import Reports
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from backpack_connector.simulator import Simulator, running_simulator
from tests.guard.support import Told, shorten

SECRET_SEED = bytes([9] * 32)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(background=False) as running:
        yield running


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[BackpackClient]:
    """Give a client of the account that the bots trade."""
    async with BackpackClient(
        url=simulator.rest_url, credentials=Credentials(*generate_key_pair(SECRET_SEED)), timeout_s=0.5
    ) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of the journals."""
    (tmp_path / "backpack_journal").mkdir()
    return tmp_path / "backpack_journal"


@pytest.fixture
def told() -> Told:
    """Give what the guard says."""
    return Told()


@pytest.fixture
def reports(told: Told) -> Reports:
    return Reports(told.append, as_json=True)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten all waits of the guard."""
    shorten(monkeypatch)
