"""Lend and borrow: by hand, by orders with spot margin, by itself; and pay interest on each full hour.

Rule 1: an account has either lent or borrowed an asset. Lending what is borrowed repays, borrowing what is lent
        redeems, and never more than there is of it.
Rule 2: a new debt needs margin, room below the borrow limit, and a pool that is not used up (lending_rates.py).
Rule 3: interest moves no funds. It makes debts larger, and what lenders have by as much; the exchange, who lends too,
        gets the fee and what roundings leave.
Rule 4: what comes in for an account that wants it (`autoRepayBorrows`) repays debts, and what lies idle is lent
        (`autoLend`), within a second. What was available when the debt was made stays, or nobody could borrow.
The exchange describes these things in few words (API §5.5, §2.2); details that it does not describe are choices.
"""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal, localcontext
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from backpack_connector.protocol.errors import ErrorCode

from .accounts import Account
from .clock import HOUR_US, ms_from_us
from .events import Execution
from .ledger import EXACT, SETTLEMENT_ASSET, Change, InsufficientBalance
from .lending_positions import InterestPayment, Loan, LoanSide, LoanSource, PaymentType
from .lending_rates import (
    LENDING_TERMS,
    SEEDED_UTILIZATION,
    Pool,
    entry_fee,
    hours_interest,
    in_steps,
    time_left_us,
)
from .orders import ZERO
from .refusals import Refusal, invalid_request

if TYPE_CHECKING:
    from .engine import Exchange

PROVIDER_ID = "lending-provider"
"""The exchange's own part in every pool; no account, because nobody trades with it."""
BORROWER_ID = "lending-borrower"
"""Everybody who had borrowed before the start."""
_SAMPLES_KEPT = 366 * 24

_Key = tuple[str, str]
"""(account, asset)."""


class LendingState(str, Enum):
    """What a lending market accepts. Source: schema BorrowLendBookState."""

    OPEN = "Open"
    CLOSED = "Closed"
    REPAY_ONLY = "RepayOnly"


class PoolSample(msgspec.Struct, frozen=True):
    """One pool at one moment; for the history."""

    time_us: int
    pool: Pool


