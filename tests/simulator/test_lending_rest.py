"""Lending, limits and collateral parameters over REST: forms, units, filters, pages and failures."""

import base64
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.simulator import Simulator
from backpack_connector.simulator.clock import Clock
from tests.judges.specification import complaints
from tests.simulator.support import Client, FakeClock, trade

HOUR_S = 3_600


@pytest.fixture
def clock() -> Clock:
    return FakeClock()


async def ok(client: Client, operation: str, parameters: Any = None) -> Any:
    """Return the answer to a call that succeeds and is as specified."""
    status, body = await client.call(operation, parameters)
    assert status == 200, body
    kind = None if body == "" else "application/json; charset=utf-8"
    assert complaints(operation, 200, None if body == "" else body, kind) == []
    return body


async def lend(client: Client, side: str, quantity: str, symbol: str) -> None:
    assert await client.call("execute_borrow_lend", {"quantity": quantity, "side": side, "symbol": symbol}) == (200, "")


async def test_lent_and_borrowed_positions(simulator: Simulator, alice: Client) -> None:
    assert await ok(alice, "get_borrow_lend_positions") == []
    await lend(alice, "Lend", "20", "SOL")
    await lend(alice, "Borrow", "100", "USDT")
    lent, owed = await ok(alice, "get_borrow_lend_positions")
    assert lent["symbol"] == "SOL"
    assert (lent["netQuantity"], lent["netExposureQuantity"], lent["netExposureNotional"]) == ("20", "0", "0")
    assert (lent["markPrice"], lent["estLiquidationPrice"], lent["cumulativeInterest"]) == ("150", "0", "0")
    fee = -Decimal(owed["cumulativeInterest"])
    assert owed["symbol"] == "USDT"
    assert Decimal(owed["netQuantity"]) == -100 - fee == Decimal(owed["netExposureQuantity"])
    assert (owed["imf"], owed["mmf"], owed["imfFunction"]["base"]) == ("0.1", "0.03", "0.05")
    assert (await ok(alice, "get_balances"))["SOL"]["available"] == "30"
    summary = await ok(alice, "get_collateral")
    row = next(row for row in summary["collateral"] if row["symbol"] == "SOL")
    assert (row["totalQuantity"], row["lendQuantity"], row["availableQuantity"]) == ("50", "20", "30")
    liability = Decimal(owed["netExposureNotional"]).copy_abs()
    assert Decimal(summary["borrowLiability"]) == pytest.approx(liability) == Decimal(summary["liabilitiesValue"])
    assert summary["netExposureFutures"] == "0"


async def test_the_liquidation_price_of_a_debt_is_where_the_margin_is_gone(simulator: Simulator, alice: Client) -> None:
    await lend(alice, "Borrow", "1200", "SOL")
    for asset in ("SOL", "BTC"):  # sold, as a short seller does
        account, ledger = simulator.exchange.open_account(alice.key), simulator.exchange.ledger
        quantity, change = ledger.balance(alice.key, asset).available, ledger.change()
        worth = quantity * simulator.exchange.risk.price_of(asset)
        change.give(alice.key, asset, -quantity)
        change.leave(asset, quantity)
        change.give(alice.key, "USDC", worth)
        change.leave("USDC", -worth)
        ledger.commit(change)
    (row,) = await ok(alice, "get_borrow_lend_positions")
    price = Decimal(row["estLiquidationPrice"])
    assert 150 < price < 200
    for at, is_over in ((price - Decimal("0.01"), False), (price, True)):
        simulator.exchange.markets["SOL_USDC"].last_trade_price = at
        assert simulator.exchange.risk.margin(account).is_liquidatable is is_over


