"""The command line of the kill test: python -m tests.kills --kills 200 --seed 1.

The seed decides what the bot does and when it is killed; how far it has come by then, the machine decides too.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Sequence

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    from tests.kills.runs import Report, run

MOST_SHOWN = 20


def main(words: Sequence[str] | None = None) -> int:
    """Make a run, and return 1 when anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often the bot is killed (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what the bot does and when it dies")
    arguments = parser.parse_args(words)
    # The journal of this run is its own, unless the user has switched journals off to see what they are good for.
    if os.environ.get("BACKPACK_JOURNAL", "").strip().lower() != "off":
        os.environ.pop("BACKPACK_JOURNAL", None)
    began = time.monotonic()
    report = run(arguments.kills, arguments.seed, lambda text: print(text, flush=True))
    print(_summary(report, time.monotonic() - began))
    for text in report.violations[:MOST_SHOWN]:
        print(f"  {text}")
    if len(report.violations) > MOST_SHOWN:
        print(f"  and {len(report.violations) - MOST_SHOWN} more")
    if report.violations:
        print(f"  again: python -m tests.kills --kills {arguments.kills} --seed {arguments.seed}")
    return 1 if report.violations else 0


def _summary(report: Report, seconds: float) -> str:
    return (
        f"{report.kills} kills in {seconds:.0f} s: {report.orders} orders and {report.fills} fills on the exchange; "
        f"{report.gaps} orders and {report.gap_fills} fills were unknown at the moment of a kill; "
        f"{report.lives_recovered} recoveries were timed, the slowest took {report.slowest_recovery_s:.1f} s; "
        f"{len(report.violations)} violations."
    )


if __name__ == "__main__":
    sys.exit(main())
