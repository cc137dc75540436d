"""Faults of frames and subscriptions, as a client sees them."""

import asyncio

import pytest

from backpack_connector.protocol.depth import Verdict
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import FaultKind
from tests.simulator.faults_support import (
    DEPTH,
    LATE_S,
    ORDER,
    ORDERS,
    change_book,
    first_id,
    inject,
    until,
    update_ids,
)
from tests.simulator.streams import LocalBook, Stream, place
from tests.simulator.support import SYMBOL, Client, limit


async def test_a_dropped_frame_is_a_gap_in_one_stream(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH, f"bookTicker.{SYMBOL}")
    inject(simulator, FaultKind.FRAME_DROPPED, streams=(DEPTH,), skip=1, count=1)
    first = first_id(simulator)
    change_book(simulator, 4)
    frames = await stream.settle()
    depths = [frame for frame in frames if frame["stream"] == DEPTH]
    assert [frame["data"]["u"] - first for frame in depths] == [0, 2, 3]
    assert [frame["data"]["u"] - first for frame in frames if frame["stream"] != DEPTH] == [0, 1, 2, 3]
    # What a client makes of it: the snapshot was that of before.
    local = LocalBook()
    local.sequence.snapshot(first - 1)
    assert [local.take(frame) for frame in depths] == [Verdict.APPLY, Verdict.GAP, Verdict.BUFFER]


async def test_a_duplicated_frame_comes_twice(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DUPLICATED, streams=("depth",), skip=1, count=1)
    first = first_id(simulator)
    change_book(simulator, 3)
    assert [update_id - first for update_id in await update_ids(stream)] == [0, 1, 1, 2]


async def test_a_reordered_frame_comes_after_the_next_one(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_REORDERED, streams=(DEPTH,), probability=1)
    first = first_id(simulator)
    change_book(simulator, 4)
    assert [update_id - first for update_id in await update_ids(stream)] == [1, 0, 3, 2]


@pytest.mark.parametrize(("delay_s", "seconds"), [(LATE_S, LATE_S), (None, 1)])
async def test_a_reordered_frame_that_nothing_follows_comes_later(
    simulator: Simulator, stream: Stream, delay_s: float | None, seconds: float
) -> None:
    await stream.subscribe(DEPTH)
    fault_id = inject(simulator, FaultKind.FRAME_REORDERED, streams=(DEPTH,), delay_s=delay_s, count=1)
    loop = asyncio.get_running_loop()
    start_s, first = loop.time(), first_id(simulator)
    change_book(simulator, 1)
    assert await update_ids(stream) == []
    assert (await stream.next())["data"]["u"] == first
    assert seconds <= loop.time() - start_s < seconds + 3
    assert simulator.faults.struck_count(fault_id) == 1


async def test_a_delayed_stream_falls_behind_rest_and_the_other_streams(
    simulator: Simulator, stream: Stream, alice: Client
) -> None:
    await stream.send(alice.subscription(ORDERS, "account.balanceUpdate"))
    await stream.settle()
    inject(simulator, FaultKind.FRAME_DELAYED, streams=(ORDERS,), account=alice.key, delay_s=LATE_S)
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    assert (await alice.call("execute_order", ORDER))[0] == 200
    assert (await alice.call("cancel_order", {"symbol": SYMBOL, "clientId": 7}))[1]["status"] == "Cancelled"
    assert {frame["stream"] for frame in await stream.settle()} == {"account.balanceUpdate"}
    accepted, cancelled = await stream.next(), await stream.next()
    assert loop.time() - start_s >= LATE_S
    assert (accepted["data"]["e"], cancelled["data"]["e"]) == ("orderAccepted", "orderCancelled")


async def test_each_frame_is_delayed_by_itself(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DELAYED, delay_s=LATE_S)
    change_book(simulator, 1)
    await asyncio.sleep(LATE_S / 2)
    change_book(simulator, 1)
    await stream.next()
    assert await update_ids(stream) == []
    await stream.next()


