"""Define what REST answers about borrowing and lending.

Words that only describe are plain text, so that a new one is harmless. Source: API §2.2, §2.3.
"""

from decimal import Decimal

from .wire import WireStruct


class EstimatedLiquidationPrice(WireStruct, frozen=True, kw_only=True):
    """Answer of get_borrow_lend_estimated_liquidation_price. Source: schema PositionEstimatedLiquidationPrice."""

    liquidation_price: Decimal
    mark_price: Decimal


class LendingEvent(WireStruct, frozen=True, kw_only=True):
    """One row of get_borrow_lend_history. Source: schema BorrowLendMovement."""

    event_type: str
    position_id: str
    quantity: Decimal
    source: str
    symbol: str
    timestamp: str
    """UTC text without zone."""
    position_quantity: Decimal | None = None
    spot_margin_order_id: str | None = None


class InterestPayment(WireStruct, frozen=True, kw_only=True):
    """One row of get_interest_history. Source: schema InterestPayment."""

    payment_type: str
    interest_rate: Decimal
    interval: int
    """Of the payment, as the exchange counts it; no source names the unit."""
    market_symbol: str
    position_id: str
    quantity: Decimal
    symbol: str
    timestamp: str


class LendingRecord(WireStruct, frozen=True, kw_only=True):
    """One row of get_borrow_lend_position_history. Source: schema BorrowLendPositionRow."""

    position_id: str
    quantity: Decimal
    symbol: str
    source: str
    cumulative_interest: Decimal
    avg_interest_rate: Decimal
    side: str
    created_at: str


class LendingMarket(WireStruct, frozen=True, kw_only=True):
    """One row of get_borrow_lend_markets; rates and utilisations are fractions, rates a year.

    Source:   schema BorrowLendMarket.
    """

    state: str
    asset_mark_price: Decimal
    borrow_interest_rate: Decimal
    borrowed_quantity: Decimal
    fee: Decimal
    lend_interest_rate: Decimal
    lent_quantity: Decimal
    max_utilization: Decimal
    open_borrow_lend_limit: Decimal
    optimal_utilization: Decimal
    symbol: str
    timestamp: str
    throttle_utilization_threshold: Decimal
    throttle_utilization_bound: Decimal
    throttle_update_fraction: Decimal
    utilization: Decimal
    step_size: Decimal


class LendingMarketRecord(WireStruct, frozen=True, kw_only=True):
    """One summary of a lending market at one time; rates are fractions a year. Source: schema BorrowLendHistory."""

    borrow_interest_rate: Decimal
    borrowed_quantity: Decimal
    lend_interest_rate: Decimal
    lent_quantity: Decimal
    timestamp: str
    utilization: Decimal


class LendingApy(WireStruct, frozen=True, kw_only=True):
    """What lending and borrowing an asset yields and costs. Source: schema BorrowLendApyRate."""

    symbol: str
    borrow_rate: Decimal
    lend_rate: Decimal


class StakingApy(WireStruct, frozen=True, kw_only=True):
    """What staking an asset yields. Source: schema StakingApyRate."""

    symbol: str
    dilution_factor: Decimal
    staking_rate: Decimal


class ApyRates(WireStruct, frozen=True, kw_only=True):
    """Answer of get_apy_rates. Source: schema ApyRates."""

    borrow_lend: list[LendingApy]
    staking: list[StakingApy]
