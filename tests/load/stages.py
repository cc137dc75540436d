"""Find out how much one simulator holds: its other traders do more and more, until it is late or tells too little.

The simulator is one process with 90 perpetual markets, the bots are another one: twenty accounts with five markets
each, so that every depth stream has a listener, a connection of their own, and four requests about orders a second.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp

from tests.load.bots import Bot, Heard

MARKETS, BOTS, MARKETS_A_BOT = 90, 20, 5
GOAL_FRAMES_PER_S = 3_000
STAGES = (1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000, 10_000)
LATE_LIMIT_S = 0.1
"""What the exchange holds takers back for; where one frame in a hundred comes later than that, a stage is not held."""
REACHED = 0.97
RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True)
class Stage:
    """What one stage has shown."""

    asked_per_s: int
    told_per_s: float
    """Depth frames that the simulator has told."""
    heard_per_s: float
    """Depth frames that the bots have got; ten markets have two listeners."""
    late_p50_ms: float
    late_p99_ms: float
    order_p50_ms: float
    order_p99_ms: float
    exchange_cpu_pct: float
    bots_cpu_pct: float
    errors: tuple[str, ...] = ()

    @property
    def is_held(self) -> bool:
        """Tell whether the simulator has held this stage."""
        in_time = self.late_p99_ms <= LATE_LIMIT_S * 1_000
        return not self.errors and in_time and self.told_per_s >= REACHED * self.asked_per_s


class Exchange:
    """The simulator's process."""

    def __init__(self, process: asyncio.subprocess.Process, addresses: dict[str, Any]) -> None:
        self._process = process
        self.rest_url, self.ws_url = addresses["rest"], addresses["ws"]
        self.symbols: list[str] = addresses["symbols"]

    @classmethod
    async def start(cls, markets: int) -> "Exchange":
        """Start a simulator with so many markets."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.load.exchange", str(markets), stdin=PIPE, stdout=PIPE, limit=2**20
        )
        assert process.stdout is not None
        return cls(process, json.loads(await process.stdout.readline()))

    async def pace(self, frames_per_s: int) -> dict[str, float]:
        """Ask for so many frames a second from now on; return what was told since the last time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{frames_per_s}\n".encode())
        return dict(json.loads(await self._process.stdout.readline()))

    async def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 15)
        except asyncio.TimeoutError:
            self._process.kill()
            await self._process.wait()


async def run(
    stages: Sequence[int], seconds: float, markets: int, bots: int, tell: Callable[[Stage], None]
) -> list[Stage]:
    """Go through stages until one is not held, and return what was shown."""
    exchange = await Exchange.start(markets)
    heard, found = Heard(), []
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            crowd = [asyncio.ensure_future(bot.run(session)) for bot in _bots(exchange, bots, heard)]
            try:
                for asked in stages:
                    found.append(await _stage(exchange, heard, asked, seconds))
                    tell(found[-1])
                    if not found[-1].is_held:
                        break
            finally:
                for task in crowd:
                    task.cancel()
                await asyncio.gather(*crowd, return_exceptions=True)
    finally:
        await exchange.stop()
    return found


def _bots(exchange: Exchange, count: int, heard: Heard) -> list[Bot]:
    symbols = exchange.symbols
    share = max(MARKETS_A_BOT, -(-len(symbols) // count))
    every = [[symbols[(share * bot + place) % len(symbols)] for place in range(share)] for bot in range(count)]
    return [Bot(exchange.rest_url, exchange.ws_url, mine, heard) for mine in every]


async def _stage(exchange: Exchange, heard: Heard, asked: int, seconds: float) -> Stage:
    await exchange.pace(asked)
    await asyncio.sleep(seconds / 4)  # the books fill up, and connections are made
    await exchange.pace(asked)
    heard.frames, heard.late_s, heard.orders_s, heard.errors = 0, [], [], []
    begun, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    spent_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu_s
    told = await exchange.pace(asked)
    return Stage(
        asked,
        told["frames"] / told["seconds"],
        heard.frames / spent_s,
        *_percentiles_ms(heard.late_s),
        *_percentiles_ms(heard.orders_s),
        told["cpuSeconds"] / told["seconds"] * 100,
        cpu_s / spent_s * 100,
        tuple(sorted(set(heard.errors))),
    )


def _percentiles_ms(times_s: Sequence[float]) -> tuple[float, float]:
    if len(times_s) < 2:
        return float("inf"), float("inf")
    return median(times_s) * 1_000, quantiles(times_s, n=100)[98] * 1_000


def table(stages: Sequence[Stage]) -> str:
    """Return the stages as a table in Markdown."""
    head = (
        "asked",
        "told",
        "heard by bots",
        "lateness, median / 99 %",
        "order, median / 99 %",
        "simulator",
        "bots",
        "",
    )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for one in stages:
        cells = (
            f"{one.asked_per_s:,}/s",
            f"{one.told_per_s:,.0f}/s",
            f"{one.heard_per_s:,.0f}/s",
            f"{one.late_p50_ms:.1f} / {one.late_p99_ms:.1f} ms",
            f"{one.order_p50_ms:.1f} / {one.order_p99_ms:.1f} ms",
            f"{one.exchange_cpu_pct:.0f} %",
            f"{one.bots_cpu_pct:.0f} %",
            "held" if one.is_held else "; ".join(["**not held**", *one.errors]),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def results_text() -> str:
    """Return what the document shows of the last run."""
    if not RESULTS.exists():
        return "No run yet."
    facts = json.loads(RESULTS.read_text(encoding="utf-8"))
    stages = [Stage(**{**one, "errors": tuple(one["errors"])}) for one in facts["stages"]]
    held = max((one.asked_per_s for one in stages if one.is_held), default=0)
    verdict = "met" if held >= GOAL_FRAMES_PER_S else "**missed**"
    return "\n\n".join(
        [
            f"{facts['made']}, {facts['machine']}. {MARKETS} markets, {BOTS} bots. "
            f"Goal: {GOAL_FRAMES_PER_S:,} frames/s, {verdict}; held: {held:,} frames/s.",
            table(stages),
        ]
    )
