"""Write down every order before it is sent, so that no order is forgotten when the process dies.

Rule 1: the journal is a safety net. Whatever is wrong with its folder, its file or the disk costs one warning; orders
        are sent all the same, and the file is made whole again as soon as that works.
Rule 2: one running connector, one file, held by a lock that the kernel frees when the process ends. A second process
        with the same identity takes the next file; the files of dead processes pass to whoever starts next.
Rule 3: a line is handed to the kernel before its order is sent, and survives the death of the process. It is not
        forced onto the disk: that would cost milliseconds per order and help only when the whole machine fails.
"""

import logging
import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import msgspec

from backpack_connector.latency import LatencyReport
from backpack_connector.order_journal import (
    FILE_SUFFIX,
    Header,
    Identity,
    LatencyNote,
    Line,
    OrderRecord,
    latency_path,
    read_lines,
)

try:
    import fcntl
except ImportError:  # pragma: no cover - a platform without it, where Hummingbot itself does not run
    fcntl = None  # type: ignore[assignment]

SHOW_S = 5.0
"""How often the latencies beside the journal are written anew."""
BEAT_S = 1.0
"""How often a running connector gives a sign of life."""
_RETRY_S = 10.0
_FIRST_COMPACTION_LINES = 1_000
_MOST_FILES = 32
_LOCK_TRIES, _LOCK_PAUSE_S = 50, 0.002
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)

_logger = logging.getLogger(__name__)


