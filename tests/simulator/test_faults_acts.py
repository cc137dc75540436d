"""What faults make the exchange do to orders and positions: cancel, trade, liquidate."""

from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.simulator.faults_kinds import FaultKind
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.faults_support import ORDER, ORDERS, inject
from tests.simulator.streams import LIMIT_S, Stream, place
from tests.simulator.support import SYMBOL, Client, FakeClock, levels, limit

PERP = "SOL_USDC_PERP"


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock that stands still unless a test moves it."""
    return FakeClock()


async def test_the_exchange_cancels_an_order(simulator: Simulator, private: Stream, alice: Client) -> None:
    for client_id in (1, 2, 3):
        await alice.call("execute_order", {**ORDER, "clientId": client_id})
    _, order = await alice.call("execute_order", ORDER)
    await alice.call("execute_order", {**ORDER, "clientId": 8})
    inject(simulator, FaultKind.ORDER_CANCELLED, account=alice.key, order_id=order["id"])
    events = [(frame["data"]["e"], frame["data"]["c"]) for frame in await private.settle()]
    assert events[-1] == ("orderCancelled", 7)
    simulator.advance_clock(1)
    assert [row["clientId"] for row in (await alice.call("get_open_orders"))[1]] == [1, 2, 3, 8]


async def test_one_order_is_cancelled_unless_more_is_said(simulator: Simulator, alice: Client) -> None:
    for client_id in range(5):
        await alice.call("execute_order", {**ORDER, "clientId": client_id})
    inject(simulator, FaultKind.ORDER_CANCELLED)
    for _ in range(3):
        simulator.advance_clock(1)
    assert len((await alice.call("get_open_orders"))[1]) == 4


async def test_only_orders_of_a_market_are_cancelled(simulator: Simulator, alice: Client) -> None:
    await alice.call("execute_order", ORDER)
    fault_id = inject(simulator, FaultKind.ORDER_CANCELLED, market="ETH_USDC")
    assert simulator.faults.struck_count(fault_id) == 0
    assert len((await alice.call("get_open_orders"))[1]) == 1


async def test_chance_picks_the_order_that_is_cancelled(simulator: Simulator, alice: Client, bob: Client) -> None:
    picks = []
    for _ in range(2):
        for client_id in range(10):
            await alice.call("execute_order", {**ORDER, "clientId": client_id})
            await bob.call("execute_order", {**ORDER, "clientId": client_id})
        inject(simulator, FaultKind.ORDER_CANCELLED, account=alice.key, market=SYMBOL, count=4, seed=6)
        for _ in range(3):
            simulator.advance_clock(1)
        account = simulator.exchange.open_account(alice.key)
        picks.append({order.client_id for order in account.open_orders.values()})
        simulator.advance_clock(1)
        assert len(account.open_orders) == 6
        await alice.call("cancel_open_orders", {"symbol": SYMBOL})
    assert picks[0] == picks[1]
    assert picks[0] != set(range(4, 10))
    assert len(simulator.exchange.open_account(bob.key).open_orders) == 20


async def test_chance_decides_each_second(simulator: Simulator, alice: Client) -> None:
    for client_id in range(30):
        await alice.call("execute_order", {**ORDER, "quantity": "0.1", "clientId": client_id})
    fault_id = inject(simulator, FaultKind.ORDER_CANCELLED, account=alice.key, probability=0.3, count=30)
    for _ in range(30):
        simulator.advance_clock(1)
    struck = simulator.faults.struck_count(fault_id)
    assert 2 < struck < 20
    assert len((await alice.call("get_open_orders"))[1]) == 30 - struck


async def test_a_cancel_waits_for_an_order(simulator: Simulator, alice: Client) -> None:
    fault_id = inject(simulator, FaultKind.ORDER_CANCELLED, account=alice.key)
    assert simulator.faults.struck_count(fault_id) == 0
    await alice.call("execute_order", ORDER)
    simulator.advance_clock(1)
    assert simulator.faults.struck_count(fault_id) == 1
    assert (await alice.call("get_open_orders"))[1] == []


async def test_orders_that_wait_for_a_trigger_are_cancelled_too(simulator: Simulator, alice: Client) -> None:
    trigger = {"symbol": SYMBOL, "side": "Ask", "orderType": "Market", "triggerPrice": "140", "triggerQuantity": "1"}
    assert (await alice.call("execute_order", trigger))[1]["status"] == "TriggerPending"
    inject(simulator, FaultKind.ORDER_CANCELLED, account=alice.key)
    assert (await alice.call("get_open_orders"))[1] == []


async def test_a_price_is_traded_and_fills_what_rests_there(
    simulator: Simulator, private: Stream, alice: Client
) -> None:
    await alice.call("execute_order", ORDER)
    await alice.call("execute_order", {**ORDER, "price": "149", "clientId": 8})
    await alice.call("execute_order", {**ORDER, "price": "148", "clientId": 9})
    await private.settle()
    inject(simulator, FaultKind.PRICE_TRADED, market=SYMBOL, price=Decimal("149"))
    filled = [(frame["data"]["c"], frame["data"]["X"]) for frame in await private.settle()]
    assert filled == [(7, "Filled"), (8, "Filled")]
    assert simulator.exchange.markets[SYMBOL].last_price == 149
    inject(simulator, FaultKind.PRICE_TRADED, market=SYMBOL, price=Decimal("148"), quantity=Decimal("0.5"))
    assert (await alice.call("get_open_orders"))[1][0]["executedQuantity"] == "0.5"


async def test_a_price_between_the_books_is_traded_by_others(simulator: Simulator) -> None:
    place(simulator, "x", limit("Bid", "149", "1"))
    place(simulator, "x", limit("Ask", "151", "1"))
    before = levels(simulator.exchange)
    inject(simulator, FaultKind.PRICE_TRADED, market=SYMBOL, price=Decimal("150.5"), quantity=Decimal("3"))
    trade = simulator.exchange.markets[SYMBOL].trades[-1]
    assert (trade.price, trade.quantity) == (Decimal("150.5"), 3)
    assert levels(simulator.exchange) == before
    inject(simulator, FaultKind.PRICE_TRADED, market="ETH_USDC", price=Decimal("4000"))
    assert simulator.exchange.markets["ETH_USDC"].last_price == 4000


async def test_a_seller_is_filled_from_the_other_side(simulator: Simulator, alice: Client) -> None:
    await alice.call("execute_order", {**ORDER, "side": "Ask", "price": "151"})
    inject(simulator, FaultKind.PRICE_TRADED, market=SYMBOL, price=Decimal("152"))
    assert (await alice.call("get_order_history"))[1][0]["status"] == "Filled"


async def test_an_order_is_filled_behind_what_comes_before_it(simulator: Simulator, alice: Client) -> None:
    place(simulator, "x", limit("Bid", "150.2", "3"))
    place(simulator, "x", limit("Bid", "150", "1"))
    _, order = await alice.call("execute_order", ORDER)
    place(simulator, "x", limit("Bid", "150", "5"))
    for quantity, filled in (("0.5", "0.5"), (None, "2")):
        wanted = None if quantity is None else Decimal(quantity)
        inject(simulator, FaultKind.PRICE_TRADED, account=alice.key, order_id=order["id"], quantity=wanted)
        row = (await alice.call("get_order_history"))[1][0]
        assert row["executedQuantity"] == filled
    assert [(Decimal(row[0]), Decimal(row[1])) for row in levels(simulator.exchange)[0]] == [(150, 5)]


async def test_a_trade_goes_through_price_bands_step_by_step(simulator: Simulator, alice: Client) -> None:
    """The impact band lets a taker one per cent deep at a time (API §5.2)."""
    for price in ("150", "147", "144"):
        await alice.call("execute_order", {**ORDER, "price": price})
    inject(simulator, FaultKind.PRICE_TRADED, market=SYMBOL, price=Decimal("144"))
    assert (await alice.call("get_open_orders"))[1] == []


async def test_a_trade_that_the_bands_do_not_allow_leaves_nothing_behind(simulator: Simulator) -> None:
    """Nobody may sell below the mean mark price's band (API §5.2), so that the bid there stays alone and goes."""
    before = levels(simulator.exchange, PERP)
    with pytest.raises(Refusal, match="do not allow this trade"):
        inject(simulator, FaultKind.PRICE_TRADED, market=PERP, price=Decimal("135"))
    assert levels(simulator.exchange, PERP) == before


