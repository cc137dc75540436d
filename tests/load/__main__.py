"""Show how much one simulator holds: `python -m tests.load`, or `make load`; the last complete run is kept."""

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict

from tests.benchmarks.report import processor
from tests.benchmarks.results import now
from tests.load.stages import BOTS, GOAL_FRAMES_PER_S, MARKETS, RESULTS, STAGES, Stage, run, table


def _priority() -> str:
    """Say whether the run was put before everything else on the machine, as where others work on it too."""
    is_first = hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) in (os.SCHED_RR, os.SCHED_FIFO)
    return ", both processes at real-time priority" if is_first else ""


def main() -> int:
    """Go through the stages and print what they show; the exit code is 1 if the goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each stage")
    parser.add_argument("--stages", default="", help="frames a second, separated by commas; nothing is written then")
    options = parser.parse_args()
    stages = [int(text) for text in options.stages.split(",") if text] or list(STAGES)

    def tell(stage: Stage) -> None:
        print(table([stage]).splitlines()[-1], flush=True)

    print(table([]), flush=True)
    load = os.getloadavg()[0]
    found = asyncio.run(run(stages, options.seconds, MARKETS, BOTS, tell))
    if not options.stages:
        machine = f"{processor()}, {os.cpu_count()} cores, load before the run {load:.2f}{_priority()}"
        facts = {"made": now(), "machine": machine, "stages": [asdict(stage) for stage in found]}
        RESULTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return 0 if any(stage.is_held and stage.asked_per_s >= GOAL_FRAMES_PER_S for stage in found) else 1


if __name__ == "__main__":
    sys.exit(main())
