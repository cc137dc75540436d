"""A simulator that is killed at any moment goes on from a whole state that is at most a moment old."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.errors import NoAnswer, Refused
from backpack_connector.protocol.signing import Credentials, generate_key_pair

LIMIT_S = 30.0
SAFE_AFTER_S = 1.0
LEAST_SAFE = 5
"""Far more than the tenth of a second that is promised, because the machine may be busy."""


@asynccontextmanager
async def simulator(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backpack_connector.cli.main", "simulate", "--port", "0", "--json"),
        *("--no-taker-delay", "--state", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), LIMIT_S))
        yield process, ready["restUrl"]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def truth(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/simulator/truth") as answer:
        return await answer.json()


def assert_whole(state: Any) -> None:
    for asset, row in state["assets"].items():
        assert Decimal(row["total"]) == Decimal(row["deposited"]), asset
    assert state["clearingHouse"]["balance"] == state["clearingHouse"]["owed"]
    assert not any(market["isCrossed"] for market in state["markets"].values())
    for account in state["accounts"].values():
        history = {row["orderId"]: row for row in account["orderHistory"]}
        if account["isBackground"]:
            continue
        filled: dict[str, Decimal] = {}
        for fill in account["fills"]:
            filled[fill["orderId"]] = filled.get(fill["orderId"], Decimal(0)) + Decimal(fill["quantity"])
        for order_id, order in history.items():
            assert Decimal(order["executedQuantity"]) == filled.get(order_id, Decimal(0))
        for order in account["openOrders"]:
            assert history[order["orderId"]] == order
            market = state["markets"][order["symbol"]]
            side = dict(market["bids"] if order["side"] == "Bid" else market["asks"])
            assert any(Decimal(price) == Decimal(order["price"]) for price in side)


async def trade(client: BackpackClient, chance: random.Random, told: list[tuple[float, str]]) -> None:
    """Order and cancel until the exchange is gone; notes down when each order was acknowledged."""
    while True:
        fields = {
            "symbol": chance.choice(["SOL_USDC", "SOL_USDC_PERP"]),
            "side": chance.choice(["Bid", "Ask"]),
            "orderType": "Limit",
            "price": str(chance.randint(1480, 1520) / 10),
            "quantity": "0.05",
        }
        try:
            answer = await client.request("execute_order", fields)
            told.append((time.monotonic(), answer["id"]))
            if chance.random() < 0.2:
                await client.request("cancel_open_orders", {"symbol": "SOL_USDC"})
        except Refused:
            continue
        except NoAnswer:
            return
        await asyncio.sleep(0.005)  # so that the minute's requests last


@pytest.mark.parametrize("seed", [1, 2])
async def test_kills_at_any_moment_leave_a_whole_state(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    key, secret = generate_key_pair(bytes([seed]) * 32)
    told: list[tuple[float, str]] = []
    must_be_there: set[str] = set()
    for kill in range(4):
        async with simulator(tmp_path) as (process, url):
            state = await truth(url)
            assert_whole(state)
            known = {row["orderId"] for row in state["accounts"].get(key, {}).get("orderHistory", [])}
            assert must_be_there <= known
            assert known <= {order_id for _, order_id in told}
            told = [row for row in told if row[1] in known]  # what was lost with the kill may be given out again
            async with BackpackClient(url=url, credentials=Credentials(key, secret)) as client:
                trading = asyncio.ensure_future(trade(client, chance, told))
                begun_at = time.monotonic()
                while sum(begun_at < at < time.monotonic() - SAFE_AFTER_S for at, _ in told) <= LEAST_SAFE:
                    assert not trading.done(), "the exchange answers no orders any more"
                    await asyncio.sleep(0.05)
                await asyncio.sleep(chance.uniform(0.0, 0.8))
                killed_at = time.monotonic()
                process.send_signal(signal.SIGKILL if kill != 2 else signal.SIGTERM)
                await asyncio.wait_for(asyncio.gather(process.wait(), trading), LIMIT_S)
            safe_s = SAFE_AFTER_S if kill != 2 else 0.0
            must_be_there = {order_id for at, order_id in told if at < killed_at - safe_s}
            assert len(must_be_there) > LEAST_SAFE
    async with simulator(tmp_path) as (_, url):
        state = await truth(url)
        assert_whole(state)
        orders = state["accounts"][key]["orderHistory"]
        assert must_be_there <= {row["orderId"] for row in orders}
        assert len({row["orderId"] for row in orders}) == len(orders)