class Lending:
    """The part of the exchange that lends."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self._ledger = exchange.ledger
        assets = {row.instrument.base for row in exchange.markets.values()} | {SETTLEMENT_ASSET}
        self.states: dict[str, LendingState] = {asset: LendingState.OPEN for asset in LENDING_TERMS if asset in assets}
        """By asset; the others cannot be lent."""
        self.samples: dict[str, deque[PoolSample]] = {asset: deque(maxlen=_SAMPLES_KEPT) for asset in self.states}
        """One an hour, oldest first."""
        self._arrived: dict[_Key, Decimal] = {}
        """What has come in for accounts with debts since the last second."""
        now_us = exchange.now_us()
        self._last_hour = now_us // HOUR_US
        self._seed(now_us)
        self._sample(now_us)

    def _seed(self, now_us: int) -> None:
        with localcontext(EXACT):
            change = self._ledger.change()
            for asset in self.states:
                provided = LENDING_TERMS[asset].provided
                self._ledger.deposit(PROVIDER_ID, asset, provided)
                change.move_loan(PROVIDER_ID, asset, provided, LoanSource.BACKSTOP_PROVIDER, now_us)
                change.move_loan(BORROWER_ID, asset, -provided * SEEDED_UTILIZATION, LoanSource.MANUAL, now_us)
            self._ledger.commit(change)

    def _sample(self, now_us: int) -> None:
        for asset, samples in self.samples.items():
            samples.append(PoolSample(now_us, self.pool(asset)))

    def pool(self, asset: str, change: Change | None = None) -> Pool:
        """Return the pool of an asset that can be lent, as it is or as it would be after a change."""
        loans = self._ledger.change().loans if change is None else change.loans
        return Pool(LENDING_TERMS[asset], *loans.pool(asset))

    def execute(self, account_id: str, side: LoanSide, asset: str, quantity: Decimal) -> Execution:
        """Lend, redeem, borrow or repay by hand.

        Raises:   Refusal, with nothing changed.
        """
        account = self._exchange.open_account(account_id)
        if account.is_liquidating:
            raise Refusal(ErrorCode.ACCOUNT_LIQUIDATING, "Account is being liquidated")
        if asset not in self.states:
            raise Refusal(ErrorCode.INVALID_ASSET, "Asset cannot be lent or borrowed")
        if quantity <= 0:
            raise Refusal(ErrorCode.INVALID_QUANTITY, "Quantity must be positive")
        if quantity != in_steps(quantity):
            raise invalid_request("Quantity decimal too long")
        with localcontext(EXACT):
            change, time_us = self._ledger.change(), self._exchange.now_us()
            if side is LoanSide.LEND:
                self._lend_or_repay(change, account, asset, quantity, time_us)
            else:
                self._borrow_or_redeem(change, account, asset, quantity, time_us)
            return self._exchange.settle(change)

    def _lend_or_repay(self, change: Change, account: Account, asset: str, quantity: Decimal, time_us: int) -> None:
        loan = change.loans.get(account.account_id, asset)
        is_debt = loan is not None and loan.quantity < 0
        if is_debt and loan is not None and quantity > loan.borrowed:
            raise Refusal(ErrorCode.LEND_REQUIRES_BORROW_REPAY, "Lend requires borrow to be repaid")
        self._check_state(asset, is_new=not is_debt)
        if not is_debt and quantity > self.pool(asset).lending_room:
            raise Refusal(ErrorCode.LEND_LIMIT, "Lend limit exceeded")
        try:
            change.move_loan(account.account_id, asset, quantity, LoanSource.MANUAL, time_us)
        except InsufficientBalance as error:
            raise Refusal(ErrorCode.INSUFFICIENT_FUNDS, "Insufficient funds") from error

    def _borrow_or_redeem(self, change: Change, account: Account, asset: str, quantity: Decimal, time_us: int) -> None:
        loan = change.loans.get(account.account_id, asset)
        if loan is not None and loan.quantity > 0:
            if quantity > loan.lent:
                raise Refusal(ErrorCode.BORROW_REQUIRES_LEND_REDEEM, "Borrow requires lend to be redeemed")
            self._redeem(change, account.account_id, asset, quantity, LoanSource.MANUAL, time_us)
            return
        self._borrow(change, account.account_id, asset, quantity, LoanSource.MANUAL, time_us)
        if self._exchange.risk.margin(account, change=change).available < 0:
            raise Refusal(ErrorCode.INSUFFICIENT_MARGIN, "Insufficient margin")

    def _check_state(self, asset: str, *, is_new: bool) -> None:
        state = self.states[asset]
        if state is LendingState.CLOSED or (is_new and state is not LendingState.OPEN):
            raise Refusal(ErrorCode.TRADING_PAUSED, f"Borrow lend market is {state.value}")

    def fund(
        self,
        change: Change,
        account_id: str,
        asset: str,
        needed: Decimal,
        *,
        redeems: bool,
        borrows: bool,
        source: LoanSource,
        time_us: int,
        order_id: str | None = None,
    ) -> Decimal:
        """Redeem and then borrow what is missing of an available amount; return what was borrowed.

        What still is missing, the caller finds out. So it does whether there is margin for the debt.
        Raises:   Refusal when the pool, the borrow limit or a remaining lend forbids it.
        """
        shortage = needed - change.balance(account_id, asset).available
        if shortage <= 0 or asset not in self.states:
            return ZERO
        loan = change.loans.get(account_id, asset)
        if redeems and loan is not None and loan.quantity > 0:
            part = min(shortage, loan.lent)
            self._redeem(change, account_id, asset, part, source, time_us, order_id)
            shortage -= part
        if shortage > 0 and borrows:
            self._borrow(change, account_id, asset, shortage, source, time_us, order_id)
            return shortage
        return ZERO

    def _redeem(
        self,
        change: Change,
        account_id: str,
        asset: str,
        quantity: Decimal,
        source: LoanSource,
        time_us: int,
        order_id: str | None = None,
    ) -> None:
        self._check_state(asset, is_new=False)
        if quantity > self.pool(asset, change).redeemable:
            raise Refusal(ErrorCode.INSUFFICIENT_SUPPLY, "Insufficient supply")
        change.move_loan(account_id, asset, -quantity, source, time_us, order_id)

    def _borrow(
        self,
        change: Change,
        account_id: str,
        asset: str,
        quantity: Decimal,
        source: LoanSource,
        time_us: int,
        order_id: str | None = None,
    ) -> None:
        loan = change.loans.get(account_id, asset)
        if loan is not None and loan.quantity > 0:
            raise Refusal(ErrorCode.BORROW_REQUIRES_LEND_REDEEM, "Borrow requires lend to be redeemed")
        self._check_state(asset, is_new=True)
        pool = self.pool(asset, change)
        if quantity > pool.room:
            raise Refusal(ErrorCode.INSUFFICIENT_SUPPLY, "Insufficient supply")
        if self.owed(change, account_id) + quantity * self._exchange.risk.price_of(asset) > self._limit_of(account_id):
            raise Refusal(ErrorCode.BORROW_LIMIT, "Borrow limit exceeded")
        change.move_loan(account_id, asset, -quantity, source, time_us, order_id)
        rate = self.pool(asset, change).borrow_rate
        fee = entry_fee(quantity, rate, time_us)
        self._pay(change, account_id, asset, PaymentType.ENTRY_FEE, -fee, rate, time_left_us(time_us), time_us)
        self._pay(change, PROVIDER_ID, asset, PaymentType.LEND, fee, ZERO, time_left_us(time_us), time_us)

    def _limit_of(self, account_id: str) -> Decimal:
        return self._exchange.open_account(account_id).borrow_limit

    def owed(self, change: Change, account_id: str) -> Decimal:
        """Return what an account will have borrowed, in USDC."""
        loans = change.loans.of(account_id)
        return sum((loan.borrowed * self._exchange.risk.price_of(asset) for asset, loan in loans.items()), ZERO)

    def absorb(
        self,
        change: Change,
        account_id: str,
        asset: str,
        received: Decimal,
        *,
        lends: bool,
        repays: bool,
        source: LoanSource,
        time_us: int,
        order_id: str | None = None,
    ) -> None:
        """Repay a debt with what was received, lend the rest, or both, as far as it goes; nothing is refused."""
        if asset not in self.states or self.states[asset] is LendingState.CLOSED:
            return
        left = in_steps(received)
        loan = change.loans.get(account_id, asset)
        debt = ZERO if loan is None else loan.borrowed
        if repays and debt and left > 0:
            part = min(left, debt)
            change.move_loan(account_id, asset, part, source, time_us, order_id)
            left, debt = left - part, debt - part
        if lends and not debt and self.states[asset] is LendingState.OPEN:
            left = min(left, self.pool(asset, change).lending_room)
            if left > 0:
                change.move_loan(account_id, asset, left, source, time_us, order_id)

    def arrivals(self, change: Change) -> list[tuple[_Key, Decimal]]:
        """Return what a change brings for accounts with debts, to be called before its commit; see `note`."""
        found = []
        for (account_id, asset), after in change.balances.items():
            loan = self._ledger.loans.get(account_id, asset)
            if loan is not None and loan.quantity < 0:
                then = change.loans.get(account_id, asset)
                grown = after.available - self._ledger.balance(account_id, asset).available
                grown += (ZERO if then is None else then.quantity) - loan.quantity
                if grown > 0:
                    found.append(((account_id, asset), grown))
        return found

    def note(self, arrived: list[tuple[_Key, Decimal]]) -> None:
        """Remember what has come in, until the next second."""
        for key, amount in arrived:
            self._arrived[key] = self._arrived.get(key, ZERO) + amount

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Pay the interest of a full hour; repay with what has come in; lend what lies idle."""
        if now_us // HOUR_US > self._last_hour:
            self._last_hour = now_us // HOUR_US
            for asset in self.states:
                yield from self._pay_hour(asset, now_us)
            self._sample(now_us)
        arrived, self._arrived = self._arrived, {}
        for (account_id, asset), amount in arrived.items():
            account = self._exchange.open_account(account_id)
            if account.auto_settings["autoRepayBorrows"]:
                yield from self._absorb_idle(account, asset, amount, LoanSource.AUTO_BORROW_REPAY)
        for account in self._exchange.accounts:
            if account.auto_settings["autoLend"] and not account.is_liquidating:
                for asset in self.states:
                    available = self._ledger.balance(account.account_id, asset).available
                    yield from self._absorb_idle(account, asset, available, LoanSource.AUTO_LEND)

    def _absorb_idle(self, account: Account, asset: str, amount: Decimal, source: LoanSource) -> Iterator[Execution]:
        account_id, repays = account.account_id, source is LoanSource.AUTO_BORROW_REPAY
        amount = min(amount, self._ledger.balance(account_id, asset).available)
        with localcontext(EXACT):
            change, time_us = self._ledger.change(), self._exchange.now_us()
            self.absorb(
                change, account_id, asset, amount, lends=not repays, repays=repays, source=source, time_us=time_us
            )
            if change.balances:
                yield self._exchange.settle(change)

    def _pay_hour(self, asset: str, now_us: int) -> Iterator[Execution]:
        """Let borrowers pay an hour, and share it among lenders. Between the exchange's own nothing is paid."""
        holders = self._ledger.loans.holders(asset)
        if all(account_id in (PROVIDER_ID, BORROWER_ID) for account_id, _ in holders):
            return
        pool = self.pool(asset)
        borrow_rate, lend_rate = pool.borrow_rate, pool.lend_rate
        with localcontext(EXACT):
            change, left = self._ledger.change(), ZERO
            for account_id, loan in holders:
                if loan.quantity < 0:
                    amount = hours_interest(loan.borrowed, borrow_rate, rounds_up=True)
                    self._pay(change, account_id, asset, PaymentType.BORROW, -amount, borrow_rate, HOUR_US, now_us)
                    left += amount
            for account_id, loan in holders:
                if loan.quantity > 0 and account_id != PROVIDER_ID:
                    amount = hours_interest(loan.lent, lend_rate, rounds_up=False)
                    self._pay(change, account_id, asset, PaymentType.LEND, amount, lend_rate, HOUR_US, now_us)
                    left -= amount
            self._pay(change, PROVIDER_ID, asset, PaymentType.LEND, left, lend_rate, HOUR_US, now_us)
            yield self._exchange.settle(change)

    def _pay(
        self,
        change: Change,
        account_id: str,
        asset: str,
        kind: PaymentType,
        amount: Decimal,
        rate: Decimal,
        interval_us: int,
        time_us: int,
    ) -> None:
        loan = change.loans.get(account_id, asset)
        assert isinstance(loan, Loan)
        payment = InterestPayment(
            kind=kind,
            asset=asset,
            position_id=loan.position_id,
            amount=amount,
            yearly_rate=rate,
            interval_ms=ms_from_us(interval_us),
            time_us=time_us,
        )
        change.loans.pay_interest(account_id, payment)
