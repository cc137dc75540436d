"""Streams as resources: read and subscribed to by agents, dropped with the key, and bounded."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from mcp.client.client import MCPDeprecationWarning
from mcp.shared.exceptions import MCPError

from backpack_connector.client.live_book import LiveBook
from backpack_connector.client.rest import BackpackClient
from backpack_connector.mcp_server import live as live_module
from backpack_connector.mcp_server.limits import LimitReached
from backpack_connector.mcp_server.live import LiveData
from backpack_connector.mcp_server.session import Session
from backpack_connector.protocol.errors import BackpackError, ConfigurationError
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from backpack_connector.simulator import Simulator
from tests.mcp_server.conftest import Connect

BOOK, TRADES, ORDERS = (
    "backpack://book/SOL_USDC",
    "backpack://stream/trade.SOL_USDC",
    "backpack://stream/account.orderUpdate",
)
ORDER = {"symbol": "SOL_USDC", "side": "Bid", "order_type": "Limit", "quantity": "0.1", "price": "100"}


@pytest.fixture
async def other(simulator: Simulator) -> AsyncIterator[BackpackClient]:
    async with BackpackClient(url=simulator.rest_url, credentials=Credentials(*generate_key_pair())) as client:
        yield client


@pytest.fixture
async def session(new_session: Any) -> Session:
    one: Session = await new_session("--allow-trading", "--max-calls-per-minute", "10000")
    return one


@pytest.fixture
async def live(session: Session, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LiveData]:
    monkeypatch.setattr(live_module, "FIRST_WAIT_S", 0.05)
    async with LiveData(session) as running:
        yield running


async def until(live: LiveData, uri: str, is_so: Callable[[Any], bool]) -> Any:
    """Read again and again until it is so; the test's own time-out ends it otherwise."""
    while True:
        answer = await live.read(uri)
        if "data" in answer and is_so(answer["data"]):
            return answer["data"]
        await asyncio.sleep(0.02)


async def trade(other: BackpackClient, session: Session) -> None:
    await session.call("order_create", ORDER)
    await other.execute_order("SOL_USDC", "Ask", "Limit", quantity="0.1", price="100", time_in_force="IOC")


async def test_a_book_is_live(live: LiveData, other: BackpackClient) -> None:
    await until(live, BOOK, lambda data: data["is_known"])
    await other.execute_order("SOL_USDC", "Bid", "Limit", quantity="1", price="100")
    await other.execute_order("SOL_USDC", "Bid", "Limit", quantity="2", price="101")
    data = await until(live, BOOK, lambda data: len(data["bids"]) == 2)
    assert data["bids"] == [["101", "2"], ["100", "1"]]


async def test_messages_of_public_and_private_streams(live: LiveData, session: Session, other: BackpackClient) -> None:
    for uri in (TRADES, ORDERS):
        await until(live, uri, lambda data: data["is_connected"])
    await trade(other, session)
    data = await until(live, TRADES, lambda data: data["messages"])
    assert (data["messages_seen"], data["interruptions"]) == (1, 0)
    assert data["messages"][0]["price"] == "100"
    await until(live, ORDERS, lambda data: len(data["messages"]) >= 2)


async def test_what_was_heard_with_a_key_goes_with_it(live: LiveData, session: Session, other: BackpackClient) -> None:
    await until(live, ORDERS, lambda data: data["is_connected"])
    await trade(other, session)
    await until(live, ORDERS, lambda data: data["messages"])
    await session.call("auth_config_clear", {})
    with pytest.raises(ConfigurationError, match="not configured"):
        await live.read(ORDERS)
    assert (await live.read(TRADES))["data"]["messages"] == []
    await session.call("auth_config_set", {})
    assert (await live.read(ORDERS))["data"]["messages"] == []


@pytest.mark.parametrize(
    "uri",
    [
        "backpack://book/NOPE_USDC",
        "backpack://book/",
        "backpack://stream/depth.SOL_USDC",
        "backpack://stream/trade",
        "backpack://stream/kline.SOL_USDC",
        "backpack://stream/account.rfqUpdate",
        "backpack://stream/trade.NOPE_USDC",
        "file:///etc/passwd",
        "backpack://book/../x",
    ],
)
async def test_what_is_not_there_is_an_error(uri: str, live: LiveData) -> None:
    with pytest.raises(BackpackError):
        await live.read(uri)
    assert live._followed == {}


async def test_only_so_many_are_followed(live: LiveData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "MOST_FOLLOWED", 2)
    for uri in (BOOK, TRADES, BOOK, ORDERS):
        await live.follow(uri)
    assert list(live._followed) == [BOOK, ORDERS]
    assert live._stream is not None
    assert live._stream.streams == ("account.orderUpdate",)


def test_a_book_that_is_not_certain_is_empty() -> None:
    for book in (None, LiveBook("SOL_USDC")):
        assert live_module._book_data(book) == {"is_known": False, "bids": [], "asks": []}


async def test_a_resource_counts_as_a_call(new_session: Any) -> None:
    session = await new_session("--max-calls-per-minute", "1")
    async with LiveData(session) as live:
        await live.follow(TRADES)
        with pytest.raises(LimitReached):
            await live.follow(TRADES)


async def test_an_interruption_is_counted(live: LiveData, simulator: Simulator) -> None:
    await until(live, TRADES, lambda data: data["is_connected"])
    assert live._stream is not None
    socket = live._stream._socket
    assert socket is not None
    await socket.close()
    await until(live, TRADES, lambda data: data["interruptions"] == 1 and data["is_connected"])


async def test_changes_are_told_at_most_once_a_period(live: LiveData, other: BackpackClient) -> None:
    told: list[str] = []
    is_told = asyncio.Event()

    async def publish(uri: str) -> None:
        told.append(uri)
        is_told.set()

    live.publish = publish
    await until(live, BOOK, lambda data: data["is_known"])
    for price in range(100, 110):
        await other.execute_order("SOL_USDC", "Bid", "Limit", quantity="1", price=price)
    await until(live, BOOK, lambda data: len(data["bids"]) == 10)
    await is_told.wait()
    assert set(told) == {BOOK}
    assert len(told) < 10


async def test_an_agent_listens_and_reads(connect: Connect, other: BackpackClient) -> None:
    async with connect() as client:
        templates = (await client.list_resource_templates()).resource_templates
        assert {"book", "trade", "markPrice"} <= {row.name for row in templates}
        assert ORDERS in [row.uri for row in (await client.list_resources()).resources]
        async with client.listen(resource_subscriptions=[BOOK]) as subscription:
            await other.execute_order("SOL_USDC", "Bid", "Limit", quantity="1", price="100")
            async for event in subscription:
                assert event.uri == BOOK  # type: ignore[union-attr]
                read = json.loads((await client.read_resource(BOOK)).contents[0].text)  # type: ignore[union-attr]
                if read["data"]["bids"] == [["100", "1"]]:
                    break
        with pytest.raises(MCPError, match="no resource"):
            await client.read_resource("backpack://nothing")


async def test_an_older_agent_subscribes(connect: Connect, other: BackpackClient) -> None:
    told = asyncio.Event()

    async def note(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            told.set()

    async with connect(mode="legacy", message_handler=note) as client:
        with pytest.warns(MCPDeprecationWarning):
            await client.subscribe_resource(BOOK)
        await other.execute_order("SOL_USDC", "Bid", "Limit", quantity="1", price="100")
        await told.wait()
        with pytest.warns(MCPDeprecationWarning):
            await client.unsubscribe_resource(BOOK)
