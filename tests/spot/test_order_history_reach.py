"""An order of unknown outcome that is older than the pages of the order history that are read."""

import logging
from collections import Counter

import pytest

from backpack_connector import order_reconciliation
from backpack_connector.protocol.enums import Side
from tests.spot.exchange_double import lose_request
from tests.spot.people import Bot, Venue, until

PAGES, ROWS = 2, 3
LONG_AGO_S = 1_000.0


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_reconciliation, "HISTORY_PAGES", PAGES)
    monkeypatch.setattr(order_reconciliation, "HISTORY_PAGE", ROWS)


async def lost_long_ago(bot: Bot, venue: Venue, later: int = PAGES * ROWS) -> str:
    """Return an order that never reached the exchange, and let the account have others since."""
    bot.double.script("execute_order", lose_request)
    lost = await bot.buy("0.1", "140")
    await until(lambda: lost in bot.connector._request_ended_at, "its request is lost")
    bot.double.behave("execute_order")
    unknown = bot.order(lost)
    unknown.creation_timestamp -= LONG_AGO_S
    bot.connector._request_ended_at[lost] = unknown.creation_timestamp
    for _ in range(later):
        order = venue.place(Side.BID, "130", "0.1", account=bot.account)
        venue.cancel(bot.account, order.order_id)
    return lost


async def cost_of_a_poll(bot: Bot) -> Counter[str]:
    before = bot.double.counts()
    await bot.poll()
    return bot.double.counts() - before


async def test_an_order_beyond_the_pages_stays_pending_and_is_asked_about_rarely(
    no_settling: None, bot: Bot, venue: Venue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = await lost_long_ago(bot, venue)
    with caplog.at_level(logging.WARNING):
        assert (await cost_of_a_poll(bot))["get_order_history"] == PAGES
        for _ in range(5):
            assert (await cost_of_a_poll(bot))["get_order_history"] == 0
    assert bot.names(lost) == []
    assert lost in bot.connector.in_flight_orders
    assert sum(lost in record.getMessage() and "since" in record.getMessage() for record in caplog.records) == 1
    monkeypatch.setattr(order_reconciliation, "OUT_OF_REACH_PAUSE_S", 0.0)
    bot.connector._reconciler._out_of_reach_until[lost] = 0.0
    assert (await cost_of_a_poll(bot))["get_order_history"] == PAGES


async def test_younger_orders_are_concluded_beside_it(no_settling: None, bot: Bot, venue: Venue) -> None:
    lost = await lost_long_ago(bot, venue)
    bot.double.script("execute_order", lose_request)
    young = await bot.buy("0.1", "141")
    await until(lambda: young in bot.connector._request_ended_at, "its request is lost")
    bot.connector._request_ended_at[young] -= 2 * order_reconciliation.CONCLUSIVE_AGE_S
    bot.order(young).creation_timestamp += 120.0  # beyond the overlap that allows for clocks that differ
    for _ in range(6):
        await bot.poll()
    assert bot.names(young) == ["OrderFailure"]
    assert bot.names(lost) == []


async def test_an_order_within_the_pages_is_concluded(no_settling: None, bot: Bot, venue: Venue) -> None:
    lost = await lost_long_ago(bot, venue, later=PAGES * ROWS - 1)
    for _ in range(6):
        await bot.poll()
    assert bot.names(lost) == ["OrderFailure"]
    assert not bot.connector._reconciler._out_of_reach_until


async def test_what_is_noted_about_an_order_ends_with_it(no_settling: None, bot: Bot, venue: Venue) -> None:
    lost = await lost_long_ago(bot, venue)
    await bot.poll()
    assert bot.connector._reconciler._out_of_reach_until
    bot.connector.order_tracker.stop_tracking_order(lost)
    assert not bot.connector._reconciler._out_of_reach_until
