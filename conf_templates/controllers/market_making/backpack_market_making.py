"""Market making with Hummingbot's position executors: each filled order has its own exit.

Copy to `controllers/market_making/`, and `backpack_market_making.yml` to `conf/controllers/`. Levels, sizes and renewal
are those of Hummingbot's base class. On perpetual markets positions are one-way.
"""

from decimal import Decimal

from hummingbot.core.data_type.common import PositionMode
from hummingbot.strategy_v2.controllers.market_making_controller_base import (
    MarketMakingControllerBase,
    MarketMakingControllerConfigBase,
)
from hummingbot.strategy_v2.executors.position_executor.data_types import PositionExecutorConfig
from pydantic import Field


class BackpackMarketMakingConfig(MarketMakingControllerConfigBase):
    """The values of the .yml file."""

    controller_name: str = "backpack_market_making"
    connector_name: str = "backpack"
    trading_pair: str = "SOL-USDC"
    leverage: int = 1
    position_mode: PositionMode = PositionMode.ONEWAY
    skip_rebalance: bool = Field(True, description="False buys what sell orders need with a market order")


class BackpackMarketMaking(MarketMakingControllerBase):
    """One position executor for each level."""

    def get_executor_config(self, level_id: str, price: Decimal, amount: Decimal) -> PositionExecutorConfig:
        """Return what Hummingbot's executor is told about one level."""
        return PositionExecutorConfig(
            timestamp=self.market_data_provider.time(),
            level_id=level_id,
            connector_name=self.config.connector_name,
            trading_pair=self.config.trading_pair,
            side=self.get_trade_type_from_level_id(level_id),
            entry_price=price,
            amount=amount,
            triple_barrier_config=self.config.triple_barrier_config,
            leverage=self.config.leverage,
        )
