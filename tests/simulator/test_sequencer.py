"""One stream of commands, in the order of their due times."""

import asyncio
from functools import partial

import pytest

from backpack_connector.simulator.sequencer import Sequencer


async def test_held_back_orders_keep_their_order_and_cancels_overtake_them() -> None:
    sequencer = Sequencer(taker_delay_s=0.05)
    done: list[str] = []
    await asyncio.gather(
        sequencer.run(lambda: done.append("first order"), is_delayed=True),
        sequencer.run(lambda: done.append("second order"), is_delayed=True),
        sequencer.run(lambda: done.append("cancel")),
    )
    assert done == ["cancel", "first order", "second order"]


async def test_orders_that_arrive_at_the_same_time_run_in_the_order_of_their_arrival(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sequencer = Sequencer(taker_delay_s=0.02)
    loop = asyncio.get_running_loop()
    now_s = loop.time()
    done: list[int] = []
    with monkeypatch.context() as frozen:
        frozen.setattr(loop, "time", lambda: now_s)
        tasks = [
            asyncio.ensure_future(sequencer.run(partial(done.append, number), is_delayed=True)) for number in range(9)
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert done == list(range(9))


async def test_the_delay_is_kept() -> None:
    sequencer = Sequencer(taker_delay_s=0.05)
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    await sequencer.run(lambda: None, is_delayed=True)
    assert loop.time() - start_s >= 0.05


async def test_without_a_delay_a_command_runs_before_the_call_returns() -> None:
    done: list[int] = []
    task = asyncio.ensure_future(Sequencer(taker_delay_s=0).run(lambda: done.append(1), is_delayed=True))
    await asyncio.sleep(0)
    assert done == [1]
    await task


async def test_an_error_reaches_its_caller_and_the_queue_goes_on() -> None:
    sequencer = Sequencer(taker_delay_s=0.01)

    def fail() -> None:
        raise ValueError("no")

    failing, good = await asyncio.gather(
        sequencer.run(fail, is_delayed=True), sequencer.run(lambda: 1, is_delayed=True), return_exceptions=True
    )
    assert isinstance(failing, ValueError)
    assert good == 1


async def test_a_caller_that_hangs_up_does_not_take_its_order_back() -> None:
    sequencer = Sequencer(taker_delay_s=0.02)
    done: list[int] = []
    task = asyncio.ensure_future(sequencer.run(lambda: done.append(1), is_delayed=True))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await sequencer.run(lambda: None, is_delayed=True)
    assert done == [1]
