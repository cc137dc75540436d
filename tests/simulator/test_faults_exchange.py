"""Faults of the exchange itself: its clock, maintenance, keys, markets."""

import aiohttp
import pytest

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.clock import HOUR_US
from backpack_connector.simulator.faults_kinds import FaultKind
from tests.simulator.faults_support import ORDER, ORDERS, inject, orders_of
from tests.simulator.streams import Stream, place
from tests.simulator.support import SYMBOL, Client, FakeClock, limit

PERP = "SOL_USDC_PERP"


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock that stands still unless a test moves it."""
    return FakeClock()


async def symbols(client: Client, operation: str = "get_markets") -> set[str]:
    status, rows = await client.call(operation)
    assert status == 200
    return {row["symbol"] for row in rows}


# The clock


async def test_a_skewed_clock_is_told_and_judges_requests(simulator: Simulator, alice: Client) -> None:
    engine_ms = simulator.now_ms()
    fault_id = inject(simulator, FaultKind.CLOCK_SKEWED, offset_s=7.5)
    assert int((await alice.call("get_time"))[1]) == engine_ms + 7_500
    assert (await alice.call("get_balances"))[0] == 200  # signed with the server's time
    alice.now_ms = lambda: engine_ms  # type: ignore[method-assign]
    status, answer = await alice.call("get_balances")
    assert (status, answer["message"]) == (400, "Request has expired")
    simulator.faults.end(fault_id)
    assert int((await alice.call("get_time"))[1]) == engine_ms
    assert (await alice.call("get_balances"))[0] == 200


async def test_steps_of_the_clock_add_up_and_go_back(simulator: Simulator, alice: Client) -> None:
    engine_ms = simulator.now_ms()
    inject(simulator, FaultKind.CLOCK_SKEWED, offset_s=60, duration_s=10)
    told_ms = [int((await alice.call("get_time"))[1])]
    inject(simulator, FaultKind.CLOCK_SKEWED, offset_s=-3_600)
    told_ms.append(int((await alice.call("get_time"))[1]))
    simulator.advance_clock(10)
    told_ms.append(int((await alice.call("get_time"))[1]))
    assert [time_ms - engine_ms for time_ms in told_ms] == [60_000, -3_540_000, 10_000 - 3_600_000]
    alice.now_ms = lambda: engine_ms  # type: ignore[method-assign]
    _, answer = await alice.call("get_balances")
    assert answer["message"] == "Invalid timestamp: must be within 10 minutes of current time"


async def test_the_engine_does_not_follow_a_skewed_clock(simulator: Simulator, private: Stream, alice: Client) -> None:
    inject(simulator, FaultKind.CLOCK_SKEWED, offset_s=2 * HOUR_US // 10**6)
    settled = len(simulator.exchange.markets[PERP].settled_funding)
    _, answer = await alice.call("execute_order", ORDER)
    (frame,) = await private.settle()
    assert simulator.now_ms() - answer["createdAt"] >= 7_199_000
    assert simulator.now_ms() - frame["data"]["E"] // 1000 >= 7_199_000
    simulator.advance_clock(1)
    assert len(simulator.exchange.markets[PERP].settled_funding) == settled


async def test_subscriptions_are_judged_by_the_skewed_clock_too(
    simulator: Simulator, private: Stream, bob: Client
) -> None:
    frame = bob.subscription(ORDERS)
    inject(simulator, FaultKind.CLOCK_SKEWED, offset_s=30)
    await private.send(frame)
    assert (await private.next())["error"]["message"] == "Request has expired"


# Maintenance and keys


async def test_maintenance_is_told_and_orders_are_refused(simulator: Simulator, alice: Client) -> None:
    assert (await alice.call("get_status"))[1] == {"message": None, "status": "Ok"}
    await alice.call("execute_order", ORDER)
    inject(simulator, FaultKind.MAINTENANCE, message="Back at noon", duration_s=60)
    assert (await alice.call("get_status"))[1] == {"message": "Back at noon", "status": "Maintenance"}
    for operation, body in (
        ("execute_order", ORDER),
        ("execute_order_batch", [ORDER]),
        ("cancel_order", {"symbol": SYMBOL, "clientId": 7}),
        ("cancel_open_orders", {"symbol": SYMBOL}),
        ("update_account_settings", {"leverageLimit": "5"}),
    ):
        status, answer = await alice.call(operation, body)
        assert (status, answer) == (503, {"code": "MAINTENANCE", "message": "Back at noon"}), operation
    assert len((await alice.call("get_open_orders"))[1]) == 1
    assert orders_of(simulator, alice) == [7]
    simulator.advance_clock(60)
    assert (await alice.call("get_status"))[1]["status"] == "Ok"
    assert (await alice.call("cancel_order", {"symbol": SYMBOL, "clientId": 7}))[0] == 200


async def test_maintenance_of_some_operations(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.MAINTENANCE, operations=("execute_order",))
    assert (await alice.call("execute_order", ORDER))[0] == 503
    assert await alice.call("cancel_open_orders", {"symbol": SYMBOL}) == (200, [])
    assert (await alice.call("get_status"))[1] == {"message": "System is under maintenance", "status": "Maintenance"}


async def test_a_revoked_key_gets_nothing_any_more(
    simulator: Simulator, private: Stream, alice: Client, bob: Client
) -> None:
    await private.send(bob.subscription(ORDERS))
    await private.subscribe(f"trade.{SYMBOL}")
    await alice.call("execute_order", ORDER)
    assert len(await private.settle()) == 1
    fault_id = inject(simulator, FaultKind.KEY_REVOKED, account=alice.key)
    for operation, parameters in (("get_balances", None), ("cancel_order", {"symbol": SYMBOL, "clientId": 7})):
        status, answer = await alice.call(operation, parameters)
        assert (status, answer) == (401, {"code": "UNAUTHORIZED", "message": "Unauthorized"})
    # A public request belongs to nobody, whatever headers it has.
    headers = {"X-API-Key": alice.key}
    assert (await alice.call("get_depth", {"symbol": SYMBOL}, headers=headers))[0] == 200
    # The order trades, the owner hears nothing of it, everybody else does.
    await bob.call("execute_order", {**ORDER, "side": "Ask"})
    frames = await private.settle()
    assert [frame["stream"] for frame in frames].count(f"trade.{SYMBOL}") == 1
    assert {frame["data"]["S"] for frame in frames if frame["stream"] == ORDERS} == {"Ask"}
    await private.send(alice.subscription(ORDERS))
    assert await private.next() == {"id": None, "error": {"code": 4003, "message": "Unauthorized"}}
    simulator.faults.end(fault_id)
    assert (await alice.call("get_balances"))[0] == 200
    await alice.call("execute_order", {**ORDER, "clientId": 9})
    assert await private.settle() == []  # it has to subscribe again
    await private.send(alice.subscription(ORDERS))
    assert await private.settle() == []
    await alice.call("cancel_order", {"symbol": SYMBOL, "clientId": 9})
    assert len(await private.settle()) == 1


# Markets


async def test_a_market_is_closed_and_opens_again(simulator: Simulator, alice: Client) -> None:
    await alice.call("execute_order", ORDER)
    inject(simulator, FaultKind.MARKET_STATE, market=SYMBOL, state=OrderBookState.CLOSED, duration_s=30)
    assert (await alice.call("get_market", {"symbol": SYMBOL}))[1]["orderBookState"] == "Closed"
    assert (await alice.call("get_depth", {"symbol": SYMBOL}))[0] == 404
    assert (await alice.call("execute_order", ORDER))[0] == 400
    simulator.advance_clock(30)
    assert (await alice.call("get_market", {"symbol": SYMBOL}))[1]["orderBookState"] == "Open"
    assert (await alice.call("get_depth", {"symbol": SYMBOL}))[0] == 200


async def test_a_market_becomes_post_only(simulator: Simulator, alice: Client) -> None:
    place(simulator, "x", limit("Ask", "151", "1"))
    inject(simulator, FaultKind.MARKET_STATE, market=SYMBOL, state=OrderBookState.POST_ONLY)
    status, answer = await alice.call("execute_order", {**ORDER, "price": "151"})
    assert (status, answer["message"]) == (400, "Order would immediately match and take")
    assert (await alice.call("execute_order", ORDER))[0] == 200


async def test_faults_of_one_market_end_together(simulator: Simulator) -> None:
    for state in (OrderBookState.CLOSED, OrderBookState.POST_ONLY):
        inject(simulator, FaultKind.MARKET_STATE, market=SYMBOL, state=state, duration_s=5)
    simulator.advance_clock(5)
    assert simulator.exchange.markets[SYMBOL].state is OrderBookState.OPEN
    assert [row["isActive"] for row in simulator.faults.payload()] == [False, False]


async def test_the_last_fault_about_a_market_counts(simulator: Simulator) -> None:
    market = simulator.exchange.markets["SPCX.US_USDC"]
    assert market.state is OrderBookState.POST_ONLY
    ids = [
        inject(simulator, FaultKind.MARKET_STATE, market=market.symbol, state=state)
        for state in (OrderBookState.OPEN, OrderBookState.CANCEL_ONLY)
    ]
    assert market.state is OrderBookState.CANCEL_ONLY
    simulator.faults.end(ids[0])
    assert market.state is OrderBookState.CANCEL_ONLY
    simulator.faults.end(ids[1])
    assert market.state is OrderBookState.POST_ONLY
    # What somebody else sets while no fault is about it, stays.
    simulator.exchange.set_market_state(market.symbol, OrderBookState.OPEN)
    inject(simulator, FaultKind.MARKET_STATE, market=SYMBOL, state=OrderBookState.CLOSED)
    assert market.state is OrderBookState.OPEN


@pytest.mark.parametrize("symbol", [SYMBOL, PERP])
async def test_a_market_is_unlisted_and_listed_at_run_time(
    simulator: Simulator, http: aiohttp.ClientSession, alice: Client, symbol: str
) -> None:
    place(simulator, "x", limit("Ask", "150", "1", symbol=symbol))
    place(simulator, "y", limit("Bid", "150", "1", symbol=symbol))
    for operation in ("get_markets", "get_tickers"):
        assert symbol in await symbols(alice, operation)
    fault_id = inject(simulator, FaultKind.MARKET_UNLISTED, market=symbol)
    for operation in ("get_markets", "get_tickers", "get_mark_prices", "get_open_interest"):
        assert symbol not in await symbols(alice, operation), operation
    for operation in ("get_market", "get_depth", "get_ticker", "get_recent_trades"):
        status, answer = await alice.call(operation, {"symbol": symbol})
        assert (status, answer["message"]) == (400, "Invalid market symbol"), operation
    assert (await alice.call("get_funding_interval_rates", {"symbol": symbol}))[1] == []
    status, answer = await alice.call("execute_order", {**ORDER, "symbol": symbol})
    assert (status, "Invalid market symbol" in answer) == (400, True)
    async with http.ws_connect(simulator.ws_url) as socket:
        stream = Stream(socket)
        await stream.subscribe(f"depth.{symbol}")
        assert not simulator.hub.is_wanted((None, f"depth.{symbol}"))
    simulator.faults.end(fault_id)
    assert symbol in await symbols(alice)
    assert (await alice.call("get_depth", {"symbol": symbol}))[0] == 200
    assert (await alice.call("execute_order", {**ORDER, "symbol": symbol}))[0] == 200


async def test_a_market_stays_unlisted_whatever_state_it_is_given(simulator: Simulator) -> None:
    market = simulator.exchange.markets[SYMBOL]
    inject(simulator, FaultKind.MARKET_UNLISTED, market=SYMBOL)
    inject(simulator, FaultKind.MARKET_STATE, market=SYMBOL, state=OrderBookState.OPEN)
    assert (market.is_listed, market.state) == (False, OrderBookState.CLOSED)
    simulator.faults.end()
    assert (market.is_listed, market.state) == (True, OrderBookState.OPEN)
