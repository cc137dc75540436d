"""The command line of the chaos runner: python -m tests.chaos --runs 1000 --seed 1."""

import argparse
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    from tests.chaos import table
    from tests.chaos.bots import KINDS
    from tests.chaos.fault_plans import FAULTS, MIXTURE, NONE
    from tests.chaos.pool import HASH_SEED, has_hash_seed, outcomes
    from tests.chaos.runs import BOTH, COMMON, FULL, WORKLOADS, Outcome, Plan, run_alone, shell_words, variables_of
    from tests.chaos.weeks import run_days

DEFAULT_JOBS = 2
DEFAULT_RUNS = 1_000
"""They take some twenty minutes on two processors."""


def plans(arguments: argparse.Namespace) -> Iterator[Plan]:
    """Yield the runs that are asked for; without a kind of fault, all alone in turn, and a mixture between two."""
    workload = arguments.workload or (FULL if arguments.peer == table.OURS else COMMON)
    variables = variables_of(os.environ)
    alone = [name for name in FAULTS if name != MIXTURE]
    for number in range(arguments.runs):
        seed = arguments.seed + number
        fault = arguments.fault
        if fault is None:
            fault = alone[seed // 2 % len(alone)] if seed % 2 == 0 else MIXTURE
        yield Plan(seed, fault, arguments.kind, arguments.seconds, arguments.peer, workload, variables)


def main(words: Sequence[str] | None = None) -> int:
    """Make the runs, and return 1 when one of them violates an invariant."""
    arguments = _arguments(words)
    if arguments.log or arguments.days:  # the only runs that this process makes itself
        _be_like_the_pool(sys.argv[1:] if words is None else words)
    if arguments.log:
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return _pass_days(arguments) if arguments.days else _make_runs(arguments)


def _be_like_the_pool(words: Sequence[str]) -> None:
    if not has_hash_seed():
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        os.execv(sys.executable, [sys.executable, "-m", "tests.chaos", *words])


def _make_runs(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    if arguments.table:
        table.check_place()
    commit = table.commit()  # now: files may change while the runs are made
    made: list[Outcome] = []
    for outcome in _outcomes(arguments):
        made.append(outcome)
        _tell(outcome, arguments)
    failed = [outcome for outcome in made if outcome.violations]
    if not arguments.json:
        print(f"{len(made)} runs in {time.monotonic() - began:.0f} s, {len(failed)} with violations.")
        for outcome in failed:
            print(f"  {outcome.plan.command}")
    if arguments.table:
        day = datetime.now(timezone.utc).date()
        table.write(table.text(made, table.Measurement(day, arguments.runs, arguments.seed, commit)))
        print(f"{table.PLACE.name} has the table.")
        failed = [outcome for outcome in failed if outcome.plan.peer == table.OURS]
    return 1 if failed else 0


def _pass_days(arguments: argparse.Namespace) -> int:
    outcome = run_days(arguments.days, arguments.seed, lambda line: print(line, flush=True), not arguments.log)
    for sentence in outcome.violations:
        print(f"     {sentence}")
    if outcome.violations:
        command = f"python -m tests.chaos --days {arguments.days} --seed {arguments.seed}"
        print(f"     again: {shell_words(variables_of(os.environ))}{command}")
    print(f"{len(outcome.violations)} violations; {outcome.cpu_s:.0f} s of processor time.")
    return 1 if outcome.violations else 0


def _outcomes(arguments: argparse.Namespace) -> Iterator[Outcome]:
    waiting = list(table.plans(arguments.runs, arguments.seed) if arguments.table else plans(arguments))
    if arguments.log:
        for plan in waiting:
            yield run_alone(plan, not arguments.log)
        return
    yield from outcomes(waiting, arguments.jobs)


def _tell(outcome: Outcome, arguments: argparse.Namespace) -> None:
    plan = outcome.plan
    if arguments.json:
        print(
            json.dumps(
                {
                    "seed": plan.seed,
                    "fault": plan.fault,
                    "kind": plan.kind,
                    "peer": plan.peer,
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
    parser.add_argument("--runs", type=int, help="how many runs (1000); with --table, for each cell (10)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first run; the next one has the next (1)")
    parser.add_argument("--fault", choices=FAULTS, help=f"this kind alone; {NONE}; {MIXTURE}; all in turn if absent")
    parser.add_argument("--kind", choices=(*KINDS, BOTH), default=BOTH, help="which connectors (both, on one account)")
    parser.add_argument("--seconds", type=float, default=180.0, help="how long each run trades, virtually (180)")
    parser.add_argument("--peer", choices=table.PEERS, default=table.OURS, help="these connectors, or Hummingbot's own")
    parser.add_argument("--workload", choices=WORKLOADS, help="what ours can do, or what both peers can (as the peer)")
    parser.add_argument("--table", action="store_true", help="both peers under every fault; writes docs/reliability.md")
    parser.add_argument("--days", type=int, default=0, help="one run in which so many days pass, in some minutes each")
    parser.add_argument("--jobs", type=int, default=DEFAULT_JOBS, help="how many runs at a time (2)")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each run")
    parser.add_argument("--log", action="store_true", help="show the connectors' warnings and the faults; one job")
    arguments = parser.parse_args(words)
    if arguments.runs is None:
        arguments.runs = table.DEFAULT_RUNS if arguments.table else DEFAULT_RUNS
    return arguments


if __name__ == "__main__":
    sys.exit(main())
