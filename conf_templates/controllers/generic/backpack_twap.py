"""Buy or sell an amount in equal parts over a time, once, with a market order for each part.

Copy to `controllers/generic/`, and `backpack_twap.yml` to `conf/controllers/`. A part that was missed, because the
connection was lost or an order failed, is made up for by the next one. A bot that is started again begins with the
whole amount again: take the file out of the script's list when it is done.

Hummingbot's own TWAPExecutor is not used: it fails at every order that another controller places on the same connector.
"""

from decimal import Decimal
from typing import Any

from hummingbot.core.data_type.common import MarketDict, PriceType, TradeType
from hummingbot.strategy_v2.controllers.controller_base import ControllerBase, ControllerConfigBase
from hummingbot.strategy_v2.executors.order_executor.data_types import ExecutionStrategy, OrderExecutorConfig
from hummingbot.strategy_v2.models.executor_actions import CreateExecutorAction
from pydantic import Field


class BackpackTwapConfig(ControllerConfigBase):
    """The values of the .yml file."""

    controller_name: str = "backpack_twap"
    connector_name: str = "backpack"
    trading_pair: str = "SOL-USDC"
    action: str = Field("BUY", pattern="^(BUY|SELL)$")
    total_duration_seconds: int = Field(3600, gt=0)
    order_interval_seconds: int = Field(60, gt=0)
    leverage: int = Field(1, ge=1)
    total_amount_quote: Decimal = Field(Decimal(100), gt=0)

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Tell Hummingbot which market to connect to."""
        return markets.add_or_update(self.connector_name, self.trading_pair)


class BackpackTwap(ControllerBase):
    """One market order at a time, of what is due by the clock and not yet traded."""

    def __init__(self, config: BackpackTwapConfig, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self._begin: float | None = None
        self._next_order = 0.0
        self._filled: dict[str, Decimal] = {}

    async def update_processed_data(self) -> None:
        """Compute nothing: the clock decides."""

    def determine_executor_actions(self) -> list[Any]:
        """Trade what is due when the next part is, and nothing while an order is under way."""
        now, config = self.market_data_provider.time(), self.config
        self._begin = now if self._begin is None else self._begin
        middle = self.market_data_provider.get_price_by_type(
            config.connector_name, config.trading_pair, PriceType.MidPrice
        )
        is_busy = any(executor.is_active for executor in self.executors_info)
        if now < self._next_order or is_busy or middle is None or not middle.is_finite():
            return []
        self._next_order = now + config.order_interval_seconds
        amount = self.market_data_provider.quantize_order_amount(
            config.connector_name, config.trading_pair, (self._due(now) - self._traded()) / middle
        )
        if amount <= 0:
            return []
        return [CreateExecutorAction(controller_id=config.id, executor_config=self._plan(amount))]

    def _due(self, now: float) -> Decimal:
        """Return how much should be traded by now, in the quote asset; the first part at once, the last at the end."""
        config = self.config
        parts = config.total_duration_seconds // config.order_interval_seconds + 1
        begun = min(parts, int((now - self._begin) // config.order_interval_seconds) + 1)
        return config.total_amount_quote * begun / parts

    def _traded(self) -> Decimal:
        # Written down, because Hummingbot forgets executors that have ended when there are many.
        self._filled.update((executor.id, executor.filled_amount_quote) for executor in self.executors_info)
        return sum(self._filled.values(), Decimal(0))

    def _plan(self, amount: Decimal) -> OrderExecutorConfig:
        return OrderExecutorConfig(
            timestamp=self.market_data_provider.time(),
            connector_name=self.config.connector_name,
            trading_pair=self.config.trading_pair,
            side=TradeType[self.config.action],
            amount=amount,
            execution_strategy=ExecutionStrategy.MARKET,
            leverage=self.config.leverage,
        )

    def to_format_status(self) -> list[str]:
        """Show how far it is."""
        return [f"{self.config.action}: {self._traded():.2f} of {self.config.total_amount_quote} in the quote asset"]