async def test_histories_show_what_happened_newest_first(simulator: Simulator, alice: Client) -> None:
    await lend(alice, "Lend", "20", "SOL")
    await lend(alice, "Borrow", "5", "SOL")
    await lend(alice, "Borrow", "100", "USDT")
    simulator.advance_clock(2 * HOUR_S)
    rows = await ok(alice, "get_borrow_lend_history")
    manual = await ok(alice, "get_borrow_lend_history", {"sources": "Manual", "sortDirection": "Asc"})
    assert [(row["eventType"], row["quantity"], row["positionQuantity"]) for row in manual] == [
        ("Lend", "20", "20"),
        ("LendRedeem", "5", "15"),
        ("Borrow", "100", "100"),
    ]
    assert (rows[0]["source"], rows[-1]["source"]) == ("Interest", "Manual")
    assert len(await ok(alice, "get_borrow_lend_history", {"sources": "Manual,Interest"})) == len(rows)
    assert len(await ok(alice, "get_borrow_lend_history", {"type": "LendRedeem"})) == 1
    assert {row["symbol"] for row in await ok(alice, "get_borrow_lend_history", {"symbol": "USDT"})} == {"USDT"}
    one = manual[0]["positionId"]
    assert {row["symbol"] for row in await ok(alice, "get_borrow_lend_history", {"positionId": one})} == {"SOL"}
    interest = await ok(alice, "get_interest_history")
    kinds = [(row["paymentType"], row["symbol"], row["marketSymbol"]) for row in interest]
    hour = [("Borrow", "USDT", "USDT_USDC"), ("Lend", "SOL", "SOL_USDC")]
    assert sorted(kinds) == sorted([*hour, *hour, ("EntryFee", "USDT", "USDT_USDC")])
    assert {row["interval"] for row in interest if row["paymentType"] != "EntryFee"} == {3_600_000}
    assert all((Decimal(row["quantity"]) > 0) is (row["paymentType"] == "Lend") for row in interest)
    for query, count in (
        ({"asset": "SOL"}, 2),
        ({"symbol": "USDT_USDC"}, 3),
        ({"symbol": "SOL_USDC_PERP"}, 0),
        ({"positionId": one}, 2),
        ({"source": "UnrealizedPnl"}, 0),
        ({"source": "BorrowLend"}, 5),
        ({"limit": 1}, 1),
    ):
        assert len(await ok(alice, "get_interest_history", query)) == count, query


async def test_the_position_history_has_open_and_closed_ones(simulator: Simulator, alice: Client) -> None:
    await lend(alice, "Lend", "20", "SOL")
    await lend(alice, "Borrow", "20", "SOL")
    await lend(alice, "Borrow", "1", "ETH")
    simulator.advance_clock(HOUR_S)
    owed, closed = await ok(alice, "get_borrow_lend_position_history")
    assert (closed["side"], closed["quantity"], closed["source"], closed["symbol"]) == ("Lend", "0", "Manual", "SOL")
    assert (owed["side"], owed["symbol"]) == ("Borrow", "ETH")
    # The entry fee's rate, which the debt itself has raised, and the hour's.
    assert Decimal("0.075") < Decimal(owed["avgInterestRate"]) < Decimal("0.076")
    for query, symbols in (
        ({"state": "Open"}, ["ETH"]),
        ({"state": "Closed"}, ["SOL"]),
        ({"side": "Lend"}, ["SOL"]),
        ({"symbol": "ETH"}, ["ETH"]),
        ({"sortDirection": "Asc"}, ["SOL", "ETH"]),
        ({"offset": 1}, ["SOL"]),
    ):
        rows = await ok(alice, "get_borrow_lend_position_history", query)
        assert [row["symbol"] for row in rows] == symbols, query


