"""Positions, margin and their histories over a socket: REST, and the stream of position updates."""

from decimal import Decimal
from typing import Any

import aiohttp

from backpack_connector.protocol import futures
from backpack_connector.protocol.messages import PositionUpdate, parse_message
from backpack_connector.protocol.wire import read
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.server import TRUTH_PATH
from tests.protocol.samples import body as sample_body
from tests.protocol.samples import frame as sample_frame
from tests.simulator.streams import Stream
from tests.simulator.support import Client, same_kind

SOL, BTC = "SOL_USDC_PERP", "BTC_USDC_PERP"
ORDER = {"symbol": SOL, "side": "Bid", "orderType": "Limit", "price": "150", "quantity": "2"}
# Required fields of the official schemas for which nobody has published a captured answer.
SUMMARY_KEYS = {
    *("assetsValue", "borrowLiability", "collateral", "imf", "unsettledEquity", "liabilitiesValue", "marginFraction"),
    *("mmf", "netEquity", "netEquityAvailable", "netEquityLocked", "netExposureFutures", "pnlUnrealized"),
}
HISTORY_KEYS = {
    *("id", "symbol", "netQuantity", "netExposureQuantity", "netExposureNotional", "netCost", "markPrice"),
    *("entryPrice", "cumulativePnlRealized", "unrealizedPnl", "fundingQuantity", "interest", "liquidated", "imf"),
    *("fees", "state", "closedVolume", "liquidationFees", "closingPrice", "accountLeverage", "openedAt", "closedAt"),
}
SETTLEMENT_KEYS = {"quantity", "source", "subaccountId", "timestamp", "userId", "positionId", "engineSequence"}


async def trade(alice: Client, bob: Client, **fields: Any) -> None:
    """Let Alice buy from Bob, or sell to him."""
    order = {**ORDER, **fields}
    await bob.call("execute_order", {**order, "side": "Ask" if order["side"] == "Bid" else "Bid"})
    assert (await alice.call("execute_order", order))[1]["status"] == "Filled"


async def test_a_position_has_the_captured_shape(alice: Client, bob: Client) -> None:
    assert await alice.call("get_positions") == (200, [])
    await trade(alice, bob)
    _, rows = await alice.call("get_positions")
    same_kind(rows, sample_body("get_positions.long.200"))
    (row,) = rows
    assert {name: row[name] for name in ("symbol", "netQuantity", "entryPrice", "netCost", "markPrice")} == {
        "symbol": SOL,
        "netQuantity": "2",
        "entryPrice": "150",
        "netCost": "300",
        "markPrice": "150",
    }
    assert (row["netExposureQuantity"], row["netExposureNotional"], row["imf"], row["mmf"]) == (
        "2",
        "300",
        "0.1",
        "0.0135",
    )
    assert (row["breakEvenPrice"], row["pnlRealized"], row["pnlUnrealized"]) == ("150.075", "0", "0")
    position = read(futures.Position, row, "get_positions")
    assert position.net_quantity == 2


async def test_only_a_query_for_one_market_tells_the_liquidation_price(
    simulator: Simulator, alice: Client, bob: Client
) -> None:
    simulator.exchange.accounts.faucet = {"USDC": Decimal(100)}
    await trade(alice, bob)
    await trade(alice, bob, symbol=BTC, price="86700", quantity="0.001", side="Ask")
    _, rows = await alice.call("get_positions")
    assert {row["symbol"]: row["estLiquidationPrice"] for row in rows} == {SOL: "0", BTC: "0"}
    _, rows = await alice.call("get_positions", {"symbol": SOL})
    # 100 - 0.15 - 0.04335 of fees - 86.70 x 0.00666667 + 2 (p - 150) = 0.027 p
    assert [(row["symbol"], row["estLiquidationPrice"]) for row in rows] == [(SOL, "101.75")]
    _, rows = await alice.call("get_positions", {"symbol": BTC})
    assert Decimal(rows[0]["estLiquidationPrice"]) > 86_700
    assert await alice.call("get_positions", {"symbol": "ETH_USDC"}) == (200, [])
    assert len((await alice.call("get_positions", {"marketType": "PERP"}))[1]) == 2
    assert await alice.call("get_positions", {"marketType": "SPOT"}) == (200, [])


