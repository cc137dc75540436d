"""Kill a trading bot again and again, and see whether it ever loses an order or a fill.

The process that runs this has imported Hummingbot and has neither threads nor an event loop, so that each life of the
bot is a fork of it and costs no import. The exchange is another process, and trades on while the bot is dead.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from tests.kills.books import Books, books_of_database, books_of_exchange, differences, missing, money_differences
from tests.kills.bot import DATABASE, EVENTS_FILE, STATUS_FILE, Life, live

RECOVERY_LIMIT_S = 20.0
"""A restarted bot knows within this time what its predecessor left behind: the answers may be late, see `_LATENESS`."""
SETTLE_LIMIT_S = 120.0
"""At the end even orders that never arrived are given up; that takes fifteen seconds and several empty answers."""
EARLY_DEATHS = 0.4
"""Share of the lives that end while the bot starts or finds out what its predecessor left behind."""
EARLY_DEATH_S = 3.0
LONGEST_TRADING_S = 1.5
_POLL_S = 0.05
_FAUCET = ("USDC=5000000", "SOL=20000", "BTC=50")

# What lies between a bot and an exchange that is not on the same machine, and makes the dangerous moments long.
_LATENESS = [
    {"kind": "request_delayed", "delaySeconds": 0.02, "jitterSeconds": 0.08},
    {
        "kind": "answer_delayed",
        "delaySeconds": 0.03,
        "jitterSeconds": 0.2,
        "operations": ["execute_order", "execute_order_batch", "cancel_order"],
    },
    {"kind": "frame_delayed", "delaySeconds": 0.05, "jitterSeconds": 0.15, "streams": ["account.orderUpdate"]},
]


@dataclass
class Report:
    """What a run has seen."""

    kills: int = 0
    lives_recovered: int = 0
    """Lives that ended after the bot had found out everything that its predecessor left behind."""
    slowest_recovery_s: float = 0.0
    orders: int = 0
    fills: int = 0
    gaps: int = 0
    """Orders that the exchange had and Hummingbot's database had not, when the bot was killed."""
    gap_fills: int = 0
    """Fills of which the same is true, those that happened while the bot was dead not counted."""
    violations: list[str] = field(default_factory=list)


class Exchange:
    """The simulator, started as a program."""

    def __init__(self, first_line: str, seed: int) -> None:
        said = json.loads(first_line)
        self.url, self.api_key, self.api_secret = said["restUrl"].rstrip("/"), said["apiKey"], said["apiSecret"]
        self._opener = build_opener(ProxyHandler({}))
        for number, fault in enumerate(_LATENESS):
            self._ask("faults", [{**fault, "seed": seed + number}])

    def _ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/simulator/{path}", data, {"Content-Type": "application/json"})
        with self._opener.open(request, timeout=30) as answer:
            return json.loads(answer.read())

    def books(self) -> Books:
        """Ask for the account's orders and fills."""
        return books_of_exchange(self.account())

    def account(self) -> Any:
        """Ask for everything about the account; empty before its first request."""
        accounts = self._ask(f"truth?account={quote(self.api_key, safe='')}")["accounts"]
        return accounts.get(self.api_key, {"orderHistory": [], "fills": []})


@contextmanager
def running_exchange(seed: int, log: Path) -> Iterator[Exchange]:
    """Run the simulator until the block ends."""
    faucet = [word for amount in _FAUCET for word in ("--faucet", amount)]
    command = [sys.executable, "-m", "tests.kills.exchange", "--port", "0", "--seed", str(seed), "--json", *faucet]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            first_line = process.stdout.readline()
            if not first_line:
                raise RuntimeError(f"The simulator did not start:\n{log.read_text()}")
            yield Exchange(first_line, seed)
        finally:
            process.kill()


