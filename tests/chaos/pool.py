"""Make many runs, some at a time, each in a process that lives for a number of runs only."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.chaos.runs import Outcome, Plan, run_alone

RUNS_A_POOL = 100


def outcomes(plans: Sequence[Plan], jobs: int) -> Iterator[Outcome]:
    """Yield what came of each run, in the order of the plans."""
    context = multiprocessing.get_context("spawn")
    # Processes live for some runs only, so that what one leaves behind does not pile up. The pool's own option for this
    # (max_tasks_per_child) comes to a standstill with Python 3.12.
    for first in range(0, len(plans), RUNS_A_POOL):
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            yield from pool.map(run_alone, plans[first : first + RUNS_A_POOL])
