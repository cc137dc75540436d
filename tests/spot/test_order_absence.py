"""F11: an order that the exchange is known to have had is not given up because lists that lag do not show it."""

import asyncio
import logging
from typing import Any
from unittest import mock

import pytest
from hummingbot.core.data_type.in_flight_order import InFlightOrder

from backpack_connector import order_reconciliation
from backpack_connector.order_reconciliation import OrderReconciler
from backpack_connector.protocol.enums import Side
from tests.spot.exchange_double import Answer, Call, answer, change
from tests.spot.people import PAIR, Bot, Venue, until

LISTS_OF_THE_PAST = ("get_order_history", "get_fills")
LOOKS = 8


async def cancelled_elsewhere(bot: Bot, venue: Venue, order: InFlightOrder) -> list[str]:
    venue.cancel(bot.account, str(order.exchange_order_id), is_told=False)
    return ["BuyOrderCreated", "OrderCancelled"]


async def filled(bot: Bot, venue: Venue, order: InFlightOrder) -> list[str]:
    venue.place(Side.ASK, "149", "1", is_told=False)
    return ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]


async def absent(bot: Bot) -> InFlightOrder:
    """Return an order that the exchange has accepted, and that the lists of the past will not show."""
    order = await bot.open_buy("1", "149")
    bot.double.drop_frames()
    for operation in LISTS_OF_THE_PAST:
        bot.double.script(operation, answer(200, []))
    await asyncio.sleep(order_reconciliation.CONCLUSIVE_AGE_S)
    return order


@pytest.mark.parametrize("end", [cancelled_elsewhere, filled])
@pytest.mark.parametrize("is_asked_for", [False, True], ids=["polls", "polls and cancels"])
async def test_f11_an_order_that_the_exchange_has_had_waits_for_lists_that_lag(
    no_settling: None, bot: Bot, venue: Venue, soon_conclusive: None, end: Any, is_asked_for: bool
) -> None:
    order = await absent(bot)
    names = await end(bot, venue, order)
    for _ in range(LOOKS):
        if is_asked_for:
            await bot.connector._execute_cancel(PAIR, order.client_order_id)
        await bot.poll()
    assert bot.names(order.client_order_id) == ["BuyOrderCreated"]
    assert order.client_order_id in bot.connector.in_flight_orders
    bot.double.behave()
    await bot.poll()
    await until(lambda: bot.names(order.client_order_id) == names, "it ends as it did")
    assert not bot.connector._reconciler._absent_since


