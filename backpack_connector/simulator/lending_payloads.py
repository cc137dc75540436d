"""Write lending markets, positions and their histories as the REST interface shows them.

Sources: schemas BorrowLendMarket, BorrowLendHistory, BorrowLendPositionWithMargin, BorrowLendMovement,
BorrowLendPositionRow, InterestPayment, CollateralSummary. Rates are fractions a year. Times of markets have a zone
(`date-time`), those of histories have none (`naive-date-time`). Signs are a choice: what is received is positive, and
rows about one position show quantities without sign where their side is told.
"""

from decimal import Decimal, localcontext

from backpack_connector.protocol.units import decimal_text, iso_from_us

from .collateral import DEBT_IMF, DEBT_MMF, weight_of
from .futures_payloads import margin_function_payload, shown
from .ledger import EXACT, SETTLEMENT_ASSET
from .lending import LendingState, PoolSample
from .lending_positions import ClosedLoan, InterestPayment, Loan, LoanMovement
from .lending_rates import STEP_SIZE, Pool
from .orders import ZERO
from .payloads import Json


def lending_market_payload(asset: str, state: LendingState, pool: Pool, price: Decimal, time_us: int) -> Json:
    """Return a row of the lending markets."""
    terms = pool.terms
    return {
        "assetMarkPrice": decimal_text(price),
        "borrowInterestRate": decimal_text(pool.borrow_rate),
        "borrowedQuantity": decimal_text(pool.borrowed),
        "fee": decimal_text(terms.fee),
        "lendInterestRate": decimal_text(pool.lend_rate),
        "lentQuantity": decimal_text(pool.lent),
        "maxUtilization": decimal_text(terms.max_utilization),
        "openBorrowLendLimit": decimal_text(terms.open_limit),
        "optimalUtilization": decimal_text(terms.optimal_utilization),
        "state": state.value,
        "stepSize": decimal_text(STEP_SIZE),
        "symbol": asset,
        "throttleUpdateFraction": decimal_text(terms.throttle_fraction),
        "throttleUtilizationBound": decimal_text(terms.throttle_bound),
        "throttleUtilizationThreshold": decimal_text(terms.throttle_threshold),
        "timestamp": _with_zone(time_us),
        "utilization": decimal_text(pool.utilization),
    }


def _with_zone(time_us: int) -> str:
    return f"{iso_from_us(time_us)}Z"


def pool_sample_payload(sample: PoolSample) -> Json:
    """Return a row of the lending markets' history; it does not say which market it is about."""
    pool = sample.pool
    return {
        "borrowInterestRate": decimal_text(pool.borrow_rate),
        "borrowedQuantity": decimal_text(pool.borrowed),
        "lendInterestRate": decimal_text(pool.lend_rate),
        "lentQuantity": decimal_text(pool.lent),
        "timestamp": _with_zone(sample.time_us),
        "utilization": decimal_text(pool.utilization),
    }


def apy_payload(asset: str, pool: Pool) -> Json:
    """Return the two rates of an asset."""
    return {
        "borrowRate": decimal_text(pool.borrow_rate),
        "lendRate": decimal_text(pool.lend_rate),
        "symbol": asset,
    }


def loan_payload(loan: Loan, price: Decimal, leverage_limit: Decimal, liquidation_price: Decimal | None) -> Json:
    """Return an open position; lends have no exposure."""
    with localcontext(EXACT):
        exposure = loan.borrowed * price
    return {
        "cumulativeInterest": decimal_text(loan.interest),
        "estLiquidationPrice": decimal_text(liquidation_price or ZERO),
        "id": loan.position_id,
        "imf": shown(DEBT_IMF.fraction(exposure, leverage_limit)),
        "imfFunction": margin_function_payload(DEBT_IMF),
        "markPrice": decimal_text(price),
        "mmf": shown(DEBT_MMF.fraction(exposure)),
        "mmfFunction": margin_function_payload(DEBT_MMF),
        "netExposureNotional": decimal_text(-exposure),
        "netExposureQuantity": decimal_text(min(ZERO, loan.quantity)),
        "netQuantity": decimal_text(loan.quantity),
        "symbol": loan.asset,
    }


def loan_row(row: Loan | ClosedLoan) -> Json:
    """Return a position of the position history."""
    loan = row.loan if isinstance(row, ClosedLoan) else row
    return {
        "avgInterestRate": shown(loan.rate_sum / loan.payments if loan.payments else ZERO),
        "createdAt": iso_from_us(loan.opened_us),
        "cumulativeInterest": decimal_text(loan.interest),
        "positionId": loan.position_id,
        "quantity": decimal_text(abs(loan.quantity)),
        "side": loan.last_side.value,
        "source": loan.source.value,
        "symbol": loan.asset,
    }


def loan_movement_payload(movement: LoanMovement) -> Json:
    """Return a row of the history of borrows and lends."""
    payload = {
        "eventType": movement.event.value,
        "positionId": movement.position_id,
        "positionQuantity": decimal_text(movement.position_quantity),
        "quantity": decimal_text(movement.quantity),
        "source": movement.source.value,
        "symbol": movement.asset,
        "timestamp": iso_from_us(movement.time_us),
    }
    return payload if movement.order_id is None else {**payload, "spotMarginOrderId": movement.order_id}


def market_symbol_of(asset: str) -> str:
    """Return the spot market that interest on an asset is booked under; of USDC itself, which has none, a choice."""
    return f"{asset}_{SETTLEMENT_ASSET}"


def interest_payload(payment: InterestPayment) -> Json:
    """Return a row of the interest history; `interval` in milliseconds, as everywhere in REST."""
    return {
        "interestRate": decimal_text(payment.yearly_rate),
        "interval": payment.interval_ms,
        "marketSymbol": market_symbol_of(payment.asset),
        "paymentType": payment.kind.value,
        "positionId": payment.position_id,
        "quantity": decimal_text(payment.amount),
        "symbol": payment.asset,
        "timestamp": iso_from_us(payment.time_us),
    }


def collateral_parameters_payload(asset: str) -> Json:
    """Return how an asset counts as collateral, and what margin a debt of it needs."""
    return {
        "haircutFunction": {"kind": {"type": "identity"}, "weight": decimal_text(weight_of(asset))},
        "imfFunction": margin_function_payload(DEBT_IMF),
        "mmfFunction": margin_function_payload(DEBT_MMF),
        "symbol": asset,
    }
