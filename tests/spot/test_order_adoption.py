"""What a bot that was killed had sent, its next process finds again, tells once, and can cancel.

Death is played by dropping everything: the next connector gets the journal's file and, where a test says so, what
Hummingbot's database had saved. Real deaths are in tests/kills.
"""

import asyncio
import json
import logging
import os
import warnings
from decimal import Decimal
from pathlib import Path

import pytest
from hummingbot.core.data_type.common import OrderType, PositionAction, TradeType
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.network_iterator import NetworkStatus

from backpack_connector import order_reconciliation
from backpack_connector.order_journal import OrderRecord, fingerprint, read_journals
from backpack_connector.protocol.enums import Side
from tests.spot.conditional_order import ConditionalOrder
from tests.spot.conftest import StartBot
from tests.spot.exchange_double import Answer, Call, answer
from tests.spot.killed_bots import journal_of, killed, killed_before_the_answer, open_ids
from tests.spot.people import PAIR, Bot, Venue, stays, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time

CREATED = ["BuyOrderCreated"]


# What is written


async def test_an_order_is_written_down_before_the_exchange_sees_it(bot: Bot, folder: Path) -> None:
    written = []

    async def look(call: Call) -> Answer | None:
        written.append(journal_of(bot, folder))
        return await call.forward()

    bot.double.script("execute_order", look)
    order = await bot.open_buy("1.5", "149.01", OrderType.LIMIT_MAKER)
    (journal,) = written
    (found,) = journal.open_orders
    assert found == OrderRecord(
        client_order_id=order.client_order_id,
        symbol=bot.venue.kind.symbol,
        trading_pair=PAIR,
        trade_type="BUY",
        order_type="LIMIT_MAKER",
        quantity=Decimal("1.5"),
        created_s=order.creation_timestamp,
        price=Decimal("149.01"),
        position_action=order.position.name,
        leverage=order.leverage,
    )
    assert journal.identity.account == fingerprint(bot.account)
    assert journal.identity.connector == bot.venue.kind.domain


async def test_each_order_of_a_batch_is_written_down_before_the_exchange_sees_it(bot: Bot, folder: Path) -> None:
    written = []

    async def look(call: Call) -> Answer | None:
        written.append(open_ids(bot, folder))
        return await call.forward()

    bot.double.script("execute_order_batch", look)
    orders = [LimitOrder("", PAIR, True, "SOL", "USDC", Decimal(price), Decimal(1)) for price in (148, 149)]
    created = bot.connector.batch_order_create(orders, **bot.venue.kind.order_options)
    await until(lambda: all(bot.names(order.client_order_id) for order in created), "the orders are announced")
    assert written == [[order.client_order_id for order in created]]


async def test_an_order_leaves_the_journal_when_it_has_ended(bot: Bot, venue: Venue, folder: Path) -> None:
    filled, cancelled = await bot.open_buy("1", "149"), await bot.open_buy("1", "148")
    bot.double.script("execute_order", answer(400, {"code": "INVALID_ORDER", "message": "no"}), times=1)
    refused = await bot.buy("1", "147")
    venue.place(Side.ASK, "149", "1")
    bot.connector.cancel(PAIR, cancelled.client_order_id)
    for order_id in (filled.client_order_id, cancelled.client_order_id, refused):
        await until(lambda order_id=order_id: order_id not in open_ids(bot, folder), "the order has left")


async def test_an_order_that_is_not_sent_is_not_written_down(bot: Bot, folder: Path) -> None:
    order_id = await bot.buy("0", "149")
    await until(lambda: bot.names(order_id) == ["OrderFailure"], "the order has failed")
    assert not [journal for journal in read_journals(folder) if journal.open_orders]


async def test_a_connector_that_does_not_trade_has_no_journal(venue: Venue, folder: Path) -> None:
    connector = venue.kind.connector("", "", trading_pairs=[PAIR], trading_required=False, domain=venue.kind.domain)
    await connector.start_network()
    await until(lambda: connector.ready, "the connector is ready")
    connector.tick(1.0)
    assert read_journals(folder) == []
    await connector.stop_network()


