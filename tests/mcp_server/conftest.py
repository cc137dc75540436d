"""Give the tests of the MCP server a simulator, clients of its server process, and sessions without a process."""

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from backpack_connector.client.credentials import Found
from backpack_connector.mcp_server.session import Session
from backpack_connector.mcp_server.settings import read_settings
from backpack_connector.protocol.signing import Credentials
from backpack_connector.simulator import Simulator, running_simulator

PROGRAM = ("-m", "backpack_connector.mcp_server")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(background=False) as running:
        yield running


@pytest.fixture
def server_environment(key_pair: tuple[str, str], tmp_path: Path) -> dict[str, str]:
    """Give the whole environment of a server process: keys, and a folder for settings that is empty."""
    names = ("PATH", "HOME", "SYSTEMROOT")
    return {name: os.environ[name] for name in names if name in os.environ} | {
        "PYTHONPATH": str(ROOT),
        "XDG_CONFIG_HOME": str(tmp_path),
        "BACKPACK_API_KEY": key_pair[0],
        "BACKPACK_SECRET_KEY": key_pair[1],
    }


Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def connect(simulator: Simulator, server_environment: dict[str, str], tmp_path: Path) -> Connect:
    """Start `backpack-mcp` as a process of its own, and talk to it with the SDK's client."""

    @asynccontextmanager
    async def connected(
        *options: str, mode: str = "auto", program: tuple[str, ...] = PROGRAM, **given: Any
    ) -> AsyncIterator[Client]:
        parameters = StdioServerParameters(
            command=sys.executable,
            args=[*program, "--url", simulator.rest_url, *options],
            env=server_environment,
        )
        with (tmp_path / "stderr").open("w") as errors:
            async with Client(stdio_client(parameters, errlog=errors), mode=mode, **given) as client:
                yield client

    return connected


@pytest.fixture
async def new_session(simulator: Simulator, key_pair: tuple[str, str]) -> AsyncIterator[Callable[..., Any]]:
    """Make sessions on the simulator that are closed after the test."""
    made: list[Session] = []

    async def new(*options: str, url: str = simulator.rest_url, **given: Any) -> Session:
        found = Found(Credentials(*key_pair), "environment")
        session = Session(read_settings(["--url", url, *options]), **{"find": lambda: found, **given})
        made.append(await session.__aenter__())
        return made[-1]

    yield new
    for session in made:
        await session.__aexit__(None, None, None)
