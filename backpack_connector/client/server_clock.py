"""Tell the exchange's time between two answers that state it."""

import time
from collections.abc import Callable

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.rest import read_server_time
from backpack_connector.protocol.units import MILLISECONDS_PER_SECOND, ms_from_seconds, seconds_from_ms


class ServerClock:
    """The exchange's time, carried on by a clock that nobody can set.

    A clock of this machine that is put back or forward does not matter; after a suspension this one is late, which the
    exchange says when it refuses a time stamp, and then it is asked again.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset_s: float | None = None
        self._last_stamp_ms = 0

    @property
    def is_set(self) -> bool:
        """Tell whether the exchange's time is known."""
        return self._offset_s is not None

    def start(self) -> float:
        """Return the mark to hand to `set` with the answer to a question that is asked now."""
        return self._monotonic()

    def set(self, answer: str, asked_at: float) -> None:
        """Take the answer of get_time, which was given half way between question and answer.

        Raises:   WireFormatError when it is no number.
        """
        server_ms = read_server_time(answer)
        middle = (asked_at + self._monotonic()) / 2
        self._offset_s = seconds_from_ms(server_ms) - middle

    def now_ms(self) -> int:
        """Return the exchange's time in milliseconds.

        Raises:   ConfigurationError while it is not known: nothing is signed with a guess (ARCHITECTURE.md, D17).
        """
        if self._offset_s is None:
            raise ConfigurationError("The exchange's time is not known yet, so nothing can be signed.")
        return ms_from_seconds(self._monotonic() + self._offset_s)

    def next_stamp_ms(self) -> int:
        """Return a time stamp for a command: the time, or a little later, so that no two commands have the same.

        Equal commands with equal stamps have equal signatures, and could be taken for one that was sent twice.
        Raises:   ConfigurationError while the time is not known.
        """
        now_ms = self.now_ms()
        # Only so far ahead: the exchange's clock may have been put back.
        is_close = now_ms <= self._last_stamp_ms < now_ms + MILLISECONDS_PER_SECOND
        self._last_stamp_ms = self._last_stamp_ms + 1 if is_close else now_ms
        return self._last_stamp_ms
