"""Look for what is wrong on this machine: Python, Hummingbot, the active connectors, files of keys, order journals."""

import importlib.util
import os
import platform
import stat
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from backpack_connector import registration
from backpack_connector.cli.doctor_findings import Finding
from backpack_connector.client.credentials import credentials_file
from backpack_connector.order_journal import FILE_SUFFIX, FOLDER_NAME, Journal, read_journals

ENVIRONMENT_VARIABLES = ("VIRTUAL_ENV", "CONDA_PREFIX")
COMPILED_PART = "limit_order"
"""One of Hummingbot's compiled modules, by which the others are judged."""
SILENT_S = 60.0
"""A connector that runs gives a sign of life about once a second."""

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def machine_findings(*, journal: str | None, expects_hummingbot: bool) -> list[Finding]:
    """Return what there is to say about this machine; nothing is sent anywhere."""
    home = hummingbot_folder()
    return [
        check_python(),
        check_hummingbot(home, expects_hummingbot=expects_hummingbot),
        check_connectors(home),
        check_key_files(home),
        check_journals(journal, home),
    ]


def hummingbot_folder() -> Path | None:
    """Return the folder of the package `hummingbot` in this Python, or None."""
    spec = importlib.util.find_spec("hummingbot")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def simulator_key_files(home: Path | None) -> list[Path]:
    """Return the files in which Hummingbot keeps keys of the simulator."""
    return [] if home is None else sorted(_stored_keys(home).glob("backpack*_simulator.yml"))


def _stored_keys(home: Path) -> Path:
    return home.parent / "conf" / "connectors"


def check_python() -> Finding:
    """Tell whether the environment that is active in this shell is the one that runs this command."""
    here = f"Python {platform.python_version()} in {sys.prefix}"
    active = [value for name in ENVIRONMENT_VARIABLES if (value := os.environ.get(name))]
    if not active or any(Path(value).resolve() == Path(sys.prefix).resolve() for value in active):
        return Finding("python", "ok", f"{here}.")
    return Finding(
        "python",
        "warning",
        f"This command runs with {here}, but the active environment is {active[0]}.",
        "Bots that are started in the active environment do not use this installation: install the package there too, "
        "or leave that environment.",
    )


def check_hummingbot(home: Path | None, *, expects_hummingbot: bool) -> Finding:
    """Tell whether Hummingbot is in this Python, and made for it."""
    if home is None:
        missing = f"Hummingbot is not in the Python in {sys.prefix}."
        if not expects_hummingbot:
            return Finding("hummingbot", "skipped", missing)
        return Finding(
            "hummingbot",
            "problem",
            missing,
            "Install this package into the Python that starts Hummingbot, and run backpack there; "
            "--no-hummingbot if only these commands are used.",
        )
    compiled = [path.name for path in (home / "core" / "data_type").glob(f"{COMPILED_PART}.*")]
    if compiled and not any(f".{name.partition('.')[2]}" in EXTENSION_SUFFIXES for name in compiled):
        return _not_compiled(home, compiled)
    return Finding("hummingbot", "ok", f"Hummingbot is in {home}.")


def _not_compiled(home: Path, names: list[str]) -> Finding:
    others = sorted(name for name in names if name.endswith((".so", ".pyd")))
    wanted = f"Python {platform.python_version()}"
    if others:
        found = f"Hummingbot in {home} was made for another Python than {wanted}: it has {others[0]}."
        return Finding("hummingbot", "problem", found, "Start it with the Python it was made for, or install it anew.")
    found = f"The compiled parts of Hummingbot in {home} are missing."
    return Finding("hummingbot", "problem", found, "Compile it as its own instructions say, or install it with pip.")


def check_connectors(home: Path | None) -> Finding:
    """Tell whether a Hummingbot that starts here uses this plugin, or the connectors that it ships."""
    if home is None:
        return Finding("connectors", "skipped", "Without Hummingbot there are none.")
    try:
        status = registration.status()
    except registration.RegistrationError as error:
        return Finding(
            "connectors",
            "problem",
            str(error),
            f"Correct {registration.SWITCH}, or see that Hummingbot itself starts in this Python.",
        )
    others = [connector.name for connector in status.connectors if connector.implementation != "plugin"]
    if not others:
        names = " and ".join(connector.name for connector in status.connectors)
        return Finding("connectors", "ok", f"{names} are this plugin, {status.version}.")
    return _not_ours(status, others)


