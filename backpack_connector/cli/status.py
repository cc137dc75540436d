"""Print which connectors a Hummingbot started in this environment would use, and how the bots that run here do."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backpack_connector import registration
from backpack_connector.latency import as_facts, as_text
from backpack_connector.order_journal import FOLDER_NAME, Journal, latency_of, read_journals
from backpack_connector.protocol.errors import ConfigurationError


def show_status(as_json: bool, journal: str | None = None) -> None:
    """Print the status, for people or as JSON; the journals' folder is Hummingbot's own by default, `off` for none.

    Raises:   ConfigurationError if Hummingbot cannot be imported or the switch has an unknown value.
    """
    try:
        found = registration.status()
    except registration.RegistrationError as error:
        raise ConfigurationError(str(error)) from error
    bots = _running_bots(_folder(found, journal))
    if as_json:
        print(json.dumps({**asdict(found), "bots": [_bot_facts(bot) for bot in bots]}, indent=2))
    else:
        print("\n".join([describe(found), *(describe_bot(bot) for bot in bots)]))


def _folder(found: registration.Status, journal: str | None) -> Path | None:
    wish = (journal or "").strip()
    if wish.lower() == "off":
        return None
    if wish:
        return Path(wish).expanduser()
    home = found.hummingbot_location
    return None if home is None else Path(home).parent / "data" / FOLDER_NAME


def _running_bots(folder: Path | None) -> list[Journal]:
    return [] if folder is None else [journal for journal in read_journals(folder) if journal.is_alive]


def _bot_facts(bot: Journal) -> dict[str, Any]:
    report = latency_of(bot)
    return {
        "connector": bot.identity.connector,
        "pid": bot.pid,
        "beat_age_s": round(bot.beat_age_s, 3),
        "open_orders": len(bot.open_orders),
        "latency": None if report is None else as_facts(report),
    }


def describe_bot(bot: Journal) -> str:
    """Say how a running bot does: its orders, its last sign of life and its latencies."""
    orders = "1 open order" if len(bot.open_orders) == 1 else f"{len(bot.open_orders)} open orders"
    line = (
        f"\nA bot runs {bot.identity.connector} in process {bot.pid}: {orders}, "
        f"last sign of life {bot.beat_age_s:.0f} s ago."
    )
    report = latency_of(bot)
    return line if report is None else f"{line}\n{as_text(report)}"


def describe(found: registration.Status) -> str:
    """Say the status in a few lines."""
    lines = [f"Backpack connectors {found.version}"]
    if found.hummingbot_location is None:
        return "\n".join([*lines, "Hummingbot is not installed in this environment."])
    lines.append(f"Hummingbot {found.hummingbot_version or 'of unknown version'} in {found.hummingbot_location}")
    lines += [_describe_connector(connector) for connector in found.connectors]
    if not found.is_switched_on:
        lines.append(f"Switched off by {registration.SWITCH}=off.")
        lines += [f"Hummingbot cannot log in while {path} exists: remove it." for path in found.simulator_key_files]
    elif not found.is_start_up_file_active:
        lines.append("The start-up file is not installed here: reinstall the package with pip.")
    return "\n".join(lines)


def _describe_connector(connector: registration.ActiveConnector) -> str:
    words = {"plugin": "this plugin", "built-in": "Hummingbot's built-in", "none": "not available"}
    place = f", {connector.location}" if connector.location else ""
    return f"{connector.name}: {words[connector.implementation]}{place}"
