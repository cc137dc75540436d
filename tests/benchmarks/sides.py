"""Make our connector and the built-in one ready to be measured, in the same way and in the same situation.

Situations of a market maker: *idle* = nothing open, an empty rate window; *normal* = 20 open orders, 60 done in the
last 30 s, 240 requests in the last minute; *hot* = 40 open, 600 done, 1,500 requests.
"""

import asyncio
import base64
import itertools
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Any

from hummingbot.core.clock import Clock
from hummingbot.core.clock_mode import ClockMode
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory
from nacl.signing import SigningKey

from tests.benchmarks import wire
from tests.benchmarks.contestants import OURS

PRICE = Decimal("100.00")
AMOUNT = Decimal("1")


@dataclass(frozen=True)
class Situation:
    """What the account has been doing."""

    open: int = 0
    done: int = 0
    calls: int = 0


SITUATIONS = {"idle": Situation(), "normal": Situation(20, 60, 240), "hot": Situation(40, 600, 1_500)}


_accounts = itertools.count(1)


def new_key_pair() -> tuple[str, str]:
    """Return the key pair of an account that nobody has used: our connectors of one account share its limits."""
    key = SigningKey(next(_accounts).to_bytes(32, "big"))
    return base64.b64encode(bytes(key.verify_key)).decode(), base64.b64encode(bytes(key)).decode()


def make_connector(variant: str, url: str, pairs: list[str]) -> Any:
    """Return a new connector that talks to the stand-in at a URL, for an account of its own."""
    keys = new_key_pair()
    logging.getLogger().setLevel(logging.WARNING)
    if variant == OURS:
        from backpack_connector.backpack_exchange import BackpackExchange
        from backpack_connector.hosts import SIMULATOR_URL_VARIABLE

        os.environ[SIMULATOR_URL_VARIABLE] = url
        connector: Any = BackpackExchange(*keys, trading_pairs=pairs, domain="backpack_simulator")
    else:
        from hummingbot.connector.exchange.backpack import backpack_constants
        from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange as BuiltIn

        assert "backpack_connector.backpack_exchange" not in sys.modules, "the plugin must be off"
        backpack_constants.REST_URL, backpack_constants.WSS_URL = f"{url}/", f"ws{url[4:]}/"
        connector = BuiltIn(*keys, trading_pairs=pairs)
    connector._set_current_timestamp(time.time())
    return connector


def open_order(name: int, pair: str) -> InFlightOrder:
    """Return a limit order of Hummingbot's that is open at the exchange."""
    return InFlightOrder(
        client_order_id=str(name),
        exchange_order_id=f"7{name:09d}",
        trading_pair=pair,
        order_type=OrderType.LIMIT,
        trade_type=TradeType.BUY,
        amount=Decimal(1000),
        price=PRICE,
        creation_timestamp=time.time(),
        initial_state=OrderState.OPEN,
    )


