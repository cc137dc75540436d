"""Conditional orders on the simulator, which answers as the facts about the exchange say."""

from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.cancellation_result import CancellationResult
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import OrderState

from backpack_connector.protocol.enums import Side
from tests.spot.people import PAIR, Bot, Venue, until

CREATED = ["SellOrderCreated"]
FILLED = [*CREATED, "OrderFilled", "SellOrderCompleted"]
STREAM = pytest.mark.parametrize("has_stream", [True, False], ids=["with stream", "without stream"])


def trade(venue: Venue, price: str) -> None:
    """Let others trade at a price, so that it is the last one."""
    venue.place(Side.BID, price, "0.1", account="buyer")
    venue.place(Side.ASK, price, "0.1", account="seller")


async def waiting(bot: Bot, venue: Venue, amount: str = "2", price: str = "NaN", **options: Any) -> str:
    """Place an order to sell when the price falls to 140, and return its id once it waits."""
    trade(venue, "150")
    kind = OrderType.MARKET if price == "NaN" else OrderType.LIMIT
    order_id = await bot.sell(amount, price, kind, trigger_price=140, **options)
    await until(lambda: bot.names(order_id) == CREATED, "it is announced")
    assert bot.truth()[0].status == "TriggerPending"
    return order_id


@STREAM
async def test_a_stop_fires_and_fills(bot: Bot, venue: Venue, has_stream: bool) -> None:
    order_id = await waiting(bot, venue)
    if not has_stream:
        bot.double.drop_frames()
    await bot.poll()
    assert bot.names(order_id) == CREATED
    venue.place(Side.BID, "139", "5")
    trade(venue, "140")
    for _ in range(3):
        await bot.poll()
    await until(lambda: bot.names(order_id) == FILLED, "it fires and is filled")
    assert bot.fills(order_id) == [(Decimal(139), Decimal(2))]
    assert bot.order(order_id).current_state is OrderState.FILLED


@STREAM
async def test_a_conditional_order_is_cancelled(bot: Bot, venue: Venue, has_stream: bool) -> None:
    order_id = await waiting(bot, venue, price="139")
    if not has_stream:
        bot.double.drop_frames()
    assert await bot.connector.cancel_all(2) == [CancellationResult(order_id, True)]
    await until(lambda: bot.names(order_id) == [*CREATED, "OrderCancelled"], "it is cancelled")
    assert bot.truth()[0].status == "Cancelled"


async def test_what_fires_and_rests_is_filled_and_cancelled_like_any_order(bot: Bot, venue: Venue) -> None:
    order_id = await waiting(bot, venue, price="145")
    trade(venue, "140")
    await until(lambda: bot.truth()[0].status == "New", "it has fired and rests")
    venue.place(Side.BID, "145", "0.5")
    await until(lambda: bot.fills(order_id) == [(Decimal(145), Decimal("0.5"))], "a part is filled")
    bot.connector.cancel(PAIR, order_id)
    end = [*CREATED, "OrderFilled", "OrderCancelled"]
    await until(lambda: bot.names(order_id) == end, "the rest is cancelled")


@STREAM
async def test_a_trigger_without_funds_fails(bot: Bot, venue: Venue, has_stream: bool) -> None:
    order_id = await waiting(bot, venue, amount="1000")
    if not has_stream:
        bot.double.drop_frames()
    venue.place(Side.BID, "139", "5")
    trade(venue, "140")
    for _ in range(3):
        await bot.poll()
    await until(lambda: bot.names(order_id) == [*CREATED, "OrderFailure"], "it fails")
    (failure,) = bot.of(order_id, "OrderFailure")
    assert (failure.error_type, failure.error_message) == ("TriggerFailed", "InsufficientFunds")


@STREAM
async def test_a_percentage_is_of_what_is_there(bot: Bot, venue: Venue, has_stream: bool) -> None:
    order_id = await waiting(bot, venue, trigger_quantity="50%")
    if not has_stream:
        bot.double.drop_frames()
    venue.place(Side.BID, "139", "60")
    trade(venue, "140")
    for _ in range(3):
        await bot.poll()
    await until(lambda: bot.names(order_id) == FILLED, "it fires and is filled")
    executed = bot.truth()[0].executed_quantity
    assert executed != 2
    assert bot.order(order_id).amount == bot.order(order_id).executed_amount_base == executed


async def test_exits_protect_what_was_filled_and_outlive_cancel_all(alone: Bot, venue: Venue) -> None:
    bot = alone
    trade(venue, "150")
    venue.place(Side.ASK, "150", "1")
    order_id = await bot.buy("1", "150", take_profit_trigger_price=160, stop_loss_trigger_price=140)
    await until(lambda: bot.order(order_id).is_done, "the entry is filled")
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]
    resting = [await bot.open_buy("0.1", str(140 - step)) for step in range(10)]
    results = await bot.connector.cancel_all(3)
    assert [result.success for result in results] == [True] * 10
    assert all(order.is_cancelled for order in resting)
    exits = [order for order in bot.truth() if order.related_order_id is not None]
    assert [order.status for order in exits] == ["TriggerPending"] * 2
    assert bot.double.count("cancel_open_orders") == 0


async def test_a_market_order_stops_at_its_slippage(bot: Bot, venue: Venue) -> None:
    venue.place(Side.ASK, "150", "1")
    venue.place(Side.ASK, "151", "1")
    await until(lambda: bot.connector.get_price(PAIR, True) == 150, "the book is known")
    order_id = await bot.buy("2", "NaN", OrderType.MARKET, slippage_tolerance=0.5, slippage_tolerance_type="Percent")
    await until(lambda: bot.order(order_id).is_done, "it is over")
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderFilled", "OrderCancelled"]
    assert bot.fills(order_id) == [(Decimal(150), Decimal(1))]


@pytest.mark.parametrize("are_all_conditional", [False, True])
async def test_a_whole_market_is_cancelled_with_its_conditional_orders(
    alone: Bot, venue: Venue, are_all_conditional: bool
) -> None:
    bot = alone
    ids = [await waiting(bot, venue)]
    if not are_all_conditional:
        ids += [(await bot.open_buy("0.1", str(140 - step))).client_order_id for step in range(9)]
    else:
        for step in range(9):
            ids.append(await bot.sell("0.1", str(130 - step), trigger_price=131))
        await until(lambda: all(bot.names(order_id) == CREATED for order_id in ids), "all wait")
    results = dict(await bot.connector.cancel_all(3))
    assert results == dict.fromkeys(ids, True)
    assert {order.status for order in bot.truth()} == {"Cancelled"}
    kinds = ["ConditionalOrder"] if are_all_conditional else ["ConditionalOrder", "RestingLimitOrder"]
    assert [call.fields["orderType"] for call in bot.double.requests("cancel_open_orders")] == kinds
    assert bot.double.count("cancel_order") == 0
