"""Hummingbot's own connectors in the same runs: they trade, and what a lost answer does to them is seen."""

import multiprocessing
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    from tests.chaos.builtin_bots import BuiltinBot
    from tests.chaos.runs import COMMON, Outcome, Plan, run_alone

SECONDS = 60.0


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Give processes in which the plugin may step aside."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def outcomes(pool: ProcessPoolExecutor) -> dict[str, Outcome]:
    """Give what came of a run without a fault, and of one in which answers are lost."""
    plans = [Plan(1, fault, duration_s=SECONDS, peer="builtin", workload=COMMON) for fault in ("none", "answer_lost")]
    return {outcome.plan.fault: outcome for outcome in pool.map(run_alone, plans)}


def modules_of_connectors(_: Any) -> list[str]:
    names: list[str] = []
    make = BuiltinBot.make_connector

    def remembering(self: BuiltinBot, kind: str, venue: Any) -> Any:
        connector = make(self, kind, venue)
        names.append(type(connector).__module__)
        return connector

    BuiltinBot.make_connector = remembering  # type: ignore[method-assign]
    run_alone(Plan(1, "none", duration_s=1.0, peer="builtin", workload=COMMON))
    return names


def test_without_a_fault_they_trade_and_everything_is_right(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["none"]
    assert outcome.violations == []
    assert outcome.accepted > 10
    assert outcome.fills > 5


def test_lost_answers_make_them_call_orders_failed_that_the_exchange_has(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes["answer_lost"]
    assert outcome.strikes["answer_lost"] > 0
    assert any("but it was reported failed" in sentence for sentence in outcome.violations)


def test_they_are_hummingbots_own(pool: ProcessPoolExecutor) -> None:
    names = pool.submit(modules_of_connectors, None).result()
    assert [name.split(".")[:4] for name in names] == [
        ["hummingbot", "connector", "exchange", "backpack"],
        ["hummingbot", "connector", "derivative", "backpack_perpetual"],
    ]
