"""Remember over a crash of the guard what the account was worth at first, and whether the loss limit is reached.

A guard that is stopped properly forgets; one that was killed goes on where it was.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.units import decimal_from_text, decimal_text

from .loss_limit import LossLimit, TransferSum

try:
    import fcntl
except ImportError:  # pragma: no cover - a platform without it
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Remembered:
    """What an earlier guard has left."""

    baseline: Decimal
    is_reached: bool
    transferred: Decimal
    known_transfers: frozenset[str]


class Memory:
    """The guard's files beside the journals of one account: a lock, and what is remembered."""

    def __init__(self, folder: Path, account: str) -> None:
        self._path = folder / f"guard-{account}.json"
        self._lock_path = folder / f"guard-{account}.lock"
        self._lock: int | None = None

    def open(self) -> None:
        """Take the lock.

        Raises:   ConfigurationError when another guard has it; OSError when the folder cannot be written.
        """
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        if fcntl is None:  # pragma: no cover
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise ConfigurationError("Another guard watches this account in this folder already.") from None

    def touch(self) -> None:
        """Find out whether signs of life can be written here at all.

        Raises:   OSError when they cannot, so that the silence of bots means nothing.
        """
        if self._lock is not None:
            os.utime(self._lock_path)

    def load(self) -> Remembered | None:
        """Return what a guard that was killed has left, or None.

        Raises:   ConfigurationError when something is there and cannot be read: what it said may have been important.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be read: {error.strerror or error}.") from None
        try:
            return _remembered(json.loads(text))
        except (ValueError, TypeError, KeyError, InvalidOperation, AttributeError):
            raise ConfigurationError(
                f"{self._path} is damaged, so it is not known what an earlier guard has seen; delete it to begin anew."
            ) from None

    def save(self, limit: LossLimit, transfers: TransferSum) -> None:
        """Write down the state of the loss limit, whole or not at all.

        Raises:   OSError when the file cannot be written.
        """
        if limit.baseline is None:
            return
        content = {
            "baseline": decimal_text(limit.baseline),
            "isReached": limit.is_reached,
            "transferred": decimal_text(transfers.net),
            "knownTransfers": sorted(transfers.known or ()),
        }
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(content), encoding="utf-8")
        os.replace(draft, self._path)

    def forget(self) -> None:
        """Remove what is remembered: this guard ends because its user wants it to."""
        with suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock is None:
            return
        with suppress(OSError):
            self._lock_path.unlink()
        os.close(self._lock)
        self._lock = None


def _remembered(content: Any) -> Remembered:
    if not isinstance(content["isReached"], bool):
        raise TypeError("isReached")
    return Remembered(
        baseline=decimal_from_text(content["baseline"]),
        is_reached=content["isReached"],
        transferred=decimal_from_text(content["transferred"]),
        known_transfers=frozenset(str(name) for name in content["knownTransfers"]),
    )
