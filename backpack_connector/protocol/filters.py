"""Check an order against the rules of its market before it is sent. Source: API §5.2, §5.1."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from statistics import median
from typing import Any

from .enums import OrderBookState, OrderType
from .models import Market
from .units import decimal_text

_QUANTITIES = {"quantity": "quantity", "triggerQuantity": "trigger quantity"}
_PRICES = {
    "price": "price",
    "triggerPrice": "trigger price",
    "takeProfitTriggerPrice": "trigger price of the take-profit",
    "takeProfitLimitPrice": "limit price of the take-profit",
    "stopLossTriggerPrice": "trigger price of the stop-loss",
    "stopLossLimitPrice": "limit price of the stop-loss",
}


def active_price(best_bid: Decimal | None, best_ask: Decimal | None, last: Decimal | None) -> Decimal | None:
    """Return the reference of the limit price band: the median of those prices that there are, or None without any."""
    if best_bid is not None and best_ask is not None and last is not None:
        return sorted((best_bid, best_ask, last))[1]  # as for most orders
    prices: Sequence[Decimal] = [price for price in (best_bid, best_ask, last) if price is not None]
    return median(prices) if prices else None


def refusal(
    market: Market,
    order_type: OrderType,
    quantity: Decimal,
    price: Decimal | None = None,
    *,
    post_only: bool = False,
    reference_price: Decimal | None = None,
) -> str | None:
    """Return one sentence why the exchange would refuse the order, or None when no published rule speaks against it.

    Units:    quantity in base units, prices in quote units; `reference_price` is the market's active price.
    """
    return (
        _state_refusal(market, order_type, post_only)
        or _quantity_refusal(market, quantity)
        or (_price_refusal(market, price, reference_price) if order_type is OrderType.LIMIT else None)
    )


def rule_refusal(market: Market, fields: Mapping[str, Any], *, is_order: bool = True) -> str | None:
    """Return one sentence why the market's filters forbid a price or a quantity, or None; nothing else is looked at.

    Shape:    fields of a request as the wire carries them. Those of what is no order are held to tick and step only:
              nothing is published about how small or large a strategy or a request for quotes may be.
    Units:    as in `refusal`; a percentage of a position has no step.
    """
    for names, problem_of in ((_QUANTITIES, _quantity_problem), (_PRICES, _price_problem)):
        for field, name in names.items():
            text = fields.get(field)
            if text is None or str(text).endswith("%"):
                continue
            problem = problem_of(market, Decimal(text), name, is_order)
            if problem is not None:
                return problem
    return None


def nearest_multiples(value: Decimal, step: Decimal) -> tuple[Decimal, Decimal]:
    """Return the multiples of a step on both sides of a value, the lower one first."""
    lower = value - value % step
    return lower, lower + step


def _state_refusal(market: Market, order_type: OrderType, post_only: bool) -> str | None:
    if not market.accepts_new_orders:
        return f"{market.symbol} takes no new orders now (its order book is {market.order_book_state})."
    if order_type is OrderType.MARKET and not market.accepts_taker_orders:
        return f"{market.symbol} takes no market orders now (its order book is {market.order_book_state})."
    if market.order_book_state == OrderBookState.POST_ONLY and not post_only:
        return f"{market.symbol} takes only post-only orders now; use LIMIT_MAKER."
    return None


def _quantity_refusal(market: Market, quantity: Decimal) -> str | None:
    if not quantity.is_finite() or quantity <= 0:
        return f"The quantity must be a positive number, not {quantity}."
    return _quantity_problem(market, quantity, "quantity", True)


def _quantity_problem(market: Market, quantity: Decimal, name: str, is_bounded: bool) -> str | None:
    rules = market.filters.quantity
    if is_bounded and quantity < rules.min_quantity:
        return _outside(market, name, quantity, "below the minimum", rules.min_quantity)
    if is_bounded and rules.max_quantity is not None and quantity > rules.max_quantity:
        return _outside(market, name, quantity, "above the maximum", rules.max_quantity)
    return _between(market, name, quantity, "step", rules.step_size) if quantity % rules.step_size else None


def _price_refusal(market: Market, price: Decimal | None, reference_price: Decimal | None) -> str | None:
    if price is None or not price.is_finite() or price <= 0:
        return f"A limit order needs a positive price, not {price}."
    return _price_problem(market, price, "price", True) or _band_refusal(market, price, reference_price)


def _price_problem(market: Market, price: Decimal, name: str, is_bounded: bool) -> str | None:
    rules = market.filters.price
    if is_bounded and price < rules.min_price:
        return _outside(market, name, price, "below the minimum", rules.min_price)
    if is_bounded and rules.max_price is not None and price > rules.max_price:
        return _outside(market, name, price, "above the maximum", rules.max_price)
    return _between(market, name, price, "tick", rules.tick_size) if price % rules.tick_size else None


def _band_refusal(market: Market, price: Decimal, reference_price: Decimal | None) -> str | None:
    rules = market.filters.price
    if reference_price is None:
        return None
    if rules.max_multiplier is not None and price > reference_price * rules.max_multiplier:
        return _outside(market, "price", price, "above the price band's", reference_price * rules.max_multiplier)
    if rules.min_multiplier is not None and price < reference_price * rules.min_multiplier:
        return _outside(market, "price", price, "below the price band's", reference_price * rules.min_multiplier)
    return None


def _outside(market: Market, what: str, value: Decimal, how: str, limit: Decimal) -> str:
    return f"The {what} {decimal_text(value)} is {how} {decimal_text(limit)} of {market.symbol}."


def _between(market: Market, what: str, value: Decimal, step_name: str, step: Decimal) -> str:
    lower, upper = nearest_multiples(value, step)
    rule = f"not a multiple of the {step_name} {decimal_text(step)} of {market.symbol}"
    nearest = f"the nearest are {decimal_text(lower)} and {decimal_text(upper)}"
    return f"The {what} {decimal_text(value)} is {rule}; {nearest}."
