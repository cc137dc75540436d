"""Order control in a perpetual market: what is true in any market, and what closing orders and positions add."""

import asyncio
from decimal import Decimal

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction, TradeType
from hummingbot.core.data_type.limit_order import LimitOrder

from backpack_connector.protocol.enums import Side
from tests.perpetual.session import shown
from tests.perpetual.taken_over import picked_from, taken_from
from tests.spot import (
    test_order_batch_cancels,
    test_order_batches,
    test_order_control_sent,
    test_order_triggers,
    test_order_triggers_simulated,
)
from tests.spot.exchange_double import hold_request
from tests.spot.people import Bot, Venue, until

globals().update(taken_from(test_order_triggers))
globals().update(taken_from(test_order_batch_cancels))
globals().update(
    taken_from(
        test_order_batches,
        but=(
            "test_a_batch_holds_all_kinds_of_orders_in_all_markets",  # below
            "test_a_position_travels_as_an_option",  # below
            "test_funds_of_a_batch_are_held_until_its_answer",  # below
        ),
    )
)
globals().update(
    picked_from(
        test_order_control_sent,
        "test_defaults_reach_the_exchange_and_options_win",
        "test_an_order_that_may_not_rest_ends_with_its_reason",
        "test_an_order_with_a_bad_option_fails_once_and_is_not_sent",
        "test_an_option_of_nobody_is_told_once_and_changes_nothing",
        "test_prices_of_options_are_cut_to_the_tick",
    )
)
globals().update(
    picked_from(
        test_order_triggers_simulated,
        "test_a_conditional_order_is_cancelled",
        "test_a_market_order_stops_at_its_slippage",
        "test_a_whole_market_is_cancelled_with_its_conditional_orders",
    )
)


SYMBOL = "SOL_USDC_PERP"
CLOSE = {"position_action": PositionAction.CLOSE}
FILLED = ["SellOrderCreated", "OrderFilled", "SellOrderCompleted"]


def trade(venue: Venue, price: str) -> None:
    """Let others trade at a price, so that it is the last one."""
    venue.place(Side.BID, price, "0.1", account="buyer")
    venue.place(Side.ASK, price, "0.1", account="seller")


@pytest.fixture
async def long_bot(bot: Bot, venue: Venue) -> Bot:
    """Give a bot that is long 2, bought at 150."""
    trade(venue, "150")
    venue.place(Side.ASK, "150", "2")
    await bot.buy("2", "150")
    await until(lambda: shown(bot.connector) == (2, 150), "the position is there")
    bot.double.calls.clear()
    return bot


def exits(bot: Bot) -> "list[tuple[str, Decimal]]":
    """Return status and trigger price of the orders that the exchange placed beside the bot's own."""
    return [(order.status.value, order.trigger.price) for order in bot.truth() if order.related_order_id is not None]


async def test_f02_a_stop_that_closes_can_only_close(long_bot: Bot, venue: Venue) -> None:
    order_id = await long_bot.sell("2", "NaN", OrderType.MARKET, trigger_price=145, **CLOSE)
    await until(lambda: long_bot.names(order_id), "it waits")
    (call,) = long_bot.double.requests("execute_order")
    assert call.fields == {
        "clientId": int(order_id), "orderType": "Market", "reduceOnly": True, "side": "Ask", "symbol": SYMBOL,
        "triggerPrice": "145", "triggerQuantity": "2",
    }  # fmt: skip
    venue.place(Side.BID, "144.9", "5")
    trade(venue, "145")
    await until(lambda: long_bot.names(order_id) == FILLED, "it fires and is filled")
    await until(lambda: shown(long_bot.connector) is None, "the position is closed")
    assert long_bot.fills(order_id) == [(Decimal("144.9"), Decimal(2))]


@pytest.mark.parametrize("has_stream", [True, False], ids=["with stream", "without stream"])
async def test_a_stop_whose_position_is_gone_fails_with_its_reason(
    long_bot: Bot, venue: Venue, has_stream: bool
) -> None:
    order_id = await long_bot.sell("2", "NaN", OrderType.MARKET, trigger_price=145, **CLOSE)
    await until(lambda: long_bot.names(order_id), "it waits")
    venue.place(Side.BID, "149", "2")
    closing = await long_bot.sell("2", "149", **CLOSE)
    await until(lambda: long_bot.order(closing).is_done, "the position is closed otherwise")
    if not has_stream:
        long_bot.double.drop_frames()
    venue.place(Side.BID, "144.9", "5")
    trade(venue, "145")
    for _ in range(3):
        await long_bot.poll()
    await until(lambda: long_bot.names(order_id)[-1] == "OrderFailure", "it fails")
    (failure,) = long_bot.of(order_id, "OrderFailure")
    assert (failure.error_type, failure.error_message) == ("TriggerFailed", "StopWithoutPosition")


async def test_a_percentage_is_of_the_position(long_bot: Bot, venue: Venue) -> None:
    order_id = await long_bot.sell("2", "NaN", OrderType.MARKET, trigger_price=145, trigger_quantity="75%", **CLOSE)
    await until(lambda: long_bot.names(order_id), "it waits")
    venue.place(Side.BID, "144.9", "5")
    trade(venue, "145")
    await until(lambda: long_bot.names(order_id) == FILLED, "it fires and is filled")
    assert long_bot.order(order_id).amount == Decimal("1.5")
    await until(lambda: shown(long_bot.connector) == (Decimal("0.5"), 150), "a quarter is left")


