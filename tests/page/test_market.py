"""The page shows the market as the exchange has it: book, trades, candles, prices, and what becomes of them."""

from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.simulator import Simulator
from tests.page.conftest import Watched, eventually
from tests.simulator.support import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYMBOL = "SOL_USDC"


async def place(client: Client, side: str, price: str, quantity: str, symbol: str = SYMBOL) -> dict[str, Any]:
    status, order = await client.call(
        "execute_order",
        {"symbol": symbol, "side": side, "orderType": "Limit", "price": price, "quantity": quantity},
    )
    assert status == 200, order
    return order  # type: ignore[no-any-return]


async def depth(simulator: Simulator, http: aiohttp.ClientSession, side: str) -> list[list[Decimal]]:
    """Return a side of the book as the exchange answers it, best level first."""
    async with http.get(f"{simulator.rest_url}/api/v1/depth", params={"symbol": SYMBOL}) as response:
        levels = (await response.json())[side]
    return [[Decimal(text) for text in level] for level in (levels[::-1] if side == "bids" else levels)]


def numbers(rows: list[list[str]]) -> list[list[Decimal]]:
    return [[Decimal(text.replace(",", "")) for text in row[:2]] for row in rows]


async def shown(watched: Watched, side: str) -> list[list[Decimal]]:
    """Return a side of the ladder, best level first."""
    rows = numbers(await watched.ladder(side))
    return rows if side == "bids" else rows[::-1]


async def test_the_ladder_equals_the_book_of_the_exchange(
    watched: Watched, simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    for price, quantity in (("149.5", "1"), ("149", "0.25"), ("148.07", "12.3")):
        await place(alice, "Bid", price, quantity)
    await watched.open()
    await eventually(lambda: shown(watched, "bids"), await depth(simulator, http, "bids"))
    await place(alice, "Ask", "151", "2")
    moved = await place(alice, "Ask", "150.4", "0.5")
    await place(alice, "Bid", "149", "1")
    for side in ("bids", "asks"):
        levels = await depth(simulator, http, side)
        assert levels
        await eventually(lambda side=side: shown(watched, side), levels)
    await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": moved["id"]})
    await eventually(lambda: shown(watched, "asks"), [[Decimal(151), Decimal(2)]])
    assert await depth(simulator, http, "asks") == [[Decimal(151), Decimal(2)]]
