"""Run the rounds of one contestant in a process of its own, as the standard input asks, with its own stand-in server.

A request is one line of JSON: {"experiment", "variant", "options"} to prepare, then {"round": n}, then
{"finish": true}. Each is answered by one line. Whatever else the process prints goes to its error output.
"""

import asyncio
import importlib
import json
import os
import sys
import traceback
import urllib.request
from subprocess import PIPE
from typing import Any, Protocol

from tests.benchmarks.contestants import CONTESTANTS, FAST, OURS


class Absent(Exception):
    """A contestant cannot take part here, for the reason given."""


class Contestant(Protocol):
    """One way of doing what an experiment measures."""

    async def prepare(self) -> None: ...

    async def round(self) -> dict[str, float]: ...

    async def finish(self) -> None: ...


class StandIn:
    """The stand-in exchange as a contestant sees it: two addresses, and what the server noted."""

    def __init__(self, ports: list[int]) -> None:
        self.url, self.slow_url = (f"http://127.0.0.1:{port}" for port in ports)

    def taken(self) -> dict[str, Any]:
        """Return the arrivals and counts of requests since the last time that anybody asked."""
        return self._ask("/bench/arrivals")

    def sent_at(self) -> dict[str, float]:
        """Return when the first and last frame were sent."""
        return self._ask("/bench/sent")

    def publish(self, pairs: int, count: int, rate: float, size: str) -> dict[str, int]:
        """Have depth frames sent, and return the last update id of each market."""
        return self._ask("/bench/publish", {"pairs": pairs, "count": count, "rate": rate, "size": size})

    def _ask(self, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data), timeout=30) as answer:
            return json.loads(answer.read())


def made(experiment: str, variant: str, stand_in: StandIn, options: dict[str, Any]) -> Contestant:
    """Return the contestant of an experiment, not yet prepared."""
    module, _, name = CONTESTANTS[experiment][variant].partition(":")
    known = OURS if variant == FAST else variant  # what is different is in the environment of the process
    return getattr(importlib.import_module(f"tests.benchmarks.{module}"), name)(known, stand_in, options)


async def main() -> None:
    """Answer requests until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.server", stdin=PIPE, stdout=PIPE
    )
    assert server.stdout is not None
    stand_in = StandIn(json.loads(await server.stdout.readline()))
    contestant: Contestant | None = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            if "experiment" in request:
                contestant = made(request["experiment"], request["variant"], stand_in, request["options"])
                await contestant.prepare()
            elif "round" in request:
                stand_in.taken()
                answer = await contestant.round()
            else:
                await contestant.finish()
                contestant = None
        except Absent as reason:
            answer = {"absent": str(reason)}
        except Exception:  # noqa: BLE001 - boundary of the process: whoever asked has to hear of it
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    assert server.stdin is not None
    server.stdin.close()
    await server.wait()


if __name__ == "__main__":
    asyncio.run(main())