async def test_orders_with_spot_margin_name_themselves_in_the_history(simulator: Simulator, alice: Client) -> None:
    await lend(alice, "Lend", "50", "SOL")
    order = {"orderType": "Limit", "side": "Ask", "symbol": "SOL_USDC", "price": "160", "quantity": "60"}
    status, body = await alice.call("execute_order", order)
    assert (status, body["code"]) == (400, "INSUFFICIENT_FUNDS")
    placed = await ok(alice, "execute_order", {**order, "autoLendRedeem": True, "autoBorrow": True})
    rows = await ok(alice, "get_borrow_lend_history", {"sources": "SpotMargin"})
    assert [row["eventType"] for row in rows] == ["Borrow", "LendRedeem"]
    assert {row["spotMarginOrderId"] for row in rows} == {placed["id"]}
    on_futures = {**order, "symbol": "SOL_USDC_PERP", "quantity": "1", "autoBorrow": True}
    assert (await alice.call("execute_order", on_futures))[1]["code"] == "INVALID_ORDER"


async def test_auto_lend_is_a_setting_that_works(simulator: Simulator, alice: Client) -> None:
    await ok(alice, "update_account_settings", {"autoLend": True})
    simulator.advance_clock(1)
    assert (await ok(alice, "get_account"))["autoLend"] is True
    rows = {row["symbol"]: row["netQuantity"] for row in await ok(alice, "get_borrow_lend_positions")}
    assert rows == {"BTC": "0.2", "ETH": "2", "SOL": "50", "USDC": "10000", "USDT": "1000"}
    assert (await ok(alice, "get_balances"))["USDC"]["available"] == "0"


async def test_lending_markets_and_their_history(simulator: Simulator, alice: Client) -> None:
    trade(simulator)
    markets = {row["symbol"]: row for row in await ok(alice, "get_borrow_lend_markets")}
    assert sorted(markets) == ["BTC", "ETH", "SOL", "USDC", "USDT"]
    row = markets["SOL"]
    assert (row["lentQuantity"], row["borrowedQuantity"], row["utilization"]) == ("50000", "30000", "0.6")
    assert (row["borrowInterestRate"], row["lendInterestRate"], row["state"]) == ("0.075", "0.0405", "Open")
    rates = await ok(alice, "get_apy_rates", {"tierId": 1})
    assert rates["staking"] == []
    assert {"symbol": "SOL", "borrowRate": "0.075", "lendRate": "0.0405"} in rates["borrowLend"]
    await lend(alice, "Lend", "1", "SOL")
    simulator.advance_clock(50 * HOUR_S)
    counts = {}
    for interval in ("1d", "1w", "1month", "1year"):
        rows = await ok(alice, "get_borrow_lend_markets_history", {"interval": interval, "symbol": "SOL"})
        times = [row["timestamp"] for row in rows]
        assert times == sorted(times)
        counts[interval] = len(rows)
    assert counts["1d"] == 25
    assert 8 <= counts["1w"] <= 11
    assert 2 <= counts["1month"] <= 4
    assert len(await ok(alice, "get_borrow_lend_markets_history", {"interval": "1d"})) == 125
    assert await ok(alice, "get_borrow_lend_markets_history", {"interval": "1d", "symbol": "NOPE"}) == []


async def test_collateral_parameters_say_what_the_margin_uses(simulator: Simulator, alice: Client) -> None:
    rows = {row["symbol"]: row for row in await ok(alice, "get_collateral_parameters")}
    assert rows["USDC"]["haircutFunction"] == {"weight": "1", "kind": {"type": "identity"}}
    summary = await ok(alice, "get_collateral")
    for row in summary["collateral"]:
        assert rows[row["symbol"]]["haircutFunction"]["weight"] == row["collateralWeight"]