async def test_f11_it_is_given_up_when_no_list_has_shown_it_for_long(
    no_settling: None, bot: Bot, venue: Venue, soon_conclusive: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await absent(bot)
    await cancelled_elsewhere(bot, venue, order)
    for _ in range(LOOKS):
        await bot.poll()
    reconciler = bot.connector._reconciler
    reconciler._absent_since[order.client_order_id] -= order_reconciliation.ABSENCE_OF_KNOWN_S
    await bot.poll()
    assert bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderFailure"]
    assert not reconciler._absent_since


async def test_f11_an_order_that_is_seen_between_has_not_been_absent_for_long(
    no_settling: None, bot: Bot, soon_conclusive: None
) -> None:
    order = await absent(bot)
    reconciler = bot.connector._reconciler
    for _ in range(2):
        bot.double.script("get_open_orders", answer(200, []))
        for _ in range(LOOKS):
            await bot.poll()
        # Twice more than half of the time, and a look at it in between.
        reconciler._absent_since[order.client_order_id] -= 0.6 * order_reconciliation.ABSENCE_OF_KNOWN_S
        await bot.poll()
        bot.double.behave("get_open_orders")
        await bot.poll()
    assert bot.names(order.client_order_id) == ["BuyOrderCreated"]


async def test_f13_fills_are_asked_for_since_those_that_were_listed_last(
    no_settling: None, bot: Bot, venue: Venue
) -> None:
    orders = [await bot.open_buy("2", "149") for _ in range(3)]
    bot.double.drop_frames()
    for order in orders:
        order.creation_timestamp -= 10_000.0  # all of them are old, and other bots of the account trade
    for _ in range(2):
        for _ in orders:
            venue.place(Side.ASK, "149", "0.5", is_told=False)
        await bot.connector._reconciler.fills_of(orders)
    first, second = (call.fields["from"] for call in bot.double.requests("get_fills"))
    newest_ms = bot.connector._time() * 1000
    assert newest_ms - float(first) > 10_000_000
    assert newest_ms - float(second) < 1.5 * order_reconciliation.FILLS_OVERLAP_S * 1000
    # An order that is known under another id now has other fills.
    orders[0].exchange_order_id = "17"
    await bot.connector._reconciler.fills_of(orders)
    assert newest_ms - float(bot.double.requests("get_fills")[-1].fields["from"]) > 10_000_000


async def test_f13_a_fill_that_is_listed_long_after_later_ones_is_found(
    no_settling: None, bot: Bot, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reconciliation, "TARGETED_LOOKUPS", 0)  # one order stands for many
    order = await bot.open_buy("2", "149")
    bot.double.drop_frames()
    order.creation_timestamp -= 10_000.0
    asked = []
    for quantity, is_listed in (("0.5", True), ("0.7", False), (None, True)):
        bot.double.behave("get_fills")
        if not is_listed:
            bot.double.script("get_fills", change(lambda rows: rows[1:]))  # the newest is not there yet
        if quantity is not None:
            venue.place(Side.ASK, "149", quantity, is_told=False)
        await bot.poll()
        asked.append(float(bot.double.requests("get_fills")[-1].fields["from"]))
    assert asked[0] == asked[2] < asked[1]
    assert str(order.executed_amount_base) == "1.2"


async def test_f13_nothing_is_noted_about_orders_that_have_ended(no_settling: None, bot: Bot, venue: Venue) -> None:
    orders = [await bot.open_buy("1", "149") for _ in range(3)]
    for order in orders:
        venue.cancel(bot.account, str(order.exchange_order_id))
    await until(lambda: not bot.connector.in_flight_orders, "they have ended")
    venue.place(Side.BID, "140", "1", account=bot.account)
    venue.place(Side.ASK, "140", "1")
    await bot.connector._reconciler.fills_of(orders)
    assert len(bot.double.requests("get_fills")) == 1
    assert not bot.connector._reconciler._fills_told_until


async def test_f13_a_fill_list_that_cannot_be_read_whole_is_asked_for_again(
    no_settling: None, bot: Bot, venue: Venue
) -> None:
    orders = [await bot.open_buy("2", "149") for _ in range(3)]
    bot.double.drop_frames()
    for order in orders:
        order.creation_timestamp -= 10_000.0
    venue.place(Side.ASK, "149", "0.5", is_told=False)
    bot.double.script("get_fills", change(lambda rows: [*rows, {"odd": "row"}]))
    for _ in range(2):
        await bot.connector._reconciler.fills_of(orders)
    first, second = (call.fields["from"] for call in bot.double.requests("get_fills"))
    assert first == second


async def test_an_order_that_the_stream_has_completed_costs_no_question(bot: Bot, venue: Venue) -> None:
    venue.place(Side.ASK, "149", "1")
    order_id = await bot.buy("1", "149")
    await until(lambda: "BuyOrderCompleted" in bot.names(order_id), "the order is filled")
    await bot.rest()
    asked = bot.double.counts()
    order = bot.connector.order_tracker.fillable_order(order_id)
    assert order is not None
    reconciler = OrderReconciler(bot.connector)
    reconciler.settle_soon(order)
    await reconciler._settle_once()
    assert not (bot.double.counts() - asked).keys() & {"get_open_orders", *LISTS_OF_THE_PAST}
    assert not reconciler._unsettled


async def test_a_cancel_that_loses_against_a_fill_costs_no_question(
    bot: Bot, venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    order = await bot.open_buy("1", "149")

    async def fill_first(call: Call) -> Answer | None:
        venue.place(Side.ASK, "149", "1")
        await until(lambda: "BuyOrderCompleted" in bot.names(order.client_order_id), "the order is filled")
        return await call.forward()

    bot.double.script("cancel_order", fill_first)
    with (
        caplog.at_level(logging.WARNING),
        mock.patch.object(OrderReconciler, "settle_now") as settle_now,
        mock.patch.object(OrderReconciler, "settle_soon") as settle_soon,
    ):
        await bot.connector._execute_cancel(PAIR, order.client_order_id)
    assert bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]
    assert bot.double.count("cancel_order") == 1
    assert not settle_now.called
    assert not settle_soon.called
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert not [sentence for sentence in warned if order.client_order_id in sentence]


async def test_a_row_that_cannot_be_read_does_not_end_the_pages_of_the_history(
    no_settling: None, bot: Bot, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reconciliation, "HISTORY_PAGE", 2)
    bot.double.drop_frames()

    async def lose_and_cancel(call: Call) -> Answer | None:
        venue.cancel(bot.account, (await call.forward()).data["id"])
        for _ in range(3):
            venue.cancel(bot.account, venue.place(Side.BID, "140", "1", account=bot.account).order_id)
        return None

    bot.double.script("execute_order", lose_and_cancel)
    bot.double.script("get_order_history", change(lambda rows: [{**rows[0], "status": "Odd"}, *rows[1:]]), times=1)
    order_id = await bot.buy("1", "149")
    await until(lambda: order_id in bot.connector._request_ended_at, "its answer is lost")
    await bot.poll()
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderCancelled"]


async def test_what_was_not_settled_when_the_task_ended_is_settled_by_the_next(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("1", "149")
    bot.double.drop_frames()
    venue.cancel(bot.account, str(order.exchange_order_id), is_told=False)
    reconciler = OrderReconciler(bot.connector)
    reconciler._unsettled.add(order.client_order_id)
    task = asyncio.ensure_future(reconciler.run())
    await until(lambda: order.is_cancelled, "it is asked about")
    task.cancel()