async def test_a_trade_that_is_impossible_is_refused(simulator: Simulator) -> None:
    for price in ("1000000", "150.123"):
        with pytest.raises(Refusal):
            inject(simulator, FaultKind.PRICE_TRADED, market=SYMBOL, price=Decimal(price))
    inject(simulator, FaultKind.MARKET_STATE, market=SYMBOL, state=OrderBookState.CLOSED)
    with pytest.raises(Refusal):
        inject(simulator, FaultKind.PRICE_TRADED, market=SYMBOL, price=Decimal("150"))
    assert [row["kind"] for row in simulator.faults.payload() if row["isActive"]] == ["market_state"]


async def test_a_refusal_in_a_later_second_is_tried_again(simulator: Simulator, alice: Client) -> None:
    await alice.call("execute_order", ORDER)
    fault_id = inject(simulator, FaultKind.PRICE_TRADED, account=alice.key, count=2)
    assert simulator.faults.struck_count(fault_id) == 1
    await alice.call("execute_order", {**ORDER, "clientId": 8})
    closed = inject(simulator, FaultKind.MARKET_STATE, market=SYMBOL, state=OrderBookState.CLOSED)
    simulator.advance_clock(1)
    assert simulator.faults.struck_count(fault_id) == 1
    simulator.faults.end(closed)
    simulator.advance_clock(1)
    assert simulator.faults.struck_count(fault_id) == 2
    assert (await alice.call("get_open_orders"))[1] == []


