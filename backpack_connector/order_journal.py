"""Read the journals in which running connectors write down every order before it is sent.

Hummingbot's database learns of an order when the exchange's answer has come. Whoever is killed between sending and
that moment leaves an order that nobody knows. The journal closes this gap: one line before a request is sent, one
line when the order has ended (order_journal_writer). What has a line of the first kind and none of the second, the
next process of the same bot tracks again (order_adoption), and `backpack guard` may cancel.

Here are the lines, and what others may learn from a file: whose it is, whether its connector still runs, which orders
may be open. Hummingbot is not needed for that. Readers believe nothing: what is no line of ours is skipped.
"""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec

from backpack_connector.latency import LatencyReport

try:
    import fcntl
except ImportError:  # pragma: no cover - a platform without it, where Hummingbot itself does not run
    fcntl = None  # type: ignore[assignment]

JOURNAL_VARIABLE = "BACKPACK_JOURNAL"
"""Another folder for the journals, or `off`."""
FOLDER_NAME = "backpack_journal"
FILE_SUFFIX = ".jsonl"
LATENCY_SUFFIX = ".latency"
STALE_BEAT_S = 10.0
"""Without locks, a connector counts as running until its last sign of life is this old."""


class Identity(msgspec.Struct, frozen=True):
    """Whose orders a journal holds; the same before and after a restart of a bot, and different for any other bot."""

    account: str
    """A name for the API key that does not give it away, see `fingerprint`."""
    connector: str
    """Hummingbot's name of the connector, such as `backpack_perpetual`."""
    bot: str
    """What tells the bots of one machine apart: instance, folder and configuration."""

    @property
    def file_stem(self) -> str:
        """Return what the names of this identity's files begin with."""
        bot = hashlib.sha256(self.bot.encode()).hexdigest()[:12]
        return f"{self.connector}-{self.account}-{bot}"


class OrderRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One order as it was sent, in Hummingbot's words.

    Units:    price in quote per base, None for market orders; quantity in base; time in seconds since 1970.
    """

    client_order_id: str
    symbol: str
    """The exchange's name of the market, such as `SOL_USDC_PERP`."""
    trading_pair: str
    trade_type: str
    """`BUY` or `SELL`."""
    order_type: str
    """`LIMIT`, `LIMIT_MAKER` or `MARKET`."""
    quantity: Decimal
    created_s: float
    price: Decimal | None = None
    position_action: str = "NIL"
    leverage: int = 1
    is_conditional: bool = False


class Header(msgspec.Struct, frozen=True):
    """Who writes a journal, since when."""

    identity: Identity
    pid: int
    started_s: float


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a journal; exactly one of its fields is there."""

    header: Header | None = None
    sent: OrderRecord | None = None
    ended: str | None = None


@dataclass(frozen=True)
class Journal:
    """What a journal's file says, and what can be seen of the process that writes it."""

    identity: Identity
    path: Path
    pid: int
    started_s: float
    is_alive: bool
    """Whether the connector that writes this file still runs."""
    beat_age_s: float
    """How long ago it gave its last sign of life, about one a second; a process that hangs is alive and gives none."""
    open_orders: tuple[OrderRecord, ...]
    """Orders that were sent, or were about to be, and have not ended as far as the bot knew."""

    @property
    def markets(self) -> frozenset[str]:
        """Return the exchange's symbols in which orders may be open."""
        return frozenset(order.symbol for order in self.open_orders)


class LatencyNote(msgspec.Struct, frozen=True):
    """What lies beside a journal: the latencies of the connector that writes it."""

    pid: int
    report: LatencyReport


def latency_path(journal: Path) -> Path:
    """Return where the latencies of a journal's connector are."""
    return journal.with_suffix(LATENCY_SUFFIX)


def latency_of(journal: Journal) -> LatencyReport | None:
    """Return the latencies of a connector that runs; None when it has shown none, or only an earlier process has."""
    try:
        note = msgspec.json.decode(latency_path(journal.path).read_bytes(), type=LatencyNote)
    except (OSError, msgspec.DecodeError, RecursionError):
        return None
    return note.report if journal.is_alive and note.pid == journal.pid else None


def fingerprint(api_key: str) -> str:
    """Return a short name for an account that does not give away its public key."""
    return hashlib.sha256(api_key.encode()).hexdigest()[:12]


def journal_folder(data_path: Callable[[], str | Path]) -> Path | None:
    """Return the folder of the journals below Hummingbot's data path, or as the user wants it; None if none."""
    wish = os.environ.get(JOURNAL_VARIABLE, "").strip()
    if wish.lower() == "off":
        return None
    return Path(wish).expanduser() if wish else Path(data_path()) / FOLDER_NAME


def read_journals(folder: Path) -> list[Journal]:
    """Return all journals in a folder, in the order of their names; files that are none are left out."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == FILE_SUFFIX)
    except OSError:
        return []
    journals = (_read_journal(path) for path in paths)
    return [journal for journal in journals if journal is not None]


def _read_journal(path: Path) -> Journal | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe would make us wait
        try:
            header, orders = read_lines(descriptor)
            beat_age_s = max(0.0, time.time() - os.fstat(descriptor).st_mtime)
            is_alive = _is_owned(descriptor, beat_age_s)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    if header is None:
        return None
    return Journal(
        identity=header.identity,
        path=path,
        pid=header.pid,
        started_s=header.started_s,
        is_alive=is_alive,
        beat_age_s=beat_age_s,
        open_orders=tuple(orders.values()),
    )


def read_lines(descriptor: int) -> tuple[Header | None, dict[str, OrderRecord]]:
    """Return the last header and the open orders of a file; what is no line of ours, such as a torn one, is skipped.

    Raises:   OSError when the file cannot be read.
    """
    header: Header | None = None
    orders: dict[str, OrderRecord] = {}
    decoder = msgspec.json.Decoder(Line)
    os.lseek(descriptor, 0, os.SEEK_SET)
    for text in os.read(descriptor, os.fstat(descriptor).st_size).split(b"\n"):
        try:
            line = decoder.decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError):
            continue
        header = line.header or header
        if line.sent is not None:
            orders[line.sent.client_order_id] = line.sent
        if line.ended is not None:
            orders.pop(line.ended, None)
    return header, orders


def _is_owned(descriptor: int, beat_age_s: float) -> bool:
    if fcntl is None:
        return beat_age_s < STALE_BEAT_S
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return beat_age_s < STALE_BEAT_S
    return False
