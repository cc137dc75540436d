"""Every operation answers as the official specification says, on one consistent story."""

from backpack_connector.protocol.endpoints import ENDPOINTS
from tests.judges.walk import Judge

# Operations that the simulator answers with NOT_IMPLEMENTED; this list only becomes shorter.
NOT_YET = {
    "accept_quote",
    "cancel_open_strategies",
    "cancel_rfq",
    "cancel_strategy",
    "convert_dust",
    "create_withdrawal_delay",
    "execute_borrow_lend",
    "get_apy_rates",
    "get_borrow_lend_estimated_liquidation_price",
    "get_borrow_lend_history",
    "get_borrow_lend_markets",
    "get_borrow_lend_markets_history",
    "get_borrow_lend_position_history",
    "get_collateral_parameters",
    "get_deposit_address",
    "get_deposits",
    "get_dust_history",
    "get_interest_history",
    "get_market_sessions",
    "get_max_borrow_quantity",
    "get_max_order_quantity",
    "get_max_withdrawal_quantity",
    "get_open_rfqs",
    "get_open_strategies",
    "get_prediction_events",
    "get_prediction_tags",
    "get_quote_fill_history",
    "get_quote_history",
    "get_rfq_fill_history",
    "get_rfq_history",
    "get_securities",
    "get_stock_holidays",
    "get_stock_indicative_quote",
    "get_stock_sessions",
    "get_strategies_history",
    "get_strategy",
    "get_vault_history",
    "get_vault_mint_history",
    "get_vault_nav",
    "get_vault_pending_redeems",
    "get_vault_redeem_history",
    "get_vaults",
    "get_wallets",
    "get_withdrawal_delay",
    "get_withdrawals",
    "refresh_rfq",
    "request_withdrawal",
    "strategy_create",
    "submit_quote",
    "submit_rfq",
    "update_withdrawal_delay",
    "vault_mint",
    "vault_redeem",
    "vault_redeem_cancel",
}
# Prediction markets and stocks may answer empty lists of the right form.
MAY_BE_EMPTY = {
    "get_borrow_lend_positions",
    "get_market_sessions",
    "get_prediction_events",
    "get_prediction_tags",
    "get_securities",
    "get_stock_holidays",
    "get_stock_sessions",
}


def test_every_operation_is_asked(judge: Judge) -> None:
    assert set(judge.asked) == {row.operation_id for row in ENDPOINTS}


def test_every_answer_is_as_specified(judge: Judge) -> None:
    assert not judge.found, "\n".join(judge.found)


def test_what_is_missing_is_known(judge: Judge) -> None:
    assert judge.missing <= NOT_YET


def test_every_list_was_judged_with_rows_in_it(judge: Judge) -> None:
    empty = {operation for operation in judge.rows if not judge.rows[operation]}
    assert empty - MAY_BE_EMPTY == set()
