"""What an order does on arrival: matching, IOC, FOK, market orders, self-trade prevention, impact band."""

from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.simulator.orders import NewOrder
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import SYMBOL, assert_sound, kinds, levels, limit, market, new_exchange

ASKS = [("150.10", "1"), ("150.20", "2"), ("150.30", "3")]


def with_asks() -> Any:
    exchange = new_exchange()
    for price, quantity in ASKS:
        exchange.place("maker", limit("Ask", price, quantity))
    return exchange


@pytest.mark.parametrize(
    ("order", "status", "reason", "executed", "quote", "asks_left", "bids_left"),
    [
        pytest.param(limit("Bid", "150.00", "1"), "New", None, "0", "0", 3, 1, id="rests"),
        pytest.param(limit("Bid", "150.10", "1"), "Filled", None, "1", "150.10", 2, 0, id="takes one level"),
        pytest.param(limit("Bid", "150.20", "2"), "Filled", None, "2", "300.30", 2, 0, id="at the makers' prices"),
        pytest.param(limit("Bid", "150.20", "5"), "PartiallyFilled", None, "3", "450.50", 1, 1, id="rest rests"),
        pytest.param(
            limit("Bid", "150.20", "5", tif="IOC"), "Expired", "ImmediateOrCancel", "3", "450.50", 1, 0, id="IOC"
        ),
        pytest.param(
            limit("Bid", "150.00", "5", tif="IOC"), "Expired", "ImmediateOrCancel", "0", "0", 3, 0, id="IOC, nothing"
        ),
        pytest.param(limit("Bid", "150.20", "3", tif="IOC"), "Filled", None, "3", "450.50", 1, 0, id="IOC, all"),
        pytest.param(limit("Bid", "150.20", "5", tif="FOK"), "Expired", "FillOrKill", "0", "0", 3, 0, id="FOK, killed"),
        pytest.param(limit("Bid", "150.20", "3", tif="FOK"), "Filled", None, "3", "450.50", 1, 0, id="FOK, filled"),
        pytest.param(limit("Bid", "150.00", "1", post_only=True), "New", None, "0", "0", 3, 1, id="post-only rests"),
        pytest.param(market("Bid", "2"), "Filled", None, "2", "300.30", 2, 0, id="market"),
        pytest.param(
            market("Bid", "7"), "Expired", "InsufficientLiquidity", "6", "901.40", 0, 0, id="market, book too thin"
        ),
        pytest.param(market("Bid", "7", tif="FOK"), "Expired", "FillOrKill", "0", "0", 3, 0, id="market FOK"),
        pytest.param(
            market("Bid", quote="300.30"), "Filled", None, "2.00", "300.30", 2, 0, id="market by quote, to the cent"
        ),
        pytest.param(
            market("Bid", quote="200"), "Filled", None, "1.33", "199.6660", 2, 0, id="market by quote, whole steps"
        ),
        pytest.param(
            market("Bid", quote="2000"), "Expired", "InsufficientLiquidity", "6", "901.40", 0, 0, id="quote, too thin"
        ),
    ],
)
def test_arrival(
    order: NewOrder, status: str, reason: str | None, executed: str, quote: str, asks_left: int, bids_left: int
) -> None:
    exchange = with_asks()
    result = exchange.place("taker", order).order
    assert (result.status.value, result.expiry_reason and result.expiry_reason.value) == (status, reason)
    assert (result.executed_quantity, result.executed_quote_quantity) == (Decimal(executed), Decimal(quote))
    bids, asks = levels(exchange)
    assert (len(asks), len(bids)) == (asks_left, bids_left)
    assert_sound(exchange)


def test_a_sale_takes_the_highest_bids_first() -> None:
    exchange = new_exchange()
    for price in ("149.80", "150.00", "149.90"):
        exchange.place("maker", limit("Bid", price, "1"))
    order = exchange.place("taker", limit("Ask", "149.85", "5")).order
    assert (order.executed_quantity, order.executed_quote_quantity) == (2, Decimal("299.90"))
    assert levels(exchange) == ([("149.80", "1")], [("149.85", "3")])


def test_earlier_orders_of_a_price_trade_first() -> None:
    exchange = new_exchange()
    ids = [exchange.place(name, limit("Ask", "150.00", "1")).order.order_id for name in ("first", "second", "third")]
    events = exchange.place("taker", limit("Bid", "150.00", "2")).events
    makers = [e.order.order_id for e in events if hasattr(e, "fill") and e.fill and e.fill.is_maker]
    assert makers == ids[:2]


def test_events_come_as_orders_and_trades_then_levels_then_balances() -> None:
    exchange = new_exchange()
    exchange.place("maker", limit("Ask", "150.00", "1"))
    assert kinds(exchange.place("taker", limit("Bid", "150.00", "3")).events) == [
        "orderAccepted:New",
        "orderFill:Filled",
        "orderFill:PartiallyFilled",
        "TradePrinted",
        "LevelChanged",
        "TouchChanged",
        "LevelChanged",
        "TouchChanged",
        *["BalanceChanged"] * 4,
    ]


def test_trades_are_numbered_per_market_and_tell_which_side_rested() -> None:
    exchange = with_asks()
    exchange.place("taker", limit("Bid", "150.20", "4"))
    exchange.place("third", limit("Ask", "150.20", "0.5"))
    trades = exchange.markets[SYMBOL].trades
    assert [(trade.trade_id, trade.is_buyer_maker) for trade in trades] == [(1, False), (2, False), (3, True)]
    assert trades[-1].buyer_order_id == trades[0].buyer_order_id


