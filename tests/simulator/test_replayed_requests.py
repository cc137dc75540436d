"""A request that somebody has read and sends again: commands count once, questions may be repeated."""

from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.endpoints import ENDPOINTS, endpoint
from backpack_connector.protocol.rest import RestRequest, build_request
from backpack_connector.protocol.signing import Credentials
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.authentication import UsedSignatures
from backpack_connector.simulator.clock import Clock
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.streams import Stream
from tests.simulator.support import SYMBOL, Client, limit, state_of

ORDER = {"symbol": SYMBOL, "side": "Bid", "orderType": "Limit", "price": "150", "quantity": "1"}
LEND = {"side": "Lend", "symbol": "USDC", "quantity": "10"}
REPEATED = (400, {"code": "INVALID_CLIENT_REQUEST", "message": "Request has been received before"})
EXPIRED = (400, {"code": "INVALID_CLIENT_REQUEST", "message": "Request has expired"})
NOW_US = 1_790_949_600_000_000


@pytest.fixture
def clock() -> Clock:
    return lambda: NOW_US


def signed(client: Client, operation: str, fields: Any = None, **options: Any) -> RestRequest:
    return build_request(
        endpoint(operation), fields, credentials=client.credentials, timestamp_ms=client.now_ms(), **options
    )


async def send(client: Client, request: RestRequest, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    async with client.session.request(
        request.method,
        client.simulator.rest_url + request.path,
        params=request.query,
        data=request.body,
        headers={**request.headers, **(headers or {})},
    ) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("execute_order", ORDER),
        ("execute_order_batch", [ORDER, ORDER]),
        ("execute_borrow_lend", LEND),
        ("update_account_settings", {"leverageLimit": "5"}),
        ("cancel_open_orders", {"symbol": SYMBOL}),
        ("submit_rfq", {"symbol": f"{SYMBOL}_RFQ", "side": "Bid", "quantity": "1"}),
    ],
)
async def test_a_command_is_carried_out_once(simulator: Simulator, alice: Client, operation: str, fields: Any) -> None:
    request = signed(alice, operation, fields)
    url = simulator.rest_url + request.path
    async with alice.session.request(request.method, url, data=request.body, headers=request.headers) as response:
        assert response.status == 200
    before = state_of(simulator.exchange)
    for _ in range(2):
        assert await send(alice, request) == REPEATED
    assert state_of(simulator.exchange) == before


async def test_the_text_that_is_signed_counts_not_how_it_is_sent(simulator: Simulator, alice: Client) -> None:
    request = signed(alice, "execute_order", ORDER)
    assert (await send(alice, request))[0] == 200
    before = state_of(simulator.exchange)
    assert request.body is not None
    spaced = request.body.replace(b":", b" : ")
    batch = signed(alice, "execute_order_batch", [ORDER])
    assert batch.headers["X-Signature"] == request.headers["X-Signature"]
    for other in (replace(request, body=spaced), batch):
        assert await send(alice, other) == REPEATED
    assert state_of(simulator.exchange) == before


async def test_a_refused_command_is_refused_again(simulator: Simulator, alice: Client, bob: Client) -> None:
    request = signed(alice, "execute_order", ORDER | {"quantity": "1000000"})
    assert (await send(alice, request))[1]["code"] == "INSUFFICIENT_FUNDS"
    simulator.exchange.ledger.deposit(alice.key, "USDC", Decimal(10**9))  # and with it the order could be placed
    assert await send(alice, request) == REPEATED
    # What was never authenticated has not been received: nobody can use up the requests of others.
    good = signed(alice, "execute_order", ORDER)
    assert (await send(alice, good, {"X-API-Key": bob.key}))[1]["message"] == "Invalid signature"
    assert (await send(alice, good))[0] == 200


async def test_an_equal_command_with_another_time_is_another_command(simulator: Simulator, alice: Client) -> None:
    ids = {(await alice.call("execute_order", ORDER))[1]["id"] for _ in range(3)}
    assert len(ids) == len(simulator.exchange.accounts.get(alice.key).open_orders) == 3  # type: ignore[union-attr]


async def test_after_its_window_a_command_has_expired_and_is_forgotten(simulator: Simulator, alice: Client) -> None:
    first = signed(alice, "execute_order", ORDER)
    assert (await send(alice, first))[0] == 200
    simulator.advance_clock(5)
    assert await send(alice, first) == REPEATED  # at the end of its window
    assert len(simulator.used_signatures) == 1
    simulator.advance_clock(0.001)
    assert await send(alice, first) == EXPIRED
    assert (await send(alice, signed(alice, "cancel_open_orders", {"symbol": SYMBOL})))[0] == 200
    assert len(simulator.used_signatures) == 1


async def test_questions_and_subscriptions_may_be_repeated(
    simulator: Simulator, http: aiohttp.ClientSession, alice: Client
) -> None:
    question = signed(alice, "get_balances")
    assert [(await send(alice, question))[0] for _ in range(3)] == [200] * 3
    assert len(simulator.used_signatures) == 0
    frame = alice.subscription("account.orderUpdate")
    for _ in range(2):
        async with http.ws_connect(simulator.ws_url, autoping=False) as socket:
            stream = Stream(socket)
            for _ in range(2):
                await stream.send(frame)
            assert await stream.settle() == []
            simulator.publish(simulator.exchange.place(alice.key, limit("Ask", "151", "1")))
            assert [row["data"]["e"] for row in await stream.settle()] == ["orderAccepted"]


@pytest.mark.parametrize("row", [row for row in ENDPOINTS if row.is_signed], ids=lambda row: row.operation_id)
def test_every_operation_that_is_no_question_uses_its_signature(row: Any) -> None:
    key = Credentials("zDIJj9qneWIY0IYZ5aXoHcNMCm+XDhVcTssiT0HyY0A=", "4odxgSUxFrC/zsKWZF4OQwYAgnNu9hnWH3NxWfLAPz4=")
    headers = {"X-Signature": key.sign("x"), "X-Timestamp": "1000"}
    used = UsedSignatures()
    used.use(row, headers, 1_000)
    if row.method == "GET":
        used.use(row, headers, 1_000)
    else:
        with pytest.raises(Refusal, match="Request has been received before"):
            used.use(row, headers, 1_000)


async def test_our_client_may_send_equal_commands_in_one_millisecond(
    simulator: Simulator, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with BackpackClient(url=simulator.rest_url, credentials=alice.credentials) as client:
        await client.synchronize_clock()
        monkeypatch.setattr(client.clock, "now_ms", alice.now_ms)
        orders = [await client.request("execute_order", ORDER) for _ in range(5)]
    assert len({order["id"] for order in orders}) == 5
