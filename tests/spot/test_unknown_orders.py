"""Open orders of the account that the bot does not know are named, once each, at the start and later."""

import pytest

from backpack_connector import unknown_orders
from backpack_connector.protocol.enums import Side
from tests.spot.conftest import StartBot
from tests.spot.exchange_double import answer
from tests.spot.people import Bot, Venue

SENTENCE = "The account has an open order that this bot does not know"


def count(caplog: pytest.LogCaptureFixture, level: str = "WARNING") -> int:
    return sum(SENTENCE in record.getMessage() for record in caplog.records if record.levelname == level)


async def test_an_order_that_rests_at_the_start_is_named(
    start_bot: StartBot, venue: Venue, key_pair: "tuple[str, str]", caplog: pytest.LogCaptureFixture
) -> None:
    order = venue.place(Side.BID, "149", "2", account=key_pair[0], client_id=77)
    await start_bot()
    where = f"order {order.order_id}, client id 77, {venue.kind.symbol}, Bid 2 at 149"
    assert f"{SENTENCE}: {where}." in caplog.text


async def test_an_order_that_comes_later_is_named_once(
    bot: Bot, venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    await bot.poll()
    assert count(caplog) == 0
    order = venue.place(Side.ASK, "151", "2", account=bot.account)
    for _ in range(3):
        await bot.poll()
    assert f"{SENTENCE}: order {order.order_id}, no client id, {venue.kind.symbol}, Ask 2 at 151." in caplog.text
    assert count(caplog) == 1


async def test_orders_of_the_bot_are_not_named(bot: Bot, venue: Venue, caplog: pytest.LogCaptureFixture) -> None:
    await bot.open_buy("1", "149")
    await bot.poll()
    assert count(caplog) == 0


async def test_an_order_in_another_market_with_a_client_id_of_the_bot_is_named(
    bot: Bot, venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    order = await bot.open_buy("1", "149")
    symbol = venue.kind.symbol.replace("SOL", "ETH")
    venue.place(Side.BID, "3000", "0.1", symbol=symbol, account=bot.account, client_id=int(order.client_order_id))
    await bot.poll()
    assert count(caplog) == 1


async def test_another_bot_that_orders_all_the_time_does_not_flood_the_log(
    bot: Bot, venue: Venue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setattr(unknown_orders, "MOST_NAMED", 3)
    for number in range(5):
        venue.place(Side.BID, str(140 + number), "1", account=bot.account)
        await bot.poll()
    assert (count(caplog), count(caplog, "DEBUG")) == (3, 2)
    assert "3 orders of others were named" in caplog.text


async def test_open_orders_that_cannot_be_asked_are_asked_at_the_next_poll(
    bot: Bot, venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    venue.place(Side.ASK, "151", "2", account=bot.account)
    bot.double.script("get_open_orders", answer(503, {"code": "SERVER_ERROR", "message": "?"}), times=1)
    await bot.poll()
    assert "The open orders could not be asked" in caplog.text
    await bot.poll()
    assert count(caplog) == 1
