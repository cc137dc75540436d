"""Print which connectors a Hummingbot started in this environment would use."""

import json
from dataclasses import asdict

from backpack_connector import registration
from backpack_connector.protocol.errors import ConfigurationError


def show_status(as_json: bool) -> None:
    """Print the status, for people or as JSON.

    Raises:   ConfigurationError if Hummingbot cannot be imported or the switch has an unknown value.
    """
    try:
        found = registration.status()
    except registration.RegistrationError as error:
        raise ConfigurationError(str(error)) from error
    print(json.dumps(asdict(found), indent=2) if as_json else describe(found))


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
