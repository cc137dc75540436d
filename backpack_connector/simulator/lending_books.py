"""Keep who has lent and borrowed what, and prepare changes of it, for the ledger."""

from decimal import Decimal
from itertools import count

from .lending_positions import ClosedLoan, InterestPayment, Loan, LoanMovement, LoanSource, moved, with_interest
from .orders import ZERO


class LoanBook:
    """All positions, by account and asset."""

    def __init__(self, first_id: int) -> None:
        self._rows: dict[str, dict[str, Loan]] = {}
        self._ids = count(first_id)
        self.lent: dict[str, Decimal] = {}
        """By asset, of all accounts; likewise `borrowed`."""
        self.borrowed: dict[str, Decimal] = {}

    def new(self, asset: str, source: LoanSource, time_us: int) -> Loan:
        """Return a position of nothing yet, with a new id."""
        return Loan(position_id=str(next(self._ids)), asset=asset, quantity=ZERO, source=source, opened_us=time_us)

    def get(self, account_id: str, asset: str) -> Loan | None:
        """Return what an account has lent or borrowed of an asset, or None."""
        return self._rows.get(account_id, {}).get(asset)

    def of(self, account_id: str) -> dict[str, Loan]:
        """Return all that an account has lent and borrowed, by asset."""
        return dict(self._rows.get(account_id, {}))

    def has_debts(self, account_id: str) -> bool:
        """Tell whether an account has borrowed anything."""
        return any(loan.quantity < 0 for loan in self._rows.get(account_id, {}).values())

    def holders(self, asset: str) -> list[tuple[str, Loan]]:
        """Return all accounts that have lent or borrowed an asset, and their positions."""
        return [(account_id, loans[asset]) for account_id, loans in self._rows.items() if asset in loans]

    def commit(self, change: "LoanChange") -> None:
        """Apply a change."""
        for asset in {asset for _, asset in change.rows}:
            self.lent[asset], self.borrowed[asset] = change.pool(asset)
        for (account_id, asset), loan in change.rows.items():
            if loan is None:
                self._rows.get(account_id, {}).pop(asset, None)
            else:
                self._rows.setdefault(account_id, {})[asset] = loan


class LoanChange:
    """What a change of the ledger does to lent and borrowed positions."""

    def __init__(self, book: LoanBook) -> None:
        self._book = book
        self.rows: dict[tuple[str, str], Loan | None] = {}
        """By account and asset; None when nothing is left of a position."""
        self.history: list[tuple[str, LoanMovement | ClosedLoan | InterestPayment]] = []
        """What accounts will remember, in order."""

    def get(self, account_id: str, asset: str) -> Loan | None:
        """Return what an account will have lent or borrowed of an asset, or None."""
        key = (account_id, asset)
        return self.rows[key] if key in self.rows else self._book.get(account_id, asset)

    def of(self, account_id: str) -> dict[str, Loan]:
        """Return what an account will have lent or borrowed, by asset."""
        mine = {asset: loan for (owner_id, asset), loan in self.rows.items() if owner_id == account_id}
        rows = {**self._book.of(account_id), **mine}
        return {asset: loan for asset, loan in rows.items() if loan is not None}

    def pool(self, asset: str) -> tuple[Decimal, Decimal]:
        """Return what will be lent and borrowed of an asset, by everybody together."""
        lent, borrowed = self._book.lent.get(asset, ZERO), self._book.borrowed.get(asset, ZERO)
        for before, after in self._differences():
            if after.asset == asset:
                lent += after.lent - before.lent
                borrowed += after.borrowed - before.borrowed
        return lent, borrowed

    def moved(self) -> dict[str, Decimal]:
        """Return by asset what the positions grow by, lent less borrowed."""
        sums: dict[str, Decimal] = {}
        for before, after in self._differences():
            sums[after.asset] = sums.get(after.asset, ZERO) + after.quantity - before.quantity
        return sums

    def _differences(self) -> list[tuple[Loan, Loan]]:
        """Return all positions before and after the change."""
        rows = []
        for (account_id, asset), loan in self.rows.items():
            nothing = Loan(position_id="", asset=asset, quantity=ZERO, source=LoanSource.MANUAL, opened_us=0)
            rows.append((self._book.get(account_id, asset) or nothing, loan or nothing))
        return rows

    def shift(
        self,
        account_id: str,
        asset: str,
        amount: Decimal,
        source: LoanSource,
        time_us: int,
        order_id: str | None = None,
    ) -> None:
        """Lend or repay an amount (positive), or redeem or borrow it (negative); the funds are the caller's affair."""
        loan = self.get(account_id, asset) or self._book.new(asset, source, time_us)
        after, movement = moved(loan, amount, source, time_us, order_id)
        self.history.append((account_id, movement))
        self.rows[account_id, asset] = after if after.quantity else None
        if not after.quantity:
            self.history.append((account_id, ClosedLoan(after, time_us)))

    def pay_interest(self, account_id: str, payment: InterestPayment) -> None:
        """Let a position grow by interest: a debt by what is paid, lent funds by what is received."""
        loan = self.get(account_id, payment.asset)
        assert loan is not None
        self.rows[account_id, payment.asset], movement = with_interest(loan, payment)
        self.history.append((account_id, payment))
        if movement is not None:
            self.history.append((account_id, movement))
