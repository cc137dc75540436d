"""State what Hummingbot wants to know about the perpetual connector as constants."""

EXCHANGE_NAME = "backpack_perpetual"
DEFAULT_DOMAIN = "backpack_perpetual"
SIMULATOR_DOMAIN = "backpack_perpetual_simulator"

COLLATERAL_TOKEN = "USDC"
"""Profit, fees and funding are paid in it, and margin is counted in it (API §5.5)."""

FUNDING_FEE_POLL_INTERVAL_S = 120
"""Payments come on the hour (API §5.4); asking this often finds one soon, and those of an interruption too."""
