"""Open accounts with faucet money, and keep their settings, orders and fills."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from .ledger import Ledger, Posting
from .lending_positions import ClosedLoan, InterestPayment, LoanMovement
from .orders import Fill, Order
from .positions import Position

DEFAULT_FAUCET: Mapping[str, Decimal] = {
    "USDC": Decimal("10000"),
    "SOL": Decimal("50"),
    "BTC": Decimal("0.2"),
    "ETH": Decimal("2"),
    "USDT": Decimal("1000"),
    "kBONK": Decimal("50000"),
}


class SettlementRow(msgspec.Struct, frozen=True):
    """One row of the settlement history."""

    posting: Posting
    time_us: int


class ClosedPosition(msgspec.Struct, frozen=True):
    """One closed row of the position history."""

    position: Position
    mark_price: Decimal
    closed_us: int
    leverage_limit: Decimal


class FundingPayment(msgspec.Struct, frozen=True):
    """One row of the funding history."""

    symbol: str
    amount: Decimal
    """USDC; positive = received."""
    rate: Decimal
    interval_end_us: int


class Account:
    """One account, named by its public key in base64. Fees are in basis points; negative = rebate (API §5.3)."""

    def __init__(self, account_id: str, opened_us: int, *, is_background: bool = False) -> None:
        self.account_id = account_id
        self.opened_us = opened_us
        self.is_background = is_background
        """Owned by the background flow: nobody asks for its history, so none is kept."""
        self.spot_maker_fee_bps = Decimal(8)
        self.spot_taker_fee_bps = Decimal(10)
        self.futures_maker_fee_bps = Decimal(2)
        self.futures_taker_fee_bps = Decimal(5)
        self.leverage_limit = Decimal(10)
        self.borrow_limit = Decimal("1000000")
        """USDC of all debts together. The exchange's figures are not known."""
        self.is_liquidating = False
        self.opening: dict[str, Decimal] = {}
        """What the faucet gave, by asset."""
        self.auto_settings: dict[str, bool] = {
            "autoBorrowSettlements": True,
            "autoLend": False,
            "autoRealizePnl": True,
            "autoRepayBorrows": True,
        }
        self.open_orders: dict[str, Order] = {}
        self.trigger_orders: dict[str, Order] = {}
        """Orders that wait for their trigger; they hold nothing."""
        self.orders: dict[str, Order] = {}
        """All orders ever accepted, oldest first."""
        self.fills: list[Fill] = []
        self.settlements: list[SettlementRow] = []
        self.funding_payments: list[FundingPayment] = []
        self.closed_positions: list[ClosedPosition] = []
        self.loan_movements: list[LoanMovement] = []
        self.closed_loans: list[ClosedLoan] = []
        self.interest_payments: list[InterestPayment] = []

    def remember_posting(self, posting: Posting, time_us: int) -> None:
        """Keep what futures gave or took."""
        if not self.is_background:
            self.settlements.append(SettlementRow(posting, time_us))

    def remember_funding(self, payment: FundingPayment) -> None:
        """Keep a funding payment."""
        if not self.is_background:
            self.funding_payments.append(payment)

    def remember_closed(self, position: Position, mark_price: Decimal, time_us: int) -> None:
        """Keep a position that was closed."""
        if not self.is_background:
            self.closed_positions.append(ClosedPosition(position, mark_price, time_us, self.leverage_limit))

    def remember_lending(self, row: LoanMovement | ClosedLoan | InterestPayment) -> None:
        """Keep what was lent, borrowed or paid for it."""
        if isinstance(row, LoanMovement):
            self.loan_movements.append(row)
        elif isinstance(row, ClosedLoan):
            self.closed_loans.append(row)
        else:
            self.interest_payments.append(row)

    def remember_order(self, order: Order) -> None:
        """Keep an accepted order."""
        if not self.is_background:
            self.orders[order.order_id] = order

    def remember_fill(self, fill: Fill) -> None:
        """Keep an execution."""
        if not self.is_background:
            self.fills.append(fill)

    @property
    def all_open_orders(self) -> list[Order]:
        """Return the orders that rest, oldest first, and then those that wait for their trigger."""
        return [*self.open_orders.values(), *self.trigger_orders.values()]

    def open_order(self, symbol: str, order_id: str | None, client_id: int | None) -> Order | None:
        """Return the order that rests or waits for its trigger and that an id names, or None.

        The exchange does not say what a repeated client id does (API §4.1); here the newest resting order wins, and a
        resting order over a waiting one.
        """
        if order_id is not None:
            order = self.open_orders.get(order_id) or self.trigger_orders.get(order_id)
            return order if order is not None and order.symbol == symbol else None
        if client_id is None:
            return None
        for order in (*reversed(self.open_orders.values()), *reversed(self.trigger_orders.values())):
            if order.client_id == client_id and order.symbol == symbol:
                return order
        return None


class Accounts:
    """All accounts by id; an unknown one is opened with the faucet's amounts."""

    def __init__(self, ledger: Ledger, faucet: Mapping[str, Decimal]) -> None:
        self._ledger = ledger
        self._accounts: dict[str, Account] = {}
        self.faucet = dict(faucet)
        self.unfunded: set[str] = set()
        """Accounts that the faucet gives nothing: those of the exchange's vaults."""

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def get(self, account_id: str) -> Account | None:
        """Return an account, or None when it was never opened."""
        return self._accounts.get(account_id)

    def open(self, account_id: str, now_us: int) -> Account:
        """Return an account, opening it with faucet money at the first call."""
        account = self._accounts.get(account_id)
        if account is not None:
            return account
        return self._add(Account(account_id, now_us), {} if account_id in self.unfunded else self.faucet)

    def open_background(self, account_id: str, now_us: int, deposits: Mapping[str, Decimal]) -> Account:
        """Open an account of the background flow."""
        return self._add(Account(account_id, now_us, is_background=True), deposits)

    def _add(self, account: Account, deposits: Mapping[str, Decimal]) -> Account:
        self._accounts[account.account_id] = account
        account.opening = dict(deposits)
        for asset, amount in deposits.items():
            self._ledger.deposit(account.account_id, asset, amount)
        return account
