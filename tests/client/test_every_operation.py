"""Every operation through its typed method, in the judges' story of four accounts, against the real simulator."""

import asyncio
import inspect
from collections import Counter
from typing import Any

import aiohttp
import msgspec
import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.endpoints import ENDPOINTS
from backpack_connector.protocol.errors import ConfigurationError, Refused
from backpack_connector.protocol.operations import OPERATIONS
from backpack_connector.protocol.signing import Credentials
from backpack_connector.simulator import running_simulator
from tests.client import generated
from tests.judges.walk import Judge, walk


class NoLimits:
    """Pools that never let anybody wait: the story asks more in a minute than an account may."""

    async def acquire(self, row: Any) -> None:
        """Do nothing."""


class TypedJudge(Judge):
    """Ask through the client's methods, and hand back what they returned as if it were JSON."""

    def __init__(self, simulator: Any, session: aiohttp.ClientSession) -> None:
        super().__init__(simulator, session)
        self.clients = [BackpackClient(url=simulator.rest_url, credentials=one) for one in self._credentials]
        for client in self.clients:
            client.pools = NoLimits()  # type: ignore[assignment]
        self.refused_here: Counter[str] = Counter()

    async def ask(
        self,
        operation_id: str,
        parameters: Any = None,
        *,
        who: int = 0,
        status: int = 200,
        session: str | None = None,
    ) -> Any:
        if session is not None:  # the client has keys and no web sessions
            return await super().ask(operation_id, parameters, who=who, status=status, session=session)
        method = getattr(self.clients[who], operation_id)
        self.asked[operation_id] += 1
        client = self.clients[who]
        await client.synchronize_clock()  # the story puts the clock forward
        try:
            result = await (
                method(parameters) if isinstance(parameters, list) else method(**named(operation_id, parameters))
            )
        except (Refused, ConfigurationError) as error:
            self.refused_here[operation_id] += isinstance(error, ConfigurationError)
            if status == 200:
                self.found.append(f"{operation_id} {parameters}: {error}")
            return None
        if status != 200:
            self.found.append(f"{operation_id} {parameters}: was not refused")
        if isinstance(result, list):
            self.rows[operation_id] += len(result)
        return (
            msgspec.to_builtins([row for row in result if not isinstance(row, Exception)])
            if isinstance(result, list)
            else msgspec.to_builtins(result)
        )


def named(operation_id: str, parameters: dict[str, Any] | None) -> dict[str, Any]:
    """Return parameters under the names that they have in Python."""
    row = OPERATIONS[operation_id]
    return {
        (found.python_name if (found := row.parameter(name)) else name): value
        for name, value in (parameters or {}).items()
    }


@pytest.fixture(scope="module")
def judge() -> TypedJudge:
    async def told() -> TypedJudge:
        async with running_simulator(background=False) as simulator, aiohttp.ClientSession() as session:
            judge = TypedJudge(simulator, session)
            await walk(judge)
            for client in judge.clients:
                await client.close()
            return judge

    return asyncio.run(told())


def test_every_operation_is_asked_and_read(judge: TypedJudge) -> None:
    assert judge.found == []
    assert set(judge.asked) == {row.operation_id for row in ENDPOINTS}


def test_lists_came_with_rows(judge: TypedJudge) -> None:
    lists = {"get_fills", "get_order_history", "get_markets", "get_klines", "get_rfq_history", "get_settlement_history"}
    assert all(judge.rows[name] for name in lists)


def test_what_the_simulator_would_refuse_as_unreadable_was_not_even_sent(judge: TypedJudge) -> None:
    assert judge.refused_here["get_depth"]
    assert judge.refused_here["accept_quote"]


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.operation_id)
def test_each_operation_has_a_method_with_its_parameters(row: Any) -> None:
    method = getattr(BackpackClient, row.operation_id)
    names = [name for name in inspect.signature(method).parameters if name != "self"]
    expected = ["orders"] if row.operation_id == "execute_order_batch" else [one.python_name for one in row.parameters]
    assert sorted(names) == sorted(expected)
    assert (method.__doc__ or "").startswith(row.meaning)


@pytest.mark.parametrize(
    "row", [row for row in OPERATIONS.values() if row.page_limit], ids=lambda row: row.operation_id
)
def test_each_operation_with_pages_has_an_iterator(row: Any) -> None:
    assert hasattr(BackpackClient, row.operation_id.replace("get_", "iterate_"))


def test_the_methods_are_those_that_the_catalogue_gives() -> None:
    for path, text in generated.files().items():
        assert path.read_text(encoding="utf-8") == text, f"run `python -m tests.client.generated` for {path.name}"


NEEDED = {"get_funding_interval_rates": ["SOL_USDC_PERP"], "get_historical_trades": ["SOL_USDC"]}


async def test_every_iterator_goes_through_its_list(key_pair: tuple[str, str]) -> None:
    async with (
        running_simulator(background=False) as simulator,
        BackpackClient(url=simulator.rest_url, credentials=Credentials(*key_pair)) as client,
    ):
        client.pools = NoLimits()  # type: ignore[assignment]
        for row in OPERATIONS.values():
            if row.page_limit:
                iterate = getattr(client, row.operation_id.replace("get_", "iterate_"))
                rows = [one async for one in iterate(*NEEDED.get(row.operation_id, []), page_size=2, most=3)]
                assert len(rows) <= 3
                assert all(one is not None for one in rows)
