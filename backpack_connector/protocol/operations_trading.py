"""State what the operations take and answer that trade: orders, strategies, positions, requests for quotes.

Source: API §2.2, §2.3, §4.1; official OpenAPI file of 2026-05-24.
"""

from . import vocabulary as v
from .account_records import PositionRecord
from .deal_records import (
    Quote,
    QuoteFill,
    QuoteRecord,
    Rfq,
    RfqFill,
    RfqRecord,
    RfqWithQuotes,
    ScheduledStrategy,
    StrategyRecord,
)
from .errors import BackpackError
from .futures import FundingPayment, Position
from .models import Fill
from .order_records import FullHistoricalOrder, FullOrder
from .parameters import Operation

_ORDER, _STRATEGY, _POSITION, _RFQ = "Order", "Strategy", "Position", "RFQ"
_ONE_ORDER = ("orderId", "clientId")
_ONE_STRATEGY = ("strategyId", "clientStrategyId")
_ONE_RFQ = ("rfqId", "clientId")
_ONE_QUANTITY = ("quantity", "quoteQuantity")

NEW_ORDER = (
    v.SYMBOL.required,
    v.SIDE.required,
    v.ORDER_TYPE.required,
    v.QUANTITY,
    v.PRICE,
    v.QUOTE_QUANTITY,
    v.TIME_IN_FORCE,
    v.POST_ONLY,
    v.REDUCE_ONLY,
    v.CLIENT_ID,
    v.SELF_TRADE_PREVENTION,
    v.TRIGGER_PRICE,
    v.TRIGGER_QUANTITY,
    v.TRIGGER_BY,
    *v.TAKE_PROFIT,
    *v.STOP_LOSS,
    v.SLIPPAGE_TOLERANCE,
    v.SLIPPAGE_TOLERANCE_TYPE,
    *v.SPOT_MARGIN,
)
"""The parameters of a new order, alone or in a batch."""

