"""The spot market maker, telling its events over MQTT; its journal also says how much of the request limits it has."""

import os
from typing import Any

import scripts.backpack_market_maker as template
from hummingbot.remote_iface.mqtt import MQTTGateway

from backpack_connector.protocol.rate_limits import HISTORICAL_POOL, STANDARD_POOL


class FleetMarketMakerConfig(template.BackpackMarketMakerConfig):
    script_file_name: str = os.path.basename(__file__)


class FleetMarketMaker(template.BackpackMarketMaker):
    """The template as it is, with two things more."""

    def on_tick(self) -> None:
        bridge = MQTTGateway.main()
        if bridge is not None and bridge._market_events is None:
            bridge.start_market_events_fw()
        super().on_tick()

    def _state(self) -> dict[str, Any]:
        pools = {row.name: self.connector.throttler.pool(row) for row in (STANDARD_POOL, HISTORICAL_POOL)}
        requests = {name: {"limit": pool.limit, "used": pool.used} for name, pool in pools.items()}
        return super()._state() | {"requests": requests}
