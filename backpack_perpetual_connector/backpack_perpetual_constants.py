"""State what Hummingbot wants to know about the perpetual connector as constants."""

from backpack_connector.protocol.endpoints import endpoint

EXCHANGE_NAME = "backpack_perpetual"
DEFAULT_DOMAIN = "backpack_perpetual"
SIMULATOR_DOMAIN = "backpack_perpetual_simulator"

COLLATERAL_TOKEN = "USDC"
"""Profit, fees and funding are paid in it, and margin is counted in it (API §5.5)."""

FUNDING_FEE_POLL_INTERVAL_S = 120
"""Payments come on the hour (API §5.4); asking this often finds one soon, and those of an interruption too."""

POSITIONS_PATH_URL = endpoint("get_positions").path
COLLATERAL_PATH_URL = endpoint("get_collateral").path
MARK_PRICES_PATH_URL = endpoint("get_mark_prices").path
FUNDING_PAYMENTS_PATH_URL = endpoint("get_funding_payments").path