class Side:
    """One of the two connectors in its process."""

    def __init__(self, variant: str, url: str, pairs: int = 1) -> None:
        self.variant = variant
        self.pairs = wire.pairs(pairs)
        self.connector = make_connector(variant, url, self.pairs)
        self._names = iter(range(1, 2**31))
        self._filled: list[Any] = []
        self._forwarders: list[EventForwarder] = []

    async def learn(self) -> None:
        """Read markets, time and balances, as a running connector has."""
        await self.connector._update_trading_rules()
        await self.connector._update_time_synchronizer()
        await self.connector._update_all_balances()
        assert self.connector._trading_rules
        assert self.connector._account_balances

    def listen(self, event: MarketEvent, hear: Callable[[Any], None]) -> None:
        """Call somebody with each event of a kind."""
        forwarder = EventForwarder(hear)
        self._forwarders.append(forwarder)
        self.connector.add_listener(event, forwarder)

    def buy(self) -> str:
        """Place a limit order that rests."""
        return self.connector.buy(self.pairs[0], AMOUNT, OrderType.LIMIT, PRICE)

    def new_order(self, number: int) -> InFlightOrder:
        """Return an order that is open at the exchange, of one of the pairs in turn."""
        return open_order(next(self._names), self.pairs[number % len(self.pairs)])

    def track(self, open_orders: int, done_orders: int) -> list[InFlightOrder]:
        """Let the tracker know so many open orders and so many that ended lately, and no others; return the open."""
        tracker = self.connector._order_tracker
        for name in list(tracker._in_flight_orders):
            tracker.stop_tracking_order(name)
        tracker._cached_orders.clear()
        for number in range(done_orders):
            order = self.new_order(number)
            tracker.start_tracking_order(order)
            order.current_state = OrderState.CANCELED
            tracker.stop_tracking_order(order.client_order_id)
        orders = [self.new_order(number) for number in range(open_orders)]
        for order in orders:
            tracker.start_tracking_order(order)
        return orders

    def forget(self, order_id: str) -> None:
        """Take an order out of the tracker without a trace, so that the situation stays what it is."""
        tracker = self.connector._order_tracker
        tracker.stop_tracking_order(order_id)
        tracker._cached_orders.pop(order_id, None)

    # The rate window

    async def set_window(self, calls: int) -> None:
        """Fill the last minute with so many requests."""
        if self.variant == OURS:
            from backpack_connector.protocol.rate_limits import STANDARD_POOL

            pool = self.connector._throttler.pool(STANDARD_POOL)
            while pool.used < calls:
                await self.connector._throttler.acquire("execute_order")
            return
        from hummingbot.core.api_throttler.async_request_context_base import AsyncRequestContextBase
        from hummingbot.core.api_throttler.data_types import TaskLog

        throttler, now = self.connector._throttler, time.time()
        # Its warning that the limit is near would load Hummingbot's whole application, once.
        AsyncRequestContextBase._last_max_cap_warning_ts = now + 3_600
        limits = [throttler._id_to_limit_map[name] for name in ("api/v1/order", "GLOBAL")]
        self._filled = [
            TaskLog(timestamp=now - 55.0 * (calls - number) / calls, rate_limit=limit, weight=1)
            for number in range(calls)
            for limit in limits
        ]
        self.reset_window()

    def reset_window(self) -> None:
        """Take out what was added since; the built-in's cost grows with each request, ours does not."""
        if self.variant != OURS:
            self.connector._throttler._task_logs[:] = self._filled

    async def enter(self, situation: Situation) -> None:
        """Bring the connector into a situation."""
        self.track(situation.open, situation.done)
        await self.set_window(situation.calls)

    async def close(self) -> None:
        """End everything that the connector began."""
        await self.connector.stop_network()
        await ConnectionsFactory().close()


class Running:
    """A connector that Hummingbot's own clock drives, as in a real bot."""

    def __init__(self, connector: Any) -> None:
        self._connector = connector
        self._clock = Clock(ClockMode.REALTIME, tick_size=1.0)
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Running":
        self._clock.__enter__()
        self._clock.add_iterator(self._connector)
        self._ticking = asyncio.ensure_future(self._clock.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ticking is not None
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        self._clock.__exit__(kind, error, trace)

    async def ready(self, limit_s: float) -> None:
        """Wait until the connector is ready.

        Raises:   TimeoutError when that takes longer than the limit.
        """
        end = time.monotonic() + limit_s
        while not self._connector.ready:
            if time.monotonic() > end:
                raise TimeoutError(f"not ready after {limit_s} s: {self._connector.status_dict}")
            await asyncio.sleep(0.002)


async def until(condition: Callable[[], Any], limit_s: float = 60.0) -> None:
    """Let the event loop turn until a condition is true.

    Raises:   TimeoutError when that takes longer than the limit.
    """
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing came of {condition} within {limit_s} s")
        await asyncio.sleep(0)
