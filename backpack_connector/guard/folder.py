"""Look at the journals of one account, and interrupt the process that writes one."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path

from backpack_connector.order_journal import Journal, read_journals

from .alarms import Sighting


class JournalFolder:
    """The journals of one account in one folder, cut down to the markets that are guarded."""

    def __init__(self, folder: Path, account: str, markets: Iterable[str] = ()) -> None:
        self.folder = folder
        self._account = account
        self._markets = frozenset(markets)

    def look(self) -> tuple[list[tuple[Sighting, Journal]], list[Journal]]:
        """Return the account's journals with what they show, and those of other accounts.

        Raises:   OSError when the folder cannot be read: that is no news about any bot.
        """
        os.listdir(self.folder)
        ours, strangers = [], []
        for journal in read_journals(self.folder):
            if journal.identity.account != self._account:
                strangers.append(journal)
                continue
            try:
                beat = journal.path.stat().st_mtime_ns
            except FileNotFoundError:  # its bot has stopped in this moment
                continue
            ours.append((self._sighting(journal, beat), journal))
        return ours, strangers

    def _sighting(self, journal: Journal, beat: int) -> Sighting:
        orders = tuple(order for order in journal.open_orders if not self._markets or order.symbol in self._markets)
        return Sighting(bot=journal.path.stem, beat=beat, is_alive=journal.is_alive, orders=orders)


def interrupt(journal: Journal) -> str:
    """Send SIGINT to the bot that writes a journal; return what was done in one sentence.

    A process id means nothing in another container, and may belong to somebody else by now; so the process must hold
    the journal's file, where the system tells.
    """
    name, pid = journal.path.stem, journal.pid
    if not journal.is_alive:
        return f"{name}: no process is left to be stopped."
    if pid <= 1 or pid == os.getpid() or not _holds(pid, journal.path):
        return f"{name}: process {pid} does not hold the journal, so it is not stopped; stop the bot by hand."
    try:
        os.kill(pid, signal.SIGINT)
    except OSError as error:
        return f"{name}: process {pid} cannot be stopped: {error.strerror or error}."
    return f"{name}: process {pid} was asked to stop (SIGINT)."


def _holds(pid: int, path: Path) -> bool:
    if not Path("/proc/self/fd").is_dir():  # a system without this directory
        return True
    try:
        wanted = path.stat()
        files = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    for file in files:
        try:
            if os.path.samestat(file.stat(), wanted):
                return True
        except OSError:
            continue
    return False
