"""Write strategies as the REST interface shows them. Source: schemas ScheduledStrategy, Strategy."""

from backpack_connector.protocol.units import decimal_text, iso_from_us

from .clock import ms_from_us
from .payloads import Json, optional_text
from .strategies import Strategy

STRATEGY_TYPE = "Scheduled"


def strategy_payload(strategy: Strategy) -> Json:
    """Return a strategy as POST, GET and DELETE of /strategy show it; `createdAt` in milliseconds."""
    return {
        **_common_fields(strategy),
        "createdAt": ms_from_us(strategy.created_us),
        "reduceOnly": strategy.request.order.reduce_only,
    }


def historical_strategy_payload(strategy: Strategy) -> Json:
    """Return a strategy as the history shows it; `createdAt` as text."""
    return {
        **_common_fields(strategy),
        "cancelReason": None if strategy.end is None else strategy.end.value,
        "createdAt": iso_from_us(strategy.created_us),
    }


def _common_fields(strategy: Strategy) -> Json:
    request, order = strategy.request, strategy.request.order
    tolerance_type = order.slippage_tolerance_type
    return {
        "clientStrategyId": request.client_strategy_id,
        "duration": request.duration_ms,
        "executedQuantity": decimal_text(strategy.executed_quantity),
        "executedQuoteQuantity": decimal_text(strategy.executed_quote_quantity),
        "id": strategy.strategy_id,
        "interval": request.interval_ms,
        "quantity": decimal_text(strategy.quantity),
        "randomizedIntervalQuantity": request.is_randomized,
        "selfTradePrevention": order.self_trade_prevention.value,
        "side": order.side.value,
        "slippageTolerance": optional_text(order.slippage_tolerance),
        "slippageToleranceType": None if tolerance_type is None else tolerance_type.value,
        "status": strategy.status.value,
        "strategyType": STRATEGY_TYPE,
        "symbol": strategy.symbol,
        "timeInForce": order.time_in_force.value,
    }
