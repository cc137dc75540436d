"""The demo from beginning to end: simulator, keys, bot, live view, stop, comparison.

Whatever happens in between - an error, Ctrl-C, a polite kill - every program that was started is stopped before this
returns, and the folder of the run is removed unless it was asked for or is needed to look into a failure.
"""

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live

from backpack_connector.demo.bots import SPOT_BOT, Bot
from backpack_connector.demo.comparison import compare_books, compare_equity
from backpack_connector.demo.exchange import COLLATERAL, Simulator, start_simulator, usual_port
from backpack_connector.demo.figures import Books
from backpack_connector.demo.hbot import Hbot
from backpack_connector.demo.home import Home, HomeError, make_home
from backpack_connector.demo.processes import ProgramError, Programs, adopt_orphans, collect, is_pid_alive
from backpack_connector.demo.records import Journal, read_trades_database
from backpack_connector.demo.screen import View, live_view, log_line, profit_line, summary

EQUAL, DIFFERENT, FAILED = 0, 1, 3  # 2 is argparse's answer to a wrong command line
LOOK_S = 0.25  # between two looks at the journal
LINE_S = 5.0  # between two lines when there is no terminal
START_FACTOR = 2.5  # `hbot start` takes so many times as long as `hbot connect`
FUNDING_S = 5.0  # until the bot knows for sure that funding was paid
# The keystore lies in a folder that is removed at the end and holds a key to play money.
PASSWORD = "demo"


