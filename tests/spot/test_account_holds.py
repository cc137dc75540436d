"""Funds of orders that are on their way count as used, once, and available balances are always numbers (F14)."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import OrderState
from hummingbot.core.event.event_listener import EventListener
from hummingbot.core.event.events import MarketEvent

from backpack_connector import stream_evidence
from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.streams import BALANCE_UPDATES
from tests.spot.session import PAIR, World, until, world
from tests.spot.stream_double import HANG_UP, Connection, Reply, Seen, failure


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


class Balances:
    """Holds the messages about balances back on their way to the connector, until they may go."""

    def __init__(self, here: World) -> None:
        self._kept: list[tuple[Connection, Any]] = []
        self.is_open = False
        here.double.on_server_frame = self._pass

    def _pass(self, connection: Connection, frame: Any) -> "list[Any]":
        if self.is_open or not isinstance(frame, dict) or frame.get("stream") != BALANCE_UPDATES:
            return [frame]
        self._kept.append((connection, frame))
        return []

    @property
    def count(self) -> int:
        """Return how many messages are held back."""
        return len(self._kept)

    async def go(self) -> None:
        """Let all messages through."""
        self.is_open = True
        for connection, frame in self._kept:
            await connection.send(frame)


class AtCreation(EventListener):
    """Notes what can be used of an asset when orders are created, as a strategy sees it that acts at once."""

    def __init__(self, connector: BackpackExchange, asset: str) -> None:
        super().__init__()
        self._connector, self._asset = connector, asset
        self.seen: list[Decimal] = []
        for kind in (MarketEvent.BuyOrderCreated, MarketEvent.SellOrderCreated):
            connector.add_listener(kind, self)

    def __call__(self, event: Any, *_: Any) -> None:
        self.seen.append(self._connector.get_available_balance(self._asset))


def is_resting(connector: BackpackExchange) -> bool:
    """Tell whether all orders rest."""
    orders = connector.in_flight_orders.values()
    return bool(orders) and all(order.current_state is OrderState.OPEN for order in orders)


async def test_f16_funds_are_not_offered_twice_between_the_answer_and_the_balance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 600.0)
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        balances, created = Balances(here), AtCreation(connector, "USDC")
        connector.buy(PAIR, Decimal(60), OrderType.LIMIT, Decimal(140))
        await until(lambda: created.seen and balances.count)
        assert (created.seen, connector.get_available_balance("USDC")) == ([1_600], 1_600)
        await balances.go()
        await until(lambda: connector.available_balances["USDC"] == 1_600)
        assert connector.get_available_balance("USDC") == 1_600


async def test_every_order_of_a_ladder_needs_a_message_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 600.0)
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        balances, created = Balances(here), AtCreation(connector, "SOL")
        for price in range(160, 165):
            connector.sell(PAIR, Decimal(10), OrderType.LIMIT, Decimal(price))
        await until(lambda: len(created.seen) == 5)
        assert created.seen == [0] * 5
        await until(lambda: balances.count == 5)
        assert connector.get_available_balance("SOL") == 0
        await balances.go()
        await until(lambda: not connector._spot_balances.held("SOL"))
        assert connector.get_available_balance("SOL") == 0


async def test_a_balance_that_the_stream_never_tells_is_asked_for() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        Balances(here)
        connector.buy(PAIR, Decimal(60), OrderType.LIMIT, Decimal(140))
        await until(lambda: is_resting(connector))
        await until(lambda: not connector._spot_balances.held("USDC"))
        assert connector.available_balances["USDC"] == 1_600
        assert connector.get_available_balance("USDC") == 1_600


async def test_an_order_that_is_filled_at_once_gives_nothing_back_before_the_balance_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 600.0)
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        balances = Balances(here)
        connector.sell(PAIR, Decimal(3), OrderType.LIMIT, Decimal("149.99"))
        await until(lambda: connector.order_tracker.all_fillable_orders and not connector.in_flight_orders)
        assert connector.get_available_balance("SOL") == 47
        await balances.go()
        await until(lambda: not connector._spot_balances.held("SOL"))
        assert connector.get_available_balance("SOL") == 47


async def test_an_order_that_is_cancelled_before_the_balance_is_told_gives_everything_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_evidence, "ANSWER_LAG_S", 600.0)
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        Balances(here)
        order_id = connector.sell(PAIR, Decimal(3), OrderType.LIMIT, Decimal(160))
        await until(lambda: is_resting(connector))
        assert connector.get_available_balance("SOL") == 47
        connector.cancel(PAIR, order_id)
        await until(lambda: not connector.in_flight_orders)
        assert connector.get_available_balance("SOL") == 50


async def test_a_lost_answer_keeps_the_funds_until_it_is_known_what_the_order_took() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)

        async def hang_up(seen: Seen) -> Reply:
            await here.double.ask_simulator(seen)
            return HANG_UP

        Balances(here)
        here.double.answer("execute_order", hang_up)
        seen: list[Decimal] = []
        connector.sell(PAIR, Decimal(20), OrderType.LIMIT, Decimal(160))

        def is_known() -> bool:
            seen.append(connector.get_available_balance("SOL"))
            return connector.available_balances["SOL"] == 30 and not connector._spot_balances.held("SOL")

        await until(is_known)
        assert set(seen) <= {10, 30}
        assert seen[-1] == 30


async def test_an_answer_that_cannot_be_read_holds_no_longer_than_until_the_balance_is_told() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)

        async def garble(seen: Seen) -> Reply:
            await here.double.ask_simulator(seen)
            return Reply({"id": "7"})

        here.double.answer("execute_order", garble)
        connector.sell(PAIR, Decimal(20), OrderType.LIMIT, Decimal(160))
        await until(lambda: is_resting(connector))
        await until(lambda: connector.get_available_balance("SOL") == 30)
        assert connector.available_balances["SOL"] == 30


async def test_an_order_whose_request_was_given_up_is_released_by_the_next_answer() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        held = Held(here)
        order_id = "17"
        task = asyncio.ensure_future(
            connector._create_order(TradeType.SELL, order_id, PAIR, Decimal(2), OrderType.LIMIT, Decimal(160))
        )
        await held.arrived.wait()
        assert connector.get_available_balance("SOL") == 48
        task.cancel()
        await asyncio.wait([task])
        assert connector.get_available_balance("SOL") == 48
        await connector.stop_network()
        assert connector._holds_timer is None
        await connector._update_balances()
        assert connector.get_available_balance("SOL") == 50
        held.go.set()
