"""Invent what was traded before the simulator started, so that charts and tickers are not empty; pure.

Rule 1: the seed, the market and the time of the start make the same past again; nothing is kept but a bounded cache.
Rule 2: nothing is computed before somebody looks. A block of time knows its own open, high, low, close, volume and
        trades, and is cut into smaller blocks that add up to exactly these when a shorter interval is asked for.
Rule 3: the past ends where the market begins: its last close is the seed price.

Prices are whole units of a small fraction of the seed price, so that no rounding makes intervals disagree. Markets of
one underlying have one past; index and mark price were equal to the last price in it. The quote volume of a block is
its volume at the mean of its four prices, so that only quote volumes of different intervals differ a little.
"""

import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import pairwise
from math import isqrt

import msgspec

from backpack_connector.protocol.candles import DAY_S, HOUR_S, MINUTE_S
from backpack_connector.protocol.enums import OrderBookState

from .candles import Candle
from .clock import s_from_us
from .markets import Instrument
from .traded_market import TradedMarket

PAST_DAYS = 730
_LENGTHS_S = (DAY_S, 4 * HOUR_S, HOUR_S, 15 * MINUTE_S, MINUTE_S, 1)
_LAST_LEVEL = len(_LENGTHS_S) - 1
_SPLITS_KEPT = 2_000

# Prices in hundred-millionths of the seed price.
_UNIT = Decimal("0.00000001")
_SEED_PRICE = 100_000_000
# How far a day goes at most, in parts of its price; an asset that is worth its quote asset, as USDT is, strays less.
_PARTS = 100_000
_DAY_STRIDE = 3_000
_PEGGED = (Decimal("0.99"), Decimal("1.01"))
_PEGGED_SHARE = 100
# What the background flow trades in a day, about; so chart and ticker go on as they were.
_DAY_NOTIONAL = 100_000_000
_DAY_TRADES = 600_000
_LEAST_PCT, _MOST_PCT = 80, 120


class _Block(msgspec.Struct, frozen=True):
    """What was traded in one block of time; prices in units."""

    level: int
    start_s: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    """Steps of the base asset."""
    trades: int

    @property
    def end_s(self) -> int:
        return self.start_s + _LENGTHS_S[self.level]


