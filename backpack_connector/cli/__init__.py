"""The command `backpack`; it works where Hummingbot is not installed."""
