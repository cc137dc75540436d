"""Conditional orders: they wait, fire, fail and are cancelled at the exchange, and the bot's books follow.

What the exchange sends is written here by hand where nobody has published it: whether an order keeps its id when it
fires is not known, so both are tried.
"""

import json
import logging
from decimal import Decimal

import pytest
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState

from backpack_connector.protocol.enums import Side
from tests.spot.conditional_order import CREATED, ConditionalOrder, placed
from tests.spot.conftest import StartBot
from tests.spot.exchange_double import Answer, Call, Frame, answer
from tests.spot.people import PAIR, Bot, Venue, remembered_updates, settled, stays, until

FILLED = [*CREATED, "OrderFilled", "SellOrderCompleted"]
SAME_ID_OR_NEW = pytest.mark.parametrize("fired_id", ["501", "777"], ids=["keeps its id", "gets another id"])


# What is sent, and what it takes


async def test_a_conditional_order_has_a_trigger_quantity_and_no_quantity(bot: Bot) -> None:
    exchange, order = await placed(bot, price="139.5", trigger_by="LastPrice")
    (call,) = bot.double.requests("execute_order")
    assert call.fields == {
        "clientId": int(order.client_order_id), "orderType": "Limit", "price": "139.5", "side": "Ask",
        "symbol": exchange.symbol, "timeInForce": "GTC", "triggerBy": "LastPrice", "triggerPrice": "140",
        "triggerQuantity": "2",
    }  # fmt: skip
    assert order.amount == 2
    assert order.exchange_order_id == "501"
    assert order.current_state is OrderState.OPEN


async def test_a_conditional_order_takes_no_funds_before_it_fires(bot: Bot) -> None:
    available = []

    async def look(call: Call) -> Answer | None:
        available.append(bot.connector.get_available_balance("SOL"))
        return None

    before = bot.connector.get_available_balance("SOL")
    bot.double.script("execute_order", look)
    await bot.sell("2", "NaN", OrderType.MARKET, trigger_price=140)
    await until(lambda: available, "it is on its way")
    assert available == [before]


async def test_the_price_of_a_conditional_order_may_lie_outside_of_todays_band(bot: Bot, venue: Venue) -> None:
    venue.place(Side.BID, "149", "1")
    venue.place(Side.ASK, "151", "1")
    await until(lambda: bot.connector.get_price(PAIR, True) == 151, "the book is known")
    ConditionalOrder(bot)
    order_id = await bot.sell("2", "20", trigger_price=21)
    await until(lambda: bot.names(order_id), "the strategy hears of it")
    assert bot.names(order_id) == CREATED


async def test_a_conditional_order_whose_answer_is_lost_is_found(bot: Bot) -> None:
    exchange = ConditionalOrder(bot)
    bot.double.behave("execute_order")

    async def lose(call: Call) -> Answer | None:
        await exchange._accept(call)
        return None

    bot.double.script("execute_order", lose)
    order_id = await bot.sell("2", "NaN", OrderType.MARKET, trigger_price=140)
    await until(lambda: bot.names(order_id) == CREATED, "it is found among the open orders")
    assert bot.double.count("execute_order") == 1


# Waiting


async def test_while_it_waits_it_is_a_resting_order(bot: Bot) -> None:
    exchange, order = await placed(bot)
    await exchange.push("triggerPlaced", "TriggerPending", P="140", Y="2")
    for _ in range(6):
        await bot.poll()
    assert bot.names(order.client_order_id) == CREATED
    assert order.current_state is OrderState.OPEN
    assert bot.double.count("get_order_history", "get_fills") == 0


async def test_the_event_may_come_before_the_answer(bot: Bot) -> None:
    exchange = ConditionalOrder(bot)
    bot.double.behave("execute_order")

    async def tell_first(call: Call) -> Answer | None:
        done = await exchange._accept(call)
        await exchange.push("triggerPlaced", "TriggerPending", P="140", Y="2")
        return done

    bot.double.script("execute_order", tell_first)
    order_id = await bot.sell("2", "NaN", OrderType.MARKET, trigger_price=140)
    await until(lambda: bot.names(order_id) == CREATED, "it is announced")
    await stays(lambda: bot.names(order_id) == CREATED, "once", for_s=0.1)


