"""Many orders placed at once: few requests, and each order with its own fate."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.data_type.common import PositionAction
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.data_type.market_order import MarketOrder

from backpack_connector import order_journal_writer, order_reconciliation
from backpack_connector.order_batches import OrderBatch
from backpack_connector.order_journal import read_journals
from backpack_connector.protocol.enums import Side
from tests.protocol.samples import body
from tests.spot.conftest import StartBot
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
from tests.spot.ladders import CANCELLED, CREATED, FAILED, SERVER_ERROR, create, ladder, limit
from tests.spot.people import PAIR, Bot, Venue, stays, until


def posted_ids(bot: Bot) -> list[str]:
    return [str(fields["clientId"]) for call in bot.double.requests("execute_order_batch") for fields in call.fields]


async def test_forty_orders_are_two_requests(bot: Bot) -> None:
    ids = await create(bot, ladder(40))
    await until(lambda: all(bot.names(order_id) for order_id in ids), "all are told")
    assert bot.double.counts() == {"execute_order_batch": 2}
    assert [len(call.fields) for call in bot.double.requests("execute_order_batch")] == [20, 20]
    assert sorted(posted_ids(bot)) == sorted(ids)
    assert len(set(ids)) == 40
    assert [bot.names(order_id) for order_id in ids] == [CREATED] * 40
    assert {str(order.client_id): order.status for order in bot.truth()} == dict.fromkeys(ids, "New")
    assert not bot.connector._batches
    await stays(lambda: all(bot.names(order_id) == CREATED for order_id in ids), "each is told once", for_s=0.1)


async def test_a_batch_is_in_the_journal_before_it_is_sent_and_is_written_at_once(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = bot.connector._journal
    journal.beat()  # the file is there
    written: list[list[str]] = []
    seen_at_the_exchange: list[set[str]] = []
    write = order_journal_writer._write

    def noted(descriptor: int, text: bytes) -> None:
        write(descriptor, text)
        lines = [json.loads(line) for line in text.split(b"\n") if line]
        written.append([line["sent"]["client_order_id"] for line in lines if "sent" in line])

    async def look(call: Call) -> Answer | None:
        assert journal.path is not None
        (read,) = read_journals(journal.path.parent)
        seen_at_the_exchange.append({order.client_order_id for order in read.open_orders})
        return await call.forward()

    monkeypatch.setattr(order_journal_writer, "_write", noted)
    bot.double.script("execute_order_batch", look, times=1)
    ids = await create(bot, [*ladder(9), limit("149", "0.001")])  # the last one is too small to be sent
    await until(lambda: all(bot.names(order_id) for order_id in ids), "all are told")
    assert bot.names(ids[-1]) == FAILED
    assert [lines for lines in written if lines] == [ids[:-1]]
    assert seen_at_the_exchange == [set(ids[:-1])]


async def test_what_is_returned_are_the_orders_with_their_ids(bot: Bot) -> None:
    market = MarketOrder("", PAIR, False, "SOL", "USDC", 0.1, 1.0)
    returned = bot.connector.batch_order_create([limit("149"), market])
    assert [type(order) for order in returned] == [LimitOrder, MarketOrder]
    assert [order.quantity for order in returned] == [Decimal("0.1"), 0.1]
    assert returned[0].price == 149
    assert all(order.client_order_id.isdigit() for order in returned)
    await until(lambda: len(bot.events) >= 2, "both are told")


async def test_no_orders_are_no_request(bot: Bot) -> None:
    assert bot.connector.batch_order_create([]) == []
    await stays(lambda: not bot.double.calls, "nothing is sent", for_s=0.05)


async def test_a_batch_holds_all_kinds_of_orders_in_all_markets(start_bot: StartBot, venue: Venue) -> None:
    bot = await start_bot(trading_pairs=(PAIR, "BTC-USDC"))
    venue.place(Side.BID, "149", "1")
    await until(lambda: bot.connector.get_price(PAIR, False) == 149, "the book is known")
    orders = [
        limit("148"),
        limit("100000", "0.001", is_buy=False, pair="BTC-USDC"),
        MarketOrder("", PAIR, False, "SOL", "USDC", 0.5, 1.0),
    ]
    ids = await create(bot, orders)
    await until(lambda: bot.order(ids[2]).is_done and all(bot.names(order_id) for order_id in ids), "all are told")
    (call,) = bot.double.requests("execute_order_batch")
    assert call.fields == [
        {"clientId": int(ids[0]), "orderType": "Limit", "price": "148", "quantity": "0.1", "side": "Bid",
         "symbol": "SOL_USDC", "timeInForce": "GTC"},
        {"clientId": int(ids[1]), "orderType": "Limit", "price": "100000", "quantity": "0.001", "side": "Ask",
         "symbol": "BTC_USDC", "timeInForce": "GTC"},
        {"clientId": int(ids[2]), "orderType": "Market", "quantity": "0.5", "side": "Ask", "symbol": "SOL_USDC"},
    ]  # fmt: skip
    assert call.headers["X-BROKER-ID"] == "2200"
    assert bot.fills(ids[2]) == [(Decimal(149), Decimal("0.5"))]


async def test_options_count_for_all_orders_of_a_batch(bot: Bot, venue: Venue) -> None:
    venue.place(Side.ASK, "149", "0.1")
    ids = await create(bot, [limit("149", "0.3"), limit("148")], time_in_force="IOC")
    await until(lambda: all(bot.order(order_id).is_done for order_id in ids), "nothing rests")
    assert [fields["timeInForce"] for fields in bot.double.requests("execute_order_batch")[0].fields] == ["IOC", "IOC"]
    assert bot.order(ids[0]).executed_amount_base == Decimal("0.1")


async def test_a_position_travels_as_an_option(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    track = bot.connector._tracked_order
    monkeypatch.setattr(
        bot.connector, "_tracked_order", lambda *args, **options: seen.append(options) or track(*args, **options)
    )
    base, quote = "SOL", "USDC"
    close = LimitOrder("", PAIR, True, base, quote, Decimal(149), Decimal(1), position=PositionAction.CLOSE)
    ids = await create(bot, [close, limit("148")])
    await until(lambda: all(bot.names(order_id) for order_id in ids), "both are told")
    assert seen == [{"position_action": PositionAction.CLOSE}, {}]


async def test_orders_that_fail_here_do_not_hold_up_the_others(bot: Bot) -> None:
    ids = await create(
        bot, [limit("148"), limit("149", "0.001"), limit("1", pair="NOPE-USDC"), limit("NaN"), limit("147")]
    )
    await until(lambda: all(bot.names(order_id) for order_id in ids), "all are told")
    assert [bot.names(order_id) for order_id in ids] == [CREATED, FAILED, FAILED, FAILED, CREATED]
    assert posted_ids(bot) == [ids[0], ids[4]]


async def test_an_order_that_cannot_be_written_fails_alone(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    fields_of = bot.connector._order_fields

    def with_a_float(order: InFlightOrder) -> dict[str, Any]:
        return {**fields_of(order), **({"price": 0.1} if order.price == 148 else {})}

    monkeypatch.setattr(bot.connector, "_order_fields", with_a_float)
    ids = await create(bot, [limit("149"), limit("148"), limit("147")])
    await until(lambda: all(bot.names(order_id) for order_id in ids), "all are told")
    assert [bot.names(order_id) for order_id in ids] == [CREATED, FAILED, CREATED]


async def test_an_order_whose_task_ends_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    may_answer = asyncio.Event()
    result = body("execute_order.limit_resting.200")

    async def send(_: Any, batch: Any) -> Any:
        await may_answer.wait()
        return [{**result, "operation": "Ok", "clientId": fields["clientId"]} for fields in batch]

    batch = OrderBatch(["1", "2"], send)
    first, second = [asyncio.ensure_future(batch.outcome(name, {"clientId": int(name)})) for name in ("1", "2")]
    await asyncio.sleep(0)
    first.cancel()
    may_answer.set()
    assert (await second).client_id == 2
    assert first.cancelled()
    assert not caplog.records


async def test_orders_end_with_the_sending_of_their_batch() -> None:
    sending: list[asyncio.Task[Any]] = []

    async def send(_: Any, batch: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        sending.append(task)
        await asyncio.Event().wait()

    batch = OrderBatch(["1"], send)
    order = asyncio.ensure_future(batch.outcome("1", {"clientId": 1}))
    await until(lambda: sending, "the batch is on its way")
    sending[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(order, timeout=1)


async def test_a_batch_that_fails_here_as_a_whole_sends_nothing(bot: Bot) -> None:
    ids = await create(bot, ladder(3), stop_loss=140)
    await until(lambda: all(bot.names(order_id) for order_id in ids), "all are told")
    assert [bot.names(order_id) for order_id in ids] == [FAILED] * 3
    assert not bot.double.calls
    assert not bot.connector._batches


async def test_an_error_of_one_order_is_that_orders_alone(bot: Bot) -> None:
    ids = await create(bot, [limit("148"), limit("149", "100000000"), limit("147")])
    await until(lambda: all(bot.names(order_id) for order_id in ids), "all are told")
    assert [bot.names(order_id) for order_id in ids] == [CREATED, FAILED, CREATED]
    (failure,) = bot.of(ids[1], "OrderFailure")
    assert failure.error_type == "InsufficientFunds"
    assert len(bot.truth()) == 2


async def test_a_refusal_of_the_whole_request_fails_all_its_orders_once(bot: Bot) -> None:
    bot.double.script("execute_order_batch", answer(400, {"code": "TRADING_PAUSED", "message": "Paused"}), times=1)
    ids = await create(bot, ladder(21))
    await until(lambda: all(bot.names(order_id) for order_id in ids), "all are told")
    refused = {str(fields["clientId"]) for fields in bot.double.requests("execute_order_batch")[0].fields}
    assert [bot.names(order_id) for order_id in ids] == [FAILED if order_id in refused else CREATED for order_id in ids]
    assert len(refused) in (1, 20)


# Unknown outcomes: nothing fails, nothing is sent twice

UNKNOWN: dict[str, tuple[Script, bool]] = {
    "lost answer": (lose_answer, True),
    "lost request": (lose_request, False),
    "503, done": (do_and_answer(503, SERVER_ERROR), True),
    "500, not done": (answer(500, SERVER_ERROR), False),
    "429": (answer(429, {"code": "TOO_MANY_REQUESTS", "message": "?"}), False),
    "no list": (do_and_answer(200, {"operation": "Ok"}), True),
    "no json": (do_and_answer(200, "[{"), True),
    "too short": (change(lambda rows: rows[:-1]), True),
    "too long": (change(lambda rows: [*rows, rows[0]]), True),
    "out of order": (change(lambda rows: rows[::-1]), True),
    "unreadable orders": (change(lambda rows: [{"operation": "Ok", "id": row["id"]} for row in rows]), True),
    "results of tomorrow": (change(lambda rows: [{**row, "operation": "Maybe"} for row in rows]), True),
    "errors that leave it open": (
        do_and_answer(200, [{"operation": "Err", "code": "TIMEOUT", "message": "?"}] * 3),
        True,
    ),
}


@pytest.mark.parametrize("case", UNKNOWN)
async def test_f11_a_batch_of_unknown_outcome_stays_pending_until_it_is_found_out(
    bot: Bot, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, is_done = UNKNOWN[case]
    monkeypatch.setattr(order_reconciliation, "CONCLUSIVE_AGE_S", 0.2)
    bot.double.drop_frames()
    may_tell = asyncio.Event()
    bot.double.script("get_open_orders", hold_answer(may_tell))
    bot.double.script("execute_order_batch", script, times=1)
    ids = await create(bot, ladder(3))
    await until(lambda: bot.double.count("get_open_orders"), "the exchange is asked")
    assert [bot.order(order_id).current_state for order_id in ids] == [OrderState.PENDING_CREATE] * 3
    assert not bot.events
    may_tell.set()
    end = CREATED if is_done else FAILED
    await until(lambda: all(bot.names(order_id) == end for order_id in ids), "all are told")
    await stays(lambda: all(bot.names(order_id) == end for order_id in ids), "each is told once", for_s=0.1)
    assert bot.double.count("execute_order_batch", "execute_order") == 1
    assert len(bot.truth()) == (3 if is_done else 0)


async def test_f11_a_mixture_of_outcomes_in_one_answer(bot: Bot) -> None:
    def edit(rows: Any) -> Any:
        refused = {"operation": "Err", "code": "INSUFFICIENT_FUNDS", "message": "?"}
        return [rows[0], refused, {"operation": "Err", "code": "TIMEOUT", "message": "?"}, {"operation": "Ok"}]

    async def place_all_but_the_second(call: Call) -> Answer | None:
        placed = await call.forward()
        bot.venue.cancel(bot.account, bot.truth()[1].order_id, is_told=False)
        return Answer(200, json.dumps(edit(placed.data)))

    bot.double.drop_frames()
    bot.double.script("execute_order_batch", place_all_but_the_second, times=1)
    ids = await create(bot, ladder(4))
    await until(lambda: all(bot.names(order_id) for order_id in ids), "all are told")
    assert [bot.names(order_id) for order_id in ids] == [CREATED, FAILED, CREATED, CREATED]


async def test_an_order_of_a_batch_can_be_cancelled_while_it_is_on_its_way(bot: Bot) -> None:
    may_go = asyncio.Event()
    bot.double.script("execute_order_batch", hold_request(may_go), times=1)
    ids = await create(bot, ladder(2))
    await until(lambda: bot.double.count("execute_order_batch"), "the batch is on its way")
    bot.connector.cancel(PAIR, ids[0])
    await until(lambda: bot.double.count("cancel_order") == 1, "the cancel was tried")
    may_go.set()
    await until(lambda: bot.names(ids[0]) == CANCELLED, "the order is cancelled")
    assert bot.names(ids[1]) == CREATED


async def test_funds_of_a_batch_are_held_until_its_answer(bot: Bot) -> None:
    before = bot.connector.get_available_balance("USDC")
    may_go = asyncio.Event()
    bot.double.script("execute_order_batch", hold_request(may_go), times=1)
    ids = await create(bot, [limit("100", "1"), limit("100", "2")])
    await until(lambda: bot.double.count("execute_order_batch"), "the batch is on its way")
    assert bot.connector.get_available_balance("USDC") == before - 300
    may_go.set()
    await until(lambda: all(bot.names(order_id) == CREATED for order_id in ids), "both rest")
    await until(lambda: bot.connector.get_available_balance("USDC") == before - 300, "the exchange holds them now")
