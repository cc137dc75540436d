"""Candles where Hummingbot's users meet them: the market data provider, a V2 controller, and backtesting."""

from decimal import Decimal
from typing import Any

import pytest
from hummingbot.data_feed.candles_feed.data_types import CandlesConfig
from hummingbot.data_feed.market_data_provider import MarketDataProvider
from hummingbot.strategy_v2.backtesting.backtesting_data_provider import BacktestingDataProvider
from hummingbot.strategy_v2.controllers.directional_trading_controller_base import (
    DirectionalTradingControllerBase,
    DirectionalTradingControllerConfigBase,
)

from backpack_connector.protocol.candles import MINUTE_S
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.rate_limits import HISTORICAL_POOL
from tests.candles.scene import FEEDS_KNOW_CONNECTORS, PERPETUAL, market, now_s, trade, truth
from tests.spot.session import SYMBOL, until

KINDS = pytest.mark.parametrize(
    ("connector", "symbol"), [("backpack_simulator", SYMBOL), ("backpack_perpetual_simulator", PERPETUAL)]
)
ROWS = 40


def config(connector: str, interval: str = "1m") -> CandlesConfig:
    return CandlesConfig(connector=connector, trading_pair="SOL-USDC", interval=interval, max_records=ROWS)


class MomentumConfig(DirectionalTradingControllerConfigBase):
    controller_name: str = "momentum"
    candles: CandlesConfig


class Momentum(DirectionalTradingControllerBase):
    """Buys when the last close is above the first one."""

    def get_candles_config(self) -> list[CandlesConfig]:
        return [self.config.candles]

    async def update_processed_data(self) -> None:
        asked = self.config.candles
        table = self.market_data_provider.get_candles_df(
            asked.connector, asked.trading_pair, asked.interval, asked.max_records
        )
        rise = table["close"].iloc[-1] - table["close"].iloc[0]
        self.processed_data = {"signal": int(rise > 0) - int(rise < 0), "features": table}


@FEEDS_KNOW_CONNECTORS
async def test_a_real_controller_trades_by_candles() -> None:
    async with market() as (here, _):
        connector = here.connector("SOL-USDC")
        provider = MarketDataProvider({"backpack_simulator": connector})
        wanted = MomentumConfig(
            id="momentum",
            connector_name="backpack_simulator",
            trading_pair="SOL-USDC",
            total_amount_quote=Decimal(100),
            candles=config("backpack_simulator"),
        )
        controller = Momentum(wanted, provider, actions_queue=None)
        controller.initialize_candles()
        feed = provider.get_candles_feed(wanted.candles)
        try:
            await until(lambda: feed.ready)
            assert connector.throttler.pool(HISTORICAL_POOL).used == 1, "the feed shares the connector's limits"
            for price, signal in (("156", 1), ("144", -1)):
                trade(here, price)
                await until(lambda price=price: feed.candles_df["close"].iloc[-1] == float(price))
                await controller.update_processed_data()
                assert controller.processed_data["signal"] == signal
                assert len(controller.processed_data["features"]) == ROWS
        finally:
            provider.stop()
            await feed.stop_network()


@KINDS
async def test_backtesting_gets_candles_and_rules_without_keys(connector: str, symbol: str) -> None:
    async with market() as (here, _):
        provider = BacktestingDataProvider(connectors={})
        end_s = now_s() // MINUTE_S * MINUTE_S - 10 * MINUTE_S
        start_s = end_s - 2_500 * MINUTE_S
        provider.update_backtesting_time(start_s, end_s)
        await provider.initialize_trading_rules(connector)
        assert provider.quantize_order_price(connector, "SOL-USDC", Decimal("150.019")) == Decimal("150.01")
        await provider.initialize_candles_feed(config(connector))
        table: Any = provider.get_candles_df(connector, "SOL-USDC", "1m")
        rows = [tuple(row) for row in table.itertuples(index=False)]
        assert rows == truth(here, KlineInterval.MINUTE_1, start_s, end_s, symbol)
        buffered = provider.candles_feeds[f"{connector}_SOL-USDC_1m"]
        assert buffered["timestamp"].min() == start_s - ROWS * MINUTE_S
