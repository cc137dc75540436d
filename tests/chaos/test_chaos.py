"""The short form of `make chaos`: every kind of fault once, with both connectors on one account.

What a run holds is in `invariants`. Each invariant is seen failing here: `breakages` breaks one piece of the product
at a time (the second test), and a run over the broken product must say the sentence of the invariant.
Time is virtual, so the runs take what the processor takes; they are made in other processes, side by side.
"""

import warnings
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    from tests.chaos.breakages import BREAKAGES, is_noticed, run_broken
    from tests.chaos.fault_plans import FAULTS, HOLDING
    from tests.chaos.pool import new_pool
    from tests.chaos.runs import Outcome, Plan, run_alone

SEED = 1
SIDE_BY_SIDE = 2
SECONDS = 90.0

PICOWS = (("BACKPACK_WEBSOCKET", "picows"),)
ENDS = [fault for fault in FAULTS if fault.startswith("socket_") and fault not in HOLDING]

Runs = dict[str, "Future[Outcome]"]


@pytest.fixture(scope="module")
def started() -> Iterator[Runs]:
    """Give all runs of this module, which are under way."""
    with new_pool(SIDE_BY_SIDE) as pool:
        runs = {fault: pool.submit(run_alone, Plan(SEED, fault, duration_s=SECONDS)) for fault in FAULTS}
        # The faults of sockets, over sockets that another library reads.
        runs |= {
            f"picows {fault}": pool.submit(run_alone, Plan(SEED, fault, duration_s=SECONDS, variables=PICOWS))
            for fault in ENDS
        }
        runs |= {name: pool.submit(run_broken, name, SEED) for name in BREAKAGES}
        yield runs


@pytest.mark.parametrize("fault", FAULTS)
def test_after_the_fault_all_books_are_those_of_the_exchange(fault: str, started: Runs) -> None:
    outcome = started[fault].result()
    assert outcome.violations == [], outcome.plan.command
    assert outcome.accepted > 0
    if fault not in {*HOLDING, "none", "mixture"}:
        assert outcome.strikes[fault] > 0


@pytest.mark.parametrize("fault", ENDS)
def test_whatever_happens_to_a_socket_that_picows_reads(fault: str, started: Runs) -> None:
    pytest.importorskip("picows")
    outcome = started[f"picows {fault}"].result()
    assert outcome.violations == [], outcome.plan.command
    assert outcome.accepted > 0
    assert outcome.strikes[fault] > 0


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_product_is_noticed(name: str, started: Runs) -> None:
    outcome = started[name].result()
    assert is_noticed(name, outcome), outcome.violations
