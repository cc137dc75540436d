"""Keep the accounts' balances and positions exactly: compute a change, check it, then commit it whole.

Rule 1: no balance below zero, neither available nor locked.
Rule 2: what a change takes somewhere it puts somewhere: the sum over accounts, collected fees and the clearing house is
        zero per asset, and the positions of a market add up to zero.
Rule 3: a change that breaks a rule is not applied at all.
Rule 4: money is computed in EXACT, which raises instead of rounding.

The clearing house stands between winners and losers, who are settled at different times: it pays profits and takes
losses, and may be below zero meanwhile. What an account owes it and has no USDC for stays as a claim (`unsettled`,
negative), as does a debt that nobody will pay. So at any prices: clearing house = unrealised profits + claims.

What is lent leaves the balances and what is borrowed comes into them; the pool of an asset has what was lent and not
borrowed. Interest makes debts and what is owed to lenders grow alike and moves no balance, so that the pool's funds are
lent - borrowed, always, and never below zero (lending.py).
"""

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from enum import Enum
from itertools import count

import msgspec

from backpack_connector.protocol.enums import PositionEvent

from .lending_books import LoanBook, LoanChange
from .lending_positions import LoanSource
from .orders import ZERO
from .positions import Position, PositionFill, after_fill

# Requests carry at most 28 digits, so that a product of two has 56 and their sums fit as well.
EXACT = Context(prec=72, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])

SETTLEMENT_ASSET = "USDC"
"""Perpetual futures pay profits, fees and funding in it (API §5.1)."""


class SettlementSource(str, Enum):
    """Why perpetual futures moved USDC. Source: schema SettlementSource; the others do not occur here."""

    FUNDING_PAYMENT = "FundingPayment"
    REALIZE_PNL = "RealizePnl"
    TRADING_FEES = "TradingFees"
    TRADING_FEES_SYSTEM = "TradingFeesSystem"


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


class Posting(msgspec.Struct, frozen=True):
    """An amount of USDC that perpetual futures gave to an account, or took; for the settlement history."""

    account_id: str
    source: SettlementSource
    amount: Decimal
    """Positive = received."""
    position_id: str


class PositionMove(msgspec.Struct, frozen=True):
    """What a change made of one position; a closed one has quantity zero."""

    account_id: str
    kind: PositionEvent
    position: Position


