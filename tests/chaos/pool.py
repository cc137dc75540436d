"""Make many runs, some at a time, in processes that live for a number of runs with the same connectors."""

import itertools
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from tests.chaos.runs import Outcome, Plan, run_alone

RUNS_A_POOL = 100

HASH_SEED = "0"
"""A run is determined by its seed only if sets of text have the same order in every process."""


def has_hash_seed() -> bool:
    """Tell whether this process itself makes runs as the pool's processes do."""
    return os.environ.get("PYTHONHASHSEED") == HASH_SEED


@contextmanager
def new_pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of fresh processes; leaving the context drops the runs that have not begun."""
    os.environ["PYTHONHASHSEED"] = HASH_SEED
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=end_with_parent) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def end_with_parent() -> None:
    """Let this process end when the one that has started it is gone; a pool's own processes would go on for ever."""
    threading.Thread(target=_end_after, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_after(parent: "multiprocessing.process.BaseProcess | None") -> None:
    if parent is not None:
        parent.join()
        os._exit(1)


def outcomes(plans: Sequence[Plan], jobs: int) -> Iterator[Outcome]:
    """Yield what came of each run, in the order of the plans."""
    # Hummingbot's own connectors and ours exclude each other in a process, and what a run leaves behind must not pile
    # up. The pool's own option for this (max_tasks_per_child) comes to a standstill with Python 3.12.
    for _, group in itertools.groupby(plans, lambda plan: plan.peer):
        waiting = list(group)
        for first in range(0, len(waiting), RUNS_A_POOL):
            with new_pool(jobs) as pool:
                yield from pool.map(run_alone, waiting[first : first + RUNS_A_POOL])
