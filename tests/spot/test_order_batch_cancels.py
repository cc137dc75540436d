"""Many orders cancelled at once: one by one or by market, and nothing that is not the bot's."""

import asyncio
import logging
from typing import Any

import pytest
from hummingbot.core.data_type.cancellation_result import CancellationResult
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import InFlightOrder

from backpack_connector.protocol.enums import Side
from tests.spot.exchange_double import (
    Answer,
    Call,
    Script,
    answer,
    change,
    do_and_answer,
    hold_request,
    lose_request,
)
from tests.spot.ladders import CANCELLED, CREATED, SERVER_ERROR, create, create_and_rest, limit
from tests.spot.people import PAIR, Bot, Venue, until

# Cancelling a list


async def test_a_batch_cancel_cancels_its_orders_and_no_others(bot: Bot, venue: Venue) -> None:
    orders = await create_and_rest(bot, 4)
    elsewhere = venue.place(Side.BID, "140", "1", account=bot.account)
    stranger = limit("140").copy_with_id("77")
    bot.connector.batch_order_cancel([order.to_limit_order() for order in orders[:3]] + [stranger])
    await until(lambda: all(order.is_cancelled for order in orders[:3]), "three are cancelled")
    assert orders[3].is_open
    assert elsewhere.status == "New"
    assert bot.double.counts() == {"execute_order_batch": 1, "cancel_order": 3}


async def test_the_cancels_of_a_batch_travel_side_by_side(bot: Bot) -> None:
    orders = await create_and_rest(bot, 5)
    may_go = asyncio.Event()
    bot.double.script("cancel_order", hold_request(may_go))
    bot.connector.batch_order_cancel([order.to_limit_order() for order in orders])
    await until(lambda: bot.double.count("cancel_order") == 5, "all are on their way at once")
    may_go.set()
    await until(lambda: all(order.is_cancelled for order in orders), "all are cancelled")


# cancel_all: one by one, unless the account is declared to be the bot's alone


async def all_cancelled(bot: Bot, orders: list[InFlightOrder]) -> None:
    results = await bot.connector.cancel_all(3)
    assert sorted(results) == sorted(CancellationResult(order.client_order_id, True) for order in orders)
    await until(lambda: all(order.is_cancelled for order in orders), "all are cancelled")
    await bot.rest()
    assert [bot.names(order.client_order_id) for order in orders] == [CANCELLED] * len(orders)


async def test_by_default_orders_are_cancelled_one_by_one(bot: Bot, venue: Venue) -> None:
    orders = await create_and_rest(bot, 12)
    elsewhere = venue.place(Side.BID, "140", "1", account=bot.account)
    bot.double.calls.clear()
    await all_cancelled(bot, orders)
    assert bot.double.counts() == {"cancel_order": 12}
    assert elsewhere.status == "New"


async def test_an_account_of_its_own_is_cancelled_market_by_market(alone: Bot, venue: Venue) -> None:
    orders = await create_and_rest(alone, 12)
    (other,) = await create(alone, [limit("100000", "0.0001", pair="BTC-USDC")])
    await until(lambda: alone.names(other) == CREATED, "the other market's order rests")
    alone.double.calls.clear()
    await all_cancelled(alone, [*orders, alone.order(other)])
    # Twelve orders in one market: a look and a cancel; one order in the other: its own cancel.
    assert alone.double.counts() == {"get_open_orders": 1, "cancel_open_orders": 1, "cancel_order": 1}
    assert alone.double.requests("get_open_orders")[0].fields == {"symbol": venue.kind.symbol}
    assert alone.double.requests("cancel_open_orders")[0].fields == {
        "symbol": venue.kind.symbol, "orderType": "RestingLimitOrder"
    }  # fmt: skip
    assert {order.status for order in alone.truth()} == {"Cancelled"}


async def test_few_orders_are_cancelled_one_by_one_because_that_is_quicker(alone: Bot) -> None:
    orders = await create_and_rest(alone, 9)
    alone.double.calls.clear()
    await all_cancelled(alone, orders)
    assert alone.double.counts() == {"cancel_order": 9}


FOREIGN: dict[str, dict[str, Any]] = {
    "of a person": {},
    "of another bot": {"client_id": 4_000_000_000},
}


@pytest.mark.parametrize("owner", FOREIGN)
async def test_an_order_that_the_bot_did_not_place_survives(alone: Bot, venue: Venue, owner: str) -> None:
    orders = await create_and_rest(alone, 12)
    foreign = venue.place(Side.BID, "140", "1", account=alone.account, **FOREIGN[owner])
    alone.double.calls.clear()
    await all_cancelled(alone, orders)
    assert alone.double.counts() == {"get_open_orders": 1, "cancel_order": 12}
    assert foreign.status == "New"


async def test_an_order_without_an_answer_keeps_its_market_from_being_cancelled_at_once(alone: Bot) -> None:
    orders = await create_and_rest(alone, 11)
    may_go = asyncio.Event()
    alone.double.script("execute_order", hold_request(may_go), times=1)
    late = await alone.buy("1", "139")
    await until(lambda: alone.double.count("execute_order"), "one more is on its way")
    work = asyncio.ensure_future(alone.connector.cancel_all(3))
    await until(lambda: alone.double.count("cancel_order") == 12, "each is cancelled on its own")
    may_go.set()
    assert {result.success for result in await work} == {True}
    assert all(order.is_cancelled for order in [*orders, alone.order(late)])
    assert alone.double.count("cancel_open_orders") == 0