class Run:
    """One bot, its exchange, and many deaths."""

    def __init__(self, exchange: Exchange, folder: Path, seed: int, tell: Callable[[str], None]) -> None:
        self._exchange = exchange
        self._folder = folder
        self._chance = random.Random(seed)
        self._tell = tell
        self._lives = 0
        self._pid: int | None = None
        self.report = Report()

    def kill_often(self, kills: int) -> None:
        """Let the bot live and be killed so many times, then let it settle and compare everything."""
        try:
            while self.report.kills < kills and not self.report.violations:
                self._one_life()
                self._note_gap()
            if not self.report.violations:
                self._last_life()
            books = self._exchange.books()
            self.report.orders, self.report.fills = len(books.orders), len(books.fills)
        finally:
            self._kill()

    def _one_life(self) -> None:
        before = self._exchange.books()
        self._begin()
        if self._chance.random() < EARLY_DEATHS:
            time.sleep(self._chance.uniform(0, EARLY_DEATH_S))
        else:
            self._wait_for_recovery(before)
            time.sleep(self._chance.uniform(0, LONGEST_TRADING_S))
        if not self._is_alive():
            self.report.violations.append(f"life {self._lives}: the bot ended by itself, see {self._folder}/bot.log")
        self._kill()
        self.report.kills += 1
        if self.report.kills % 10 == 0:
            self._tell(f"{self.report.kills} kills")

    def _wait_for_recovery(self, before: Books) -> None:
        """Wait until the bot knows everything that the exchange had when it started."""
        began = time.monotonic()
        lacks = ["nothing was compared"]
        while lacks and self._is_alive():
            if time.monotonic() > began + RECOVERY_LIMIT_S:
                self.report.violations += [
                    f"life {self._lives}: after {RECOVERY_LIMIT_S:g} s, {text}" for text in lacks
                ]
                return
            time.sleep(_POLL_S)
            lacks = self._lacks(before)
        self.report.lives_recovered += 1
        self.report.slowest_recovery_s = max(self.report.slowest_recovery_s, time.monotonic() - began)

    def _lacks(self, before: Books) -> list[str]:
        status = self._status()
        if not status["ready"]:
            return ["the bot is not ready"]
        lacks = missing(before, self._database())
        untracked = before.open_orders - set(status["tracked"])
        if untracked and not lacks:  # those that have ended meanwhile need not be tracked
            untracked &= self._exchange.books().open_orders
            lacks = [f"order {order_id} is open and not tracked" for order_id in sorted(untracked)]
        return lacks

    def _note_gap(self) -> None:
        """Count what the bot did not live to hear: only with such gaps does the run prove anything."""
        exchange, known = self._exchange.books(), self._database()
        self.report.gaps += len(exchange.orders.keys() - known.orders.keys())
        self.report.gap_fills += len(exchange.fills.keys() - known.fills.keys())

    def _last_life(self) -> None:
        self._begin(trades=False)
        began = time.monotonic()
        found = ["nothing was compared"]
        while found and self._is_alive() and time.monotonic() < began + SETTLE_LIMIT_S:
            time.sleep(10 * _POLL_S)
            found = self._differences()
        self.report.violations += found

    def _differences(self) -> list[str]:
        status = self._status()
        if not status["ready"]:
            return ["the bot is not ready"]
        account, tracked = self._exchange.account(), set(status["tracked"])
        books = books_of_exchange(account)
        found = differences(books, self._database(), self._failed_orders())
        found += [f"order {order_id} is open and not tracked" for order_id in sorted(books.open_orders - tracked)]
        found += [f"order {order_id} is not open and tracked" for order_id in sorted(tracked - books.open_orders)]
        return found + money_differences(account, status)

    def _failed_orders(self) -> set[str]:
        with suppress(FileNotFoundError):
            lines = (self._folder / EVENTS_FILE).read_text().splitlines()
            return {event["order"] for event in map(json.loads, lines) if event["name"] == "OrderFailure"}
        return set()

    def _database(self) -> Books:
        path = self._folder / f"{DATABASE}.sqlite"
        return books_of_database(path) if path.exists() else Books()

    def _status(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            status: dict[str, Any] = json.loads((self._folder / STATUS_FILE).read_text())
            if status["life"] == self._lives:
                return status
        return {"ready": False, "tracked": []}

    # Life and death

    def _begin(self, *, trades: bool = True) -> None:
        self._lives += 1
        exchange = self._exchange
        seed = self._chance.randrange(2**32)
        life = Life(self._lives, seed, self._folder, exchange.url, exchange.api_key, exchange.api_secret, trades)
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                live(life)
            except BaseException:  # noqa: BLE001 - nothing of the parent may run in the child
                traceback.print_exc()
            finally:
                os._exit(1)

    def _is_alive(self) -> bool:
        return self._pid is not None and os.waitpid(self._pid, os.WNOHANG) == (0, 0)

    def _kill(self) -> None:
        if self._pid is not None:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
            self._pid = None


def run(kills: int, seed: int, tell: Callable[[str], None]) -> Report:
    """Make a run in a folder of its own, which stays when something was lost."""
    folder = Path(tempfile.mkdtemp(prefix="backpack-kills-"))
    with running_exchange(seed, folder / "exchange.log") as exchange:
        one = Run(exchange, folder, seed, tell)
        one.kill_often(kills)
    if not one.report.violations:
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
    else:
        tell(f"What was left is in {folder}.")
    return one.report
