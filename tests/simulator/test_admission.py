"""What a market refuses, with the exchange's words, and that a refusal changes nothing."""

import dataclasses
from decimal import Decimal

import msgspec
import pytest

from backpack_connector.protocol.enums import OrderBookState, Side
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.markets import load_instruments
from backpack_connector.simulator.orders import NewOrder
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import SYMBOL, FakeClock, levels, limit, market, new_exchange, state_of

replace = msgspec.structs.replace


def refused(exchange: Exchange, order: NewOrder) -> tuple[str, str]:
    """Place an order that must be refused and must change nothing; return code and message."""
    exchange.open_account("a")
    before = state_of(exchange)
    with pytest.raises(Refusal) as refusal:
        exchange.place("a", order)
    assert state_of(exchange) == before
    return refusal.value.code.value, refusal.value.message


BID = limit("Bid", "150", "1")


@pytest.mark.parametrize(
    ("order", "code", "message"),
    [
        (limit("Bid", "150.001", "1"), "INVALID_CLIENT_REQUEST", "Price decimal too long"),
        (limit("Bid", "150", "1.001"), "INVALID_CLIENT_REQUEST", "Quantity decimal too long"),
        (limit("Bid", "150", "0"), "INVALID_CLIENT_REQUEST", "Quantity is below the minimum allowed value"),
        (limit("Bid", "150", "-1"), "INVALID_CLIENT_REQUEST", "Quantity is below the minimum allowed value"),
        (limit("Bid", "0", "1"), "INVALID_CLIENT_REQUEST", "Price is below the minimum allowed value"),
        (limit("Bid", "300.01", "1"), "INVALID_PRICE", "Price is too far from the last active price"),
        (limit("Ask", "37.49", "1"), "INVALID_PRICE", "Price is too far from the last active price"),
        (market("Bid"), "INVALID_CLIENT_REQUEST", "Market orders must specify a positive `quantity`"),
        (market("Bid", "0"), "INVALID_CLIENT_REQUEST", "Market orders must specify a positive `quantity`"),
        (market("Bid", quote="-5"), "INVALID_CLIENT_REQUEST", "Market orders must specify a positive `quantity`"),
        (market("Bid", "1", "1"), "INVALID_CLIENT_REQUEST", "Must specify either `quantity` or `quoteQuantity`"),
        (market("Bid", "1"), "INVALID_ORDER", "No liquidity for market order"),
        (
            replace(market("Bid", "1"), price=Decimal(1)),
            "INVALID_CLIENT_REQUEST",
            "Market orders must not specify a `price`",
        ),
        (replace(market("Bid", "1"), post_only=True), "INVALID_ORDER", "Market orders cannot be post only"),
        (replace(BID, price=None), "INVALID_CLIENT_REQUEST", "Limit orders must specify a `price`"),
        (replace(BID, quantity=None), "INVALID_CLIENT_REQUEST", "Limit orders must specify a `quantity`"),
        (limit("Bid", "150", "1", tif="IOC", post_only=True), "INVALID_ORDER", "Post only orders must be GTC"),
        (replace(BID, reduce_only=True), "INVALID_ORDER", "Reduce only order not reduced"),
        (replace(BID, symbol="NOPE_USDC"), "INVALID_MARKET", "Invalid market symbol"),
        (limit("Bid", "150", "67"), "INSUFFICIENT_FUNDS", "Insufficient funds"),
        (limit("Ask", "150", "50.01"), "INSUFFICIENT_FUNDS", "Insufficient funds"),
    ],
)
def test_refusal_by_form_filter_or_funds(order: NewOrder, code: str, message: str) -> None:
    assert refused(new_exchange(), order) == (code, message)


def test_a_market_of_a_type_without_clearing_takes_no_orders() -> None:
    exchange = Exchange(load_instruments(), clock=FakeClock(), clearing={})
    assert refused(exchange, BID) == ("INVALID_MARKET", "The simulator does not trade markets of type SPOT yet")


def test_a_market_order_that_cannot_afford_one_step_is_refused() -> None:
    exchange = new_exchange()
    exchange.place("b", limit("Ask", "150", "1"))
    assert refused(exchange, market("Bid", quote="1.49"))[1] == "Quantity is below the minimum allowed value"


