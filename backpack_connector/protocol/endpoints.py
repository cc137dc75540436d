"""List every REST operation of the exchange: one row each, with signing verb, rate pool and effect.

Keys are the official operation ids, so that commands, tools, samples and the official documentation can be read
across. Signing, sending and reading know no operation by name: what they need to know stands in the row.
Source: API §2.2, the official OpenAPI file of 2026-05-24, and the official change log to 2026-10-02.
"""

from dataclasses import dataclass
from enum import Enum

from .errors import ConfigurationError


class Effect(Enum):
    """What an operation does; retry rules, confirmations and read-only switches all read this one column."""

    READS = "reads"
    TRADES = "trades"
    MOVES_FUNDS = "moves funds"
    CONFIGURES = "configures"


class Pool(Enum):
    """The rate pool that an operation draws from. Source: API §2.1.

    UNSTATED marks operations of which no source says whether they count as historical: a client counts them as
    historical, to be safe, and a model of the server as standard.
    """

    STANDARD = "standard"
    HISTORICAL = "historical"
    UNSTATED = "unstated"


@dataclass(frozen=True)
class Endpoint:
    """One REST operation. A missing `instruction` means that the operation is public and not signed."""

    operation_id: str
    method: str
    path: str
    instruction: str | None = None
    effect: Effect = Effect.READS
    pool: Pool = Pool.STANDARD
    is_batch: bool = False
    """The body is a list, and each element is signed with its own instruction (API §1.4)."""
    needs_session: bool = False
    """Only the web session may call it; API keys presumably cannot (API §2.2, note 2)."""

    @property
    def is_signed(self) -> bool:
        """Tell whether the operation needs a signature."""
        return self.instruction is not None

    @property
    def is_safe_to_repeat(self) -> bool:
        """Tell whether sending it twice does no more than sending it once."""
        return self.effect is Effect.READS

    @property
    def sends_body(self) -> bool:
        """Tell whether parameters travel in a JSON body; otherwise they travel in the query. Source: API §1.4."""
        return self.method != "GET"


