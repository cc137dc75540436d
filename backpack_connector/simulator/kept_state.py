"""Keep the simulated exchange in a folder, so that it goes on after a restart where it was (`--state`).

Kept are accounts with everything that they own, ordered and did, books, prices, histories, ids, the seed with its
chance, and how far the clock was put forward. Not kept are connections, counted requests, faults and orders within
their 100 ms of delay: after a restart they are as after one of the exchange. While it is off, time goes by; at the
start the full hours that have passed are made up for, as after a sleep of the machine.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from backpack_connector import __version__
from backpack_connector.protocol.errors import ConfigurationError

from .markets import Instrument
from .state_decoding import Decoder, StateMismatch
from .state_encoding import Encoder, Roots
from .state_store import StateStore

SAVE_INTERVAL_S = 0.08
"""How often it is looked for changes: what was answered a tenth of a second ago is safe."""
_PAUSE_SHARE = 3
"""A pause after a save is at least so many times as long as the save: some hundred markets are saved less often."""

_logger = logging.getLogger(__name__)


class KeptState:
    """The state in one folder, and the exchange that it belongs to."""

    def __init__(
        self,
        folder: Path,
        instruments: Sequence[Instrument],
        seed: int,
        now_us: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the folder; a new one begins with the given seed and time.

        Raises:   ConfigurationError when it cannot be used, or was kept by another version or with other markets.
        """
        self._folder = folder
        self._store = StateStore(folder)
        self._encoder: Encoder | None = None
        self._roots: Roots = {}
        self._monotonic = monotonic
        self._next_s = monotonic()
        self._is_closed = False
        about = self._store.about()
        self._is_new = not about
        self._about = {
            "markets": _fingerprint(instruments),
            "seed": str(seed),
            "startedUs": str(now_us),
            "version": __version__,
            **about,
        }
        if self._about["markets"] != _fingerprint(instruments):
            self._store.close()
            text = f"The state in {folder} was kept with other markets, such as those of a tape; name another folder."
            raise ConfigurationError(text)

    @property
    def seed(self) -> int:
        """Return the seed with which the exchange began."""
        return int(self._about["seed"])

    @property
    def started_us(self) -> int:
        """Return when the exchange was started for the first time."""
        return int(self._about["startedUs"])

    def attach(self, roots: Roots) -> None:
        """Give a new exchange the kept state, if there is one, and keep it from now on.

        Raises:   ConfigurationError when the state does not fit.
        """
        if not self._is_new:
            try:
                Decoder(self._store.records(), self._store.segments()).fill(roots)
            except (StateMismatch, sqlite3.Error, msgspec.MsgspecError) as error:
                self._store.close()
                version = (
                    "" if self._about["version"] == __version__ else f", written by version {self._about['version']},"
                )
                text = f"The state in {self._folder}{version} cannot be read ({error}); name another folder."
                raise ConfigurationError(text) from error
        self._roots = roots

    def tick(self) -> tuple[()]:
        """Save, as an action of a timer; with a state so large that this would take most of the time, less often."""
        started_s = self._monotonic()
        if started_s >= self._next_s:
            self.save()
            ended_s = self._monotonic()
            self._next_s = ended_s + _PAUSE_SHARE * (ended_s - started_s)
        return ()

    def save(self) -> None:
        """Write what has changed. A failure is said once, and everything is written at the next chance."""
        is_whole = self._encoder is None
        encoder = self._encoder or Encoder(self._roots)
        changes = encoder.changes()
        self._encoder = None
        try:
            if changes:
                self._store.save(changes, self._about if is_whole else None)
        except sqlite3.Error as error:
            if not is_whole:
                _logger.error(f"The state cannot be kept in {self._folder}: {error}.")
            return
        self._encoder = encoder

    def close(self) -> None:
        """Write what has changed, and let go of the folder; a second time nothing happens."""
        if not self._is_closed:
            self._is_closed = True
            self.save()
            self._store.close()


def _fingerprint(instruments: Sequence[Instrument]) -> str:
    rows = sorted((row.symbol, str(row.seed_price), msgspec.json.encode(row.listing).decode()) for row in instruments)
    return msgspec.json.encode(rows).decode()
