"""Compute index price, mark price and funding rate of a perpetual market; pure. Source: API §5.4, §5.2.

One update a second. What the exchange does not publish is chosen here, and said where it is chosen.
"""

from collections import deque
from decimal import Context, Decimal, localcontext

import msgspec

from backpack_connector.protocol.enums import OrderBookState

from .clock import HOUR_US, s_from_us, us_from_ms
from .markets import Instrument
from .orders import ZERO

_PRICING = Context(prec=28)
# Index prices with seven and eight decimals were captured.
_INDEX_QUANTUM = Decimal("0.00000001")

# A one-minute average over samples of one second: the usual weight 2 / (60 + 1) for the newest.
_BASIS_WEIGHT = Decimal(2) / Decimal(61)
_BASIS_KEPT_S = 60
_FURTHEST_FROM_INDEX = Decimal("0.05")
_MEAN_WINDOW_S = 300

# Funding is quoted for eight hours; crypto's 0.01 % gives the quiet 0.0000125 an hour that was captured, equities half.
_FUNDING_PERIOD_US = 8 * HOUR_US
_INTEREST = Decimal("0.0001")
_EQUITY_INTEREST = Decimal("0.00005")
_LARGEST_CORRECTION = Decimal("0.0005")
_SETTLED_RATE_QUANTUM = Decimal("0.000000001")


class Underlying:
    """What an asset costs outside of this exchange: an anchor, and how far the price has drifted from it."""

    def __init__(self, price: Decimal) -> None:
        self.anchor = price
        self.drift = ZERO
        """Fraction of the anchor."""

    @property
    def price(self) -> Decimal:
        """Return the price now."""
        return self.anchor * (1 + self.drift)

    def jump(self, price: Decimal) -> None:
        """Set the price, and let it drift from there."""
        self.anchor = price
        self.drift = ZERO


class FundingInterval(msgspec.Struct, frozen=True):
    """An interval that is over, and the rate that is paid for it."""

    end_us: int
    rate: Decimal
    """Fraction of the notional at the end; positive = longs pay."""


class _Sample(msgspec.Struct, frozen=True):
    time_s: int
    mark_price: Decimal
    premium: Decimal


class ToldPrices(msgspec.Struct, frozen=True):
    """Prices that somebody else has computed, as those on a tape."""

    index_price: Decimal
    mark_price: Decimal
    funding_rate: Decimal | None
    """None = computed here."""


