"""Define what accounts have lent and borrowed: positions, their movements and interest payments.

An account has at most one position per asset: either lent (positive) or borrowed (negative).
Source: schemas BorrowLendPositionWithMargin, BorrowLendMovement, BorrowLendPositionRow, InterestPayment.
"""

from decimal import Decimal
from enum import Enum

import msgspec

from .orders import ZERO


class LoanSide(str, Enum):
    """Source: schema BorrowLendSide."""

    BORROW = "Borrow"
    LEND = "Lend"


class LoanEvent(str, Enum):
    """Source: schema BorrowLendEventType."""

    BORROW = "Borrow"
    BORROW_REPAY = "BorrowRepay"
    LEND = "Lend"
    LEND_REDEEM = "LendRedeem"


class LoanSource(str, Enum):
    """Why something was lent, borrowed or given back. Source: schema BorrowLendSource."""

    ADL_PROVIDER = "AdlProvider"
    AUTO_BORROW_REPAY = "AutoBorrowRepay"
    AUTO_LEND = "AutoLend"
    BACKSTOP_PROVIDER = "BackstopProvider"
    DUST_CONVERSION = "DustConversion"
    INTEREST = "Interest"
    LIQUIDATION = "Liquidation"
    LIQUIDATION_ADL = "LiquidationAdl"
    LIQUIDATION_BACKSTOP = "LiquidationBackstop"
    MANUAL = "Manual"
    RECONCILIATION = "Reconciliation"
    RFQ = "Rfq"
    SPOT_MARGIN = "SpotMargin"
    WITHDRAWAL = "Withdrawal"


class PaymentType(str, Enum):
    """Source: schema PaymentType; those about unrealised profit do not occur, it is realised every ten seconds."""

    BORROW = "Borrow"
    ENTRY_FEE = "EntryFee"
    LEND = "Lend"
    UNREALIZED_NEGATIVE_PNL = "UnrealizedNegativePnl"
    UNREALIZED_POSITIVE_PNL = "UnrealizedPositivePnl"


class Loan(msgspec.Struct, frozen=True, kw_only=True):
    """One position: what an account has lent or borrowed of one asset."""

    position_id: str
    asset: str
    quantity: Decimal
    """Units of the asset; positive = lent, negative = borrowed."""
    source: LoanSource
    """Of the first movement."""
    opened_us: int
    interest: Decimal = ZERO
    """Units of the asset, all payments so far; positive = received."""
    rate_sum: Decimal = ZERO
    """Of the yearly rates of all payments."""
    payments: int = 0
    last_side: LoanSide = LoanSide.LEND
    """What it was, also when nothing is left."""

    @property
    def lent(self) -> Decimal:
        """Return what is lent; zero when it is borrowed."""
        return max(ZERO, self.quantity)

    @property
    def borrowed(self) -> Decimal:
        """Return what is borrowed; zero when it is lent."""
        return max(ZERO, -self.quantity)


class LoanMovement(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a position; for the history."""

    event: LoanEvent
    position_id: str
    asset: str
    quantity: Decimal
    position_quantity: Decimal
    """What the position is for afterwards; unsigned, like `quantity`."""
    source: LoanSource
    time_us: int
    order_id: str | None = None
    """The order with spot margin that asked for it."""


class InterestPayment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment of interest."""

    kind: PaymentType
    asset: str
    position_id: str
    amount: Decimal
    """Units of the asset; positive = received."""
    yearly_rate: Decimal
    """Fraction a year."""
    interval_ms: int
    """How long it is for."""
    time_us: int


class ClosedLoan(msgspec.Struct, frozen=True):
    """A position of which nothing is left."""

    loan: Loan
    closed_us: int


def moved(
    loan: Loan, amount: Decimal, source: LoanSource, time_us: int, order_id: str | None = None
) -> tuple[Loan, LoanMovement]:
    """Return a position after a movement into the pool (positive) or out of it, and the row of the history.

    Raises:   ArithmeticError when what is lent would become borrowed, or the other way round, in one step.
    """
    quantity = loan.quantity + amount
    if quantity * loan.quantity < 0:
        raise ArithmeticError(f"a position of {loan.quantity} {loan.asset} cannot move by {amount} in one step")
    is_debt = quantity < 0 or loan.quantity < 0
    if is_debt:
        event = LoanEvent.BORROW_REPAY if amount > 0 else LoanEvent.BORROW
    else:
        event = LoanEvent.LEND if amount > 0 else LoanEvent.LEND_REDEEM
    side = LoanSide.BORROW if is_debt else LoanSide.LEND
    movement = LoanMovement(
        event=event,
        position_id=loan.position_id,
        asset=loan.asset,
        quantity=abs(amount),
        position_quantity=abs(quantity),
        source=source,
        time_us=time_us,
        order_id=order_id,
    )
    return msgspec.structs.replace(loan, quantity=quantity, last_side=side), movement


def with_interest(loan: Loan, payment: InterestPayment) -> tuple[Loan, LoanMovement | None]:
    """Return a position after interest, which grows it, and the row of the history; none when it rounds to nothing."""
    after = msgspec.structs.replace(
        loan,
        interest=loan.interest + payment.amount,
        rate_sum=loan.rate_sum + payment.yearly_rate,
        payments=loan.payments + 1,
    )
    return moved(after, payment.amount, LoanSource.INTEREST, payment.time_us) if payment.amount else (after, None)