class Change:
    """A set of movements that will happen together or not at all."""

    def __init__(self, ledger: "Ledger") -> None:
        self._ledger = ledger
        self.balances: dict[tuple[str, str], Balance] = {}
        self.fees: dict[str, Decimal] = {}
        self.house: Decimal = ZERO
        """USDC that the clearing house gets."""
        self.unsettled: dict[str, Decimal] = {}
        self.positions: dict[tuple[str, str], Position | None] = {}
        """By account and symbol; None when the position is closed."""
        self.closed: list[tuple[str, Position]] = []
        self.postings: list[Posting] = []
        self.moves: list[PositionMove] = []
        """Filled by the commit."""
        self.loans = LoanChange(ledger.loans)
        self.leaving: dict[str, Decimal] = {}
        """What leaves the exchange, by asset; negative = arrives from outside."""

    def balance(self, account_id: str, asset: str) -> Balance:
        """Return an account's balance of an asset as it will be."""
        return self._balance(account_id, asset)

    def _balance(self, account_id: str, asset: str) -> Balance:
        balance = self.balances.get((account_id, asset))
        return self._ledger.balance(account_id, asset) if balance is None else balance

    def hold(self, account_id: str, asset: str, amount: Decimal) -> None:
        """Move an amount from available to locked.

        Raises:   InsufficientBalance at once, because a hold comes before the acceptance of an order.
        """
        if not amount:
            return
        before = self._balance(account_id, asset)
        if before.available < amount:
            raise InsufficientBalance(f"{asset}: {amount} needed, {before.available} available")
        self.balances[account_id, asset] = Balance(before.available - amount, before.locked + amount)

    def release(self, account_id: str, asset: str, amount: Decimal) -> None:
        """Move an amount from locked to available."""
        if not amount:
            return
        before = self._balance(account_id, asset)
        self.balances[account_id, asset] = Balance(before.available + amount, before.locked - amount)

    def give(self, account_id: str, asset: str, amount: Decimal) -> None:
        """Add an amount to what is available; a negative one is taken. Something else of the change balances it.

        Raises:   InsufficientBalance at once.
        """
        before = self._balance(account_id, asset)
        if before.available + amount < 0:
            raise InsufficientBalance(f"{asset}: {-amount} needed, {before.available} available")
        self.balances[account_id, asset] = Balance(before.available + amount, before.locked)

    def leave(self, asset: str, amount: Decimal) -> None:
        """Let an amount that was taken leave the exchange; a negative one arrives from outside."""
        self.leaving[asset] = self.leaving.get(asset, ZERO) + amount

    def pay(self, payer_id: str, receiver_id: str, asset: str, amount: Decimal, fee: Decimal) -> None:
        """Move an amount out of the payer's locked funds to the receiver, who is charged the fee out of it."""
        payer = self._balance(payer_id, asset)
        self.balances[payer_id, asset] = Balance(payer.available, payer.locked - amount)
        receiver = self._balance(receiver_id, asset)
        self.balances[receiver_id, asset] = Balance(receiver.available + amount - fee, receiver.locked)
        self.collect_fee(asset, fee)

    def collect_fee(self, asset: str, fee: Decimal) -> None:
        """Give an amount to the exchange itself; a negative one it pays."""
        self.fees[asset] = self.fees.get(asset, ZERO) + fee

    def move_loan(
        self,
        account_id: str,
        asset: str,
        amount: Decimal,
        source: LoanSource,
        time_us: int,
        order_id: str | None = None,
    ) -> None:
        """Lend or repay an amount (positive), or redeem or borrow it (negative), out of or into what is available.

        Raises:   InsufficientBalance at once.
        """
        self.give(account_id, asset, -amount)
        self.loans.shift(account_id, asset, amount, source, time_us, order_id)

    def position(self, account_id: str, symbol: str) -> Position | None:
        """Return an account's position in a market as it will be, or None."""
        key = (account_id, symbol)
        return self.positions[key] if key in self.positions else self._ledger.position(account_id, symbol)

    def balances_of(self, account_id: str) -> dict[str, Balance]:
        """Return an account's balances as they will be, by asset."""
        mine = {asset: balance for (owner_id, asset), balance in self.balances.items() if owner_id == account_id}
        return {**self._ledger.balances(account_id), **mine}

    def positions_of(self, account_id: str) -> dict[str, Position]:
        """Return an account's open positions as they will be, by symbol."""
        mine = {symbol: position for (owner_id, symbol), position in self.positions.items() if owner_id == account_id}
        rows = {**self._ledger.positions(account_id), **mine}
        return {symbol: position for symbol, position in rows.items() if position is not None}

    def claim(self, account_id: str) -> Decimal:
        """Return what the clearing house will owe an account; negative = what the account owes."""
        claim = self.unsettled.get(account_id)
        return self._ledger.unsettled(account_id) if claim is None else claim

    def fill(self, account_id: str, fill: PositionFill) -> None:
        """Let a fill change a position: charge its fees, and move what is left of the profit when it closes."""
        opened = self.position(account_id, fill.symbol)
        closed, after = after_fill(opened, fill, self._ledger.next_position_id())
        self.positions[account_id, fill.symbol] = after
        touched = after if closed is None else closed
        assert touched is not None
        if closed is not None:
            self.closed.append((account_id, msgspec.structs.replace(closed, realized=closed.cash)))
            self._post(account_id, SettlementSource.REALIZE_PNL, closed.cash - closed.realized, closed.position_id)
        self._charge(account_id, SettlementSource.TRADING_FEES, fill.fee, touched.position_id)
        self._charge(account_id, SettlementSource.TRADING_FEES_SYSTEM, fill.liquidation_fee, touched.position_id)

    def realize(self, account_id: str, position: Position, amount: Decimal) -> None:
        """Move profit of a position into USDC; the position stays as it is."""
        self.positions[account_id, position.symbol] = msgspec.structs.replace(
            position, realized=position.realized + amount
        )
        self._post(account_id, SettlementSource.REALIZE_PNL, amount, position.position_id)

    def fund(self, account_id: str, position: Position, amount: Decimal) -> None:
        """Pay funding for a position; positive = received. What roundings leave goes to the collected fees."""
        self.positions[account_id, position.symbol] = msgspec.structs.replace(
            position, funding=position.funding + amount
        )
        self._post(account_id, SettlementSource.FUNDING_PAYMENT, amount, position.position_id)
        self.house += amount
        self.collect_fee(SETTLEMENT_ASSET, -amount)

    def settle_claim(self, account_id: str) -> None:
        """Take what an account owes out of the USDC that it has meanwhile."""
        self._move(account_id, ZERO)

    def _charge(self, account_id: str, source: SettlementSource, fee: Decimal, position_id: str) -> None:
        self._post(account_id, source, -fee, position_id)
        self.house -= fee
        self.collect_fee(SETTLEMENT_ASSET, fee)

    def _post(self, account_id: str, source: SettlementSource, amount: Decimal, position_id: str) -> None:
        if amount:
            self.postings.append(Posting(account_id, source, amount, position_id))
            self._move(account_id, amount)

    def _move(self, account_id: str, amount: Decimal) -> None:
        """Add an amount to what an account claims, then settle the claim as far as its available USDC goes."""
        claim = self.claim(account_id) + amount
        before = self._balance(account_id, SETTLEMENT_ASSET)
        paid = max(claim, -before.available)
        if paid:
            self.balances[account_id, SETTLEMENT_ASSET] = Balance(before.available + paid, before.locked)
            self.house -= paid
        self.unsettled[account_id] = claim - paid


