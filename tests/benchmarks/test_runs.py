"""Every experiment runs, in its quickest form, with our connector, the built-in one and the floor.

Nothing is timed here. The peers need an environment of their own, so they take part only in `make bench PEERS=1`.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.benchmarks.contestants import BUILT_IN, CONTESTANTS, FLOOR, OURS, PEERS
from tests.benchmarks.rows import EXPERIMENTS, ROWS
from tests.benchmarks.runner import Experiment, Rounds, Workers, run

pytestmark = pytest.mark.timeout(120)

Runs = Callable[..., tuple[Rounds, list[str]]]

# In their quickest form some are the same.
QUICK = list(
    {
        (experiment.kind, json.dumps(experiment.options_for(True), sort_keys=True)): experiment
        for experiment in reversed(EXPERIMENTS)
    }.values()
)[::-1]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """Give what runs an experiment, in processes that serve all experiments of this module."""
    with asyncio.Runner() as runner:
        workers = Workers(None, keeps=True)

        def run_quickly(experiment: Experiment, only: Sequence[str] = ()) -> tuple[Rounds, list[str]]:
            said: list[str] = []
            return runner.run(run(experiment, workers, is_quick=True, only=only, tell=said.append)), said

        yield run_quickly
        runner.run(workers.close())


@pytest.mark.parametrize("experiment", QUICK, ids=lambda experiment: experiment.name)
def test_an_experiment_gives_what_its_rows_show(experiment: Experiment, runs: Runs) -> None:
    rounds, said = runs(experiment)
    assert set(rounds.absent.values()) <= {"not installed", "no compiler"}, said
    assert set(rounds.values) | set(rounds.absent) == set(CONTESTANTS[experiment.kind])
    for row in (row for row in ROWS if row.experiment == experiment.name):
        needed = {OURS} | {goal.against for goal in row.goals} - {""} - set(PEERS)
        for name in needed - set(rounds.absent):
            assert len(rounds.of(name, row.metric)) == 1, f"{name} has no {row.metric}"
            assert rounds.of(name, row.metric)[0] >= 0


def test_the_requests_of_a_poll_are_counted(runs: Runs) -> None:
    """The built-in asks twice for each order and three times besides; ours does not depend on the orders."""
    poll, _ = runs(next(experiment for experiment in EXPERIMENTS if experiment.name == "poll"))
    assert poll.values[BUILT_IN] == [{"calls_1": 5, "calls_2": 9, "calls_3": 13}]
    assert len(set(poll.values[OURS][0].values())) == 1


def test_a_contestant_that_fails_is_told_of_and_leaves_the_run(runs: Runs) -> None:
    rounds, said = runs(Experiment("signing without a count", "sign"), (FLOOR,))
    assert rounds.absent == {FLOOR: "failed"}
    assert rounds.values == {FLOOR: []}
    assert len(said) == 1
    assert "KeyError: 'count'" in said[0]
