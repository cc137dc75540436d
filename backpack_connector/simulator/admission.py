"""Check an order against its market before it reaches the book: form, filters, market state, price band.

The messages are the exchange's own where API §4.4 knows them; the others are plain sentences of the same kind.
"""

from decimal import Decimal

from backpack_connector.protocol.enums import OrderBookState, OrderType, TimeInForce
from backpack_connector.protocol.errors import ErrorCode
from backpack_connector.protocol.filters import active_price

from .book import OrderBook
from .markets import Instrument
from .orders import NewOrder
from .refusals import Refusal, invalid_order, invalid_request

WOULD_TAKE = "Order would immediately match and take"
NOT_REDUCED = "Reduce only order not reduced"


def check_order(order: NewOrder, instrument: Instrument) -> None:
    """Check what needs neither book nor account.

    Raises:   Refusal.
    """
    if order.reduce_only and instrument.imf is None:
        raise invalid_order(NOT_REDUCED)
    if order.order_type is OrderType.MARKET:
        _check_market_order(order)
    else:
        _check_limit_order(order)
        assert order.price is not None
        check_price(order.price, instrument)
    if order.quantity is not None:
        check_quantity(order.quantity, instrument)


def _check_market_order(order: NewOrder) -> None:
    if order.quantity is not None and order.quote_quantity is not None:
        raise invalid_request("Must specify either `quantity` or `quoteQuantity`")
    wanted = order.quote_quantity if order.quantity is None else order.quantity
    if wanted is None or wanted <= 0:
        raise invalid_request("Market orders must specify a positive `quantity`")
    if order.price is not None:
        raise invalid_request("Market orders must not specify a `price`")
    if order.post_only:
        raise invalid_order("Market orders cannot be post only")


def _check_limit_order(order: NewOrder) -> None:
    if order.price is None:
        raise invalid_request("Limit orders must specify a `price`")
    if order.quantity is None or order.quote_quantity is not None:
        raise invalid_request("Limit orders must specify a `quantity`")
    if order.post_only and order.time_in_force is not TimeInForce.GTC:
        raise invalid_order("Post only orders must be GTC")


def check_price(price: Decimal, instrument: Instrument) -> None:
    """Check a price of any kind against the price filters.

    Raises:   Refusal.
    """
    if price % instrument.tick_size:
        raise invalid_request("Price decimal too long")
    if price < instrument.min_price:
        raise invalid_request("Price is below the minimum allowed value")
    if instrument.max_price is not None and price > instrument.max_price:
        raise invalid_request("Price is above the maximum allowed value")


def check_quantity(quantity: Decimal, instrument: Instrument) -> None:
    """Check a quantity in base units against the quantity filters.

    Raises:   Refusal.
    """
    if quantity % instrument.step_size:
        raise invalid_request("Quantity decimal too long")
    if quantity < instrument.min_quantity:
        raise invalid_request("Quantity is below the minimum allowed value")
    if instrument.max_quantity is not None and quantity > instrument.max_quantity:
        raise invalid_request("Quantity is above the maximum allowed value")


def check_state(order: NewOrder, state: OrderBookState) -> None:
    """Check whether the market takes this kind of order now; which error it gives is not documented (API §6).

    Raises:   Refusal.
    """
    if not state.accepts_new_orders:
        raise Refusal(ErrorCode.TRADING_PAUSED, f"Market is {state.value}")
    if state is OrderBookState.LIMIT_ONLY and not order.is_limit:
        raise invalid_order("Market only accepts limit orders")
    if state is OrderBookState.POST_ONLY and (not order.is_limit or order.time_in_force is not TimeInForce.GTC):
        raise invalid_order("Market only accepts orders that post")


def check_band(order: NewOrder, instrument: Instrument, book: OrderBook, last_price: Decimal) -> None:
    """Check a limit price against the band around the active price.

    Raises:   Refusal with INVALID_PRICE.
    Source:   API §5.2 (Limit Price Band).
    """
    if order.price is None:
        return
    best_bid, best_ask = (None if touch is None else touch[0] for touch in book.touch)
    reference = active_price(best_bid, best_ask, last_price)
    assert reference is not None
    too_high = instrument.max_multiplier is not None and order.price > reference * instrument.max_multiplier
    too_low = instrument.min_multiplier is not None and order.price < reference * instrument.min_multiplier
    if too_high or too_low:
        raise Refusal(ErrorCode.INVALID_PRICE, "Price is too far from the last active price")
