"""Find out why a bot or a command does not work here, and say what to do about it."""

import asyncio
import os

import typer

from backpack_connector import hosts
from backpack_connector.cli.doctor_exchange import TIMEOUT_S, check_reachable, exchange_findings
from backpack_connector.cli.doctor_findings import Finding, State, print_findings
from backpack_connector.cli.doctor_machine import hummingbot_folder, machine_findings, simulator_key_files
from backpack_connector.cli.output import Form
from backpack_connector.cli.session import base_url
from backpack_connector.client.credentials import API_KEY_VARIABLE, SECRET_KEY_VARIABLE, Found, find_credentials
from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.errors import ConfigurationError


def run_doctor(
    *,
    form: Form,
    url: str | None,
    uses_simulator: bool,
    journal: str | None,
    expects_hummingbot: bool,
    is_offline: bool,
) -> None:
    """Look at everything, print it, and end with 1 when something is a problem.

    Raises:   typer.Exit; a usage error for a wrong address.
    """
    address = base_url(url, uses_simulator)
    findings = machine_findings(journal=journal, expects_hummingbot=expects_hummingbot)
    pair, keys = check_pair()
    findings.append(pair)
    if not is_offline:
        findings += asyncio.run(_ask(address, keys, is_simulator=uses_simulator))
    print_findings(findings, form)
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


def check_pair() -> tuple[Finding, Found | None]:
    """Tell whether there is a key, and whether its two halves belong together."""
    try:
        found = find_credentials()
    except ConfigurationError as error:
        advice = (
            f"Correct that, or give both again: `backpack config set`, or {API_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}."
        )
        return Finding("key pair", "problem", str(error), advice), None
    if found is None:
        text = "No key is configured for these commands; bots have theirs in Hummingbot's keystore."
        return Finding("key pair", "skipped", text, "`backpack config set`, to have a key checked."), None
    return Finding("key pair", "ok", f"Key and secret from {found.origin} belong together."), found


async def _ask(address: str, keys: Found | None, *, is_simulator: bool) -> list[Finding]:
    credentials = None if keys is None else keys.credentials
    async with BackpackClient(url=address, credentials=credentials, timeout_s=TIMEOUT_S, attempts=1) as client:
        origin = "" if keys is None else keys.origin
        findings = await exchange_findings(client, origin, is_simulator=is_simulator)
    return [*findings, *await _ask_bots_simulator(address)]


async def _ask_bots_simulator(address: str) -> list[Finding]:
    """Return how the simulator is, where bots on this machine are set up to use one."""
    wished = os.environ.get(hosts.SIMULATOR_URL_VARIABLE, "").strip()
    if not wished and not simulator_key_files(hummingbot_folder()):
        return []
    try:
        simulator = hosts.simulator_url()
    except ConfigurationError as error:
        return [Finding("simulator", "problem", str(error), f"Correct or remove {hosts.SIMULATOR_URL_VARIABLE}.")]
    if simulator == address:
        return []
    async with BackpackClient(url=simulator, timeout_s=TIMEOUT_S, attempts=1) as client:
        reached, _ = await check_reachable(client, is_simulator=True)
    # Bots that trade on the exchange do not need it.
    state: State = "warning" if reached.state == "problem" else reached.state
    return [Finding("simulator", state, reached.found, reached.advice)]
