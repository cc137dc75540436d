"""Serve public market data over HTTP: read-only, without keys, one request to the exchange for many who ask."""