class Interrupted(BaseException):
    """A signal asked the demo to end. A BaseException, so that no handler of errors takes it for one."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


@dataclass(frozen=True)
class Options:
    """What the user can choose."""

    seconds: float = 60.0
    seed: int = 7
    port: int | None = None
    keep: bool = False
    bot: Bot = SPOT_BOT


def tell(options: Options, console: Console) -> int:
    """Run the demo and answer its exit code."""
    folder = Path(tempfile.mkdtemp(prefix="backpack-demo-")).resolve()
    programs = Programs(folder, dict(os.environ))
    adopt_orphans()
    keep = options.keep
    with _signals_raise():
        try:
            code = _Story(options, console, programs).run()
            keep = keep or code != EQUAL
        except (ProgramError, HomeError) as error:
            console.print(f"[bold red]The demo could not finish.[/] {_escaped(str(error))}", highlight=False)
            code, keep = FAILED, True
        except Exception:  # noqa: BLE001 - the end of the program: whatever it is, it must not look like code 1
            console.print_exception()
            code, keep = FAILED, True
        except Interrupted as interruption:
            console.print("Stopping everything …")
            code = 128 + interruption.signal_number
        finally:
            _without_signals(programs.stop_all)
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
    if keep:
        console.print(f"Logs, journal and database of this run are in {folder}", highlight=False, soft_wrap=True)
    return code


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    def interrupt(signal_number: int, frame: FrameType | None) -> None:
        raise Interrupted(signal_number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _without_signals(clean_up: Callable[[], None]) -> None:
    """Clean up without being interrupted by a second Ctrl-C; what is called here is bounded in time."""
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        clean_up()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


class _Story:
    def __init__(self, options: Options, console: Console, programs: Programs) -> None:
        self._options = options
        self._console = console
        self._programs = programs
        self._bot = options.bot
        self._hbot = Hbot(programs, options.bot)
        self._funding_at = 0.0
        self._step_s = 0.0
        self._told = ""
        self._draws = console.is_terminal and not console.is_dumb_terminal

    def run(self) -> int:
        folder = self._programs.folder
        with self._step("A fresh Hummingbot home"):
            home = make_home(folder, self._bot)
        with self._step("Simulator"):
            port = self._options.port or usual_port()
            log = folder / "simulator.log"
            simulator = start_simulator(self._programs, port=port, seed=self._options.seed, log=log, bot=self._bot)
            environment = bot_environment(simulator.url)
            environment.pop("BACKPACK_JOURNAL", None)  # play money has no place among the journals of real bots
            self._programs.environment = environment
            self._note(f"{simulator.url}, seed {self._options.seed}")
        with self._step(f"hbot connect {self._bot.connector}"):
            self._hbot.store_keys(simulator.api_key, simulator.api_secret)
        start_s = START_FACTOR * self._step_s
        with self._step("hbot connect"):
            self._hbot.confirm_keys()
            self._note("keys confirmed")
        if self._bot.is_perpetual:
            self._let_an_hour_end(simulator, start_s)
        with self._step(f"hbot start {self._bot.configuration}"):
            pid = self._hbot.start()
            collect(pid)
            self._note(f"engine {pid} runs")
        journal = Journal(home.journal)
        self._watch(journal, simulator, pid)
        with self._step("hbot stop"):
            self._hbot.stop()
        return self._compare(home, journal, simulator)

    def _let_an_hour_end(self, simulator: Simulator, start_s: float) -> None:
        """Have the hourly funding paid when half of the time is over. Done before the start: clocks do not jump."""
        until_s = start_s + self._options.seconds / 2
        simulator.put_hour_into(until_s)
        self._funding_at = time.monotonic() + until_s

    def _watch(self, journal: Journal, simulator: Simulator, engine_pid: int) -> None:
        begin = time.monotonic()
        next_line = begin
        seconds = max(self._options.seconds, self._funding_at + FUNDING_S - begin)
        with Live(console=self._console, auto_refresh=False, transient=True) if self._draws else _no_live() as live:
            while (elapsed := time.monotonic() - begin) < seconds:
                journal.read()
                view = View(journal.first, journal.latest, journal.fills, elapsed, seconds, journal.funding)
                if live is not None:
                    live.update(live_view(view, self._console.height), refresh=True)
                elif time.monotonic() >= next_line:
                    next_line += LINE_S
                    self._console.print(log_line(view), highlight=False, soft_wrap=True)
                _check_alive(simulator, engine_pid)
                time.sleep(LOOK_S)

    def _compare(self, home: Home, journal: Journal, simulator: Simulator) -> int:
        bot, truth = self._final_books(journal, simulator)
        recorded = read_trades_database(home.trades_database)
        differences = compare_books(bot, recorded, truth)
        if self._bot.is_perpetual and journal.first is not None:
            differences += compare_equity(journal.first.balances[COLLATERAL].total, bot, COLLATERAL)
        if not journal.stopped:
            differences.append("bot: the journal ends without the figures of the stop.")
        self._console.print()
        self._console.print(summary(bot, recorded, truth, is_perpetual=self._bot.is_perpetual))
        self._console.print(profit_line(journal.first, journal.latest), soft_wrap=True)
        if differences:
            self._console.print("[bold red]The books differ.[/]")
            for difference in differences:
                self._console.print(f"  {_escaped(difference)}", highlight=False, soft_wrap=True)
            return DIFFERENT
        if not truth.fills:
            self._console.print("No order was filled in this time; a longer run has more to compare.")
        self._console.print("[bold green]The bot's books equal the simulator's to the last digit.[/]")
        return EQUAL

    def _final_books(self, journal: Journal, simulator: Simulator) -> tuple[Books, Books]:
        journal.read()
        return journal.books(), simulator.truth(self._bot.market_type)

    @contextlib.contextmanager
    def _step(self, title: str) -> Iterator[None]:
        self._told = ""
        begin = time.monotonic()
        with self._console.status(f"{title} …") if self._draws else _no_live():
            yield
        told = f": {self._told}" if self._told else ""
        self._step_s = time.monotonic() - begin
        self._console.print(f"[green]ok[/]  {self._step_s:4.1f} s  {title}{told}", soft_wrap=True)

    def _note(self, text: str) -> None:
        self._told = text


def _check_alive(simulator: Simulator, engine_pid: int) -> None:
    if simulator.process.poll() is not None:
        raise ProgramError(f"The simulator ended by itself with code {simulator.process.returncode}.")
    if not is_pid_alive(engine_pid):
        raise ProgramError("Hummingbot's engine ended by itself; its log is in the folder logs/.")


@contextlib.contextmanager
def _no_live() -> Iterator[None]:
    yield None


def bot_environment(url: str) -> dict[str, str]:
    """Prepare what Hummingbot's processes find in their environment."""
    environment = dict(os.environ)
    # The demo shows this package's connector, also where the user has switched it off for other purposes.
    environment.pop("BACKPACK_CONNECTOR", None)
    # Python then would not look for packages in the home, which is how Hummingbot is told where its home is.
    environment.pop("PYTHONSAFEPATH", None)
    environment.update(HBOT_PASSWORD=PASSWORD, BACKPACK_SIMULATOR_URL=url, PYTHONDONTWRITEBYTECODE="1")
    return environment
