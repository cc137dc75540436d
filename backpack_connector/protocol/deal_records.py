"""Define what REST answers about requests for quotes, strategies and vaults.

Words that only describe are plain text, so that a new one is harmless. Source: API §2.2, §2.3 (RFQ, strategy).
"""

from decimal import Decimal

from .wire import WireStruct


class Rfq(WireStruct, frozen=True, kw_only=True):
    """Answer of submit_rfq, accept_quote, refresh_rfq and cancel_rfq; times in milliseconds.

    Source:   schema RequestForQuote.
    """

    rfq_id: str
    symbol: str
    side: str
    submission_time: int
    expiry_time: int
    status: str
    execution_mode: str
    created_at: int
    client_id: int | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    system_order_type: str | None = None


class Quote(WireStruct, frozen=True, kw_only=True):
    """Answer of submit_quote; the time is in milliseconds. Source: schema Quote."""

    rfq_id: str
    quote_id: str
    bid_price: Decimal
    ask_price: Decimal
    status: str
    created_at: int
    client_id: int | None = None


class RfqWithQuotes(WireStruct, frozen=True, kw_only=True):
    """One row of get_open_rfqs. Source: schema RfqWithQuotes."""

    rfq: Rfq
    quotes: list[Quote]


class RfqRecord(WireStruct, frozen=True, kw_only=True):
    """One row of get_rfq_history; times are UTC text. Source: schema RequestForQuoteHistorical."""

    rfq_id: str
    symbol: str
    side: str
    submission_time: str
    expiry_time: str
    status: str
    execution_mode: str
    created_at: str
    client_id: int | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    deferred_settlement_quote_id: str | None = None


class QuoteRecord(WireStruct, frozen=True, kw_only=True):
    """One row of get_quote_history. Source: schema QuoteHistorical."""

    rfq_id: str
    quote_id: str
    bid_price: Decimal
    ask_price: Decimal
    status: str
    created_at: str
    deferred_settlement: bool
    client_id: int | None = None


class RfqFill(WireStruct, frozen=True, kw_only=True):
    """One row of get_rfq_fill_history. Source: schema RequestForQuoteFillHistorical."""

    rfq_id: str
    quote_id: str
    symbol: str
    side: str
    fill_price: Decimal
    created_at: str
    filled_at: str
    client_id: int | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    system_order_type: str | None = None


class QuoteFill(WireStruct, frozen=True, kw_only=True):
    """One row of get_quote_fill_history. Source: schema QuoteFillHistorical."""

    quote_id: str
    rfq_id: str
    symbol: str
    side: str
    quantity: Decimal
    fill_price: Decimal
    fee: Decimal
    fee_symbol: str
    created_at: str
    filled_at: str
    client_id: int | None = None


class ScheduledStrategy(WireStruct, frozen=True, kw_only=True):
    """A strategy as strategy_create, get_strategy and the lists of open ones show it; times in milliseconds.

    Source:   schema ScheduledStrategy.
    """

    strategy_type: str
    id: str
    created_at: int
    executed_quantity: Decimal
    executed_quote_quantity: Decimal
    quantity: Decimal
    self_trade_prevention: str
    status: str
    side: str
    symbol: str
    time_in_force: str
    duration: int
    interval: int
    client_strategy_id: int | None = None
    reduce_only: bool | None = None
    randomized_interval_quantity: bool | None = None
    slippage_tolerance: Decimal | None = None
    slippage_tolerance_type: str | None = None


class StrategyRecord(WireStruct, frozen=True, kw_only=True):
    """One row of get_strategies_history; duration and interval in milliseconds. Source: schema Strategy."""

    id: str
    created_at: str
    strategy_type: str
    self_trade_prevention: str
    status: str
    side: str
    symbol: str
    time_in_force: str
    duration: int
    interval: int
    randomized_interval_quantity: bool
    executed_quantity: Decimal | None = None
    executed_quote_quantity: Decimal | None = None
    cancel_reason: str | None = None
    quantity: Decimal | None = None
    client_strategy_id: int | None = None
    slippage_tolerance: Decimal | None = None
    slippage_tolerance_type: str | None = None


class Vault(WireStruct, frozen=True, kw_only=True):
    """One row of get_vaults. Source: schema Vault."""

    id: int
    vault_token: str
    symbol: str
    mints_enabled: bool
    redeems_enabled: bool
    min_mint_quantity: Decimal
    min_redeem_tokens: Decimal
    redeem_delay_ms: int
    """At least so long lies between the request and the redemption."""
    token_step_size: Decimal
    remaining_mint_quantity: Decimal | None = None


class VaultRedeem(WireStruct, frozen=True, kw_only=True):
    """One row of get_vault_pending_redeems; the time is in milliseconds. Source: schema VaultRedeem."""

    status: str
    id: str
    vault_id: int
    vault_token_quantity: Decimal
    timestamp: int
    vault_token: str | None = None
    symbol: str | None = None
    quantity: Decimal | None = None
    nav: Decimal | None = None
    reason: str | None = None


class VaultNav(WireStruct, frozen=True, kw_only=True):
    """Answer of get_vault_nav; values in USDC. Source: schema VaultNav."""

    nav: Decimal
    twap_nav: Decimal
    mint_nav: Decimal
    """The higher of both values; likewise `redeem_nav`, the lower."""
    redeem_nav: Decimal
    vault_equity: Decimal
    net_equity: Decimal
    token_circulating_supply: Decimal
    last_crank_timestamp: int | None = None


class VaultRecord(WireStruct, frozen=True, kw_only=True):
    """One row of get_vault_history; values in USDC. Source: schema VaultHistory."""

    vault_id: int
    timestamp: str
    nav: Decimal | None = None
    vault_equity: Decimal | None = None
    token_circulating_supply: Decimal | None = None