class Past:
    """What one market traded before `end_s`, a full minute."""

    def __init__(self, instrument: Instrument, seed: int, end_s: int) -> None:
        self._instrument = instrument
        self._key = f"{seed}:{instrument.base}_{instrument.quote}"
        self.end_s = end_s
        self._roots: list[_Block] = []
        self._starts: list[int] = []
        self._parts: dict[tuple[int, int], Sequence[_Block]] = {}

    def between(self, start_s: int, end_s: int, *, has_volume: bool = True) -> Iterator[Candle]:
        """Yield what was traded in a span of whole seconds, oldest first, in as few candles as possible."""
        if start_s >= self.end_s:
            return
        if not self._roots:
            self._begin()
        first = max(bisect_right(self._starts, start_s) - 1, 0)
        for block in self._cover(self._roots, first, start_s, end_s):
            yield self._candle(block, has_volume=has_volume)

    def _begin(self) -> None:
        """Walk back from the start, in the longest blocks that begin where blocks of their length do."""
        chance = random.Random(self._key)
        end_s, close = self.end_s, _SEED_PRICE
        first_s = (end_s // DAY_S - PAST_DAYS) * DAY_S
        while end_s > first_s:
            level = next(level for level, length_s in enumerate(_LENGTHS_S) if end_s % length_s == 0)
            block = self._root(level, end_s - _LENGTHS_S[level], close, chance)
            self._roots.append(block)
            end_s, close = block.start_s, block.open
        self._roots.reverse()
        self._starts = [block.start_s for block in self._roots]

    def _root(self, level: int, start_s: int, close: int, chance: random.Random) -> _Block:
        instrument = self._instrument
        length_s = _LENGTHS_S[level]
        # The square root of time, in percent of a day's.
        stride = _DAY_STRIDE * isqrt(100 * 100 * length_s // DAY_S) // 100
        if _PEGGED[0] < instrument.seed_price < _PEGGED[1]:
            stride //= _PEGGED_SHARE
        opened = close * _PARTS // (_PARTS + chance.randint(-stride, stride))
        high = max(opened, close) * (_PARTS + chance.randint(0, stride // 2)) // _PARTS
        low = min(opened, close) * (_PARTS - chance.randint(0, stride // 2)) // _PARTS
        share_pct = chance.randint(_LEAST_PCT, _MOST_PCT)
        steps_a_day = int(_DAY_NOTIONAL / (instrument.seed_price * instrument.step_size))
        return _Block(
            level=level,
            start_s=start_s,
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=steps_a_day * length_s * share_pct // (100 * DAY_S),
            trades=_DAY_TRADES * length_s * share_pct // (100 * DAY_S),
        )

    def _cover(self, blocks: Sequence[_Block], first: int, start_s: int, end_s: int) -> Iterator[_Block]:
        for block in blocks[first:]:
            if block.start_s >= end_s:
                return
            if start_s <= block.start_s and block.end_s <= end_s:
                yield block
            elif block.level < _LAST_LEVEL and block.end_s > start_s:
                parts = self._parts_of(block)
                inside = max(start_s - block.start_s, 0) // _LENGTHS_S[block.level + 1]
                yield from self._cover(parts, inside, start_s, end_s)

    def _parts_of(self, block: _Block) -> Sequence[_Block]:
        key = (block.level, block.start_s)
        parts = self._parts.get(key)
        if parts is None:
            if len(self._parts) >= _SPLITS_KEPT:
                self._parts.clear()
            parts = self._parts[key] = _split(block, random.Random(f"{self._key}:{key}"))
        return parts

    def _candle(self, block: _Block, *, has_volume: bool) -> Candle:
        opened, high, low, close = map(self._price, (block.open, block.high, block.low, block.close))
        candle = Candle(block.start_s, opened, high, low, close)
        if has_volume:
            candle.volume = block.volume * self._instrument.step_size
            candle.quote_volume = candle.volume * (opened + high + low + close) / 4
            candle.trades = block.trades
        return candle

    def _price(self, units: int) -> Decimal:
        tick = self._instrument.tick_size
        return max(tick, self._instrument.seed_price * units * _UNIT // tick * tick)


def _split(block: _Block, chance: random.Random) -> list[_Block]:
    """Cut a block into those of the next level, which add up to it."""
    level = block.level + 1
    length_s = _LENGTHS_S[level]
    number = _LENGTHS_S[block.level] // length_s
    edges = _path(block, number, chance)
    stride = _stride(block, number)
    highs = [min(block.high, max(pair) + chance.randint(0, stride)) for pair in pairwise(edges)]
    lows = [max(block.low, min(pair) - chance.randint(0, stride)) for pair in pairwise(edges)]
    highs[highs.index(max(highs))] = block.high
    lows[lows.index(min(lows))] = block.low
    weights = [chance.randint(_LEAST_PCT, _MOST_PCT) for _ in range(number)]
    volumes, trades = _shares(block.volume, weights), _shares(block.trades, weights)
    return [
        _Block(
            level=level,
            start_s=block.start_s + place * length_s,
            open=edges[place],
            high=highs[place],
            low=lows[place],
            close=edges[place + 1],
            volume=volumes[place],
            trades=trades[place],
        )
        for place in range(number)
    ]


def _stride(block: _Block, number: int) -> int:
    return (block.high - block.low) // isqrt(4 * number)


def _path(block: _Block, number: int, chance: random.Random) -> list[int]:
    """Return where a walk from the open to the close stands at the edges of the parts."""
    stride = _stride(block, number)
    walk = [0]
    for _ in range(number):
        walk.append(walk[-1] + chance.randint(-stride, stride))
    missing = block.close - block.open - walk[-1]
    edges = [block.open + place + missing * index // number for index, place in enumerate(walk)]
    return [min(max(edge, block.low), block.high) for edge in edges]


def _shares(total: int, weights: Iterable[int]) -> list[int]:
    """Divide a whole number by weights, so that nothing is left."""
    weights = list(weights)
    whole, sum_before, shares = sum(weights), 0, []
    for weight in weights:
        shares.append(total * (sum_before + weight) // whole - total * sum_before // whole)
        sum_before += weight
    return shares


def give_past(markets: Iterable[TradedMarket], seed: int, now_us: int) -> None:
    """Give every market that is open a past that ends with the last full minute."""
    end_s = s_from_us(now_us) // MINUTE_S * MINUTE_S
    for market in markets:
        if market.state is OrderBookState.OPEN:
            past = Past(market.instrument, seed, end_s)
            market.candles.past = past.between
            if market.prices is not None:
                prices = partial(past.between, has_volume=False)
                market.index_candles.past = market.mark_candles.past = prices
