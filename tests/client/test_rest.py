"""The REST client against the real simulator: what is sent, how often, and what comes of it."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol import errors
from backpack_connector.protocol.endpoints import ENDPOINTS
from backpack_connector.protocol.rate_limits import HISTORICAL_POOL, STANDARD_POOL
from backpack_connector.protocol.signing import Credentials
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.spot.stream_double import HANG_UP, Reply, StreamDouble, failure

SYMBOL = "SOL_USDC"
ORDER = {
    "symbol": SYMBOL,
    "side": "Bid",
    "orderType": "Limit",
    "price": Decimal("100"),
    "quantity": Decimal("1.50"),
    "clientId": 7,
    "postOnly": True,
}


async def test_public_operations_need_no_keys(new_client: Callable[..., BackpackClient]) -> None:
    client = new_client(credentials=None)
    assert await client.request("ping") == "pong"
    assert (await client.request("get_status"))["status"] == "Ok"
    assert {row["symbol"] for row in await client.request("get_markets")} > {SYMBOL}


async def test_an_order_lives_and_is_cancelled(client: BackpackClient) -> None:
    placed = await client.request("execute_order", ORDER)
    assert (placed["clientId"], placed["quantity"], placed["status"]) == (7, "1.5", "New")
    assert [row["id"] for row in await client.request("get_open_orders")] == [placed["id"]]
    cancelled = await client.request("cancel_order", {"symbol": SYMBOL, "orderId": placed["id"]})
    assert cancelled["status"] == "Cancelled"
    assert await client.request("get_open_orders", {"symbol": SYMBOL}) == []


async def test_a_batch_signs_each_of_its_orders(client: BackpackClient) -> None:
    batch = [ORDER, {**ORDER, "clientId": 8}]
    results = await client.request("execute_order_batch", batch)
    assert [row["operation"] for row in results] == ["Ok", "Ok"]


async def test_signed_operation_without_keys_sends_nothing(
    new_client: Callable[..., BackpackClient], double: StreamDouble
) -> None:
    client = new_client(credentials=None, url=double.url)
    with pytest.raises(errors.ConfigurationError, match="needs an API key"):
        await client.request("get_balances")
    assert double.count("get_balances") == 0


async def test_unknown_operation_sends_nothing(recorded: BackpackClient, double: StreamDouble) -> None:
    with pytest.raises(errors.ConfigurationError, match="no operation 'get_rich'"):
        await recorded.request("get_rich")
    assert double.requests == []


async def test_time_is_asked_once_before_the_first_signed_request(
    recorded: BackpackClient, double: StreamDouble
) -> None:
    await asyncio.gather(*(recorded.request("get_balances") for _ in range(5)))
    assert (double.count("get_time"), double.count("get_balances")) == (1, 5)


async def test_nothing_is_signed_while_the_time_is_unknown(recorded: BackpackClient, double: StreamDouble) -> None:
    double.answer("get_time", Reply("soon"))
    with pytest.raises(errors.WireFormatError, match="get_time: expected milliseconds, got 'soon'"):
        await recorded.request("execute_order", ORDER)
    double.answer("get_time", failure(503, "MAINTENANCE", "later"))
    with pytest.raises(errors.Unavailable):
        await recorded.request("execute_order", ORDER)
    assert double.count("execute_order") == 0


async def test_refused_time_stamp_is_repeated_with_the_right_time(
    recorded: BackpackClient, double: StreamDouble, simulator: Simulator
) -> None:
    await recorded.request("get_balances")
    simulator.faults.inject(Fault(kind=FaultKind.CLOCK_SKEWED, offset_s=3600.0))
    assert (await recorded.request("execute_order", ORDER))["status"] == "New"
    assert (double.count("execute_order"), double.count("get_time")) == (2, 2)


async def test_time_stamp_that_is_refused_again_is_given_up(recorded: BackpackClient, double: StreamDouble) -> None:
    double.answer("execute_order", failure(400, "INVALID_CLIENT_REQUEST", "Request has expired"))
    with pytest.raises(errors.ClockSkew):
        await recorded.request("execute_order", ORDER)
    assert double.count("execute_order") == 2


@pytest.mark.parametrize(
    ("reply", "error", "is_known"),
    [
        (HANG_UP, errors.NoAnswer, False),
        (failure(503, "MAINTENANCE", "later"), errors.Unavailable, False),
        (failure(500, "TIMEOUT", "?"), errors.Unavailable, False),
        (failure(429, "TOO_MANY_REQUESTS", "slow down"), errors.RateLimited, False),
        (Reply("<html>Bad gateway</html>", 502), errors.Unavailable, False),
        (failure(400, "INVALID_ORDER", "Order would immediately match and take"), errors.WouldTake, True),
        (failure(401, "UNAUTHORIZED", "no"), errors.AuthenticationRefused, True),
    ],
)
@pytest.mark.parametrize("operation", ["execute_order", "cancel_order", "get_open_orders"])
async def test_failure_is_told_once_and_nothing_is_sent_twice(
    operation: str,
    reply: Reply,
    error: type[errors.RequestError],
    is_known: bool,
    recorded: BackpackClient,
    double: StreamDouble,
) -> None:
    double.answer(operation, reply)
    with pytest.raises(error) as caught:
        await recorded.request(operation, {"symbol": SYMBOL})
    assert caught.value.outcome_known is is_known
    assert caught.value.operation == operation
    assert double.count(operation) == 1


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_kept_alive_connection_that_is_lost_repeats_nothing(method: str, key_pair: tuple[str, str]) -> None:
    """On a socket of its own: aiohttp repeats GET and DELETE by itself when a kept-alive connection is lost."""
    arrived: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            arrived.append(head.split(b" ", 1)[0].decode())
            length = next((int(row.split(b":")[1]) for row in head.split(b"\r\n") if b"Content-Length" in row), 0)
            await reader.readexactly(length)
            if len(arrived) > 1:
                break
            text = str(int(time.time()) * 10**3).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, BackpackClient(url=f"http://127.0.0.1:{port}", credentials=Credentials(*key_pair)) as client:
        await client.synchronize_clock()
        operation = {"GET": "get_open_orders", "DELETE": "cancel_order"}[method]
        with pytest.raises(errors.NoAnswer):
            await client.request(operation, {"symbol": SYMBOL})
    assert arrived == ["GET", method]


async def test_answer_that_does_not_come_is_no_answer(
    new_client: Callable[..., BackpackClient], double: StreamDouble
) -> None:
    client = new_client(url=double.url, timeout_s=0.2)
    await client.synchronize_clock()
    double.answer("execute_order", Reply({}, delay_s=5.0))
    with pytest.raises(errors.NoAnswer, match=r"execute_order: no answer from the exchange") as caught:
        await client.request("execute_order", ORDER)
    assert not caught.value.outcome_known


async def test_exchange_that_cannot_be_reached_is_no_answer(
    new_client: Callable[..., BackpackClient], unused_tcp_port: int
) -> None:
    client = new_client(url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(errors.NoAnswer, match="no answer from the exchange"):
        await client.request("get_open_orders")


async def test_empty_answer_of_a_deferred_cancel_is_none(client: BackpackClient, simulator: Simulator) -> None:
    placed = await client.request("execute_order", ORDER)
    simulator.faults.inject(Fault(kind=FaultKind.CANCEL_DEFERRED, delay_s=0.0))
    assert await client.request("cancel_order", {"symbol": SYMBOL, "orderId": placed["id"]}) is None


async def test_redirection_does_not_carry_the_signature_elsewhere(key_pair: tuple[str, str]) -> None:
    seen: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    application = web.Application()
    application.router.add_get("/{path:.*}", redirect)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with BackpackClient(url=f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
        with pytest.raises(errors.Unavailable, match="302"):
            await client.request("get_status")
    await runner.cleanup()
    assert seen == ["/api/v1/status"]


async def test_requests_are_counted_in_the_pools_of_the_account(new_client: Callable[..., BackpackClient]) -> None:
    one, two = new_client(), new_client(share=Decimal("0.5"))
    await one.request("get_balances")
    await two.request("get_fills")
    for client, limits in ((one, (2_000, 30)), (two, (1_000, 15))):
        pools = client.pools
        assert [pools.pool(row).used for row in (STANDARD_POOL, HISTORICAL_POOL)] == [3, 1]
        assert tuple(pools.pool(row).limit for row in (STANDARD_POOL, HISTORICAL_POOL)) == limits


async def test_every_operation_of_the_catalogue_can_be_asked_for(
    recorded: BackpackClient, double: StreamDouble
) -> None:
    await recorded.synchronize_clock()
    for row in ENDPOINTS:
        double.answer(row.operation_id, Reply({"ok": True}))
        parameters: Any = [{"symbol": SYMBOL}] if row.is_batch else {"symbol": SYMBOL}
        await recorded.request(row.operation_id, parameters)
    assert {seen.operation_id for seen in double.requests} == {row.operation_id for row in ENDPOINTS}


async def test_secret_is_in_no_error(key_pair: tuple[str, str], unused_tcp_port: int) -> None:
    async with BackpackClient(url=f"http://127.0.0.1:{unused_tcp_port}", credentials=Credentials(*key_pair)) as client:
        with pytest.raises(errors.NoAnswer) as caught:
            await client.request("get_balances")
    assert key_pair[1] not in f"{caught.value!r} {caught.value} {client!r}"


async def test_client_that_was_closed_opens_again(client: BackpackClient) -> None:
    await client.request("ping")
    await client.close()
    assert await client.request("ping") == "pong"