class Ledger:
    """All balances and positions, the fees collected so far and what was ever deposited."""

    def __init__(self, first_position_id: int = 1) -> None:
        self._accounts: dict[str, dict[str, Balance]] = {}
        self._positions: dict[str, dict[str, Position]] = {}
        self._unsettled: dict[str, Decimal] = {}
        self._position_ids = count(first_position_id)
        self.fees: dict[str, Decimal] = {}
        self.house: Decimal = ZERO
        """USDC of the clearing house."""
        self.deposited: dict[str, Decimal] = {}
        """What has come from outside, less what has left."""
        self.loans = LoanBook(first_position_id)

    def next_position_id(self) -> str:
        """Return a new position id, shared by all markets."""
        return str(next(self._position_ids))

    def position(self, account_id: str, symbol: str) -> Position | None:
        """Return an account's open position in a market, or None."""
        return self._positions.get(account_id, {}).get(symbol)

    def positions(self, account_id: str) -> dict[str, Position]:
        """Return all open positions of an account, by symbol."""
        return dict(self._positions.get(account_id, {}))

    def holders(self, symbol: str) -> list[tuple[str, Position]]:
        """Return all accounts with a position in a market, and the positions."""
        return [
            (account_id, positions[symbol]) for account_id, positions in self._positions.items() if symbol in positions
        ]

    def unsettled(self, account_id: str) -> Decimal:
        """Return what the clearing house owes an account; negative = what the account owes."""
        return self._unsettled.get(account_id, ZERO)

    def debtors(self) -> list[str]:
        """Return the accounts that owe the clearing house something."""
        return list(self._unsettled)

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
        self._check_balances(change)
        self._check_positions(change)
        for (account_id, asset), after in change.balances.items():
            self._accounts.setdefault(account_id, {})[asset] = after
        for asset, fee in change.fees.items():
            self.fees[asset] = self.fees.get(asset, ZERO) + fee
        self.house += change.house
        for asset, amount in change.leaving.items():
            self.deposited[asset] = self.deposited.get(asset, ZERO) - amount
        self.loans.commit(change.loans)
        self._commit_positions(change)
        return [(account_id, asset, after) for (account_id, asset), after in change.balances.items()]

    def _check_balances(self, change: Change) -> None:
        moved: dict[str, Decimal] = dict(change.fees)
        moved[SETTLEMENT_ASSET] = moved.get(SETTLEMENT_ASSET, ZERO) + change.house
        for asset, amount in change.leaving.items():
            moved[asset] = moved.get(asset, ZERO) + amount
        for (account_id, asset), after in change.balances.items():
            if after.available < 0 or after.locked < 0:
                raise InsufficientBalance(f"{asset} of {account_id} would become {after}")
            moved[asset] = moved.get(asset, ZERO) + after.total - self.balance(account_id, asset).total
        for asset, amount in change.loans.moved().items():
            moved[asset] = moved.get(asset, ZERO) + amount
        if any(moved.values()):
            raise ArithmeticError(f"a change must conserve every asset, but it moves {moved}")

    def _check_positions(self, change: Change) -> None:
        moved: dict[str, Decimal] = {}
        for (account_id, symbol), after in change.positions.items():
            before = self.position(account_id, symbol)
            difference = (ZERO if after is None else after.quantity) - (ZERO if before is None else before.quantity)
            moved[symbol] = moved.get(symbol, ZERO) + difference
        if any(moved.values()):
            raise ArithmeticError(f"the positions of a market must add up to zero, but a change moves {moved}")

    def _commit_positions(self, change: Change) -> None:
        for (account_id, symbol), position in change.positions.items():
            change.moves.append(_move_of(account_id, self.position(account_id, symbol), position, change.closed))
            if position is None:
                self._positions.get(account_id, {}).pop(symbol, None)
            else:
                self._positions.setdefault(account_id, {})[symbol] = position
        for account_id, claim in change.unsettled.items():
            self._unsettled[account_id] = claim
            if not claim:
                del self._unsettled[account_id]

    def totals(self) -> dict[str, Decimal]:
        """Return per asset the sum over accounts, fees, pools and the clearing house; it equals `deposited`, always."""
        totals = dict(self.fees)
        for asset, lent in self.loans.lent.items():
            totals[asset] = totals.get(asset, ZERO) + lent - self.loans.borrowed[asset]
        if self.house:
            totals[SETTLEMENT_ASSET] = totals.get(SETTLEMENT_ASSET, ZERO) + self.house
        for balances in self._accounts.values():
            for asset, balance in balances.items():
                totals[asset] = totals.get(asset, ZERO) + balance.total
        return totals


def _move_of(
    account_id: str, before: Position | None, after: Position | None, closed: list[tuple[str, Position]]
) -> PositionMove:
    """Name what happened to a position. A flip is one adjustment: there was a position, and there is one (API §3.4)."""
    if after is not None:
        return PositionMove(account_id, PositionEvent.OPENED if before is None else PositionEvent.ADJUSTED, after)
    assert before is not None
    ended = next(row for owner_id, row in closed if (owner_id, row.position_id) == (account_id, before.position_id))
    return PositionMove(account_id, PositionEvent.CLOSED, ended)
