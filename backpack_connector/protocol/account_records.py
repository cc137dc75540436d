"""Define what REST answers about an account beside orders and open positions: limits, transfers, settlements.

Words that only describe are plain text, so that a new one is harmless. Source: API §2.2, §2.3.
"""

from decimal import Decimal

from .models import Transfer
from .wire import WireStruct


class PositionRecord(WireStruct, frozen=True, kw_only=True):
    """One row of get_position_history. Source: schema PositionHistoryRow."""

    id: str
    symbol: str
    net_quantity: Decimal
    net_exposure_quantity: Decimal
    net_exposure_notional: Decimal
    net_cost: Decimal
    mark_price: Decimal
    entry_price: Decimal
    cumulative_pnl_realized: Decimal
    unrealized_pnl: Decimal
    funding_quantity: Decimal
    """USDC; positive = received."""
    interest: Decimal
    liquidated: Decimal
    imf: Decimal
    fees: Decimal
    state: str
    closed_volume: Decimal
    liquidation_fees: Decimal
    closing_price: Decimal | None = None
    account_leverage: Decimal | None = None
    opened_at: str | None = None
    """UTC text without zone; likewise `closed_at`."""
    closed_at: str | None = None


class MaxBorrow(WireStruct, frozen=True, kw_only=True):
    """Answer of get_max_borrow_quantity. Source: schema MaxBorrowQuantity."""

    max_borrow_quantity: Decimal
    symbol: str


class MaxOrder(WireStruct, frozen=True, kw_only=True):
    """Answer of get_max_order_quantity. Source: schema MaxOrderQuantity."""

    max_order_quantity: Decimal
    side: str
    symbol: str
    auto_borrow: bool | None = None
    auto_borrow_repay: bool | None = None
    auto_lend_redeem: bool | None = None
    price: Decimal | None = None
    reduce_only: bool | None = None


class MaxWithdrawal(WireStruct, frozen=True, kw_only=True):
    """Answer of get_max_withdrawal_quantity. Source: schema MaxWithdrawalQuantity."""

    max_withdrawal_quantity: Decimal
    symbol: str
    auto_borrow: bool | None = None
    auto_lend_redeem: bool | None = None


class Deposit(Transfer, frozen=True, kw_only=True):
    """One row of get_deposits. Source: schema Deposit."""

    source: str
    created_at: str
    """UTC text without zone."""
    to_address: str | None = None
    from_address: str | None = None
    transaction_hash: str | None = None
    fiat_amount: Decimal | None = None
    fiat_currency: str | None = None
    institution_bic: str | None = None
    platform_memo: str | None = None


class DepositAddress(WireStruct, frozen=True, kw_only=True):
    """Answer of get_deposit_address. Source: schema DepositAddress."""

    address: str


class Withdrawal(Transfer, frozen=True, kw_only=True):
    """Answer of request_withdrawal and one row of get_withdrawals; the fee is in units of the asset.

    Source:   schema Withdrawal.
    """

    blockchain: str
    fee: Decimal
    to_address: str
    created_at: str
    """UTC text without zone."""
    is_internal: bool
    client_id: str | None = None
    identifier: str | None = None
    fiat_fee: Decimal | None = None
    fiat_state: str | None = None
    fiat_symbol: str | None = None
    provider_id: str | None = None
    subaccount_id: int | None = None
    transaction_hash: str | None = None
    bank_name: str | None = None
    bank_identifier: str | None = None
    account_identifier: str | None = None
    trigger_at: str | None = None


class DustConversion(WireStruct, frozen=True, kw_only=True):
    """One row of get_dust_history. Source: schema DustConversion."""

    id: int
    quantity: Decimal
    symbol: str
    usdc_received: Decimal
    timestamp: str


class Settlement(WireStruct, frozen=True, kw_only=True):
    """One row of get_settlement_history; the quantity is in USDC. Source: schema Settlement."""

    quantity: Decimal
    source: str
    timestamp: str
    """UTC text without zone."""
    user_id: int
    subaccount_id: int | None = None
    position_id: str | None = None
    engine_sequence: int | None = None


class WithdrawalDelay(WireStruct, frozen=True, kw_only=True):
    """Answer of get_withdrawal_delay. Source: schema WithdrawalDelay."""

    current_withdrawal_delay_hours: int | None = None
    pending_withdrawal_delay_hours: int | None = None
    pending_withdrawal_delay_hours_enabled_at: str | None = None