async def test_a_position_is_liquidated(simulator: Simulator, private: Stream, alice: Client) -> None:
    place(simulator, "x", limit("Ask", "150", "5", symbol=PERP))
    place(simulator, "x", limit("Bid", "149.5", "3", symbol=PERP))
    await alice.call("execute_order", {**ORDER, "symbol": PERP, "quantity": "5"})
    await alice.call("execute_order", ORDER)
    await private.settle()
    inject(simulator, FaultKind.POSITION_LIQUIDATED, account=alice.key, market=PERP)
    events = [frame["data"] for frame in await private.settle()]
    assert (events[0]["e"], events[0]["R"], events[0]["s"]) == ("orderExpired", "Liquidation", SYMBOL)
    fills = [(data["O"], Decimal(data["l"])) for data in events if data["e"] == "orderFill"]
    assert fills == [("LIQUIDATION_AUTOCLOSE", Decimal(3)), ("BACKSTOP_LIQUIDITY_PROVIDER", Decimal(2))]
    assert (await alice.call("get_positions"))[1] == []
    kinds = {row["systemOrderType"] for row in (await alice.call("get_fills"))[1]}
    assert kinds == {None, "LiquidatePositionOnBook", "LiquidatePositionOnBackstop"}
    status, answer = await alice.call("execute_order", {**ORDER, "clientId": 11})
    assert status == 200, answer


