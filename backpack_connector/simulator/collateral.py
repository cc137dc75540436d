"""Say what an account's assets are worth as collateral. No lending and no borrowing yet."""

from decimal import Decimal

import msgspec

from .ledger import Balance

_FULL_WEIGHT = Decimal(1)
# The exchange's weights differ by asset and size (API §5.5); one haircut for everything that is no dollar will do.
_OTHER_WEIGHT = Decimal("0.9")
_DOLLARS = frozenset({"USDC", "USDT"})


class CollateralAsset(msgspec.Struct, frozen=True):
    """One asset of an account. Source: API §5.5 (collateral value = quantity x mark x weight)."""

    asset: str
    balance: Balance
    price: Decimal
    """USDC."""

    @property
    def weight(self) -> Decimal:
        """Return the fraction of the value that counts."""
        return _FULL_WEIGHT if self.asset in _DOLLARS else _OTHER_WEIGHT

    @property
    def notional(self) -> Decimal:
        """Return the value in USDC."""
        return self.balance.total * self.price

    @property
    def value(self) -> Decimal:
        """Return what counts of the value in USDC."""
        return self.notional * self.weight

    @property
    def locked_value(self) -> Decimal:
        """Return what counts of what open spot orders hold, in USDC."""
        return self.balance.locked * self.price * self.weight
