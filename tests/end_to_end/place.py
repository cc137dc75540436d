"""A home with real programs in it: `hbot`, the engine, and the simulator that they trade on."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from backpack_connector.demo.bots import SPOT_BOT, Bot
from backpack_connector.demo.comparison import compare_books, compare_equity
from backpack_connector.demo.exchange import COLLATERAL, Simulator, start_simulator
from backpack_connector.demo.figures import Books
from backpack_connector.demo.hbot import Hbot
from backpack_connector.demo.home import Home, find_templates, make_home
from backpack_connector.demo.processes import Programs, adopt_orphans, collect, is_pid_alive, pids_in
from backpack_connector.demo.records import Journal, read_trades_database
from backpack_connector.demo.story import bot_environment
from tests.bare_hummingbot import site_packages

BOTS = Path(__file__).parent / "bots"
WRITTEN_US, DUE_US = 1_000_000, 2_500_000


@dataclass
class Place:
    """A home, the programs that run in it, and the account that its bot has."""

    home: Home
    bot: Bot
    programs: Programs
    hbot: Hbot
    simulator: Simulator

    def store_keys(self) -> None:
        self.hbot.store_keys(self.simulator.api_key, self.simulator.api_secret)

    def start(self) -> int:
        """Start the bot and return its process id."""
        pid = self.hbot.start()
        collect(pid)
        return pid

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_pid_alive(pid), 10, "end of the engine")

    def journal(self) -> Journal:
        journal = Journal(self.home.journal)
        journal.read()
        return journal

    def lines(self, kind: str) -> list[Any]:
        """Return the journal's lines of one kind as they are."""
        text = self.home.journal.read_text() if self.home.journal.exists() else ""
        rows = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return [row for row in rows if row["kind"] == kind]

    def truth(self) -> Books:
        return self.simulator.truth(self.bot.market_type)

    def account(self) -> Any:
        """Return everything that the simulator knows about the account."""
        return self.simulator.whole_truth()["accounts"][self.simulator.api_key]

    def open_order_ids(self) -> set[str]:
        return {order["orderId"] for order in self.account()["openOrders"]}

    def is_calm(self, count: int) -> bool:
        """Tell whether so many orders are open, old enough for Hummingbot to have written them down, and not yet due.

        What a bot has posted and not written down when it is killed, no bot will know of.
        """
        truth = self.simulator.whole_truth()
        orders = truth["accounts"][self.simulator.api_key]["openOrders"]
        ages_us = [truth["timeUs"] - row["createdUs"] for row in orders]
        return len(orders) >= count and all(WRITTEN_US < age_us < DUE_US for age_us in ages_us)

    def differences(self) -> list[str]:
        """Compare as the demo does, after the stop."""
        journal, recorded = self.journal(), read_trades_database(self.home.trades_database, self.bot.connector)
        differences = compare_books(journal.books(), recorded, self.truth())
        if self.bot.is_perpetual and journal.first is not None:
            start = journal.first.balances[COLLATERAL].total
            differences += compare_equity(start, journal.books(), COLLATERAL)
        return differences

    def typed(self, *words: str) -> str:
        """Run a command of Hummingbot as a user types it."""
        result = self.programs.run([self.programs.python, "-m", "hummingbot.cli.main", *words], timeout_s=60)
        return result.stdout + result.stderr

    def logged(self) -> str:
        return self.home.bot_log.read_text()

    def configure(self, folder: str, name: str, **values: Any) -> None:
        """Write a configuration; Decimals become text that reads back exactly."""
        text = yaml.safe_dump(
            {key: str(value) if isinstance(value, Decimal) else value for key, value in values.items()}
        )
        (self.home.folder / "conf" / folder / name).write_text(text)

    def take_template(self, path: str, changes: Mapping[str, str]) -> None:
        """Put a template where Hummingbot looks for it, under the bot's name, with some of its lines changed."""
        text = (find_templates() / path).read_text()
        for old, new in changes.items():
            assert text.count(f"\n{old}\n") == 1, old
            text = text.replace(f"\n{old}\n", f"\n{new}\n")
        (self.home.folder / "conf" / Path(path).parent / self.bot.configuration).write_text(text)

    def install(self, script: str, folder: str = "scripts") -> None:
        """Copy a script of the tests to where Hummingbot looks for it."""
        target = self.home.folder / folder
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(BOTS / script, target)


@contextmanager
def place_for(
    folder: Path, bot: Bot = SPOT_BOT, options: Sequence[str] = (), environment: Path | None = None
) -> Iterator[Place]:
    """Run a simulator for a bot; at the end nothing of either is left running.

    The environment is a virtual one with a Hummingbot of its own, if it is not that of the tests.
    """
    python, package = Path(sys.executable), None
    if environment is not None:
        python, package = environment / "bin" / "python", site_packages(environment) / "hummingbot"
    home = make_home(folder, bot, package)
    programs = Programs(folder, dict(os.environ), str(python))
    adopt_orphans()
    try:
        log = folder / "simulator.log"
        simulator = start_simulator(programs, port=0, seed=7, log=log, options=options, bot=bot)
        programs.environment = bot_environment(simulator.url)
        yield Place(home, bot, programs, Hbot(programs, bot), simulator)
    finally:
        programs.stop_all()
        assert pids_in(folder) == []


def wait_for(condition: Callable[[], Any], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {limit_s:g} s"
        time.sleep(0.2)
