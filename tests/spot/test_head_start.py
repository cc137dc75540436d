"""What is begun early: handed over once or to several, made anew when there is none, undone when nobody takes it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backpack_connector import head_start
from backpack_connector.head_start import HeadStart
from tests.spot.session import until


class Work:
    """Gives out numbers when it is allowed to."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.undone: list[int] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.done.append(len(self.done))
        number = self.done[-1]
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return number

    async def undo(self, number: int) -> None:
        self.undone.append(number)


Taking = Callable[[HeadStart[int]], Awaitable[int]]
BOTH: "list[Taking]" = [HeadStart.take, HeadStart.share]


@pytest.mark.parametrize("ask", BOTH)
async def test_without_a_beginning_the_work_is_done_when_it_is_asked_for(ask: Taking) -> None:
    work = Work()
    started = HeadStart(work, work.undo)
    assert [await ask(started), await ask(started)] == [0, 1]


async def test_what_was_begun_is_taken_once() -> None:
    work = Work()
    started = HeadStart(work, work.undo)
    started.begin()
    assert [await started.take(), await started.take()] == [0, 1]
    started.drop()
    await asyncio.sleep(0)
    assert not work.undone


async def test_what_was_begun_is_shared_by_those_who_wait_and_those_who_come_later() -> None:
    work = Work()
    work.may_end.clear()
    started = HeadStart(work, work.undo)
    started.begin()
    waiting = [asyncio.ensure_future(started.share()) for _ in range(3)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert [*await asyncio.gather(*waiting), await started.share()] == [0] * 4
    assert work.done == [0]


async def test_who_gives_up_sharing_takes_nothing_from_the_others() -> None:
    work = Work()
    work.may_end.clear()
    started = HeadStart(work)
    started.begin()
    impatient, patient = asyncio.ensure_future(started.share()), asyncio.ensure_future(started.share())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    work.may_end.set()
    assert await patient == 0


async def test_who_gives_up_taking_ends_the_work() -> None:
    work = Work()
    work.may_end.clear()
    started = HeadStart(work)
    started.begin()
    taker = asyncio.ensure_future(started.take())
    await asyncio.sleep(0)
    taker.cancel()
    await asyncio.gather(taker, return_exceptions=True)
    work.may_end.set()
    assert await started.take() == 1


@pytest.mark.parametrize("ask", BOTH)
async def test_a_failure_is_told_to_whoever_waits_and_not_remembered(ask: Taking) -> None:
    work = Work()
    work.error = OSError("no line")
    started = HeadStart(work, work.undo)
    started.begin()
    with pytest.raises(OSError, match="no line"):
        await ask(started)
    work.error = None
    assert await ask(started) == 1
    started.drop()
    assert not work.undone


@pytest.mark.parametrize("ask", BOTH)
async def test_what_waited_too_long_is_undone_and_done_anew(ask: Taking, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    started = HeadStart(work, work.undo)
    started.begin()
    await asyncio.sleep(0.001)
    monkeypatch.setattr(head_start, "VALID_S", 0.0)
    assert await ask(started) == 1
    await until(lambda: work.undone == [0])


async def test_what_nobody_took_is_undone_once_and_what_is_not_finished_is_ended() -> None:
    work = Work()
    started = HeadStart(work, work.undo)
    started.begin()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    started.drop()
    started.drop()
    await until(lambda: work.undone == [0])
    work.may_end.clear()
    started.begin()
    await asyncio.sleep(0)
    sharer = asyncio.ensure_future(started.share())
    await asyncio.sleep(0)
    started.drop()
    work.may_end.set()
    assert await sharer == 2, "whoever waited for what was dropped gets it done anew"
    assert work.undone == [0]


async def test_beginning_again_undoes_what_was_begun_before() -> None:
    work = Work()
    started = HeadStart(work, work.undo)
    started.begin()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    started.begin()
    assert await started.take() == 1
    await until(lambda: work.undone == [0])


async def test_failures_that_nobody_hears_of_are_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    work = Work()

    async def fail(_: int) -> None:
        raise OSError("already closed")

    HeadStart(work, fail).begin()
    started = HeadStart(work, fail)
    started.begin()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    started.drop()
    work.error = OSError("no line")
    HeadStart(work).begin()
    for _ in range(5):
        await asyncio.sleep(0)
    del started
    import gc

    gc.collect()
    assert not heard
    assert "never retrieved" not in caplog.text