async def test_limits_repeat_what_was_asked(simulator: Simulator, alice: Client) -> None:
    answer = await ok(alice, "get_max_borrow_quantity", {"symbol": "SOL"})
    assert answer["symbol"] == "SOL"
    assert Decimal(answer["maxBorrowQuantity"]) > 100
    asked = {"symbol": "SOL_USDC", "side": "Bid", "price": "150.00", "autoBorrow": False}
    answer = await ok(alice, "get_max_order_quantity", asked)
    assert answer == {
        "autoBorrow": False,
        "maxOrderQuantity": "66.66",
        "price": "150",
        "side": "Bid",
        "symbol": "SOL_USDC",
    }
    more = await ok(alice, "get_max_order_quantity", {**asked, "autoBorrow": True, "reduceOnly": False})
    assert Decimal(more["maxOrderQuantity"]) > 70
    answer = await ok(alice, "get_max_withdrawal_quantity", {"symbol": "USDC", "autoLendRedeem": True})
    assert answer == {"autoLendRedeem": True, "maxWithdrawalQuantity": "10000", "symbol": "USDC"}
    await lend(alice, "Lend", "4000", "USDC")
    answer = await ok(alice, "get_max_withdrawal_quantity", {"symbol": "USDC"})
    assert answer == {"maxWithdrawalQuantity": "6000", "symbol": "USDC"}


@pytest.mark.parametrize(
    ("operation", "parameters", "text"),
    [
        ("get_max_borrow_quantity", {}, "failed to parse parameter `symbol`"),
        ("get_max_borrow_quantity", {"symbol": "NOPE"}, "Expect a valid enumeration value"),
        ("get_max_order_quantity", {"symbol": "SOL_USDC"}, "failed to parse parameter `side`"),
        ("get_max_order_quantity", {"symbol": "SOL_USDC", "side": "Bid", "price": "1e5"}, "Invalid decimal"),
        ("get_max_order_quantity", {"symbol": "NOPE_USDC", "side": "Bid"}, "Invalid market symbol"),
        ("get_max_order_quantity", {"symbol": "SOL_USDC", "side": "Bid", "price": "0"}, "Price must be positive"),
        ("get_max_order_quantity", {"symbol": "SOL_USDC", "side": "Bid", "autoBorrow": "1"}, "not `true` or `false`"),
        ("get_borrow_lend_history", {"sources": "Manual,Nonsense"}, "Expect a valid enumeration value"),
        ("get_borrow_lend_history", {"type": "Gift"}, "Expect a valid enumeration value"),
        ("get_interest_history", {"limit": 1001}, "must not exceed"),
        ("get_borrow_lend_markets_history", {}, "failed to parse parameter `interval`"),
        ("get_borrow_lend_markets_history", {"interval": "1h"}, "Expect a valid enumeration value"),
        ("get_apy_rates", {"tierId": "x"}, "invalid digit"),
        ("execute_borrow_lend", {"side": "Lend", "symbol": "SOL"}, "`quantity` is missing"),
        ("execute_borrow_lend", {"side": "Bend", "symbol": "SOL", "quantity": "1"}, "Expect a valid enumeration value"),
        ("execute_borrow_lend", {"side": "Lend", "quantity": "1"}, "`symbol` is missing"),
        ("execute_borrow_lend", {"side": "Lend", "quantity": 1, "symbol": "SOL"}, "Invalid decimal"),
        ("execute_borrow_lend", {"side": "Lend", "quantity": "1", "symbol": "NOPE"}, "Asset cannot be lent"),
        ("get_borrow_lend_estimated_liquidation_price", {"borrow": "no base64!"}, "Invalid base64"),
        ("get_borrow_lend_estimated_liquidation_price", {"borrow": "e30="}, "failed to parse"),
    ],
)
async def test_what_cannot_be_read_is_said_in_one_sentence(
    alice: Client, operation: str, parameters: Any, text: str
) -> None:
    status, body = await alice.call(operation, parameters)
    assert status == 400
    assert text in (body if isinstance(body, str) else body["message"])


async def test_nobody_can_ask_for_a_liquidation_price_without_an_account(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    planned = base64.b64encode(b'{"quantity":"1","side":"Borrow","symbol":"SOL"}').decode()
    url = f"{simulator.rest_url}/api/v1/borrowLend/position/liquidationPrice"
    async with http.get(url, params={"borrow": planned}) as response:
        assert (response.status, (await response.json())["code"]) == (401, "UNAUTHORIZED")
