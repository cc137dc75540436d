"""What polls find out: ends that nobody told of, fills over pages, restarts, and what it costs (F12, F13, F29)."""

import asyncio
import json
import time
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount

from backpack_connector import order_reconciliation
from backpack_connector.protocol.enums import Side
from tests.spot.conftest import StartBot
from tests.spot.exchange_double import answer, change, lose_request
from tests.spot.people import PAIR, Bot, Venue, until

LISTS = ("get_open_orders", "get_order_history", "get_fills")
CANCELLED = ["BuyOrderCreated", "OrderCancelled"]
FILLED = ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]


@pytest.fixture
async def deaf_bot(bot: Bot) -> Bot:
    """Give a bot that its private stream tells nothing."""
    bot.double.drop_frames("account.orderUpdate", "account.balanceUpdate")
    return bot


# F12: the end of an order, found by the first poll after it


async def test_f12_an_order_that_was_cancelled_elsewhere(deaf_bot: Bot, venue: Venue) -> None:
    order = await deaf_bot.open_buy("1", "149")
    venue.cancel(deaf_bot.account, str(order.exchange_order_id))
    await deaf_bot.poll()
    assert deaf_bot.names(order.client_order_id) == CANCELLED
    assert order.client_order_id not in deaf_bot.connector.in_flight_orders
    assert deaf_bot.double.count("get_order") == 0


async def test_f12_an_order_that_was_filled_meanwhile(deaf_bot: Bot, venue: Venue) -> None:
    order = await deaf_bot.open_buy("1", "149")
    venue.place(Side.ASK, "149", "1")
    await deaf_bot.poll()
    assert deaf_bot.names(order.client_order_id) == FILLED
    assert deaf_bot.fills(order.client_order_id) == [(Decimal(149), Decimal(1))]


async def test_f12_an_order_that_was_filled_in_part_and_cancelled(deaf_bot: Bot, venue: Venue) -> None:
    order = await deaf_bot.open_buy("2", "149")
    venue.place(Side.ASK, "149", "0.5")
    venue.cancel(deaf_bot.account, str(order.exchange_order_id))
    await deaf_bot.poll()
    assert deaf_bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderFilled", "OrderCancelled"]
    assert order.executed_amount_base == Decimal("0.5")


async def test_f12_an_order_that_rests_with_new_fills(deaf_bot: Bot, venue: Venue) -> None:
    order = await deaf_bot.open_buy("2", "149")
    venue.place(Side.ASK, "149", "0.5")
    await deaf_bot.poll()
    assert deaf_bot.names(order.client_order_id) == FILLED[:2]
    assert order.current_state is OrderState.PARTIALLY_FILLED


async def test_f12_an_order_at_rest_stays_as_it_is(deaf_bot: Bot) -> None:
    order = await deaf_bot.open_buy("2", "149")
    for _ in range(5):
        await deaf_bot.poll()
    assert order.current_state is OrderState.OPEN
    assert deaf_bot.names(order.client_order_id) == ["BuyOrderCreated"]


@pytest.mark.parametrize("end", ["filled", "cancelled"])
async def test_f12_an_end_whose_fills_are_not_listed_yet_waits_for_them(deaf_bot: Bot, venue: Venue, end: str) -> None:
    order = await deaf_bot.open_buy("1", "149")
    venue.place(Side.ASK, "149", "1" if end == "filled" else "0.4")
    if end == "cancelled":
        venue.cancel(deaf_bot.account, str(order.exchange_order_id))
    deaf_bot.double.script("get_fills", answer(200, []))
    for _ in range(6):
        await deaf_bot.poll()
    await asyncio.sleep(0.2)
    assert deaf_bot.names(order.client_order_id) == ["BuyOrderCreated"]
    assert order.current_state is OrderState.OPEN
    deaf_bot.double.behave("get_fills")
    last = "BuyOrderCompleted" if end == "filled" else "OrderCancelled"
    await until(lambda: last in deaf_bot.names(order.client_order_id), "the end is told", limit_s=1.0)
    assert deaf_bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderFilled", last]


async def test_f12_only_some_of_the_fills_are_listed_yet(deaf_bot: Bot, venue: Venue) -> None:
    order = await deaf_bot.open_buy("1.5", "149")
    for _ in range(3):
        venue.place(Side.ASK, "149", "0.5")
    deaf_bot.double.script("get_fills", change(lambda rows: rows[1:]))
    await deaf_bot.poll()
    assert deaf_bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderFilled", "OrderFilled"]
    deaf_bot.double.behave("get_fills")
    await until(lambda: len(deaf_bot.names(order.client_order_id)) == 5, "all is told")
    assert deaf_bot.names(order.client_order_id)[-2:] == ["OrderFilled", "BuyOrderCompleted"]


