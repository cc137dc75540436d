"""REST answers that lag behind what the streams and the engine know."""

from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.faults_kinds import FaultKind
from backpack_connector.simulator.faults_past import PastAccounts, PastBooks, PastOrders
from tests.simulator.faults_support import ORDER, inject
from tests.simulator.streams import Stream, place
from tests.simulator.support import SYMBOL, Client, FakeClock, limit

PERP = "SOL_USDC_PERP"
LAG_S = 3


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock that stands still unless a test moves it."""
    return FakeClock()


def sell(simulator: Simulator, price: str, quantity: str = "1", symbol: str = SYMBOL) -> str:
    return place(simulator, "maker", limit("Ask", price, quantity, symbol=symbol))


async def depth(client: Client, symbol: str = SYMBOL, **parameters: Any) -> tuple[Any, int]:
    """Return the asks and the id of a snapshot."""
    status, answer = await client.call("get_depth", {"symbol": symbol, **parameters})
    assert status == 200
    return answer["asks"], int(answer["lastUpdateId"])


async def test_a_snapshot_lags_behind_the_stream(
    simulator: Simulator, alice: Client, http: aiohttp.ClientSession
) -> None:
    first = sell(simulator, "151")
    sell(simulator, "152")
    inject(simulator, FaultKind.DEPTH_LAGS, delay_s=LAG_S)
    before = await depth(alice)
    assert before[0] == [["151", "1"], ["152", "1"]]
    async with http.ws_connect(simulator.ws_url) as socket:
        stream = Stream(socket)
        await stream.subscribe(f"depth.{SYMBOL}")
        simulator.publish(simulator.exchange.cancel("maker", SYMBOL, order_id=first))
        sell(simulator, "153", "2")
        streamed = [frame["data"]["u"] for frame in await stream.settle()]
    assert streamed == [before[1] + 1, before[1] + 2]
    assert await depth(alice) == before
    simulator.advance_clock(LAG_S - 1)
    assert await depth(alice) == before
    simulator.advance_clock(2)
    assert await depth(alice) == ([["152", "1"], ["153", "2"]], before[1] + 2)


async def test_a_snapshot_of_then_is_complete_and_says_when_it_was(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.DEPTH_LAGS, delay_s=LAG_S)
    for number in range(8):
        sell(simulator, f"15{number + 1}")
        place(simulator, "maker", limit("Bid", f"14{number + 1}", "1"))
        simulator.advance_clock(1)
    simulator.advance_clock(0.5)
    status, answer = await alice.call("get_depth", {"symbol": SYMBOL, "limit": 5})
    assert status == 200
    # Six pairs were there three seconds ago; the best five of them are shown, both sides ascending.
    assert [row[0] for row in answer["asks"]] == ["151", "152", "153", "154", "155"]
    assert [row[0] for row in answer["bids"]] == ["142", "143", "144", "145", "146"]
    assert int(answer["lastUpdateId"]) == simulator.exchange.markets[SYMBOL].book.update_id - 4
    assert simulator.now_ms() - answer["timestamp"] // 1000 == LAG_S * 1000
    status, whole = await alice.call("get_depth", {"symbol": SYMBOL})
    assert (len(whole["asks"]), len(whole["bids"])) == (6, 6)


async def test_what_happened_just_then_is_shown(http: aiohttp.ClientSession) -> None:
    clock = FakeClock()
    async with running_simulator(background=False, clock=clock) as simulator:
        alice = Client(simulator, http)
        sell(simulator, "153")
        inject(simulator, FaultKind.DEPTH_LAGS, delay_s=LAG_S)
        inject(simulator, FaultKind.HISTORY_LAGS, delay_s=LAG_S)
        clock.advance_s(5)  # no second ends, so that nothing is forgotten yet, and times are exact
        sell(simulator, "151")
        clock.advance_s(1)
        place(simulator, alice.key, limit("Bid", "151", "0.5"))
        clock.advance_s(LAG_S - 1)
        first_id = simulator.exchange.markets[SYMBOL].book.update_id - 1
        assert await depth(alice) == ([["151", "1"], ["153", "1"]], first_id)
        assert await history(alice) == await history(alice, "get_fills") == []
        clock.advance_s(1)
        assert await depth(alice) == ([["151", "0.5"], ["153", "1"]], first_id + 1)
        assert len(await history(alice)) == len(await history(alice, "get_fills")) == 1


async def test_only_some_snapshots_of_one_market_lag(simulator: Simulator, alice: Client) -> None:
    sell(simulator, "4100", symbol="ETH_USDC")
    inject(simulator, FaultKind.DEPTH_LAGS, market=SYMBOL, delay_s=600, skip=1, count=1)
    sell(simulator, "151")
    sell(simulator, "4200", symbol="ETH_USDC")
    assert len((await depth(alice, "ETH_USDC"))[0]) == 2
    assert [len((await depth(alice))[0]) for _ in range(3)] == [1, 0, 1]


async def test_jitter_makes_snapshots_of_different_times(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.DEPTH_LAGS, delay_s=1, jitter_s=10, seed=2)
    for number in range(20):
        simulator.advance_clock(1)
        sell(simulator, str(151 + number))
    lengths = [len((await depth(alice))[0]) for _ in range(30)]
    assert max(lengths) > min(lengths) >= 20 - 11
    assert max(lengths) <= 20 - 1
    assert lengths != sorted(lengths)


async def test_what_happened_before_the_fault_is_not_counted_twice(simulator: Simulator, alice: Client) -> None:
    first = simulator.exchange.place("maker", limit("Ask", "151", "1"))
    sell(simulator, "151", "2")
    inject(simulator, FaultKind.DEPTH_LAGS, delay_s=LAG_S)
    simulator.publish(first)
    simulator.advance_clock(LAG_S + 1)
    assert await depth(alice) == ([["151", "3"]], simulator.exchange.markets[SYMBOL].book.update_id)


async def history(client: Client, operation: str = "get_order_history") -> list[Any]:
    status, rows = await client.call(operation)
    assert status == 200
    return list(rows)


async def test_order_history_and_fills_lag_behind_the_order(simulator: Simulator, alice: Client) -> None:
    await alice.call("execute_order", ORDER)
    inject(simulator, FaultKind.HISTORY_LAGS, delay_s=LAG_S)
    simulator.advance_clock(1)
    place(simulator, "taker", limit("Ask", "150", "0.5"))
    await alice.call("execute_order", {**ORDER, "price": "149", "clientId": 8})
    simulator.advance_clock(1)
    await alice.call("cancel_order", {"symbol": SYMBOL, "clientId": 7})
    simulator.advance_clock(0.5)
    seen = []
    for _ in range(5):
        rows = [(row["clientId"], row["status"], row["executedQuantity"]) for row in reversed(await history(alice))]
        seen.append((rows, [row["quantity"] for row in await history(alice, "get_fills")]))
        simulator.advance_clock(1)
    assert seen == [
        ([(7, "New", "0")], []),  # at 2.5 s
        ([(7, "New", "0")], []),
        ([(7, "PartiallyFilled", "0.5"), (8, "New", "0")], ["0.5"]),  # at 4.5 s, what was at 1.5 s
        ([(7, "Cancelled", "0.5"), (8, "New", "0")], ["0.5"]),
        ([(7, "Cancelled", "0.5"), (8, "New", "0")], ["0.5"]),
    ]
    # The open orders do not lag.
    assert [row["clientId"] for row in await history(alice, "get_open_orders")] == [8]


async def test_the_history_can_show_ended_orders_only(simulator: Simulator, alice: Client) -> None:
    await alice.call("execute_order", ORDER)
    await alice.call("execute_order", {**ORDER, "symbol": "ETH_USDC", "price": "4000", "quantity": "0.1"})
    inject(simulator, FaultKind.HISTORY_LAGS, market=SYMBOL, delay_s=LAG_S, is_ended_only=True)
    simulator.advance_clock(LAG_S + 1)
    assert [row["symbol"] for row in await history(alice)] == ["ETH_USDC"]
    await alice.call("cancel_order", {"symbol": SYMBOL, "clientId": 7})
    simulator.advance_clock(LAG_S - 0.5)
    assert len(await history(alice)) == 1
    simulator.advance_clock(1)
    assert sorted(row["status"] for row in await history(alice)) == ["Cancelled", "New"]


async def test_what_was_in_the_history_before_stays_there(simulator: Simulator, alice: Client) -> None:
    sell(simulator, "150", "5")
    await alice.call("execute_order", ORDER)
    inject(simulator, FaultKind.HISTORY_LAGS, delay_s=600)
    assert [row["status"] for row in await history(alice)] == ["Filled"]
    assert [row["quantity"] for row in await history(alice, "get_fills")] == ["2"]


async def test_a_history_can_lag_alone_for_one_account_and_market(
    simulator: Simulator, alice: Client, bob: Client
) -> None:
    inject(
        simulator,
        FaultKind.HISTORY_LAGS,
        operations=("get_fills",),
        account=alice.key,
        market=SYMBOL,
        delay_s=600,
    )
    simulator.advance_clock(1)
    for symbol, price in ((SYMBOL, "150"), ("ETH_USDC", "4000")):
        sell(simulator, price, "1", symbol)
        for client in (alice, bob):
            await client.call(
                "execute_order",
                {"symbol": symbol, "side": "Bid", "orderType": "Limit", "price": price, "quantity": "0.5"},
            )
    assert len(await history(alice)) == 2
    assert [row["symbol"] for row in await history(alice, "get_fills")] == ["ETH_USDC"]
    assert len(await history(bob, "get_fills")) == 2


async def test_orders_of_other_markets_do_not_lag(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.HISTORY_LAGS, market=SYMBOL, delay_s=600)
    simulator.advance_clock(1)
    await alice.call("execute_order", ORDER)
    await alice.call("execute_order", {**ORDER, "symbol": "ETH_USDC", "price": "4000", "quantity": "0.1"})
    assert [row["symbol"] for row in await history(alice)] == ["ETH_USDC"]


async def test_finished_orders_are_forgotten_by_the_recording(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.HISTORY_LAGS, delay_s=LAG_S)
    for client_id in range(50):
        await alice.call("execute_order", {**ORDER, "clientId": client_id})
        await alice.call("cancel_order", {"symbol": SYMBOL, "clientId": client_id})
    (recording,) = simulator.faults.reads._recordings.values()
    assert isinstance(recording, PastOrders)
    assert len(recording._states) == 50
    simulator.advance_clock(LAG_S + 1)
    assert len(recording._states) == 0
    assert {row["status"] for row in await history(alice)} == {"Cancelled"}


async def funds(client: Client) -> tuple[str, str, list[str]]:
    """Return total USDC, net equity, and positions as REST tells them."""
    balances, collateral = (await client.call("get_balances"))[1], (await client.call("get_collateral"))[1]
    positions = (await client.call("get_positions"))[1]
    return balances["USDC"]["available"], collateral["netEquity"], [row["netQuantity"] for row in positions]


async def test_positions_collateral_and_balances_lag(simulator: Simulator, alice: Client, bob: Client) -> None:
    await alice.call("get_balances")
    inject(simulator, FaultKind.ACCOUNT_LAGS, account=alice.key, delay_s=LAG_S)
    before = await funds(alice)
    assert before[2] == []
    for client in (alice, bob):
        sell(simulator, "150", "1", PERP)
        await client.call("execute_order", {**ORDER, "symbol": PERP, "quantity": "1"})
    assert await funds(alice) == before
    now = await funds(bob)
    assert now[2] == ["1"]
    simulator.advance_clock(LAG_S - 1)
    assert await funds(alice) == before
    simulator.advance_clock(2)
    assert await funds(alice) == now


async def test_margin_lags_behind_prices_too(simulator: Simulator, alice: Client) -> None:
    sell(simulator, "150", "1", PERP)
    await alice.call("execute_order", {**ORDER, "symbol": PERP, "quantity": "1"})
    inject(simulator, FaultKind.ACCOUNT_LAGS, operations=("get_positions",), delay_s=LAG_S)
    (before,) = (await alice.call("get_positions", {"symbol": PERP}))[1]
    simulator.set_index_price(PERP, Decimal("160"))
    assert (await alice.call("get_positions", {"symbol": PERP}))[1] == [before]
    live = (await alice.call("get_collateral"))[1]
    assert Decimal(live["pnlUnrealized"]) == Decimal(before["pnlUnrealized"]) + 10
    for _ in range(LAG_S + 2):
        simulator.advance_clock(1)
    (after,) = (await alice.call("get_positions", {"symbol": PERP}))[1]
    assert Decimal(after["markPrice"]) > 159


async def test_margin_that_an_order_locks_is_seen_as_of_then(http: aiohttp.ClientSession) -> None:
    clock = FakeClock()
    async with running_simulator(background=False, clock=clock) as simulator:
        alice = Client(simulator, http)
        await alice.call("get_balances")
        inject(simulator, FaultKind.ACCOUNT_LAGS, delay_s=LAG_S)
        clock.advance_s(1)
        place(simulator, alice.key, limit("Bid", "150", "2", symbol=PERP))
        locked = []
        for _ in range(3):
            clock.advance_s(2)  # no second ends, so that only the order itself is a reason to look
            locked.append((await alice.call("get_collateral"))[1]["netEquityLocked"])
        assert locked == ["0", "30", "30"]


async def test_recordings_keep_what_can_be_asked_for_and_no_more(
    simulator: Simulator, alice: Client, bob: Client
) -> None:
    await bob.call("get_balances")
    await alice.call("execute_order", {**ORDER, "quantity": "20"})
    scope: dict[str, Any] = {"delay_s": LAG_S, "jitter_s": 1}
    inject(simulator, FaultKind.DEPTH_LAGS, market=SYMBOL, **scope)
    inject(simulator, FaultKind.HISTORY_LAGS, **scope)
    inject(simulator, FaultKind.ACCOUNT_LAGS, account=alice.key, **scope)
    inject(simulator, FaultKind.ACCOUNT_LAGS, **scope)
    inject(simulator, FaultKind.PRICE_TRADED, market=SYMBOL, price=Decimal("150"), quantity=Decimal("0.1"), count=30)
    for _ in range(30):
        simulator.advance_clock(1)
    books, orders, alone, everybody = simulator.faults.reads._recordings.values()
    assert isinstance(books, PastBooks)
    assert isinstance(orders, PastOrders)
    assert isinstance(alone, PastAccounts)
    assert isinstance(everybody, PastAccounts)
    assert list(books._books) == [SYMBOL]
    assert LAG_S <= len(books._books[SYMBOL]._changes) <= LAG_S + 3
    assert max(len(states) for states in orders._states.values()) <= LAG_S + 4
    assert set(alone._samples) == {alice.key}
    assert set(everybody._samples) == {alice.key, bob.key}
    assert len(alone._samples[alice.key]) <= 3 * (LAG_S + 4)


async def test_an_account_that_is_new_does_not_lag(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.ACCOUNT_LAGS, delay_s=LAG_S)
    assert (await funds(alice))[0] == "10000"


async def test_nothing_lags_when_the_fault_is_over(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.DEPTH_LAGS, delay_s=600, duration_s=5)
    inject(simulator, FaultKind.HISTORY_LAGS, delay_s=600)
    inject(simulator, FaultKind.ACCOUNT_LAGS, delay_s=600)
    simulator.advance_clock(1)
    sell(simulator, "151")
    await alice.call("execute_order", ORDER)
    assert (await depth(alice))[0] == []
    assert await history(alice) == []
    simulator.advance_clock(5)
    assert len((await depth(alice))[0]) == 1
    assert simulator.faults.end() == 2
    assert len(await history(alice)) == 1
    assert not simulator.faults.reads._recordings
