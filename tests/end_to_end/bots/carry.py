"""Spot-perpetual arbitrage on one account: buy spot, sell the same on the perpetual market, be paid funding, undo both.

Hummingbot's own two cannot be used in a test: ArbitrageExecutor names no position action, without which Hummingbot's
perpetual base class refuses orders, and the strategy spot_perpetual_arbitrage, which does work with our connectors, has
Hummingbot ask other exchanges' servers for their pairs.
"""

import os
from decimal import Decimal
from typing import Any

import scripts.backpack_market_maker as spot
import scripts.backpack_perpetual_market_maker as perpetual
from hummingbot.connector.connector_base import ConnectorBase
from hummingbot.core.data_type.common import MarketDict, OrderType, PositionAction
from hummingbot.core.event.events import FundingPaymentCompletedEvent, OrderFilledEvent
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase

SPOT, PERPETUAL = "backpack_simulator", "backpack_perpetual_simulator"


class CarryConfig(StrategyV2ConfigBase):
    script_file_name: str = os.path.basename(__file__)
    trading_pair: str = "SOL-USDC"
    order_amount: Decimal = Decimal(10)
    min_opening_basis: Decimal = Decimal("-0.01")
    """Fraction by which the perpetual's bid is above the spot's ask."""

    def update_markets(self, markets: MarketDict) -> MarketDict:
        for connector in (SPOT, PERPETUAL):
            markets = markets.add_or_update(connector, self.trading_pair)
        return markets


class Carry(StrategyV2Base):
    """One round: hedged as soon as both legs are filled, undone as soon as funding was paid."""

    def __init__(self, connectors: dict[str, ConnectorBase], config: CarryConfig) -> None:
        super().__init__(connectors, config)
        self.spot, self.perpetual = connectors[SPOT], connectors[PERPETUAL]
        self.pair = config.trading_pair
        self.journals = {name: spot.Journal(f"data/{name}.jsonl") for name in connectors}
        self.state = "start"
        self.is_paid = False

    def on_tick(self) -> None:
        if self.state == "start":
            self.write("start")
            self.state = "closed"
        self.write("snapshot")
        if self.is_busy():
            return
        if self.state == "closed" and self.basis() >= self.config.min_opening_basis:
            self.buy(SPOT, self.pair, self.config.order_amount, OrderType.MARKET)
            self.state = "bought"
        elif self.state == "bought" and self.bought() > 0:
            # The fee was paid in the base asset: what there is, is hedged.
            self.sell(PERPETUAL, self.pair, self.bought(), OrderType.MARKET, position_action=PositionAction.OPEN)
            self.state = "hedged"
        elif self.state == "hedged" and self.is_paid:
            self.sell(SPOT, self.pair, self.bought(), OrderType.MARKET)
            position = perpetual.position_of(self.perpetual, self.pair)
            self.buy(PERPETUAL, self.pair, -position.amount, OrderType.MARKET, position_action=PositionAction.CLOSE)
            self.state = "undone"

    def is_busy(self) -> bool:
        return any(spot.open_orders(connector, self.pair) for connector in self.connectors.values())

    def basis(self) -> Decimal:
        return self.perpetual.get_price(self.pair, False) / self.spot.get_price(self.pair, True) - 1

    def bought(self) -> Decimal:
        return self.spot.quantize_order_amount(self.pair, self.spot.get_available_balance(self.pair.split("-")[0]))

    def did_fill_order(self, order_filled_event: OrderFilledEvent) -> None:
        event = order_filled_event
        name = SPOT if event.position == PositionAction.NIL.value else PERPETUAL
        self.journals[name].write("fill", **spot.fill_facts(event))

    def did_complete_funding_payment(self, funding_payment_completed_event: FundingPaymentCompletedEvent) -> None:
        self.journals[PERPETUAL].write("funding", **perpetual.payment_facts(funding_payment_completed_event))
        self.is_paid = True

    def write(self, kind: str) -> None:
        self.journals[SPOT].write(kind, state=self.state, **spot.market_facts(self.spot, self.pair))
        self.journals[PERPETUAL].write(kind, state=self.state, **perpetual.futures_facts(self.perpetual, self.pair))

    async def on_stop(self) -> None:
        await super().on_stop()
        self.write("stop")

    def format_status(self) -> Any:
        return f"{self.state}\n{super().format_status()}"