async def test_a_stream_keeps_its_order_when_only_some_frames_are_delayed(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DELAYED, delay_s=LATE_S, jitter_s=LATE_S, probability=0.3, seed=5)
    first = first_id(simulator)
    change_book(simulator, 20)
    ids = [update_id - first for update_id in await update_ids(stream)]
    assert 0 < len(ids) < 20
    while len(ids) < 20:
        ids.append((await stream.next())["data"]["u"] - first)
    assert ids == list(range(20))


async def test_what_is_held_back_comes_when_the_fault_ends(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DELAYED, delay_s=600)
    inject(simulator, FaultKind.FRAME_REORDERED, delay_s=600, streams=(DEPTH,))
    first = first_id(simulator)
    change_book(simulator, 3)
    assert await update_ids(stream) == []
    assert simulator.faults.end() == 2
    change_book(simulator, 1)
    ids = await update_ids(stream)
    # Released by the first fault, they meet the second one, which still holds then.
    assert sorted(update_id - first for update_id in ids) == [0, 1, 2, 3]
    assert ids[-1] - first == 3


async def test_what_one_fault_lets_go_meets_the_next_one(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DELAYED, delay_s=LATE_S)
    inject(simulator, FaultKind.FRAME_DUPLICATED)
    inject(simulator, FaultKind.FRAME_DUPLICATED)
    change_book(simulator, 1)
    assert await update_ids(stream) == []
    assert len({(await stream.next())["data"]["u"] for _ in range(4)}) == 1
    assert await update_ids(stream) == []


async def test_a_fault_that_is_over_does_not_wait_for_what_another_one_holds(
    simulator: Simulator, stream: Stream
) -> None:
    await stream.subscribe(DEPTH)
    inject(simulator, FaultKind.FRAME_DELAYED, delay_s=LATE_S)
    dropping = inject(simulator, FaultKind.FRAME_DROPPED)
    change_book(simulator, 1)
    simulator.faults.end(dropping)
    assert (await stream.next())["stream"] == DEPTH
    assert simulator.faults.struck_count(dropping) == 0


async def test_a_spent_fault_still_delivers_what_it_holds(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH)
    fault_id = inject(simulator, FaultKind.FRAME_DELAYED, delay_s=LATE_S, count=1)
    change_book(simulator, 1)
    simulator.advance_clock(1)  # the second in which spent faults are put away
    assert simulator.faults.is_set
    assert await update_ids(stream) == []
    assert (await stream.next())["stream"] == DEPTH
    simulator.advance_clock(1)
    assert not simulator.faults.is_set
    assert simulator.faults.struck_count(fault_id) == 1


async def test_frames_of_a_market_are_chosen_within_a_stream_of_all(
    simulator: Simulator, stream: Stream, alice: Client
) -> None:
    await stream.send(alice.subscription(ORDERS))
    await stream.settle()
    inject(simulator, FaultKind.FRAME_DROPPED, market=SYMBOL)
    await alice.call("execute_order", ORDER)
    await alice.call("execute_order", {**ORDER, "symbol": "ETH_USDC", "price": "4000", "quantity": "0.1"})
    assert [frame["data"]["s"] for frame in await stream.settle()] == ["ETH_USDC"]


async def test_frames_of_an_account_are_its_private_ones(
    simulator: Simulator, stream: Stream, alice: Client, bob: Client
) -> None:
    await stream.send(alice.subscription(ORDERS))
    await stream.send(bob.subscription(ORDERS))
    await stream.subscribe(DEPTH)
    fault_id = inject(simulator, FaultKind.FRAME_DROPPED, account=alice.key)
    await alice.call("execute_order", ORDER)
    assert [frame["stream"] for frame in await stream.settle()] == [DEPTH]
    await bob.call("execute_order", {**ORDER, "clientId": 8})
    assert [frame["stream"] for frame in await stream.settle()] == [ORDERS, DEPTH]
    simulator.faults.end(fault_id)
    inject(simulator, FaultKind.FRAME_DROPPED, streams=("account",))
    await alice.call("execute_order", {**ORDER, "clientId": 9})
    assert [frame["stream"] for frame in await stream.settle()] == [DEPTH]


