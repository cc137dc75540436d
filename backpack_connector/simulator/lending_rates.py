"""Hold the terms on which assets are lent and borrowed, and compute rates; pure.

    utilisation   borrowed / lent
    borrow rate   two straight lines that meet at the optimal utilisation; a year's rate
    lend rate     borrow rate x utilisation x (1 - fee)
    payment       quantity x rate / 365 / 24, on each full hour

Nothing is borrowed or redeemed that lifts the utilisation above the throttle's bound. On the exchange the bound moves
by steps in time (`throttleUpdateFraction`); how is not known, and here it stands still.
Source: API §5.5 (borrow/lend), schema BorrowLendMarket. The numbers are the simulator's own, in the range of those in
the official client's tests; the exchange shows its curves on its pages only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, Context, Decimal, localcontext

from .clock import HOUR_US
from .orders import ZERO

STEP_SIZE = Decimal("0.0000000001")
"""The smallest part of any asset that is lent, borrowed or paid as interest (test payloads of the official client)."""
_HOURS_PER_YEAR = 365 * 24
_WIDE = Context(prec=72)
_UP = Context(prec=72, rounding=ROUND_CEILING)
_DOWN = Context(prec=72, rounding=ROUND_DOWN)
_SHOWN_QUANTUM = Decimal("0.000000000001")


@dataclass(frozen=True)
class LendingTerms:
    """How one asset is lent."""

    provided: Decimal
    """Units that the exchange itself lends, so that somebody who is alone can borrow."""
    optimal_rate: Decimal
    """Fraction a year at the optimal utilisation."""
    highest_rate: Decimal
    """Fraction a year when everything is borrowed."""
    optimal_utilization: Decimal = Decimal("0.8")
    max_utilization: Decimal = Decimal(1)
    throttle_threshold: Decimal = Decimal("0.92")
    throttle_bound: Decimal = Decimal("0.95")
    throttle_fraction: Decimal = Decimal("0.1")
    fee: Decimal = Decimal("0.1")
    """Fraction of the interest that the exchange keeps."""

    @property
    def open_limit(self) -> Decimal:
        """Return how much may be lent and how much borrowed, by everybody together."""
        return 10 * self.provided

    @property
    def bound(self) -> Decimal:
        """Return the utilisation that nothing may exceed."""
        return min(self.max_utilization, self.throttle_bound)


_STABLE = {"optimal_rate": Decimal("0.06"), "highest_rate": Decimal("0.6")}
_VOLATILE = {"optimal_rate": Decimal("0.1"), "highest_rate": Decimal("1.5")}

LENDING_TERMS: Mapping[str, LendingTerms] = {
    "BTC": LendingTerms(provided=Decimal(100), **_VOLATILE),
    "ETH": LendingTerms(provided=Decimal(3_000), **_VOLATILE),
    "SOL": LendingTerms(provided=Decimal(50_000), **_VOLATILE),
    "USDC": LendingTerms(provided=Decimal(10_000_000), **_STABLE),
    "USDT": LendingTerms(provided=Decimal(5_000_000), **_STABLE),
}
"""By asset. The others are neither lent nor borrowed, as many are not on the exchange."""

SEEDED_UTILIZATION = Decimal("0.6")
"""What others have borrowed at the start, of what the exchange lends: rates that are not zero."""


@dataclass(frozen=True)
class Pool:
    """What of one asset is lent and borrowed at one moment, in its units."""

    terms: LendingTerms
    lent: Decimal
    borrowed: Decimal

    @property
    def utilization(self) -> Decimal:
        """Return the borrowed part of what is lent, with twelve decimals."""
        return _DOWN.divide(self.borrowed, self.lent).quantize(_SHOWN_QUANTUM, context=_DOWN) if self.lent else ZERO

    @property
    def borrow_rate(self) -> Decimal:
        """Return what borrowers pay, a fraction a year with twelve decimals."""
        terms, used = self.terms, self.utilization
        with localcontext(_WIDE):
            if used <= terms.optimal_utilization:
                rate = terms.optimal_rate * used / terms.optimal_utilization
            else:
                steepness = (terms.highest_rate - terms.optimal_rate) / (1 - terms.optimal_utilization)
                rate = terms.optimal_rate + (used - terms.optimal_utilization) * steepness
            return rate.quantize(_SHOWN_QUANTUM)

    @property
    def lend_rate(self) -> Decimal:
        """Return what lenders receive, a fraction a year with twelve decimals."""
        with localcontext(_WIDE):
            return (self.borrow_rate * self.utilization * (1 - self.terms.fee)).quantize(
                _SHOWN_QUANTUM, rounding=ROUND_DOWN
            )

    @property
    def room(self) -> Decimal:
        """Return how much can still be borrowed, in whole steps."""
        with localcontext(_DOWN):
            spare = min(self.lent * self.terms.bound, self.terms.open_limit) - self.borrowed
            return max(ZERO, spare).quantize(STEP_SIZE)

    @property
    def redeemable(self) -> Decimal:
        """Return how much can still be redeemed, in whole steps."""
        with localcontext(_DOWN):
            spare = self.lent - (self.borrowed / self.terms.bound).quantize(STEP_SIZE, rounding=ROUND_CEILING)
            return max(ZERO, spare).quantize(STEP_SIZE)

    @property
    def lending_room(self) -> Decimal:
        """Return how much can still be lent."""
        return max(ZERO, self.terms.open_limit - self.lent)


def hours_interest(quantity: Decimal, yearly_rate: Decimal, *, rounds_up: bool) -> Decimal:
    """Return an hour's interest in whole steps: what is paid is rounded up, what is received down."""
    with localcontext(_WIDE):
        exact = quantity * yearly_rate / _HOURS_PER_YEAR
    return exact.quantize(STEP_SIZE, context=_UP if rounds_up else _DOWN)


def entry_fee(quantity: Decimal, yearly_rate: Decimal, now_us: int) -> Decimal:
    """Return the interest from now to the next full hour, which is charged when something is borrowed (API §5.5)."""
    with localcontext(_WIDE):
        exact = quantity * yearly_rate / _HOURS_PER_YEAR * time_left_us(now_us) / HOUR_US
    return exact.quantize(STEP_SIZE, context=_UP)


def time_left_us(now_us: int) -> int:
    """Return the time to the next full hour in microseconds."""
    return HOUR_US - now_us % HOUR_US


def in_steps(quantity: Decimal) -> Decimal:
    """Return a quantity rounded down to whole steps."""
    return quantity.quantize(STEP_SIZE, context=_DOWN)
