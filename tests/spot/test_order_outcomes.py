"""F11 and F30: whatever happens on the way, an order fails only when the exchange is known not to have it."""

import asyncio
import logging
from decimal import Decimal

import pytest
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import OrderState

from backpack_connector import backpack_constants, order_reconciliation
from backpack_connector.protocol.enums import Side
from backpack_connector.simulator.clock import wall_clock_us
from tests.spot.conftest import open_venue
from tests.spot.exchange_double import Answer, Call, Script, answer, change, do_and_answer, lose_answer, lose_request
from tests.spot.people import PAIR, Bot, Kind, Venue, stays, until

LISTS = ("get_open_orders", "get_order_history", "get_fills")
TIMEOUT = {"code": "TIMEOUT", "message": "Request timed out"}
SERVER_ERROR = {"code": "SERVER_ERROR", "message": "Service unavailable"}
TOO_MANY = {"code": "TOO_MANY_REQUESTS", "message": "Too many requests"}


async def no_answer_in_time(call: Call) -> Answer | None:
    await call.forward()
    await asyncio.sleep(30)
    return None


async def no_request_in_time(call: Call) -> Answer | None:
    await asyncio.sleep(30)
    return None


LOST_ANSWERS: dict[str, Script] = {
    "connection reset": lose_answer,
    "time-out": no_answer_in_time,
    "500 TIMEOUT": do_and_answer(500, TIMEOUT),
    "503": do_and_answer(503, SERVER_ERROR),
    "502 of the CDN": do_and_answer(502, "<html><body>Bad gateway</body></html>"),
    "429": do_and_answer(429, TOO_MANY),
    "400 TIMEOUT": do_and_answer(400, TIMEOUT),
    "no JSON": do_and_answer(200, "{"),
    "JSON without an order": do_and_answer(200, {"ok": True}),
    "empty": do_and_answer(200, ""),
    "status of tomorrow": change(lambda order: {**order, "status": "Suspended"}),
}
LOST_REQUESTS: dict[str, Script] = {
    "connection reset": lose_request,
    "time-out": no_request_in_time,
    "500 TIMEOUT": answer(500, TIMEOUT),
    "503": answer(503, SERVER_ERROR),
    "429": answer(429, TOO_MANY),
}
EACH_WAY = pytest.mark.usefixtures("each_way_of_requests")
STREAM = pytest.mark.parametrize("has_stream", [True, False], ids=["with stream", "without stream"])


@pytest.fixture(autouse=True)
def short_time_limit(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    # It also covers the start of the bot, for which a busy machine may need longer.
    is_waited_for = "time-out" in request.node.name
    monkeypatch.setattr(backpack_constants, "REQUEST_TIMEOUT_S", 0.5 if is_waited_for else 3.0)


# The exchange has it


@EACH_WAY
@STREAM
@pytest.mark.parametrize("fault", LOST_ANSWERS)
async def test_f11_lost_answer_keeps_the_order_pending_and_finds_it(bot: Bot, fault: str, has_stream: bool) -> None:
    if not has_stream:
        bot.double.drop_frames()
    bot.double.script("execute_order", LOST_ANSWERS[fault])
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.names(order_id), "the order is found")
    (order,) = bot.truth()
    assert bot.names(order_id) == ["BuyOrderCreated"]
    assert bot.order(order_id).current_state is OrderState.OPEN
    assert bot.order(order_id).exchange_order_id == order.order_id
    await stays(
        lambda: bot.names(order_id) == ["BuyOrderCreated"],
        "the order is open",
        for_s=0.5 if fault == "time-out" else 0.15,
    )
    assert bot.double.count("execute_order") == 1


async def test_f11_lost_answer_of_an_order_that_was_filled_meanwhile(bot: Bot, venue: Venue) -> None:
    venue.place(Side.ASK, "149", "1")
    bot.double.drop_frames()
    bot.double.script("execute_order", lose_answer)
    order_id = await bot.buy("1", "149")
    await until(lambda: len(bot.names(order_id)) == 3, "the order is done")
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]
    assert bot.double.count("execute_order") == 1


