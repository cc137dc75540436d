"""The command line of the benchmarks: `python -m tests.benchmarks`, or `make bench`."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.results import FINISHED, UNFINISHED, Results, now, read_results
from tests.benchmarks.rows import Row, experiments_of, selected
from tests.benchmarks.runner import Workers, run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", default="", help="names of experiments or their beginnings, separated by commas")
    parser.add_argument("--quick", action="store_true", help="the quickest form, which proves only that it runs")
    parser.add_argument("--peers", type=Path, help="the Python of an environment that has ccxt and bpx-py")
    parser.add_argument("--resume", action="store_true", help="go on with a complete run that was interrupted")
    parser.add_argument("--renew", action="store_true", help="put these rows into the last complete run")
    parser.add_argument("--only", default="", help="contestants, separated by commas")
    parser.add_argument("--rounds", type=int, help="rounds of each experiment instead of its own number")
    return parser.parse_args()


async def _measure(rows: list[Row], arguments: argparse.Namespace, results: Results, keep: Callable[[], None]) -> None:
    workers = Workers(str(arguments.peers) if arguments.peers else None)
    only = [name for name in arguments.only.split(",") if name]
    wanted = [one for one in experiments_of(rows) if not (arguments.resume and one.name in results.rounds)]
    try:
        for position, experiment in enumerate(wanted, 1):
            print(
                f"{time.strftime('%H:%M:%S')} {position}/{len(wanted)} {experiment.name}", file=sys.stderr, flush=True
            )
            rounds = await run(
                experiment,
                workers,
                is_quick=arguments.quick,
                only=only,
                rounds=arguments.rounds,
                tell=lambda text: print(text, file=sys.stderr),
            )
            results.put(experiment.name, rounds, is_renewed=arguments.renew)
            keep()
    finally:
        await workers.close()


def _command(arguments: argparse.Namespace) -> str:
    words = ["make bench"]
    words += [f"ROWS={arguments.rows}"] if arguments.rows else []
    words += ["QUICK=1"] if arguments.quick else []
    words += ["PEERS=1"] if arguments.peers else []
    return " ".join(words)


def main() -> int:
    """Measure, print the table, and keep the results of a complete run, from which `make docs` writes the documents."""
    arguments = _arguments()
    try:
        rows, results, path = selected(arguments.rows), *_results(arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not results.place:
        results.place, results.begun = report.place(_command(arguments), os.getloadavg()[0], arguments.peers), now()
    asyncio.run(_measure(rows, arguments, results, lambda: None if path is None else results.save(path)))
    where = "\n".join([f"- Date: {results.begun}", *results.place])
    print("\n\n".join([where, report.summary(rows, results.rounds), report.table(rows, results.rounds)]))
    if path is None:
        print("\nBENCHMARKS.md shows complete runs only, so it stays as it is.")
        return 0
    results.save(FINISHED)
    UNFINISHED.unlink(missing_ok=True)
    return 0


def _results(arguments: argparse.Namespace) -> tuple[Results, Path | None]:
    """Return what is known already, and the file to which more is added; no file for a look.

    Raises:   ValueError with a sentence when there is nothing to go on with or to renew.
    """
    is_partial = bool(arguments.rows or arguments.only or arguments.quick or arguments.rounds)
    if arguments.renew:
        known = read_results(FINISHED)
        if known is None or not arguments.rows or arguments.only or arguments.quick or arguments.rounds:
            raise ValueError("Only whole rows of a complete run can be measured again.")
        return known, FINISHED
    if arguments.resume:
        known = read_results(UNFINISHED)
        if known is None or is_partial:
            raise ValueError("There is no interrupted run to go on with.")
        return known, UNFINISHED
    return Results(), None if is_partial else UNFINISHED


if __name__ == "__main__":
    sys.exit(main())
