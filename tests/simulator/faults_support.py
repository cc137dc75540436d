"""Help the tests of faults: set one, wait for something, measure, and see that a connection was lost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.simulator.streams import LIMIT_S, Stream, place
from tests.simulator.support import SYMBOL, Client, limit

DEPTH = f"depth.{SYMBOL}"
ORDERS = "account.orderUpdate"

ORDER = {"symbol": SYMBOL, "side": "Bid", "orderType": "Limit", "price": "150", "quantity": "2", "clientId": 7}
LATE_S = 0.3


def inject(simulator: Simulator, kind: FaultKind, **fields: Any) -> int:
    (fault_id,) = simulator.faults.inject(Fault(kind=kind, **fields))
    return fault_id


def orders_of(simulator: Simulator, client: Client) -> list[int | None]:
    """Return the client ids of all orders that the exchange ever accepted from somebody."""
    account = simulator.exchange.accounts.get(client.key)
    return [] if account is None else [order.client_id for order in account.orders.values()]


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so, for a few seconds at most."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + LIMIT_S
    while not condition():
        assert loop.time() < end_s, "it has not happened"
        await asyncio.sleep(0.005)


async def timed(call: Awaitable[Any]) -> tuple[float, Any]:
    """Return the seconds that something took, and its result."""
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    result = await call
    return loop.time() - start_s, result


async def is_lost(call: Awaitable[Any]) -> bool:
    """Tell whether a request ends with a lost connection instead of an answer."""
    try:
        await call
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        return True
    return False


def change_book(simulator: Simulator, times: int, symbol: str = SYMBOL) -> None:
    """Let a number of book events happen."""
    price = {"ETH_USDC": "4000"}.get(symbol, "151")
    for _ in range(times):
        place(simulator, "x", limit("Ask", price, "0.1", symbol=symbol))


async def update_ids(stream: Stream) -> list[int]:
    """Return the ids of the depth frames that have come."""
    return [frame["data"]["u"] for frame in await stream.settle() if frame["stream"] == DEPTH]


def first_id(simulator: Simulator) -> int:
    """Return the id of the next book event."""
    return simulator.exchange.markets[SYMBOL].book.update_id + 1
