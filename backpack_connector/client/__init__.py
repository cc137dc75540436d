"""Use the exchange from Python without Hummingbot: every REST operation of the catalogue, asyncio and typed errors."""
