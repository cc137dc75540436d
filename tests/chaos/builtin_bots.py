"""The bots of a run over the connectors that are built into Hummingbot, with the same workload and a kinder judge.

Nothing of Hummingbot is edited: in this process the plugin steps aside, and the addresses in the two modules of
constants are those of the simulator. What these connectors do in every run, fault or not, is forgiven, so that the
table shows what a fault does to them:

- an event that comes twice, and a fill that is told before its order;
- a short position with a positive amount, because its side says what it is;
- figures that are right no sooner than some minutes later: they are asked for every two minutes;
- the tasks that poll funding payments, one more with each reconnect, which no stop ends; what else piles up;
- the leverage limit, which they ask for once;
- client order ids that the two connectors give out both when they place orders in the same millisecond: here they share
  the counter from which the ids come.
"""

import asyncio
import importlib
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from hummingbot.core.data_type.common import PositionSide
from hummingbot.core.utils.tracking_nonce import NonceCreator

from backpack_connector import registration
from backpack_connector.simulator import Simulator
from tests.chaos.bots import PAIRS, Bot
from tests.chaos.venue import Venue

SETTLING_S = 600.0
"""Five of the longest pauses between two looks at orders and balances; after four, an order counts as lost."""

_EXCHANGE = "hummingbot.connector.exchange.backpack.backpack_"
_DERIVATIVE = "hummingbot.connector.derivative.backpack_perpetual.backpack_perpetual_"

_counters: WeakKeyDictionary[Venue, NonceCreator] = WeakKeyDictionary()


def _module(name: str) -> ModuleType:
    """Return a module of the built-in connectors; the plugin is off in this process from now on."""
    registration.unregister()
    module = importlib.import_module(name)
    assert module.__name__ == name, f"{name} is the plugin's {module.__name__}."
    return module


def _point_at(simulator: Simulator) -> None:
    """Let the built-in connectors find the simulator where they expect the exchange, as long as this process lives."""
    for name in (_EXCHANGE, _DERIVATIVE):
        constants: Any = _module(f"{name}constants")
        constants.REST_URL = f"{simulator.rest_url}/"
        constants.WSS_URL = simulator.ws_url


class BuiltinBot(Bot):
    """One built-in connector with what a random strategy does with it."""

    settling_s = SETTLING_S

    def __init__(self, kind: str, venue: Venue) -> None:
        self._polling: set[asyncio.Task[Any]] = set()
        super().__init__(kind, venue)

    def make_connector(self, kind: str, venue: Venue) -> Any:
        """Return the connector, made as Hummingbot makes it."""
        _point_at(venue.simulator)
        make: Callable[..., Any]
        if kind == "perpetual":
            make = _module(f"{_DERIVATIVE}derivative").BackpackPerpetualDerivative
        else:
            make = _module(f"{_EXCHANGE}exchange").BackpackExchange
        connector = make(venue.key, venue.secret, trading_pairs=list(PAIRS))
        if kind == "perpetual":
            connector._funding_payment_polling_loop = self._remembered(connector._funding_payment_polling_loop)
        connector._nonce_creator = _counters.setdefault(venue, connector._nonce_creator)
        return connector

    async def stop(self) -> None:
        """Stop as Hummingbot does at its end, and end what it leaves behind."""
        await super().stop()
        for task in self._polling:
            task.cancel()

    def _remembered(self, poll: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], Coroutine[Any, Any, None]]:
        async def remembered() -> None:
            task = asyncio.current_task()
            assert task is not None
            self._polling.add(task)
            await poll()

        return remembered

    def grown(self) -> Iterator[str]:
        """Yield nothing: what they hold is not looked at."""
        return iter(())

    def leverage(self, pair: str) -> int:
        """Return the account's leverage limit, whatever the connector shows."""
        return int(self.venue.exchange.open_account(self.venue.key).leverage_limit)

    def names(self, order_id: str) -> list[str]:
        """Return the names of an order's events: the creation first, everything but fills once."""
        told = super().names(order_id)
        once = [name for name in dict.fromkeys(told) if name != "OrderFilled"]
        fills = ["OrderFilled"] * told.count("OrderFilled")
        created = [name for name in once if name.endswith("OrderCreated")]
        return created + fills + [name for name in once if name not in created]

    def position(self, pair: str) -> tuple[Decimal, Decimal]:
        """Return the quantity of a position, negative for a short one, and its entry price."""
        shown = self.connector.account_positions.get(pair)
        if shown is None:
            return Decimal(0), Decimal(0)
        quantity = -abs(shown.amount) if shown.position_side is PositionSide.SHORT else abs(shown.amount)
        return quantity, shown.entry_price