def _not_ours(status: registration.Status, others: list[str]) -> Finding:
    built_in = f"Hummingbot's built-in connectors are active, not this plugin: {', '.join(others)}."
    if status.simulator_key_files:
        return Finding(
            "connectors",
            "problem",
            f"{built_in} They do not know {', '.join(status.simulator_key_files)}, and Hummingbot cannot log in.",
            f"Remove the file, or set {registration.SWITCH}=on.",
        )
    if not status.is_switched_on:
        return Finding(
            "connectors",
            "warning",
            f"{built_in} {registration.SWITCH} is off.",
            f"Remove {registration.SWITCH} from the environment unless this is meant.",
        )
    return Finding(
        "connectors",
        "problem",
        built_in if status.is_start_up_file_active else f"{built_in} The start-up file is not installed here.",
        "Reinstall the package with pip in this Python; `backpack status` shows what is used.",
    )


def check_key_files(home: Path | None) -> Finding:
    """Tell whether others on this machine can read or replace keys."""
    if os.name != "posix":
        return Finding("key files", "skipped", "This system has no file modes.")
    faults = list(_faults_of_key_files(home))
    if not faults:
        own = credentials_file()
        return Finding("key files", "ok", f"{own} is yours alone." if own.exists() else "There is no file of keys.")
    modes = "; ".join(f"{path} has mode {mode:o}" for path, mode, _ in faults)
    commands = "; ".join(f"chmod {right:o} {path}" for path, _, right in faults)
    return Finding(
        "key files",
        "problem",
        f"Others can read or replace keys: {modes}.",
        f"Run: {commands}. If others use this machine, make a new key on the website and delete this one.",
    )


def _faults_of_key_files(home: Path | None) -> Iterator[tuple[Path, int, int]]:
    """Yield what is too open: the path, its mode, and the mode that is right."""
    own = credentials_file()
    # Hummingbot's own files are encrypted: to read them is of little use, to replace them is.
    stored = [] if home is None else sorted(_stored_keys(home).glob("backpack*.yml"))
    rules = [(own, _OTHERS, 0o600), (own.parent, _OTHERS_WRITE, 0o700)]
    rules += [(path, _OTHERS_WRITE, 0o600) for path in stored]
    for path, forbidden, right in rules:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & forbidden:
            yield path, mode, right


def check_journals(wish: str | None, home: Path | None) -> Finding:
    """Tell whether orders of dead bots may still be open, and whether the running ones give signs of life.

    Shape:    `wish` is a folder or `off`; without it the journals are in Hummingbot's data.
    """
    text = (wish or "").strip()
    if text.lower() == "off":
        return Finding(
            "journals",
            "warning",
            "The order journal is off: orders that a killed bot sent last may be forgotten.",
            "Remove BACKPACK_JOURNAL=off unless this is meant.",
        )
    default = None if home is None else home.parent / "data" / FOLDER_NAME
    folder = Path(text).expanduser() if text else default
    if folder is None or not folder.exists():
        return Finding("journals", "skipped", "No bot has kept a journal here.")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            "journals",
            "problem",
            f"{folder} is no folder in which you can write.",
            "Bots of yours cannot write down their orders: give it to the user who runs them, or name another with "
            "BACKPACK_JOURNAL.",
        )
    return _check_journals_in(folder)


def _check_journals_in(folder: Path) -> Finding:
    journals = read_journals(folder)
    left = [journal for journal in journals if not journal.is_alive and journal.open_orders]
    if left:
        return Finding(
            "journals",
            "warning",
            f"Bots that no longer run have left orders which may still be open: {_told(left)}.",
            f"Start the bot again, which takes them over; `backpack guard --check --journal {folder}` shows them.",
        )
    silent = [journal for journal in journals if journal.is_alive and journal.beat_age_s > SILENT_S]
    if silent:
        return Finding(
            "journals",
            "warning",
            f"Bots run and give no sign of life: {_told(silent)}.",
            "They hang, or are suspended: look at their logs, and see their orders with `backpack order list`.",
        )
    unread = _unreadable(folder, journals)
    if unread:
        return Finding(
            "journals",
            "warning",
            f"Files in {folder} cannot be read as journals: {', '.join(unread)}.",
            "See whose they are; look at `backpack order list`, and move them away when no order is missing.",
        )
    running = sum(journal.is_alive for journal in journals)
    return Finding("journals", "ok", f"{folder} is in order; bots that run: {running}.")


def _told(journals: list[Journal]) -> str:
    return "; ".join(
        f"{journal.identity.connector}, process {journal.pid}, {len(journal.open_orders)} in "
        f"{', '.join(sorted(journal.markets)) or 'no market'}, last sign of life {_ago(journal.beat_age_s)} ago"
        for journal in journals
    )


def _ago(age_s: float) -> str:
    for unit, length_s in (("days", _DAY_S), ("hours", _HOUR_S), ("minutes", _MINUTE_S)):
        if age_s >= 2 * length_s:
            return f"{age_s // length_s:.0f} {unit}"
    return f"{age_s:.0f} s"


def _unreadable(folder: Path, journals: list[Journal]) -> list[str]:
    known = {journal.path.name for journal in journals}
    return sorted(path.name for path in folder.glob(f"*{FILE_SUFFIX}") if path.name not in known)
