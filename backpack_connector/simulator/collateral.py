"""Say what an account's assets are worth as collateral, and what its debts cost.

Source: API §5.5 (collateral value = quantity x mark x weight; net equity less the borrow liability), §2.3 (collateral).
The exchange's weights and margin functions differ by asset and, for weights, by size (`inverseSqrt`, whose formula is
not known). Here one weight holds for everything that is no dollar, and one pair of functions for all debts.
"""

from decimal import Decimal

import msgspec

from backpack_connector.protocol.models import MarginFunction

from .ledger import Balance
from .orders import ZERO

_FULL_WEIGHT = Decimal(1)
_OTHER_WEIGHT = Decimal("0.9")
_DOLLARS = frozenset({"USDC", "USDT"})

DEBT_IMF = MarginFunction(type="sqrt", base=Decimal("0.05"), factor=Decimal("0.000075"))
"""Initial margin of a debt's value; that of the maintenance margin follows."""
DEBT_MMF = MarginFunction(type="sqrt", base=Decimal("0.03"), factor=Decimal("0.0000375"))


def weight_of(asset: str) -> Decimal:
    """Return the fraction of an asset's value that counts as collateral."""
    return _FULL_WEIGHT if asset in _DOLLARS else _OTHER_WEIGHT


class CollateralAsset(msgspec.Struct, frozen=True):
    """One asset of an account."""

    asset: str
    balance: Balance
    price: Decimal
    """USDC."""
    lent: Decimal = ZERO
    """Units; what is lent is collateral as before."""
    borrowed: Decimal = ZERO
    """Units; what was borrowed is in the balance, or was spent."""

    @property
    def weight(self) -> Decimal:
        """Return the fraction of the value that counts."""
        return weight_of(self.asset)

    @property
    def quantity(self) -> Decimal:
        """Return the units that are there: balance and lent."""
        return self.balance.total + self.lent

    @property
    def notional(self) -> Decimal:
        """Return the value in USDC."""
        return self.quantity * self.price

    @property
    def value(self) -> Decimal:
        """Return what counts of the value in USDC."""
        return self.notional * self.weight

    @property
    def locked_value(self) -> Decimal:
        """Return what counts of what open spot orders hold, in USDC; borrowed funds have their own margin."""
        return max(ZERO, self.balance.locked - self.borrowed) * self.price * self.weight

    @property
    def liability(self) -> Decimal:
        """Return the debt in USDC, without any weight."""
        return self.borrowed * self.price

    def initial_margin(self, leverage_limit: Decimal) -> Decimal:
        """Return the initial margin of the debt in USDC."""
        return self.liability * DEBT_IMF.fraction(self.liability, leverage_limit)

    @property
    def maintenance_margin(self) -> Decimal:
        """Return the maintenance margin of the debt in USDC."""
        return self.liability * DEBT_MMF.fraction(self.liability)
