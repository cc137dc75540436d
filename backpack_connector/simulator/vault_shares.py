"""Define vaults, their tokens' history and what accounts asked of them; and what a token is worth over time. Pure."""

from collections import deque
from decimal import Context, Decimal
from enum import Enum

import msgspec

from .clock import HOUR_US
from .orders import ZERO

TWAP_US = HOUR_US
"""How far the time-weighted average looks back (choice)."""
NAV_QUANTUM = Decimal("0.00000001")
FIRST_NAV = Decimal(1)
"""What a token is worth while there is none."""
_WIDE = Context(prec=72)


class VaultTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a vault offers. Source: schema Vault."""

    vault_id: int
    token: str
    symbol: str
    """The asset that is paid and paid back."""
    minimum_mint: Decimal
    """Units of the asset."""
    minimum_redeem: Decimal
    """Tokens; likewise `token_step` and `most_tokens`."""
    redeem_delay_us: int
    token_step: Decimal
    most_tokens: Decimal


class Mint(msgspec.Struct, frozen=True):
    """One row of the mint history."""

    mint_id: str
    quantity: Decimal
    """What was paid."""
    tokens: Decimal
    nav: Decimal
    time_us: int


class RedeemStatus(str, Enum):
    """Source: schema VaultRedeemStatus."""

    REQUESTED = "Requested"
    REDEEMED = "Redeemed"
    CANCELLED = "Cancelled"


class Redeem(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the redeem history: what happened to a request."""

    redeem_id: str
    account_id: str
    status: RedeemStatus
    tokens: Decimal
    time_us: int
    quantity: Decimal | None = None
    """What was paid back; likewise `nav` only when redeemed."""
    nav: Decimal | None = None
    reason: str | None = None
    """Why it was cancelled."""


class Snapshot(msgspec.Struct, frozen=True):
    """What a vault was worth at a time."""

    time_us: int
    nav: Decimal
    equity: Decimal
    """USDC."""
    supply: Decimal
    """Tokens."""


class Nav(msgspec.Struct, frozen=True):
    """What a token is worth, in units of the vault's asset. Source: schema VaultNav."""

    spot: Decimal
    average: Decimal
    """Over the last hour, weighted by time."""

    @property
    def mint(self) -> Decimal:
        """Return what a new token costs."""
        return max(self.spot, self.average)

    @property
    def redeem(self) -> Decimal:
        """Return what a token pays back."""
        return min(self.spot, self.average)


def spot_nav(equity: Decimal, supply: Decimal) -> Decimal:
    """Return the equity per token."""
    return _WIDE.quantize(_WIDE.divide(equity, supply), NAV_QUANTUM) if supply else FIRST_NAV


class NavHistory:
    """The values of a token in the last hour."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, Decimal]] = deque()

    @property
    def last_us(self) -> int | None:
        """Return when the last value was taken, or None."""
        return self._samples[-1][0] if self._samples else None

    def add(self, time_us: int, nav: Decimal) -> None:
        """Take a value in, and forget those that were out of date an hour ago."""
        self._samples.append((time_us, nav))
        while len(self._samples) > 1 and self._samples[1][0] <= time_us - TWAP_US:
            self._samples.popleft()

    def clear(self) -> None:
        """Forget everything: there are no tokens any more."""
        self._samples.clear()

    def average(self, now_us: int, spot: Decimal) -> Decimal:
        """Return the mean of the last hour; each value holds until the next, and the last one until now."""
        weighted, total_us, until_us = ZERO, 0, now_us
        for time_us, nav in reversed(self._samples):
            length_us = until_us - max(time_us, now_us - TWAP_US)
            if length_us > 0:
                weighted = _WIDE.add(weighted, _WIDE.multiply(nav, length_us))
                total_us += length_us
                until_us = time_us
        return _WIDE.quantize(_WIDE.divide(weighted, total_us), NAV_QUANTUM) if total_us else spot