@pytest.mark.parametrize("is_lost", [True, False])
async def test_f11_an_order_that_has_ended_before_its_request_leaves_nothing_behind(
    bot: Bot, venue: Venue, is_lost: bool
) -> None:
    venue.place(Side.ASK, "149", "1")

    async def end_first(call: Call) -> Answer | None:
        placed = await call.forward()
        await until(lambda: "BuyOrderCompleted" in bot.names(order_id), "the stream tells that the order is done")
        return None if is_lost else placed

    bot.double.script("execute_order", end_first)
    order_id = await bot.buy("1", "149")
    await until(lambda: "BuyOrderCompleted" in bot.names(order_id), "the order is done")
    await until(lambda: order_id not in bot.connector._on_their_way, "the request has ended")
    await bot.rest()
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]
    assert order_id not in bot.connector._request_ended_at
    assert order_id not in bot.connector._executed_told
    await until(lambda: not bot.connector._reconciler._unsettled, "nothing is left to settle")


async def test_f11_lost_answer_of_an_order_that_was_cancelled_meanwhile(bot: Bot, venue: Venue) -> None:
    bot.double.drop_frames()

    async def lose_and_cancel(call: Call) -> Answer | None:
        placed = await call.forward()
        venue.cancel(bot.account, placed.data["id"])
        return None

    bot.double.script("execute_order", lose_and_cancel)
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.order(order_id).is_done, "the order is done")
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderCancelled"]


async def test_f11_the_history_may_lag_behind(bot: Bot, venue: Venue) -> None:
    venue.place(Side.ASK, "149", "1")
    bot.double.drop_frames()
    for operation in ("get_order_history", "get_fills"):
        bot.double.script(operation, answer(200, []))
    bot.double.script("execute_order", lose_answer)
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.double.count("get_fills") >= 6, "the exchange was asked again and again")
    assert bot.order(order_id).is_pending_create
    assert bot.names(order_id) == []
    bot.double.behave("get_order_history")  # and the fills still later
    await until(lambda: bot.names(order_id), "the history shows it")
    await stays(lambda: bot.names(order_id) == ["BuyOrderCreated"], "it waits for the fills", for_s=0.2)
    bot.double.behave("get_fills")
    await until(lambda: len(bot.names(order_id)) == 3, "the order is done")
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]


async def test_f11_nothing_is_invented_as_an_id_meanwhile(bot: Bot) -> None:
    bot.double.drop_frames()
    bot.double.script("get_open_orders", answer(503, SERVER_ERROR))
    bot.double.script(
        "execute_order", do_and_answer(503, "Unknown error, please check your request or try again later.")
    )
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.double.count("get_open_orders") >= 3, "the exchange was asked")
    assert bot.order(order_id).exchange_order_id is None
    bot.double.behave("get_open_orders")
    await until(lambda: bot.order(order_id).exchange_order_id == bot.truth()[0].order_id, "the id is the exchange's")


async def test_f11_the_unknown_outcome_is_told_in_one_line(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    bot.double.script("execute_order", do_and_answer(503, SERVER_ERROR))
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.names(order_id), "the order is found")
    lines = [record.getMessage() for record in caplog.records if order_id in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith(f"It is not known whether order {order_id} reached {bot.connector.name}")
    assert not [record for record in caplog.records if record.exc_info]


# The exchange never had it


@EACH_WAY
@pytest.mark.parametrize("fault", LOST_REQUESTS)
async def test_f11_an_order_that_never_arrived_fails_after_conclusive_absence(
    bot: Bot, soon_conclusive: None, fault: str
) -> None:
    bot.double.script("execute_order", LOST_REQUESTS[fault])
    order_id = await bot.buy("1", "149")
    await stays(lambda: bot.names(order_id) == [], "nothing is known", for_s=0.15)
    assert bot.order(order_id).is_pending_create
    await until(lambda: bot.names(order_id), "the outcome is known")
    assert bot.names(order_id) == ["OrderFailure"]
    assert bot.double.count("execute_order") == 1
    assert bot.truth() == []
    for operation in LISTS:
        assert bot.double.count(operation) > 0


async def test_f11_a_young_order_is_not_given_up(bot: Bot) -> None:
    bot.double.script("execute_order", lose_request)
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.double.count("get_open_orders") >= 6, "the exchange was asked again and again")
    for _ in range(6):
        await bot.poll()
    assert bot.order(order_id).is_pending_create
    assert bot.names(order_id) == []


@pytest.mark.parametrize("operation", LISTS)
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_f11_an_order_is_not_given_up_while_a_list_cannot_be_had(
    bot: Bot, soon_conclusive: None, operation: str, status: int
) -> None:
    bot.double.script(operation, answer(status, SERVER_ERROR))
    bot.double.script("execute_order", lose_request)
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.double.count(operation) >= 9, "the exchange was asked again and again")
    assert bot.order(order_id).is_pending_create
    assert bot.names(order_id) == []
    bot.double.behave(operation)
    await until(lambda: bot.names(order_id) == ["OrderFailure"], "the outcome is known")


