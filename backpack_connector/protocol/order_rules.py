"""Say which fields of a new order do not go together. Source: API §4.1."""

from collections.abc import Mapping
from typing import Any

from .enums import OrderType, TimeInForce

_LIMIT, _MARKET = OrderType.LIMIT.value, OrderType.MARKET.value
_EXITS = {"takeProfit": "take-profit", "stopLoss": "stop-loss"}


def order_problem(fields: Mapping[str, Any]) -> str | None:
    """Return one sentence about fields of a new order that contradict each other, or None.

    Shape:    fields as on the wire, each of them valid by itself.
    """
    return (
        _trigger_problem(fields)
        or (_limit_problem(fields) if fields["orderType"] == _LIMIT else _market_problem(fields))
        or _exit_problem(fields)
        or _slippage_problem(fields)
    )


def _trigger_problem(fields: Mapping[str, Any]) -> str | None:
    has_price, has_quantity = "triggerPrice" in fields, "triggerQuantity" in fields
    if has_price != has_quantity:
        return "A conditional order needs both triggerPrice and triggerQuantity."
    if "triggerBy" in fields and not has_price:
        return "triggerBy belongs to a conditional order, which has a triggerPrice and a triggerQuantity."
    if has_price and ("quantity" in fields or "quoteQuantity" in fields):
        return "A conditional order has a triggerQuantity in place of a quantity."
    return None


def _limit_problem(fields: Mapping[str, Any]) -> str | None:
    if "price" not in fields:
        return "A limit order needs a price."
    if "quoteQuantity" in fields:
        return "quoteQuantity is for market orders; a limit order needs a quantity."
    if "quantity" not in fields and "triggerQuantity" not in fields:
        return "A limit order needs a quantity."
    if fields.get("postOnly") and fields.get("timeInForce") in (TimeInForce.IOC.value, TimeInForce.FOK.value):
        return f"A post-only order rests in the book, so it cannot be {fields['timeInForce']}."
    return None


def _market_problem(fields: Mapping[str, Any]) -> str | None:
    if "price" in fields:
        return "A market order has no price; make it a limit order, or leave the price out."
    if fields.get("postOnly"):
        return "A market order cannot be post-only."
    if "triggerQuantity" in fields:
        return None
    if ("quantity" in fields) == ("quoteQuantity" in fields):
        return "A market order needs either a quantity or a quoteQuantity."
    return None


def _exit_problem(fields: Mapping[str, Any]) -> str | None:
    for name, words in _EXITS.items():
        further = [field for field in (f"{name}LimitPrice", f"{name}TriggerBy") if field in fields]
        if further and f"{name}TriggerPrice" not in fields:
            return f"{further[0]} belongs to a {words}, which needs a {name}TriggerPrice."
    return None


def _slippage_problem(fields: Mapping[str, Any]) -> str | None:
    if ("slippageTolerance" in fields) != ("slippageToleranceType" in fields):
        return "slippageTolerance and slippageToleranceType go together."
    return None
