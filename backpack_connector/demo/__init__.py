"""Show a real Hummingbot bot making a market on the simulator, then check its books against the exchange's.

Start it with `python -m backpack_connector.demo --seconds 60`, or with `make demo`.
"""