@pytest.mark.parametrize("operation", LISTS)
async def test_f11_an_order_is_not_given_up_while_a_list_has_a_row_that_cannot_be_read(
    bot: Bot, soon_conclusive: None, operation: str
) -> None:
    bot.double.script(operation, answer(200, [{"odd": "row"}]))
    bot.double.script("execute_order", lose_request)
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.double.count(operation) >= 9, "the exchange was asked again and again")
    assert bot.order(order_id).is_pending_create
    assert bot.names(order_id) == []


async def test_f11_an_order_that_is_still_on_its_way_is_not_given_up(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, soon_conclusive: None
) -> None:
    # Its request waits for a place in the request budget, which can take a minute when the limits are used up.
    may_go = asyncio.Event()
    acquire = bot.connector._throttler.acquire

    async def wait(limit_id: str) -> None:
        if limit_id == "execute_order":
            await may_go.wait()
        await acquire(limit_id)

    monkeypatch.setattr(bot.connector._throttler, "take", lambda _: False)  # there is no room at once
    monkeypatch.setattr(bot.connector._throttler, "acquire", wait)
    order_id = await bot.buy("1", "149")
    await asyncio.sleep(0.25)
    for _ in range(6):
        await bot.poll()
    assert bot.names(order_id) == []
    may_go.set()
    await until(lambda: bot.names(order_id) == ["BuyOrderCreated"], "the order is placed")
    assert bot.order(order_id).is_open


async def test_f11_an_order_from_before_the_first_tick_of_the_clock_is_found(bot: Bot, venue: Venue) -> None:
    venue.place(Side.ASK, "149", "1")
    bot.double.drop_frames()
    bot.double.script("execute_order", lose_answer)
    bot.connector._set_current_timestamp(float("nan"))  # as it is until a clock runs
    order_id = str(bot.connector.buy(PAIR, Decimal(1), OrderType.LIMIT, Decimal(149), **venue.kind.order_options))
    await until(lambda: len(bot.names(order_id)) == 3, "the order is done")
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]


@pytest.mark.parametrize("offset_s", [-240, 240], ids=["local clock ahead", "local clock behind"])
async def test_f11_a_wrong_local_clock_does_not_hide_an_order(
    monkeypatch: pytest.MonkeyPatch,
    quick: None,
    key_pair: tuple[str, str],
    kind: Kind,
    offset_s: int,
) -> None:
    # Requests are stamped with the exchange's time, so trading works with any local clock.
    def clock() -> int:
        return wall_clock_us() + offset_s * 1_000_000

    async with open_venue(monkeypatch, kind, clock=clock) as venue, Bot(venue, key_pair) as bot:
        venue.place(Side.ASK, "149", "1")
        bot.double.drop_frames()
        bot.double.script("execute_order", lose_answer)
        resting, filled = await bot.buy("1", "140"), await bot.buy("1", "149")
        await until(lambda: bot.names(resting) == ["BuyOrderCreated"], "the resting order is found")
        await until(lambda: "BuyOrderCompleted" in bot.names(filled), "the filled order is found")
        assert bot.names(filled) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]


async def test_f11_many_unknown_outcomes_are_found_with_few_requests(bot: Bot) -> None:
    bot.double.drop_frames()
    bot.double.script("execute_order", lose_answer)
    ids = [await bot.buy("0.1", str(Decimal("140") + number)) for number in range(8)]
    await until(lambda: all(bot.names(order_id) == ["BuyOrderCreated"] for order_id in ids), "all are found")
    assert bot.double.count("execute_order") == 8
    assert bot.double.count(*LISTS) <= 8


async def test_f11_an_order_of_the_same_client_id_in_another_market_is_not_mistaken_for_it(
    bot: Bot, venue: Venue
) -> None:
    bot.double.drop_frames()

    async def lose_and_place_elsewhere(call: Call) -> Answer | None:
        venue.place(
            Side.BID, "80000", "0.01", symbol="BTC_USDC", account=bot.account, client_id=call.fields["clientId"]
        )
        await call.forward()
        venue.place(
            Side.BID, "80001", "0.01", symbol="BTC_USDC", account=bot.account, client_id=call.fields["clientId"]
        )
        return None

    bot.double.script("execute_order", lose_and_place_elsewhere)
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.order(order_id).exchange_order_id is not None, "the order is found")
    own = next(order for order in bot.truth() if order.symbol == venue.kind.symbol)
    assert bot.order(order_id).exchange_order_id == own.order_id


