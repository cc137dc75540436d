"""Keep the updates of one order book in sequence: buffer, splice with a snapshot, apply, or ask to start again.

Rule 1: nothing is applied before a snapshot; updates that arrive meanwhile are buffered.
Rule 2: an update that the snapshot already contains (last id <= snapshot id) is dropped.
Rule 3: the first update after a snapshot must contain the id that follows it; if it begins later, the snapshot is too
        old, and a newer one is needed. It is never spliced over the hole.
Rule 4: afterwards each update must begin exactly one id after the end of the last; otherwise the book is out of
        sequence: everything starts again at rule 1, with this update as the first one buffered.
Source: API §3.3. Update ids count per market.
"""

from collections import deque
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_BUFFERED_SIZE = 100_000
"""In levels of a book, an update itself counted as one: some twenty megabytes."""


class Verdict(Enum):
    """What to do with one update."""

    APPLY = "apply"
    BUFFER = "buffer"
    DROP = "drop"
    GAP = "gap"


class DepthSequence(Generic[T]):
    """The sequence of one market's updates; `T` is whatever the host replays later.

    The buffer is bounded. When it overflows the oldest updates go, which rule 3 turns into a request for a newer
    snapshot: bounded memory can delay a book, never corrupt it.
    """

    def __init__(self, max_buffered: int = MAX_BUFFERED_SIZE) -> None:
        self._buffer: deque[tuple[int, int, int, T]] = deque()
        self._buffered_size = 0
        self._max_buffered = max_buffered
        self._last_id: int | None = None
        self._follows_snapshot = False

    @property
    def is_synchronized(self) -> bool:
        """Tell whether a snapshot is in and nothing has been missed since."""
        return self._last_id is not None

    @property
    def last_update_id(self) -> int | None:
        """Return the id of the last change in the book, or None while there is no book."""
        return self._last_id

    @property
    def buffered_count(self) -> int:
        """Return how many updates wait for a snapshot."""
        return len(self._buffer)

    def restart(self) -> None:
        """Forget the book and everything buffered, as after a lost connection."""
        self._empty_buffer()
        self._last_id = None
        self._follows_snapshot = False

    def update(self, first_id: int, last_id: int, payload: T, size: int = 1) -> Verdict:
        """Take one update and return what to do with it; after GAP a new snapshot is needed.

        Units:    `size` is what it takes of the buffer, in levels.
        """
        if self._last_id is None:
            self._add_to_buffer(first_id, last_id, payload, size)
            return Verdict.BUFFER
        if last_id <= self._last_id:
            return Verdict.DROP
        if self._continues(first_id):
            self._last_id = last_id
            self._follows_snapshot = False
            return Verdict.APPLY
        self.restart()
        self._add_to_buffer(first_id, last_id, payload, size)
        return Verdict.GAP

    def advance(self, first_id: int, last_id: int) -> bool:
        """Take an update that continues the book exactly, and is to be applied; tell of any other, and change nothing.

        This is rule 4 alone, the usual case; `update` decides about what is refused here.
        """
        known_id = self._last_id
        if known_id is None or first_id != known_id + 1 or last_id < first_id:
            return False
        self._last_id = last_id
        self._follows_snapshot = False
        return True

    def snapshot(self, last_id: int) -> list[T] | None:
        """Take a snapshot and return the buffered updates to replay over it, oldest first.

        None means that the snapshot must not be used: it is older than what is buffered, so that a newer one is
        needed, or older than the book itself, which then stays as it is.
        """
        if self._last_id is not None and last_id < self._last_id:
            return None
        self._last_id = last_id
        self._follows_snapshot = True
        buffered, replay = list(self._buffer), []
        for first_id, update_last_id, _, payload in buffered:
            if update_last_id <= self._last_id:
                continue
            if not self._continues(first_id):
                self._last_id = None
                return None
            self._last_id = update_last_id
            self._follows_snapshot = False
            replay.append(payload)
        self._empty_buffer()
        return replay

    def _add_to_buffer(self, first_id: int, last_id: int, payload: T, size: int) -> None:
        self._buffer.append((first_id, last_id, size, payload))
        self._buffered_size += size
        while self._buffered_size > self._max_buffered and len(self._buffer) > 1:
            self._buffered_size -= self._buffer.popleft()[2]

    def _empty_buffer(self) -> None:
        self._buffer.clear()
        self._buffered_size = 0

    def _continues(self, first_id: int) -> bool:
        assert self._last_id is not None
        # The first update after a snapshot may begin inside it (aggregated streams); later ones may not.
        return first_id == self._last_id + 1 or (self._follows_snapshot and first_id <= self._last_id)
