"""Take-profit and stop-loss of orders on spot markets over real sockets: how they come to be, fire and end."""

from typing import Any

from backpack_connector.protocol.messages import OrderUpdate, parse_message
from backpack_connector.simulator import Simulator
from tests.simulator.streams import Stream, place
from tests.simulator.support import SYMBOL, Client, assert_sound, limit
from tests.simulator.triggers_support import (
    TRIGGER,
    limit_body,
    order_updates,
    story,
    trade_at,
)

ENTRY = limit_body(
    "Bid", "150", "2", takeProfitTriggerPrice="160", stopLossTriggerPrice="140", stopLossTriggerBy="MarkPrice"
)


async def test_an_entry_shows_its_exits(alice: Client, updates: Stream) -> None:
    _, order = await alice.call("execute_order", {**ENTRY, "takeProfitLimitPrice": "159.5"})
    assert (order["takeProfitTriggerPrice"], order["takeProfitLimitPrice"]) == ("160", "159.5")
    assert (order["takeProfitTriggerBy"], order["stopLossTriggerBy"]) == (None, "MarkPrice")
    (accepted,) = await order_updates(updates)
    keys = {key: accepted[key] for key in "abdgjk" if key in accepted}
    assert keys == {"a": "160.00", "j": "159.50", "b": "140.00", "g": "MarkPrice"}
    assert (await alice.call("get_account"))[1]["triggerOrders"] == 0


async def test_exits_come_to_be_and_grow_with_the_fills(simulator: Simulator, alice: Client, updates: Stream) -> None:
    _, parent = await alice.call("execute_order", ENTRY)
    place(simulator, "x", limit("Ask", "150", "0.5"))
    rows = (await alice.call("get_open_orders"))[1][1:]
    assert [(row["side"], row["orderType"], row["triggerPrice"], row["triggerQuantity"]) for row in rows] == [
        ("Ask", "Market", "160", "0.5"),
        ("Ask", "Market", "140", "0.5"),
    ]
    assert {row["relatedOrderId"] for row in rows} == {parent["id"]}
    assert [row["triggerBy"] for row in rows] == [None, "MarkPrice"]
    place(simulator, "x", limit("Ask", "150", "1.5"))
    grown = (await alice.call("get_open_orders"))[1]
    assert [(row["id"], row["triggerQuantity"]) for row in grown] == [(row["id"], "2") for row in rows]
    frames = await order_updates(updates)
    assert story(frames) == [
        ("orderAccepted", "New"),
        ("orderFill", "PartiallyFilled"),
        ("triggerPlaced", "TriggerPending"),
        ("triggerPlaced", "TriggerPending"),
        ("orderFill", "Filled"),
        ("triggerPlaced", "TriggerPending"),
        ("triggerPlaced", "TriggerPending"),
    ]
    assert [(data["I"], data["Y"]) for data in frames if data["e"] == "triggerPlaced"] == [
        (parent["id"], "0.5"),
        (parent["id"], "0.5"),
        (parent["id"], "2"),
        (parent["id"], "2"),
    ]
    for data in frames:
        assert isinstance(parse_message({"stream": "account.orderUpdate", "data": data}), OrderUpdate)


async def test_a_taker_with_several_matches_gets_one_exit(simulator: Simulator, alice: Client, updates: Stream) -> None:
    for price in ("149", "149.5", "150"):
        place(simulator, "x", limit("Ask", price, "0.5"))
    await alice.call("execute_order", ENTRY)
    placed = [data for data in await order_updates(updates) if data["e"] == "triggerPlaced"]
    assert [(data["P"], data["Y"]) for data in placed] == [("160.00", "1.5"), ("140.00", "1.5")]


async def entered(simulator: Simulator, alice: Client, **fields: Any) -> dict[str, Any]:
    place(simulator, "x", limit("Ask", "150", "2"))
    _, order = await alice.call("execute_order", {**ENTRY, **fields})
    assert order["status"] == "Filled"
    return order  # type: ignore[no-any-return]


async def test_a_take_profit_ends_the_stop_loss(simulator: Simulator, alice: Client, updates: Stream) -> None:
    await entered(simulator, alice)
    place(simulator, "z", limit("Bid", "159", "5"))
    trade_at(simulator, "160")
    frames = await order_updates(updates)
    assert story(frames)[4:] == [("orderAccepted", "New"), ("orderFill", "Filled"), ("orderCancelled", "Cancelled")]
    assert (frames[-2]["P"], frames[-2]["l"], frames[-1]["P"]) == ("160.00", "2.00", "140.00")
    assert (await alice.call("get_open_orders"))[1] == []
    assert_sound(simulator.exchange)


