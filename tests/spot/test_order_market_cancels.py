"""A market of an account that is the bot's alone is cancelled with one request, if list and stream agree on that."""

import pytest

from backpack_connector import unknown_orders
from backpack_connector.protocol.enums import Side
from tests.spot.exchange_double import change
from tests.spot.ladders import create_and_rest
from tests.spot.people import Bot, Venue, until

ONE_REQUEST = {"cancel_open_orders": 1}
LOOK_AND_CANCEL = {"get_open_orders": 1, "cancel_open_orders": 1}
LOOK_AND_SINGLE_CANCELS = {"get_open_orders": 1, "cancel_order": 12}


@pytest.fixture(autouse=True)
def lists_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe a list at once; the simulator's are not late."""
    monkeypatch.setattr(unknown_orders, "LIST_LAG_S", 0.0)


async def cancelled(bot: Bot, count: int = 12) -> dict[str, int]:
    """Cancel everything, and return the requests that it took."""
    bot.double.calls.clear()
    results = await bot.connector.cancel_all(3)
    assert [result.success for result in results] == [True] * count
    counts = dict(bot.double.counts())
    await until(lambda: not bot.connector.in_flight_orders, "all are cancelled")
    return counts


async def test_one_request_a_market_while_list_and_stream_show_no_other_order(alone: Bot) -> None:
    orders = await create_and_rest(alone, 12)
    await alone.poll()
    assert await cancelled(alone) == ONE_REQUEST
    assert all(order.is_cancelled for order in orders)
    assert {order.status for order in alone.truth()} == {"Cancelled"}


async def test_an_order_of_others_that_the_stream_told_of_survives(alone: Bot, venue: Venue) -> None:
    await create_and_rest(alone, 12)
    await alone.poll()
    foreign = venue.place(Side.BID, "140", "1", account=alone.account)
    await until(lambda: not alone.connector.is_account_ours_alone, "the stream tells of it")
    assert await cancelled(alone) == LOOK_AND_SINGLE_CANCELS
    assert foreign.status == "New"


async def test_an_order_of_others_that_only_the_list_shows_survives(alone: Bot, venue: Venue) -> None:
    await create_and_rest(alone, 12)
    alone.double.drop_frames()
    foreign = venue.place(Side.BID, "140", "1", account=alone.account)
    await alone.poll()
    alone.double.behave()
    assert await cancelled(alone) == LOOK_AND_SINGLE_CANCELS
    assert foreign.status == "New"


async def test_after_the_order_of_others_has_ended_the_next_list_is_believed(alone: Bot, venue: Venue) -> None:
    await create_and_rest(alone, 12)
    venue.place(Side.BID, "150", "1", account=alone.account)
    venue.place(Side.ASK, "150", "1")
    await until(lambda: not alone.connector.is_account_ours_alone, "the stream tells of it")
    await alone.poll()
    assert await cancelled(alone) == ONE_REQUEST


async def test_while_the_stream_is_away_the_market_is_looked_at_first(alone: Bot) -> None:
    await create_and_rest(alone, 12)
    await alone.poll()
    alone.connector.on_user_stream_interrupted()
    assert await cancelled(alone) == LOOK_AND_CANCEL


async def test_after_the_stream_was_away_a_new_list_is_needed(alone: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    await create_and_rest(alone, 12)
    await alone.poll()
    assert alone.connector.is_account_ours_alone
    alone.connector.expect_orders_of_others()
    assert not alone.connector.is_account_ours_alone
    monkeypatch.setattr(unknown_orders, "LIST_LAG_S", 15.0)
    await alone.poll()
    assert await cancelled(alone) == LOOK_AND_CANCEL, "the list may have been made before the stream began"


async def test_a_list_that_cannot_be_read_completely_proves_nothing(alone: Bot) -> None:
    await create_and_rest(alone, 12)
    alone.double.script("get_open_orders", change(lambda rows: [None, *rows]), times=1)
    await alone.poll()
    assert await cancelled(alone) == LOOK_AND_CANCEL