class PerpetualPrices:
    """Index price, mark price and funding rate of one market."""

    def __init__(self, instrument: Instrument, underlying: Underlying, now_us: int) -> None:
        assert instrument.funding_interval_ms is not None
        self._instrument = instrument
        self._underlying = underlying
        self._interval_us = us_from_ms(instrument.funding_interval_ms)
        self.next_funding_us = self._interval_end_us(now_us)
        """When the running interval ends."""
        self.settled_funding: list[FundingInterval] = []
        """Oldest first."""
        self._interval_premium = ZERO
        self._interval_samples = 0
        self._last_update_s: int | None = None
        self.told: ToldPrices | None = None
        """What replaces own computations; None = nothing."""
        self._jump()

    def _interval_end_us(self, now_us: int) -> int:
        return (now_us // self._interval_us + 1) * self._interval_us

    def _jump(self) -> None:
        with localcontext(_PRICING):
            self.index_price = self._underlying.price.quantize(_INDEX_QUANTUM)
            self.mark_price = _to_tick(self.index_price, self._instrument.tick_size)
        self._basis = ZERO
        self._last_mid_s: int | None = None
        self._samples: deque[_Sample] = deque()
        self._mark_sum = ZERO
        self._premium_sum = ZERO

    def jump(self) -> None:
        """Go to the underlying's price at once, and forget the averages: bands follow too.

        This is what the simulator does when somebody sets a price. The exchange never does it.
        """
        self._jump()

    def update(self, now_us: int, mid_price: Decimal | None, state: OrderBookState) -> bool:
        """Follow the underlying and the book, if a second is over since the last update, and tell whether it was."""
        now_s = s_from_us(now_us)
        if self._last_update_s is not None and now_s <= self._last_update_s:
            return False
        self._last_update_s = now_s
        with localcontext(_PRICING):
            if self.told is None:
                self.index_price = self._capped(self._underlying.price, self.index_price).quantize(_INDEX_QUANTUM)
                self._average_basis(now_s, mid_price)
                self.mark_price = self._next_mark(state)
            else:
                self.index_price, self.mark_price = self.told.index_price, self.told.mark_price
            self._take_sample(now_s)
            if now_us >= self.next_funding_us:
                self._settle_interval(now_us)
        return True

    def _capped(self, price: Decimal, before: Decimal) -> Decimal:
        # API §5.2: one update moves a price at most to these multiples of what it was.
        highest, lowest = self._instrument.max_update_multiplier, self._instrument.min_update_multiplier
        if highest is not None:
            price = min(price, before * highest)
        return price if lowest is None else max(price, before * lowest)

    def _average_basis(self, now_s: int, mid_price: Decimal | None) -> None:
        """Average the distance of the book from the index; a book without two sides for a minute has none."""
        if mid_price is not None:
            self._last_mid_s = now_s
            self._basis += (mid_price - self.index_price - self._basis) * _BASIS_WEIGHT
        elif self._last_mid_s is None or now_s - self._last_mid_s > _BASIS_KEPT_S:
            self._basis = ZERO

    def _next_mark(self, state: OrderBookState) -> Decimal:
        """Return index + basis within its bounds, to the nearest tick.

        The index never fails here, so that only the first two of the exchange's five ways to a mark price are needed.
        Its bound for equities (`discoveryBoundBand`) is wider than the general 5 % and never met.
        """
        index, tick = self.index_price, self._instrument.tick_size
        wanted = index if state is OrderBookState.POST_ONLY else index + self._basis
        wanted = self._capped(wanted, self.mark_price)
        lowest, highest = index * (1 - _FURTHEST_FROM_INDEX), index * (1 + _FURTHEST_FROM_INDEX)
        return _to_tick(min(max(wanted, lowest), highest), tick)

    def _take_sample(self, now_s: int) -> None:
        sample = _Sample(now_s, self.mark_price, self.premium)
        self._samples.append(sample)
        self._mark_sum += sample.mark_price
        self._premium_sum += sample.premium
        while self._samples[0].time_s <= now_s - _MEAN_WINDOW_S:
            oldest = self._samples.popleft()
            self._mark_sum -= oldest.mark_price
            self._premium_sum -= oldest.premium
        self._interval_premium += sample.premium
        self._interval_samples += 1

    def _settle_interval(self, now_us: int) -> None:
        # Intervals during which the market was closed have no rate and are not paid.
        if now_us - self.next_funding_us < self._interval_us:
            rate = self.funding_rate.quantize(_SETTLED_RATE_QUANTUM)
            self.settled_funding.append(FundingInterval(self.next_funding_us, rate))
        self.next_funding_us = self._interval_end_us(now_us)
        self._interval_premium = ZERO
        self._interval_samples = 0

    @property
    def premium(self) -> Decimal:
        """Return how far the mark price is above the index, as a fraction of the index."""
        return _PRICING.divide(self.mark_price - self.index_price, self.index_price)

    @property
    def mean_mark_price(self) -> Decimal:
        """Return the mean of the last five minutes' mark prices; without any, the mark price."""
        return _PRICING.divide(self._mark_sum, Decimal(len(self._samples))) if self._samples else self.mark_price

    @property
    def mean_premium(self) -> Decimal:
        """Return the mean of the last five minutes' premiums; without any, zero."""
        return _PRICING.divide(self._premium_sum, Decimal(len(self._samples))) if self._samples else ZERO

    @property
    def funding_rate(self) -> Decimal:
        """Return the rate of the running interval as it stands: a fraction of the notional, positive = longs pay."""
        if self.told is not None and self.told.funding_rate is not None:
            return self.told.funding_rate
        premium = ZERO
        if self._interval_samples:
            premium = _PRICING.divide(self._interval_premium, Decimal(self._interval_samples))
        return funding_rate(self._instrument, premium)


def funding_rate(instrument: Instrument, mean_premium: Decimal) -> Decimal:
    """Return the rate that a mean premium makes, within the market's bounds, as a fraction per interval.

    Source:   API §5.4; of its two readings the one that gives the rates that quiet markets were seen to publish.
    """
    assert instrument.funding_interval_ms is not None
    interest = _EQUITY_INTEREST if instrument.is_equity else _INTEREST
    with localcontext(_PRICING):
        correction = min(max(interest - mean_premium, -_LARGEST_CORRECTION), _LARGEST_CORRECTION)
        rate = (mean_premium + correction) * us_from_ms(instrument.funding_interval_ms) / _FUNDING_PERIOD_US
        if instrument.max_funding_rate is not None:
            rate = min(rate, instrument.max_funding_rate)
        return rate if instrument.min_funding_rate is None else max(rate, instrument.min_funding_rate)


def _to_tick(price: Decimal, tick: Decimal) -> Decimal:
    return (price / tick).to_integral_value() * tick
