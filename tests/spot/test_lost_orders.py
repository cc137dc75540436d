"""F11 and F30: an order that was given up is cancelled should the exchange have it after all, and then forgotten."""

import asyncio

import pytest

from backpack_connector.protocol.enums import Side
from tests.spot.conftest import StartBot
from tests.spot.exchange_double import lose_request
from tests.spot.people import Bot, Venue, until

LISTS = ("get_open_orders", "get_order_history", "get_fills")


async def given_up(bot: Bot) -> str:
    """Place an order whose request is lost, and return its id when the connector has told that it failed."""
    bot.connector._lost_orders_update_task.cancel()  # it would look after those that the test is about
    bot.double.script("execute_order", lose_request)
    order_id = await bot.buy("1", "149")
    for _ in range(100):
        await bot.poll()
        if bot.names(order_id):
            break
        await asyncio.sleep(0.01)
    assert bot.names(order_id) == ["OrderFailure"]
    return order_id


async def test_f11_an_order_that_arrives_after_it_was_given_up_is_cancelled(
    no_settling: None, bot: Bot, soon_conclusive: None, venue: Venue
) -> None:
    # The last net: should the exchange execute it after all, nothing rests there that nobody watches.
    order_id = await given_up(bot)
    assert list(bot.connector.order_tracker.lost_orders) == [order_id]
    venue.place(Side.BID, "149", "1", account=bot.account, client_id=int(order_id))
    await bot.connector._cancel_lost_orders()
    await bot.rest()
    assert bot.truth()[0].status == "Cancelled"
    assert bot.names(order_id) == ["OrderFailure"]
    assert not bot.connector.order_tracker.lost_orders


@pytest.mark.parametrize("rests", [False, True], ids=["the exchange never had them", "they arrived late"])
async def test_f11_many_orders_that_were_given_up_cost_few_questions(
    no_settling: None, bot: Bot, soon_conclusive: None, venue: Venue, rests: bool
) -> None:
    order_ids = [await given_up(bot) for _ in range(6)]
    if rests:
        for order_id in order_ids:
            venue.place(Side.BID, "149", "1", account=bot.account, client_id=int(order_id))
    asked = bot.double.counts()
    await bot.connector._cancel_lost_orders()
    await bot.rest()
    asked = bot.double.counts() - asked
    assert not bot.connector.order_tracker.lost_orders
    assert [order.status for order in bot.truth()] == ["Cancelled"] * 6 * rests
    assert asked["cancel_order"] == 6
    # The first one that is not found asks alone, and the others join while they wait for it.
    assert max(asked[operation] for operation in LISTS) <= (0 if rests else 2)
    assert not bot.connector.latency._cancels_at_s


async def test_f11_an_order_that_is_given_up_while_other_questions_wait_is_not_forgotten_by_them(
    no_settling: None, bot: Bot, soon_conclusive: None
) -> None:
    # What is forgotten is not cancelled any more, should it arrive late.
    bot.connector._lost_orders_update_task.cancel()
    bot.double.script("execute_order", lose_request)
    order_id = await bot.buy("1", "149")
    order, reconciler = bot.order(order_id), bot.connector._reconciler
    while not bot.connector.order_tracker.is_given_up_next(order_id):
        await bot.poll()
        await asyncio.sleep(0.01)
    await asyncio.gather(reconciler.reconcile([order]), reconciler.reconcile([order]), reconciler.settle_now(order))
    assert bot.names(order_id) == ["OrderFailure"]
    assert list(bot.connector.order_tracker.lost_orders) == [order_id]
    reconciler.settle_soon(order)
    await reconciler._settle_once()
    assert list(bot.connector.order_tracker.lost_orders) == [order_id]
    await reconciler.settle_now(order)
    assert not bot.connector.order_tracker.lost_orders


async def test_f11_a_fill_of_an_order_that_was_given_up_is_told(
    no_settling: None, bot: Bot, soon_conclusive: None, venue: Venue
) -> None:
    order_id = await given_up(bot)
    venue.place(Side.BID, "149", "1", account=bot.account, client_id=int(order_id), is_told=False)
    venue.place(Side.ASK, "149", "1", is_told=False)
    await bot.poll()
    assert bot.names(order_id) == ["OrderFailure", "OrderFilled"]


@pytest.fixture
async def lost_order(start_bot: StartBot, soon_conclusive: None) -> tuple[Bot, str]:
    bot = await start_bot()
    bot.double.script("execute_order", lose_request)
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.names(order_id) == ["OrderFailure"], "the order is given up")
    return bot, order_id


async def test_f30_one_failure_event_is_all_that_an_order_that_never_was_gets(lost_order: tuple[Bot, str]) -> None:
    bot, order_id = lost_order
    await bot.connector._update_lost_orders_status()
    for _ in range(3):
        await bot.poll()
    assert bot.names(order_id) == ["OrderFailure"]
    assert not bot.connector.order_tracker.lost_orders
    assert not bot.connector.in_flight_orders
