"""The signed REST operations over a socket."""

import asyncio
import contextlib
import json
import random
import re
from typing import Any

import pytest

from backpack_connector.protocol.endpoints import ENDPOINTS, Endpoint, endpoint
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import parameters_text, present_fields
from backpack_connector.simulator import Simulator, running_simulator
from tests.protocol.samples import body as sample_body
from tests.simulator.support import SYMBOL, Client, assert_sound, limit, same_kind, state_of

ORDER = {"symbol": SYMBOL, "side": "Bid", "orderType": "Limit", "price": "150", "quantity": "1"}


def parse_failure(kind: str, what: str, payload: str = "OrderExecutePayload") -> str:
    return f'parse request payload error: failed to parse "{kind}": {what} (occurred while parsing "{payload}")'


ENUMERATION = "Expect a valid enumeration value."


async def test_a_resting_order_has_the_captured_shape(alice: Client) -> None:
    _, order = await alice.call("execute_order", {**ORDER, "price": "150.00", "clientId": 4_294_967_295})
    same_kind(order, sample_body("execute_order.limit_resting.200"))
    assert (order["status"], order["price"], order["clientId"]) == ("New", "150", 4_294_967_295)
    assert (order["reduceOnly"], order["timeInForce"], order["postOnly"]) == (None, "GTC", False)


async def test_a_market_order_shows_quote_quantity_and_no_price(simulator: Simulator, alice: Client) -> None:
    simulator.exchange.place("x", limit("Ask", "150", "3"))
    _, order = await alice.call(
        "execute_order", {"symbol": SYMBOL, "side": "Bid", "orderType": "Market", "quantity": "2"}
    )
    assert (order["status"], order["executedQuoteQuantity"], order["quoteQuantity"]) == ("Filled", "300", "300")
    assert "price" not in order
    assert "postOnly" not in order


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"symbol": "NOPE_USDC"}, parse_failure("MarketSymbol", "Invalid market symbol")),
        ({"symbol": 5}, parse_failure("MarketSymbol", "Invalid market symbol")),
        ({"side": "Buy"}, parse_failure("Side", ENUMERATION)),
        ({"side": None}, parse_failure("Side", ENUMERATION)),
        ({"orderType": "LIMIT"}, parse_failure("OrderType", ENUMERATION)),
        ({"timeInForce": "gtc"}, parse_failure("TimeInForce", ENUMERATION)),
        ({"selfTradePrevention": "Allow"}, parse_failure("SelfTradePrevention", ENUMERATION)),
        ({"price": "abc"}, parse_failure("string_decimal", "Invalid decimal")),
        ({"price": 150}, parse_failure("string_decimal", "Invalid decimal")),
        ({"price": "1e3"}, parse_failure("string_decimal", "Invalid decimal")),
        ({"price": "NaN"}, parse_failure("string_decimal", "Invalid decimal")),
        ({"quantity": "٣"}, parse_failure("string_decimal", "Invalid decimal")),
        ({"quantity": "1" * 29}, parse_failure("string_decimal", "Invalid decimal")),
        ({"clientId": "7"}, parse_failure("integer_uint32", "Expected an integer of 32 bits.")),
        ({"clientId": 2**32}, parse_failure("integer_uint32", "Expected an integer of 32 bits.")),
        ({"clientId": -1}, parse_failure("integer_uint32", "Expected an integer of 32 bits.")),
        ({"postOnly": "true"}, parse_failure("boolean", "Expected input type \"boolean\", found 'true'.")),
        (
            {"triggerPrice": "140"},
            {
                "code": "INVALID_CLIENT_REQUEST",
                "message": "Must specify both `triggerPrice` and `triggerQuantity` or neither",
            },
        ),
        ({"price": "150.001"}, {"code": "INVALID_CLIENT_REQUEST", "message": "Price decimal too long"}),
        (
            {"price": "301"},
            {"code": "INVALID_PRICE", "message": "Price is too far from the last active price"},
        ),
        ({"quantity": "1000"}, {"code": "INSUFFICIENT_FUNDS", "message": "Insufficient funds"}),
    ],
)
async def test_a_bad_order_is_refused_and_changes_nothing(
    simulator: Simulator, alice: Client, change: dict[str, Any], answer: Any
) -> None:
    await alice.call("get_balances")
    before = state_of(simulator.exchange)
    assert await alice.call("execute_order", {**ORDER, **change}) == (400, answer)
    assert state_of(simulator.exchange) == before


@pytest.mark.parametrize(
    "body", ["", "[", "null", '"text"', "{}", "\x00", '{"symbol":"\\ud800"}', "1" * 5_000, "[" * 5_000]
)
@pytest.mark.parametrize("operation", ["execute_order", "cancel_order", "cancel_open_orders"])
async def test_a_body_that_is_no_order_is_answered_in_plain_text(alice: Client, operation: str, body: str) -> None:
    status, text = await alice.call(operation, ORDER, body=body or " ")
    assert status == 400
    assert isinstance(text, str)
    assert text.startswith("parse request payload error")


