"""F38: pauses grow, differ and end; nothing but a cancellation ends the session loop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from backpack_connector import reconnect
from backpack_connector.protocol.errors import NoAnswer, WireFormatError
from backpack_connector.reconnect import FIRST_PAUSE_S, LONGEST_PAUSE_S, Backoff, keep_connected

LOGGER = logging.getLogger("tests.reconnect")


def test_f38_pauses_double_up_to_the_longest_each_shortened_by_up_to_half() -> None:
    backoff = Backoff()
    for step in range(12):
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**step)
        assert longest / 2 <= backoff.next_pause_s() <= longest


def test_f38_pauses_of_many_bots_differ() -> None:
    assert len({Backoff().next_pause_s() for _ in range(20)}) > 1


def test_pauses_begin_again_after_a_reset() -> None:
    backoff = Backoff(1.0, 8.0)
    for _ in range(10):
        backoff.next_pause_s()
    backoff.reset()
    assert backoff.next_pause_s() <= 1.0


def test_thousands_of_failures_do_not_overflow() -> None:
    backoff = Backoff()
    assert all(backoff.next_pause_s() <= LONGEST_PAUSE_S for _ in range(3_000))


class Sessions:
    """Sessions that end as scripted, and the pauses between them."""

    def __init__(self, *ends: "BaseException | None") -> None:
        self._ends = list(ends)
        self.pauses: list[float] = []
        self.begun = 0

    async def session(self) -> None:
        self.begun += 1
        end = self._ends.pop(0) if self._ends else asyncio.CancelledError()
        if end is not None:
            raise end

    async def sleep(self, pause_s: float) -> None:
        self.pauses.append(pause_s)

    async def run(self) -> None:
        with pytest.raises(asyncio.CancelledError):
            await keep_connected(self.session, "the stream", LOGGER, self.sleep)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (None, "the exchange closed it"),
        (ConnectionError("cut"), "cut"),
        (asyncio.TimeoutError(), "TimeoutError"),
        (NoAnswer("nobody there"), "nobody there"),
        (WireFormatError("odd"), "odd"),
    ],
)
async def test_session_that_ends_is_followed_by_another(
    end: "BaseException | None", reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = Sessions(end, end)
    await sessions.run()
    assert sessions.begun == 3
    assert len(sessions.pauses) == 2
    assert f"The connection of the stream ended ({reason}); connecting again in" in caplog.text


async def test_f09_unexpected_error_is_logged_with_its_traceback_and_survived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sessions = Sessions(KeyError("oops"))
    await sessions.run()
    assert sessions.begun == 2
    assert "Unexpected error in the stream." in caplog.text
    assert "Traceback" in caplog.text


async def test_cancellation_ends_the_loop() -> None:
    sessions = Sessions()
    await sessions.run()
    assert sessions.begun == 1
    assert sessions.pauses == []


@pytest.mark.parametrize(("healthy_after_s", "is_short"), [(-1.0, True), (1_000.0, False)])
async def test_session_that_lasted_makes_the_next_pause_short(
    healthy_after_s: float, is_short: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "HEALTHY_AFTER_S", healthy_after_s)
    sessions = Sessions(*[ConnectionError("cut")] * 8)
    await sessions.run()
    assert (sessions.pauses[-1] <= FIRST_PAUSE_S) is is_short


async def test_own_backoff_is_used() -> None:
    pauses: list[float] = []

    async def session() -> None:
        if pauses:
            raise asyncio.CancelledError
        raise ConnectionError

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    loop: Callable[[], Awaitable[None]] = lambda: keep_connected(session, "x", LOGGER, sleep, Backoff(0.01, 0.02))  # noqa: E731
    with pytest.raises(asyncio.CancelledError):
        await loop()
    assert pauses[0] <= 0.01
