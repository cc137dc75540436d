"""Conditional orders on spot markets over real sockets: placing, listing, firing, failing, cancelling."""

from typing import Any

import pytest

from backpack_connector.simulator import Simulator
from tests.protocol.samples import body as sample_body
from tests.protocol.samples import frame as sample_frame
from tests.simulator.streams import Stream, place
from tests.simulator.support import SYMBOL, Client, assert_sound, limit, market, same_kind, state_of
from tests.simulator.triggers_support import (
    STOP_MARKET,
    TRIGGER,
    limit_body,
    order_updates,
    pass_a_second,
    story,
    trade_at,
)


async def test_an_accepted_trigger_has_the_captured_shape(alice: Client, updates: Stream) -> None:
    status, order = await alice.call("execute_order", TRIGGER)
    assert status == 200
    same_kind(order, sample_body("execute_order.limit_resting.200"))
    assert (order["status"], order["quantity"], order["executedQuantity"]) == ("TriggerPending", "0", "0")
    assert (order["triggerPrice"], order["triggerQuantity"], order["triggerBy"]) == ("140.05", "2.03", None)
    assert order["triggeredAt"] is None
    (placed,) = await order_updates(updates)
    captured = sample_frame("order_update.trigger_placed")["data"]
    same_kind(placed, captured)
    for key in ("O", "Q", "S", "V", "X", "Z", "e", "f", "o", "q", "r", "s", "t", "z"):
        assert placed[key] == captured[key], key
    assert (placed["i"], placed["P"], placed["Y"], placed["p"]) == (order["id"], "140.05", "2.03", "138.15")


async def test_a_cancelled_market_trigger_has_the_captured_shape(alice: Client, updates: Stream) -> None:
    stop = {key: value for key, value in STOP_MARKET.items() if key != "clientId"}
    _, order = await alice.call("execute_order", stop)
    assert (order["quoteQuantity"], order["quantity"], order["triggerBy"]) == (None, "0", "LastPrice")
    status, cancelled = await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": order["id"]})
    assert (status, cancelled) == (200, {**order, "status": "Cancelled"})
    _, update = await order_updates(updates)
    captured = sample_frame("order_update.trigger_cancelled")["data"]
    same_kind(update, captured)
    for key in ("B", "O", "S", "V", "X", "Y", "Z", "e", "f", "o", "q", "r", "s", "t", "z"):
        assert update[key] == captured[key], key


async def test_a_waiting_order_is_listed_counted_and_holds_nothing(simulator: Simulator, alice: Client) -> None:
    before = (await alice.call("get_balances"))[1]
    _, stop = await alice.call("execute_order", STOP_MARKET)
    _, resting = await alice.call("execute_order", limit_body("Bid", "149", "1"))
    assert (await alice.call("get_open_orders"))[1] == [resting, stop]
    assert (await alice.call("get_open_orders", {"symbol": "BTC_USDC"}))[1] == []
    for ids in ({"orderId": stop["id"]}, {"clientId": 7}):
        assert await alice.call("get_order", {"symbol": SYMBOL, **ids}) == (200, stop)
    _, account = await alice.call("get_account")
    assert (account["limitOrders"], account["triggerOrders"]) == (1, 1)
    _, history = await alice.call("get_order_history")
    assert [row["status"] for row in history] == ["New", "TriggerPending"]
    await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": resting["id"]})
    assert (await alice.call("get_balances"))[1] == before
    assert_sound(simulator.exchange)


async def test_cancel_all_by_kind(alice: Client, updates: Stream) -> None:
    async def cancelled(**fields: Any) -> list[str]:
        await alice.call("execute_order", limit_body("Bid", "149", "1"))
        await alice.call("execute_order", TRIGGER)
        return [row["orderType"] + row["status"] for row in await cancel(**fields)]

    async def cancel(**fields: Any) -> Any:
        status, rows = await alice.call("cancel_open_orders", {"symbol": SYMBOL, **fields})
        assert status == 200
        return rows

    assert await cancelled(orderType="ConditionalOrder") == ["LimitCancelled"]
    assert [row["triggerPrice"] for row in await cancel(orderType="ConditionalOrder")] == []
    assert [row["triggerPrice"] for row in await cancel(orderType="RestingLimitOrder")] == [None]
    assert [row["triggerPrice"] for row in await cancel()] == []
    assert len(await cancelled()) == 2
    assert (await alice.call("get_open_orders"))[1] == []