async def test_the_margin_summary_has_all_fields(simulator: Simulator, alice: Client, bob: Client) -> None:
    simulator.exchange.accounts.faucet = {"USDC": Decimal(1000)}
    await trade(alice, bob)
    await alice.call("execute_order", {**ORDER, "price": "140", "quantity": "1"})
    _, summary = await alice.call("get_collateral")
    assert set(summary) == SUMMARY_KEYS
    fees = Decimal("0.15")
    assert {name: summary[name] for name in SUMMARY_KEYS - {"collateral", "marginFraction"}} == {
        "assetsValue": str(1000 - fees),
        "borrowLiability": "0",
        "imf": "0.1",
        "liabilitiesValue": "0",
        "mmf": "0.0135",
        "netEquity": str(1000 - fees),
        "netEquityAvailable": str(1000 - fees - 45),
        "netEquityLocked": "45",
        "netExposureFutures": "450",
        "pnlUnrealized": "0",
        "unsettledEquity": "0",
    }
    assert Decimal(summary["marginFraction"]) == round((1000 - fees) / 450, 12)
    assert read(futures.MarginSummary, summary, "get_collateral").net_equity_available == Decimal("954.85")


async def test_an_account_without_positions_has_no_margin_fraction(alice: Client) -> None:
    _, summary = await alice.call("get_collateral")
    assert (summary["marginFraction"], summary["netExposureFutures"], summary["mmf"]) == (None, "0", "0")


async def test_the_leverage_limit_is_checked_and_told(simulator: Simulator, alice: Client, bob: Client) -> None:
    simulator.exchange.accounts.faucet = {"USDC": Decimal(100)}
    await trade(alice, bob)
    assert await alice.call("update_account_settings", {"leverageLimit": "2", "autoLend": True}) == (
        400,
        {"code": "INSUFFICIENT_MARGIN", "message": "Leverage limit is too low for open positions and orders"},
    )
    _, account = await alice.call("get_account")
    assert (account["leverageLimit"], account["autoLend"], account["liquidating"]) == ("10", False, False)
    assert (await alice.call("update_account_settings", {"leverageLimit": "4"}))[0] == 200
    assert (await alice.call("get_account"))[1]["leverageLimit"] == "4"


async def test_funding_payments_have_the_captured_shape(simulator: Simulator, alice: Client, bob: Client) -> None:
    await trade(alice, bob)
    simulator.advance_clock(2 * 3_600)
    _, rows = await alice.call("get_funding_payments")
    same_kind(rows, sample_body("get_funding_payments.200"))
    # Quiet: 300 x 0.0000125.
    assert [(row["quantity"], row["fundingRate"]) for row in rows] == [("-0.00375", "0.0000125")] * 2
    assert rows[0]["intervalEndTimestamp"] > rows[1]["intervalEndTimestamp"]
    assert read(futures.FundingPayment, rows[0], "get_funding_payments").quantity == Decimal("-0.00375")
    _, theirs = await bob.call("get_funding_payments", {"symbol": SOL, "limit": "1"})
    assert [row["quantity"] for row in theirs] == ["0.00375"]
    assert await bob.call("get_funding_payments", {"symbol": BTC}) == (200, [])
    _, positions = await alice.call("get_positions")
    assert positions[0]["cumulativeFundingPayment"] == "-0.0075"


async def test_history_of_positions(alice: Client, bob: Client) -> None:
    await trade(alice, bob)
    await trade(alice, bob, side="Ask", price="151", quantity="3")
    _, rows = await alice.call("get_position_history")
    assert [set(row) for row in rows] == [HISTORY_KEYS] * 2
    still_open, closed = rows
    assert {name: closed[name] for name in ("state", "netQuantity", "entryPrice", "closingPrice", "closedVolume")} == {
        "state": "Closed",
        "netQuantity": "0",
        "entryPrice": "150",
        "closingPrice": "151",
        "closedVolume": "2",
    }
    # Fees: 0.15 to open, two thirds of 453 x 0.0005 = 0.2265 to close.
    assert (closed["cumulativePnlRealized"], closed["fees"], closed["accountLeverage"]) == ("2", "0.301", "10")
    assert closed["closedAt"] >= closed["openedAt"]
    assert (still_open["state"], still_open["netQuantity"], still_open["fees"]) == ("Open", "-1", "0.0755")
    assert (still_open["closedAt"], still_open["closingPrice"]) == (None, None)
    for state, row in (("Open", still_open), ("Closed", closed)):
        assert await alice.call("get_position_history", {"state": state}) == (200, [row])
    assert await alice.call("get_position_history", {"symbol": BTC}) == (200, [])
    assert (await alice.call("get_position_history", {"sortDirection": "Asc"}))[1] == [closed, still_open]


