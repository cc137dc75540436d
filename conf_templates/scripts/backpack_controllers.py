"""Run V2 controllers on Backpack, as many as wanted in one bot, on both kinds of market.

Copy this file into Hummingbot's `scripts/` folder, `backpack_controllers.yml` into `conf/scripts/`, the controllers
into `controllers/` with their folders, and their `.yml` files into `conf/controllers/`; `backpack templates install`
does all of it. Then change the values there and run `hbot start backpack_controllers.yml`.

Where a controller names a leverage, it becomes the limit of the whole account when the bot starts, because Backpack has
one for all markets; of several controllers the highest counts.
"""

import os
from typing import Any

from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase


class BackpackControllersConfig(StrategyV2ConfigBase):
    """The controllers to run: names of files in conf/controllers/."""

    script_file_name: str = os.path.basename(__file__)


class BackpackControllers(StrategyV2Base):
    """All orders are those of the controllers' executors."""

    def apply_initial_setting(self) -> None:
        """Set the leverage limit that the controllers of perpetual markets ask for."""
        wanted: dict[str, tuple[int, str]] = {}
        for controller in self.controllers.values():
            name, leverage = controller.config.connector_name, getattr(controller.config, "leverage", None)
            if leverage is not None and self.is_perpetual(name):
                wanted[name] = max(wanted.get(name, (0, "")), (leverage, controller.config.trading_pair))
        for name, (leverage, trading_pair) in wanted.items():
            self.set_leverage(name, trading_pair, leverage)

    def create_actions_proposal(self) -> list[Any]:
        """Propose nothing besides what the controllers do."""
        return []

    def stop_actions_proposal(self) -> list[Any]:
        """Stop nothing besides what the controllers stop."""
        return []