async def test_an_oversized_body_is_refused(simulator: Simulator, alice: Client) -> None:
    assert (await alice.call("execute_order", ORDER, body=" " * 300_000))[0] == 413
    assert list(simulator.exchange.accounts) == []


async def test_a_post_only_order_that_would_take_is_refused(simulator: Simulator, alice: Client) -> None:
    simulator.exchange.place("x", limit("Ask", "150", "3"))
    answer = {"code": "INVALID_ORDER", "message": "Order would immediately match and take"}
    assert await alice.call("execute_order", {**ORDER, "postOnly": True}) == (400, answer)


async def test_get_order_finds_resting_orders_only(simulator: Simulator, alice: Client, bob: Client) -> None:
    _, order = await alice.call("execute_order", {**ORDER, "clientId": 9})
    for ids in ({"orderId": order["id"]}, {"clientId": 9}):
        assert await alice.call("get_order", {"symbol": SYMBOL, **ids}) == (200, order)
    missing = (404, {"code": "RESOURCE_NOT_FOUND", "message": "Not Found"})
    assert await bob.call("get_order", {"symbol": SYMBOL, "orderId": order["id"]}) == missing
    assert await alice.call("get_order", {"symbol": "BTC_USDC", "orderId": order["id"]}) == missing
    await bob.call("execute_order", {**ORDER, "side": "Ask"})
    assert await alice.call("get_order", {"symbol": SYMBOL, "orderId": order["id"]}) == missing


@pytest.mark.parametrize("operation", ["get_order", "cancel_order"])
async def test_one_id_is_needed(alice: Client, operation: str) -> None:
    status, answer = await alice.call(operation, {"symbol": SYMBOL})
    assert (status, answer["message"]) == (400, "Must specify either `orderId` or `clientId`")


async def test_open_orders_of_one_or_all_markets(alice: Client) -> None:
    await alice.call("execute_order", ORDER)
    await alice.call("execute_order", {**ORDER, "symbol": "BTC_USDC", "price": "80000", "quantity": "0.01"})
    assert len((await alice.call("get_open_orders"))[1]) == 2
    assert [row["symbol"] for row in (await alice.call("get_open_orders", {"symbol": SYMBOL}))[1]] == [SYMBOL]
    assert (await alice.call("get_open_orders", {"marketType": "PERP"}))[1] == []


@pytest.mark.parametrize("as_number", [False, True])
async def test_cancel_by_order_id_as_text_or_number(alice: Client, as_number: bool) -> None:
    _, order = await alice.call("execute_order", ORDER)
    order_id = int(order["id"]) if as_number else order["id"]
    status, cancelled = await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": order_id})
    assert (status, cancelled) == (200, {**order, "status": "Cancelled"})
    again = await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": order_id})
    assert again == (400, {"code": "INVALID_CLIENT_REQUEST", "message": "Order not found"})


async def test_cancel_all_of_a_market(alice: Client) -> None:
    _, order = await alice.call("execute_order", ORDER)
    assert await alice.call("cancel_open_orders", {"symbol": SYMBOL, "orderType": "ConditionalOrder"}) == (200, [])
    _, cancelled = await alice.call("cancel_open_orders", {"symbol": SYMBOL})
    assert [row["id"] for row in cancelled] == [order["id"]]
    assert await alice.call("cancel_open_orders", {"symbol": SYMBOL}) == (200, [])


async def test_each_order_of_a_batch_has_its_own_result(alice: Client) -> None:
    status, results = await alice.call("execute_order_batch", [ORDER, {**ORDER, "quantity": "900"}, ORDER])
    assert status == 200
    assert [row["operation"] for row in results] == ["Ok", "Err", "Ok"]
    assert results[1] == {"code": "INSUFFICIENT_FUNDS", "message": "Insufficient funds", "operation": "Err"}


async def test_a_batch_with_one_unreadable_order_places_none(simulator: Simulator, alice: Client) -> None:
    assert (await alice.call("execute_order_batch", [ORDER, {**ORDER, "side": "Buy"}]))[0] == 400
    assert list(simulator.exchange.accounts) == []


async def test_a_batch_holds_at_most_fifty_orders(alice: Client) -> None:
    small = {**ORDER, "quantity": "0.01"}
    assert (await alice.call("execute_order_batch", [small] * 51))[0] == 400
    assert (await alice.call("execute_order_batch", [small], body="[]"))[0] == 400
    assert (await alice.call("execute_order_batch", [small] * 50))[0] == 200


