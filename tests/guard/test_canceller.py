"""Cancelling against the real simulator, with its faults: everything of the silent bot, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.guard import canceller as module
from backpack_connector.guard.alarms import Sighting
from backpack_connector.guard.canceller import Canceller
from backpack_connector.guard.reports import Reports
from backpack_connector.order_journal import OrderRecord
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.guard.bot import SYMBOL, fields, record
from tests.guard.support import Told, until

OTHER_SYMBOL = "ETH_USDC"

pytestmark = pytest.mark.usefixtures("hurry")


def bot(*records: OrderRecord, name: str = "bot", is_alive: bool = False) -> Sighting:
    return Sighting(name, beat=1, is_alive=is_alive, orders=records)


async def place(client: BackpackClient, records: Sequence[OrderRecord], **more: Any) -> list[str]:
    return [(await client.request("execute_order", {**fields(it), **more}))["id"] for it in records]


async def resting(client: BackpackClient) -> set[str]:
    return {row["id"] for row in await client.request("get_open_orders")}


async def clear(canceller: Canceller) -> None:
    """Run rounds until everything is confirmed to be cancelled."""
    running = asyncio.ensure_future(canceller.run())
    try:
        await until(lambda: canceller.is_idle or running.done())
        if running.done():
            running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def inject(simulator: Simulator, kind: FaultKind, **options: Any) -> None:
    simulator.faults.inject(Fault(kind=kind, **options))


async def test_all_orders_of_the_bot_are_cancelled_and_only_these(
    client: BackpackClient, reports: Reports, told: Told
) -> None:
    mine = [record(number) for number in range(1, 31)] + [record(40, "3000", symbol=OTHER_SYMBOL)]
    ids = await place(client, mine)
    others = await place(client, [record(99)])
    by_hand = (await client.request("execute_order", {**fields(record(1)), "clientId": None}))["id"]
    same_id = await place(client, [record(1, "200", side="SELL"), record(2, "3000", symbol=OTHER_SYMBOL)])
    canceller = Canceller(client, reports)
    canceller.aim([bot(*mine, record(41))], posting=[], spared=[])
    await clear(canceller)
    assert await resting(client) == {*others, by_hand, *same_id}
    assert {row["orderId"] for row in told.of("cancelling")} == set(ids)
    assert told.events.count("clear") == 1
    assert told.events[-1] == "clear"


async def test_a_conditional_order_is_cancelled_too(client: BackpackClient, reports: Reports) -> None:
    order = record(1)
    waiting = {**fields(order), "quantity": None, "triggerPrice": "90", "triggerQuantity": "1", "price": None}
    await client.request("execute_order", {**waiting, "orderType": "Market", "side": "Ask"})
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1, side="SELL"))], posting=[], spared=[])
    await clear(canceller)
    assert await resting(client) == set()


async def test_an_order_that_arrives_late_is_cancelled_as_well(
    client: BackpackClient, reports: Reports, told: Told
) -> None:
    await place(client, [record(1)])
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1), record(2))], posting=[], spared=[])
    running = asyncio.ensure_future(clear(canceller))
    await until(lambda: told.of("cancelling"))
    await asyncio.sleep(module.LATE_ARRIVAL_S / 2)
    assert "clear" not in told.events
    await place(client, [record(2)])
    await running
    assert await resting(client) == set()
    assert [row["event"] for row in map(dict, told.of("cancelling"))] == ["cancelling"] * 2


async def test_an_order_that_arrives_after_all_is_found_by_the_slow_looks(
    client: BackpackClient, reports: Reports, told: Told
) -> None:
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    await clear(canceller)
    await place(client, [record(1)])
    running = asyncio.ensure_future(canceller.run())
    await until(lambda: told.events.count("clear") == 2)
    running.cancel()
    assert await resting(client) == set()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (FaultKind.ANSWER_LOST, {}),
        (FaultKind.REQUEST_LOST, {}),
        (FaultKind.ANSWER_TRUNCATED, {}),
        (FaultKind.ANSWER_HTML, {"is_executed": True}),
        (FaultKind.ANSWER_HTML, {"is_executed": False}),
        (FaultKind.RATE_LIMITED, {"is_executed": False}),
        (FaultKind.TIMED_OUT, {"is_executed": True}),
        (FaultKind.UNAVAILABLE, {"is_executed": False}),
        (FaultKind.ANSWER_DELAYED, {"delay_s": 1.0}),
    ],
)
@pytest.mark.parametrize(
    ("operation", "is_exclusive"), [("get_open_orders", False), ("cancel_order", False), ("cancel_open_orders", True)]
)
async def test_faults_only_delay_it(
    kind: FaultKind,
    options: dict[str, Any],
    operation: str,
    is_exclusive: bool,
    client: BackpackClient,
    simulator: Simulator,
    reports: Reports,
    told: Told,
) -> None:
    mine = [record(number) for number in range(1, 6)]
    await place(client, mine)
    inject(simulator, kind, operations=(operation,), count=2, **options)
    canceller = Canceller(client, reports, is_exclusive=is_exclusive)
    canceller.aim([bot(*mine)], posting=[], spared=[])
    await clear(canceller)
    assert await resting(client) == set()
    assert told.events[-1] == "clear"


async def test_a_deferred_cancel_is_believed_when_it_is_done(
    client: BackpackClient, simulator: Simulator, reports: Reports, told: Told
) -> None:
    ids = await place(client, [record(1)])
    inject(simulator, FaultKind.CANCEL_DEFERRED, delay_s=0.5)
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    await canceller.round()
    assert await resting(client) == set(ids)
    await clear(canceller)
    assert await resting(client) == set()


async def test_maintenance_is_waited_for(
    client: BackpackClient, simulator: Simulator, reports: Reports, told: Told
) -> None:
    ids = await place(client, [record(1)])
    inject(simulator, FaultKind.MAINTENANCE, duration_s=0.3)
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    await canceller.round()
    assert await resting(client) == set(ids)
    assert "trouble" in told.events
    await clear(canceller)
    assert await resting(client) == set()


async def test_cancels_get_through_while_the_list_cannot_be_had(
    client: BackpackClient, simulator: Simulator, reports: Reports, told: Told
) -> None:
    mine = [record(1), record(2), record(3)]
    await place(client, mine)
    spared = await place(client, [record(4)])
    inject(simulator, FaultKind.UNAVAILABLE, operations=("get_open_orders",), count=10_000)
    canceller = Canceller(client, reports)
    canceller.aim([bot(*mine)], posting=[], spared=[])
    await canceller.round()
    account = simulator.exchange.accounts.get(client._credentials.api_key)
    assert set(account.open_orders) == set(spared)
    assert not canceller.is_idle
    assert "clear" not in told.events


async def test_exclusive_cancels_get_through_while_the_list_cannot_be_had(
    client: BackpackClient, simulator: Simulator, reports: Reports
) -> None:
    await place(client, [record(1), record(2)])
    elsewhere = await place(client, [record(3, "3000", symbol=OTHER_SYMBOL)])
    inject(simulator, FaultKind.REQUEST_LOST, operations=("get_open_orders",), count=1)
    canceller = Canceller(client, reports, is_exclusive=True)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    await canceller.round()
    assert await resting(client) == set(elsewhere)


async def test_429_of_the_list_is_not_answered_with_more_requests(
    client: BackpackClient, simulator: Simulator, reports: Reports
) -> None:
    await place(client, [record(1)])
    inject(simulator, FaultKind.RATE_LIMITED, operations=("get_open_orders",), count=1)
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    await canceller.round()
    assert len(await resting(client)) == 1
    await clear(canceller)
    assert await resting(client) == set()


async def test_a_revoked_key_is_said_in_plain_words_and_tried_again(
    client: BackpackClient, simulator: Simulator, reports: Reports, told: Told
) -> None:
    await place(client, [record(1)])
    inject(simulator, FaultKind.KEY_REVOKED, account=client._credentials.api_key, duration_s=0.3)
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    await canceller.round()
    assert any("Cancel the orders by hand!" in row["text"] for row in told.of("trouble"))
    await clear(canceller)
    assert await resting(client) == set()


async def test_exclusive_cancels_the_bots_markets_whole_and_no_others(client: BackpackClient, reports: Reports) -> None:
    await place(client, [record(1), record(2)])
    elsewhere = await place(client, [record(3, "3000", symbol=OTHER_SYMBOL)])
    canceller = Canceller(client, reports, is_exclusive=True)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    await clear(canceller)
    assert await resting(client) == set(elsewhere)


async def test_a_dry_run_cancels_nothing_and_says_what_it_would(
    client: BackpackClient, simulator: Simulator, reports: Reports, told: Told
) -> None:
    ids = await place(client, [record(1)])
    canceller = Canceller(client, reports, is_dry_run=True)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    await canceller.round()
    inject(simulator, FaultKind.UNAVAILABLE, operations=("get_open_orders",), count=1)
    await canceller.round()
    await canceller.round()
    assert await resting(client) == set(ids)
    assert [row["text"] for row in told.of("cancelling")] == [
        f"bot: order {ids[0]} (Bid in {SYMBOL}, client id 1) would be cancelled."
    ]


async def test_orders_that_a_living_bot_claims_are_its_own(client: BackpackClient, reports: Reports) -> None:
    """A bot that was started anew has taken over the orders of the dead one."""
    ids = await place(client, [record(1), record(2)])
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1), record(2))], posting=[], spared=[bot(record(2), name="heir", is_alive=True)])
    await clear(canceller)
    assert await resting(client) == {ids[1]}


async def test_a_bot_that_is_back_is_left_alone(client: BackpackClient, reports: Reports) -> None:
    ids = await place(client, [record(1)])
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    canceller.aim([], posting=[], spared=[bot(record(1), is_alive=True)])
    assert canceller.is_idle
    await canceller.round()
    assert await resting(client) == set(ids)


async def test_a_journal_that_vanishes_does_not_save_its_orders(client: BackpackClient, reports: Reports) -> None:
    await place(client, [record(1)])
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    canceller.aim([], posting=[], spared=[])
    await clear(canceller)
    assert await resting(client) == set()


async def test_a_bot_that_goes_on_posting_is_cancelled_again_and_again(
    client: BackpackClient, reports: Reports, told: Told
) -> None:
    canceller = Canceller(client, reports)
    running = asyncio.ensure_future(canceller.run())
    for number in range(1, 6):
        await place(client, [record(number)])
        canceller.aim([], posting=[bot(record(number), is_alive=True)], spared=[])
        await until(lambda number=number: len(told.of("cancelling")) == number)
    await until(lambda: "clear" in told.events)
    assert not canceller.is_idle, "the next one may come at any moment"
    running.cancel()
    assert await resting(client) == set()


async def test_row_that_cannot_be_read_keeps_it_from_being_over(
    client: BackpackClient, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [[{"id": None}], [{"id": None}]]
    real = client.request

    async def request(operation: str, parameters: Any = None) -> Any:
        return answers[0] if operation == "get_open_orders" and answers else await real(operation, parameters)

    monkeypatch.setattr(client, "request", request)
    canceller = Canceller(client, reports)
    canceller.aim([bot(record(1))], posting=[], spared=[])
    running = asyncio.ensure_future(canceller.run())
    await asyncio.sleep(2 * module.LATE_ARRIVAL_S)
    assert not canceller.is_idle
    answers.clear()
    await until(lambda: canceller.is_idle)
    running.cancel()
