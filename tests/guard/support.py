"""Help the tests of the guard: what it says, what the exchange holds, and waiting for both."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from backpack_connector.guard import alarms, canceller, loss_watch, watchdog
from backpack_connector.simulator import Simulator

LIMIT_S = 15.0


class Told(list[str]):
    """The lines that the guard has written."""

    @property
    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self]

    def of(self, event: str) -> list[Any]:
        return [row for row in map(json.loads, self) if row["event"] == event]


async def until(condition: Callable[[], Any], what: Any = "it") -> None:
    """Wait until something is so."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + LIMIT_S
    while not condition():
        assert loop.time() < end_s, f"{what} has not happened"
        await asyncio.sleep(0.01)


def open_ids(simulator: Simulator, api_key: str) -> list[str]:
    """Return the ids of the orders that rest at the exchange."""
    return list(simulator.exchange.open_account(api_key).open_orders)


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten all waits of the guard."""
    monkeypatch.setattr(alarms, "STEADY_S", 0.5)
    monkeypatch.setattr(alarms, "LONGEST_GAP_S", 0.4)
    monkeypatch.setattr(canceller, "LATE_ARRIVAL_S", 0.2)
    monkeypatch.setattr(canceller, "PAUSE_S", 0.05)
    monkeypatch.setattr(canceller, "SLOW_PAUSE_S", 0.2)
    monkeypatch.setattr(canceller, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(canceller, "LONGEST_RETRY_S", 0.1)
    monkeypatch.setattr(watchdog, "LOOK_S", 0.05)
    monkeypatch.setattr(watchdog, "LOSS_LOOK_S", 0.05)
    monkeypatch.setattr(watchdog, "CHECK_S", 0.1)
    monkeypatch.setattr(loss_watch, "TRANSFERS_EVERY_S", 0.1)