async def test_the_last_price_fires_a_limit_order_in_the_command_that_trades(
    simulator: Simulator, alice: Client, updates: Stream
) -> None:
    _, order = await alice.call("execute_order", {**TRIGGER, "clientId": 3})
    trade_at(simulator, "140.06")
    assert story(await order_updates(updates)) == [("triggerPlaced", "TriggerPending")]
    place(simulator, "z", limit("Bid", "139", "5"))
    trade_at(simulator, "140.05")
    accepted, filled = await order_updates(updates)
    assert (accepted["e"], accepted["X"], accepted["q"], accepted["z"]) == ("orderAccepted", "New", "2.03", "0")
    assert (accepted["Q"], accepted["P"], accepted["Y"]) == ("280.4445", "140.05", "2.03")
    assert (filled["e"], filled["X"], filled["L"], filled["l"]) == ("orderFill", "Filled", "139.00", "2.03")
    assert {data["i"] for data in (accepted, filled)} == {order["id"]}
    assert {data["c"] for data in (accepted, filled)} == {3}
    _, (row,) = await alice.call("get_order_history")
    assert (row["id"], row["status"], row["quantity"], row["triggerQuantity"]) == (
        order["id"],
        "Filled",
        "2.03",
        "2.03",
    )
    assert_sound(simulator.exchange)


async def test_a_fired_limit_order_that_does_not_match_rests(
    simulator: Simulator, alice: Client, updates: Stream
) -> None:
    _, order = await alice.call("execute_order", {**TRIGGER, "price": "141"})
    trade_at(simulator, "139")
    _, resting = await alice.call("get_order", {"symbol": SYMBOL, "orderId": order["id"]})
    assert (resting["status"], resting["quantity"], resting["triggerPrice"]) == ("New", "2.03", "140.05")
    assert resting["triggeredAt"] >= resting["createdAt"] == order["createdAt"]
    _, account = await alice.call("get_account")
    assert (account["limitOrders"], account["triggerOrders"]) == (1, 0)
    # It is an ordinary order now.
    rows = (await alice.call("cancel_open_orders", {"symbol": SYMBOL, "orderType": "RestingLimitOrder"}))[1]
    assert [row["id"] for row in rows] == [order["id"]]
    assert_sound(simulator.exchange)


@pytest.mark.parametrize(
    ("quantity", "sold"),
    [("80%", "40.00"), ("12.5%", "6.25"), ("3", "3.00")],
)
async def test_percent_is_of_the_available_balance(
    simulator: Simulator, alice: Client, updates: Stream, quantity: str, sold: str
) -> None:
    place(simulator, "z", limit("Bid", "139", "50"))
    await alice.call("execute_order", {**STOP_MARKET, "triggerQuantity": quantity})
    trade_at(simulator, "140")
    last = (await order_updates(updates))[-1]
    assert (last["e"], last["X"], last["l"], last["q"]) == ("orderFill", "Filled", sold, sold)


async def test_a_market_bid_by_percent_spends_that_budget(simulator: Simulator, alice: Client, updates: Stream) -> None:
    place(simulator, "z", limit("Ask", "161", "50"))
    await alice.call("execute_order", {**STOP_MARKET, "side": "Bid", "triggerPrice": "160", "triggerQuantity": "50%"})
    trade_at(simulator, "160")
    last = (await order_updates(updates))[-1]
    assert (last["X"], last["Q"], last["l"]) == ("Filled", "5000.00", "31.05")
    assert_sound(simulator.exchange)


async def test_a_trigger_that_cannot_be_paid_fails_with_the_reason(
    simulator: Simulator, alice: Client, updates: Stream
) -> None:
    _, order = await alice.call("execute_order", {**TRIGGER, "triggerQuantity": "51"})
    trade_at(simulator, "140")
    placed, failed = await order_updates(updates)
    assert (failed["e"], failed["X"], failed["R"]) == ("triggerFailed", "TriggerFailed", "InsufficientFunds")
    assert (failed["i"], failed["q"], failed["z"]) == (placed["i"], "0", "0")
    _, (row,) = await alice.call("get_order_history")
    assert (row["id"], row["status"], row["expiryReason"]) == (order["id"], "TriggerFailed", "InsufficientFunds")
    assert (await alice.call("get_open_orders"))[1] == []
    assert_sound(simulator.exchange)


