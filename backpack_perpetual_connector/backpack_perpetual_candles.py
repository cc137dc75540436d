"""Offer candles of Backpack's perpetuals to Hummingbot, under the names that its candles have there."""

from backpack_connector.backpack_candles import BackpackCandles
from backpack_connector.protocol.enums import MarketType
from backpack_perpetual_connector.backpack_perpetual_constants import DEFAULT_DOMAIN, SIMULATOR_DOMAIN


class BackpackPerpetualCandles(BackpackCandles):
    """Candles of a perpetual of the exchange."""

    market_type = MarketType.PERP
    domain = DEFAULT_DOMAIN


class BackpackPerpetualSimulatorCandles(BackpackPerpetualCandles):
    """Candles of a perpetual of the local simulator."""

    domain = SIMULATOR_DOMAIN


CANDLES = {cls.domain: cls for cls in (BackpackPerpetualCandles, BackpackPerpetualSimulatorCandles)}
"""By the name that a configuration of candles has for the connector."""
