"""Simulate the exchange locally: its own protocol over a real matching engine."""

from .engine import Exchange
from .server import Simulator, running_simulator, serve

__all__ = ["Exchange", "Simulator", "running_simulator", "serve"]