async def test_a_fired_order_keeps_its_time_in_force(simulator: Simulator, alice: Client, updates: Stream) -> None:
    await alice.call("execute_order", {**TRIGGER, "price": "141", "timeInForce": "IOC"})
    trade_at(simulator, "140")
    frames = await order_updates(updates)
    assert story(frames)[1:] == [("orderAccepted", "New"), ("orderExpired", "Expired")]
    assert frames[-1]["R"] == "ImmediateOrCancel"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"triggerQuantity": "0.01%"}, "InvalidQuantity"),
        ({"price": "1"}, "InvalidPrice"),
        ({"price": "139", "postOnly": True}, "PostOnlyTaker"),
        ({"price": None, "orderType": "Market", "side": "Bid"}, "InsufficientLiquidity"),
    ],
)
async def test_other_failures(
    simulator: Simulator, alice: Client, updates: Stream, change: dict[str, Any], reason: str
) -> None:
    place(simulator, "z", limit("Bid", "139", "50"))
    order = {key: value for key, value in {**TRIGGER, **change}.items() if value is not None}
    assert (await alice.call("execute_order", order))[0] == 200
    trade_at(simulator, "140")
    assert (await order_updates(updates))[-1]["R"] == reason


async def test_mark_price_triggers_are_looked_at_each_second(
    simulator: Simulator, alice: Client, updates: Stream
) -> None:
    await alice.call("execute_order", {**STOP_MARKET, "triggerBy": "MarkPrice"})
    place(simulator, "z", limit("Bid", "139", "50"))
    trade_at(simulator, "140")
    assert story(await order_updates(updates)) == [("triggerPlaced", "TriggerPending")]
    pass_a_second(simulator)
    assert story(await order_updates(updates)) == [("orderAccepted", "New"), ("orderFill", "Filled")]


async def test_a_trigger_price_that_is_the_price_fires_at_the_next_second(
    simulator: Simulator, alice: Client, updates: Stream
) -> None:
    place(simulator, "z", limit("Bid", "139", "50"))
    trade_at(simulator, "140")
    await alice.call("execute_order", STOP_MARKET)
    assert story(await order_updates(updates)) == [("triggerPlaced", "TriggerPending")]
    pass_a_second(simulator)
    assert story(await order_updates(updates)) == [("orderAccepted", "New"), ("orderFill", "Filled")]


async def test_what_fires_can_fire_more(simulator: Simulator, alice: Client, bob: Client, updates: Stream) -> None:
    place(simulator, "z", limit("Bid", "139", "3"))
    place(simulator, "z", limit("Bid", "138", "30"))
    await bob.call("execute_order", {**STOP_MARKET, "triggerPrice": "140", "triggerQuantity": "4"})
    await alice.call("execute_order", {**STOP_MARKET, "triggerPrice": "138.5", "triggerQuantity": "2"})
    trade_at(simulator, "140")
    assert story(await order_updates(updates))[1:] == [("orderAccepted", "New"), ("orderFill", "Filled")]
    assert len(simulator.exchange.open_account(bob.key).fills) == 2


async def test_a_price_in_the_middle_of_a_sweep_counts(simulator: Simulator, alice: Client, updates: Stream) -> None:
    """The last price ends where it began, but it was at the trigger price in between."""
    place(simulator, "z", limit("Bid", "155", "1"))
    place(simulator, "z", limit("Bid", "150", "1"))
    place(simulator, "q", limit("Ask", "156", "50"))
    await alice.call("execute_order", {**STOP_MARKET, "side": "Bid", "triggerPrice": "154", "triggerQuantity": "1"})
    place(simulator, "x", limit("Ask", "150", "2"))
    assert story(await order_updates(updates))[-1] == ("orderFill", "Filled")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantity": "1"}, "Orders with a trigger must specify `triggerQuantity` and no other quantity"),
        ({"triggerQuantity": None}, "Must specify both `triggerPrice` and `triggerQuantity` or neither"),
        ({"triggerPrice": None}, "Must specify both `triggerPrice` and `triggerQuantity` or neither"),
        (
            {"triggerPrice": None, "triggerQuantity": None, "quantity": "1", "triggerBy": "LastPrice"},
            "Must specify `triggerPrice` with `triggerBy`",
        ),
        ({"takeProfitLimitPrice": "160"}, "Must specify `takeProfitTriggerPrice` with the other `takeProfit` fields"),
        ({"stopLossTriggerBy": "MarkPrice"}, "Must specify `stopLossTriggerPrice` with the other `stopLoss` fields"),
        (
            {"slippageTolerance": "1"},
            "Must specify both `slippageTolerance` and `slippageToleranceType` or neither",
        ),
        ({"triggerQuantity": "101%"}, "Trigger quantity must be more than 0% and at most 100%"),
        ({"symbol": "WEN_USDC"}, "Market is Closed"),
    ],
)
async def test_bad_conditional_orders_are_refused_and_change_nothing(
    simulator: Simulator, alice: Client, change: dict[str, Any], message: str
) -> None:
    await alice.call("get_balances")
    before = state_of(simulator.exchange)
    order = {key: value for key, value in {**TRIGGER, **change}.items() if value is not None}
    status, answer = await alice.call("execute_order", order)
    assert (status, answer["message"]) == (400, message)
    assert state_of(simulator.exchange) == before


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"triggerPrice": "abc"}, "string_decimal"),
        ({"triggerQuantity": "80 %"}, "string_decimal"),
        ({"triggerQuantity": 2}, "string_decimal"),
        ({"triggerQuantity": "%"}, "string_decimal"),
        ({"triggerBy": "Last"}, "TriggerBy"),
        ({"slippageToleranceType": "Bps"}, "SlippageToleranceType"),
        ({"autoLend": "yes"}, "boolean"),
    ],
)
async def test_malformed_fields_are_answered_in_plain_text(alice: Client, change: dict[str, Any], kind: str) -> None:
    status, answer = await alice.call("execute_order", {**TRIGGER, **change})
    assert status == 400
    assert answer.startswith(f'parse request payload error: failed to parse "{kind}"')


