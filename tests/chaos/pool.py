"""Make many runs, some at a time, in processes that live for a number of runs with the same connectors."""

import itertools
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.chaos.runs import Outcome, Plan, run_alone

RUNS_A_POOL = 100


def outcomes(plans: Sequence[Plan], jobs: int) -> Iterator[Outcome]:
    """Yield what came of each run, in the order of the plans."""
    context = multiprocessing.get_context("spawn")
    # Hummingbot's own connectors and ours exclude each other in a process, and what a run leaves behind must not pile
    # up. The pool's own option for this (max_tasks_per_child) comes to a standstill with Python 3.12.
    for _, group in itertools.groupby(plans, lambda plan: plan.peer):
        waiting = list(group)
        for first in range(0, len(waiting), RUNS_A_POOL):
            with ProcessPoolExecutor(jobs, mp_context=context) as pool:
                yield from pool.map(run_alone, waiting[first : first + RUNS_A_POOL])