ROWS: tuple[Operation, ...] = (
    Operation(
        "get_order",
        _ORDER,
        "Return one open order; one that is finished is not found.",
        FullOrder,
        (v.SYMBOL.required, v.ORDER_ID, v.CLIENT_ID),
        exactly_one=_ONE_ORDER,
    ),
    Operation(
        "execute_order", _ORDER, "Place an order; the answer shows it after it has matched.", FullOrder, NEW_ORDER
    ),
    Operation(
        "cancel_order",
        _ORDER,
        "Cancel one order; None means accepted and not executed yet.",
        FullOrder,
        (v.SYMBOL.required, v.ORDER_ID, v.CLIENT_ID),
        exactly_one=_ONE_ORDER,
        may_be_empty=True,
    ),
    Operation(
        "execute_order_batch",
        _ORDER,
        "Place several orders; for each the answer has the order, or the error that it met instead.",
        list[FullOrder | BackpackError],
        NEW_ORDER,
    ),
    Operation(
        "get_open_orders",
        _ORDER,
        "Return all open orders, those that wait for a trigger included.",
        list[FullOrder],
        (v.MARKET_TYPE, v.SYMBOL),
    ),
    Operation(
        "cancel_open_orders",
        _ORDER,
        "Cancel all orders of a market; None means accepted and not executed yet.",
        list[FullOrder],
        (v.SYMBOL.required, v.CANCEL_ORDER_TYPE),
        may_be_empty=True,
    ),
    Operation(
        "get_fills",
        _ORDER,
        "Return executions of the account's orders, newest first.",
        list[Fill],
        (
            v.ORDER_ID,
            v.STRATEGY_ID,
            v.FROM,
            v.TO,
            v.SYMBOL,
            *v.SORTED_PAGE,
            v.FILL_TYPE,
            v.MARKET_TYPE,
            v.ASSET_CLASS,
        ),
        page_limit=1_000,
    ),
    Operation(
        "get_order_history",
        _ORDER,
        "Return past and present orders, newest first.",
        list[FullHistoricalOrder],
        (v.ORDER_ID, v.STRATEGY_ID, v.SYMBOL, *v.SORTED_PAGE, v.MARKET_TYPE),
        page_limit=1_000,
    ),
    Operation(
        "get_strategy",
        _STRATEGY,
        "Return one running strategy.",
        ScheduledStrategy,
        (v.SYMBOL.required, v.STRATEGY_ID, v.CLIENT_STRATEGY_ID),
        exactly_one=_ONE_STRATEGY,
    ),
    Operation(
        "strategy_create",
        _STRATEGY,
        "Start a strategy: one quantity, sent to the book in slices over a time.",
        ScheduledStrategy,
        (
            v.STRATEGY_TYPE.required,
            v.SIDE.required,
            v.SYMBOL.required,
            v.QUANTITY,
            v.PRICE,
            v.DURATION,
            v.STRATEGY_INTERVAL,
            v.RANDOMIZED,
            v.CLIENT_STRATEGY_ID,
            v.POST_ONLY,
            v.REDUCE_ONLY,
            v.TIME_IN_FORCE,
            v.SELF_TRADE_PREVENTION,
            v.SLIPPAGE_TOLERANCE,
            v.SLIPPAGE_TOLERANCE_TYPE,
            *v.SPOT_MARGIN,
        ),
    ),
    Operation(
        "cancel_strategy",
        _STRATEGY,
        "Cancel one strategy; None means accepted and not executed yet.",
        ScheduledStrategy,
        (v.SYMBOL.required, v.STRATEGY_ID, v.CLIENT_STRATEGY_ID),
        exactly_one=_ONE_STRATEGY,
        may_be_empty=True,
    ),
    Operation(
        "get_open_strategies",
        _STRATEGY,
        "Return all running strategies.",
        list[ScheduledStrategy],
        (v.MARKET_TYPE, v.STRATEGY_TYPE, v.SYMBOL),
    ),
    Operation(
        "cancel_open_strategies",
        _STRATEGY,
        "Cancel all strategies of a market; None means accepted and not executed yet.",
        list[ScheduledStrategy],
        (v.SYMBOL.required, v.STRATEGY_TYPE),
        may_be_empty=True,
    ),
    Operation(
        "get_strategies_history",
        _STRATEGY,
        "Return past and present strategies, newest first.",
        list[StrategyRecord],
        (v.STRATEGY_ID, v.SYMBOL, *v.SORTED_PAGE, v.MARKET_TYPE),
        page_limit=1_000,
    ),
    Operation(
        "get_positions",
        _POSITION,
        "Return the open positions; the liquidation price only where a symbol is given.",
        list[Position],
        (v.SYMBOL, v.MARKET_TYPE),
    ),
    Operation(
        "get_funding_payments",
        _POSITION,
        "Return funding that was paid and received, newest first.",
        list[FundingPayment],
        (v.SYMBOL, *v.SORTED_PAGE),
        page_limit=1_000,
    ),
    Operation(
        "get_position_history",
        _POSITION,
        "Return past and present positions, newest first.",
        list[PositionRecord],
        (v.SYMBOL, v.POSITION_STATE, v.MARKET_TYPE, *v.SORTED_PAGE),
        page_limit=1_000,
    ),
    Operation(
        "submit_quote",
        _RFQ,
        "Answer a request for quotes with a bid and an ask.",
        Quote,
        (v.RFQ_ID.required, v.BID_PRICE.required, v.ASK_PRICE.required, v.CLIENT_ID, *v.SPOT_MARGIN),
    ),
    Operation(
        "get_open_rfqs",
        _RFQ,
        "Return the open requests for quotes with their quotes.",
        list[RfqWithQuotes],
        (v.RFQ_SYMBOL, v.RFQ_ID, v.DEFERRED_SETTLEMENT, v.SUBACCOUNT_ID),
    ),
    Operation(
        "submit_rfq",
        _RFQ,
        "Request quotes for a quantity.",
        Rfq,
        (
            v.RFQ_SYMBOL.required,
            v.SIDE.required,
            v.QUANTITY,
            v.QUOTE_QUANTITY,
            v.EXECUTION_MODE,
            v.RFQ_PRICE,
            v.CLIENT_ID,
            *v.SPOT_MARGIN,
        ),
        exactly_one=_ONE_QUANTITY,
    ),
    Operation(
        "accept_quote",
        _RFQ,
        "Accept the best quote of your request.",
        Rfq,
        (v.QUOTE_ID.required, v.RFQ_ID, v.CLIENT_ID),
        exactly_one=_ONE_RFQ,
    ),
    Operation("refresh_rfq", _RFQ, "Ask for new quotes; those that there are end.", Rfq, (v.RFQ_ID.required,)),
    Operation(
        "cancel_rfq", _RFQ, "Cancel your request for quotes.", Rfq, (v.RFQ_ID, v.CLIENT_ID), exactly_one=_ONE_RFQ
    ),
    Operation(
        "get_rfq_history",
        _RFQ,
        "Return your past requests for quotes, newest first.",
        list[RfqRecord],
        (v.RFQ_ID, v.RFQ_SYMBOL, v.ORDER_STATUS, v.SIDE, *v.SORTED_PAGE, v.DEFERRED_SETTLEMENT),
        page_limit=1_000,
    ),
    Operation(
        "get_quote_history",
        _RFQ,
        "Return your past quotes, newest first.",
        list[QuoteRecord],
        (v.QUOTE_ID, v.RFQ_SYMBOL, v.ORDER_STATUS, *v.SORTED_PAGE, v.DEFERRED_SETTLEMENT),
        page_limit=1_000,
    ),
    Operation(
        "get_rfq_fill_history",
        _RFQ,
        "Return what your requests for quotes were filled with, newest first.",
        list[RfqFill],
        (v.QUOTE_ID, v.RFQ_SYMBOL, v.SIDE, v.RFQ_FILL_TYPE, v.DEFERRED_SETTLEMENT, *v.SORTED_PAGE),
        page_limit=1_000,
    ),
    Operation(
        "get_quote_fill_history",
        _RFQ,
        "Return fills of your quotes, newest first.",
        list[QuoteFill],
        (v.QUOTE_ID, v.RFQ_SYMBOL, v.SIDE, *v.SORTED_PAGE),
        page_limit=1_000,
    ),
)
