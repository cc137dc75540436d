"""Cancels: their answers, their races with fills and with the placement itself (F10, F20, F42)."""

import asyncio
import json
import logging
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.cancellation_result import CancellationResult
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState

from backpack_connector import order_reports
from backpack_connector.protocol.enums import Side
from backpack_connector.simulator.payloads import order_payload
from tests.spot.exchange_double import (
    Answer,
    Call,
    Script,
    answer,
    change,
    do_and_answer,
    hold_answer,
    hold_request,
    lose_answer,
    lose_request,
)
from tests.spot.people import PAIR, Bot, Venue, stays, until

CANCELLED = ["BuyOrderCreated", "OrderCancelled"]
FILLED = ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]
STREAM = pytest.mark.parametrize("has_stream", [True, False], ids=["with stream", "without stream"])
NOT_FOUND = {
    "400": (400, {"code": "INVALID_CLIENT_REQUEST", "message": "Order not found"}),
    "404": (404, {"code": "RESOURCE_NOT_FOUND", "message": "Not Found"}),
    "400 with the other code": (400, {"code": "RESOURCE_NOT_FOUND", "message": "Not Found"}),
}


def cancel(bot: Bot, order: InFlightOrder) -> None:
    bot.connector.cancel(PAIR, order.client_order_id)


async def names_become(bot: Bot, order: InFlightOrder, names: list[str]) -> None:
    """Wait for as many events, check them, and check that no others follow."""
    await until(lambda: len(bot.names(order.client_order_id)) >= len(names), f"the events are {names}")
    await stays(lambda: bot.names(order.client_order_id) == names, f"the events are {names}", for_s=0.1)


@STREAM
async def test_a_cancel_is_sent_with_the_exchange_id_and_applied(bot: Bot, has_stream: bool) -> None:
    order = await bot.open_buy("1", "149")
    if not has_stream:
        bot.double.drop_frames()
    cancel(bot, order)
    await names_become(bot, order, CANCELLED)
    (call,) = bot.double.requests("cancel_order")
    assert call.fields == {"orderId": bot.truth()[0].order_id, "symbol": bot.venue.kind.symbol}


# F20: 202 is a promise; an answer's status is used


@STREAM
async def test_f20_a_cancel_answered_202_is_pending_until_the_exchange_has_done_it(
    bot: Bot, has_stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    order = await bot.open_buy("1", "149")
    held = bot.double.hold_order_frames()
    may_answer = asyncio.Event()
    bot.double.script("get_open_orders", hold_answer(may_answer))
    bot.double.script("cancel_order", do_and_answer(202, ""))
    cancel(bot, order)
    await until(lambda: order.is_pending_cancel_confirmation, "the cancel is pending")
    await stays(lambda: order.is_pending_cancel_confirmation, "the cancel is pending", for_s=0.1)
    assert bot.names(order.client_order_id) == ["BuyOrderCreated"]
    if has_stream:
        await until(lambda: held, "the exchange tells of the cancel")
        await bot.double.push_order_event(held[-1])
    else:
        may_answer.set()
    await names_become(bot, order, CANCELLED)
    may_answer.set()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_f20_a_promised_cancel_that_is_not_done_opens_the_order_again(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reports, "PENDING_CANCEL_LIMIT_S", 0.3)
    order = await bot.open_buy("1", "149")
    bot.double.script("cancel_order", answer(202, ""), times=1)
    cancel(bot, order)
    await until(lambda: order.is_pending_cancel_confirmation, "the cancel is pending")
    await stays(lambda: order.is_pending_cancel_confirmation, "the cancel is pending", for_s=0.2)
    await until(lambda: order.current_state is OrderState.OPEN, "the order is open again")
    cancel(bot, order)
    await names_become(bot, order, CANCELLED)


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "not done"])
async def test_f20_a_promised_cancel_of_an_order_without_an_answer(
    bot: Bot, is_done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reports, "PENDING_CANCEL_LIMIT_S", 0.1)
    bot.double.drop_frames()
    bot.double.script("get_open_orders", answer(503, "?"))
    bot.double.script("execute_order", lose_answer)
    bot.double.script("cancel_order", do_and_answer(202, "") if is_done else answer(202, ""), times=1)
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.double.count("get_open_orders"), "the outcome is unknown")
    order = bot.order(order_id)
    cancel(bot, order)
    await until(lambda: bot.double.count("cancel_order"), "the cancel is sent")
    bot.double.behave("get_open_orders")
    if not is_done:
        await until(lambda: order.current_state is OrderState.OPEN, "the order is found")
        assert bot.names(order_id) == ["BuyOrderCreated"]
        cancel(bot, order)
    await names_become(bot, order, CANCELLED)


