"""The server over HTTP on this machine: the same tools, for those who show the token and for nobody else."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from backpack_connector.simulator import Simulator

TOKEN = "a-token-of-the-tests"
ORDER = {"symbol": "SOL_USDC", "side": "Bid", "order_type": "Limit", "quantity": "0.5", "price": "100"}


@pytest.fixture
async def url(simulator: Simulator, server_environment: dict[str, str]) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backpack_connector.mcp_server", "--url", simulator.rest_url, "--http", "--port", "0"),
        *("--allow-trading", "--max-session", "200", "--max-orders-per-minute", "50"),
        env=server_environment | {"BACKPACK_MCP_TOKEN": TOKEN},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        line = (await process.stderr.readline()).decode()
        found = re.search(r"http://127\.0\.0\.1:\d+/mcp", line)
        assert found, line
        yield found[0]
        process.terminate()
        rest = (await process.stderr.read()).decode()
        assert TOKEN not in line + rest
        assert "Traceback" not in rest
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


async def test_agents_that_connect_at_the_same_time_share_one_limit(url: str, simulator: Simulator) -> None:
    async with connected(url) as first, connected(url) as second:
        calls = [client.call_tool("order_create", ORDER) for client in (first, second) * 6]
        outcomes = await asyncio.gather(*calls)
        kinds = [one.structured_content["error"]["kind"] for one in outcomes if one.is_error]
        assert kinds == ["limit_reached"] * 8
        listed = await first.call_tool("order_list", {})
        assert len(listed.structured_content["data"]) == 4
        await second.call_tool("order_cancel_all", {"symbol": "SOL_USDC"})
    async with connected(url) as third:
        told = await third.call_tool("order_create", ORDER)
        assert told.structured_content["error"]["kind"] == "limit_reached"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": TOKEN},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"bearer {TOKEN}"},
    ],
)
async def test_nobody_comes_in_without_the_token(url: str, headers: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as stranger, stranger.post(url, json={}, headers=headers) as answer:
        assert answer.status == 401
        assert TOKEN not in await answer.text()


@pytest.mark.parametrize(
    ("headers", "status"), [({"Host": "evil.example"}, 421), ({"Origin": "https://evil.example"}, 403)]
)
async def test_a_web_page_does_not_pass_for_a_local_one(url: str, headers: dict[str, str], status: int) -> None:
    known = {"Authorization": f"Bearer {TOKEN}", **headers}
    async with aiohttp.ClientSession() as page, page.post(url, json={}, headers=known) as answer:
        assert answer.status == status