ENDPOINTS: tuple[Endpoint, ...] = (
    # System
    Endpoint("get_status", "GET", "/api/v1/status"),
    Endpoint("ping", "GET", "/api/v1/ping"),
    Endpoint("get_time", "GET", "/api/v1/time"),
    Endpoint("get_wallets", "GET", "/api/v1/wallets"),
    # Markets
    Endpoint("get_markets", "GET", "/api/v1/markets"),
    Endpoint("get_market", "GET", "/api/v1/market"),
    Endpoint("get_depth", "GET", "/api/v1/depth"),
    Endpoint("get_prediction_events", "GET", "/api/v1/prediction"),
    Endpoint("get_prediction_tags", "GET", "/api/v1/prediction/tags"),
    Endpoint("get_market_sessions", "GET", "/api/v1/market-sessions"),
    Endpoint("get_securities", "GET", "/api/v1/securities"),
    Endpoint("get_mark_prices", "GET", "/api/v1/markPrices"),
    Endpoint("get_open_interest", "GET", "/api/v1/openInterest"),
    Endpoint("get_funding_interval_rates", "GET", "/api/v1/fundingRates", pool=Pool.UNSTATED),
    Endpoint("get_klines", "GET", "/api/v1/klines", pool=Pool.HISTORICAL),
    Endpoint("get_ticker", "GET", "/api/v1/ticker"),
    Endpoint("get_tickers", "GET", "/api/v1/tickers"),
    # Trades
    Endpoint("get_recent_trades", "GET", "/api/v1/trades", pool=Pool.UNSTATED),
    Endpoint("get_historical_trades", "GET", "/api/v1/trades/history", pool=Pool.HISTORICAL),
    # Assets
    Endpoint("get_assets", "GET", "/api/v1/assets"),
    Endpoint("get_collateral_parameters", "GET", "/api/v1/collateral"),
    # Order
    Endpoint("get_order", "GET", "/api/v1/order", "orderQuery"),
    Endpoint("execute_order", "POST", "/api/v1/order", "orderExecute", effect=Effect.TRADES),
    Endpoint("cancel_order", "DELETE", "/api/v1/order", "orderCancel", effect=Effect.TRADES),
    Endpoint("execute_order_batch", "POST", "/api/v1/orders", "orderExecute", effect=Effect.TRADES, is_batch=True),
    Endpoint("get_open_orders", "GET", "/api/v1/orders", "orderQueryAll"),
    Endpoint("cancel_open_orders", "DELETE", "/api/v1/orders", "orderCancelAll", effect=Effect.TRADES),
    Endpoint("get_fills", "GET", "/wapi/v1/history/fills", "fillHistoryQueryAll", pool=Pool.UNSTATED),
    Endpoint("get_order_history", "GET", "/wapi/v1/history/orders", "orderHistoryQueryAll", pool=Pool.UNSTATED),
    # Strategy
    Endpoint("get_strategy", "GET", "/api/v1/strategy", "strategyQuery"),
    Endpoint("strategy_create", "POST", "/api/v1/strategy", "strategyCreate", effect=Effect.TRADES),
    Endpoint("cancel_strategy", "DELETE", "/api/v1/strategy", "strategyCancel", effect=Effect.TRADES),
    Endpoint("get_open_strategies", "GET", "/api/v1/strategies", "strategyQueryAll"),
    Endpoint("cancel_open_strategies", "DELETE", "/api/v1/strategies", "strategyCancelAll", effect=Effect.TRADES),
    Endpoint(
        "get_strategies_history",
        "GET",
        "/wapi/v1/history/strategies",
        "strategyHistoryQueryAll",
        pool=Pool.UNSTATED,
    ),
    # Position
    Endpoint("get_positions", "GET", "/api/v1/position", "positionQuery"),
    Endpoint("get_funding_payments", "GET", "/wapi/v1/history/funding", "fundingHistoryQueryAll", pool=Pool.UNSTATED),
    Endpoint("get_position_history", "GET", "/wapi/v1/history/position", "positionHistoryQueryAll", pool=Pool.UNSTATED),
    # Account
    Endpoint("get_account", "GET", "/api/v1/account", "accountQuery"),
    Endpoint("update_account_settings", "PATCH", "/api/v1/account", "accountUpdate", effect=Effect.CONFIGURES),
    Endpoint("get_max_borrow_quantity", "GET", "/api/v1/account/limits/borrow", "maxBorrowQuantity"),
    Endpoint("get_max_order_quantity", "GET", "/api/v1/account/limits/order", "maxOrderQuantity"),
    Endpoint("get_max_withdrawal_quantity", "GET", "/api/v1/account/limits/withdrawal", "maxWithdrawalQuantity"),
    # Capital
    Endpoint("convert_dust", "POST", "/api/v1/account/convertDust", "convertDust", effect=Effect.TRADES),
    Endpoint("get_balances", "GET", "/api/v1/capital", "balanceQuery"),
    Endpoint("get_collateral", "GET", "/api/v1/capital/collateral", "collateralQuery"),
    Endpoint("get_deposits", "GET", "/wapi/v1/capital/deposits", "depositQueryAll"),
    Endpoint("get_deposit_address", "GET", "/wapi/v1/capital/deposit/address", "depositAddressQuery"),
    Endpoint("get_withdrawals", "GET", "/wapi/v1/capital/withdrawals", "withdrawalQueryAll"),
    Endpoint("request_withdrawal", "POST", "/wapi/v1/capital/withdrawals", "withdraw", effect=Effect.MOVES_FUNDS),
    Endpoint("get_dust_history", "GET", "/wapi/v1/history/dust", "dustHistoryQueryAll", pool=Pool.UNSTATED),
    Endpoint(
        "get_settlement_history",
        "GET",
        "/wapi/v1/history/settlement",
        "settlementHistoryQueryAll",
        pool=Pool.UNSTATED,
    ),
    # Withdrawal Delays
    Endpoint("get_withdrawal_delay", "GET", "/wapi/v1/capital/withdrawals/delay", needs_session=True),
    Endpoint(
        "create_withdrawal_delay",
        "POST",
        "/wapi/v1/capital/withdrawals/delay",
        effect=Effect.CONFIGURES,
        needs_session=True,
    ),
    Endpoint(
        "update_withdrawal_delay",
        "PATCH",
        "/wapi/v1/capital/withdrawals/delay",
        effect=Effect.CONFIGURES,
        needs_session=True,
    ),
    # Borrow Lend
    Endpoint("get_borrow_lend_positions", "GET", "/api/v1/borrowLend/positions", "borrowLendPositionQuery"),
    Endpoint("get_borrow_lend_estimated_liquidation_price", "GET", "/api/v1/borrowLend/position/liquidationPrice"),
    Endpoint("execute_borrow_lend", "POST", "/api/v1/borrowLend", "borrowLendExecute", effect=Effect.TRADES),
    Endpoint(
        "get_borrow_lend_history",
        "GET",
        "/wapi/v1/history/borrowLend",
        "borrowHistoryQueryAll",
        pool=Pool.UNSTATED,
    ),
    Endpoint("get_interest_history", "GET", "/wapi/v1/history/interest", "interestHistoryQueryAll", pool=Pool.UNSTATED),
    Endpoint(
        "get_borrow_lend_position_history",
        "GET",
        "/wapi/v1/history/borrowLend/positions",
        "borrowPositionHistoryQueryAll",
        pool=Pool.UNSTATED,
    ),
    # Borrow Lend Markets
    Endpoint("get_borrow_lend_markets", "GET", "/api/v1/borrowLend/markets"),
    Endpoint("get_borrow_lend_markets_history", "GET", "/api/v1/borrowLend/markets/history", pool=Pool.UNSTATED),
    Endpoint("get_apy_rates", "GET", "/api/v1/borrowLend/apy"),
    # RFQ
    Endpoint("submit_quote", "POST", "/api/v1/rfq/quote", "quoteSubmit", effect=Effect.TRADES),
    Endpoint("get_open_rfqs", "GET", "/api/v1/rfqs", "rfqQuery"),
    Endpoint("submit_rfq", "POST", "/api/v1/rfq", "rfqSubmit", effect=Effect.TRADES),
    Endpoint("accept_quote", "POST", "/api/v1/rfq/accept", "quoteAccept", effect=Effect.TRADES),
    Endpoint("refresh_rfq", "POST", "/api/v1/rfq/refresh", "rfqRefresh", effect=Effect.TRADES),
    Endpoint("cancel_rfq", "POST", "/api/v1/rfq/cancel", "rfqCancel", effect=Effect.TRADES),
    Endpoint("get_rfq_history", "GET", "/wapi/v1/history/rfq", "rfqHistoryQueryAll", pool=Pool.UNSTATED),
    Endpoint("get_quote_history", "GET", "/wapi/v1/history/quote", "quoteHistoryQueryAll", pool=Pool.UNSTATED),
    Endpoint("get_rfq_fill_history", "GET", "/wapi/v1/history/rfq/fill", "rfqFillHistoryQueryAll", pool=Pool.UNSTATED),
    Endpoint(
        "get_quote_fill_history",
        "GET",
        "/wapi/v1/history/quote/fill",
        "quoteFillHistoryQueryAll",
        pool=Pool.UNSTATED,
    ),
    # Vaults
    Endpoint("get_vaults", "GET", "/api/v1/vaults"),
    Endpoint("vault_mint", "POST", "/api/v1/vault/mint", "vaultMint", effect=Effect.TRADES),
    Endpoint("vault_redeem", "POST", "/api/v1/vault/redeem", "vaultRedeemRequest", effect=Effect.TRADES),
    Endpoint("vault_redeem_cancel", "DELETE", "/api/v1/vault/redeem", "vaultRedeemCancel", effect=Effect.TRADES),
    Endpoint("get_vault_pending_redeems", "GET", "/api/v1/vault/redeems/pending", "vaultPendingRedeemsQuery"),
    Endpoint("get_vault_nav", "GET", "/api/v1/vault/nav", "vaultNavQuery"),
    Endpoint("get_vault_history", "GET", "/api/v1/vaults/history", pool=Pool.UNSTATED),
    # Later than the official file of 2026-05-24 (API §2.2, "Added after May 2026")
    Endpoint("get_stock_sessions", "GET", "/api/v1/stockSessions"),
    Endpoint("get_stock_holidays", "GET", "/api/v1/stockHolidays"),
    Endpoint("get_stock_indicative_quote", "GET", "/api/v1/stockIndicativeQuote"),
    Endpoint(
        "get_vault_mint_history",
        "GET",
        "/wapi/v1/history/vault/mint",
        "vaultMintHistoryQueryAll",
        pool=Pool.UNSTATED,
    ),
    Endpoint(
        "get_vault_redeem_history",
        "GET",
        "/wapi/v1/history/vault/redeem",
        "vaultRedeemHistoryQueryAll",
        pool=Pool.UNSTATED,
    ),
)

_BY_OPERATION: dict[str, Endpoint] = {row.operation_id: row for row in ENDPOINTS}
_BY_ROUTE: dict[tuple[str, str], Endpoint] = {(row.method, row.path): row for row in ENDPOINTS}


def endpoint(operation_id: str) -> Endpoint:
    """Return the row of an official operation id.

    Raises:   ConfigurationError for an id that is not in the catalogue.
    """
    try:
        return _BY_OPERATION[operation_id]
    except KeyError:
        raise ConfigurationError(f"There is no operation {operation_id!r} in the catalogue.") from None


def endpoint_at(method: str, path: str) -> Endpoint | None:
    """Return the row of a method and a path, or None when the catalogue has no such route (ARCHITECTURE.md, D1)."""
    return _BY_ROUTE.get((method.upper(), path))
