"""The rules of conditional orders by themselves: refusals, direction, sizes, slippage."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.enums import (
    MarketType,
    OrderType,
    SelfTradePrevention,
    Side,
    SlippageToleranceType,
    TriggerBy,
)
from backpack_connector.simulator.conditions import (
    Means,
    check_conditions,
    exit_fires_upwards,
    exit_request,
    fired_request,
    fires_upwards,
    is_reached,
    slippage_limits,
)
from backpack_connector.simulator.orders import ZERO, ExitTrigger, NewOrder, Order, SpotMargin, Trigger, order_of
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import BOUNDED, instrument, limit, market, new_exchange

PERP = "SOL_USDC_PERP"
replace = msgspec.structs.replace
BID = limit("Bid", "150", "1")


def trigger(price: str = "140", quantity: str = "1", **fields: Any) -> Trigger:
    return Trigger(price=Decimal(price), quantity=Decimal(quantity), **fields)


def exit_at(price: str, limit_price: str | None = None) -> ExitTrigger:
    return ExitTrigger(price=Decimal(price), limit_price=None if limit_price is None else Decimal(limit_price))


def conditional(side: str = "Ask", price: str | None = None, symbol: str = "SOL_USDC", **fields: Any) -> NewOrder:
    return NewOrder(
        symbol=symbol,
        side=Side(side),
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        price=None if price is None else Decimal(price),
        **{"trigger": trigger(), **fields},
    )


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            replace(BID, symbol=PERP, spot_margin=SpotMargin(auto_borrow=True)),
            "autoBorrow, autoBorrowRepay, autoLend and autoLendRedeem are for spot orders only",
        ),
        (
            replace(BID, slippage_tolerance=Decimal(1), slippage_tolerance_type=SlippageToleranceType.PERCENT),
            "Slippage tolerance is for market orders only",
        ),
        (
            replace(
                market("Bid", "1"),
                slippage_tolerance=Decimal(-1),
                slippage_tolerance_type=SlippageToleranceType.PERCENT,
            ),
            "Slippage tolerance must not be negative",
        ),
        (
            replace(
                market("Bid", "1"),
                slippage_tolerance=Decimal("1.5"),
                slippage_tolerance_type=SlippageToleranceType.TICK_SIZE,
            ),
            "Slippage tolerance in ticks must be a whole number",
        ),
        (
            replace(
                market("Bid", "1"),
                slippage_tolerance=Decimal("100.1"),
                slippage_tolerance_type=SlippageToleranceType.PERCENT,
            ),
            "Slippage tolerance must be at most 100 percent",
        ),
        (
            replace(BID, reduce_only=True, stop_loss=exit_at("140")),
            "Take profit and stop loss are for orders that open a position",
        ),
        (replace(BID, take_profit=exit_at("160.001")), "Price decimal too long"),
        (replace(BID, take_profit=exit_at("160", "160.001")), "Price decimal too long"),
        (replace(BID, stop_loss=exit_at("0")), "Price is below the minimum allowed value"),
        (
            replace(BID, take_profit=exit_at("140"), stop_loss=exit_at("140")),
            "Take profit price must be above the stop loss price",
        ),
        (
            replace(BID, side=Side.ASK, take_profit=exit_at("141"), stop_loss=exit_at("140")),
            "Take profit price must be below the stop loss price",
        ),
        (
            conditional(quantity=Decimal(1)),
            "Orders with a trigger must specify `triggerQuantity` and no other quantity",
        ),
        (
            conditional(quote_quantity=Decimal(1)),
            "Orders with a trigger must specify `triggerQuantity` and no other quantity",
        ),
        (conditional(trigger=trigger("140.001")), "Price decimal too long"),
        (conditional(trigger=trigger(quantity="0")), "Market orders must specify a positive `quantity`"),
        (conditional(trigger=trigger(quantity="1.001")), "Quantity decimal too long"),
        (
            conditional(trigger=trigger(quantity="0", is_percent=True)),
            "Trigger quantity must be more than 0% and at most 100%",
        ),
        (
            conditional(trigger=trigger(quantity="100.1", is_percent=True)),
            "Trigger quantity must be more than 0% and at most 100%",
        ),
        (conditional(price="139.999"), "Price decimal too long"),
        (replace(conditional(price="139"), price=None), "Limit orders must specify a `price`"),
        (replace(conditional(), price=Decimal(139)), "Market orders must not specify a `price`"),
    ],
)
def test_fields_that_do_not_go_together_are_refused_with_a_sentence(request_: NewOrder, message: str) -> None:
    with pytest.raises(Refusal) as refusal:
        check_conditions(request_, instrument(request_.symbol))
    assert refusal.value.message == message


@pytest.mark.parametrize(
    "request_",
    [
        BID,
        replace(BID, spot_margin=SpotMargin(auto_borrow=True)),
        replace(BID, take_profit=exit_at("160", "160.5"), stop_loss=exit_at("140")),
        replace(BID, side=Side.ASK, take_profit=exit_at("140"), stop_loss=exit_at("160")),
        replace(market("Bid", "1"), slippage_tolerance=ZERO, slippage_tolerance_type=SlippageToleranceType.TICK_SIZE),
        conditional(),
        conditional(trigger=trigger(quantity="100", is_percent=True, by=TriggerBy.MARK_PRICE)),
        conditional(price="139", post_only=True),
        # Far from today's price: the band counts when the order fires.
        conditional(price="1", trigger=trigger("1")),
        conditional(symbol=PERP, reduce_only=True, trigger=trigger(quantity="100", is_percent=True)),
    ],
)
def test_good_conditions_pass(request_: NewOrder) -> None:
    check_conditions(request_, instrument(request_.symbol))


@pytest.mark.parametrize(
    ("start", "later", "is_fired"),
    [
        ("150", "139.99", True),
        ("150", "140", True),
        ("150", "140.01", False),
        ("150", "200", False),
        ("130", "139.99", False),
        ("130", "140", True),
        ("130", "150", True),
        ("130", "100", False),
        ("140", "140", True),
    ],
)
def test_a_trigger_fires_when_the_price_comes_from_its_side_at_placement(
    start: str, later: str, is_fired: bool
) -> None:
    upwards = fires_upwards(Decimal(140), Decimal(start))
    assert is_reached(Decimal(140), Decimal(later), upwards=upwards) is is_fired


@BOUNDED
@given(st.integers(1, 1_000), st.integers(1, 1_000))
def test_no_trigger_away_from_the_price_has_been_reached_at_placement(trigger_price: int, start: int) -> None:
    upwards = fires_upwards(Decimal(trigger_price), Decimal(start))
    assert is_reached(Decimal(trigger_price), Decimal(start), upwards=upwards) is (trigger_price == start)


@pytest.mark.parametrize(
    ("side", "is_take_profit", "upwards"),
    [("Bid", True, True), ("Bid", False, False), ("Ask", True, False), ("Ask", False, True)],
)
def test_take_profit_of_a_purchase_and_stop_loss_of_a_sale_wait_above(
    side: str, is_take_profit: bool, upwards: bool
) -> None:
    assert exit_fires_upwards(Side(side), is_take_profit=is_take_profit) is upwards


def pending(request: NewOrder, related_order_id: str | None = None) -> Order:
    order = order_of(request, order_id="1", account_id="a", time_us=0, quote_quantity=ZERO)
    order.related_order_id = related_order_id
    return order


def test_an_exit_is_the_opposite_and_can_only_reduce() -> None:
    stp = SelfTradePrevention.REJECT_MAKER
    parent = pending(replace(BID, symbol=PERP, client_id=5, self_trade_prevention=stp))
    child = exit_request(parent, exit_at("160"), Decimal("0.4"), MarketType.PERP)
    assert (child.side, child.order_type, child.price, child.reduce_only) == (Side.ASK, OrderType.MARKET, None, True)
    assert child.trigger == trigger("160", "0.4")
    assert (child.client_id, child.self_trade_prevention) == (None, stp)
    child = exit_request(parent, exit_at("160", "159"), Decimal("0.4"), MarketType.SPOT)
    assert (child.order_type, child.price, child.reduce_only) == (OrderType.LIMIT, Decimal(159), None)


def percent(number: str) -> Trigger:
    return trigger(quantity=number, is_percent=True)


@pytest.mark.parametrize(
    ("order", "means", "quantity", "quote_quantity"),
    [
        pytest.param(conditional(), Means(), "1", None, id="spot, fixed: the engine asks for the money"),
        pytest.param(conditional(trigger=percent("80")), Means(base=Decimal("2.009")), "1.60", None, id="spot ask"),
        pytest.param(
            conditional("Bid", "139", trigger=percent("50")), Means(quote=Decimal(1000)), "3.59", None, id="spot bid"
        ),
        pytest.param(
            conditional("Bid", trigger=percent("33.3")),
            Means(quote=Decimal("100.123")),
            None,
            "33.34",
            id="spot market bid by budget",
        ),
        pytest.param(
            conditional(symbol=PERP, trigger=percent("100")), Means(net_quantity=Decimal(3)), "3", None, id="long"
        ),
        pytest.param(
            conditional("Bid", symbol=PERP, trigger=percent("50")),
            Means(net_quantity=Decimal("-0.05")),
            "0.02",
            None,
            id="short, whole steps",
        ),
        pytest.param(conditional("Bid", symbol=PERP), Means(), "1", None, id="future that opens"),
        pytest.param(
            conditional(symbol=PERP, reduce_only=True),
            Means(net_quantity=Decimal("0.5")),
            "1",
            None,
            id="reduce-only is cut by the engine",
        ),
    ],
)
def test_quantity_when_fired(order: NewOrder, means: Means, quantity: str | None, quote_quantity: str | None) -> None:
    fired = fired_request(pending(order), instrument(order.symbol), means)
    assert fired.trigger is None
    assert fired.quantity == (None if quantity is None else Decimal(quantity))
    assert fired.quote_quantity == (None if quote_quantity is None else Decimal(quote_quantity))


def test_a_spot_exit_sells_no_more_than_there_is() -> None:
    child = pending(conditional(), related_order_id="9")
    assert fired_request(child, instrument(), Means(base=Decimal("0.999"))).quantity == Decimal("0.99")
    assert fired_request(child, instrument(), Means(base=Decimal(7))).quantity == 1


@pytest.mark.parametrize(
    ("order", "means", "reason"),
    [
        (conditional(trigger=percent("80")), Means(base=Decimal("0.01")), "InvalidQuantity"),
        (conditional(symbol=PERP, trigger=percent("80")), Means(), "StopWithoutPosition"),
        (conditional(symbol=PERP, reduce_only=True), Means(), "StopWithoutPosition"),
        (conditional(symbol=PERP, reduce_only=True), Means(net_quantity=Decimal(-1)), "StopWithoutPosition"),
        (conditional("Bid", symbol=PERP, reduce_only=True), Means(net_quantity=Decimal(1)), "StopWithoutPosition"),
    ],
)
def test_an_order_without_anything_to_trade_fails(order: NewOrder, means: Means, reason: str) -> None:
    with pytest.raises(Refusal) as refusal:
        fired_request(pending(order), instrument(order.symbol), means)
    assert refusal.value.reason.value == reason


def worst_prices(order: NewOrder) -> list[Decimal]:
    exchange = new_exchange()
    exchange.place("maker", limit(order.side.opposite.value, "150", "1"))
    return [row.price for row in slippage_limits(exchange.markets["SOL_USDC"].book, order, instrument())]


@pytest.mark.parametrize(
    ("side", "tolerance", "kind", "worst"),
    [
        ("Bid", "3", "TickSize", "150.03"),
        ("Ask", "3", "TickSize", "149.97"),
        ("Bid", "0.5", "Percent", "150.75"),
        ("Ask", "0.5", "Percent", "149.25"),
        ("Ask", "0", "Percent", "150"),
    ],
)
def test_slippage_counts_from_the_best_price(side: str, tolerance: str, kind: str, worst: str) -> None:
    order = replace(
        market(side, "1"), slippage_tolerance=Decimal(tolerance), slippage_tolerance_type=SlippageToleranceType(kind)
    )
    assert worst_prices(order) == [Decimal(worst)]


def test_without_tolerance_there_is_no_limit() -> None:
    assert worst_prices(market("Bid", "1")) == []


@BOUNDED
@given(st.integers(1, 10_000), st.integers(0, 100_000), st.integers(-100_000, 100_000), st.sampled_from(Side))
def test_a_percentage_never_closes_more_than_the_position(
    hundredths: int, base_cents: int, position_cents: int, side: Side
) -> None:
    percentage = percent(str(Decimal(hundredths) / 100))
    means = Means(net_quantity=Decimal(position_cents) / 100, base=Decimal(base_cents) / 100)
    for symbol, most in ((PERP, abs(means.net_quantity)), ("SOL_USDC", means.base)):
        if symbol == "SOL_USDC" and side is Side.BID:
            continue
        order = pending(conditional(side.value, symbol=symbol, trigger=percentage))
        try:
            quantity = fired_request(order, instrument(symbol), means).quantity
        except Refusal:
            continue
        assert quantity is not None
        assert 0 < quantity <= most
        assert quantity % instrument(symbol).step_size == 0