def test_a_market_sale_of_more_than_the_account_has_is_refused_even_if_the_book_is_thinner() -> None:
    exchange = new_exchange()
    exchange.place("b", limit("Bid", "150", "1"))
    assert refused(exchange, market("Ask", "51"))[0] == "INSUFFICIENT_FUNDS"


def test_maximum_price_and_quantity_are_kept() -> None:
    exchange = new_exchange()
    row = exchange.markets[SYMBOL]
    row.instrument = dataclasses.replace(row.instrument, max_price=Decimal("160"), max_quantity=Decimal("2"))
    assert refused(exchange, limit("Bid", "160.01", "1"))[1] == "Price is above the maximum allowed value"
    assert refused(exchange, limit("Bid", "150", "2.01"))[1] == "Quantity is above the maximum allowed value"


@pytest.mark.parametrize(("price", "is_allowed"), [("300", True), ("300.01", False), ("37.50", True), ("37.49", False)])
def test_the_band_reaches_from_a_quarter_to_twice_the_last_price(price: str, is_allowed: bool) -> None:
    exchange = new_exchange()
    if is_allowed:
        exchange.place("a", limit("Bid", price, "0.01"))
    else:
        assert refused(exchange, limit("Bid", price, "0.01"))[0] == "INVALID_PRICE"


def test_the_band_follows_the_median_of_best_bid_best_ask_and_last_price() -> None:
    exchange = new_exchange()  # last price 150
    exchange.place("b", limit("Bid", "100", "1"))
    exchange.place("b", limit("Ask", "110", "1"))
    assert refused(exchange, limit("Ask", "220.01", "1"))[0] == "INVALID_PRICE"  # median 110
    exchange.place("a", limit("Ask", "220", "1"))


def test_the_band_follows_trades() -> None:
    exchange = new_exchange()
    exchange.place("b", limit("Ask", "160", "1"))
    exchange.place("a", limit("Bid", "160", "1"))
    assert levels(exchange) == ([], [])
    exchange.place("b", limit("Ask", "320", "1"))


@pytest.mark.parametrize(
    ("state", "order", "code"),
    [
        (OrderBookState.CLOSED, BID, "TRADING_PAUSED"),
        (OrderBookState.CANCEL_ONLY, BID, "TRADING_PAUSED"),
        (OrderBookState.LIMIT_ONLY, BID, None),
        (OrderBookState.LIMIT_ONLY, market("Bid", "1"), "INVALID_ORDER"),
        (OrderBookState.POST_ONLY, BID, None),
        (OrderBookState.POST_ONLY, limit("Bid", "150", "1", post_only=True), None),
        (OrderBookState.POST_ONLY, limit("Bid", "150", "1", tif="IOC"), "INVALID_ORDER"),
        (OrderBookState.POST_ONLY, market("Bid", "1"), "INVALID_ORDER"),
        (OrderBookState.POST_ONLY, limit("Bid", "151", "1"), "INVALID_ORDER"),
        (OrderBookState.OPEN, limit("Bid", "151", "1"), None),
    ],
)
def test_states_of_a_market(state: OrderBookState, order: NewOrder, code: str | None) -> None:
    exchange = new_exchange()
    exchange.place("b", limit("Ask", "151", "1"))
    exchange.set_market_state(SYMBOL, state)
    if code is None:
        exchange.place("a", order)
    else:
        assert refused(exchange, order)[0] == code


@pytest.mark.parametrize("state", list(OrderBookState))
def test_orders_can_be_cancelled_in_every_state(state: OrderBookState) -> None:
    exchange = new_exchange()
    order = exchange.place("a", BID).order
    exchange.set_market_state(SYMBOL, state)
    assert exchange.cancel("a", SYMBOL, order_id=order.order_id).order.status.value == "Cancelled"


@pytest.mark.parametrize("side", list(Side))
def test_a_post_only_order_that_would_take_is_refused_in_the_exchanges_words(side: Side) -> None:
    exchange = new_exchange()
    exchange.place("b", limit(side.opposite.value, "150", "1"))
    order = limit(side.value, "150", "1", post_only=True)
    assert refused(exchange, order) == ("INVALID_ORDER", "Order would immediately match and take")
