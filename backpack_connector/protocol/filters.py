"""Check an order against the rules of its market before it is sent. Source: API §5.2, §5.1."""

from collections.abc import Sequence
from decimal import Decimal
from statistics import median

from .enums import OrderBookState, OrderType
from .models import Market
from .units import decimal_text


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


def rule_refusal(market: Market, quantity: Decimal | None, price: Decimal | None) -> str | None:
    """Return one sentence why the market's filters forbid a quantity or a price, or None; nothing else is looked at.

    Units:    as in `refusal`; None for what the order does not have.
    """
    problem = None if quantity is None else _quantity_refusal(market, quantity)
    return problem or (None if price is None else _price_refusal(market, price, None))


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
    rules = market.filters.quantity
    if not quantity.is_finite() or quantity <= 0:
        return f"The quantity must be a positive number, not {quantity}."
    if quantity < rules.min_quantity:
        return _outside(market, "quantity", quantity, "below the minimum", rules.min_quantity)
    if rules.max_quantity is not None and quantity > rules.max_quantity:
        return _outside(market, "quantity", quantity, "above the maximum", rules.max_quantity)
    if quantity % rules.step_size:
        return _between(market, "quantity", quantity, "step", rules.step_size)
    return None


def _price_refusal(market: Market, price: Decimal | None, reference_price: Decimal | None) -> str | None:
    rules = market.filters.price
    if price is None or not price.is_finite() or price <= 0:
        return f"A limit order needs a positive price, not {price}."
    if price < rules.min_price:
        return _outside(market, "price", price, "below the minimum", rules.min_price)
    if rules.max_price is not None and price > rules.max_price:
        return _outside(market, "price", price, "above the maximum", rules.max_price)
    if price % rules.tick_size:
        return _between(market, "price", price, "tick", rules.tick_size)
    return _band_refusal(market, price, reference_price)


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