async def test_f12_an_end_that_the_history_does_not_show_yet_is_waited_for(
    deaf_bot: Bot, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await deaf_bot.open_buy("1", "149")
    venue.cancel(deaf_bot.account, str(order.exchange_order_id))
    # The replica still shows the order as resting, while the book does not have it any more.
    deaf_bot.double.script("get_order_history", change(lambda rows: [{**row, "status": "New"} for row in rows]))
    for _ in range(5):
        await deaf_bot.poll()
    assert deaf_bot.names(order.client_order_id) == ["BuyOrderCreated"]
    assert order.is_open
    deaf_bot.double.behave()
    await deaf_bot.poll()
    assert deaf_bot.names(order.client_order_id) == CANCELLED


async def test_f12_one_odd_row_does_not_hide_the_others(deaf_bot: Bot, venue: Venue) -> None:
    gone, odd = await deaf_bot.open_buy("1", "149"), await deaf_bot.open_buy("1", "148")
    for order in (gone, odd):
        venue.cancel(deaf_bot.account, str(order.exchange_order_id))
    deaf_bot.double.script(
        "get_order_history",
        change(lambda rows: [{**row, "side": None} if row["id"] == odd.exchange_order_id else row for row in rows]),
    )
    await deaf_bot.poll()
    assert deaf_bot.names(gone.client_order_id) == CANCELLED
    assert deaf_bot.names(odd.client_order_id) == ["BuyOrderCreated"]


# F13: what a fill carries


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
async def test_f13_fills_are_read_over_all_pages(
    deaf_bot: Bot, venue: Venue, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(order_reconciliation, "HISTORY_PAGE", 2)
    order = await deaf_bot.open_buy("5", "149")
    for number in range(count):
        venue.place(Side.ASK, "149", f"0.{number + 1}")
    await deaf_bot.poll()
    assert deaf_bot.fills(order.client_order_id) == [
        (Decimal(149), Decimal(f"0.{number + 1}")) for number in range(count)
    ]
    offsets = [int(call.fields["offset"]) for call in deaf_bot.double.requests("get_fills")]
    assert offsets == list(range(0, count + 1, 2))
    assert {call.fields["limit"] for call in deaf_bot.double.requests("get_fills")} == {"2"}


async def test_f13_more_than_one_default_page_of_fills(deaf_bot: Bot, venue: Venue) -> None:
    order = await deaf_bot.open_buy("3", "149")
    for _ in range(150):
        venue.place(Side.ASK, "149", "0.02")
    await deaf_bot.poll()
    assert len(deaf_bot.fills(order.client_order_id)) == 150
    assert order.executed_amount_base == 3
    assert deaf_bot.names(order.client_order_id)[-1] == "BuyOrderCompleted"


@pytest.mark.parametrize("role", ["maker", "taker"])
@pytest.mark.parametrize(("side", "token"), [("buy", "SOL"), ("sell", "USDC")])
async def test_f13_a_listed_fill_has_the_trading_pair_the_role_and_the_fee(
    deaf_bot: Bot, venue: Venue, role: str, side: str, token: str
) -> None:
    opposite = Side.ASK if side == "buy" else Side.BID
    if role == "taker":
        venue.place(opposite, "150", "1")
    order_id = await (deaf_bot.buy if side == "buy" else deaf_bot.sell)("1", "150")
    await until(lambda: deaf_bot.truth(), "the order has arrived")
    if role == "maker":
        venue.place(opposite, "150", "1")
        await until(lambda: deaf_bot.names(order_id), "the order is open")
        await deaf_bot.poll()
    await until(lambda: deaf_bot.of(order_id, "OrderFilled"), "the fill is known")
    (event,) = deaf_bot.of(order_id, "OrderFilled")
    (update,) = deaf_bot.order(order_id).order_fills.values()
    assert event.trading_pair == update.trading_pair == PAIR
    assert update.is_taker is (role == "taker")
    rate = Decimal("0.0010") if role == "taker" else Decimal("0.0008")
    amount = rate * (1 if token == "SOL" else 150)
    assert event.trade_fee == DeductedFromReturnsTradeFee(
        percent_token=token, flat_fees=[TokenAmount(token=token, amount=amount)]
    )
    assert event.price == 150
    assert update.client_order_id == order_id
    assert update.exchange_order_id == deaf_bot.truth()[0].order_id
    assert abs(update.fill_timestamp - time.time()) < 60


async def test_f13_a_rebate_is_a_negative_fee(deaf_bot: Bot, venue: Venue) -> None:
    venue.simulator.exchange.open_account(deaf_bot.account).spot_maker_fee_bps = Decimal(-1)
    order = await deaf_bot.open_buy("1", "149")
    venue.place(Side.ASK, "149", "1")
    await deaf_bot.poll()
    (event,) = deaf_bot.of(order.client_order_id, "OrderFilled")
    assert event.trade_fee.flat_fees == [TokenAmount(token="SOL", amount=Decimal("-0.0001"))]


async def test_f13_fills_of_other_orders_of_the_account_are_not_taken(deaf_bot: Bot, venue: Venue) -> None:
    # So many that their fills are asked together with everybody else's.
    orders = [await deaf_bot.open_buy("1", "149") for _ in range(7)]
    venue.place(Side.BID, "149", "2", account=deaf_bot.account)
    venue.place(Side.ASK, "149", "9")
    venue.place(Side.ASK, "86000", "0.01", symbol="BTC_USDC")
    venue.place(Side.BID, "86000", "0.01", symbol="BTC_USDC", account=deaf_bot.account, client_id=5)
    await deaf_bot.poll()
    for order in orders:
        assert deaf_bot.fills(order.client_order_id) == [(Decimal(149), Decimal(1))]


# After a restart


async def restarted(bot: Bot, start_bot: StartBot, **edits: Any) -> Bot:
    states = json.loads(json.dumps(bot.connector.tracking_states))
    await bot.connector.stop_network()
    return await start_bot(tracking_states=states)


async def test_parity_orders_are_restored_after_a_restart_and_reconciled(start_bot: StartBot, venue: Venue) -> None:
    bot = await start_bot()
    resting, filled, cancelled, partial = [await bot.open_buy("1", price) for price in ("140", "149", "148", "147")]
    venue.place(Side.ASK, "149", "1", is_told=False)
    venue.cancel(bot.account, str(cancelled.exchange_order_id), is_told=False)
    venue.place(Side.ASK, "147", "0.25", is_told=False)
    again = await restarted(bot, start_bot)
    await until(lambda: again.names(cancelled.client_order_id), "the first poll has been")
    assert again.names(resting.client_order_id) == []
    assert again.names(filled.client_order_id) == ["OrderFilled", "BuyOrderCompleted"]
    assert again.names(cancelled.client_order_id) == ["OrderCancelled"]
    assert again.names(partial.client_order_id) == ["OrderFilled"]
    assert set(again.connector.in_flight_orders) == {resting.client_order_id, partial.client_order_id}
    assert again.order(resting.client_order_id).exchange_order_id == resting.exchange_order_id


async def test_parity_fills_from_before_a_restart_are_not_told_again(start_bot: StartBot, venue: Venue) -> None:
    bot = await start_bot()
    order = await bot.open_buy("1", "149")
    venue.place(Side.ASK, "149", "0.25")
    await until(lambda: bot.fills(order.client_order_id), "the first fill is known")
    bot.double.drop_frames()
    venue.place(Side.ASK, "149", "0.5")
    bot.double.edit_frame = lambda frame: [frame]
    again = await restarted(bot, start_bot)
    await until(lambda: again.names(order.client_order_id), "the first poll has been")
    assert again.fills(order.client_order_id) == [(Decimal(149), Decimal("0.5"))]
    assert again.order(order.client_order_id).executed_amount_base == Decimal("0.75")
    venue.place(Side.ASK, "149", "0.25")
    await until(lambda: "BuyOrderCompleted" in again.names(order.client_order_id), "the order is complete")
    assert len(again.fills(order.client_order_id)) == 2


@pytest.mark.parametrize("fate", ["rests", "filled", "cancelled", "never arrived"])
async def test_parity_an_order_in_flight_at_the_restart_is_found_by_its_client_id(
    start_bot: StartBot, venue: Venue, fate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = await start_bot()
    saved = InFlightOrder(
        client_order_id="4242",
        trading_pair=PAIR,
        order_type=OrderType.LIMIT,
        trade_type=TradeType.BUY,
        amount=Decimal(1),
        price=Decimal(149),
        creation_timestamp=time.time() - 30,
    )
    await bot.connector.stop_network()
    if fate != "never arrived":
        placed = venue.place(Side.BID, "149", "1", account=bot.account, client_id=4242)
    if fate == "filled":
        venue.place(Side.ASK, "149", "1")
    elif fate == "cancelled":
        venue.cancel(bot.account, placed.order_id)
    again = await start_bot(tracking_states={"4242": json.loads(json.dumps(saved.to_json()))})
    for _ in range(4):
        await again.poll()
    if fate == "never arrived":
        assert again.names("4242") == []  # it may have waited, and been sent just before the old bot died
        monkeypatch.setattr(order_reconciliation, "CONCLUSIVE_AGE_S", 0.0)
        await until(lambda: again.names("4242"), "the order has failed")
    expected = {
        "rests": ["BuyOrderCreated"],
        "filled": FILLED,
        "cancelled": CANCELLED,
        "never arrived": ["OrderFailure"],
    }
    assert again.names("4242") == expected[fate]
    if fate != "never arrived":
        assert again.order("4242").exchange_order_id == placed.order_id


async def test_parity_a_restored_order_can_be_cancelled(start_bot: StartBot) -> None:
    bot = await start_bot()
    order = await bot.open_buy("1", "149")
    again = await restarted(bot, start_bot)
    (result,) = await again.connector.cancel_all(2)
    assert result.success
    assert again.names(order.client_order_id) == ["OrderCancelled"]
    assert again.truth()[0].status == "Cancelled"


async def test_the_private_stream_coming_back_is_followed_by_a_poll(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("1", "149")
    await bot.double.close_streams()
    venue.place(Side.ASK, "149", "1")
    await until(lambda: bot.names(order.client_order_id) == FILLED, "the fill is found", limit_s=5.0)


# F29: what a poll costs


async def cost_of_a_poll(bot: Bot) -> Counter[str]:
    bot.double.calls.clear()
    await bot.poll()
    return Counter({name: count for name, count in bot.double.counts().items() if name in (*LISTS, "get_order")})


async def open_many(bot: Bot, count: int) -> list[str]:
    ids = [await bot.buy("0.1", str(Decimal("120") + Decimal("0.1") * number)) for number in range(count)]
    await until(lambda: all(bot.order(order_id).exchange_order_id for order_id in ids), "all are open")
    return ids


@pytest.mark.parametrize("count", [1, 20, 60])
async def test_f29_a_poll_of_resting_orders_is_one_request(no_settling: None, deaf_bot: Bot, count: int) -> None:
    await open_many(deaf_bot, count)
    assert await cost_of_a_poll(deaf_bot) == {"get_open_orders": 1}


async def test_f29_a_poll_without_orders_asks_for_those_of_others_alone(no_settling: None, deaf_bot: Bot) -> None:
    assert await cost_of_a_poll(deaf_bot) == {"get_open_orders": 1}


@pytest.mark.parametrize("count", [6, 20, 60])
@pytest.mark.parametrize("end", ["filled", "cancelled"])
async def test_f29_a_poll_of_many_changed_orders_costs_no_more(
    no_settling: None, deaf_bot: Bot, venue: Venue, count: int, end: str
) -> None:
    ids = await open_many(deaf_bot, count)
    if end == "cancelled":
        for order in deaf_bot.truth():
            venue.cancel(deaf_bot.account, order.order_id)
    else:
        for order in sorted(deaf_bot.truth(), key=lambda order: -(order.price or 0)):
            venue.place(Side.ASK, str(order.price), "0.1")
    cost = await cost_of_a_poll(deaf_bot)
    assert cost["get_open_orders"] == 1
    assert cost["get_order_history"] <= 1
    assert cost["get_fills"] <= 1
    assert cost["get_order"] == 0
    assert not deaf_bot.connector.in_flight_orders
    last = "BuyOrderCompleted" if end == "filled" else "OrderCancelled"
    assert {deaf_bot.names(order_id)[-1] for order_id in ids} == {last}


@pytest.mark.parametrize("count", [1, 20, 60])
async def test_f29_a_poll_of_orders_without_answer_costs_no_more(no_settling: None, deaf_bot: Bot, count: int) -> None:
    deaf_bot.double.script("execute_order", lose_request)
    for number in range(count):
        await deaf_bot.buy("0.1", str(Decimal("120") + number))
    await until(lambda: deaf_bot.double.count("execute_order") == count, "all are sent")
    assert await cost_of_a_poll(deaf_bot) == {"get_open_orders": 1, "get_order_history": 1, "get_fills": 1}


@pytest.mark.parametrize("count", [1, 5])
async def test_f29_a_poll_of_few_changed_orders_asks_for_them_alone(
    no_settling: None, deaf_bot: Bot, venue: Venue, count: int
) -> None:
    await open_many(deaf_bot, count)
    for order in deaf_bot.truth():
        venue.cancel(deaf_bot.account, order.order_id)
    cost = await cost_of_a_poll(deaf_bot)
    assert sum(cost.values()) <= 1 + 2 * count
    assert not deaf_bot.connector.in_flight_orders