async def test_switched_off_it_writes_nothing_and_adopts_nothing(
    start_bot: StartBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await start_bot()
    order_id = await killed_before_the_answer(first, lambda: first.buy("1", "149"))
    monkeypatch.setenv("BACKPACK_JOURNAL", "off")
    second = await start_bot()
    await second.poll()
    assert order_id not in second.connector.in_flight_orders
    await second.open_buy("1", "148")
    assert [journal.is_alive for journal in read_journals(folder)] == [False]


async def test_the_clock_keeps_the_journal_beating_and_a_lost_network_does_not_stop_it(
    bot: Bot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(bot.connector)
    path = journal_of(bot, folder).path
    os.utime(path, (1.0, 1.0))
    bot.connector._journal._beat_at = 0.0
    bot.connector.tick(1.0)
    assert journal_of(bot, folder).beat_age_s < 60
    # What Hummingbot's network check has set when it calls: the one when the exchange is gone, the other at the end.
    monkeypatch.setattr(kind, "network_status", NetworkStatus.NOT_CONNECTED)
    await bot.connector.stop_network()
    assert journal_of(bot, folder).is_alive
    monkeypatch.setattr(kind, "network_status", NetworkStatus.STOPPED)
    await bot.connector.stop_network()
    assert read_journals(folder) == []


# What is adopted


@pytest.mark.parametrize("fate", ["rests", "is filled in part", "is filled", "is cancelled"])
async def test_an_order_whose_answer_the_bot_did_not_live_to_hear_is_found_and_told_once(
    start_bot: StartBot, venue: Venue, folder: Path, fate: str
) -> None:
    first = await start_bot()
    order_id = await killed_before_the_answer(first, lambda: first.buy("1", "149"))
    (placed,) = first.truth()
    if fate == "is cancelled":
        venue.cancel(first.account, placed.order_id)
    elif fate != "rests":
        venue.place(Side.ASK, "149", "1" if fate == "is filled" else "0.25")
    second = await start_bot()
    expected = {
        "rests": CREATED,
        "is filled in part": [*CREATED, "OrderFilled"],
        "is filled": [*CREATED, "OrderFilled", "BuyOrderCompleted"],
        "is cancelled": [*CREATED, "OrderCancelled"],
    }[fate]
    await until(lambda: second.names(order_id) == expected, "the order is told")
    for _ in range(3):
        await second.poll()
    assert second.names(order_id) == expected
    (created,) = second.of(order_id, "BuyOrderCreated")
    assert (created.exchange_order_id, created.amount, created.price) == (placed.order_id, Decimal(1), Decimal(149))
    assert open_ids(second, folder) == ([order_id] if fate in ("rests", "is filled in part") else [])


async def test_an_order_that_never_arrived_fails_when_that_is_certain(
    start_bot: StartBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await start_bot()
    sent = asyncio.Event()

    async def lose(call: Call) -> Answer | None:
        sent.set()
        return None

    first.double.script("execute_order", lose)
    order_id = await first.buy("1", "149")
    await asyncio.wait_for(sent.wait(), 3)
    await killed(first)
    first.double.behave()
    second = await start_bot()
    order = second.order(order_id)
    order.creation_timestamp -= 3600  # its age alone proves nothing: it may have been sent just before the death
    await stays(lambda: second.names(order_id) == [], "nothing is said about the order")
    monkeypatch.setattr(order_reconciliation, "CONCLUSIVE_AGE_S", 0.0)
    await until(lambda: second.names(order_id) == ["OrderFailure"], "the order has failed")
    assert open_ids(second, folder) == []


async def test_an_adopted_order_is_an_order_like_any_other(start_bot: StartBot, folder: Path) -> None:
    first = await start_bot()
    order_id = await killed_before_the_answer(first, lambda: first.buy("1", "149", OrderType.LIMIT_MAKER))
    (record,) = journal_of(first, folder).open_orders
    second = await start_bot()
    order = second.connector.in_flight_orders[order_id]
    assert (order.order_type, order.trade_type) == (OrderType.LIMIT_MAKER, TradeType.BUY)
    assert (order.amount, order.price) == (Decimal(1), Decimal(149))
    assert order.creation_timestamp == record.created_s
    assert order.position.name == record.position_action
    assert [row.client_order_id for row in second.connector.limit_orders] == [order_id]
    (result,) = await second.connector.cancel_all(3)
    assert result.success
    await until(lambda: second.names(order_id) == [*CREATED, "OrderCancelled"], "the order is cancelled")


async def test_market_orders_are_adopted_too(start_bot: StartBot, venue: Venue) -> None:
    first = await start_bot()
    venue.place(Side.ASK, "149", "1")
    await until(lambda: first.connector.get_price(PAIR, True) == 149, "the book is known")
    order_id = await killed_before_the_answer(first, lambda: first.buy("1", "NaN", OrderType.MARKET))
    second = await start_bot()
    await until(lambda: second.names(order_id) == [*CREATED, "OrderFilled", "BuyOrderCompleted"], "it is told")


async def test_position_action_and_leverage_survive(start_bot: StartBot, folder: Path) -> None:
    first = await start_bot()
    record = OrderRecord(
        client_order_id="77",
        symbol=first.venue.kind.symbol,
        trading_pair=PAIR,
        trade_type="SELL",
        order_type="LIMIT",
        quantity=Decimal(2),
        created_s=1_700_000_000.0,
        price=Decimal(150),
        position_action="CLOSE",
        leverage=7,
    )
    first.connector._journal.sent(record)
    await killed(first)
    second = await start_bot()
    order = second.order("77")
    assert (order.trade_type, order.leverage) == (TradeType.SELL, 7)
    is_perpetual = "perpetual" in second.connector.name
    assert order.position is (PositionAction.CLOSE if is_perpetual else PositionAction.NIL)


async def test_a_conditional_order_is_still_one_after_the_death(
    venue: Venue, key_pair: tuple[str, str], start_bot: StartBot
) -> None:
    first = await start_bot()
    exchange = ConditionalOrder(first)
    answered = asyncio.Event()
    accept = exchange._accept

    async def accept_and_wait(call: Call) -> Answer | None:
        done = await accept(call)
        await answered.wait()
        return done

    first.double.behave("execute_order")
    first.double.script("execute_order", accept_and_wait)
    order_id = await first.sell("2", "NaN", OrderType.MARKET, trigger_price=140)
    await until(lambda: exchange.row, "the exchange has the order")
    await killed(first)
    answered.set()
    second = Bot(venue, key_pair)
    second.connector.adopt_orders()
    assert second.connector.awaits_trigger(second.order(order_id))


@pytest.mark.parametrize(
    "oddity",
    [
        {"order_type": "ICEBERG"},
        {"trade_type": "HOLD"},
        {"position_action": "?"},
        {"trading_pair": "SOLUSDC"},
        {"symbol": "BTC_USDC"},
        {"quantity": "NaN"},
        {"quantity": "-1"},
        {"price": "Infinity"},
    ],
    ids=str,
)
async def test_a_line_that_makes_no_sense_is_left_out_and_the_others_are_adopted(
    start_bot: StartBot, folder: Path, caplog: pytest.LogCaptureFixture, oddity: dict[str, str]
) -> None:
    first = await start_bot()
    order_id = await killed_before_the_answer(first, lambda: first.buy("1", "149"))
    path = journal_of(first, folder).path
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    odd = {**lines[-1]["sent"], "client_order_id": "78", **oddity}
    path.write_text("\n".join(json.dumps(line) for line in [*lines, {"sent": odd}]) + "\n")
    second = await start_bot()
    assert "78" not in second.connector.in_flight_orders
    assert order_id in second.connector.in_flight_orders
    assert any("makes no sense" in row.getMessage() for row in caplog.records if row.levelno == logging.ERROR)
    assert open_ids(second, folder) == [order_id]


async def test_the_network_may_come_and_go_without_another_adoption(bot: Bot) -> None:
    order = await bot.open_buy("1", "149")
    await bot.connector.stop_network()
    await bot.connector.start_network()
    await until(lambda: bot.connector.ready, "the connector is ready")
    assert bot.names(order.client_order_id) == CREATED
