"""Start the guard from the command `backpack`, or have it look once."""

import asyncio
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

import typer

from backpack_connector.cli.session import base_url, checked
from backpack_connector.client.rest import BackpackClient
from backpack_connector.guard.check import check
from backpack_connector.guard.reports import Reports
from backpack_connector.guard.watchdog import Options, Watchdog
from backpack_connector.order_journal import fingerprint
from backpack_connector.protocol.errors import ConfigurationError, WireFormatError
from backpack_connector.protocol.signing import Credentials
from backpack_connector.protocol.units import decimal_from_text

WOULD_ACT = 3
"""Exit code of a check that has found orders to cancel."""
API_KEY_VARIABLE, SECRET_KEY_VARIABLE = "BACKPACK_API_KEY", "BACKPACK_SECRET_KEY"


def run_guard(
    *,
    journal: str,
    heartbeat_s: float,
    max_loss: str | None,
    markets: tuple[str, ...],
    checks_only: bool,
    is_dry_run: bool,
    is_exclusive: bool,
    stops_bots: bool,
    as_json: bool,
    url: str | None,
    uses_simulator: bool,
) -> None:
    """Guard until interrupted, or look once.

    Raises:   a usage error with one sentence for input that makes no sense; ConfigurationError for keys.
    """
    options = Options(
        folder=checked(lambda: _folder(journal)),
        heartbeat_s=heartbeat_s,
        max_loss=checked(lambda: _amount(max_loss)),
        markets=markets,
        is_exclusive=is_exclusive,
        is_dry_run=is_dry_run,
        stops_bots=stops_bots,
    )
    address = base_url(url, uses_simulator)
    credentials = _credentials()
    if asyncio.run(_run(options, address, credentials, checks_only=checks_only, as_json=as_json)):
        raise typer.Exit(WOULD_ACT)


async def _run(options: Options, url: str, credentials: Credentials, *, checks_only: bool, as_json: bool) -> bool:
    account = fingerprint(credentials.api_key)
    async with BackpackClient(url=url, credentials=credentials) as client:
        if checks_only:
            return await check(options, client, account, _write, as_json=as_json)
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        await Watchdog(options, client, account, Reports(_write, as_json=as_json)).run(stopped)
    return False


def _write(line: str) -> None:
    # The guard goes on when nobody reads what it says any more.
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the rest of the process


def _folder(text: str) -> Path:
    folder = Path(text).expanduser()
    if not folder.is_dir():
        raise ConfigurationError(f"There is no folder {text}; it appears when a bot has run with this connector.")
    return folder


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = decimal_from_text(text)
    except WireFormatError:
        amount = Decimal(0)
    if amount <= 0:
        raise ConfigurationError(f"The largest loss must be an amount of USDC above zero such as 250, not {text!r}.")
    return amount


def _credentials() -> Credentials:
    """Read the key pair from the environment, else from a terminal or the first two lines of the input.

    Raises:   ConfigurationError when one is missing or malformed, or when they do not belong together.
    """
    api_key, secret = (os.environ.get(name, "").strip() for name in (API_KEY_VARIABLE, SECRET_KEY_VARIABLE))
    if bool(api_key) != bool(secret):
        raise ConfigurationError(f"Set both {API_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}, or neither.")
    if not api_key:
        if sys.stdin.isatty():
            api_key = typer.prompt("API key", err=True)
            secret = typer.prompt("API secret", hide_input=True, err=True)
        else:
            api_key, secret = sys.stdin.readline().strip(), sys.stdin.readline().strip()
    return Credentials(api_key, secret)
