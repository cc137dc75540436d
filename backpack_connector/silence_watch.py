"""Notice that the stream of a book is silent although its book moves.

The exchange answers no subscription and is silent about symbols it does not know (API §3.1), so a pair whose stream is
silent, by the rate at which its updates came, is compared with a snapshot. When its book has moved on it is subscribed
again, and when that does not help the connection is made anew (F08).
"""

import asyncio
import time
from typing import TYPE_CHECKING

from backpack_connector.protocol.book_levels import BookSnapshot
from backpack_connector.protocol.errors import BackpackError
from backpack_connector.tracked_book import TrackedBook

if TYPE_CHECKING:
    from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource as _Base
else:
    _Base = object

SILENCE_CHECK_S = 5.0
STREAM_LAG_S = 1.0
"""An answer may know more than the stream for so long."""


class SilenceWatch(_Base):
    """The part of the data source that watches how lively its streams are."""

    _books: dict[str, TrackedBook]

    async def _request_snapshot(self, symbol: str) -> BookSnapshot:
        raise NotImplementedError

    def _start_again(self, tracked: TrackedBook) -> None:
        raise NotImplementedError

    async def _watch_silence(self) -> None:
        """Compare streams that say less than they should with what they are about; end when the connection is no good.

        Raises:   ConnectionError when subscribing again has not helped.
        """
        while True:
            await asyncio.sleep(SILENCE_CHECK_S)
            await self._look_for_silence(time.monotonic())

    async def _look_for_silence(self, now_s: float) -> None:
        books = list(self._books.values())
        for tracked in books:
            tracked.measure(now_s)
        overdue = [tracked for tracked in books if tracked.is_overdue(now_s)]
        verdicts = await asyncio.gather(*(self._is_connection_to_blame(tracked) for tracked in overdue))
        to_blame = [tracked.trading_pair for tracked, is_to_blame in zip(overdue, verdicts, strict=True) if is_to_blame]
        if to_blame:
            raise ConnectionError(f"it stays silent about {', '.join(to_blame)}, where books move")

    async def _is_connection_to_blame(self, tracked: TrackedBook) -> bool:
        """Look whether the book of a silent stream has moved; tell whether subscribing again has not helped."""
        tracked.looked()
        heard_at_s, connection = tracked.heard_at_s, tracked.connection
        try:
            snapshot = await self._request_snapshot(tracked.symbol)
        except KeyError:
            if self._is_watched(tracked):
                tracked.sequence.restart()
                self._start_again(tracked)
            return False
        except (BackpackError, OSError) as error:
            self.logger().warning(f"The stream of {tracked.trading_pair} is silent, and so is its depth: {error}")
            return False
        if not tracked.is_behind(snapshot.update_id):
            tracked.is_suspect = False
            return False
        await asyncio.sleep(STREAM_LAG_S)
        if not self._is_watched(tracked) or (tracked.heard_at_s, tracked.connection) != (heard_at_s, connection):
            return False
        is_to_blame = tracked.strike()
        self.logger().warning(
            f"The stream of {tracked.trading_pair} is silent although its book has moved; subscribing again."
        )
        tracked.sequence.restart()
        self._start_again(tracked)
        await self.subscribe_to_trading_pair(tracked.trading_pair)
        return is_to_blame and self._is_watched(tracked)

    def _is_watched(self, tracked: TrackedBook) -> bool:
        """Tell whether a book is still the one of its market; its pair may be removed while the exchange is asked."""
        return self._books.get(tracked.symbol) is tracked