@pytest.mark.parametrize("by", ["stream", "answer", "list"])
async def test_it_can_be_cancelled_while_it_waits(bot: Bot, by: str) -> None:
    exchange, order = await placed(bot)
    cancelled = {**exchange.row, "status": "Cancelled"}
    if by == "stream":
        await exchange.push("orderCancelled", "Cancelled", P="140", Y="2")
    elif by == "answer":
        bot.double.script("cancel_order", answer(200, cancelled))
        bot.connector.cancel(PAIR, order.client_order_id)
    else:
        exchange.is_listed = False
        exchange.history = [{**cancelled, "createdAt": "2096-10-02T07:06:40"}]
        await bot.poll()
    await until(lambda: bot.names(order.client_order_id) == [*CREATED, "OrderCancelled"], "it is cancelled")
    if by == "answer":
        assert bot.double.requests("cancel_order")[0].fields == {"orderId": "501", "symbol": exchange.symbol}


# Firing


@SAME_ID_OR_NEW
async def test_when_it_fires_it_goes_on_as_the_same_order(bot: Bot, fired_id: str) -> None:
    exchange, order = await placed(bot, price="139.5")
    await exchange.push("triggerPlaced", "TriggerPending", P="140", Y="2")
    await exchange.push("orderAccepted", "New", i=fired_id, q="2", p="139.5")
    assert order.exchange_order_id == fired_id
    assert order.current_state is OrderState.OPEN
    await exchange.push("orderFill", "Filled", i=fired_id, **exchange.fill_keys("2"))
    await until(lambda: bot.names(order.client_order_id) == FILLED, "it is filled")
    assert bot.fills(order.client_order_id) == [(Decimal(140), Decimal(2))]
    assert not bot.connector._awaiting_trigger


@SAME_ID_OR_NEW
async def test_when_it_fires_unseen_the_lists_tell(bot: Bot, fired_id: str) -> None:
    exchange, order = await placed(bot)
    await bot.poll()
    exchange.fire(fired_id, "2")
    for _ in range(3):
        await bot.poll()
    assert bot.names(order.client_order_id) == FILLED
    assert order.exchange_order_id == fired_id


@SAME_ID_OR_NEW
async def test_when_it_fires_and_rests_the_open_orders_tell(bot: Bot, fired_id: str) -> None:
    exchange, order = await placed(bot, price="139.5")
    exchange.row = {**exchange.row, "id": fired_id, "status": "New", "quantity": "2"}
    await bot.poll()
    assert order.exchange_order_id == fired_id
    assert order.is_open
    assert bot.names(order.client_order_id) == CREATED
    await exchange.push("orderCancelled", "Cancelled", i=fired_id, q="2")
    assert order.is_cancelled


async def test_when_the_old_row_stays_in_the_history_the_new_one_counts(bot: Bot) -> None:
    exchange, order = await placed(bot)
    waiting = {**exchange.row, "createdAt": "2096-10-02T07:06:40"}
    exchange.fire("777", "2")
    exchange.history = [waiting, *exchange.history, {**waiting, "status": "Triggered"}]
    for _ in range(3):
        await bot.poll()
    assert bot.names(order.client_order_id) == FILLED