class OrderJournal:
    """The journal of one connector; without a folder it does nothing. Nothing here raises, whatever the disk does.

    Folder and identity are asked for at the first use, because before that nobody knows which configuration the bot
    runs.
    """

    def __init__(self, find_folder: Callable[[], Path | None], find_identity: Callable[[], Identity]) -> None:
        self._find_folder = find_folder
        self._find_identity = find_identity
        self._is_off = False
        self._header: Header | None = None
        self._path: Path | None = None
        self._descriptor: int | None = None
        self._close_file: Callable[[], object] = lambda: None
        self._open_orders: dict[str, OrderRecord] = {}
        self._left_behind: list[OrderRecord] = []
        self._encode = msgspec.json.Encoder().encode
        self._lines = 0
        self._compact_at = _FIRST_COMPACTION_LINES
        self._is_complete = True
        self._has_complained = False
        self._try_again_at = 0.0
        self._beat_at = 0.0
        self._show_at = 0.0

    @property
    def path(self) -> Path | None:
        """Return the file that is written now."""
        return self._path if self._descriptor is not None else None

    @property
    def open_orders(self) -> tuple[OrderRecord, ...]:
        """Return the orders that were sent, now or by the processes before this one, and have not ended."""
        return tuple(self._open_orders.values())

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._open_orders

    def take_left_behind(self) -> list[OrderRecord]:
        """Return, once, the open orders of this bot's earlier processes; each stays open until `ended` is told."""
        self._open()
        orders, self._left_behind = self._left_behind, []
        return orders

    def sent(self, *orders: OrderRecord) -> None:
        """Write down orders that are about to be sent, those of one request together."""
        if self._is_off or not orders:
            return
        for order in orders:
            self._open_orders[order.client_order_id] = order
        self._append([Line(sent=order) for order in orders])

    def ended(self, client_order_id: str) -> None:
        """Write down that an order has ended; one that was never written down is none of the journal's business."""
        if client_order_id in self._open_orders:
            self._open()  # before it is forgotten: a file that was closed still has it
            self._open_orders.pop(client_order_id, None)
            self._append([Line(ended=client_order_id)])

    def beat(self) -> None:
        """Give a sign of life, and repair what could not be written; called every second or more often."""
        now = time.monotonic()
        if self._is_off or now < self._beat_at:
            return
        self._beat_at = now + BEAT_S / 2  # the clock that calls may be a little early
        if self._descriptor is None:
            self._open()
            return
        try:
            os.utime(self._descriptor)
            is_gone = os.fstat(self._descriptor).st_nlink == 0
        except OSError as error:
            self._complain(error)
            return
        if is_gone or not self._is_complete:
            self._compact()

    def show(self, report: Callable[[], LatencyReport]) -> None:
        """Write a report beside the journal every few seconds, for `backpack status`; called with each beat."""
        now = time.monotonic()
        if self._descriptor is None or self._path is None or now < self._show_at:
            return
        self._show_at = now + SHOW_S
        try:
            _put(latency_path(self._path), self._encode(LatencyNote(os.getpid(), report())))
        except OSError as error:
            self._complain(error)

    def close(self) -> None:
        """Let go of the file, and remove it if no order is open; the next order opens it again."""
        if self._descriptor is None or self._path is None:
            return
        try:
            latency_path(self._path).unlink(missing_ok=True)
            if not self._open_orders and _is_file_at(self._descriptor, self._path):
                self._path.unlink()
        except OSError as error:
            self._complain(error)
        self._let_go()

    def _hold(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._close_file = weakref.finalize(self, os.close, descriptor)  # also when the connector is forgotten

    def _let_go(self) -> None:
        self._close_file()
        self._descriptor = None

    def _open(self) -> None:
        now = time.monotonic()
        if self._is_off or self._descriptor is not None or now < self._try_again_at:
            return
        try:
            folder = self._find_folder()
            if folder is None:
                self._is_off = True
                self._open_orders.clear()
                return
            self._open_files(folder)
        except Exception as error:  # noqa: BLE001 - boundary of the safety net: no order may fail because of it
            self._let_go()
            self._try_again_at = now + _RETRY_S
            self._complain(error)

    def _open_files(self, folder: Path) -> None:
        """Take the first free file of this identity, and what dead processes left in the others."""
        self._header = Header(self._find_identity(), os.getpid(), time.time())
        stem = self._header.identity.file_stem
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        inherited: list[tuple[Path, int]] = []
        try:
            for number in range(_MOST_FILES):
                self._open_file(folder / f"{stem}.{number}{FILE_SUFFIX}", inherited)
            if self._descriptor is None:
                raise OSError(f"{_MOST_FILES} other connectors of this bot seem to run")
            if self._compact():
                for path, _ in inherited:
                    path.unlink()
        finally:
            for _, descriptor in inherited:
                os.close(descriptor)

    def _open_file(self, path: Path, inherited: list[tuple[Path, int]]) -> None:
        if self._descriptor is not None and not path.exists():
            return
        descriptor = _open_own(path)
        if descriptor is None:
            return
        if self._descriptor is None:
            self._path = path
            self._hold(descriptor)
        else:
            inherited.append((path, descriptor))
        self._inherit(descriptor)

    def _inherit(self, descriptor: int) -> None:
        _, orders = read_lines(descriptor)
        for client_order_id, order in orders.items():
            if client_order_id not in self._open_orders:
                self._open_orders[client_order_id] = order
                self._left_behind.append(order)

    def _append(self, lines: list[Line]) -> None:
        self._open()
        if self._descriptor is None:
            return
        text = b"".join([self._encode(line) + b"\n" for line in lines])
        try:
            # After a failure the file may end in half a line, which must not spoil this one.
            _write(self._descriptor, text if self._is_complete else b"\n" + text)
        except OSError as error:
            self._is_complete = False
            self._complain(error)
            return
        self._lines += len(lines)
        if self._lines >= self._compact_at:
            self._compact()

    def _compact(self) -> bool:
        """Write the file anew with nothing but what is open; return whether that worked."""
        if self._path is None:
            return False
        lines = [Line(header=self._header), *(Line(sent=order) for order in self._open_orders.values())]
        try:
            descriptor = _replace(self._path, b"".join(self._encode(line) + b"\n" for line in lines))
        except OSError as error:
            self._compact_at = 2 * max(self._lines, 1)
            self._is_complete = False
            self._complain(error)
            return False
        self._close_file()
        self._hold(descriptor)
        self._lines = len(lines)
        self._compact_at = max(_FIRST_COMPACTION_LINES, 4 * self._lines)
        self._is_complete = True
        if self._has_complained:
            self._has_complained = False
            _logger.info("The order journal is written again.")
        return True

    def _complain(self, error: Exception) -> None:
        if not self._has_complained:
            self._has_complained = True
            _logger.warning(
                f"The order journal cannot be written ({error}). Trading goes on; if this process is killed now, an "
                "order that is just being sent may be unknown after the restart."
            )


def _write(descriptor: int, text: bytes) -> None:
    if os.write(descriptor, text) != len(text):
        raise OSError("the disk is full")


def _put(path: Path, text: bytes) -> None:
    """Put a whole file in the place of another, so that nobody sees half of one."""
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _write(descriptor, text)
    finally:
        os.close(descriptor)
    os.replace(draft, path)


def _replace(path: Path, text: bytes) -> int:
    """Put a file with this text in the place of another, and return it, locked.

    The old file stays, locked too, until the new one is complete: nobody ever sees half a journal or a free one.
    """
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, _FLAGS | os.O_TRUNC, 0o600)
    try:
        _lock(descriptor)
        _write(descriptor, text)
        os.replace(draft, path)
    except BaseException:
        os.close(descriptor)
        draft.unlink(missing_ok=True)
        raise
    return descriptor


def _open_own(path: Path) -> int | None:
    """Open a journal's file and take its lock; None when another connector has it."""
    while True:
        descriptor = os.open(path, _FLAGS, 0o600)
        try:
            is_ours = _lock(descriptor)
            if is_ours and _is_file_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not is_ours:
            return None


def _is_file_at(descriptor: int, path: Path) -> bool:
    # Its owner may have replaced or removed the file between our opening and our locking it.
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool:
    """Take the lock of a file; return False when another connector has it."""
    if fcntl is None:
        return True
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not _is_read(descriptor):
                return False
            time.sleep(_LOCK_PAUSE_S)
        except OSError:  # a file system without locks
            return True
        else:
            return True
    return False


def _is_read(descriptor: int) -> bool:
    """Tell whether only readers are in the way, who hold a lock for a moment; owners let nobody share theirs."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True
