"""Run the real perpetual connector against the real simulator in one event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from backpack_connector.protocol.enums import OrderType, Side, TimeInForce
from backpack_connector.protocol.units import decimal_from_text
from backpack_connector.simulator.events import Execution
from backpack_connector.simulator.orders import NewOrder
from backpack_connector.simulator.truth import truth_payload
from backpack_perpetual_connector.backpack_perpetual_constants import SIMULATOR_DOMAIN
from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative
from tests.spot.session import World, world

PAIR, SYMBOL = "SOL-USDC", "SOL_USDC_PERP"
OTHER_PAIR, OTHER_SYMBOL = "ETH-USDC", "ETH_USDC_PERP"


class PerpetualWorld(World):
    """A simulator and the perpetual connectors that use it."""

    domain = SIMULATOR_DOMAIN
    symbol = SYMBOL

    def new_connector(self, **options: Any) -> BackpackPerpetualDerivative:
        return BackpackPerpetualDerivative(**options)

    def symbol_of(self, trading_pair: str) -> str:
        return f"{trading_pair.replace('-', '_')}_PERP"

    def truth(self) -> Any:
        """Return what the simulator knows about the bot's account."""
        now_us = self.simulator.exchange.now_us()
        payload = truth_payload(self.simulator.exchange, seed=0, now_us=now_us, account_id=self.key)
        return payload["accounts"][self.key]

    def margin(self, name: str) -> Decimal:
        """Return one figure of the account's margin summary, as the exchange would report it now."""
        return decimal_from_text(self.truth()["margin"][name])

    # The account's owner, on the web site, and others

    def order_elsewhere(
        self,
        side: Side,
        price: str,
        quantity: str,
        *,
        symbol: str | None = None,
        reduce_only: bool = False,
        account: str | None = None,
    ) -> Execution:
        """Place an order of the bot's account, of which the bot knows nothing, or of another account."""
        request = NewOrder(
            symbol=symbol or self.symbol,
            side=side,
            order_type=OrderType.LIMIT,
            price=Decimal(price),
            quantity=Decimal(quantity),
            time_in_force=TimeInForce.GTC,
            reduce_only=reduce_only,
        )
        return self.publish(self.simulator.exchange.place(account or self.key, request))

    def trade_elsewhere(
        self, side: Side, price: str, quantity: str, *, symbol: str | None = None, reduce_only: bool = False
    ) -> Execution:
        """Trade with somebody at a price for the bot's account, without the bot."""
        self.rest(side.opposite, price, quantity, symbol)
        return self.order_elsewhere(side, price, quantity, symbol=symbol, reduce_only=reduce_only)


@asynccontextmanager
async def perpetual_world(**options: Any) -> AsyncIterator[PerpetualWorld]:
    """Run a simulator for perpetual connectors; they are stopped at the end."""
    async with world(kind=PerpetualWorld, **options) as here:
        assert isinstance(here, PerpetualWorld)
        yield here


def shown(connector: Any, trading_pair: str = PAIR) -> "tuple[Decimal, Decimal] | None":
    """Return (signed quantity, entry price) of a position that the connector shows, or None."""
    position = connector.account_positions.get(trading_pair)
    return None if position is None else (position.amount, position.entry_price)
