"""What `backpack doctor` finds on a machine: Python, Hummingbot's files, connectors, files of keys, journals."""

import os
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from backpack_connector.cli import doctor_machine as machine
from backpack_connector.client.credentials import credentials_file, store_credentials
from backpack_connector.order_journal import Identity, OrderRecord
from backpack_connector.order_journal_writer import OrderJournal
from backpack_connector.registration import ActiveConnector, RegistrationError, Status

ORDER = OrderRecord("1", "SOL_USDC", "SOL-USDC", "BUY", "LIMIT", Decimal(1), 1.0, Decimal(149))
BUILT_IN = ActiveConnector("backpack", "built-in", "/hummingbot")


@pytest.fixture
def hummingbot(tmp_path: Path) -> Path:
    """Give a folder that looks like the package of a Hummingbot which has stored keys."""
    package = tmp_path / "home" / "hummingbot"
    (package / "core" / "data_type").mkdir(parents=True)
    (package.parent / "conf" / "connectors").mkdir(parents=True)
    return package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journals"


@pytest.fixture
def bot(folder: Path) -> Iterator[OrderJournal]:
    """Give the journal of a bot that runs here and has an open order."""
    journal = OrderJournal(lambda: folder, lambda: Identity("a" * 12, "backpack", "one"))
    journal.sent(ORDER)
    yield journal
    journal.close()


def test_the_active_environment_is_this_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    other = machine.check_python()
    assert (other.state, str(tmp_path) in other.found, sys.prefix in other.found) == ("warning", True, True)
    assert "install the package there too" in other.advice
    link = tmp_path / "link"
    link.symlink_to(sys.prefix)
    monkeypatch.setenv("VIRTUAL_ENV", str(link))
    assert machine.check_python().state == "ok"
    for name in machine.ENVIRONMENT_VARIABLES:
        monkeypatch.delenv(name)
    assert machine.check_python().state == "ok"


@pytest.mark.parametrize(
    ("names", "state", "said"),
    [
        (["limit_order.pyx", f"limit_order{EXTENSION_SUFFIXES[0]}"], "ok", "Hummingbot is in "),
        (["limit_order.pyx", "limit_order.cpython-38-sun-os.so"], "problem", "has limit_order.cpython-38-sun-os.so."),
        (["limit_order.pyx"], "problem", "are missing."),
        ([], "ok", "Hummingbot is in "),
    ],
)
def test_compiled_parts(names: list[str], state: str, said: str, hummingbot: Path) -> None:
    for name in names:
        (hummingbot / "core" / "data_type" / name).touch()
    finding = machine.check_hummingbot(hummingbot, expects_hummingbot=True)
    assert (finding.state, said in finding.found) == (state, True), finding
    assert bool(finding.advice) == (state != "ok")


def test_the_real_hummingbot_is_found() -> None:
    home = machine.hummingbot_folder()
    assert home is not None
    assert (home / "__init__.py").exists()
    assert machine.check_hummingbot(home, expects_hummingbot=False).state == "ok"
    assert machine.simulator_key_files(None) == []


def test_keys_of_the_simulator_in_hummingbot(hummingbot: Path) -> None:
    stored = hummingbot.parent / "conf" / "connectors"
    for name in ("backpack.yml", "backpack_simulator.yml", "backpack_perpetual_simulator.yml", "other_simulator.yml"):
        (stored / name).touch()
    assert [path.name for path in machine.simulator_key_files(hummingbot)] == [
        "backpack_perpetual_simulator.yml",
        "backpack_simulator.yml",
    ]