async def test_the_first_frames_of_a_subscription_meet_faults_too(
    simulator: Simulator, stream: Stream, alice: Client
) -> None:
    symbol = "SOL_USDC_PERP"
    place(simulator, "x", limit("Ask", "150", "1", symbol=symbol))
    place(simulator, alice.key, limit("Bid", "150", "1", symbol=symbol))
    inject(simulator, FaultKind.FRAME_DROPPED, streams=("account.positionUpdate",), count=1)
    await stream.send(alice.subscription("account.positionUpdate"))
    assert await stream.settle() == []
    await stream.send(alice.subscription(f"account.positionUpdate.{symbol}"))
    assert [frame["data"]["s"] for frame in await stream.settle()] == [symbol]


async def test_a_private_subscription_is_refused(simulator: Simulator, stream: Stream, alice: Client) -> None:
    inject(simulator, FaultKind.SUBSCRIPTION_REFUSED, count=1, code=4005, message="Not now")
    await stream.subscribe(DEPTH)
    await stream.send(alice.subscription(ORDERS))
    assert await stream.next() == {"id": None, "error": {"code": 4005, "message": "Not now"}}
    assert not simulator.hub.is_wanted((alice.key, ORDERS))
    await stream.send(alice.subscription(ORDERS))
    assert await stream.settle() == []
    assert simulator.hub.is_wanted((alice.key, ORDERS))


async def test_a_refused_subscription_says_what_a_bad_signature_does(
    simulator: Simulator, stream: Stream, alice: Client, bob: Client
) -> None:
    inject(simulator, FaultKind.SUBSCRIPTION_REFUSED, account=alice.key)
    await stream.send(bob.subscription(ORDERS))
    assert await stream.settle() == []
    await stream.send(alice.subscription(ORDERS))
    assert await stream.next() == {"id": None, "error": {"code": 4003, "message": "Invalid signature"}}


async def test_a_subscription_is_ignored_without_a_word(simulator: Simulator, stream: Stream, alice: Client) -> None:
    inject(simulator, FaultKind.SUBSCRIPTION_IGNORED, streams=("account.balanceUpdate", DEPTH))
    await stream.send(alice.subscription(ORDERS, "account.balanceUpdate", DEPTH, f"trade.{SYMBOL}"))
    assert await stream.settle() == []
    wanted = [name for name in (ORDERS, "account.balanceUpdate") if simulator.hub.is_wanted((alice.key, name))]
    assert wanted == [ORDERS]
    assert not simulator.hub.is_wanted((None, DEPTH))
    assert simulator.hub.is_wanted((None, f"trade.{SYMBOL}"))


async def test_subscriptions_of_a_market_are_chosen(simulator: Simulator, stream: Stream) -> None:
    inject(simulator, FaultKind.SUBSCRIPTION_IGNORED, streams=("depth",), market=SYMBOL)
    await stream.subscribe(DEPTH, "depth.ETH_USDC")
    assert not simulator.hub.is_wanted((None, DEPTH))
    assert simulator.hub.is_wanted((None, "depth.ETH_USDC"))


async def test_a_symbol_that_begins_like_another_one_is_not_meant(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH, "depth.SOL_USDC_PERP")
    inject(simulator, FaultKind.FRAME_DROPPED, streams=(DEPTH,))
    change_book(simulator, 1)
    change_book(simulator, 1, "SOL_USDC_PERP")
    assert [frame["stream"] for frame in await stream.settle()] == ["depth.SOL_USDC_PERP"]


async def test_windows_are_streams_of_their_own(simulator: Simulator, stream: Stream) -> None:
    await stream.subscribe(DEPTH, f"depth.200ms.{SYMBOL}")
    inject(simulator, FaultKind.FRAME_DROPPED, streams=("depth.200ms",))
    change_book(simulator, 1)
    assert len(await update_ids(stream)) == 1
    await until(lambda: simulator.faults.payload()[0]["struck"] == 1)
    assert simulator.faults.payload()[0]["occasions"] == 1
