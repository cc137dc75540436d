"""The command line of the chaos runner: python -m tests.chaos --runs 100 --seed 1."""

import argparse
import json
import logging
import multiprocessing
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    from tests.chaos.bots import KINDS
    from tests.chaos.fault_plans import FAULTS, MIXTURE, NONE
    from tests.chaos.runs import BOTH, Outcome, Plan, run_alone

DEFAULT_JOBS = 2
RUNS_A_POOL = 100


def plans(arguments: argparse.Namespace) -> Iterator[Plan]:
    """Yield the runs that are asked for; without a kind of fault, all alone in turn, and a mixture between two."""
    alone = [name for name in FAULTS if name != MIXTURE]
    for number in range(arguments.runs):
        seed = arguments.seed + number
        fault = arguments.fault
        if fault is None:
            fault = alone[seed // 2 % len(alone)] if seed % 2 == 0 else MIXTURE
        yield Plan(seed, fault, arguments.kind, arguments.seconds)


def main(words: Sequence[str] | None = None) -> int:
    """Make the runs, and return 1 when one of them violates an invariant."""
    arguments = _arguments(words)
    if arguments.log:
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    began = time.monotonic()
    failed: list[Outcome] = []
    count = 0
    for outcome in _outcomes(arguments):
        count += 1
        failed += [outcome] if outcome.violations else []
        _tell(outcome, arguments)
    seconds = time.monotonic() - began
    if not arguments.json:
        print(f"{count} runs in {seconds:.0f} s, {len(failed)} with violations.")
        for outcome in failed:
            print(f"  {outcome.plan.command}")
    return 1 if failed else 0


def _outcomes(arguments: argparse.Namespace) -> Iterator[Outcome]:
    if 1 in (arguments.jobs, arguments.runs) or arguments.log:
        for plan in plans(arguments):
            yield run_alone(plan, not arguments.log)
        return
    context = multiprocessing.get_context("spawn")
    waiting = list(plans(arguments))
    # Processes live for some runs only, so that what one leaves behind does not pile up. The pool's own option for this
    # (max_tasks_per_child) comes to a standstill with Python 3.12.
    for first in range(0, len(waiting), RUNS_A_POOL):
        with ProcessPoolExecutor(arguments.jobs, mp_context=context) as pool:
            yield from pool.map(run_alone, waiting[first : first + RUNS_A_POOL])


def _tell(outcome: Outcome, arguments: argparse.Namespace) -> None:
    plan = outcome.plan
    if arguments.json:
        print(
            json.dumps(
                {
                    "seed": plan.seed,
                    "fault": plan.fault,
                    "kind": plan.kind,
                    "violations": outcome.violations,
                    "orders": outcome.orders,
                    "accepted": outcome.accepted,
                    "fills": outcome.fills,
                    "strikes": outcome.strikes,
                    "settledSeconds": outcome.settled_s,
                    "command": plan.command,
                }
            ),
            flush=True,
        )
        return
    strikes = ", ".join(f"{kind} {count}" for kind, count in sorted(outcome.strikes.items())) or "no fault"
    print(
        f"{'FAIL' if outcome.violations else 'ok  '} seed {plan.seed} {plan.fault}: {outcome.orders} orders, "
        f"{outcome.accepted} accepted, {outcome.fills} fills; settled in {outcome.settled_s} s ({strikes})",
        flush=True,
    )
    if outcome.violations:
        for sentence in outcome.violations:
            print(f"     {sentence}")
        if arguments.log:
            for fault in outcome.faults:
                print(f"     {fault}")
        print(f"     again: {plan.command}", flush=True)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="Let the connectors trade on the simulator while everything breaks."
    )
    parser.add_argument("--runs", type=int, default=100, help="how many runs (100)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first run; the next one has the next (1)")
    parser.add_argument("--fault", choices=FAULTS, help=f"this kind alone; {NONE}; {MIXTURE}; all in turn if absent")
    parser.add_argument("--kind", choices=(*KINDS, BOTH), default=BOTH, help="which connectors (both, on one account)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each run trades (2)")
    parser.add_argument("--jobs", type=int, default=DEFAULT_JOBS, help="how many runs at a time (2)")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each run")
    parser.add_argument("--log", action="store_true", help="show the connectors' warnings and the faults; one job")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
