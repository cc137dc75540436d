"""The people in an order test: other traders at the exchange, and the bot whose polls the test decides."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderUpdate
from hummingbot.core.event.event_forwarder import SourceInfoEventForwarder
from hummingbot.core.event.events import MarketEvent

from backpack_connector.backpack_exchange import BackpackExchange
from backpack_connector.protocol.enums import OrderType as WireOrderType
from backpack_connector.protocol.enums import Side, TimeInForce
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.events import Execution
from backpack_connector.simulator.orders import NewOrder, Order
from tests.spot.exchange_double import ExchangeDouble

SYMBOL = "SOL_USDC"
PAIR = "SOL-USDC"
LIMIT_S = 15.0
"""Shared machines have been seen to stand still for seconds."""


@dataclass(frozen=True)
class Kind:
    """A kind of market, for tests that are about any."""

    connector: Callable[..., Any]
    domain: str
    symbol: str
    """The market of `PAIR`."""
    order_options: Mapping[str, Any] = field(default_factory=dict)
    """What `buy` and `sell` of the connector want to know besides."""


SPOT = Kind(BackpackExchange, "backpack_simulator", SYMBOL)


class Venue:
    """The simulated exchange behind its double, and the other people who trade there."""

    def __init__(self, simulator: Simulator, double: ExchangeDouble, kind: Kind = SPOT) -> None:
        self.simulator = simulator
        self.double = double
        self.kind = kind

    def place(
        self,
        side: Side,
        price: str | None,
        quantity: str,
        *,
        symbol: str | None = None,
        account: str = "somebody",
        client_id: int | None = None,
        is_told: bool = True,
        **options: Any,
    ) -> Order:
        """Place an order of an account past all networks; `is_told` says whether the streams tell of it."""
        request = NewOrder(
            symbol=symbol or self.kind.symbol,
            side=side,
            order_type=WireOrderType.MARKET if price is None else WireOrderType.LIMIT,
            price=None if price is None else Decimal(price),
            quantity=Decimal(quantity),
            time_in_force=TimeInForce.GTC,
            client_id=client_id,
            **options,
        )
        return self._tell(self.simulator.exchange.place(account, request), is_told).order

    def cancel(self, account: str, order_id: str, *, symbol: str | None = None, is_told: bool = True) -> Order:
        """Cancel an order past all networks, as its owner would in a browser."""
        symbol = symbol or self.kind.symbol
        return self._tell(self.simulator.exchange.cancel(account, symbol, order_id=order_id), is_told).order

    def _tell(self, execution: Execution, is_told: bool) -> Execution:
        if is_told:
            self.simulator.publish(execution)
        return execution

    def orders(self, account: str) -> list[Order]:
        """Return all orders that the exchange ever accepted from an account."""
        found = self.simulator.exchange.accounts.get(account)
        return [] if found is None else list(found.orders.values())


_EVENTS = (
    MarketEvent.BuyOrderCreated,
    MarketEvent.SellOrderCreated,
    MarketEvent.OrderFilled,
    MarketEvent.OrderCancelled,
    MarketEvent.OrderFailure,
    MarketEvent.BuyOrderCompleted,
    MarketEvent.SellOrderCompleted,
)


class Bot:
    """A connector on a venue, started as Hummingbot starts it; the test says when it polls."""

    def __init__(
        self,
        venue: Venue,
        key_pair: tuple[str, str],
        *,
        trading_pairs: tuple[str, ...] = (PAIR,),
        tracking_states: dict[str, Any] | None = None,
    ) -> None:
        self.venue = venue
        self.double = venue.double
        self.account = key_pair[0]
        kind = venue.kind
        self.connector = kind.connector(*key_pair, trading_pairs=list(trading_pairs), domain=kind.domain)
        self.events: list[tuple[str, Any]] = []
        self._forwarder = SourceInfoEventForwarder(self._remember)
        for event in _EVENTS:
            self.connector.add_listener(event, self._forwarder)
        if tracking_states:
            self.connector.restore_tracking_states(tracking_states)

    def _remember(self, tag: int, _: Any, event: Any) -> None:
        self.events.append((MarketEvent(tag).name, event))

    async def __aenter__(self) -> "Bot":
        self._set_time()
        await self.connector.start_network()
        try:
            await until(lambda: self.connector.ready, "the connector is ready")
            # The first poll and the one after subscribing are over, so that from here on the test alone polls.
            await until(lambda: not self.connector._poll_notifier.is_set(), "the first polls are over")
        except BaseException:
            await self.connector.stop_network()
            raise
        self.double.calls.clear()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.connector.stop_network()

    def _set_time(self) -> None:
        self.connector._set_current_timestamp(time.time())

    async def buy(
        self, amount: str, price: str, order_type: OrderType = OrderType.LIMIT, pair: str = PAIR, **options: Any
    ) -> str:
        """Order as a strategy does; return the client order id when the connector has begun with it."""
        return await self._order(self.connector.buy, amount, price, order_type, pair, **options)

    async def sell(
        self, amount: str, price: str, order_type: OrderType = OrderType.LIMIT, pair: str = PAIR, **options: Any
    ) -> str:
        """Order as a strategy does; return the client order id when the connector has begun with it."""
        return await self._order(self.connector.sell, amount, price, order_type, pair, **options)

    async def _order(
        self, place: Callable[..., str], amount: str, price: str, order_type: OrderType, pair: str, **options: Any
    ) -> str:
        self._set_time()
        options = {**self.venue.kind.order_options, **options}
        order_id = str(place(pair, Decimal(amount), order_type, Decimal(price), **options))
        await asyncio.sleep(0)
        return order_id

    async def open_buy(self, amount: str, price: str, order_type: OrderType = OrderType.LIMIT) -> InFlightOrder:
        """Order, and wait until the order is announced."""
        order_id = await self.buy(amount, price, order_type)
        await until(lambda: self.names(order_id) == ["BuyOrderCreated"], "the order is announced")
        return self.order(order_id)

    async def poll(self) -> None:
        """Do what the regular poll does about orders."""
        self._set_time()
        await self.connector._update_order_status()
        await self.rest()

    async def rest(self) -> None:
        """Let what is already due happen."""
        for _ in range(5):
            await asyncio.sleep(0)

    def order(self, order_id: str) -> InFlightOrder:
        """Return an order, finished and lost ones included."""
        order = self.connector.order_tracker.fillable_order(order_id)
        assert order is not None, f"order {order_id} is forgotten"
        return order

    def names(self, order_id: str) -> list[str]:
        """Return the names of an order's events, in their order."""
        return [name for name, event in self.events if event.order_id == order_id]

    def of(self, order_id: str, name: str) -> list[Any]:
        """Return an order's events of one name."""
        return [event for event_name, event in self.events if event_name == name and event.order_id == order_id]

    def fills(self, order_id: str) -> list[tuple[Decimal, Decimal]]:
        """Return (price, amount) of an order's fill events."""
        return [(event.price, event.amount) for event in self.of(order_id, "OrderFilled")]

    def truth(self) -> list[Order]:
        """Return what the exchange knows of this account's orders."""
        return self.venue.orders(self.account)


async def until(condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait for a condition, and fail with words when it does not come true."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"After {limit_s} s this is still not so: {what}"
        await asyncio.sleep(0.005)


async def stays(condition: Callable[[], Any], what: str, for_s: float = 0.3) -> None:
    """Check that a condition holds all the time."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        assert condition(), f"This did not stay so: {what}"
        await asyncio.sleep(0.01)


async def settled(bot: Bot) -> None:
    """Let everything that was pushed be worked in."""
    marker = {"stream": "account.orderUpdate", "data": {"marker": True}}
    complaints: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(record.getMessage())

    listener = Listener(logging.WARNING)
    bot.connector.logger().addHandler(listener)
    try:
        await bot.double.push(marker)  # nobody can read it, and says so
        await until(lambda: any("was skipped" in text for text in complaints), "the marker has come")
    finally:
        bot.connector.logger().removeHandler(listener)


def remembered_updates(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> list[OrderUpdate]:
    """Return the list that gathers all updates which the connector reports to Hummingbot's tracker."""
    updates: list[OrderUpdate] = []
    tracker = bot.connector.order_tracker
    report = tracker.process_order_update
    monkeypatch.setattr(tracker, "process_order_update", lambda update: updates.append(update) or report(update))
    return updates
