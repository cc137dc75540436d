"""A grid around the price at which it begins, with Hummingbot's grid executor; a new one when the last has ended.

Copy to `controllers/generic/`, and `backpack_grid.yml` to `conf/controllers/`. Buy grids buy below the price and sell
what they bought a step higher; sell grids, for perpetuals, the other way round.
"""

from decimal import Decimal
from typing import Any

from hummingbot.core.data_type.common import MarketDict, OrderType, PriceType, TradeType
from hummingbot.strategy_v2.controllers.controller_base import ControllerBase, ControllerConfigBase
from hummingbot.strategy_v2.executors.grid_executor.data_types import GridExecutorConfig
from hummingbot.strategy_v2.executors.position_executor.data_types import TripleBarrierConfig
from hummingbot.strategy_v2.models.executor_actions import CreateExecutorAction
from pydantic import Field


class BackpackGridConfig(ControllerConfigBase):
    """The values of the .yml file; widths and distances are fractions of the middle price at the start of a grid."""

    controller_name: str = "backpack_grid"
    connector_name: str = "backpack_perpetual"
    trading_pair: str = "SOL-USDC"
    action: str = Field("BUY", pattern="^(BUY|SELL)$")
    width_below: Decimal = Field(Decimal("0.02"), gt=0, lt=1)
    width_above: Decimal = Field(Decimal("0.01"), gt=0, lt=1)
    stop_distance: Decimal = Field(Decimal("0.02"), gt=0, lt=1)
    step: Decimal = Field(Decimal("0.002"), gt=0, lt=1)
    order_amount_quote: Decimal = Field(Decimal(20), gt=0)
    total_amount_quote: Decimal = Field(Decimal(200), gt=0)
    max_open_orders: int = Field(3, ge=1)
    pause_seconds: float = Field(60, ge=0)
    leverage: int = Field(2, ge=1)

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Tell Hummingbot which market to connect to."""
        return markets.add_or_update(self.connector_name, self.trading_pair)


class BackpackGrid(ControllerBase):
    """One grid at a time."""

    _next_start = 0.0

    async def update_processed_data(self) -> None:
        """Compute nothing: a grid needs only the price at its start."""

    def determine_executor_actions(self) -> list[Any]:
        """Begin a grid when none is at work, and the last one ended long enough ago."""
        now, config = self.market_data_provider.time(), self.config
        if any(executor.is_active for executor in self.executors_info):
            self._next_start = now + config.pause_seconds
            return []
        middle = self.market_data_provider.get_price_by_type(
            config.connector_name, config.trading_pair, PriceType.MidPrice
        )
        if now < self._next_start or middle is None or not middle.is_finite():
            return []
        self._next_start = now + config.pause_seconds  # Hummingbot tells of the new executor a little later
        return [CreateExecutorAction(controller_id=config.id, executor_config=self._plan(middle, now))]

    def _plan(self, middle: Decimal, now: float) -> GridExecutorConfig:
        config, side = self.config, TradeType[self.config.action]
        bottom, top = middle * (1 - config.width_below), middle * (1 + config.width_above)
        return GridExecutorConfig(
            timestamp=now,
            connector_name=config.connector_name,
            trading_pair=config.trading_pair,
            side=side,
            start_price=bottom,
            end_price=top,
            limit_price=bottom * (1 - config.stop_distance)
            if side is TradeType.BUY
            else top * (1 + config.stop_distance),
            total_amount_quote=config.total_amount_quote,
            min_spread_between_orders=config.step,
            min_order_amount_quote=config.order_amount_quote,
            max_open_orders=config.max_open_orders,
            order_frequency=1,
            leverage=config.leverage,
            deduct_base_fees="perpetual" not in config.connector_name,  # spot takes the fee of a buy from what it buys
            triple_barrier_config=TripleBarrierConfig(
                take_profit=config.step,
                open_order_type=OrderType.LIMIT_MAKER,
                take_profit_order_type=OrderType.LIMIT_MAKER,
            ),
        )
