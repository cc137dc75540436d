"""What order events may touch, and what they leave alone (F19, F36, F39, fills told twice)."""

import asyncio
import logging
import random
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.in_flight_order import OrderState
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount

from backpack_connector.protocol.enums import Side
from tests.spot.exchange_double import Frame, answer, change, hold_answer
from tests.spot.people import Bot, Venue, remembered_updates, settled, stays, until

FILLED = ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]


def accepted(bot: Bot, order_id: str | None) -> Frame:
    """Return the data of the event that announced an order."""
    assert order_id is not None
    return bot.double.order_events(order_id)[0]


# F36: an event touches an order only if market and ids match

CANCEL_EVENT = {"e": "orderCancelled", "X": "Cancelled"}
STRANGERS: dict[str, Frame] = {
    "another market": {"s": "BTC_USDC"},
    "another kind of market of the same name": {"s": "SOL_USDC_PERP"},
    "a market of a kind to come": {"s": "SOL_USDC_2612_DATED"},
    "another exchange id": {"i": "999"},
    "another client id": {"c": 12345},
    "another exchange id, no client id": {"i": "999", "c": None},
    "another market, no ids of ours": {"s": "BTC_USDC", "i": "999", "c": None},
    "another market with our exchange id": {"s": "BTC_USDC", "c": None},
}


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("event", ["cancel", "fill"])
async def test_f36_an_event_of_another_order_touches_nothing(bot: Bot, stranger: str, event: str) -> None:
    order = await bot.open_buy("1", "149")
    await until(lambda: bot.double.order_events(str(order.exchange_order_id)), "the event is there")
    fill = {
        "e": "orderFill",
        "X": "Filled",
        "l": "1",
        "L": "149",
        "t": 5,
        "n": "0.001",
        "N": "SOL",
        "m": True,
        "z": "1",
    }
    changes = CANCEL_EVENT if event == "cancel" else fill
    before = bot.double.counts()
    await bot.double.push_order_event(accepted(bot, order.exchange_order_id), **{**changes, **STRANGERS[stranger]})
    await settled(bot)
    assert bot.names(order.client_order_id) == ["BuyOrderCreated"]
    assert order.current_state is OrderState.OPEN
    assert order.executed_amount_base == 0
    assert bot.double.counts() == before  # and it costs no request


@pytest.mark.parametrize("stranger", ["another market", "another kind of market of the same name"])
async def test_f36_a_pending_order_does_not_take_the_id_of_another_market(bot: Bot, stranger: str) -> None:
    template = await bot.open_buy("1", "140")
    may_answer = asyncio.Event()
    held = bot.double.hold_order_frames()
    bot.double.script("execute_order", hold_answer(may_answer), times=1)
    order_id = await bot.buy("1", "149")
    await until(lambda: len(bot.truth()) == 2 and held, "the order is on the exchange")
    event = {**accepted(bot, template.exchange_order_id), **CANCEL_EVENT, **STRANGERS[stranger]}
    await bot.double.push_order_event(event, i="999", c=int(order_id))
    await bot.double.push_order_event(event, i="999", c=None)
    await settled(bot)
    assert bot.order(order_id).exchange_order_id is None
    assert bot.order(order_id).is_pending_create
    assert bot.names(order_id) == []
    may_answer.set()
    await until(lambda: bot.order(order_id).exchange_order_id == bot.truth()[1].order_id, "the answer has its id")