def test_a_change_below_the_touch_is_no_change_of_the_touch() -> None:
    exchange = with_asks()
    assert "TouchChanged" not in kinds(exchange.place("maker", limit("Ask", "150.40", "1")).events)
    assert "TouchChanged" in kinds(exchange.place("maker", limit("Ask", "150.10", "1")).events)


def test_update_ids_rise_by_one_with_every_level_change() -> None:
    exchange = with_asks()
    before = exchange.markets[SYMBOL].book.update_id
    events = exchange.place("taker", limit("Bid", "150.30", "7")).events
    ids = [event.update_id for event in events if type(event).__name__ == "LevelChanged"]
    assert ids == [before + 1, before + 2, before + 3, before + 4]


@pytest.mark.parametrize(
    ("stp", "status", "reason", "executed", "own_ask_left"),
    [
        ("RejectTaker", "Expired", "SelfTradePrevention", "1", True),
        ("RejectMaker", "PartiallyFilled", None, "3", False),
        ("RejectBoth", "Expired", "SelfTradePrevention", "1", False),
    ],
)
def test_self_trade_prevention(stp: str, status: str, reason: str | None, executed: str, own_ask_left: bool) -> None:
    exchange = new_exchange()
    exchange.place("other", limit("Ask", "150.00", "1"))
    own = exchange.place("taker", limit("Ask", "150.10", "1")).order
    exchange.place("other", limit("Ask", "150.20", "2"))
    order = exchange.place("taker", limit("Bid", "150.30", "5", stp=stp)).order
    assert (order.status.value, order.expiry_reason and order.expiry_reason.value) == (status, reason)
    assert order.executed_quantity == Decimal(executed)
    account = exchange.open_account("taker")
    assert (own.order_id in account.open_orders) is own_ask_left
    assert account.orders[own.order_id].status.value == ("New" if own_ask_left else "Expired")
    assert_sound(exchange)


def test_fill_or_kill_that_dies_leaves_own_resting_orders_alone() -> None:
    exchange = new_exchange()
    own = exchange.place("taker", limit("Ask", "150.00", "1")).order
    exchange.place("taker", limit("Bid", "150.30", "5", tif="FOK", stp="RejectMaker"))
    assert own.order_id in exchange.open_account("taker").open_orders


def test_a_taker_reaches_one_percent_beyond_the_best_price_and_the_rest_expires() -> None:
    exchange = new_exchange()
    for price in ("150.00", "151.50", "151.51"):
        exchange.place("maker", limit("Ask", price, "1"))
    order = exchange.place("taker", market("Bid", "3")).order
    assert order.executed_quantity == 2
    assert order.expiry_reason is not None
    assert order.expiry_reason.value == "PriceImpact"


def test_post_only_may_not_even_touch_an_order_of_the_same_account() -> None:
    exchange = new_exchange()
    exchange.place("a", limit("Ask", "150.00", "1"))
    with pytest.raises(Refusal, match="Order would immediately match and take"):
        exchange.place("a", limit("Bid", "150.00", "1", post_only=True))


def test_cancel_keeps_what_was_executed() -> None:
    exchange = new_exchange()
    resting = exchange.place("maker", limit("Bid", "150.00", "3", client_id=7)).order
    exchange.place("taker", limit("Ask", "150.00", "1"))
    execution = exchange.cancel("maker", SYMBOL, order_id=resting.order_id)
    assert (execution.order.status.value, execution.order.executed_quantity) == ("Cancelled", 1)
    assert kinds(execution.events) == ["orderCancelled:Cancelled", "LevelChanged", "TouchChanged", "BalanceChanged"]
    assert_sound(exchange)


def test_cancel_by_client_id_finds_the_newest_resting_order() -> None:
    exchange = new_exchange()
    orders = [exchange.place("a", limit("Bid", price, "1", client_id=7)).order for price in ("149", "148")]
    assert exchange.cancel("a", SYMBOL, client_id=7).order.order_id == orders[1].order_id
    assert exchange.cancel("a", SYMBOL, client_id=7).order.order_id == orders[0].order_id


@pytest.mark.parametrize(
    ("account", "symbol"), [("b", SYMBOL), ("a", "BTC_USDC")], ids=["of another account", "in another market"]
)
def test_cancel_does_not_find_an_order(account: str, symbol: str) -> None:
    exchange = new_exchange()
    order = exchange.place("a", limit("Bid", "150", "1", client_id=7)).order
    for ids in ({"order_id": order.order_id}, {"client_id": 7}):
        with pytest.raises(Refusal, match="Order not found"):
            exchange.cancel(account, symbol, **ids)  # type: ignore[arg-type]


def test_cancel_all_takes_one_market_of_one_account() -> None:
    exchange = new_exchange()
    exchange.place("a", limit("Bid", "150", "1"))
    exchange.place("a", limit("Ask", "151", "1"))
    exchange.place("a", limit("Bid", "86000", "0.01", symbol="BTC_USDC"))
    exchange.place("b", limit("Bid", "149", "1"))
    assert len(exchange.cancel_all("a", SYMBOL).orders) == 2
    assert levels(exchange) == ([("149", "1")], [])
    assert exchange.cancel_all("a", SYMBOL).orders == ()
    assert_sound(exchange)


def test_time_of_the_engine_rises_though_the_clock_stands_still() -> None:
    exchange = new_exchange()
    times = [exchange.place("a", limit("Bid", "150", "1")).order.created_us for _ in range(3)]
    assert times == sorted(set(times))