@pytest.mark.parametrize(
    ("is_on", "has_start_up_file", "key_files", "state", "found", "advice"),
    [
        (True, True, (), "problem", "not this plugin: backpack.", "Reinstall the package"),
        (True, False, (), "problem", "The start-up file is not installed here.", "Reinstall the package"),
        (False, True, (), "warning", "BACKPACK_CONNECTOR is off.", "Remove BACKPACK_CONNECTOR"),
        (False, True, ("/x/backpack_simulator.yml",), "problem", "Hummingbot cannot log in.", "Remove the file"),
    ],
)
def test_built_in_connectors(
    is_on: bool,
    has_start_up_file: bool,
    key_files: tuple[str, ...],
    state: str,
    found: str,
    advice: str,
    hummingbot: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status = Status("1", is_on, has_start_up_file, "2", str(hummingbot), (BUILT_IN,), key_files)
    monkeypatch.setattr(machine.registration, "status", lambda: status)
    finding = machine.check_connectors(hummingbot)
    assert (finding.state, finding.found.endswith(found)) == (state, True), finding
    assert finding.advice.startswith(advice)


def test_a_hummingbot_that_cannot_be_imported(hummingbot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Status:
        raise RegistrationError("Hummingbot in /x cannot be imported: No module named 'y'")

    monkeypatch.setattr(machine.registration, "status", fail)
    finding = machine.check_connectors(hummingbot)
    assert (finding.state, "No module named 'y'" in finding.found) == ("problem", True)


def test_files_of_keys(home: Path, key_pair: tuple[str, str], hummingbot: Path) -> None:
    assert machine.check_key_files(None).found == "There is no file of keys."
    store_credentials(*key_pair)
    stored = hummingbot.parent / "conf" / "connectors" / "backpack.yml"
    stored.touch(0o644)
    assert machine.check_key_files(hummingbot).state == "ok"
    for path, mode, right in (
        (credentials_file(), 0o640, 0o600),
        (credentials_file(), 0o602, 0o600),
        (credentials_file().parent, 0o770, 0o700),
        (stored, 0o664, 0o600),
    ):
        before = path.stat().st_mode
        path.chmod(mode)
        finding = machine.check_key_files(hummingbot)
        assert (finding.state, f"{path} has mode {mode:o}." in finding.found) == ("problem", True), finding
        assert finding.advice.startswith(f"Run: chmod {right:o} {path}. ")
        path.chmod(before)
    assert machine.check_key_files(hummingbot).state == "ok"


def test_a_system_without_file_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as other:
        other.setattr(machine.os, "name", "nt")
        finding = machine.check_key_files(None)
    assert finding.state == "skipped"


def test_a_bot_that_runs_is_in_order(folder: Path, bot: OrderJournal) -> None:
    finding = machine.check_journals(str(folder), None)
    assert (finding.state, finding.found) == ("ok", f"{folder} is in order; bots that run: 1.")


def test_orders_of_a_bot_that_runs_no_longer(folder: Path, bot: OrderJournal) -> None:
    bot.close()
    (path,) = folder.glob("*.jsonl")
    three_days_ago = time.time() - 3 * 86_400
    os.utime(path, (three_days_ago, three_days_ago))
    finding = machine.check_journals(str(folder), None)
    assert finding.state == "warning"
    assert f"backpack, process {os.getpid()}, 1 in SOL_USDC, last sign of life 3 days ago" in finding.found
    assert f"`backpack guard --check --journal {folder}`" in finding.advice


def test_a_bot_that_gives_no_sign_of_life(folder: Path, bot: OrderJournal) -> None:
    (path,) = folder.glob("*.jsonl")
    os.utime(path, (1.0, time.time() - 90))
    finding = machine.check_journals(str(folder), None)
    assert (finding.state, "last sign of life 90 s ago" in finding.found) == ("warning", True), finding
    os.utime(path, (1.0, time.time() - 300))
    assert "last sign of life 5 minutes ago" in machine.check_journals(str(folder), None).found


def test_a_file_that_is_no_journal(folder: Path, bot: OrderJournal) -> None:
    (folder / "torn.jsonl").write_text('{"header":')
    finding = machine.check_journals(str(folder), None)
    assert (finding.state, finding.found.endswith("as journals: torn.jsonl.")) == ("warning", True), finding


@pytest.mark.parametrize("wish", ["off", " OFF "])
def test_journals_that_are_switched_off(wish: str) -> None:
    finding = machine.check_journals(wish, None)
    assert (finding.state, "may be forgotten" in finding.found) == ("warning", True)


def test_a_folder_that_is_none(tmp_path: Path, hummingbot: Path) -> None:
    assert machine.check_journals(None, None).state == "skipped"
    assert machine.check_journals(str(tmp_path / "missing"), None).state == "skipped"
    (tmp_path / "file").touch()
    assert machine.check_journals(str(tmp_path / "file"), None).state == "problem"
    assert machine.check_journals(None, hummingbot).state == "skipped"
    (hummingbot.parent / "data" / "backpack_journal").mkdir(parents=True)
    assert machine.check_journals(None, hummingbot).state == "ok"


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "access", lambda path, mode: not mode & os.W_OK)  # root may write everywhere
    finding = machine.check_journals(str(tmp_path), None)
    assert (finding.state, "BACKPACK_JOURNAL" in finding.advice) == ("problem", True)