async def test_history_of_orders(simulator: Simulator, alice: Client) -> None:
    ids = [(await alice.call("execute_order", {**ORDER, "price": price}))[1]["id"] for price in ("150", "149", "148")]
    await alice.call("cancel_order", {"symbol": SYMBOL, "orderId": ids[0]})
    simulator.exchange.place("x", limit("Ask", "149", "1"))
    _, rows = await alice.call("get_order_history", {"symbol": SYMBOL})
    assert [(row["id"], row["status"]) for row in rows] == [(ids[2], "New"), (ids[1], "Filled"), (ids[0], "Cancelled")]
    captured = sample_body("get_order_history.cancelled.200")
    for key, value in captured[0].items():
        same_kind(rows[2][key], value, key)
    _, ascending = await alice.call("get_order_history", {"sortDirection": "Asc", "limit": "1", "offset": "1"})
    assert [row["id"] for row in ascending] == [ids[1]]
    _, one = await alice.call("get_order_history", {"orderId": ids[1]})
    assert [row["id"] for row in one] == [ids[1]]


async def test_history_of_fills(simulator: Simulator, alice: Client) -> None:
    simulator.exchange.place("x", limit("Ask", "150", "3"))
    ids = [(await alice.call("execute_order", {**ORDER, "clientId": number}))[1]["id"] for number in range(3)]
    _, rows = await alice.call("get_fills")
    assert [row["orderId"] for row in rows] == ids[::-1]
    same_kind(rows, sample_body("get_fills.spot_buy.200"))
    assert (rows[0]["clientId"], rows[0]["fee"], rows[0]["feeSymbol"]) == ("2", "0.001", "SOL")
    assert len((await alice.call("get_fills", {"orderId": ids[1]}))[1]) == 1
    times_ms = [fill.time_us // 1_000 for fill in simulator.exchange.open_account(alice.key).fills]
    assert len((await alice.call("get_fills", {"from": str(times_ms[0])}))[1]) == 3
    assert (await alice.call("get_fills", {"to": str(times_ms[0])}))[1] == []
    assert (await alice.call("get_fills", {"symbol": "BTC_USDC"}))[1] == []


async def test_histories_tell_their_pages_in_headers(simulator: Simulator, alice: Client) -> None:
    for _ in range(5):
        await alice.call("execute_order", {**ORDER, "quantity": "0.01"})
    query = {"limit": "2", "offset": "2"}
    headers = alice.credentials.headers("orderHistoryQueryAll", [parameters_text(query)], alice.now_ms())
    url = f"{simulator.rest_url}/wapi/v1/history/orders"
    async with alice.session.get(url, params=query, headers=headers) as response:
        pages = {name: response.headers[name] for name in ("X-PAGE-COUNT", "X-CURRENT-PAGE", "X-PAGE-SIZE", "X-TOTAL")}
    assert pages == {"X-PAGE-COUNT": "3", "X-CURRENT-PAGE": "1", "X-PAGE-SIZE": "2", "X-TOTAL": "5"}


async def test_account_and_its_settings(alice: Client) -> None:
    await alice.call("execute_order", ORDER)
    _, before = await alice.call("get_account")
    assert (before["spotMakerFee"], before["spotTakerFee"], before["limitOrders"]) == ("8", "10", 1)
    assert await alice.call("update_account_settings", {"autoLend": True, "leverageLimit": "20"}) == (200, "")
    _, after = await alice.call("get_account")
    assert after == {**before, "autoLend": True, "leverageLimit": "20"}
    assert (await alice.call("update_account_settings", {"leverageLimit": "0"}))[0] == 400


async def test_balances_have_the_captured_shape(alice: Client) -> None:
    _, balances = await alice.call("get_balances")
    same_kind(balances["USDC"], sample_body("get_balances.200")["USDC"])


async def test_collateral_counts_everything_in_dollars(alice: Client) -> None:
    await alice.call("execute_order", ORDER)
    _, summary = await alice.call("get_collateral")
    expected = 10_000 + 1_000 * 0.9998 + (50 * 150 + 0.2 * 86_700 + 2 * 2_760 + 50_000 * 0.0215) * 0.9
    assert float(summary["netEquity"]) == pytest.approx(expected)
    assert summary["netEquityLocked"] == "150"


async def test_there_are_no_loans_and_no_positions(alice: Client) -> None:
    assert await alice.call("get_borrow_lend_positions") == (200, [])
    assert await alice.call("get_positions") == (200, [])


async def test_every_operation_is_there(simulator: Simulator) -> None:
    sessions = simulator._capital_control.web_sessions
    private = simulator._private
    answered = {*simulator._public.operations, *private.queries, *private.bodies, *sessions.operations}
    assert {row.operation_id for row in ENDPOINTS} - answered == set()


async def test_the_pool_of_an_account_runs_out(simulator: Simulator, alice: Client, bob: Client) -> None:
    for _ in range(1_999):
        simulator.pools.count(alice.key, endpoint("get_balances"), alice.now_ms() * 1_000)
    assert [(await alice.call("get_balances"))[0] for _ in range(2)] == [200, 429]
    assert (await bob.call("get_balances"))[0] == 200


async def waiting(simulator: Simulator) -> None:
    """Let the server run until an order waits in front of the engine."""
    for _ in range(1_000):
        if simulator.sequencer.waiting_count:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("no order waits")


@pytest.mark.parametrize("symbol", [SYMBOL, "SOL_USDC_PERP"])
async def test_takers_wait_and_cancels_do_not(alice: Client, symbol: str) -> None:
    order_fields = {**ORDER, "symbol": symbol}
    async with running_simulator(background=False, taker_delay_s=0.1) as simulator:
        client = Client(simulator, alice.session)
        _, resting = await client.call("execute_order", {**order_fields, "postOnly": True})
        order = asyncio.ensure_future(client.call("execute_order", {**order_fields, "side": "Ask"}))
        await waiting(simulator)
        status, cancelled = await client.call("cancel_order", {"symbol": symbol, "orderId": resting["id"]})
        assert (status, cancelled["status"]) == (200, "Cancelled")
        assert (await order)[1]["status"] == "New"


@pytest.mark.parametrize(
    ("operation", "orders"),
    [("execute_order", {**ORDER, "postOnly": True}), ("execute_order_batch", [{**ORDER, "postOnly": True}] * 2)],
)
async def test_orders_that_only_post_do_not_wait(alice: Client, operation: str, orders: Any) -> None:
    async with running_simulator(background=False, taker_delay_s=30) as simulator:
        assert (await Client(simulator, alice.session).call(operation, orders))[0] == 200


async def test_a_batch_waits_once_when_one_of_its_orders_may_take(alice: Client) -> None:
    async with running_simulator(background=False, taker_delay_s=0.05) as simulator:
        client = Client(simulator, alice.session)
        batch = asyncio.ensure_future(client.call("execute_order_batch", [{**ORDER, "postOnly": True}, ORDER]))
        await waiting(simulator)
        assert simulator.sequencer.waiting_count == 1
        assert [row["operation"] for row in (await batch)[1]] == ["Ok", "Ok"]


ODD_VALUES: list[Any] = [
    *("", "0", "-1", "1e5", "NaN", "9" * 40, "é", "%&+", "\x00", SYMBOL, "WEN_USDC", "SOL_USDC_PERP"),
    *("Bid", "Limit", "1", "0.01", "1m", "1month", "99999999999999999", "Asc", "SPOT"),
    *(None, True, 1, -1, 1.5, 2**33, 10**30, [], {}, [1], {"a": 1}),
]
FIELDS = (
    *("symbol", "side", "orderType", "price", "quantity", "quoteQuantity", "clientId", "orderId", "timeInForce"),
    *("postOnly", "limit", "offset", "interval", "startTime", "endTime", "from", "to", "marketType", "leverageLimit"),
)


async def test_no_request_however_odd_breaks_the_server(simulator: Simulator, alice: Client) -> None:
    chance = random.Random(7)
    rows = [row for row in ENDPOINTS if re.search("order|fills|klines|depth|trades|account$|ticker", row.path)]
    statuses = set()
    for _ in range(1_500):
        row = chance.choice(rows)
        fields = {name: chance.choice(ODD_VALUES) for name in chance.sample(FIELDS, chance.randint(0, 5))}
        good = {**ORDER, "interval": "1h", "startTime": "1790000000"}
        fields = {**{name: value for name, value in good.items() if chance.random() < 0.8}, **fields}
        status, answer = await odd_call(alice, row, fields, chance)
        statuses.add(status)
        assert status < 500, (row.operation_id, fields, answer)
    assert {200, 400} <= statuses
    assert_sound(simulator.exchange)


async def odd_call(client: Client, row: Endpoint, fields: dict[str, Any], chance: random.Random) -> tuple[int, str]:
    body = json.dumps([fields] if row.is_batch else fields) if row.sends_body else None
    if body and chance.random() < 0.05:
        body = body[: chance.randint(0, len(body))]
    query = {} if row.sends_body else {name: json.dumps(value).strip('"') for name, value in fields.items()}
    headers: dict[str, str] = {}
    with contextlib.suppress(ConfigurationError):  # a value that cannot be signed goes out unsigned
        texts = [parameters_text(present_fields(fields if row.sends_body else query))]
        headers = client.credentials.headers(row.instruction, texts, client.now_ms()) if row.instruction else {}
    url = client.simulator.rest_url + row.path
    async with client.session.request(row.method, url, params=query, data=body, headers=headers) as response:
        return response.status, await response.text()