@STREAM
async def test_f20_a_cancel_answered_filled_completes_the_order(bot: Bot, venue: Venue, has_stream: bool) -> None:
    order = await bot.open_buy("1", "149")
    held = bot.double.hold_order_frames()

    async def fill_first(call: Call) -> Answer | None:
        venue.place(Side.ASK, "149", "1")
        return Answer(200, json.dumps(order_payload(bot.truth()[0])))

    bot.double.script("cancel_order", fill_first)
    if has_stream:
        bot.double.script("get_fills", answer(200, []))
    cancel(bot, order)
    if has_stream:
        await until(lambda: bot.double.count("get_fills"), "the fills are asked")
        assert bot.names(order.client_order_id) == ["BuyOrderCreated"]
        for data in held:
            await bot.double.push_order_event(data)
    await names_become(bot, order, FILLED)
    assert await bot.connector.cancel_all(1) == []


@pytest.mark.parametrize("reply", ["{", '{"ok": true}', '"text"', "[]"])
async def test_f20_a_cancel_whose_answer_cannot_be_read_is_settled_by_status(bot: Bot, reply: str) -> None:
    order = await bot.open_buy("1", "149")
    bot.double.drop_frames()
    bot.double.script("cancel_order", do_and_answer(200, reply), times=1)
    cancel(bot, order)
    await names_become(bot, order, CANCELLED)


# F10: fills that race a cancel


@pytest.mark.parametrize("source", ["later event", "fill history"])
async def test_f10_a_cancel_with_unseen_executed_quantity_waits_for_its_fills(
    bot: Bot, venue: Venue, source: str
) -> None:
    order = await bot.open_buy("5", "149")
    held = bot.double.hold_order_frames()
    if source == "later event":
        bot.double.script("get_fills", answer(200, []))
    venue.place(Side.ASK, "149", "2")
    cancel(bot, order)
    if source == "later event":
        await until(lambda: len(held) == 2 and bot.double.count("get_fills"), "fill and cancel have happened")
        assert bot.truth()[0].status == "Cancelled"
        assert bot.names(order.client_order_id) == ["BuyOrderCreated"]
        await bot.double.push_order_event(held[0])
    await names_become(bot, order, ["BuyOrderCreated", "OrderFilled", "OrderCancelled"])
    assert bot.fills(order.client_order_id) == [(Decimal(149), Decimal(2))]
    assert order.executed_amount_base == 2
    assert order.is_cancelled


