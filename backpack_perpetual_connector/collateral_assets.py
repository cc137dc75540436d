"""Value the assets of an account as collateral, by the prices and weights of the last margin report, in USDC.

Source: API §5.5 (collateral value = quantity x price x weight; what open spot orders lock is not available).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import NamedTuple

from backpack_connector.protocol.futures import CollateralAsset
from backpack_connector.protocol.messages import BalanceUpdate

ZERO = Decimal(0)
_USDC = "USDC"
_NEGLIGIBLE = Decimal("1e-6")
"""Relative difference that is rounding or interest, not something that was missed."""


@dataclass
class _Asset:
    quantity: Decimal = ZERO
    """Available, locked and staked."""
    locked: Decimal = ZERO
    """In spot orders."""
    lent: Decimal = ZERO
    unit_value: Decimal = ZERO
    """USDC for one unit, weight included; zero until a report tells."""
    engine_timestamp: float = -inf
    changed_at: int = 0
    """Place in the order of everything received."""
    is_known: bool = False

    @property
    def value(self) -> Decimal:
        return (self.quantity + self.lent) * self.unit_value

    @property
    def locked_value(self) -> Decimal:
        return self.locked * self.unit_value


class Correction(NamedTuple):
    """What a report has changed: the quantity of an asset."""

    asset: str
    believed: Decimal
    said: Decimal


class CollateralAssets:
    """The assets of one account and the sums of their values."""

    def __init__(self) -> None:
        self.value = ZERO
        self.locked_value = ZERO
        self._assets = {_USDC: _Asset(unit_value=Decimal(1))}

    def apply_balance(self, update: BalanceUpdate, place: int) -> None:
        """Take the balance of an asset, unless a newer one is known."""
        asset = self._taken_out(update.asset)
        if update.event_timestamp >= asset.engine_timestamp:
            asset.quantity = update.available + update.locked + update.staked
            asset.locked = update.locked
            asset.engine_timestamp, asset.changed_at = update.event_timestamp, place
            asset.is_known = True
        self._put_back(asset)

    def lacks_value(self, symbol: str) -> bool:
        """Tell whether there is something of an asset and no report has said what it counts."""
        asset = self._assets.get(symbol)
        return asset is not None and asset.quantity > 0 and asset.unit_value == 0

    def charge(self, symbol: str, fee: Decimal, engine_timestamp: float, place: int) -> None:
        """Take a fee off an asset unless a message about its balance has told of it already."""
        asset = self._taken_out(symbol)
        if engine_timestamp > asset.engine_timestamp:
            asset.quantity -= fee
            asset.changed_at = place
        self._put_back(asset)

    def revalue(self, rows: Iterable[CollateralAsset], asked_at: int) -> list[Correction]:
        """Take a report: prices and weights, and the quantities that no message has told of since it was asked for.

        Returns which quantities it has changed that were known before.
        """
        listed = {row.symbol: row for row in rows}
        corrections = []
        for symbol in sorted({*listed, *self._assets}):
            asset = self._taken_out(symbol)
            believed = asset.quantity if asset.is_known else None
            self._take_row(asset, listed.get(symbol), asked_at)
            self._put_back(asset)
            if believed is not None and abs(asset.quantity - believed) > _NEGLIGIBLE * max(asset.quantity, believed):
                corrections.append(Correction(symbol, believed, asset.quantity))
        return corrections

    def _take_row(self, asset: _Asset, row: CollateralAsset | None, asked_at: int) -> None:
        asset.lent = ZERO if row is None else row.lend_quantity
        asset.is_known = True
        if asset.changed_at <= asked_at:
            asset.quantity = ZERO if row is None else row.total_quantity - row.lend_quantity
            asset.locked = ZERO if row is None else row.open_order_quantity
        if row is not None:
            # The value of the whole quantity knows the haircut's curve, the weight alone may not.
            asset.unit_value = (
                row.collateral_value / row.total_quantity
                if row.total_quantity
                else row.asset_mark_price * row.collateral_weight
            )

    def _taken_out(self, symbol: str) -> _Asset:
        asset = self._assets.setdefault(symbol, _Asset())
        self.value -= asset.value
        self.locked_value -= asset.locked_value
        return asset

    def _put_back(self, asset: _Asset) -> None:
        self.value += asset.value
        self.locked_value += asset.locked_value
