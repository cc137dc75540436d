"""Faults between a request and its answer, as a client sees them."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.enums import Side
from backpack_connector.simulator import Simulator, faults_requests, running_simulator
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.simulator.faults_support import LATE_S, ORDER, inject, is_lost, orders_of, timed, until
from tests.simulator.streams import LIMIT_S
from tests.simulator.support import SYMBOL, Client


def open_orders(simulator: Simulator, client: Client) -> Any:
    return simulator.exchange.open_account(client.key).open_orders


async def test_a_delayed_request_reaches_the_exchange_later(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.REQUEST_DELAYED, operations=("execute_order",), delay_s=LATE_S)
    assert (await timed(alice.call("get_balances")))[0] < LATE_S
    placing = asyncio.ensure_future(timed(alice.call("execute_order", ORDER)))
    assert (await alice.call("get_open_orders"))[1] == []
    seconds, (status, _) = await placing
    assert status == 200
    assert LATE_S <= seconds < LIMIT_S
    assert orders_of(simulator, alice) == [7]


async def test_a_request_that_is_late_enough_has_expired_on_the_way(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.REQUEST_DELAYED, delay_s=LATE_S)
    now_ms = alice.now_ms()
    alice.now_ms = lambda: now_ms - 4_900  # type: ignore[method-assign]
    status, answer = await alice.call("execute_order", ORDER)
    assert (status, answer["message"]) == (400, "Request has expired")
    assert orders_of(simulator, alice) == []


async def test_a_delayed_answer_comes_after_the_execution(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.ANSWER_DELAYED, operations=("execute_order",), delay_s=LATE_S)
    placing = asyncio.ensure_future(timed(alice.call("execute_order", ORDER)))
    await until(lambda: orders_of(simulator, alice) == [7])
    assert not placing.done()
    seconds, (status, _) = await placing
    assert (status, seconds >= LATE_S) == (200, True)


async def test_jitter_is_added_by_chance_and_the_seed_repeats_it(simulator: Simulator) -> None:
    delays = []
    for _ in range(2):
        (fault_id,) = simulator.faults.inject(
            Fault(kind=FaultKind.ANSWER_DELAYED, delay_s=1, jitter_s=0.5, seed=3, operations=("ping",))
        )
        active = simulator.faults._active.known(fault_id)
        assert active is not None
        delays.append([active.delay_s() for _ in range(20)])
        simulator.faults.end()
    assert delays[0] == delays[1]
    assert len(set(delays[0])) == 20
    assert 1 <= min(delays[0]) < 1.1 < 1.4 < max(delays[0]) <= 1.5


async def test_a_lost_request_never_reaches_the_exchange(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.REQUEST_LOST, operations=("execute_order",), count=1)
    assert await is_lost(alice.call("execute_order", ORDER))
    assert orders_of(simulator, alice) == []
    assert (await alice.call("execute_order", ORDER))[0] == 200


async def test_a_lost_answer_leaves_the_order_on_the_book(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.ANSWER_LOST, operations=("execute_order",), count=1)
    assert await is_lost(alice.call("execute_order", ORDER))
    assert orders_of(simulator, alice) == [7]
    assert simulator.exchange.markets[SYMBOL].book.side(Side.BID).best is not None
    assert (await alice.call("get_open_orders"))[1][0]["clientId"] == 7


async def test_a_connection_can_hang_before_it_is_lost(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.ANSWER_LOST, operations=("execute_order",), delay_s=LATE_S)
    seconds, was_lost = await timed(is_lost(alice.call("execute_order", ORDER)))
    assert was_lost
    assert LATE_S <= seconds < LIMIT_S


async def test_a_client_that_has_hung_up_meanwhile_changes_nothing(
    simulator: Simulator, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []

    async def hang_up(*arguments: Any) -> Any:
        ended.append(await real(*arguments))
        return ended[-1]

    real = faults_requests._hang_up
    monkeypatch.setattr(faults_requests, "_hang_up", hang_up)
    fault_id = inject(simulator, FaultKind.ANSWER_LOST, operations=("execute_order",), delay_s=LATE_S)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(alice.call("execute_order", ORDER), LATE_S / 4)
    assert orders_of(simulator, alice) == [7]
    await until(lambda: ended)
    simulator.faults.end(fault_id)
    assert (await alice.call("execute_order", {**ORDER, "clientId": 8}))[0] == 200


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.RATE_LIMITED, 429, "TOO_MANY_REQUESTS"),
        (FaultKind.TIMED_OUT, 500, "TIMEOUT"),
        (FaultKind.UNAVAILABLE, 503, "MAINTENANCE"),
    ],
)
@pytest.mark.parametrize("is_executed", [None, True])
async def test_error_answers_tell_nothing_about_the_execution(
    simulator: Simulator, alice: Client, kind: FaultKind, status: int, code: str, is_executed: bool | None
) -> None:
    inject(simulator, kind, operations=("execute_order",), is_executed=is_executed, count=1)
    answered, answer = await alice.call("execute_order", ORDER)
    assert (answered, answer["code"], sorted(answer)) == (status, code, ["code", "message"])
    assert orders_of(simulator, alice) == ([7] if is_executed else [])
    assert (await alice.call("execute_order", ORDER))[0] == 200


@pytest.mark.parametrize("is_executed", [None, True])
async def test_the_cdn_answers_with_a_page(simulator: Simulator, alice: Client, is_executed: bool | None) -> None:
    inject(simulator, FaultKind.ANSWER_HTML, operations=("execute_order",), is_executed=is_executed)
    status, page = await alice.call("execute_order", ORDER)
    assert status == 502
    assert page.startswith("<!DOCTYPE html>")
    async with alice.session.post(f"{simulator.rest_url}/api/v1/order") as response:
        assert response.content_type == "text/html"
    assert orders_of(simulator, alice) == ([7] if is_executed else [])


async def test_a_truncated_answer_is_half_of_the_text(simulator: Simulator, alice: Client) -> None:
    fault_id = inject(simulator, FaultKind.ANSWER_TRUNCATED, operations=("get_markets", "execute_order", "ping"))
    url = f"{simulator.rest_url}/api/v1/markets"
    async with alice.session.get(url) as response:
        half = await response.read()
        assert (response.status, response.content_type) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        await alice.call("execute_order", ORDER)
    assert orders_of(simulator, alice) == [7]
    assert (await alice.call("ping"))[1] == "po"
    simulator.faults.end(fault_id)
    async with alice.session.get(url) as response:
        whole = await response.read()
    assert whole[: len(half)] == half
    assert len(half) == len(whole) // 2


async def test_a_deferred_cancel_is_accepted_and_done_later(simulator: Simulator, alice: Client) -> None:
    await alice.call("execute_order", ORDER)
    inject(simulator, FaultKind.CANCEL_DEFERRED, delay_s=LATE_S)
    cancel = {"symbol": SYMBOL, "clientId": 7}
    seconds, answer = await timed(alice.call("cancel_order", cancel))
    assert answer == (202, "")
    assert seconds < LATE_S
    assert len((await alice.call("get_open_orders"))[1]) == 1
    # The second one will find nothing, and nobody is told.
    assert (await alice.call("cancel_order", cancel))[0] == 202
    under_way = list(simulator.faults._later)
    await until(lambda: not open_orders(simulator, alice))
    await asyncio.wait(under_way)
    assert [task.exception() for task in under_way] == [None, None]
    (row,) = (await alice.call("get_order_history"))[1]
    assert row["status"] == "Cancelled"


async def test_only_cancels_of_a_market_are_deferred(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.CANCEL_DEFERRED, delay_s=0, market=SYMBOL)
    statuses = [(await alice.call("cancel_open_orders", {"symbol": symbol}))[0] for symbol in (SYMBOL, "ETH_USDC")]
    assert statuses == [202, 200]


async def test_a_deferred_cancel_of_a_market_cancels_later_too(simulator: Simulator, alice: Client) -> None:
    await alice.call("execute_order", ORDER)
    inject(simulator, FaultKind.CANCEL_DEFERRED, operations=("cancel_open_orders",), delay_s=0, count=1)
    assert await alice.call("cancel_open_orders", {"symbol": SYMBOL}) == (202, "")
    await until(lambda: not open_orders(simulator, alice))
    assert await alice.call("cancel_open_orders", {"symbol": SYMBOL}) == (200, [])


async def test_a_simulator_that_stops_does_not_wait_for_deferred_cancels(http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=False) as simulator:
        alice = Client(simulator, http)
        await alice.call("execute_order", ORDER)
        inject(simulator, FaultKind.CANCEL_DEFERRED, delay_s=600)
        assert (await alice.call("cancel_order", {"symbol": SYMBOL, "clientId": 7}))[0] == 202
    assert not [task for task in asyncio.all_tasks() if "_run_later" in repr(task)]
    assert len(open_orders(simulator, alice)) == 1


async def test_a_deferred_cancel_is_still_authenticated(simulator: Simulator, alice: Client, bob: Client) -> None:
    inject(simulator, FaultKind.CANCEL_DEFERRED, delay_s=0)
    headers = {"X-API-Key": bob.key}
    status, answer = await alice.call("cancel_order", {"symbol": SYMBOL, "clientId": 7}, headers=headers)
    assert (status, answer["message"]) == (400, "Invalid signature")


async def test_scope_operation_account_and_market(simulator: Simulator, alice: Client, bob: Client) -> None:
    inject(simulator, FaultKind.TIMED_OUT, operations=("execute_order", "get_depth"), account=alice.key, market=SYMBOL)
    assert (await alice.call("execute_order", ORDER))[0] == 500
    assert (await bob.call("execute_order", ORDER))[0] == 200
    assert (await alice.call("execute_order", {**ORDER, "symbol": "ETH_USDC", "price": "4000", "quantity": "0.1"}))[
        0
    ] == 200
    assert (await alice.call("cancel_order", {"symbol": SYMBOL, "clientId": 1}))[0] == 400
    assert (await alice.call("get_depth", {"symbol": SYMBOL}))[0] == 200  # belongs to no account


async def test_a_batch_is_about_each_of_its_markets(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.TIMED_OUT, market="ETH_USDC")
    batch = [ORDER, {**ORDER, "symbol": "ETH_USDC", "price": "2000"}]
    assert (await alice.call("execute_order_batch", batch))[0] == 500
    assert (await alice.call("execute_order_batch", batch[:1]))[0] == 200
    assert (await alice.call("get_depth", {"symbol": "ETH_USDC"}))[0] == 500
    assert (await alice.call("get_depth", {"symbol": SYMBOL}))[0] == 200


async def test_what_cannot_be_read_is_still_refused_as_always(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.TIMED_OUT, market=SYMBOL)
    for body in ("{", "[7]", '{"symbol": 7}', "7"):
        assert (await alice.call("execute_order", ORDER, body=body))[0] == 400


async def test_skip_count_and_probability_choose_the_occasions(simulator: Simulator, alice: Client) -> None:
    first = inject(simulator, FaultKind.TIMED_OUT, operations=("ping",), skip=2, count=3)
    assert [(await alice.call("ping"))[0] for _ in range(8)] == [200, 200, 500, 500, 500, 200, 200, 200]
    assert simulator.faults.struck_count(first) == 3
    simulator.faults.end()
    patterns = []
    for seed in (1, 1, 2):
        inject(simulator, FaultKind.TIMED_OUT, operations=("ping",), probability=0.5, seed=seed)
        patterns.append([(await alice.call("ping"))[0] for _ in range(40)])
        simulator.faults.end()
    assert patterns[0] == patterns[1] != patterns[2]
    assert 8 < patterns[0].count(500) < 32


async def test_several_faults_add_up(simulator: Simulator, alice: Client) -> None:
    inject(simulator, FaultKind.REQUEST_DELAYED, delay_s=LATE_S)
    inject(simulator, FaultKind.ANSWER_DELAYED, delay_s=LATE_S)
    inject(simulator, FaultKind.RATE_LIMITED, count=1)
    seconds, (status, _) = await timed(alice.call("ping"))
    assert status == 429
    assert seconds >= 2 * LATE_S