async def test_only_the_position_in_a_market_is_liquidated(simulator: Simulator, alice: Client) -> None:
    perps = [PERP, "ETH_USDC_PERP", "BTC_USDC_PERP"]
    for symbol in perps:
        price = str(simulator.exchange.markets[symbol].mark_price)
        place(simulator, "x", limit("Ask", price, "0.1", symbol=symbol))
        await alice.call("execute_order", {**ORDER, "symbol": symbol, "price": price, "quantity": "0.1"})
    assert set(simulator.exchange.ledger.positions(alice.key)) == set(perps)
    inject(simulator, FaultKind.POSITION_LIQUIDATED, account=alice.key, market="ETH_USDC_PERP")
    assert set(simulator.exchange.ledger.positions(alice.key)) == set(perps) - {"ETH_USDC_PERP"}


async def test_a_liquidation_waits_for_a_position(simulator: Simulator, alice: Client) -> None:
    fault_id = inject(simulator, FaultKind.POSITION_LIQUIDATED, account=alice.key)
    assert simulator.faults.struck_count(fault_id) == 0
    place(simulator, "x", limit("Bid", "150", "1", symbol=PERP))
    await alice.call("execute_order", {**ORDER, "symbol": PERP, "side": "Ask", "quantity": "1"})
    assert simulator.exchange.net_quantity(alice.key, PERP) == -1
    simulator.advance_clock(1)
    assert simulator.faults.struck_count(fault_id) == 1
    assert simulator.exchange.net_quantity(alice.key, PERP) == 0


async def test_background_orders_are_left_alone(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=True) as simulator:
        fault_id = inject(simulator, FaultKind.ORDER_CANCELLED)
        assert simulator.faults.struck_count(fault_id) == 0


async def test_a_position_is_liquidated_while_the_client_is_away(
    simulator: Simulator, private: Stream, http: aiohttp.ClientSession, alice: Client
) -> None:
    place(simulator, "x", limit("Ask", "150", "1", symbol=PERP))
    await alice.call("execute_order", {**ORDER, "symbol": PERP, "quantity": "1"})
    await private.settle()
    inject(simulator, FaultKind.SOCKET_DROPPED)
    refusing = inject(simulator, FaultKind.SOCKET_REFUSED)
    inject(simulator, FaultKind.POSITION_LIQUIDATED, account=alice.key)
    assert (await private.socket.receive(LIMIT_S)).type is not aiohttp.WSMsgType.TEXT
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await http.ws_connect(simulator.ws_url)
    simulator.faults.end(refusing)
    async with http.ws_connect(simulator.ws_url) as socket:
        back = Stream(socket)
        await back.send(alice.subscription(ORDERS))
        assert await back.settle() == []  # the stream does not tell what was missed; REST does
    assert (await alice.call("get_positions"))[1] == []
    newest = (await alice.call("get_fills"))[1][0]
    assert (newest["systemOrderType"], newest["side"]) == ("LiquidatePositionOnBackstop", "Ask")


async def test_orders_are_filled_while_the_client_is_away(
    simulator: Simulator, private: Stream, http: aiohttp.ClientSession, alice: Client
) -> None:
    """What a script does: cut all connections, let things happen, let the client back."""
    for client_id in range(3):
        await alice.call("execute_order", {**ORDER, "clientId": client_id})
    await private.settle()
    away: list[Any] = [
        inject(simulator, FaultKind.SOCKET_REFUSED),
        inject(simulator, FaultKind.REQUEST_LOST),
    ]
    inject(simulator, FaultKind.SOCKET_DROPPED)
    inject(simulator, FaultKind.PRICE_TRADED, market=SYMBOL, price=Decimal("150"), quantity=Decimal("3"))
    inject(simulator, FaultKind.ORDER_CANCELLED, account=alice.key)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await http.ws_connect(simulator.ws_url)
    with pytest.raises(aiohttp.ClientError):
        await alice.call("get_open_orders")
    for fault_id in away:
        simulator.faults.end(fault_id)
    rows = (await alice.call("get_order_history"))[1]
    assert sum(Decimal(row["executedQuantity"]) for row in rows) == 3
    statuses = sorted(row["status"] for row in rows)
    assert statuses in (["Cancelled", "Filled", "New"], ["Cancelled", "Filled", "PartiallyFilled"])
