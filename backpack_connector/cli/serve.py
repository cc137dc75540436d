"""Start the market-data service from the command `backpack`."""

import asyncio
import json
import logging
import signal
import sys

from backpack_connector.cli.session import base_url, is_local
from backpack_connector.client.rest import BackpackClient
from backpack_connector.market_service.routes import PATHS
from backpack_connector.market_service.server import running_service

_ATTEMPTS, _TIMEOUT_S = 2, 5.0
"""Shorter than a command's: somebody waits at the other end of the line."""


def run_service(*, host: str, port: int, url: str | None, uses_simulator: bool, prints_json: bool) -> None:
    """Serve until interrupted.

    Raises:   ConfigurationError when the port cannot be served.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    address = base_url(url, uses_simulator)
    asyncio.run(_serve(host, port, address, prints_json=prints_json))


async def _serve(host: str, port: int, url: str, *, prints_json: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    client = BackpackClient(url=url, attempts=_ATTEMPTS, timeout_s=_TIMEOUT_S)
    async with client, running_service(client, host, port) as served:
        _announce(served, url, prints_json=prints_json)
        await stopped.wait()


def _announce(served: str, url: str, *, prints_json: bool) -> None:
    if prints_json:
        print(json.dumps({"url": served, "exchange": url, "paths": PATHS}), flush=True)
        return
    print(f"Market data of {url} at {served}, read-only and without keys; stop it with Ctrl-C.")
    print("\n".join(f"  {served}{path}" for path in PATHS), flush=True)
    if not is_local(served):
        print("Other machines can reach it.", file=sys.stderr)
