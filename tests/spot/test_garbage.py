"""The switch that keeps garbage collections short: off by default, once, and only when the bot is ready."""

import gc
import logging
import time

import pytest

from tests.spot.session import PAIR, world


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is asked of the garbage collector, and ask it of nobody: other tests would feel it."""
    noted: list[str] = []
    monkeypatch.setattr(gc, "collect", lambda: noted.append("collect"))
    monkeypatch.setattr(gc, "freeze", lambda: noted.append("freeze"))
    return noted


async def test_switched_on_it_sets_aside_once_when_the_bot_is_ready(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BACKPACK_GC_FREEZE", "yes")
    async with world() as here:
        here.fill_book()
        connector = here.connector(PAIR)
        connector.tick(time.time())
        assert asked == []
        started = await here.started(PAIR)
        with caplog.at_level(logging.INFO):
            for _ in range(3):
                started.tick(time.time())
        assert asked == ["collect", "freeze"]
        assert "objects of this process out from now on" in caplog.text


@pytest.mark.parametrize("word", [None, "no"])
async def test_switched_off_nothing_is_set_aside(
    word: str | None, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if word is not None:
        monkeypatch.setenv("BACKPACK_GC_FREEZE", word)
    async with world() as here:
        here.fill_book()
        started = await here.started(PAIR)
        started.tick(time.time())
        assert asked == []
