"""Funds of orders that are on their way count as used, once, and available balances are always numbers (F14)."""

import asyncio
from decimal import Decimal

from hummingbot.core.data_type.common import OrderType

from tests.spot.session import PAIR, World, until, world
from tests.spot.stream_double import HANG_UP, Reply, Seen, failure


class Held:
    """Holds an order back on its way to the exchange."""

    def __init__(self, here: World) -> None:
        self._here = here
        self.arrived = asyncio.Event()
        self.go = asyncio.Event()
        here.double.answer("execute_order", self._answer)

    async def _answer(self, seen: Seen) -> Reply:
        self.arrived.set()
        await self.go.wait()
        status, body = await self._here.double.ask_simulator(seen)
        return Reply(body, status)


async def test_funds_of_an_order_on_its_way_are_not_offered_twice() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        held = Held(here)
        connector.buy(PAIR, Decimal(2), OrderType.LIMIT, Decimal(140))
        await held.arrived.wait()
        assert connector.get_available_balance("USDC") == 9_720
        assert connector.get_balance("USDC") == 10_000
        held.go.set()
        await until(lambda: connector.available_balances["USDC"] == 9_720)
        await until(lambda: connector.get_available_balance("USDC") == 9_720)


async def test_funds_of_a_refused_order_are_offered_again() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.double.answer("execute_order", failure(400, "INVALID_ORDER", "no"))
        connector.sell(PAIR, Decimal(2), OrderType.LIMIT, Decimal(160))
        await until(lambda: here.double.count("execute_order") and not connector.in_flight_orders)
        assert connector.get_available_balance("SOL") == 50


async def test_f14_market_order_on_its_way_leaves_available_balances_finite() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        held = Held(here)
        connector.buy(PAIR, Decimal(2), OrderType.MARKET)
        await held.arrived.wait()
        assert connector.get_available_balance("USDC") == Decimal(10_000) - 2 * Decimal("150.01")
        assert connector.get_available_balance("SOL") == 50
        held.go.set()
        await until(lambda: not connector.in_flight_orders)


async def test_f14_balance_limit_with_a_market_order_in_flight_is_finite() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        limits = {"backpack_simulator": {"USDC": Decimal(1_000)}}
        connector = await here.started(PAIR, balance_asset_limit=limits)
        held = Held(here)
        connector.buy(PAIR, Decimal(2), OrderType.MARKET)
        await held.arrived.wait()
        assert connector.get_available_balance("USDC").is_finite()
        assert connector.in_flight_asset_balances(connector.in_flight_orders) == {"USDC": 2 * Decimal("150.01")}
        held.go.set()
        await until(lambda: not connector.in_flight_orders)


async def test_available_funds_never_go_below_zero() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        held = Held(here)
        connector.sell(PAIR, Decimal(60), OrderType.LIMIT, Decimal(160))
        await held.arrived.wait()
        assert connector.get_available_balance("SOL") == 0
        held.go.set()
        await until(lambda: not connector.in_flight_orders)


async def test_lost_answer_leaves_nothing_held() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        here.double.answer("execute_order", HANG_UP)
        connector.sell(PAIR, Decimal(2), OrderType.LIMIT, Decimal(160))
        await until(lambda: here.double.count("execute_order"))
        await until(lambda: connector.get_available_balance("SOL") == 50)


async def test_assets_with_small_letters_are_available_under_the_capitals_that_balance_commands_look_up() -> None:
    async with world() as here:
        connector = here.connector()
        connector._account_available_balances = {"kBONK": Decimal(5), "SOL": Decimal(2)}
        available = connector.available_balances
        assert available == {"kBONK": Decimal(5), "SOL": Decimal(2)}
        assert [available.get(name, 0) for name in ("kBONK", "KBONK", "SOL", "sol", "BTC")] == [5, 5, 2, 0, 0]
        assert (available["KBONK"], available.get("BTC")) == (5, None)