async def test_a_foreign_order_that_was_cancelled_in_the_race_is_reported(
    alone: Bot, venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    orders = await create_and_rest(alone, 10)
    placed = []

    async def place_in_between(call: Call) -> Answer | None:
        listed = await call.forward()
        placed.append(venue.place(Side.BID, "140", "1", account=alone.account))
        return listed

    alone.double.script("get_open_orders", place_in_between, times=1)
    await all_cancelled(alone, orders)
    assert f"Order {placed[0].order_id} in {venue.kind.symbol} is not this bot's and was cancelled" in caplog.text


BROKEN: dict[str, tuple[str, Script]] = {
    "no list": ("get_open_orders", answer(503, SERVER_ERROR)),
    "unreadable list": ("get_open_orders", change(lambda rows: [{**rows[0], "side": "Middle"}, *rows[1:]])),
    "refused": ("cancel_open_orders", answer(400, {"code": "TRADING_PAUSED", "message": "Paused"})),
    "not done": ("cancel_open_orders", answer(503, SERVER_ERROR)),
    "done without an answer": ("cancel_open_orders", do_and_answer(503, SERVER_ERROR)),
    "lost request": ("cancel_open_orders", lose_request),
    "unreadable answer": ("cancel_open_orders", do_and_answer(200, {"ok": True})),
    "half of the answer": ("cancel_open_orders", change(lambda rows: [None, *rows[:5]])),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_whatever_goes_wrong_the_orders_are_cancelled_one_by_one(alone: Bot, case: str) -> None:
    operation, script = BROKEN[case]
    orders = await create_and_rest(alone, 10)
    alone.double.drop_frames()
    alone.double.script(operation, script)
    results = asyncio.ensure_future(alone.connector.cancel_all(3))
    await until(lambda: alone.double.count("cancel_order"), "single cancels are sent")
    alone.double.behave()
    assert {result.success for result in await results} == {True}
    await until(lambda: all(order.is_cancelled for order in orders), "all are cancelled")
    assert {order.status for order in alone.truth()} == {"Cancelled"}


async def test_f20_a_promised_cancel_of_a_market_is_pending_until_it_is_done(alone: Bot) -> None:
    orders = await create_and_rest(alone, 10)
    alone.double.drop_frames()
    alone.double.script("cancel_open_orders", do_and_answer(202, ""))
    results = await alone.connector.cancel_all(3)
    assert {result.success for result in results} == {True}
    await until(lambda: all(order.is_cancelled for order in orders), "all are cancelled")
    assert [alone.names(order.client_order_id) for order in orders] == [CANCELLED] * 10
    assert alone.double.count("cancel_order") == 0


async def test_f10_an_order_that_is_filled_in_the_race_is_complete(alone: Bot, venue: Venue) -> None:
    orders = await create_and_rest(alone, 10)

    async def fill_first(call: Call) -> Answer | None:
        venue.place(Side.ASK, "149", "0.1")
        done = await call.forward()
        await until(lambda: orders[0].is_done, "the stream tells of the fill")
        return done

    alone.double.script("cancel_open_orders", fill_first, times=1)
    results = dict(await alone.connector.cancel_all(3))
    await until(lambda: orders[0].is_done, "the first is filled")
    assert orders[0].is_filled
    assert alone.names(orders[0].client_order_id) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]
    assert results == {order.client_order_id: order is not orders[0] for order in orders}
    assert alone.double.count("cancel_order") == 0


async def test_a_cancel_without_an_answer_in_time_is_told_as_not_done_and_goes_on(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first, second = await create_and_rest(bot, 2)
    may_answer = asyncio.Event()

    async def answer_second_late(call: Call) -> Answer | None:
        done = await call.forward()
        if call.fields["orderId"] == second.exchange_order_id:
            await may_answer.wait()
        return done

    bot.double.drop_frames()
    bot.double.script("cancel_order", answer_second_late)
    results = dict(await asyncio.wait_for(bot.connector.cancel_all(0.2), timeout=3))
    assert results == {first.client_order_id: True, second.client_order_id: False}
    assert "1 of 2 orders could not be cancelled within 0.2 s." in caplog.text
    may_answer.set()
    await until(lambda: second.is_cancelled, "the late answer is applied")


async def test_a_cancel_that_breaks_does_not_keep_the_others(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await create_and_rest(bot, 2)
    place_cancel = bot.connector._place_cancel

    async def break_first(order_id: str, order: InFlightOrder) -> bool:
        if order is first:
            raise RuntimeError("a defect")
        return bool(await place_cancel(order_id, order))

    monkeypatch.setattr(bot.connector, "_place_cancel", break_first)
    results = dict(await bot.connector.cancel_all(3))
    assert results == {first.client_order_id: False, second.client_order_id: True}
    assert bot.order(first.client_order_id).is_open


async def test_cancel_all_without_orders_asks_nothing(alone: Bot) -> None:
    alone.double.calls.clear()
    assert await alone.connector.cancel_all(1) == []
    operations = {call.operation for call in alone.double.calls}
    assert operations <= {"get_tickers"}  # prices come in the background


@pytest.mark.parametrize("order_type", [OrderType.LIMIT_MAKER])
async def test_a_declared_account_changes_nothing_for_single_cancels(alone: Bot, order_type: OrderType) -> None:
    order = await alone.open_buy("1", "149", order_type)
    alone.connector.cancel(PAIR, order.client_order_id)
    await until(lambda: order.is_cancelled, "it is cancelled")
    assert alone.double.count("cancel_open_orders") == 0
