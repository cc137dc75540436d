"""Every tool against the simulator: the story that the judges of the simulator tell, told through the tools."""

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import jsonschema
import pytest

from backpack_connector.client.credentials import Found
from backpack_connector.mcp_server.session import Session
from backpack_connector.mcp_server.settings import read_settings
from backpack_connector.mcp_server.tools import NOT_OFFERED, TOOLS
from backpack_connector.protocol.operations import OPERATIONS
from backpack_connector.simulator import Simulator, running_simulator
from tests.client.test_every_operation import NoLimits, TypedJudge, named
from tests.judges.walk import JUDGES_ADDRESS, walk

TOOL_OF = {tool.operation_id: tool for tool in reversed(TOOLS.values()) if tool.operation_id}
MOST = str(10**12)
OPTIONS = [
    *("--allow-trading", "--allow-withdrawals", "--groups", "all"),
    *("--max-order", MOST, "--max-session", MOST, "--max-withdrawals", MOST),
    *("--max-orders-per-minute", "10000", "--max-calls-per-minute", "10000"),
]


class ToolJudge(TypedJudge):
    """Ask through the tools where there is one; what their limits refuse is asked by the client."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        super().__init__(simulator, session)
        self.used: Counter[str] = Counter()
        self.limited: set[str] = set()
        self._simulator = simulator
        self._sessions: list[Session] = []

    async def prepare(self) -> None:
        """Open a session for each account; the second one's address may be withdrawn to as well."""
        inside = await self.clients[1].get_deposit_address("Solana")
        addresses = ["--withdrawal-address", JUDGES_ADDRESS, "--withdrawal-address", inside.address]
        settings = read_settings(["--url", self._simulator.rest_url, *OPTIONS, *addresses])
        for credentials in self._credentials:
            found = Found(credentials, "environment")
            session = Session(settings, find=lambda found=found: found)  # type: ignore[misc]
            await session.__aenter__()
            session.client.pools = NoLimits()  # type: ignore[assignment]
            self._sessions.append(session)

    async def close(self) -> None:
        for session in self._sessions:
            await session.__aexit__(None, None, None)
        for client in self.clients:
            await client.close()

    async def ask(
        self,
        operation_id: str,
        parameters: Any = None,
        *,
        who: int = 0,
        status: int = 200,
        session: str | None = None,
    ) -> Any:
        tool = TOOL_OF.get(operation_id)
        arguments: dict[str, Any] = {}
        if isinstance(parameters, list):
            arguments = {"orders": [named(operation_id, order) for order in parameters]}
        elif parameters:
            arguments = named(operation_id, parameters)
        if tool is None or any(row in arguments for row in map(snake, tool.hidden)):
            return await super().ask(operation_id, parameters, who=who, status=status, session=session)
        if status == 200:
            jsonschema.validate(arguments, tool.input_schema)
        agent = self._sessions[who]
        await agent.client.synchronize_clock()  # the story puts the clock forward
        answer, is_error = await agent.call(tool.name, arguments)
        # An order off the tick, of which the story tells that the exchange refuses it, is not even sent by a tool.
        if is_error and (answer["error"]["kind"] == "limit_reached" or "multiple of the tick" in str(answer)):
            self.limited.add(tool.name)
            return await super().ask(operation_id, parameters, who=who, status=status)
        self.asked[operation_id] += 1
        self.used[tool.name] += 1
        if is_error != (status != 200):
            self.found.append(f"{tool.name} {arguments}: {answer}")
        return None if is_error else answer["data"]


def snake(name: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in name)


@pytest.fixture(scope="module")
def judge() -> ToolJudge:
    async def told() -> ToolJudge:
        async with running_simulator(background=False) as simulator, aiohttp.ClientSession() as session:
            judge = ToolJudge(simulator, session)
            await judge.prepare()
            await walk(judge)
            await judge.close()
            return judge

    return asyncio.run(told())


def test_every_tool_answers(judge: ToolJudge) -> None:
    assert judge.found == []
    assert judge.used.keys() | judge.limited == {tool.name for tool in TOOL_OF.values()}


def test_only_what_cannot_be_valued_is_refused(judge: ToolJudge) -> None:
    assert judge.limited <= {"order_create", "order_batch"}


def test_every_operation_is_a_tool_or_has_a_reason() -> None:
    assert set(TOOL_OF) | set(NOT_OFFERED) == set(OPERATIONS)
    assert not set(TOOL_OF) & set(NOT_OFFERED)
