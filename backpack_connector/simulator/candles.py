"""Collect trades into candles, and answer klines and tickers from them.

One-minute candles are kept for good and one-second candles for an hour; longer intervals are sums of minutes. What was
before the start comes from `past` (klines.py), if there is one.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from backpack_connector.protocol.candles import HOUR_S, MINUTE_S, bucket_start_s, next_bucket_s
from backpack_connector.protocol.enums import KlineInterval

from .orders import ZERO

SECONDS_KEPT = HOUR_S

Past = Callable[[int, int], Iterable["Candle"]]
"""Returns what was traded from a second until before another, oldest first, in candles of any lengths."""


class Candle(msgspec.Struct):
    """What was traded in one span of time; prices are None when nothing was."""

    start_s: int
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    trades: int = 0

    def add(self, later: "Candle") -> None:
        """Extend this candle by a later one."""
        if later.open is None or later.high is None or later.low is None:
            return
        if self.open is None or self.high is None or self.low is None:
            self.open, self.high, self.low = later.open, later.high, later.low
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trades += later.trades


class _Series:
    """Candles of one length, oldest first; only spans with trades are kept."""

    def __init__(self, length_s: int, keep_s: int | None = None) -> None:
        self._length_s = length_s
        self._keep_s = keep_s
        self._starts: list[int] = []
        self._candles: list[Candle] = []

    def add(self, time_s: int, trade: Candle) -> None:
        start_s = time_s // self._length_s * self._length_s
        if not self._starts or self._starts[-1] < start_s:
            self._starts.append(start_s)
            self._candles.append(Candle(start_s))
            self._forget(start_s)
        self._candles[-1].add(trade)

    def _forget(self, now_s: int) -> None:
        # In lumps, because taking the first element off a list moves all others.
        if self._keep_s is not None and self._starts[0] < now_s - 2 * self._keep_s:
            position = bisect_left(self._starts, now_s - self._keep_s)
            del self._starts[:position], self._candles[:position]

    def between(self, start_s: int, end_s: int) -> list[Candle]:
        return self._candles[bisect_left(self._starts, start_s) : bisect_left(self._starts, end_s)]


class CandleStore:
    """The candles of one market."""

    def __init__(self, *, seconds_kept: int = SECONDS_KEPT) -> None:
        self._seconds = _Series(1, keep_s=seconds_kept)
        self._minutes = _Series(MINUTE_S)
        self.past: Past | None = None
        """None = nothing happened before the start."""
        self._past_sums: dict[int, Candle] = {}
        """By length of a summary, of the minute in which it was last asked for."""

    def add_trade(self, time_s: int, price: Decimal, quantity: Decimal) -> None:
        """Add one trade; trades come in the order of time."""
        self._add(Candle(time_s, price, price, price, price, quantity, price * quantity, 1))

    def add_price(self, time_s: int, price: Decimal) -> None:
        """Add a price that is none of a trade, such as an index price."""
        self._add(Candle(time_s, price, price, price, price))

    def _add(self, moment: Candle) -> None:
        self._seconds.add(moment.start_s, moment)
        self._minutes.add(moment.start_s, moment)

    def klines(self, interval: KlineInterval, start_s: int, end_s: int) -> list[Candle]:
        """Return one candle for each bucket that begins in [start, end], also for those without trades."""
        series = self._seconds if interval is KlineInterval.SECOND_1 else self._minutes
        candles: dict[int, Candle] = {}
        bucket_s = bucket_start_s(start_s, interval)
        if bucket_s < start_s:
            bucket_s = next_bucket_s(bucket_s, interval)
        first_s = bucket_s
        while bucket_s <= end_s:
            candle = candles[bucket_s] = Candle(bucket_s)
            bucket_s = next_bucket_s(bucket_s, interval)
            if self.past is not None:
                for part in self.past(candle.start_s, bucket_s):
                    candle.add(part)
        for candle in series.between(first_s, bucket_s):
            candles[bucket_start_s(candle.start_s, interval)].add(candle)
        return list(candles.values())

    def current(self, interval: KlineInterval, now_s: int) -> Candle:
        """Return the bucket that a time falls into."""
        start_s = bucket_start_s(now_s, interval)
        return self.klines(interval, start_s, start_s)[0]

    def _past_since(self, past: Past, first_s: int, length_s: int) -> Candle:
        """Return what the past has from a full minute on; it is asked for every second, and changes every minute."""
        total = self._past_sums.get(length_s)
        if total is None or total.start_s != first_s:
            total = self._past_sums[length_s] = Candle(first_s)
            for part in past(first_s, first_s + length_s + MINUTE_S):
                total.add(part)
        return total

    def summary(self, now_s: int, length_s: int) -> Candle:
        """Return everything traded in the last `length_s` seconds, to the minute, as one candle."""
        total = Candle(now_s - length_s)
        if self.past is not None:
            total.add(self._past_since(self.past, -(-total.start_s // MINUTE_S) * MINUTE_S, length_s))
        for candle in self._minutes.between(now_s - length_s, now_s + 1):
            total.add(candle)
        return total
