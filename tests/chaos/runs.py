"""Make one run: bots trade while faults strike, then the faults end, and in a bounded time all must be right."""

import asyncio
import logging
import os
import random
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from unittest import mock

from hummingbot.core.clock import Clock
from hummingbot.core.clock_mode import ClockMode
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from backpack_connector.backpack_constants import SIMULATOR_URL_VARIABLE
from backpack_connector.simulator import running_simulator
from backpack_connector.simulator.faults_kinds import Fault
from backpack_connector.simulator.refusals import Refusal
from tests.chaos.bots import KINDS, PAIRS, Bot, symbol_of, until
from tests.chaos.fault_plans import MIXTURE, planned_faults
from tests.chaos.hurry import hurrying
from tests.chaos.invariants import of_history, of_tasks, violations
from tests.chaos.venue import Venue

BOTH = "both"
START_S = 15.0
SETTLING_S = 15.0
STOP_S = 6.0
TICK_S = 0.1
LOOKS = 2
"""How often in a row all must be right."""
STEPS_BETWEEN_INDEX_MOVES = 7


@dataclass(frozen=True)
class Plan:
    """What a run is determined by, as far as real time lets it."""

    seed: int
    fault: str = MIXTURE
    kind: str = BOTH
    duration_s: float = 2.0

    @property
    def command(self) -> str:
        """Return what a shell needs to run this again."""
        return (
            f"python -m tests.chaos --runs 1 --seed {self.seed} --fault {self.fault} --kind {self.kind} "
            f"--seconds {self.duration_s:g}"
        )


@dataclass
class Outcome:
    """What came of a run."""

    plan: Plan
    violations: list[str] = field(default_factory=list)
    orders: int = 0
    accepted: int = 0
    fills: int = 0
    strikes: dict[str, int] = field(default_factory=dict)
    """How often each fault struck, by kind."""
    faults: list[str] = field(default_factory=list)
    settled_s: float = 0.0


def run_alone(plan: Plan, is_quiet: bool = True) -> Outcome:
    """Make one run in an event loop of its own, the connectors' warnings about faults kept off the screen."""
    if is_quiet:
        logging.disable(logging.CRITICAL)
    try:
        return asyncio.run(run(plan))
    except Exception as error:  # noqa: BLE001 - boundary of a run: its seed must not be lost
        return Outcome(plan, ["The run itself broke off: " + "".join(traceback.format_exception(error)[-3:])])


async def run(plan: Plan) -> Outcome:
    """Make one run, and return what came of it."""
    outcome = Outcome(plan)
    before = asyncio.all_tasks()
    with hurrying():
        async with running_simulator(background=False, seed=plan.seed) as simulator:
            with mock.patch.dict(os.environ, {SIMULATOR_URL_VARIABLE: simulator.rest_url}):
                kinds = KINDS if plan.kind == BOTH else (plan.kind,)
                venue = Venue(simulator, [symbol_of(kind, pair) for kind in kinds for pair in PAIRS])
                bots = [Bot(kind, venue) for kind in kinds]
                await _live(bots, venue, outcome)
        await ConnectionsFactory().close()
        await until(lambda: not of_tasks(before), STOP_S)
        outcome.violations += of_tasks(before)
    return outcome


async def _live(bots: list[Bot], venue: Venue, outcome: Outcome) -> None:
    venue.make_markets()
    with Clock(ClockMode.REALTIME, tick_size=TICK_S) as clock:
        for bot in bots:
            bot.join(clock)
        ticking = asyncio.ensure_future(clock.run())
        try:
            if not await until(lambda: all(bot.connector.ready for bot in bots), START_S):
                outcome.violations.append("A connector did not get ready although nothing was wrong.")
            else:
                await _trade(bots, venue, outcome)
                await _settle(bots, venue, outcome)
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
    for bot in bots:
        await bot.stop()
    if not outcome.violations:
        outcome.violations += of_history(bots, venue)  # what is told cannot be taken back
    outcome.orders = sum(len(bot.ids) for bot in bots)
    outcome.accepted = len(venue.orders())
    outcome.fills = sum(len(bot.fills()) for bot in bots)
    _count_strikes(venue, outcome)


def _count_strikes(venue: Venue, outcome: Outcome) -> None:
    strikes: Counter[str] = Counter()
    for row in venue.simulator.faults.payload():
        strikes[row["kind"]] += row["struck"]
    outcome.strikes = dict(strikes)


async def _trade(bots: list[Bot], venue: Venue, outcome: Outcome) -> None:
    """Let everybody do something every few hundredths of a second, and set the faults when it is their time."""
    plan = outcome.plan
    chance = random.Random(f"{plan.seed}/{plan.fault}/{plan.kind}")
    faults = planned_faults(plan.fault, random.Random(f"faults/{plan.seed}/{plan.fault}"), venue, plan.duration_s)
    outcome.faults = [repr(fault) for _, fault in faults]
    start_s, step = time.monotonic(), 0
    while (now_s := time.monotonic() - start_s) < plan.duration_s:
        while faults and faults[0][0] <= now_s:
            _set(venue, faults.pop(0)[1])
        _do_something(bots, venue, chance, step)
        step += 1
        await asyncio.sleep(chance.uniform(0.0, 0.06))


def _set(venue: Venue, fault: Fault) -> None:
    with suppress(Refusal):  # such as a trade that the price bands forbid just now
        venue.simulator.faults.inject(fault)


def _do_something(bots: list[Bot], venue: Venue, chance: random.Random, step: int) -> None:
    what = chance.random()
    if what < 0.6:
        chance.choice(bots).act(chance)
    elif what < 0.85:
        venue.stranger_trades(chance)
    elif what < 0.9:
        venue.make_markets(400)
    elif what < 0.95:
        venue.owner_trades(chance)
    else:
        venue.owner_cancels(chance)
    if step % STEPS_BETWEEN_INDEX_MOVES == 0:
        for symbol in venue.symbols:
            if symbol.endswith("_PERP"):
                venue.simulator.set_index_price(symbol, venue.price(symbol, chance.randint(-30, 30)))


async def _settle(bots: list[Bot], venue: Venue, outcome: Outcome) -> None:
    """End the faults, and wait until everything is right; whatever is still wrong in the end is a violation."""
    venue.simulator.faults.end()
    start_s = time.monotonic()
    found = ["Nothing was compared."]
    right_in_a_row = 0
    while right_in_a_row < LOOKS and time.monotonic() - start_s < SETTLING_S:
        venue.stir()
        await asyncio.sleep(0.25)
        # Once is not enough to know it stays so, and twice in a row differs from a price that moved just now.
        found = violations(bots, venue)
        right_in_a_row = 0 if found else right_in_a_row + 1
    outcome.settled_s = round(time.monotonic() - start_s, 2)
    outcome.violations += found