async def test_f36_orders_of_others_and_of_other_bots_on_the_account_are_ignored(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("1", "149")
    before = bot.double.counts()
    foreign = venue.place(Side.BID, "148", "1", account=bot.account, client_id=77)
    without_id = venue.place(Side.BID, "147", "1", account=bot.account)
    venue.place(Side.BID, "146", "1", account="somebody")
    for placed in (foreign, without_id):
        venue.cancel(bot.account, placed.order_id)
    await until(lambda: len(bot.double.order_events(without_id.order_id)) == 2, "the exchange told of it")
    await settled(bot)
    assert [name for name, _ in bot.events] == ["BuyOrderCreated"]
    assert list(bot.connector.in_flight_orders) == [order.client_order_id]
    assert bot.double.counts() == before


# F39 and matching by one id


async def test_f39_the_id_is_adopted_from_the_first_event_that_carries_it(bot: Bot) -> None:
    may_answer = asyncio.Event()
    bot.double.script("execute_order", hold_answer(may_answer), times=1)
    order_id = await bot.buy("1", "149")
    assert bot.order(order_id).exchange_order_id is None
    await until(lambda: bot.names(order_id) == ["BuyOrderCreated"], "the stream announces it")
    assert bot.order(order_id).exchange_order_id == bot.truth()[0].order_id
    assert bot.of(order_id, "BuyOrderCreated")[0].exchange_order_id == bot.truth()[0].order_id
    may_answer.set()
    await stays(lambda: bot.names(order_id) == ["BuyOrderCreated"], "it is announced once", for_s=0.1)


async def test_f39_the_id_is_adopted_from_the_answer_when_that_comes_first(bot: Bot) -> None:
    held = bot.double.hold_order_frames()
    order = await bot.open_buy("1", "149")
    assert order.exchange_order_id == bot.truth()[0].order_id
    await until(lambda: held, "the event is there")
    await bot.double.push_order_event(held[0])
    await settled(bot)
    assert bot.names(order.client_order_id) == ["BuyOrderCreated"]


async def test_parity_events_without_a_client_id_are_matched_by_the_exchange_id(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("2", "149")
    bot.double.alter_order_frames(lambda data: [{key: data[key] for key in data if key != "c"}])
    venue.place(Side.ASK, "149", "0.5")
    await until(lambda: order.executed_amount_base == Decimal("0.5"), "the fill is applied")
    venue.cancel(bot.account, str(order.exchange_order_id))
    await until(lambda: order.is_cancelled, "the cancel is applied")
    assert bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderFilled", "OrderCancelled"]
    assert bot.double.count("get_fills", "get_open_orders", "get_order_history") == 0


async def test_parity_a_client_id_as_text_is_understood(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("2", "149")
    bot.double.alter_order_frames(lambda data: [{**data, "c": str(data["c"])} if "c" in data else data])
    venue.cancel(bot.account, str(order.exchange_order_id))
    await until(lambda: order.is_cancelled, "the cancel is applied")


# Fills count once


async def test_parity_fills_are_not_counted_twice_between_stream_and_rest(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("3", "149")
    for _ in range(3):
        venue.place(Side.ASK, "149", "0.5")
    await until(lambda: order.executed_amount_base == Decimal("1.5"), "the stream told of all fills")
    for pair in await bot.connector._reconciler.fills_of([order]):
        bot.connector.apply_fill(*pair)
    await bot.poll()
    assert order.executed_amount_base == Decimal("1.5")
    assert len(bot.fills(order.client_order_id)) == 3


async def test_parity_fills_over_rest_first_are_not_counted_again_from_the_stream(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("3", "149")
    held = bot.double.hold_order_frames()
    for _ in range(3):
        venue.place(Side.ASK, "149", "0.5")
    await bot.poll()
    assert len(bot.fills(order.client_order_id)) == 3
    await until(lambda: len(held) == 3, "the events are there")
    for data in held:
        await bot.double.push_order_event(data)
    await settled(bot)
    assert len(bot.fills(order.client_order_id)) == 3
    assert order.executed_amount_base == Decimal("1.5")


async def test_parity_both_ways_tell_the_same_fill_the_same_way(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("3", "149")
    venue.place(Side.ASK, "149", "0.5")
    await until(lambda: order.order_fills, "the stream told of the fill")
    (streamed,) = order.order_fills.values()
    ((_, row),) = await bot.connector._reconciler.fills_of([order])
    (listed,) = await bot.connector._all_trade_updates_for_order(order)
    assert abs(listed.fill_timestamp - streamed.fill_timestamp) < 0.001
    assert listed._replace(fill_timestamp=0) == streamed._replace(fill_timestamp=0)
    assert row.is_maker


@pytest.mark.parametrize("seed", range(6))
async def test_parity_frames_that_come_twice_and_in_any_order_give_the_same_end(
    bot: Bot, venue: Venue, seed: int
) -> None:
    held = bot.double.hold_order_frames()
    may_answer = asyncio.Event()
    bot.double.script("execute_order", hold_answer(may_answer), times=1)
    order_id = await bot.buy("2", "149")
    await until(lambda: bot.truth(), "the order is on the exchange")
    for _ in range(4):
        venue.place(Side.ASK, "149", "0.5")
    await until(lambda: len(held) == 5, "all events are there")
    shuffled = held * 2
    random.Random(seed).shuffle(shuffled)
    for data in shuffled:
        await bot.double.push_order_event(data)
    may_answer.set()
    await until(lambda: "BuyOrderCompleted" in bot.names(order_id), "the order is complete")
    await settled(bot)
    assert bot.names(order_id) == ["BuyOrderCreated", *["OrderFilled"] * 4, "BuyOrderCompleted"]
    assert bot.order(order_id).executed_amount_base == 2


async def test_f35_an_older_event_takes_nothing_back(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("2", "149")
    await until(lambda: bot.double.order_events(str(order.exchange_order_id)), "the event is there")
    venue.place(Side.ASK, "149", "0.5")
    await until(lambda: order.current_state is OrderState.PARTIALLY_FILLED, "it is partially filled")
    await bot.double.push_order_event(accepted(bot, order.exchange_order_id))
    await settled(bot)
    assert order.current_state is OrderState.PARTIALLY_FILLED
    venue.cancel(bot.account, str(order.exchange_order_id))
    await until(lambda: order.is_cancelled, "it is cancelled")
    for data in bot.double.order_events(str(order.exchange_order_id)):
        await bot.double.push_order_event(data)
    await settled(bot)
    assert order.is_cancelled
    assert bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderFilled", "OrderCancelled"]


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_f27_a_lost_fill_event_is_fetched_when_the_next_one_shows_the_gap(
    bot: Bot, venue: Venue, lost: int
) -> None:
    order = await bot.open_buy("1.5", "149")
    seen: list[Any] = []

    def drop_one(data: Frame) -> list[Frame]:
        if data["e"] == "orderFill":
            seen.append(data)
            return [] if len(seen) == lost + 1 else [data]
        return [data]

    bot.double.alter_order_frames(drop_one)
    for _ in range(3):
        venue.place(Side.ASK, "149", "0.5")
    if lost == 2:  # nothing follows that could show it
        await until(lambda: len(seen) == 3, "all fills have happened")
        await bot.poll()
    await until(lambda: "BuyOrderCompleted" in bot.names(order.client_order_id), "the order is complete")
    assert bot.names(order.client_order_id) == ["BuyOrderCreated", *["OrderFilled"] * 3, "BuyOrderCompleted"]


@pytest.mark.parametrize("missing", ["l", "L", "t", "n", "N"])
async def test_f27_a_fill_event_without_all_its_facts_is_asked_for(bot: Bot, venue: Venue, missing: str) -> None:
    order = await bot.open_buy("1", "149")
    bot.double.alter_order_frames(lambda data: [{key: data[key] for key in data if key != missing}])
    venue.place(Side.ASK, "149", "1")
    await until(lambda: "BuyOrderCompleted" in bot.names(order.client_order_id), "the order is complete")
    assert bot.names(order.client_order_id) == FILLED


# F19: words that are not known yet; why the engine ended an order


async def test_f19_an_unknown_status_on_the_stream_leaves_the_order_and_asks(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    order = await bot.open_buy("1", "149")
    await until(lambda: bot.double.order_events(str(order.exchange_order_id)), "the event is there")
    await bot.double.push_order_event(accepted(bot, order.exchange_order_id), X="Suspended", e="orderSuspended")
    await until(lambda: bot.double.count("get_open_orders"), "the exchange is asked")
    await settled(bot)
    assert order.current_state is OrderState.OPEN
    assert bot.names(order.client_order_id) == ["BuyOrderCreated"]
    (line,) = [text for text in caplog.messages if "Suspended" in text]
    assert line.startswith(f"Order {order.client_order_id} has a state that is not known here, 'Suspended'")


async def test_f19_an_unknown_event_with_a_known_status_is_understood(bot: Bot) -> None:
    order = await bot.open_buy("1", "149")
    await until(lambda: bot.double.order_events(str(order.exchange_order_id)), "the event is there")
    await bot.double.push_order_event(accepted(bot, order.exchange_order_id), X="Cancelled", e="orderRetired")
    await until(lambda: order.is_cancelled, "the status counts")


async def test_f19_a_modified_order_stays_open(bot: Bot) -> None:
    order = await bot.open_buy("1", "149")
    await until(lambda: bot.double.order_events(str(order.exchange_order_id)), "the event is there")
    await bot.double.push_order_event(accepted(bot, order.exchange_order_id), e="orderModified")
    await settled(bot)
    assert order.current_state is OrderState.OPEN


@pytest.mark.parametrize("operation", ["get_open_orders", "get_order_history"])
async def test_f19_an_unknown_status_in_a_list_leaves_the_order(
    bot: Bot, venue: Venue, operation: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backpack_connector.order_reconciliation.CONCLUSIVE_AGE_S", 0.0)
    order, other = await bot.open_buy("1", "149"), await bot.open_buy("1", "148")
    bot.double.drop_frames()
    if operation == "get_order_history":
        venue.cancel(bot.account, str(order.exchange_order_id), is_told=False)
    venue.place(Side.ASK, "148", "0.4", is_told=False)
    bot.double.script(
        operation,
        change(
            lambda rows: [
                {**row, "status": "Suspended"} if row["id"] == order.exchange_order_id else row for row in rows
            ]
        ),
    )
    for _ in range(6):
        await bot.poll()
    assert order.current_state is OrderState.OPEN or operation == "get_open_orders"
    assert "OrderFailure" not in bot.names(order.client_order_id)
    assert "OrderCancelled" not in bot.names(order.client_order_id)
    assert any("Suspended" in text for text in caplog.messages)
    bot.double.behave()
    await bot.poll()
    assert other.is_open


@pytest.mark.parametrize("reason", ["PostOnlyTaker", "ReasonOfTomorrow"])
async def test_f19_why_the_engine_ended_an_order_is_logged_and_kept(
    bot: Bot, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    order = await bot.open_buy("1", "149")
    await until(lambda: bot.double.order_events(str(order.exchange_order_id)), "the event is there")
    updates = remembered_updates(bot, monkeypatch)
    event = accepted(bot, order.exchange_order_id)
    await bot.double.push_order_event(event, e="orderExpired", X="Expired", R=reason)
    await until(lambda: order.is_done, "the order is done")
    assert bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderCancelled"]
    assert updates[-1].misc_updates is not None
    assert updates[-1].misc_updates["expiry_reason"] == reason
    assert f"The exchange ended order {order.client_order_id}: {reason}." in caplog.messages


async def test_f19_the_reason_is_also_taken_from_the_history(
    bot: Bot, venue: Venue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    order = await bot.open_buy("1", "149")
    bot.double.drop_frames()
    updates = remembered_updates(bot, monkeypatch)
    venue.cancel(bot.account, str(order.exchange_order_id))
    bot.double.script(
        "get_order_history",
        change(lambda rows: [{**row, "status": "Expired", "expiryReason": "AccountTradingSuspended"} for row in rows]),
    )
    await bot.poll()
    assert bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderCancelled"]
    assert updates[-1].misc_updates is not None
    assert updates[-1].misc_updates["expiry_reason"] == "AccountTradingSuspended"
    assert f"The exchange ended order {order.client_order_id}: AccountTradingSuspended." in caplog.messages


# F13 on the stream


@pytest.mark.parametrize(("side", "token", "fee"), [("buy", "SOL", "0.0008"), ("sell", "USDC", "0.12")])
async def test_f13_a_fill_event_has_the_trading_pair_the_role_and_the_fee(
    bot: Bot, venue: Venue, side: str, token: str, fee: str
) -> None:
    order_id = await (bot.buy if side == "buy" else bot.sell)("1", "150")
    await until(lambda: bot.truth(), "the order rests")
    venue.place(Side.ASK if side == "buy" else Side.BID, "150", "1")
    await until(lambda: bot.of(order_id, "OrderFilled"), "it is filled")
    (event,) = bot.of(order_id, "OrderFilled")
    assert event.trading_pair == "SOL-USDC"
    assert event.trade_fee == DeductedFromReturnsTradeFee(
        percent_token=token, flat_fees=[TokenAmount(token=token, amount=Decimal(fee))]
    )
    (update,) = bot.order(order_id).order_fills.values()
    assert update.is_taker is False
    assert (
        event.exchange_trade_id
        == update.trade_id
        == str(venue.simulator.exchange.markets["SOL_USDC"].trades[-1].trade_id)
    )


async def test_f19_answers_that_fail_do_not_make_the_question_go_away(bot: Bot) -> None:
    order = await bot.open_buy("1", "149")
    await until(lambda: bot.double.order_events(str(order.exchange_order_id)), "the event is there")
    bot.double.script("get_open_orders", answer(503, "?"), times=3)
    await bot.double.push_order_event(accepted(bot, order.exchange_order_id), X="Suspended")
    await until(lambda: bot.double.count("get_open_orders") == 4, "the exchange is asked until it answers")
    await stays(lambda: bot.double.count("get_open_orders") == 4, "then it is not asked any more", for_s=0.3)


async def test_f19_a_question_that_comes_up_while_an_older_one_is_answered_is_not_lost(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("2", "149")
    await until(lambda: bot.double.order_events(str(order.exchange_order_id)), "the event is there")
    event = accepted(bot, order.exchange_order_id)
    may_answer = asyncio.Event()
    bot.double.script("get_open_orders", hold_answer(may_answer), times=1)
    await bot.double.push_order_event(event, X="Suspended")
    await until(lambda: bot.double.count("get_open_orders") == 1, "the exchange is asked")
    # While its answer, from before the fill, is on the way, a fill comes whose event cannot be read completely.
    bot.double.alter_order_frames(lambda data: [{key: data[key] for key in data if key not in ("n", "z")}])
    venue.place(Side.ASK, "149", "0.5")
    await until(lambda: len(bot.double.order_events(str(order.exchange_order_id))) == 2, "the fill is told")
    await settled(bot)
    may_answer.set()
    await until(lambda: order.executed_amount_base == Decimal("0.5"), "the fill is asked for")


# A fill that cannot be true


async def test_a_fill_that_comes_again_under_another_trade_id_is_left_out(
    bot: Bot, venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    order = await bot.open_buy("3", "149")
    venue.place(Side.ASK, "149", "1")
    await until(lambda: bot.fills(order.client_order_id), "the fill is told")
    (fill,) = [event for event in bot.double.order_events(str(order.exchange_order_id)) if event["e"] == "orderFill"]
    await bot.double.push_order_event(fill, t=fill["t"] + 1)
    await settled(bot)
    assert bot.fills(order.client_order_id) == [(Decimal(149), Decimal(1))]
    assert order.executed_amount_base == 1
    assert "executed further than the exchange itself says" in caplog.text
    venue.place(Side.ASK, "149", "2")
    await until(lambda: bot.names(order.client_order_id)[-1] == "BuyOrderCompleted", "the rest is told")
    assert sum(amount for _, amount in bot.fills(order.client_order_id)) == 3
    assert bot.connector._executed_told == {}


async def test_fills_that_come_in_another_order_are_all_told_without_asking(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("3", "149")
    held = bot.double.hold_order_frames()
    venue.place(Side.ASK, "149", "1")
    venue.place(Side.ASK, "149", "1")
    await until(lambda: len(held) == 2, "both fills are on their way")
    asked = bot.double.count("get_fills")
    for event in reversed(held):
        await bot.double.push_order_event(event)
    await until(lambda: len(bot.fills(order.client_order_id)) == 2, "both fills are told")
    assert bot.double.count("get_fills") == asked
