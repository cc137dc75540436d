"""Keep the newest candles of a market without a gap, out of what REST and the stream say; no input or output.

Rule 1: what the stream said since it was subscribed to goes before what REST says: a message tells the whole bucket,
        and answers may be a minute old (API §2.0).
Rule 2: the series never has a gap. A message that would leave one waits until REST has told what is between.
Rule 3: a bucket is flat for as long as nobody says that something was traded in it. What is told late corrects its
        candle, and the flat ones after it.
"""

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backpack_connector.protocol.candles import Candle, filled, next_bucket_s
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.messages import KlineUpdate

Row = Candle | None
_CLOSE = Candle._fields.index("close")


class CandleSeries:
    """The rows behind a feed's candles; `shown` is the list that Hummingbot reads, and its bound is the feed's."""

    def __init__(self, interval: KlineInterval, shown: "deque[Any]") -> None:
        self._interval = interval
        self._shown = shown
        self._most = shown.maxlen or 1
        self._rows: dict[int, Row] = {}
        self._close_before: Decimal | None = None
        self._left: Candle | None = None
        """The newest candle with trades that has left the series; flat ones at its beginning have its close."""
        self._streamed: dict[int, Row] = {}

    @property
    def last_start_s(self) -> int | None:
        """Return the beginning of the newest bucket; None while there is none."""
        return next(reversed(self._rows), None)

    def begin_stream(self) -> None:
        """Forget which candles the stream told: it is subscribed to anew, and may have missed something."""
        self._streamed.clear()

    def start_at(self, time_s: float) -> int | None:
        """Return the beginning of the bucket of the series that holds a time; its oldest for an earlier time."""
        starts = [start_s for start_s in self._rows if start_s <= time_s]
        return starts[-1] if starts else next(iter(self._rows), None)

    def trades_at(self, start_s: int) -> int:
        """Return how many trades the series has in a bucket."""
        row = self._rows.get(start_s)
        return 0 if row is None else row.trades

    def merge(self, rows: Mapping[int, Row], close_before: Decimal | None) -> None:
        """Take rows without a gap from REST, up to the newest bucket; older candles stay if the rows continue them."""
        first_s = next(iter(rows), None)
        if first_s is None:
            return
        kept = {start_s: row for start_s, row in self._rows.items() if start_s < first_s}
        if kept and next_bucket_s(next(reversed(kept)), self._interval) == first_s:
            close_before = self._close_before
        else:
            kept, self._left = {}, None
        told = {start_s: self._streamed.get(start_s, row) for start_s, row in rows.items()}
        self._close_before, self._rows = close_before, {**kept, **told}
        while (following_s := next_bucket_s(next(reversed(self._rows)), self._interval)) in self._streamed:
            self._rows[following_s] = self._streamed[following_s]
        self._trim()
        self._show()

    def take(self, update: KlineUpdate) -> bool:
        """Take a message of the stream; false = between it and the newest candle something is missing."""
        start_s = int(update.start_timestamp)
        told = self._streamed.get(start_s)
        if told is not None and update.trades < told.trades:
            return True  # it was overtaken by a newer one
        row = self._streamed[start_s] = _row_of(update, told or self._rows.get(start_s))
        last_s = self.last_start_s
        if last_s is None:
            return False
        if start_s in self._rows:
            self._rows[start_s] = row
            if start_s == last_s and row is not None and self._shown:
                self._shown[-1] = columns_of(row)
            else:
                self._show()
        elif start_s > last_s:
            if start_s != next_bucket_s(last_s, self._interval):
                return False
            self._append(start_s, row)
        else:
            self._correct_left(self._streamed.pop(start_s))
        return True

    def _correct_left(self, row: Row) -> None:
        left = self._left
        if row is not None and left is not None and (row.start_s, row.trades) >= (left.start_s, left.trades):
            self._left, self._close_before = row, row.close
            self._show()

    def roll(self, now_s: float) -> None:
        """Add flat candles for the buckets that have begun meanwhile."""
        while (last_s := self.last_start_s) is not None:
            start_s = next_bucket_s(last_s, self._interval)
            if start_s > now_s:
                return
            self._append(start_s, self._streamed.get(start_s))

    def _append(self, start_s: int, row: Row) -> None:
        self._rows[start_s] = row
        self._trim()
        if row is not None:
            self._shown.append(columns_of(row))
        elif self._shown:  # otherwise nothing was ever traded
            close = self._shown[-1][_CLOSE]
            self._shown.append((float(start_s), close, close, close, close, 0.0, 0.0, 0.0, 0.0, 0.0))

    def _trim(self) -> None:
        while len(self._rows) > self._most:
            oldest_s = next(iter(self._rows))
            row = self._rows.pop(oldest_s)
            self._streamed.pop(oldest_s, None)
            if row is not None:
                self._left, self._close_before = row, row.close

    def _show(self) -> None:
        columns = [columns_of(candle) for candle in filled(self._rows, self._close_before)]
        self._shown.clear()
        self._shown.extend(columns)


def _row_of(update: KlineUpdate, known: Row) -> Row:
    if update.open is None or update.high is None or update.low is None or update.close is None:
        return None
    # The stream leaves out the quote volume: what was traded since the last message was traded at about its close.
    if known is not None and known.volume <= update.volume:
        quote_volume = known.quote_volume + (update.volume - known.volume) * update.close
    else:
        quote_volume = update.volume * (update.open + update.high + update.low + update.close) / 4
    return Candle(
        int(update.start_timestamp),
        update.open,
        update.high,
        update.low,
        update.close,
        update.volume,
        quote_volume,
        update.trades,
    )


def columns_of(candle: Candle) -> tuple[float, ...]:
    """Return a candle as Hummingbot's columns; who took is not told by the exchange."""
    return (*(float(number) for number in candle), 0.0, 0.0)
