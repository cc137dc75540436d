"""Backpack exchange connectors for Hummingbot; importing this package costs nothing, each part is loaded when used."""

__version__ = "0.1.0"
