"""Hold the rules of conditional orders: what is refused, when a price is reached, how much an order is for then.

Pure: nothing here knows the engine. What the exchange does not publish is a choice, and says so where it is made.
Source: API §4.1, §4.2.
"""

from decimal import ROUND_DOWN, Decimal

import msgspec

from backpack_connector.protocol.enums import ExpiryReason, MarketType, OrderType, Side, SlippageToleranceType
from backpack_connector.protocol.units import fraction_from_percent

from .admission import check_order, check_price
from .book import OrderBook
from .markets import Instrument
from .matching import TakerLimit
from .orders import ZERO, ExitTrigger, NewOrder, Order, Trigger
from .refusals import invalid_order, invalid_request

_WHOLE = Decimal(100)
"""Percent."""


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has at the moment in which its order fires."""

    net_quantity: Decimal = ZERO
    """Position in base units, negative = short; zero on spot markets."""
    base: Decimal = ZERO
    """Available base asset, on spot markets."""
    quote: Decimal = ZERO
    """Available quote asset, on spot markets."""


def check_conditions(request: NewOrder, instrument: Instrument) -> None:
    """Check the fields that only some orders have: trigger, take-profit, stop-loss, slippage, spot margin.

    Raises:   Refusal. The sentences are the simulator's own; the exchange's are not known.
    """
    if request.uses_spot_margin and instrument.market_type is not MarketType.SPOT:
        raise invalid_order("autoBorrow, autoBorrowRepay, autoLend and autoLendRedeem are for spot orders only")
    _check_slippage(request)
    _check_exits(request, instrument)
    if request.trigger is not None:
        _check_trigger(request, request.trigger, instrument)


def _check_slippage(request: NewOrder) -> None:
    tolerance = request.slippage_tolerance
    if tolerance is None:
        return
    if request.order_type is not OrderType.MARKET:
        raise invalid_order("Slippage tolerance is for market orders only")
    if tolerance < 0:
        raise invalid_request("Slippage tolerance must not be negative")
    if request.slippage_tolerance_type is SlippageToleranceType.TICK_SIZE and tolerance % 1:
        raise invalid_request("Slippage tolerance in ticks must be a whole number")
    if request.slippage_tolerance_type is SlippageToleranceType.PERCENT and tolerance > _WHOLE:
        raise invalid_request("Slippage tolerance must be at most 100 percent")


def _check_exits(request: NewOrder, instrument: Instrument) -> None:
    take_profit, stop_loss = request.take_profit, request.stop_loss
    for exit_trigger in (take_profit, stop_loss):
        if exit_trigger is None:
            continue
        if request.reduce_only:
            raise invalid_order("Take profit and stop loss are for orders that open a position")
        check_price(exit_trigger.price, instrument)
        if exit_trigger.limit_price is not None:
            check_price(exit_trigger.limit_price, instrument)
    if take_profit is None or stop_loss is None:
        return
    lower, upper = (stop_loss, take_profit) if request.side is Side.BID else (take_profit, stop_loss)
    if lower.price >= upper.price:
        above = "above" if request.side is Side.BID else "below"
        raise invalid_order(f"Take profit price must be {above} the stop loss price")


def _check_trigger(request: NewOrder, trigger: Trigger, instrument: Instrument) -> None:
    # One public bot sends both quantities, with unknown outcome (API §4.1); a clear refusal hides no mistake.
    if request.quantity is not None or request.quote_quantity is not None:
        raise invalid_request("Orders with a trigger must specify `triggerQuantity` and no other quantity")
    check_price(trigger.price, instrument)
    if trigger.is_percent and not 0 < trigger.quantity <= _WHOLE:
        raise invalid_request("Trigger quantity must be more than 0% and at most 100%")
    quantity = instrument.min_quantity if trigger.is_percent else trigger.quantity
    check_order(msgspec.structs.replace(request, trigger=None, quantity=quantity), instrument)


def fires_upwards(trigger_price: Decimal, reference_price: Decimal) -> bool:
    """Tell whether an order waits for the price to rise; no field says so, only where the price stands (API §4.1).

    A trigger price at which the reference stands already counts as reached, and so fires at the next look.
    """
    return trigger_price >= reference_price


def is_reached(trigger_price: Decimal, reference_price: Decimal, *, upwards: bool) -> bool:
    """Tell whether the reference price has come to the trigger price, or gone beyond."""
    return reference_price >= trigger_price if upwards else reference_price <= trigger_price


def exit_fires_upwards(parent_side: Side, *, is_take_profit: bool) -> bool:
    """Tell whether a take-profit or stop-loss waits for the price to rise; here the kind of order says so."""
    return is_take_profit is (parent_side is Side.BID)


def exit_request(parent: Order, exit_trigger: ExitTrigger, quantity: Decimal, market_type: MarketType) -> NewOrder:
    """Return the trigger order that closes what a parent has filled; it can only reduce a position.

    Source:   API §4.1: opposite side, a market order unless there is a limit price.
    """
    return NewOrder(
        symbol=parent.symbol,
        side=parent.side.opposite,
        order_type=OrderType.MARKET if exit_trigger.limit_price is None else OrderType.LIMIT,
        price=exit_trigger.limit_price,
        reduce_only=None if market_type is MarketType.SPOT else True,
        self_trade_prevention=parent.self_trade_prevention,
        trigger=Trigger(price=exit_trigger.price, quantity=quantity, by=exit_trigger.by),
    )


def fired_request(order: Order, instrument: Instrument, means: Means) -> NewOrder:
    """Return the ordinary order that a trigger order becomes.

    Percent means: of the position on perpetual markets; on spot markets of the available base asset for asks, of the
    available quote asset for bids.
    Raises:   Refusal with StopWithoutPosition when there is no position to close, or when too little is left.
    """
    assert order.trigger is not None
    request = NewOrder(
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        price=order.price,
        quantity=order.trigger.quantity,
        time_in_force=order.time_in_force,
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        self_trade_prevention=order.self_trade_prevention,
        slippage_tolerance=order.slippage_tolerance,
        slippage_tolerance_type=order.slippage_tolerance_type,
        spot_margin=order.spot_margin,
    )
    if instrument.market_type is not MarketType.SPOT:
        return _fired_future(request, order.trigger, instrument, means.net_quantity)
    if order.trigger.is_percent:
        return _fired_spot_percent(request, order.trigger, instrument, means)
    if order.related_order_id is not None and order.side is Side.ASK:
        # A fee in the base asset has left less than the parent bought.
        return _with_quantity(request, min(order.trigger.quantity, means.base), instrument)
    return request


def _fired_future(request: NewOrder, trigger: Trigger, instrument: Instrument, net_quantity: Decimal) -> NewOrder:
    closes = trigger.is_percent or request.reduce_only
    if closes and closable(net_quantity, request.side) == 0:
        raise invalid_order("There is no position to close", reason=ExpiryReason.STOP_WITHOUT_POSITION)
    if not trigger.is_percent:
        return request
    return _with_quantity(request, _portion(trigger, abs(net_quantity)), instrument)


def closable(net_quantity: Decimal, side: Side) -> Decimal:
    """Return how much of a position an order of this side can close."""
    return max(ZERO, net_quantity if side is Side.ASK else -net_quantity)


def _fired_spot_percent(request: NewOrder, trigger: Trigger, instrument: Instrument, means: Means) -> NewOrder:
    if request.side is Side.ASK:
        return _with_quantity(request, _portion(trigger, means.base), instrument)
    budget = _portion(trigger, means.quote)
    if request.price is not None:
        steps = budget // (request.price * instrument.step_size)
        return _with_quantity(request, steps * instrument.step_size, instrument)
    # What a market order will cost is not known before, so it gets the budget itself.
    return msgspec.structs.replace(request, quantity=None, quote_quantity=_whole_units(budget, instrument.tick_size))


def _portion(trigger: Trigger, whole: Decimal) -> Decimal:
    return whole * fraction_from_percent(trigger.quantity)


def _whole_units(number: Decimal, unit: Decimal) -> Decimal:
    return (number / unit).to_integral_value(ROUND_DOWN) * unit


def _with_quantity(request: NewOrder, quantity: Decimal, instrument: Instrument) -> NewOrder:
    whole_steps = quantity // instrument.step_size * instrument.step_size
    if whole_steps < instrument.min_quantity:
        raise invalid_request("Quantity is below the minimum allowed value", reason=ExpiryReason.INVALID_QUANTITY)
    return msgspec.structs.replace(request, quantity=whole_steps)


def slippage_limits(book: OrderBook, request: NewOrder, instrument: Instrument) -> list[TakerLimit]:
    """Return the worst price that a market order's slippage tolerance allows, or nothing without one.

    The exchange does not publish the arithmetic (API §6); here it counts from the best price at arrival.
    """
    tolerance, best = request.slippage_tolerance, book.side(request.side.opposite).best
    if tolerance is None or best is None:
        return []
    is_percent = request.slippage_tolerance_type is SlippageToleranceType.PERCENT
    distance = best.price * fraction_from_percent(tolerance) if is_percent else tolerance * instrument.tick_size
    worst = best.price + (distance if request.side is Side.BID else -distance)
    return [TakerLimit(worst, ExpiryReason.SLIPPAGE_TOLERANCE_EXCEEDED)]