async def marks_are_known(bot: Bot) -> None:
    margin = bot.connector.margin_required
    await until(lambda: margin("SOL-USDC", TradeType.BUY, Decimal(1), False) > 0, "the mark price is known")


async def test_a_conditional_order_locks_no_margin_before_it_fires(long_bot: Bot) -> None:
    await marks_are_known(long_bot)
    may_go = asyncio.Event()
    long_bot.double.script("execute_order", hold_request(may_go), times=1)
    before = long_bot.connector.get_available_balance("USDC")
    order_id = await long_bot.buy("10", "140", trigger_price=141)
    await until(lambda: long_bot.double.count("execute_order"), "it is on its way")
    assert long_bot.connector.get_available_balance("USDC") == before
    may_go.set()
    await until(lambda: long_bot.names(order_id), "it waits")
    assert long_bot.connector.get_available_balance("USDC") == before
    await long_bot.poll()
    await long_bot.connector._update_balances()
    assert long_bot.connector.get_available_balance("USDC") == before


async def test_exits_close_the_position_and_the_bot_sees_it(bot: Bot, venue: Venue) -> None:
    trade(venue, "150")
    venue.place(Side.ASK, "150", "2")
    order_id = await bot.buy("2", "150", take_profit_trigger_price=160, stop_loss_trigger_price=145)
    await until(lambda: shown(bot.connector) == (2, 150), "the position is there")
    await until(lambda: len(exits(bot)) == 2, "the exits are placed")
    assert sorted(exits(bot)) == [("TriggerPending", Decimal(145)), ("TriggerPending", Decimal(160))]
    venue.place(Side.BID, "144.9", "5")
    trade(venue, "145")
    await until(lambda: shown(bot.connector) is None, "the stop loss has closed the position")
    await bot.poll()
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]
    assert not bot.connector.in_flight_orders


@pytest.mark.parametrize("name", ["auto_lend", "auto_lend_redeem", "auto_borrow", "auto_borrow_repay"])
async def test_spot_margin_is_refused_with_a_sentence(bot: Bot, name: str) -> None:
    order_id = await bot.buy("1", "149", **{name: True})
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert bot.names(order_id) == ["OrderFailure"]
    (failure,) = bot.of(order_id, "OrderFailure")
    assert failure.error_message == f"{name} is for spot margin; a perpetual order cannot have it."
    assert bot.double.count("execute_order") == 0


async def test_f02_orders_of_a_batch_know_what_they_do_to_the_position(long_bot: Bot, venue: Venue) -> None:
    def limit(price: str, quantity: str, position: PositionAction, *, is_buy: bool = False) -> LimitOrder:
        return LimitOrder("", "SOL-USDC", is_buy, "SOL", "USDC", Decimal(price), Decimal(quantity), position=position)

    orders = [
        limit("152", "2", PositionAction.CLOSE),
        limit("149", "1", PositionAction.OPEN, is_buy=True),
        limit("153", "1", PositionAction.NIL),
    ]
    ids = [order.client_order_id for order in long_bot.connector.batch_order_create(orders)]
    await until(lambda: all(long_bot.names(order_id) for order_id in ids), "all are told")
    assert [long_bot.names(order_id)[0] for order_id in ids] == ["SellOrderCreated", "BuyOrderCreated", "OrderFailure"]
    (call,) = long_bot.double.requests("execute_order_batch")
    assert [fields.get("reduceOnly") for fields in call.fields] == [True, None]
    assert {fields["symbol"] for fields in call.fields} == {SYMBOL}
    assert "whether it opens or closes" in long_bot.of(ids[2], "OrderFailure")[0].error_message


async def test_a_close_of_a_batch_that_finds_nothing_is_cancelled_like_any_other(bot: Bot, venue: Venue) -> None:
    orders = [
        LimitOrder("", "SOL-USDC", False, "SOL", "USDC", Decimal(151), Decimal(1), position=position)
        for position in (PositionAction.CLOSE, PositionAction.OPEN)
    ]
    close, opening = [order.client_order_id for order in bot.connector.batch_order_create(orders)]
    await until(lambda: bot.names(close) and bot.names(opening), "both are told")
    assert bot.names(close) == ["OrderCancelled"]
    assert bot.names(opening) == ["SellOrderCreated"]


async def test_margin_of_a_batch_is_held_until_its_answer(bot: Bot) -> None:
    await marks_are_known(bot)
    before = bot.connector.get_available_balance("USDC")
    may_go = asyncio.Event()
    bot.double.script("execute_order_batch", hold_request(may_go), times=1)
    orders = [
        LimitOrder("", "SOL-USDC", True, "SOL", "USDC", Decimal(149), Decimal(quantity), position=PositionAction.OPEN)
        for quantity in ("1", "2")
    ]
    ids = [order.client_order_id for order in bot.connector.batch_order_create(orders)]
    await until(lambda: bot.double.count("execute_order_batch"), "the batch is on its way")
    held = before - bot.connector.get_available_balance("USDC")
    assert held > 0
    may_go.set()
    await until(lambda: all(bot.names(order_id) for order_id in ids), "both rest")
    await until(lambda: before - bot.connector.get_available_balance("USDC") == held, "the exchange locks as much")
