"""The server as an agent meets it: a process of its own, spoken to with the SDK's client over stdio."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import psutil
import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from backpack_connector.simulator import Simulator
from tests.cli.test_main import WITHOUT_HUMMINGBOT
from tests.mcp_server.conftest import Connect

ORDER = {"symbol": "SOL_USDC", "side": "Bid", "order_type": "Limit", "quantity": "0.1", "price": "100"}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_reads_the_market_and_the_account(connect: Connect, mode: str) -> None:
    async with connect(mode=mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"auth_config_get", "market_ticker", "order_create", "account_balances"} <= set(names)
        assert "strategy_create" not in names
        market = await client.call_tool("market_info", {"symbol": "SOL_USDC"})
        assert not market.is_error
        assert market.structured_content["data"]["symbol"] == "SOL_USDC"
        balances = await client.call_tool("account_balances", {})
        assert "USDC" in balances.structured_content["data"]


async def test_an_agent_places_is_filled_and_cancels(connect: Connect, simulator: Simulator) -> None:
    other = Credentials(*generate_key_pair())
    async with connect("--allow-trading") as client, BackpackClient(url=simulator.rest_url, credentials=other) as taker:
        placed = (await client.call_tool("order_create", ORDER)).structured_content["data"]
        assert placed["status"] == "New"
        await taker.execute_order("SOL_USDC", "Ask", "Limit", quantity="0.04", price="100", time_in_force="IOC")
        (fill,) = (await client.call_tool("order_fills", {"symbol": "SOL_USDC"})).structured_content["data"]
        assert (fill["orderId"], fill["price"], fill["quantity"]) == (placed["id"], "100", "0.04")
        cancelled = await client.call_tool("order_cancel", {"symbol": "SOL_USDC", "order_id": placed["id"]})
        assert cancelled.structured_content["data"]["status"] == "Cancelled"
        (past,) = (await client.call_tool("order_history", {"order_id": placed["id"]})).structured_content["data"]
        assert (past["status"], past["executedQuantity"]) == ("Cancelled", "0.04")


async def test_all_of_it_works_where_hummingbot_is_not_installed(connect: Connect) -> None:
    script = f"{WITHOUT_HUMMINGBOT}\nsys.meta_path.insert(0, Absent())\n" + (
        "try:\n    import hummingbot\nexcept ModuleNotFoundError:\n    pass\nelse:\n    sys.exit('it is there')\n"
        "from backpack_connector.mcp_server.main import main\nsys.exit(main())"
    )
    async with connect("--allow-trading", "--groups", "all", program=("-c", script)) as client:
        assert "strategy_create" in [tool.name for tool in (await client.list_tools()).tools]
        placed = (await client.call_tool("order_create", ORDER)).structured_content["data"]
        assert placed["status"] == "New"
        book = await client.read_resource("backpack://book/SOL_USDC")
        assert book.contents


async def test_limits_hold_under_calls_at_the_same_time(connect: Connect) -> None:
    async with connect("--allow-trading", "--max-session", "30", "--max-orders-per-minute", "100") as client:
        outcomes = await asyncio.gather(*(client.call_tool("order_create", ORDER) for _ in range(9)))
        kinds = [one.structured_content["error"]["kind"] for one in outcomes if one.is_error]
        assert kinds == ["limit_reached"] * 6
        assert len((await client.call_tool("order_list", {})).structured_content["data"]) == 3


async def test_nothing_is_placed_without_permission(connect: Connect, simulator: Simulator) -> None:
    async with connect() as client:
        refused = await client.call_tool("order_create", ORDER)
        assert refused.is_error
        assert refused.structured_content["error"]["executed"] == "no"
        assert "--allow-trading" in refused.structured_content["error"]["message"]
        listed = await client.call_tool("order_list", {})
        assert listed.structured_content["data"] == []


async def test_ctrl_c_ends_it_although_its_input_stays_open(
    simulator: Simulator, server_environment: dict[str, str]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backpack_connector.mcp_server", "--url", simulator.rest_url),
        env=server_environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
        process.stdin.write(json.dumps(request).encode() + b"\n")
        assert b"Backpack" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == -signal.SIGINT
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_no_secret_is_in_any_output_or_in_the_process_list(
    connect: Connect, key_pair: tuple[str, str], tmp_path: Path
) -> None:
    said = []
    async with connect("--allow-trading") as client:
        commands = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
        assert any("backpack_connector.mcp_server" in command for command in commands)
        said.append((await client.list_tools()).model_dump_json())
        for name in ("auth_config_get", "auth_config_set", "account_info", "auth_config_clear", "account_info"):
            said.append((await client.call_tool(name, {})).model_dump_json())
        for arguments in ({"api_secret": key_pair[1]}, {key_pair[1]: "x"}):
            said.append((await client.call_tool("auth_config_set", arguments)).model_dump_json())
        said.append((await client.call_tool("order_create", {"symbol": "x"})).model_dump_json())
    everything = "\n".join([*said, *commands, (tmp_path / "stderr").read_text()])
    assert key_pair[0][:4] + "..." in everything
    assert key_pair[1] not in everything
    assert key_pair[0] not in everything