async def test_a_partly_filled_exit_shrinks_the_other(simulator: Simulator, alice: Client, updates: Stream) -> None:
    await entered(simulator, alice)
    place(simulator, "z", limit("Bid", "159", "0.75"))
    trade_at(simulator, "160")
    assert story(await order_updates(updates))[4:] == [
        ("orderAccepted", "New"),
        ("orderFill", "PartiallyFilled"),
        ("orderExpired", "Expired"),
        ("orderModified", "TriggerPending"),
    ]
    (left,) = (await alice.call("get_open_orders"))[1]
    assert (left["triggerPrice"], left["triggerQuantity"]) == ("140", "1.25")


async def test_a_stop_loss_that_fires_cancels_a_take_profit_that_rests(
    simulator: Simulator, alice: Client, updates: Stream
) -> None:
    await entered(simulator, alice, takeProfitLimitPrice="165", stopLossTriggerBy="LastPrice")
    trade_at(simulator, "160")
    (resting, waiting) = (await alice.call("get_open_orders"))[1]
    assert (resting["status"], resting["price"], waiting["triggerPrice"]) == ("New", "165", "140")
    place(simulator, "z", limit("Bid", "139", "5"))
    trade_at(simulator, "140")
    frames = await order_updates(updates)
    assert story(frames)[-3:] == [("orderCancelled", "Cancelled"), ("orderAccepted", "New"), ("orderFill", "Filled")]
    assert frames[-3]["i"] == resting["id"]
    assert (await alice.call("get_open_orders"))[1] == []
    assert_sound(simulator.exchange)


async def test_two_take_profits_of_one_entry_rest_side_by_side(simulator: Simulator, alice: Client) -> None:
    await alice.call("execute_order", {**ENTRY, "takeProfitLimitPrice": "165"})
    place(simulator, "x", limit("Ask", "150", "0.5"))
    trade_at(simulator, "160")
    place(simulator, "x", limit("Ask", "150", "1.5"))
    trade_at(simulator, "160")
    rows = (await alice.call("get_open_orders"))[1]
    assert [(row["price"], row["quantity"]) for row in rows[:2]] == [("165", "0.5"), ("165", "1.5")]
    assert [(row["triggerPrice"], row["triggerQuantity"]) for row in rows[2:]] == [("140", "2")]
    # What they fill is taken off the one stop-loss.
    place(simulator, "y", limit("Bid", "165", "0.75"))
    assert (await alice.call("get_open_orders"))[1][-1]["triggerQuantity"] == "1.25"


async def test_cancelling_one_exit_leaves_the_other(simulator: Simulator, alice: Client) -> None:
    await entered(simulator, alice)
    take_profit, stop_loss = (await alice.call("get_open_orders"))[1]
    await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": take_profit["id"]})
    assert (await alice.call("get_open_orders"))[1] == [stop_loss]


async def test_cancelling_the_entry_keeps_the_exits_of_what_was_filled(simulator: Simulator, alice: Client) -> None:
    _, parent = await alice.call("execute_order", ENTRY)
    place(simulator, "x", limit("Ask", "150", "0.5"))
    await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": parent["id"]})
    assert [row["triggerQuantity"] for row in (await alice.call("get_open_orders"))[1]] == ["0.5", "0.5"]


async def test_a_triggered_entry_gets_its_exits_too(simulator: Simulator, alice: Client, updates: Stream) -> None:
    entry = {key: value for key, value in ENTRY.items() if key not in ("quantity", "price")}
    stop_entry = {**entry, "orderType": "Market", "triggerPrice": "155", "triggerQuantity": "1"}
    _, parent = await alice.call("execute_order", stop_entry)
    place(simulator, "x", limit("Ask", "156", "5"))
    trade_at(simulator, "155")
    assert {row["relatedOrderId"] for row in (await alice.call("get_open_orders"))[1]} == {parent["id"]}


async def test_the_exits_of_a_short_sale_are_bids_the_other_way_round(simulator: Simulator, alice: Client) -> None:
    place(simulator, "y", limit("Bid", "150", "2"))
    await alice.call(
        "execute_order", limit_body("Ask", "150", "2", takeProfitTriggerPrice="140", stopLossTriggerPrice="160")
    )
    place(simulator, "z", limit("Ask", "161", "5"))
    trade_at(simulator, "160")
    _, history = await alice.call("get_order_history")
    assert [(row["side"], row["status"], row["triggerPrice"]) for row in history[:2]] == [
        ("Bid", "Filled", "160"),
        ("Bid", "Cancelled", "140"),
    ]


async def test_an_exit_beyond_the_limit_fails_at_once(simulator: Simulator, alice: Client, updates: Stream) -> None:
    for _ in range(49):
        await alice.call("execute_order", TRIGGER)
    await updates.settle()
    await entered(simulator, alice)
    assert story(await order_updates(updates))[2:] == [
        ("triggerPlaced", "TriggerPending"),
        ("triggerFailed", "TriggerFailed"),
    ]
    _, (failed, *_) = await alice.call("get_order_history")
    assert failed["expiryReason"] == "MaxStopOrdersPerPosition"
