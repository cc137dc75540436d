"""Describe Backpack's wire protocol once: pure, typed and synchronous.

Rules: nothing here does I/O, reads a clock, writes a log or imports Hummingbot. Three hosts use it: the Hummingbot
connectors, the command line's own client, and the simulator.

Sources named in docstrings: "API §n" is section n of the project's API facts, which collect the official
documentation, the official OpenAPI file and captured traffic; "official docs" is docs.backpack.exchange.
"""