async def test_f11_an_order_of_long_ago_with_the_same_client_id_does_not_hide_it(bot: Bot, venue: Venue) -> None:
    bot.double.drop_frames()

    async def lose_and_cancel(call: Call) -> Answer | None:
        venue.cancel(bot.account, (await call.forward()).data["id"])
        return None

    # The history, newest first: ours, and one that had its client id four years ago.
    old = {"id": "17", "createdAt": "2022-11-20T10:00:00.5", "status": "Filled", "executedQuantity": "1"}
    bot.double.script("get_order_history", change(lambda rows: [*rows, *({**row, **old} for row in rows)]))
    bot.double.script("execute_order", lose_and_cancel)
    order_id = await bot.buy("1", "149")
    await until(lambda: len(bot.names(order_id)) == 2, "the order is found")
    assert bot.names(order_id) == ["BuyOrderCreated", "OrderCancelled"]
    assert bot.order(order_id).exchange_order_id == bot.truth()[0].order_id


async def test_f11_an_order_beyond_the_first_page_of_the_history_is_not_given_up(
    bot: Bot, venue: Venue, soon_conclusive: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reconciliation, "HISTORY_PAGE", 2)
    bot.double.drop_frames()

    async def lose_and_cancel(call: Call) -> Answer | None:
        venue.cancel(bot.account, (await call.forward()).data["id"])
        for _ in range(5):  # and other bots of the account go on
            venue.cancel(bot.account, venue.place(Side.BID, "140", "1", account=bot.account).order_id)
        return None

    bot.double.script("execute_order", lose_and_cancel)
    order_id = await bot.buy("1", "149")
    await until(lambda: bot.double.count("get_order_history") >= 9 or bot.names(order_id), "the history is asked")
    assert "OrderFailure" not in bot.names(order_id)


# F30: outage and overload change nothing


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("operations", [LISTS, *((operation,) for operation in LISTS)], ids="+".join)
async def test_f30_answers_of_an_overloaded_exchange_change_nothing(
    bot: Bot, venue: Venue, soon_conclusive: None, operations: tuple[str, ...], status: int
) -> None:
    order = await bot.open_buy("2", "149")
    other = await bot.open_buy("1", "148")
    bot.double.drop_frames()
    venue.place(Side.ASK, "149", "2", is_told=False)  # so that history and fills are asked as well
    await asyncio.sleep(0.2)
    for operation in operations:
        bot.double.script(operation, answer(status, SERVER_ERROR))
    for _ in range(12):
        await bot.poll()
    names = ["BuyOrderCreated"]
    if operations == ("get_order_history",):
        names.append("OrderFilled")  # what the fills say counts by itself
    assert bot.names(order.client_order_id) == names
    assert order.current_state is OrderState.OPEN
    assert bot.names(other.client_order_id) == ["BuyOrderCreated"]
    assert not bot.connector.order_tracker._order_not_found_records
    assert not bot.connector.order_tracker.lost_orders
    bot.double.behave()
    await bot.poll()
    assert bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]
    assert other.is_open


@EACH_WAY
async def test_f30_broken_connections_and_bad_bodies_change_nothing(
    bot: Bot, venue: Venue, soon_conclusive: None
) -> None:
    order = await bot.open_buy("2", "149")
    bot.double.drop_frames()
    venue.cancel(bot.account, str(order.exchange_order_id), is_told=False)
    await asyncio.sleep(0.2)
    for script in (lose_request, answer(200, "<html>"), answer(200, {"not": "a list"}), answer(401, "Unauthorized")):
        for operation in LISTS:
            bot.double.behave(operation)
            bot.double.script(operation, script)
        for _ in range(4):
            await bot.poll()
    assert bot.names(order.client_order_id) == ["BuyOrderCreated"]
    assert order.is_open
    bot.double.behave()
    await bot.poll()
    assert bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderCancelled"]


async def test_f30_the_stream_goes_on_while_the_lists_cannot_be_had(bot: Bot, venue: Venue) -> None:
    order = await bot.open_buy("2", "149")
    for operation in LISTS:
        bot.double.script(operation, answer(503, SERVER_ERROR))
    await bot.poll()
    venue.place(Side.ASK, "149", "2")
    await until(lambda: order.is_filled, "the stream tells of the fill")
    assert bot.names(order.client_order_id) == ["BuyOrderCreated", "OrderFilled", "BuyOrderCompleted"]
