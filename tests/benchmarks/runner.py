"""Start the contestants of an experiment, have them take turns, and reduce their rounds to figures.

A figure is the median over rounds of each round's median, with the least and the greatest; a ratio is taken inside each
round, then its median: so a slow second of the machine hits both sides of a ratio.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from tests.benchmarks.contestants import BUILT_IN, CONTESTANTS, FAST, FAST_ENVIRONMENT, PEERS

ROOT = Path(__file__).resolve().parents[2]
ANSWER_S = 300.0
FAILED = "failed"


@dataclass(frozen=True)
class Experiment:
    """One set-up whose rounds give one or several metrics."""

    name: str
    kind: str
    """Key of `CONTESTANTS`."""
    options: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)
    """What differs from `options` in the quickest form."""
    rounds: int = 9

    def options_for(self, is_quick: bool) -> dict[str, Any]:
        """Return what the contestants are told."""
        return self.options | self.quick if is_quick else self.options


@dataclass
class Rounds:
    """What the rounds of one experiment gave: for each contestant and metric one value a round."""

    values: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    """Why a contestant did not take part."""

    def of(self, variant: str, metric: str) -> list[float]:
        """Return a metric's values, one a round; empty when it was not measured."""
        return [row[metric] for row in self.values.get(variant, []) if metric in row]


@dataclass(frozen=True)
class Figure:
    """A median over rounds with its spread."""

    median: float
    least: float
    greatest: float


def figure(values: Sequence[float]) -> Figure | None:
    """Return the figure of a list of rounds; None when there are none."""
    return Figure(median(values), min(values), max(values)) if values else None


def ratio(rounds: Rounds, metric: str, above: str, below: str) -> Figure | None:
    """Return how many times a contestant's value is another's, taken inside each round."""
    pairs = zip(rounds.of(above, metric), rounds.of(below, metric), strict=False)
    return figure([one / other for one, other in pairs if other > 0])


class WorkerFailed(Exception):
    """A contestant could not do what it was asked."""


class Worker:
    """A contestant's process."""

    def __init__(self, variant: str, python: str) -> None:
        self.variant = variant
        self._python = python
        self._process: asyncio.subprocess.Process | None = None
        self._journals = TemporaryDirectory()  # the cost of the journal counts, its files are nobody's
        self._errors = TemporaryFile()  # noqa: SIM115 - it lives as long as the process

    async def start(self) -> None:
        """Start the process: without the plugin where the built-in connector is measured, with options where asked."""
        environment = {name: value for name, value in os.environ.items() if name not in FAST_ENVIRONMENT}
        environment |= {"PYTHONPATH": str(ROOT), "BACKPACK_JOURNAL": self._journals.name}
        environment |= {"BACKPACK_CONNECTOR": "off"} if self.variant == BUILT_IN else {}
        environment |= FAST_ENVIRONMENT if self.variant == FAST else {}
        self._process = await asyncio.create_subprocess_exec(
            self._python,
            "-m",
            "tests.benchmarks.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            cwd=ROOT,
        )

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return its answer.

        Raises:   WorkerFailed with what the process said.
        """
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        line = await asyncio.wait_for(process.stdout.readline(), ANSWER_S)
        answer = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")[-1500:]
            raise WorkerFailed(f"{self.variant} failed at {request}: {answer['error']}\n{said}")
        return answer

    async def stop(self) -> None:
        """End the process; one that does not end by itself is killed."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()
        self._errors.close()
        self._journals.cleanup()


class Workers:
    """The processes of a run; a new one for each contestant and experiment, or kept where that saves time."""

    def __init__(self, python_of_peers: str | None, keeps: bool = False) -> None:
        self._python_of_peers = python_of_peers
        self._keeps = keeps
        self._running: dict[str, Worker] = {}

    def can_run(self, variant: str) -> bool:
        """Tell whether a contestant's Python is there."""
        return variant not in PEERS or self._python_of_peers is not None

    async def get(self, variant: str) -> Worker:
        """Return a contestant's process, started."""
        if variant not in self._running:
            python = self._python_of_peers if variant in PEERS else sys.executable
            assert python is not None
            self._running[variant] = Worker(variant, python)
            await self._running[variant].start()
        return self._running[variant]

    async def release(self, failed: Iterable[str] = ()) -> None:
        """End what the next experiment does not need, and whoever failed and may have left anything half done."""
        if not self._keeps:
            await self.close()
        for variant in failed:
            if variant in self._running:
                await self._running.pop(variant).stop()

    async def close(self) -> None:
        """End all processes."""
        running, self._running = self._running, {}
        await asyncio.gather(*(worker.stop() for worker in running.values()))


async def run(
    experiment: Experiment,
    workers: Workers,
    is_quick: bool = False,
    only: Sequence[str] = (),
    rounds: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Rounds:
    """Prepare all contestants, let them take turns round by round, and return their values."""
    result = Rounds()
    try:
        ready = await _prepared(experiment, workers, is_quick, only, result, tell)
        for number in range(rounds or (1 if is_quick else experiment.rounds)):
            turn = number % max(1, len(ready))
            for worker in ready[turn:] + ready[:turn]:
                if worker.variant not in result.absent:
                    answer = await _ask(worker, {"round": number}, result, tell)
                    result.values[worker.variant] += [] if answer is None else [answer]
        for worker in ready:
            if worker.variant not in result.absent:
                await _ask(worker, {"finish": True}, result, tell)
    finally:
        await workers.release(variant for variant, reason in result.absent.items() if reason == FAILED)
    return result


async def _prepared(
    experiment: Experiment,
    workers: Workers,
    is_quick: bool,
    only: Sequence[str],
    result: Rounds,
    tell: Callable[[str], None],
) -> list[Worker]:
    """Return the contestants that can take part, ready for their first round."""
    ready = []
    request = {"experiment": experiment.kind, "options": experiment.options_for(is_quick)}
    wanted = [variant for variant in CONTESTANTS[experiment.kind] if not only or variant in only]
    result.absent.update({variant: "not installed" for variant in wanted if not workers.can_run(variant)})
    started = {variant: await workers.get(variant) for variant in wanted if variant not in result.absent}
    for variant, worker in started.items():
        if await _ask(worker, {**request, "variant": variant}, result, tell) is not None:
            ready.append(worker)
            result.values[variant] = []
    return ready


async def _ask(
    worker: Worker, request: dict[str, Any], result: Rounds, tell: Callable[[str], None]
) -> dict[str, Any] | None:
    """Return a worker's answer, or None when it cannot take part any further, which the result then says."""
    try:
        answer = await worker.ask(request)
    except (WorkerFailed, OSError, asyncio.TimeoutError) as error:
        tell(str(error) or type(error).__name__)
        answer = {"absent": FAILED}
    if "absent" in answer:
        result.absent[worker.variant] = answer["absent"]
        return None
    return answer
