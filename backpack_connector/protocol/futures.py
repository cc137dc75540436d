"""Define what REST answers about positions, margin and funding. Source: API §2.3, §5.4, §5.5."""

from decimal import Decimal

import msgspec

from .models import MarginFunction
from .units import seconds_from_iso
from .wire import NotNegative, WireStruct


class Position(WireStruct, frozen=True, kw_only=True):
    """One row of get_positions. Source: schema FuturePositionWithMargin; tests/samples/rest/get_positions.*.json.

    The exchange realises profit into USDC every 10 s without changing the position (API §5.5), so `pnl_unrealized` is
    what is left since then; profit on the open quantity = (mark - entry) x net quantity.
    """

    symbol: str
    net_quantity: Decimal
    """Base units; negative = short."""
    entry_price: NotNegative
    mark_price: NotNegative
    net_exposure_quantity: Decimal
    """Base units, unsigned, with open orders that increase the risk."""
    pnl_realized: Decimal
    """USDC; already part of the USDC balance."""
    pnl_unrealized: Decimal
    """USDC, since the last settlement."""
    position_id: str | int
    break_even_price: Decimal | None = None
    est_liquidation_price: Decimal | None = None
    """Zero unless a single symbol was asked for (API §6, conflict 18)."""
    cumulative_funding_payment: Decimal | None = None
    """USDC; positive = received."""
    imf_function: MarginFunction | None = None
    mmf_function: MarginFunction | None = None
    imf: Decimal | None = None
    """Initial margin fraction; likewise `mmf`, the maintenance margin fraction."""
    mmf: Decimal | None = None
    net_cost: Decimal | None = None
    """USDC; negative = short."""
    net_exposure_notional: Decimal | None = None
    cumulative_interest: Decimal | None = None
    subaccount_id: int | None = None
    user_id: int | None = None


class CollateralAsset(WireStruct, frozen=True, kw_only=True):
    """One asset of get_collateral. Source: schema Collateral. Quantities in units of the asset, values in USDC."""

    symbol: str
    asset_mark_price: Decimal
    total_quantity: Decimal
    balance_notional: Decimal
    collateral_weight: Decimal
    collateral_value: Decimal
    open_order_quantity: Decimal
    lend_quantity: Decimal
    available_quantity: Decimal


class MarginSummary(WireStruct, frozen=True, kw_only=True):
    """Answer of get_collateral, all values in USDC. Source: schema MarginAccountSummary; API §5.5."""

    net_equity: Decimal
    """Collateral value + unrealised profit + unsettled equity - borrow liability."""
    net_equity_available: Decimal
    """Net equity - locked."""
    net_equity_locked: Decimal
    """Sum over markets of initial margin fraction x exposure."""
    net_exposure_futures: Decimal
    pnl_unrealized: Decimal
    unsettled_equity: Decimal
    borrow_liability: Decimal
    assets_value: Decimal
    liabilities_value: Decimal | None = None
    imf: Decimal
    """Initial margin fraction of the account."""
    mmf: Decimal
    """Maintenance margin fraction of the account."""
    margin_fraction: Decimal | None = None
    """Net equity / exposure; absent without exposure."""
    collateral: list[CollateralAsset] = msgspec.field(default_factory=list)


class FundingPayment(WireStruct, frozen=True, kw_only=True):
    """One row of get_funding_payments. Source: schema FundingPayment; API §2.3 (funding)."""

    symbol: str
    quantity: Decimal
    """USDC; positive = received."""
    funding_rate: Decimal
    """Fraction of the position's notional."""
    interval_end_timestamp: str
    """UTC text without zone."""
    subaccount_id: int | None = None
    user_id: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        seconds_from_iso(self.interval_end_timestamp)

    @property
    def payment_timestamp(self) -> float:
        """Return the end of the paid interval in seconds."""
        return seconds_from_iso(self.interval_end_timestamp)