async def test_an_account_can_have_fifty_triggers_in_a_market(alice: Client) -> None:
    for _ in range(50):
        assert (await alice.call("execute_order", TRIGGER))[0] == 200
    assert await alice.call("execute_order", TRIGGER) == (
        400,
        {
            "code": "ORDER_LIMIT",
            "message": "An account can have at most 50 orders with a trigger in one market",
        },
    )
    assert (await alice.call("execute_order", {**TRIGGER, "symbol": "ETH_USDC"}))[0] == 200


@pytest.mark.parametrize(
    ("tolerance", "kind", "executed"),
    [("30", "TickSize", "2"), ("29", "TickSize", "1"), ("0.2", "Percent", "2"), ("0", "Percent", "1")],
)
async def test_slippage_tolerance_stops_a_market_order(
    simulator: Simulator, alice: Client, updates: Stream, tolerance: str, kind: str, executed: str
) -> None:
    for price in ("150", "150.3", "150.4"):
        place(simulator, "x", limit("Ask", price, "1"))
    _, order = await alice.call(
        "execute_order",
        {
            "symbol": SYMBOL,
            "side": "Bid",
            "orderType": "Market",
            "quantity": "3",
            "slippageTolerance": tolerance,
            "slippageToleranceType": kind,
        },
    )
    assert (order["status"], order["executedQuantity"]) == ("Expired", executed)
    assert (order["slippageTolerance"], order["slippageToleranceType"]) == (tolerance, kind)
    assert (await order_updates(updates))[-1]["R"] == "SlippageToleranceExceeded"
    _, (row,) = await alice.call("get_order_history")
    assert (row["expiryReason"], row["slippageTolerance"]) == ("SlippageToleranceExceeded", tolerance)


async def test_the_tolerance_counts_from_the_best_price_when_a_trigger_fires(
    simulator: Simulator, alice: Client, updates: Stream
) -> None:
    await alice.call("execute_order", {**STOP_MARKET, "slippageTolerance": "100", "slippageToleranceType": "TickSize"})
    for price in ("139", "138", "137.99"):
        place(simulator, "z", limit("Bid", price, "1"))
    trade_at(simulator, "140")
    last = (await order_updates(updates))[-1]
    assert (last["R"], last["z"]) == ("SlippageToleranceExceeded", "2.00")


async def test_spot_margin_flags_are_accepted_and_change_nothing(alice: Client) -> None:
    flags = dict.fromkeys(("autoBorrow", "autoBorrowRepay", "autoLend", "autoLendRedeem"), True)
    _, plain = await alice.call("execute_order", limit_body("Bid", "149", "1"))
    _, flagged = await alice.call("execute_order", limit_body("Bid", "149", "1", **flags))
    unlike = ("id", "createdAt")
    assert {key: plain[key] for key in plain if key not in unlike} == {
        key: flagged[key] for key in flagged if key not in unlike
    }


async def test_waiting_orders_are_in_the_truth(alice: Client, simulator: Simulator) -> None:
    await alice.call("execute_order", STOP_MARKET)
    async with alice.session.get(f"{simulator.rest_url}/simulator/truth", params={"account": alice.key}) as response:
        (row,) = (await response.json())["accounts"][alice.key]["triggerOrders"]
    assert (row["status"], row["triggerPrice"], row["triggerQuantity"]) == ("TriggerPending", "140", "80%")


async def test_the_background_can_trade_while_orders_wait(simulator: Simulator, alice: Client) -> None:
    await alice.call("execute_order", TRIGGER)
    place(simulator, "x", market_maker := limit("Ask", "150", "1"))
    place(simulator, "y", market("Bid", "1"))
    assert market_maker.trigger is None
    assert (await alice.call("get_account"))[1]["triggerOrders"] == 1
