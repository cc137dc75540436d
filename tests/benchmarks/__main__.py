"""The command line of the benchmarks: `python -m tests.benchmarks`, or `make bench`."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.rows import Row, experiments_of, selected
from tests.benchmarks.runner import Rounds, Workers, run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", default="", help="names of experiments or their beginnings, separated by commas")
    parser.add_argument("--quick", action="store_true", help="the quickest form, which proves only that it runs")
    parser.add_argument("--peers", type=Path, help="the Python of an environment that has ccxt and bpx-py")
    parser.add_argument("--only", default="", help="contestants, separated by commas")
    parser.add_argument("--rounds", type=int, help="rounds of each experiment instead of its own number")
    return parser.parse_args()


async def _measure(rows: list[Row], arguments: argparse.Namespace) -> dict[str, Rounds]:
    workers = Workers(str(arguments.peers) if arguments.peers else None)
    only = [name for name in arguments.only.split(",") if name]
    results = {}
    try:
        for experiment in experiments_of(rows):
            print(f"{experiment.name} ...", file=sys.stderr, flush=True)
            rounds = await run(
                experiment,
                workers,
                is_quick=arguments.quick,
                only=only,
                rounds=arguments.rounds,
                tell=lambda text: print(text, file=sys.stderr),
            )
            results[experiment.name] = rounds
    finally:
        await workers.close()
    return results


def _command(arguments: argparse.Namespace) -> str:
    words = ["make bench"]
    words += [f"ROWS={arguments.rows}"] if arguments.rows else []
    words += ["QUICK=1"] if arguments.quick else []
    words += ["PEERS=1"] if arguments.peers else []
    return " ".join(words)


def main() -> int:
    """Measure, print the table, and write the document when asked to."""
    arguments = _arguments()
    try:
        rows = selected(arguments.rows)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    load = os.getloadavg()[0]
    results = asyncio.run(_measure(rows, arguments))
    where = report.place(_command(arguments), load, arguments.peers)
    body = "\n\n".join([where, report.summary(rows, results), report.table(rows, results)])
    print(body)
    if arguments.rows or arguments.only or arguments.quick or arguments.rounds:
        print(f"\n{report.DOCUMENT.name} shows complete runs only, so it stays as it is.")
    else:
        report.write(body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
