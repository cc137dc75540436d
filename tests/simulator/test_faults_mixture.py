"""Whatever mixture of faults there was: the exchange's books are sound, and when they are over nothing is left."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.faults_kinds import KINDS, Fault, FaultKind
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.faults_support import until
from tests.simulator.streams import Stream
from tests.simulator.support import SYMBOL, Client, assert_sound, state_of

PERP = "SOL_USDC_PERP"
STREAMS = ("depth", f"depth.{SYMBOL}", "account.orderUpdate", "bookTicker", "account")
ROUNDS = 150
LEAST_KINDS = 15


def random_faults(chance: random.Random, account: str) -> Iterator[Fault]:
    """Yield faults of all kinds with random parameters; some do not fit together, which is refused."""
    values: dict[str, Any] = {
        "account": account,
        "code": 4001,
        "delay_s": 0.01,
        "duration_s": 0.5,
        "is_executed": True,
        "jitter_s": 0.02,
        "market": chance.choice([SYMBOL, PERP]),
        "message": "A fault",
        "offset_s": chance.choice([-2, 2, 3_600]),
        "price": Decimal(chance.choice(["149", "150", "151"])),
        "probability": 0.5,
        "quantity": Decimal("0.3"),
        "skip": 1,
        "state": chance.choice(list(OrderBookState)),
        "streams": (chance.choice(STREAMS),),
        "count": 3,
    }
    while True:
        kind = chance.choice(list(FaultKind))
        row = KINDS[kind]
        optional = [name for name in sorted(row.fields & set(values)) if chance.random() < 0.3]
        chosen = {name: values[name] for name in {*optional, *row.required}}
        yield Fault(kind=kind, seed=chance.randrange(1_000), **chosen)


async def trade_a_little(client: Client, chance: random.Random) -> None:
    """Place, cancel or look, and take whatever comes of it."""
    symbol = chance.choice([SYMBOL, PERP])
    order = {
        "symbol": symbol,
        "side": chance.choice(["Bid", "Ask"]),
        "orderType": "Limit",
        "price": str(chance.randint(147, 153)),
        "quantity": "0.5",
        "clientId": chance.randrange(1, 10),
    }
    calls: list[tuple[str, Any]] = [
        ("execute_order", order),
        ("execute_order", order),
        ("cancel_order", {"symbol": symbol, "clientId": chance.randrange(1, 10)}),
        ("cancel_open_orders", {"symbol": symbol}),
        ("get_depth", {"symbol": symbol}),
        ("get_fills", None),
        ("get_order_history", None),
        ("get_positions", None),
        ("get_markets", None),
    ]
    with suppress(aiohttp.ClientError, ValueError, asyncio.TimeoutError):
        await asyncio.wait_for(client.call(*chance.choice(calls)), 2)


async def listen(simulator: Simulator, client: Client, http: aiohttp.ClientSession) -> None:
    """Stay connected as well as may be."""
    while True:
        with suppress(aiohttp.ClientError, AssertionError, asyncio.TimeoutError):
            async with http.ws_connect(simulator.ws_url, timeout=aiohttp.ClientWSTimeout(ws_close=0.01)) as socket:
                await Stream(socket).send(
                    client.subscription("account.orderUpdate", "account.positionUpdate", f"depth.{SYMBOL}")
                )
                while True:
                    await Stream(socket).next()
        await asyncio.sleep(0.01)


def struck_kinds(simulator: Simulator) -> set[str]:
    return {row["kind"] for row in simulator.faults.payload() if row["struck"]}


@pytest.mark.parametrize("seed", range(3))
async def test_any_mixture_of_faults_leaves_the_exchange_sound(seed: int) -> None:
    chance = random.Random(seed)
    async with running_simulator(background=False) as simulator, aiohttp.ClientSession() as http:
        exchange = simulator.exchange
        states = {symbol: market.state for symbol, market in exchange.markets.items()}
        clients = [Client(simulator, http, seed=number) for number in (1, 2)]
        listening = [asyncio.ensure_future(listen(simulator, client, http)) for client in clients]
        faults = random_faults(chance, clients[0].key)
        calls: set[asyncio.Task[None]] = set()
        struck: set[str] = set()
        for _ in range(ROUNDS):
            with suppress(Refusal):
                simulator.faults.inject(next(faults))
            calls |= {asyncio.ensure_future(trade_a_little(client, chance)) for client in clients}
            await asyncio.sleep(0.005)
            if chance.random() < 0.2:
                simulator.advance_clock(1)
                assert_sound(exchange)
            if chance.random() < 0.1:
                struck |= struck_kinds(simulator)
                simulator.faults.end()
        await asyncio.gather(*calls)
        struck |= struck_kinds(simulator)
        simulator.faults.end()
        assert len(struck) > LEAST_KINDS
        assert {symbol: market.state for symbol, market in exchange.markets.items()} == states
        assert all(market.is_listed for market in exchange.markets.values())
        assert (simulator.faults.is_set, simulator.hub.faults) == (False, None)
        assert not simulator.faults._frames._held
        assert not simulator.faults.reads._recordings
        await until(lambda: not simulator.faults._later)
        assert_sound(exchange)
        # Everything works as on the first day.
        for client in clients:
            for symbol in (SYMBOL, PERP):
                assert (await client.call("cancel_open_orders", {"symbol": symbol}))[0] == 200
            assert (await client.call("get_status"))[1]["status"] == "Ok"
        before = state_of(exchange)
        for client in clients:
            assert await client.call("get_open_orders") == (200, [])
        assert state_of(exchange) == before
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