async def test_positions_of_all_markets_come_in_the_order_of_their_opening(alice: Client, bob: Client) -> None:
    await trade(alice, bob, symbol=BTC, price="86700", quantity="0.001")
    await trade(alice, bob)
    await trade(alice, bob, side="Ask")
    _, rows = await alice.call("get_position_history")
    assert [(row["symbol"], row["state"]) for row in rows] == [(SOL, "Closed"), (BTC, "Open")]


async def test_history_of_settlements(simulator: Simulator, alice: Client, bob: Client) -> None:
    await trade(alice, bob)
    simulator.set_index_price(SOL, Decimal("150.50"))
    simulator.advance_clock(10)
    _, rows = await alice.call("get_settlement_history", {"source": "RealizePnl"})
    assert [set(row) for row in rows] == [SETTLEMENT_KEYS] * len(rows)
    assert sum(Decimal(row["quantity"]) for row in rows) == 1
    _, fees = await alice.call("get_settlement_history", {"source": "TradingFees"})
    assert [(row["quantity"], row["source"]) for row in fees] == [("-0.15", "TradingFees")]
    assert await alice.call("get_settlement_history", {"source": "BackstopLiquidation"}) == (200, [])
    assert (await alice.call("get_settlement_history", {"source": "Nope"}))[0] == 400


async def test_a_subscription_begins_with_a_frame_for_each_open_position(
    stream: Stream, alice: Client, bob: Client
) -> None:
    await stream.send(alice.subscription("account.positionUpdate"))
    assert await stream.settle() == []  # flat
    await trade(alice, bob)
    await trade(alice, bob, symbol=BTC, price="86700", quantity="0.001", side="Ask")
    await stream.settle()
    await stream.send({"method": "UNSUBSCRIBE", "params": ["account.positionUpdate"]})
    await stream.send(alice.subscription("account.positionUpdate"))
    frames = await stream.settle()
    for frame in frames:
        same_kind(frame, sample_frame("position_update.initial_short"))
    assert [(frame["data"]["s"], frame["data"]["q"]) for frame in frames] == [(SOL, "2.00"), (BTC, "-0.00100")]
    await stream.send(alice.subscription("account.positionUpdate", f"account.positionUpdate.{BTC}"))
    frames = await stream.settle()
    assert [(frame["stream"], frame["data"]["s"]) for frame in frames] == [(f"account.positionUpdate.{BTC}", BTC)]


async def test_position_updates(simulator: Simulator, stream: Stream, alice: Client, bob: Client) -> None:
    await stream.send(alice.subscription("account.positionUpdate"))
    await stream.settle()
    ids = []
    for side, quantity, event, left in (
        ("Bid", "2", "positionOpened", "2.00"),
        ("Bid", "1", "positionAdjusted", "3.00"),
        ("Ask", "1", "positionAdjusted", "2.00"),
        ("Ask", "5", "positionAdjusted", "-3.00"),  # a flip
        ("Bid", "3", "positionClosed", "0.00"),
    ):
        await trade(alice, bob, side=side, quantity=quantity)
        (frame,) = await stream.settle()
        assert (frame["data"]["e"], frame["data"]["q"], frame["data"]["B"]) == (event, left, "150")
        sample = sample_frame("position_update.initial_short")
        same_kind(frame, {**sample, "data": {**sample["data"], "e": event}})
        message = parse_message(frame)
        assert isinstance(message, PositionUpdate)
        ids.append(message.position_id)
    assert ids[0] == ids[1] == ids[2] != ids[3] == ids[4]


async def test_a_position_update_shows_what_open_orders_add(stream: Stream, alice: Client, bob: Client) -> None:
    await alice.call("execute_order", {**ORDER, "price": "140", "quantity": "4"})
    await stream.send(alice.subscription("account.positionUpdate"))
    await trade(alice, bob)
    (frame,) = await stream.settle()
    assert {name: frame["data"][name] for name in "bfmMnQPp"} == {
        "b": "150.075",
        "f": "0.1",
        "m": "0.0135",
        "M": "150.00",
        "n": "900",
        "Q": "6.00",
        "P": "0",
        "p": "0",
    }


