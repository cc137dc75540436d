"""Keep the accounts' balances exactly: compute a change, check it, then commit it whole.

Rule 1: nothing below zero, neither available nor locked.
Rule 2: what a change takes somewhere it puts somewhere: the sum over accounts and collected fees is zero per asset.
Rule 3: a change that breaks a rule is not applied at all.
Rule 4: money is computed in EXACT, which raises instead of rounding.
"""

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

import msgspec

from .orders import ZERO

# Requests carry at most 28 digits, so that a product of two has 56 and their sums fit as well.
EXACT = Context(prec=72, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])


class InsufficientBalance(Exception):
    """An account has less of an asset than a change would take."""


class Balance(msgspec.Struct, frozen=True):
    """What an account has of one asset."""

    available: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Return available plus locked."""
        return self.available + self.locked


_EMPTY = Balance()

BalanceRow = tuple[str, str, Balance]
"""(account, asset, balance)."""


class Change:
    """A set of movements that will happen together or not at all."""

    def __init__(self, ledger: "Ledger") -> None:
        self._ledger = ledger
        self.balances: dict[tuple[str, str], Balance] = {}
        self.fees: dict[str, Decimal] = {}

    def _balance(self, account_id: str, asset: str) -> Balance:
        balance = self.balances.get((account_id, asset))
        return self._ledger.balance(account_id, asset) if balance is None else balance

    def hold(self, account_id: str, asset: str, amount: Decimal) -> None:
        """Move an amount from available to locked.

        Raises:   InsufficientBalance at once, because a hold comes before the acceptance of an order.
        """
        before = self._balance(account_id, asset)
        if before.available < amount:
            raise InsufficientBalance(f"{asset}: {amount} needed, {before.available} available")
        self.balances[account_id, asset] = Balance(before.available - amount, before.locked + amount)

    def release(self, account_id: str, asset: str, amount: Decimal) -> None:
        """Move an amount from locked to available."""
        before = self._balance(account_id, asset)
        self.balances[account_id, asset] = Balance(before.available + amount, before.locked - amount)

    def pay(self, payer_id: str, receiver_id: str, asset: str, amount: Decimal, fee: Decimal) -> None:
        """Move an amount out of the payer's locked funds to the receiver, who is charged the fee out of it."""
        payer = self._balance(payer_id, asset)
        self.balances[payer_id, asset] = Balance(payer.available, payer.locked - amount)
        receiver = self._balance(receiver_id, asset)
        self.balances[receiver_id, asset] = Balance(receiver.available + amount - fee, receiver.locked)
        self.fees[asset] = self.fees.get(asset, ZERO) + fee


class Ledger:
    """All balances, the fees collected so far and what was ever deposited."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[str, Balance]] = {}
        self.fees: dict[str, Decimal] = {}
        self.deposited: dict[str, Decimal] = {}

    def balance(self, account_id: str, asset: str) -> Balance:
        """Return an account's balance of an asset, zero when it never had any."""
        return self._accounts.get(account_id, {}).get(asset, _EMPTY)

    def balances(self, account_id: str) -> dict[str, Balance]:
        """Return all balances of an account, by asset."""
        return dict(self._accounts.get(account_id, {}))

    def deposit(self, account_id: str, asset: str, amount: Decimal) -> None:
        """Create an amount out of nothing, as the faucet does."""
        before = self.balance(account_id, asset)
        self._accounts.setdefault(account_id, {})[asset] = Balance(before.available + amount, before.locked)
        self.deposited[asset] = self.deposited.get(asset, ZERO) + amount

    def change(self) -> Change:
        """Begin a change."""
        return Change(self)

    def commit(self, change: Change) -> list[BalanceRow]:
        """Apply a change and return the balances that it touched.

        Raises:   InsufficientBalance or ArithmeticError, with nothing applied.
        """
        moved: dict[str, Decimal] = dict(change.fees)
        for (account_id, asset), after in change.balances.items():
            if after.available < 0 or after.locked < 0:
                raise InsufficientBalance(f"{asset} of {account_id} would become {after}")
            moved[asset] = moved.get(asset, ZERO) + after.total - self.balance(account_id, asset).total
        if any(moved.values()):
            raise ArithmeticError(f"a change must conserve every asset, but it moves {moved}")
        for (account_id, asset), after in change.balances.items():
            self._accounts.setdefault(account_id, {})[asset] = after
        for asset, fee in change.fees.items():
            self.fees[asset] = self.fees.get(asset, ZERO) + fee
        return [(account_id, asset, after) for (account_id, asset), after in change.balances.items()]

    def totals(self) -> dict[str, Decimal]:
        """Return per asset the sum over all accounts and the collected fees; it equals `deposited`, always."""
        totals = dict(self.fees)
        for balances in self._accounts.values():
            for asset, balance in balances.items():
                totals[asset] = totals.get(asset, ZERO) + balance.total
        return totals
