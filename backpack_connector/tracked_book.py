"""One order book with the sequence that guards it, and what is known about how lively its stream is."""

import asyncio
import math
import time

from hummingbot.core.data_type.order_book import OrderBook

from backpack_connector.protocol.book_levels import BookSnapshot, book_levels, set_changing_update_id
from backpack_connector.protocol.depth import DepthSequence
from backpack_connector.protocol.messages import DepthUpdate
from backpack_connector.protocol.streams import depth_stream
from backpack_connector.reconnect import Backoff

FIRST_RESYNC_PAUSE_S = 0.2
LONGEST_RESYNC_PAUSE_S = 3.0
SILENCE_S = 30.0
"""So long the stream of a quiet market may be silent before it is looked at."""
FIRST_SILENCE_S = 5.0
"""So long that of a lively market, or one that has told nothing since its snapshot."""
OVERDUE_UPDATES = 20.0
"""A lively market has fallen silent when this many updates are overdue by the rate at which they came."""
LOOKS_BEFORE_OLDER = 3
"""An older snapshot proves nothing, because depth may lag; so many in a row without an update in between do."""


class TrackedBook:
    """One order book, its sequence, and the pace of its stream."""

    def __init__(self, trading_pair: str, symbol: str, book: OrderBook) -> None:
        self.trading_pair = trading_pair
        self.symbol = symbol
        self.stream = depth_stream(symbol)
        self.book = book
        self.sequence: DepthSequence[DepthUpdate] = DepthSequence()
        self.backoff = Backoff(FIRST_RESYNC_PAUSE_S, LONGEST_RESYNC_PAUSE_S)
        self.resync: asyncio.Future[None] | None = None
        self.last_trade_id = -1
        self.changes = 0
        """Updates applied since they were last counted."""
        self.spliced_at = -math.inf
        self.is_closed = False
        self.connection = 0
        """Counts the connections that the book has seen; a snapshot serves only the one that it was asked on."""
        self.heard_at_s = time.monotonic()
        """When the stream has last told something new."""
        self.strikes = 0
        """How often in a row the stream was found silent although the book had moved."""
        self.is_suspect = False
        """Whether it was, and has neither told anything since nor been found to have nothing to tell."""
        self._looked_at_s = self.heard_at_s
        self._struck_at_s = -math.inf
        self._updates_per_s = 0.0
        self._measured: tuple[int, float] | None = None
        self._older_looks: tuple[int, int] = (-1, 0)

    def empty(self) -> None:
        """Offer nothing until a snapshot is in."""
        self.book.apply_snapshot([], [], self.book.last_diff_uid)

    def start_over(self) -> None:
        """Forget everything that the last connection told."""
        self.connection += 1
        self.sequence.restart()
        self.empty()

    def take_snapshot(self, snapshot: BookSnapshot) -> list[DepthUpdate] | None:
        """Splice a snapshot in and return the updates to apply after it; None when it is too old to use."""
        replay = self.sequence.snapshot(snapshot.update_id)
        if replay is not None:
            set_changing_update_id(snapshot.update_id)
            self.book.apply_snapshot(snapshot.bids, snapshot.asks, snapshot.update_id)
        return replay

    def apply(self, update: DepthUpdate) -> None:
        """Apply an update that the sequence let through."""
        bids, asks = book_levels(update.bids, self.stream), book_levels(update.asks, self.stream)
        set_changing_update_id(update.last_update_id)
        self.book.apply_diffs(bids, asks, update.last_update_id)
        self.changes += 1

    # The pace of the stream

    def spliced(self) -> None:
        """Note that the book is complete; a snapshot may overtake a subscription, so silence is looked at soon once."""
        now_s = time.monotonic()
        self.spliced_at = now_s
        self._looked_at_s = now_s - max(0.0, self._longest_silence_s - FIRST_SILENCE_S)

    def measure(self, now_s: float) -> None:
        """Learn the rate of the stream, out of the update ids: one for each event of the book."""
        last_id = self.sequence.last_update_id
        known_id, then_s = self._measured or (0, now_s)
        if last_id is not None and now_s > then_s:
            self._updates_per_s = (self._updates_per_s + max(0, last_id - known_id) / (now_s - then_s)) / 2
        self._measured = None if last_id is None else (last_id, now_s)
        if self.heard_at_s > self._struck_at_s:
            self.strikes, self.is_suspect = 0, False

    @property
    def _longest_silence_s(self) -> float:
        if self._updates_per_s <= 0:
            return SILENCE_S
        return min(SILENCE_S, max(FIRST_SILENCE_S, OVERDUE_UPDATES / self._updates_per_s))

    def is_overdue(self, now_s: float) -> bool:
        """Tell whether the stream should have told something by now, so that it is worth a look at a snapshot."""
        silence_s = now_s - max(self.heard_at_s, self._looked_at_s)
        return self.sequence.is_synchronized and silence_s > self._longest_silence_s

    def looked(self) -> None:
        """Note that the stream is being compared with a snapshot."""
        self._looked_at_s = time.monotonic()

    def is_behind(self, snapshot_id: int) -> bool:
        """Tell whether a snapshot shows another book than the stream has told of."""
        known_id = self.sequence.last_update_id
        if known_id is None or snapshot_id >= known_id:
            self._older_looks = (-1, 0)
            return known_id is not None and snapshot_id > known_id
        looks = self._older_looks[1] + 1 if self._older_looks[0] == known_id else 1
        self._older_looks = (known_id, looks)
        return looks >= LOOKS_BEFORE_OLDER

    def strike(self) -> bool:
        """Note that the stream is silent; return whether to give up the connection: after 2, 4, 8, 16... times.

        A first time it is subscribed again; and one feed that is stuck at the exchange must not cost all others their
        connection over and over.
        """
        self.strikes += 1
        self.is_suspect = True
        self._struck_at_s = time.monotonic()
        return self.strikes > 1 and self.strikes & (self.strikes - 1) == 0
