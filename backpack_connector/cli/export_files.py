"""Write rows into a file that appears whole or not at all, as CSV or Parquet by its name.

Rule 1: a file that exists is replaced only on demand. Until the last row is written it stays as it is.
Rule 2: what is written stands beside it under another name meanwhile; a process that is killed leaves only that behind.
Rule 3: numbers of CSV are as the exchange wrote them. A number that Parquet could only hold rounded is an error.
"""

import csv
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from backpack_connector.protocol.errors import BackpackError, ConfigurationError, plain, shown
from backpack_connector.protocol.units import decimal_text

SUFFIXES = (".csv", ".parquet")
_FIELD_LIMIT = 10_000


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    AMOUNT = "amount"
    """Prices, quantities, fees."""
    RATE = "rate"
    """A small fraction with up to 28 places (API §2.3, markPrices)."""
    WHOLE = "whole number"
    FLAG = "true or false"
    TIME = "time"
    """UTC text or milliseconds, as the exchange wrote it."""


@dataclass(frozen=True)
class Column:
    """A column of a file, under the name that the exchange uses."""

    name: str
    kind: Kind = Kind.TEXT


class RowWriter(Protocol):
    """Something that rows are written into."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row."""

    def close(self) -> None:
        """Write what is left, and end the file."""


def check_name(path: Path) -> None:
    """Check that the name of a file says what it holds.

    Raises:   ConfigurationError with one sentence.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(f"The name of the file has to end in {' or '.join(SUFFIXES)}, not {shown(path.name)}.")


def check_target(path: Path, *, replaces: bool) -> None:
    """Check that a file can be written, before anything is asked.

    Raises:   ConfigurationError with one sentence.
    """
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder.")
    if not path.parent.is_dir():
        raise ConfigurationError(f"There is no folder {path.parent}.")
    if not replaces and os.path.lexists(path):
        raise _exists(path)


@contextmanager
def new_file(path: Path, columns: Sequence[Column], *, replaces: bool) -> Iterator[RowWriter]:
    """Give a writer; when the block ends well the file is there, otherwise nothing has changed.

    Raises:   ConfigurationError when it cannot be written, or pyarrow is missing.
    """
    check_target(path, replaces=replaces)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        writer = _writer(path, temporary, columns)
        try:
            yield writer
        finally:
            writer.close()
        _to_disk(temporary)
        _take_name(temporary, path, replaces=replaces)
    except BackpackError:  # some of them are OSErrors too
        raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def _exists(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path} exists; use --force to replace it.")


def _writer(path: Path, temporary: Path, columns: Sequence[Column]) -> RowWriter:
    if path.suffix.lower() == ".csv":
        return _CsvWriter(temporary, columns)
    from backpack_connector.cli.export_parquet import ParquetRows

    return ParquetRows(temporary, columns)


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _take_name(temporary: Path, path: Path, *, replaces: bool) -> None:
    if replaces:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # unlike a rename it fails when somebody has made the file meanwhile
    except FileExistsError:
        raise _exists(path) from None
    except OSError:  # this file system has no links
        if os.path.lexists(path):
            raise _exists(path) from None
        os.rename(temporary, path)


class _CsvWriter:
    """Rows as lines of CSV, UTF-8, with the names of the columns in the first line."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._file = path.open("x", encoding="utf-8", newline="")
        self._names = [column.name for column in columns]
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(self._names)

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row."""
        self._writer.writerow([_field(row.get(name)) for name in self._names])

    def close(self) -> None:
        """End the file."""
        self._file.close()


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return decimal_text(value) if isinstance(value, Decimal) else plain(str(value), _FIELD_LIMIT)