@SAME_ID_OR_NEW
async def test_what_fires_and_expires_at_once_ends_with_its_reason(
    bot: Bot, fired_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates = remembered_updates(bot, monkeypatch)
    exchange, order = await placed(bot)
    await exchange.push("orderExpired", "Expired", i=fired_id, q="2", R="SlippageToleranceExceeded")
    await until(lambda: order.is_cancelled, "it is over")
    assert order.exchange_order_id == fired_id
    assert any((update.misc_updates or {}).get("expiry_reason") == "SlippageToleranceExceeded" for update in updates)


OTHERS: dict[str, Frame] = {
    "another market": {"s": "BTC_USDC"},
    "the other side, as its own stop loss would be": {"S": "Bid"},
    "another client id": {"c": 5},
    "no client id": {"c": None},
}


@pytest.mark.parametrize("other", OTHERS)
async def test_f36_a_waiting_order_takes_no_other_order_for_its_own(bot: Bot, other: str) -> None:
    exchange, order = await placed(bot)
    await exchange.push("orderFill", "Filled", i="777", **exchange.fill_keys("2"), **OTHERS[other])
    assert bot.names(order.client_order_id) == CREATED
    assert order.exchange_order_id == "501"


async def test_f36_an_exit_that_shares_its_client_id_is_not_the_order(bot: Bot) -> None:
    exchange, order = await placed(bot)
    exit_row = {**exchange.row, "id": "777", "side": "Bid", "status": "New", "quantity": "2"}
    exchange.bot.double.behave("get_open_orders")
    bot.double.script("get_open_orders", answer(200, [exit_row, exchange.row]))
    await bot.poll()
    assert order.exchange_order_id == "501"
    assert bot.connector.awaits_trigger(order)


async def test_f36_after_it_has_fired_both_ids_must_match_again(bot: Bot) -> None:
    exchange, order = await placed(bot)
    await exchange.push("orderAccepted", "New", i="777", q="2")
    await exchange.push("orderCancelled", "Cancelled", i="778", q="2")
    await exchange.push("orderCancelled", "Cancelled", i="501", q="2")
    assert order.is_open
    assert order.exchange_order_id == "777"


# Quantities in percent


@pytest.mark.parametrize("quantity", ["1.5", "3"], ids=["less", "more"])
@pytest.mark.parametrize("by", ["stream", "list"])
async def test_a_quantity_in_percent_is_known_when_it_fires(bot: Bot, quantity: str, by: str) -> None:
    exchange, order = await placed(bot, trigger_quantity="80%")
    assert bot.double.requests("execute_order")[0].fields["triggerQuantity"] == "80%"
    assert order.amount == 2
    if by == "stream":
        await exchange.push("orderAccepted", "New", q=quantity)
        await exchange.push("orderFill", "Filled", **exchange.fill_keys(quantity))
    else:
        exchange.fire("501", quantity)
        for _ in range(3):
            await bot.poll()
    await until(lambda: bot.names(order.client_order_id) == FILLED, "it is filled")
    assert order.amount == order.executed_amount_base == Decimal(quantity)
    assert order.current_state is OrderState.FILLED


async def test_a_quantity_in_percent_is_known_even_if_nobody_saw_the_order_wait(bot: Bot) -> None:
    exchange = ConditionalOrder(bot)
    bot.double.behave("execute_order")
    bot.double.drop_frames()

    async def fire_and_lose_the_answer(call: Call) -> Answer | None:
        await exchange._accept(call)
        exchange.fire("501", "1.5")
        return None

    bot.double.script("execute_order", fire_and_lose_the_answer)
    order_id = await bot.sell("2", "NaN", OrderType.MARKET, trigger_price=140, trigger_quantity="80%")
    await until(lambda: bot.names(order_id) == FILLED, "it is found filled")
    assert bot.order(order_id).amount == Decimal("1.5")


async def test_a_quantity_of_zero_is_not_the_orders(bot: Bot) -> None:
    exchange, order = await placed(bot)
    await exchange.push("orderAccepted", "New", q="0")
    assert order.amount == 2


async def test_an_ordinary_order_keeps_its_amount_and_fires_nothing(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    order = await bot.open_buy("2", "149")
    await bot.double.push_order_event(bot.double.order_events(str(order.exchange_order_id))[0], q="1")
    await bot.poll()
    await settled(bot)
    assert order.amount == 2
    assert "has fired" not in caplog.text


# Failing


@pytest.mark.parametrize("by", ["stream", "list"])
@pytest.mark.parametrize("reason", ["StopWithoutPosition", None])
async def test_a_trigger_that_fails_fails_the_order_with_its_reason(
    bot: Bot, by: str, reason: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    exchange, order = await placed(bot)
    if by == "stream":
        await exchange.push("triggerFailed", "TriggerFailed", R=reason, P="140", Y="2")
    else:
        exchange.is_listed = False
        failed = {"status": "TriggerFailed", "createdAt": "2096-10-02T07:06:40", "expiryReason": reason}
        exchange.history = [{**exchange.row, **failed}]
        await bot.poll()
    await until(lambda: bot.names(order.client_order_id) == [*CREATED, "OrderFailure"], "it failed")
    (failure,) = bot.of(order.client_order_id, "OrderFailure")
    assert (failure.error_type, failure.error_message) == ("TriggerFailed", reason or "no reason given")
    assert f"The exchange ended order {order.client_order_id}: {reason or 'no reason given'}." in caplog.messages
    assert not bot.connector.in_flight_orders


async def test_a_trigger_that_fails_at_once_waits_for_its_reason(bot: Bot) -> None:
    exchange = ConditionalOrder(bot)
    exchange.is_listed = False
    bot.double.behave("execute_order")

    async def fail(call: Call) -> Answer | None:
        await exchange._accept(call)
        failed = {**exchange.row, "status": "TriggerFailed"}
        exchange.history = [{**failed, "createdAt": "2096-10-02T07:06:40", "expiryReason": "InsufficientFunds"}]
        return Answer(200, json.dumps(failed))

    bot.double.script("execute_order", fail)
    order_id = await bot.sell("2", "NaN", OrderType.MARKET, trigger_price=140)
    await until(lambda: bot.names(order_id) == [*CREATED, "OrderFailure"], "it failed")
    assert bot.of(order_id, "OrderFailure")[0].error_message == "InsufficientFunds"


# Over a restart, and all at once


@SAME_ID_OR_NEW
async def test_a_waiting_order_is_adopted_after_a_restart_even_if_it_fired_meanwhile(
    start_bot: StartBot, fired_id: str
) -> None:
    bot = await start_bot()
    exchange, order = await placed(bot)
    states = json.loads(json.dumps(bot.connector.tracking_states))
    await bot.connector.stop_network()
    exchange.fire(fired_id, "2")
    again = await start_bot(tracking_states=states)
    for _ in range(3):
        await again.poll()
    assert again.names(order.client_order_id) == FILLED[1:]


async def test_an_ordinary_order_is_saved_without_a_mark(bot: Bot) -> None:
    order = await bot.open_buy("1", "149")
    assert "awaits_trigger" not in bot.connector.tracking_states[order.client_order_id]
    again = type(bot.connector)(bot.connector._api_key, bot.connector._api_secret)
    again.restore_tracking_states(bot.connector.tracking_states)
    assert not again._awaiting_trigger


async def test_what_is_forgotten_is_not_remembered_as_waiting(bot: Bot) -> None:
    bot.connector._awaiting_trigger.add("123")
    _, order = await placed(bot)
    assert bot.connector._awaiting_trigger == {order.client_order_id}


async def ten_orders(bot: Bot) -> tuple[ConditionalOrder, InFlightOrder, list[InFlightOrder]]:
    """Return a conditional order on both sides, and nine that rest beside it; the open orders list all."""
    exchange, conditional = await placed(bot)
    bot.double.behave()
    resting = [await bot.open_buy("0.1", str(140 - step)) for step in range(9)]

    async def list_all(call: Call) -> Answer | None:
        rest = await call.forward()
        return Answer(200, json.dumps([*rest.data, exchange.row]))

    bot.double.script("get_open_orders", list_all)
    return exchange, conditional, resting


async def test_a_market_is_cancelled_at_once_with_its_conditional_orders_first(alone: Bot) -> None:
    exchange, conditional, resting = await ten_orders(alone)

    async def cancel_kind(call: Call) -> Answer | None:
        if call.fields["orderType"] == "ConditionalOrder":
            return Answer(200, json.dumps([{**exchange.row, "status": "Cancelled"}]))
        return await call.forward()

    alone.double.script("cancel_open_orders", cancel_kind)
    results = await alone.connector.cancel_all(3)
    assert [result.success for result in results] == [True] * 10
    assert [call.fields["orderType"] for call in alone.double.requests("cancel_open_orders")] == [
        "ConditionalOrder", "RestingLimitOrder"
    ]  # fmt: skip
    assert all(order.is_cancelled for order in [conditional, *resting])


async def test_f20_a_promise_covers_the_kind_of_orders_that_was_asked_for(alone: Bot) -> None:
    _, conditional, resting = await ten_orders(alone)

    async def promise_conditional(call: Call) -> Answer | None:
        is_conditional = call.fields["orderType"] == "ConditionalOrder"
        return Answer(202, "") if is_conditional else Answer(503, '{"code": "SERVER_ERROR", "message": "?"}')

    alone.double.script("cancel_open_orders", promise_conditional)
    results = dict(await alone.connector.cancel_all(3))
    assert set(results.values()) == {True}
    assert conditional.is_pending_cancel_confirmation
    assert all(order.is_cancelled for order in resting)
    assert alone.double.count("cancel_order") == 9
