"""Hummingbot's own commands with our connector: keys, status, stop, and a crash in between."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backpack_connector.backpack_utils import KEYS, OTHER_DOMAINS_KEYS
from backpack_connector.demo.comparison import compare_books
from backpack_connector.demo.exchange import Simulator, start_simulator
from backpack_connector.demo.figures import Journal, read_trades_database
from backpack_connector.demo.hbot import CONNECTOR, Hbot
from backpack_connector.demo.home import SCRIPT_CONFIGURATION, Home, make_home
from backpack_connector.demo.processes import ProgramError, Programs, adopt_orphans, collect, is_pid_alive, pids_in
from backpack_connector.demo.story import bot_environment

pytest.importorskip("hummingbot")
pytestmark = pytest.mark.timeout(240)


@dataclass
class Place:
    home: Home
    programs: Programs
    hbot: Hbot
    simulator: Simulator

    def journal(self) -> Journal:
        journal = Journal(self.home.journal)
        journal.read()
        return journal

    def typed(self, *words: str) -> str:
        """Run a command of Hummingbot as a user types it."""
        result = self.programs.run([sys.executable, "-m", "hummingbot.cli.main", *words], timeout_s=60)
        return result.stdout + result.stderr


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path.resolve()
    home = make_home(folder)
    programs = Programs(folder, dict(os.environ))
    adopt_orphans()
    try:
        simulator = start_simulator(programs, port=0, seed=7, log=folder / "simulator.log")
        programs.environment = bot_environment(simulator.url)
        yield Place(home, programs, Hbot(programs), simulator)
    finally:
        programs.stop_all()
        assert pids_in(folder) == []


def wait_for(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {limit_s:g} s"
        time.sleep(0.2)


@pytest.mark.parametrize("connector", ["backpack", CONNECTOR])
def test_connect_asks_for_our_fields_with_our_prompts(place: Place, connector: str) -> None:
    keys = {"backpack": KEYS, CONNECTOR: OTHER_DOMAINS_KEYS[CONNECTOR]}[connector]
    printed = place.typed("connect", connector, "--fields")
    for field in (f"{connector}_api_key", f"{connector}_api_secret"):
        prompt = type(keys).model_fields[field].json_schema_extra["prompt"]
        row = next(line for line in printed.splitlines() if line.startswith(f"| {field} "))
        assert row.endswith(f"| {prompt} |")


def test_connect_confirms_good_keys_and_stores_no_plain_text(place: Place) -> None:
    place.hbot.store_keys(place.simulator.api_key, place.simulator.api_secret)
    printed = place.typed("connect")
    (row,) = [line for line in printed.splitlines() if line.startswith(f"| {CONNECTOR} ")]
    assert [cell.strip() for cell in row.strip("| ").split("|")][:3] == [CONNECTOR, "yes", "yes"]
    place.hbot.confirm_keys()
    for file in place.home.folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert place.simulator.api_secret.encode() not in file.read_bytes(), file


def test_connect_refuses_a_secret_that_is_no_key(place: Place) -> None:
    def connect() -> None:
        place.hbot.store_keys(place.simulator.api_key, "not-a-secret")
        place.hbot.confirm_keys()

    with pytest.raises(ProgramError) as caught:
        connect()
    assert "not-a-secret" not in str(caught.value)


def test_a_bot_trades_reports_and_stops(place: Place) -> None:
    place.hbot.store_keys(place.simulator.api_key, place.simulator.api_secret)
    pid = place.hbot.start(SCRIPT_CONFIGURATION)
    collect(pid)
    wait_for(lambda: len(place.journal().fills) > 0, 60, "fill")
    status = place.hbot.status()
    assert status["running"] is True
    assert status["errors"]["count"] == 0, status["errors"]["messages"]
    assert "Fills since start: " in status["format_status"]
    assert set(status["balances"][CONNECTOR]) >= {"SOL", "USDC"}
    place.hbot.stop()
    assert not is_pid_alive(pid)
    assert place.hbot.status()["running"] is False
    assert compare(place) == []


def compare(place: Place) -> list[str]:
    recorded = read_trades_database(place.home.trades_database)
    return compare_books(place.journal().books(), recorded, place.simulator.truth())


def test_a_killed_bot_takes_its_open_orders_and_missed_fills_over(place: Place) -> None:
    place.hbot.store_keys(place.simulator.api_key, place.simulator.api_secret)
    pid = place.hbot.start(SCRIPT_CONFIGURATION)
    collect(pid)
    wait_for(lambda: len(place.journal().fills) > 0 and place.simulator.truth().open_orders >= 2, 60, "open orders")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_pid_alive(pid), 10, "end of the engine")
    orphans = place.simulator.truth().open_orders
    known = len(place.journal().fills)
    # Hummingbot tells its database and the script one after the other, in no fixed order. What a kill between the two
    # left out of the journal is never told again, because the database has it.
    written = {fill.trade_id for fill in place.journal().fills}
    cut_off = {fill.trade_id for fill in read_trades_database(place.home.trades_database)} - written
    # Somebody trades with the orders that nobody watches.
    wait_for(lambda: len(place.simulator.truth().fills) > known, 60, "fill while the bot was dead")
    again = place.hbot.start(SCRIPT_CONFIGURATION)
    collect(again)
    wait_for(lambda: len(place.journal().fills) > known, 60, "recovered fill")
    time.sleep(8)  # two renewals of the orders: the old ones are cancelled, new ones placed
    place.hbot.stop()
    assert orphans >= 1
    bot, truth = place.journal().books(), place.simulator.truth()
    bot.fills += [fill for fill in truth.fills if fill.trade_id in cut_off]
    assert compare_books(bot, read_trades_database(place.home.trades_database), truth) == []