async def test_f10_a_fill_event_that_comes_after_the_end_is_applied(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("5", "149")
    held = bot.double.hold_order_frames()
    venue.place(Side.ASK, "149", "2")
    # The exchange's own answer is behind: it does not tell of the fill yet.
    bot.double.script(
        "cancel_order", change(lambda row: {**row, "executedQuantity": "0", "executedQuoteQuantity": "0"})
    )
    cancel(bot, order)
    await names_become(bot, order, CANCELLED)
    await bot.double.push_order_event(held[0])
    await names_become(bot, order, [*CANCELLED, "OrderFilled"])
    assert bot.fills(order.client_order_id) == [(Decimal(149), Decimal(2))]
    assert order.is_cancelled


async def test_f10_both_ends_of_the_race_tell_the_same_fill_once(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("5", "149")
    held = bot.double.hold_order_frames()
    venue.place(Side.ASK, "149", "2")
    cancel(bot, order)
    await names_become(bot, order, ["BuyOrderCreated", "OrderFilled", "OrderCancelled"])
    for data in held:
        await bot.double.push_order_event(data)
    await stays(lambda: len(bot.names(order.client_order_id)) == 3, "no event comes twice", for_s=0.1)
    assert order.executed_amount_base == 2


async def test_f10_a_cancelled_order_stays_fillable_for_minutes(bot: Bot) -> None:
    assert bot.connector.order_tracker._cached_orders.ttl >= 300
    assert bot.connector.order_tracker._cached_orders.maxsize >= 5_000


# F42: a cancel of an order that is finished already


@pytest.mark.parametrize("refusal", NOT_FOUND)
async def test_f42_a_cancel_of_an_order_that_was_cancelled_elsewhere(
    bot: Bot, venue: Venue, refusal: str, caplog: pytest.LogCaptureFixture
) -> None:
    order = await bot.open_buy("1", "149")
    venue.cancel(bot.account, str(order.exchange_order_id), is_told=False)
    bot.double.script("cancel_order", answer(*NOT_FOUND[refusal]))
    cancel(bot, order)
    await names_become(bot, order, CANCELLED)
    assert bot.double.count("cancel_order") == 1
    assert not [record for record in caplog.records if record.exc_info]


async def test_f42_the_exchange_itself_answers_so(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("1", "149")
    venue.cancel(bot.account, str(order.exchange_order_id), is_told=False)
    assert await bot.connector.cancel_all(2) == [CancellationResult(order.client_order_id, True)]
    await names_become(bot, order, CANCELLED)


@pytest.mark.parametrize("refusal", NOT_FOUND)
async def test_f42_a_cancel_of_an_order_that_was_filled(bot: Bot, venue: Venue, refusal: str) -> None:
    order = await bot.open_buy("1", "149")
    venue.place(Side.ASK, "149", "1", is_told=False)
    bot.double.script("cancel_order", answer(*NOT_FOUND[refusal]))
    cancel(bot, order)
    await names_become(bot, order, FILLED)


async def test_f42_while_the_history_lags_nothing_is_concluded(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("1", "149")
    venue.place(Side.ASK, "149", "1", is_told=False)
    for operation in ("get_order_history", "get_fills"):
        bot.double.script(operation, answer(200, []))
    for _ in range(6):
        cancel(bot, order)
        await bot.poll()
    assert bot.names(order.client_order_id) == ["BuyOrderCreated"]
    bot.double.behave()
    await bot.poll()
    await names_become(bot, order, FILLED)


# Cancels whose own answer is lost

UNANSWERED: dict[str, tuple[Script, bool]] = {
    "lost answer": (lose_answer, True),
    "lost request": (lose_request, False),
    "503, done": (do_and_answer(503, {"code": "SERVER_ERROR", "message": "?"}), True),
    "500 TIMEOUT, not done": (answer(500, {"code": "TIMEOUT", "message": "?"}), False),
    "429": (answer(429, {"code": "TOO_MANY_REQUESTS", "message": "?"}), False),
}


@pytest.mark.parametrize("fault", UNANSWERED)
async def test_f20_a_cancel_without_an_answer_is_looked_up(bot: Bot, fault: str) -> None:
    script, is_done = UNANSWERED[fault]
    order = await bot.open_buy("1", "149")
    bot.double.drop_frames()
    bot.double.script("cancel_order", script)  # aiohttp itself repeats a DELETE whose kept connection broke
    cancel(bot, order)
    await until(lambda: bot.double.count("get_open_orders"), "the order is looked up")
    bot.double.behave()
    if not is_done:
        await stays(lambda: order.current_state is OrderState.OPEN, "the order is open", for_s=0.1)
        cancel(bot, order)
    await names_become(bot, order, CANCELLED)


# A cancel that overtakes its order


async def test_a_cancel_that_overtakes_its_order_waits_and_cancels_it(bot: Bot) -> None:
    may_go = asyncio.Event()
    bot.double.script("execute_order", hold_request(may_go), times=1)
    order_id = await bot.buy("1", "149")
    cancel(bot, bot.order(order_id))
    await until(lambda: bot.double.count("cancel_order") == 1, "the cancel was tried")
    await stays(lambda: bot.names(order_id) == [], "nothing is concluded", for_s=0.1)
    assert bot.double.requests("cancel_order")[0].fields == {"clientId": int(order_id), "symbol": bot.venue.kind.symbol}
    may_go.set()
    await names_become(bot, bot.order(order_id), CANCELLED)
    assert bot.double.count("cancel_order") == 2
    assert bot.truth()[0].status == "Cancelled"


async def test_a_cancel_that_overtakes_an_order_which_is_then_refused(bot: Bot) -> None:
    may_go = asyncio.Event()

    async def refuse(call: Call) -> Answer | None:
        await may_go.wait()
        return Answer(400, json.dumps({"code": "INSUFFICIENT_FUNDS", "message": "Insufficient funds"}))

    bot.double.script("execute_order", refuse)
    order_id = await bot.buy("1", "149")
    cancel(bot, bot.order(order_id))
    await until(lambda: bot.double.count("cancel_order") == 1, "the cancel was tried")
    may_go.set()
    await names_become(bot, bot.order(order_id), ["OrderFailure"])
    assert bot.double.count("cancel_order") == 1


async def test_a_cancel_of_an_order_whose_answer_is_lost_goes_by_its_client_id(bot: Bot) -> None:
    bot.double.drop_frames()
    bot.double.script("get_open_orders", answer(503, "?"))
    bot.double.script("execute_order", lose_answer)
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.double.count("get_open_orders"), "the outcome is unknown")
    cancel(bot, bot.order(order_id))
    await names_become(bot, bot.order(order_id), CANCELLED)
    assert bot.double.requests("cancel_order")[0].fields["clientId"] == int(order_id)
    assert bot.truth()[0].status == "Cancelled"


# cancel_all


async def test_parity_cancel_all_cancels_everything_and_says_so(bot: Bot) -> None:
    orders = [await bot.open_buy("1", price) for price in ("147", "148", "149")]
    results = await bot.connector.cancel_all(2)
    assert sorted(result.order_id for result in results) == sorted(order.client_order_id for order in orders)
    assert all(result.success for result in results)
    assert [bot.names(order.client_order_id) for order in orders] == [CANCELLED] * 3
    assert [order.status for order in bot.truth()] == ["Cancelled"] * 3
    assert not bot.connector.in_flight_orders


async def test_parity_cancel_all_tells_what_could_not_be_cancelled(bot: Bot) -> None:
    first, second = [await bot.open_buy("1", price) for price in ("148", "149")]

    async def refuse_second(call: Call) -> Answer | None:
        if call.fields["orderId"] == second.exchange_order_id:
            return Answer(400, json.dumps({"code": "TRADING_PAUSED", "message": "Paused"}))
        return await call.forward()

    bot.double.script("cancel_order", refuse_second)
    results: dict[str, Any] = {result.order_id: result.success for result in await bot.connector.cancel_all(2)}
    assert results == {first.client_order_id: True, second.client_order_id: False}
    assert second.current_state is OrderState.OPEN


async def test_cancels_of_one_order_that_come_together_are_sent_once_and_give_one_event(bot: Bot) -> None:
    order = await bot.open_buy("1", "149")
    for _ in range(3):
        cancel(bot, order)
    await names_become(bot, order, CANCELLED)
    assert bot.double.count("cancel_order") == 1


async def test_f29_a_burst_of_cancels_that_find_nothing_asks_about_all_orders_together(bot: Bot, venue: Venue) -> None:
    orders = [await bot.open_buy("0.1", f"14{digit}") for digit in range(9)]
    for order in orders:
        venue.cancel(bot.account, order.exchange_order_id, is_told=False)
    asked_before = bot.double.count("get_order_history") + bot.double.count("get_fills")
    for order in orders:
        cancel(bot, order)
    for order in orders:
        await names_become(bot, order, CANCELLED)
    assert bot.double.count("get_order_history") + bot.double.count("get_fills") - asked_before <= 6


async def test_a_stop_ends_the_cancels_that_wait_for_an_answer_and_says_that_they_are_not_done(bot: Bot) -> None:
    order, other = await bot.open_buy("1", "149"), await bot.open_buy("1", "148")
    go = asyncio.Event()
    bot.double.script("cancel_order", hold_request(go))
    waiting = asyncio.ensure_future(bot.connector._execute_cancel(PAIR, order.client_order_id))
    all_of_them = asyncio.ensure_future(bot.connector.cancel_all(5.0))
    await until(lambda: bot.double.count("cancel_order") == 2, "both cancels are on their way")
    await bot.connector.stop_network()
    assert bot.connector._cancels == {}
    assert await waiting is None
    assert await all_of_them == [CancellationResult(row.client_order_id, False) for row in (order, other)]
    go.set()


async def test_an_order_whose_cancel_was_given_up_is_asked_about_after_the_next_start(bot: Bot) -> None:
    order = await bot.open_buy("1", "149")
    held = asyncio.Event()
    bot.double.script("cancel_order", hold_answer(held))
    waiting = asyncio.ensure_future(bot.connector._execute_cancel(PAIR, order.client_order_id))
    await until(lambda: bot.truth()[0].status.is_final, "the exchange has cancelled it")
    bot.double.drop_frames()
    await bot.connector.stop_network()
    assert await waiting is None
    await bot.connector.start_network()
    await names_become(bot, order, CANCELLED)
    held.set()
