"""Offer candles of Backpack's spot markets to Hummingbot, under the names that its candles have there."""

from backpack_connector.backpack_candles import BackpackCandles
from backpack_connector.backpack_constants import DEFAULT_DOMAIN, SIMULATOR_DOMAIN
from backpack_connector.protocol.enums import MarketType


class BackpackSpotCandles(BackpackCandles):
    """Candles of a spot market of the exchange."""

    market_type = MarketType.SPOT
    domain = DEFAULT_DOMAIN


class BackpackSpotSimulatorCandles(BackpackSpotCandles):
    """Candles of a spot market of the local simulator."""

    domain = SIMULATOR_DOMAIN


CANDLES = {cls.domain: cls for cls in (BackpackSpotCandles, BackpackSpotSimulatorCandles)}
"""By the name that a configuration of candles has for the connector."""
