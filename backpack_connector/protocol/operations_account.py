"""State what the operations take and answer that concern an account: settings, limits, money, loans, vaults.

Source: API §2.2, §2.3; official OpenAPI file of 2026-05-24.
"""

from typing import Any

from . import vocabulary as v
from .account_records import (
    Deposit,
    DepositAddress,
    DustConversion,
    MaxBorrow,
    MaxOrder,
    MaxWithdrawal,
    Settlement,
    Withdrawal,
    WithdrawalDelay,
)
from .deal_records import VaultNav, VaultRedeem
from .futures import MarginSummary
from .lending_records import InterestPayment, LendingEvent, LendingRecord
from .models import AccountSummary, Balance, BorrowLendPosition
from .parameters import Operation

_ACCOUNT, _CAPITAL, _DELAYS = "Account", "Capital", "Withdrawal Delays"
_LENDING, _VAULTS = "Borrow Lend", "Vaults"
_SETTINGS = (v.LEVERAGE_LIMIT, v.ACCOUNT_AUTO_LEND, v.AUTO_BORROW_SETTLEMENTS, v.AUTO_REPAY_BORROWS)

ROWS: tuple[Operation, ...] = (
    Operation("get_account", _ACCOUNT, "Return settings, fees and limits of the account.", AccountSummary),
    Operation(
        "update_account_settings",
        _ACCOUNT,
        "Change settings of the account; the leverage counts for all markets.",
        None,
        _SETTINGS,
        at_least_one=tuple(row.name for row in _SETTINGS),
    ),
    Operation(
        "get_max_borrow_quantity",
        _ACCOUNT,
        "Return how much of an asset the account could borrow.",
        MaxBorrow,
        (v.ASSET_SYMBOL.required,),
    ),
    Operation(
        "get_max_order_quantity",
        _ACCOUNT,
        "Return the largest order that the account could place.",
        MaxOrder,
        (
            v.SYMBOL.required,
            v.SIDE.required,
            v.PRICE,
            v.REDUCE_ONLY,
            v.AUTO_BORROW,
            v.AUTO_BORROW_REPAY,
            v.AUTO_LEND_REDEEM,
        ),
    ),
    Operation(
        "get_max_withdrawal_quantity",
        _ACCOUNT,
        "Return how much of an asset the account could withdraw.",
        MaxWithdrawal,
        (v.ASSET_SYMBOL.required, v.AUTO_BORROW, v.AUTO_LEND_REDEEM),
    ),
    Operation(
        "convert_dust",
        _CAPITAL,
        "Convert tiny balances into USDC; all of them without a symbol.",
        None,
        (v.ASSET_SYMBOL,),
    ),
    Operation("get_balances", _CAPITAL, "Return the balance of each asset, without what is lent.", dict[str, Balance]),
    Operation("get_collateral", _CAPITAL, "Return margin and collateral of the account.", MarginSummary),
    Operation(
        "get_deposits",
        _CAPITAL,
        "Return deposits, newest first.",
        list[Deposit],
        (v.FROM, v.TO, *v.PAGE, v.EXCLUDE_PLATFORM),
        page_limit=1_000,
    ),
    Operation(
        "get_deposit_address",
        _CAPITAL,
        "Return the address for deposits over one network.",
        DepositAddress,
        (v.BLOCKCHAIN.required,),
    ),
    Operation(
        "get_withdrawals",
        _CAPITAL,
        "Return withdrawals, newest first.",
        list[Withdrawal],
        (v.RECORD_ID, v.WITHDRAWAL_CLIENT_ID, v.FROM, v.TO, *v.PAGE),
        page_limit=1_000,
    ),
    Operation(
        "request_withdrawal",
        _CAPITAL,
        "Withdraw an asset to an address; the fee comes out of the quantity.",
        Withdrawal,
        (
            v.ADDRESS.required,
            v.BLOCKCHAIN.required,
            v.ASSET_QUANTITY.required,
            v.ASSET_SYMBOL.required,
            v.WITHDRAWAL_CLIENT_ID,
            v.TWO_FACTOR_TOKEN,
            v.AUTO_BORROW,
            v.AUTO_LEND_REDEEM,
        ),
    ),
    Operation(
        "get_dust_history",
        _CAPITAL,
        "Return conversions of tiny balances, newest first.",
        list[DustConversion],
        (v.RECORD_ID, v.ASSET_SYMBOL, *v.SORTED_PAGE),
        page_limit=1_000,
    ),
    Operation(
        "get_settlement_history",
        _CAPITAL,
        "Return settlements of profit, fees and funding, newest first.",
        list[Settlement],
        (*v.PAGE, v.SETTLEMENT_SOURCE, v.SORT_DIRECTION),
        page_limit=1_000,
    ),
    Operation(
        "get_withdrawal_delay",
        _DELAYS,
        "Return how long withdrawals are held back; for the web session only.",
        WithdrawalDelay,
        may_be_empty=True,
    ),
    Operation(
        "create_withdrawal_delay",
        _DELAYS,
        "Have withdrawals held back; for the web session only.",
        None,
        (v.DELAY_HOURS.required, v.TWO_FACTOR_TOKEN.required),
    ),
    Operation(
        "update_withdrawal_delay",
        _DELAYS,
        "Change how long withdrawals are held back; for the web session only.",
        WithdrawalDelay,
        (v.DELAY_HOURS.required, v.TWO_FACTOR_TOKEN.required),
    ),
    Operation(
        "get_borrow_lend_positions", _LENDING, "Return what the account lends and borrows.", list[BorrowLendPosition]
    ),
    Operation(
        "execute_borrow_lend",
        _LENDING,
        "Lend or borrow an asset; borrowing what is lent takes it back, lending what is borrowed repays it.",
        None,
        (v.ASSET_QUANTITY.required, v.LEND_SIDE.required, v.ASSET_SYMBOL.required),
    ),
    Operation(
        "get_borrow_lend_history",
        _LENDING,
        "Return loans, repayments and interest, newest first.",
        list[LendingEvent],
        (v.LEND_EVENT, v.LEND_SOURCES, v.POSITION_ID, v.ASSET_SYMBOL, *v.SORTED_PAGE),
        page_limit=1_000,
    ),
    Operation(
        "get_interest_history",
        _LENDING,
        "Return interest that was paid and received, newest first.",
        list[InterestPayment],
        (v.ASSET, v.SYMBOL, v.POSITION_ID, *v.PAGE, v.INTEREST_SOURCE, v.SORT_DIRECTION),
        page_limit=1_000,
    ),
    Operation(
        "get_borrow_lend_position_history",
        _LENDING,
        "Return past and present loans, newest first.",
        list[LendingRecord],
        (v.ASSET_SYMBOL, v.LEND_SIDE, v.POSITION_STATE, *v.SORTED_PAGE),
        page_limit=1_000,
    ),
    Operation(
        "vault_mint",
        _VAULTS,
        "Put money into a vault in exchange for its tokens.",
        None,
        (v.VAULT_ID.required, v.ASSET_SYMBOL.required, v.ASSET_QUANTITY.required, v.AUTO_BORROW, v.AUTO_LEND_REDEEM),
    ),
    Operation(
        "vault_redeem",
        _VAULTS,
        "Ask for money in exchange for a vault's tokens.",
        None,
        (v.VAULT_ID.required, v.VAULT_TOKENS),
    ),
    Operation("vault_redeem_cancel", _VAULTS, "Take a request for redemption back.", None, (v.VAULT_ID.required,)),
    Operation(
        "get_vault_pending_redeems",
        _VAULTS,
        "Return the open requests for redemption; for the vault's own key only.",
        list[VaultRedeem],
        (v.VAULT_ID.required,),
    ),
    Operation("get_vault_nav", _VAULTS, "Return the value of a vault; for the vault's own key only.", VaultNav),
    # The official Rust client alone names these two; what they take and answer is not known (API §2.2).
    Operation(
        "get_vault_mint_history",
        _VAULTS,
        "Return the account's purchases of vault tokens.",
        list[Any],
        (v.VAULT_ID, *v.PAGE),
        page_limit=1_000,
    ),
    Operation(
        "get_vault_redeem_history",
        _VAULTS,
        "Return the account's redemptions of vault tokens.",
        list[Any],
        (v.VAULT_ID, *v.PAGE),
        page_limit=1_000,
    ),
)
