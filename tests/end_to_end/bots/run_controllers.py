"""Run V2 controllers, and keep the journal of the perpetual market maker about what they do."""

import os
from typing import Any

import scripts.backpack_perpetual_market_maker as template
from hummingbot.strategy.strategy_v2_base import StrategyV2Base


class RunControllersConfig(template.BackpackPerpetualMarketMakerConfig):
    script_file_name: str = os.path.basename(__file__)


class RunControllers(template.BackpackPerpetualMarketMaker):
    """The template's leverage, journal and stop; the orders are those of the controllers' executors."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._next_refresh = float("inf")  # it must not cancel what is not its own

    def on_tick(self) -> None:
        super().on_tick()
        if self._is_leverage_set() and not self._stopping:
            StrategyV2Base.on_tick(self)

    def create_actions_proposal(self) -> list[Any]:
        return []

    def stop_actions_proposal(self) -> list[Any]:
        return []

    def _state(self) -> dict[str, Any]:
        executors = [
            {
                "side": info.config.side.name,
                "is_active": info.is_active,
                "is_trading": info.is_trading,
                "close_type": None if info.close_type is None else info.close_type.name,
            }
            for info in self.get_all_executors()
        ]
        return {**super()._state(), "executors": executors}
