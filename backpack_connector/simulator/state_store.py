"""Keep records in a SQLite file, so that whatever happens there is one whole earlier state in it.

Each save is one transaction in the write-ahead log: the program can be killed at any moment. After a power failure the
last moments may be missing, but what is there is whole.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from backpack_connector.protocol.errors import ConfigurationError

from .state_decoding import Record
from .state_encoding import Changes

FILE_NAME = "simulator.sqlite"
_FORMAT = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments
    (key TEXT, number INTEGER, content BLOB NOT NULL, PRIMARY KEY (key, number)) WITHOUT ROWID;
"""
_decode = msgspec.json.Decoder().decode


class StateStore:
    """The file of one folder; one program at a time has it."""

    def __init__(self, folder: Path) -> None:
        """Open or create the file.

        Raises:   ConfigurationError when the folder cannot be used, is in use, or holds something else.
        """
        self.path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"The state cannot be kept in {folder}: {_reason(error)}.") from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            if "locked" in str(error):
                raise ConfigurationError(f"Another simulator keeps its state in {folder}.") from None
            raise ConfigurationError(f"The state cannot be kept in {folder}: {_reason(error)}.") from None
        except ConfigurationError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute("BEGIN IMMEDIATE")
        (version,) = execute("PRAGMA user_version").fetchone()
        if version not in (0, _FORMAT):
            raise ConfigurationError(f"{self.path} was written by another version; name another folder with --state.")
        for statement in _TABLES.split(";"):
            execute(statement)
        execute(f"PRAGMA user_version = {_FORMAT}")
        execute("COMMIT")

    def __enter__(self) -> "StateStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def about(self) -> dict[str, str]:
        """Return what is written down about the state; nothing when none was kept yet."""
        return dict(self._connection.execute("SELECT name, value FROM about"))

    def records(self) -> dict[str, Record]:
        """Return all records."""
        return {key: _decode(content) for key, content in self._connection.execute("SELECT key, content FROM records")}

    def segments(self) -> dict[str, list[Any]]:
        """Return the items of all long containers."""
        rows: dict[str, list[Any]] = {}
        for key, content in self._connection.execute("SELECT key, content FROM segments ORDER BY key, number"):
            rows.setdefault(key, []).extend(_decode(content))
        return rows

    def save(self, changes: Changes, about: Mapping[str, str] | None = None) -> None:
        """Write changes, all or nothing; with `about`, in place of everything that is there.

        Raises:   sqlite3.Error, with nothing changed.
        """
        execute, many = self._connection.execute, self._connection.executemany
        execute("BEGIN IMMEDIATE")
        try:
            if about is not None:
                for table in ("about", "records", "segments"):
                    execute(f"DELETE FROM {table}")
                many("INSERT INTO about VALUES (?, ?)", about.items())
            written = [(key, text) for key, text in changes.records.items() if text is not None]
            many("INSERT OR REPLACE INTO records VALUES (?, ?)", written)
            many("DELETE FROM records WHERE key = ?", [(key,) for key, text in changes.records.items() if text is None])
            parts = [(*key, text) for key, text in changes.segments.items() if text is not None]
            many("INSERT OR REPLACE INTO segments VALUES (?, ?, ?)", parts)
            gone = [key for key, text in changes.segments.items() if text is None]
            many("DELETE FROM segments WHERE key = ? AND number = ?", gone)
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
