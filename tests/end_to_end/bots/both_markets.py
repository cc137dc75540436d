"""Buy on the spot market, sell as much on the perpetual one, and note what Hummingbot's candles and rates say.

The rate source of our name would ask the exchange itself; here it asks the simulator.
"""

import json
import os
from decimal import Decimal
from pathlib import Path

from hummingbot.connector.connector_base import ConnectorBase
from hummingbot.core.data_type.common import MarketDict, OrderType, PositionAction
from hummingbot.core.rate_oracle.rate_oracle import RATE_ORACLE_SOURCES, RateOracle
from hummingbot.data_feed.candles_feed.data_types import CandlesConfig
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase

SPOT, PERPETUAL, PAIR = "backpack_simulator", "backpack_perpetual_simulator", "SOL-USDC"


class BothMarketsConfig(StrategyV2ConfigBase):
    script_file_name: str = os.path.basename(__file__)

    def update_markets(self, markets: MarketDict) -> MarketDict:
        for connector in (SPOT, PERPETUAL):
            markets = markets.add_or_update(connector, PAIR)
        return markets


class BothMarkets(StrategyV2Base):
    """Two market orders at the start; a line of facts at each tick."""

    def __init__(self, connectors: dict[str, ConnectorBase], config: BothMarketsConfig) -> None:
        super().__init__(connectors, config)
        source = RATE_ORACLE_SOURCES["backpack"]
        source._connector = lambda self: connectors[SPOT]
        self.has_ordered = False
        self.feeds = {
            name: self.market_data_provider.get_candles_feed(
                CandlesConfig(connector=name, trading_pair=PAIR, interval="1m", max_records=20)
            )
            for name in (SPOT, PERPETUAL)
        }

    def on_tick(self) -> None:
        if not self.has_ordered:
            self.buy(SPOT, PAIR, Decimal(1), OrderType.MARKET)
            self.sell(PERPETUAL, PAIR, Decimal(1), OrderType.MARKET, position_action=PositionAction.OPEN)
            self.has_ordered = True
        facts = {
            "kind": "facts",
            "rate": RateOracle.get_instance().get_pair_rate(PAIR),
            "source": type(RateOracle.get_instance().source).__module__,
            "candles": {name: len(feed.candles_df) if feed.ready else 0 for name, feed in self.feeds.items()},
            "feeds": sorted(type(feed).__module__ for feed in self.feeds.values()),
        }
        with Path("data/both_markets.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts, default=str) + "\n")