async def test_settlements_are_told_on_both_streams(
    simulator: Simulator, stream: Stream, alice: Client, bob: Client
) -> None:
    await trade(alice, bob)
    await stream.send(alice.subscription("account.balanceUpdate", "account.positionUpdate"))
    await stream.settle()
    simulator.set_index_price(SOL, Decimal("150.50"))
    simulator.advance_clock(10)
    frames = [frame["data"] for frame in await stream.settle()]
    times = {name: {row["T"] for row in frames if row["e"] == name} for name in ("balanceUpdate", "positionAdjusted")}
    assert times["balanceUpdate"] == times["positionAdjusted"] != set()
    last = [row for row in frames if row["e"] == "positionAdjusted"][-1]
    assert (last["p"], last["P"]) == ("1", "0")


async def test_a_reduce_only_order_that_shrinks_is_told(stream: Stream, alice: Client, bob: Client) -> None:
    await trade(alice, bob)
    _, order = await alice.call("execute_order", {**ORDER, "side": "Ask", "price": "155", "reduceOnly": True})
    assert order["reduceOnly"] is True
    await stream.send(alice.subscription("account.orderUpdate"))
    await trade(alice, bob, side="Ask", quantity="0.5")
    frames = [frame["data"] for frame in await stream.settle() if frame["data"]["i"] == order["id"]]
    assert [(row["e"], row["X"], row["q"], row["Q"], row["r"]) for row in frames] == [
        ("orderModified", "New", "1.50", "232.5000", True)
    ]
    _, rest = await alice.call("get_order", {"symbol": SOL, "orderId": order["id"]})
    assert rest["quantity"] == "1.5"


async def test_a_liquidated_account_sees_who_did_it(
    simulator: Simulator, stream: Stream, alice: Client, bob: Client
) -> None:
    simulator.exchange.accounts.faucet = {"USDC": Decimal(32)}
    await trade(alice, bob)
    await stream.send(alice.subscription("account.orderUpdate", "liquidation"))
    await stream.settle()
    simulator.set_index_price(SOL, Decimal("134.9"))
    frames = [frame["data"] for frame in await stream.settle()]
    fills = [row for row in frames if row["e"] == "orderFill"]
    assert {row["O"] for row in fills} == {"BACKSTOP_LIQUIDITY_PROVIDER"}
    assert [(row["s"], row["S"], row["p"], row["q"]) for row in frames if row["e"] == "liquidation"] == [
        (SOL, "Ask", "134.90", "2.00")
    ]
    _, orders = await alice.call("get_order_history")
    assert orders[0]["systemOrderType"] == "LiquidatePositionOnBackstop"
    for fill_type, count in (("User", 1), ("Backstop", 1), ("AllLiquidation", 1), ("Liquidation", 1), ("Adl", 0)):
        _, rows = await alice.call("get_fills", {"fillType": fill_type})
        assert len(rows) == count, fill_type
    assert len((await alice.call("get_fills"))[1]) == 2
    assert (await alice.call("get_fills", {"fillType": "Nope"}))[0] == 400


async def test_an_account_under_liquidation_says_so(simulator: Simulator, alice: Client, bob: Client) -> None:
    simulator.exchange.accounts.faucet = {"USDC": Decimal(32)}
    await trade(alice, bob)
    await bob.call("execute_order", {**ORDER, "price": "135.6", "quantity": "2"})
    simulator.set_index_price(SOL, Decimal("135.7"))
    assert (await alice.call("get_account"))[1]["liquidating"] is True
    assert await alice.call("execute_order", ORDER) == (
        400,
        {"code": "ACCOUNT_LIQUIDATING", "message": "Account is being liquidated"},
    )


async def test_the_truth_tells_positions_margin_and_funding(
    simulator: Simulator, http: aiohttp.ClientSession, alice: Client, bob: Client
) -> None:
    await trade(alice, bob)
    simulator.advance_clock(3_600)
    simulator.set_index_price(SOL, Decimal("150.3333"))
    async with http.get(simulator.rest_url + TRUTH_PATH) as response:
        truth = await response.json()
    account = truth["accounts"][alice.key]
    assert account["margin"] == (await alice.call("get_collateral"))[1]
    assert account["positions"] == {row["symbol"]: row for row in (await alice.call("get_positions"))[1]}
    (payment,) = account["fundingPayments"]
    assert (payment["symbol"], payment["quantity"]) == (SOL, "-0.00375")
    assert truth["clearingHouse"]["balance"] == truth["clearingHouse"]["owed"]
    assert truth["assets"]["USDC"]["total"] == truth["assets"]["USDC"]["deposited"]
