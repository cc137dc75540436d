"""Compare what an account is worth with what it was worth; pure, all amounts in USDC.

Rule 1: the loss counts from the first reading. Deposits and withdrawals are no profit and no loss.
Rule 2: the limit is reached when two readings in a row say so: one reading is put together from several answers, and
        a trade or a transfer between them can look like a loss for a moment.
Rule 3: what cannot be read changes nothing. Once reached, the limit stays reached.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from backpack_connector.protocol.futures import MarginSummary
from backpack_connector.protocol.models import Balance, Transfer

ZERO = Decimal(0)
_USDC = "USDC"
_READINGS_TO_TRIP = 2


class AssetPrices:
    """Prices of assets in USDC. One that is missing for once is taken as it was last seen."""

    def __init__(self) -> None:
        self._prices = {_USDC: Decimal(1)}

    def update(self, prices: Mapping[str, Decimal]) -> None:
        """Take newer prices."""
        self._prices.update(prices)

    def value(self, asset: str, quantity: Decimal) -> Decimal | None:
        """Return what a quantity is worth, None when the asset never had a price."""
        price = self._prices.get(asset)
        return None if price is None else quantity * price


@dataclass(frozen=True)
class AccountValue:
    """What an account is worth in USDC, and which assets could not be counted."""

    amount: Decimal
    left_out: tuple[str, ...] = ()


def account_value(margin: MarginSummary, balances: Mapping[str, Balance], prices: AssetPrices) -> AccountValue:
    """Return the worth of everything in an account.

    It is the exchange's net equity (collateral, unrealised profit and unsettled amounts less what is borrowed), with
    the collateral counted in full instead of after its haircut, so that changing USDC into another asset costs nothing
    but fees; and the assets that are no collateral at their last price. Source: API §5.5.
    """
    amount = margin.net_equity
    for row in margin.collateral:
        in_full = row.collateral_value / row.collateral_weight if row.collateral_weight else row.balance_notional
        amount += in_full - row.collateral_value
    left_out = []
    for asset, quantity in other_assets(margin, balances).items():
        value = prices.value(asset, quantity)
        if value is None:
            left_out.append(asset)
        else:
            amount += value
    return AccountValue(amount, tuple(left_out))


def other_assets(margin: MarginSummary, balances: Mapping[str, Balance]) -> dict[str, Decimal]:
    """Return the quantities of the assets that the margin summary does not count."""
    counted = {row.symbol for row in margin.collateral}
    totals = {asset: row.available + row.locked + row.staked for asset, row in balances.items()}
    return {asset: quantity for asset, quantity in totals.items() if quantity and asset not in counted}


@dataclass
class TransferSum:
    """What was paid in since the first look, less what was taken out; each transfer at its price when it was seen."""

    net: Decimal = ZERO
    known: set[str] | None = None
    """Transfers that have been counted, or that were there before; None until the first look."""
    left_out: set[str] = field(default_factory=set)

    def look(self, deposits: Iterable[Transfer], withdrawals: Iterable[Transfer], prices: AssetPrices) -> None:
        """Take the lists of transfers; deposits count when they are confirmed, withdrawals when they are asked for."""
        rows = [(f"d{row.id}", row, 1) for row in deposits if row.is_confirmed]
        rows += [(f"w{row.id}", row, -1) for row in withdrawals]
        if self.known is None:
            self.known = {name for name, _, _ in rows}
        for name, row, sign in rows:
            if name in self.known:
                continue
            value = prices.value(row.symbol, row.quantity)
            if value is None:
                self.left_out.add(row.symbol)
                continue
            self.net += sign * value
            self.known.add(name)


class LossLimit:
    """The most that an account may lose."""

    def __init__(self, most: Decimal, baseline: Decimal | None = None, *, is_reached: bool = False) -> None:
        self.most = most
        self.baseline = baseline
        self.is_reached = is_reached
        self.loss = ZERO
        """Negative for a profit."""
        self._readings_beyond = 0

    def read(self, value: Decimal, transferred: Decimal = ZERO) -> bool:
        """Take a reading; return whether it is the one that reaches the limit."""
        if self.baseline is None:
            self.baseline = value - transferred
        self.loss = self.baseline + transferred - value
        self._readings_beyond = self._readings_beyond + 1 if self.loss >= self.most else 0
        if self.is_reached or self._readings_beyond < _READINGS_TO_TRIP:
            return False
        self.is_reached = True
        return True
