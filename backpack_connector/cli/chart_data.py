"""Prepare what charts show: candles without holes, books added up from the middle, funding rates in order of time.

Prices become floats here and nowhere before: a chart is a picture, and nobody trades by its pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from backpack_connector.protocol.market_records import FundingRate
from backpack_connector.protocol.models import DepthSnapshot, Kline
from backpack_connector.protocol.units import PERCENT_PER_UNIT, iso_from_us, seconds_from_iso, us_from_seconds

_MINUTE_SIGNS = len("2026-10-02 10:00")
_MOST_DECIMALS = 10


@dataclass(frozen=True)
class Bar:
    """The prices of one candle, or of several together; time in seconds."""

    start_s: float
    open: float
    high: float
    low: float
    close: float

    @property
    def is_down(self) -> bool:
        """Tell whether the price fell."""
        return self.close < self.open


@dataclass(frozen=True)
class Curve:
    """A book around its middle: (price, quantity up to there), from the best price outwards."""

    middle: float
    span: float
    """How far the chart reaches from the middle to each side."""
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]

    @property
    def most(self) -> float:
        """Return the largest quantity of both sides."""
        return max((quantity for _, quantity in (*self.bids, *self.asks)), default=0.0)

    def quantity_at(self, price: float) -> float:
        """Return what could be traded up to a price."""
        side, sign = (self.bids, -1) if price < self.middle else (self.asks, 1)
        return max((quantity for level, quantity in side if sign * level <= sign * price), default=0.0)


@dataclass(frozen=True)
class Rate:
    """The funding rate of an interval, in percent, and its end in seconds."""

    end_s: float
    percent: float


def bars_of(candles: Sequence[Kline]) -> list[Bar]:
    """Return a bar for each candle; one without trades is flat, those before the first trade are left out."""
    bars: list[Bar] = []
    for row in candles:
        if row.open is not None and row.high is not None and row.low is not None and row.close is not None:
            prices = [float(price) for price in (row.open, row.high, row.low, row.close)]
        elif bars:
            prices = [bars[-1].close] * 4
        else:
            continue
        bars.append(Bar(row.start_timestamp, *prices))
    return bars


def merged(bars: Sequence[Bar], most: int) -> list[Bar]:
    """Return at most so many bars, each made of as many neighbours as that takes."""
    size = math.ceil(len(bars) / most) if bars else 1
    groups = [bars[first : first + size] for first in range(0, len(bars), size)]
    return [
        Bar(group[0].start_s, group[0].open, max(b.high for b in group), min(b.low for b in group), group[-1].close)
        for group in groups
    ]


@dataclass(frozen=True)
class Sides:
    """A book around its middle, exactly: (price, quantity up to there), from the best price outwards."""

    middle: Decimal
    span: Decimal
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


def sides_of(book: DepthSnapshot, range_percent: float) -> Sides | None:
    """Return a book up to a distance from its middle, or None when there are no orders; both sides of it ascend."""
    bids = [(Decimal(price), Decimal(quantity)) for price, quantity in reversed(book.bids)]
    asks = [(Decimal(price), Decimal(quantity)) for price, quantity in book.asks]
    best = [side[0][0] for side in (bids, asks) if side]
    if not best:
        return None
    middle = sum(best, Decimal(0)) / len(best)
    span = middle * Decimal(str(range_percent)) / PERCENT_PER_UNIT
    return Sides(middle, span, _added_up(bids, middle, span), _added_up(asks, middle, span))


def _added_up(
    levels: Sequence[tuple[Decimal, Decimal]], middle: Decimal, span: Decimal
) -> tuple[tuple[Decimal, Decimal], ...]:
    total, points = Decimal(0), []
    for price, quantity in levels:
        if abs(price - middle) <= span:
            total += quantity
            points.append((price, total))
    return tuple(points)


def curve_of(sides: Sides) -> Curve:
    """Return a book as it is drawn."""
    bids, asks = (tuple((float(price), float(total)) for price, total in side) for side in (sides.bids, sides.asks))
    return Curve(float(sides.middle), float(sides.span), bids, asks)


def rates_of(rows: Sequence[FundingRate]) -> list[Rate]:
    """Return funding rates, oldest first."""
    rates = [
        Rate(seconds_from_iso(row.interval_end_timestamp), float(row.funding_rate * PERCENT_PER_UNIT)) for row in rows
    ]
    return sorted(rates, key=lambda rate: rate.end_s)


def bounds(bars: Sequence[Bar]) -> tuple[float, float]:
    """Return the lowest and the highest price; where they are one, something around it."""
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    margin = (abs(high) / 100 or 1.0) if high == low else 0.0
    return low - margin, high + margin


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers in a range, evenly spaced, as many as fit."""
    raw = (high - low) / most
    if raw <= 0:
        return [low]
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def number_text(value: float, span: float) -> str:
    """Return a number with as many decimals as tell apart what lies within a span."""
    decimals = 0 if span <= 0 else min(_MOST_DECIMALS, max(0, 2 - math.floor(math.log10(span))))
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not float(text.replace(",", "")) else text


def minute_text(time_s: float) -> str:
    """Return a time for people: UTC, to the minute."""
    return iso_from_us(us_from_seconds(time_s), separator=" ")[:_MINUTE_SIGNS]
