"""Make one run: bots trade while faults strike, then the faults end, and in a bounded time all must be right."""

import asyncio
import logging
import os
import random
import shlex
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from unittest import mock

from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory
from hummingbot.logger import HummingbotLogger

from backpack_connector.hosts import SIMULATOR_URL_VARIABLE
from backpack_connector.protocol import rate_limits
from backpack_connector.simulator import running_simulator
from backpack_connector.simulator.faults_kinds import Fault
from backpack_connector.simulator.refusals import Refusal
from backpack_connector.simulator.sequencer import DEFAULT_TAKER_DELAY_S
from tests.chaos.bots import EXTRA_PAIR, KINDS, PAIRS, Bot, symbol_of, until
from tests.chaos.fault_plans import MIXTURE, distance, planned_faults
from tests.chaos.full_bot import FullBot
from tests.chaos.invariants import of_history, of_tasks, violations
from tests.chaos.venue import Venue
from tests.chaos.virtual_time import run_virtually

BOTH = "both"
FULL, COMMON = "full", "common"
WORKLOADS = (FULL, COMMON)
DURATION_S = 180.0
START_S = 60.0
REST_S = 120.0
STOP_S = 30.0
LOOK_S = 2.0
LOOKS = 2
"""How often in a row all must be right."""
STEPS_BETWEEN_INDEX_MOVES = 7
AN_HOUR_S = 1_800_000_000
"""A full hour, in seconds since the epoch: funding is paid then, and every run trades across it."""

SETTINGS = (
    "BACKPACK_WEBSOCKET",
    "BACKPACK_HTTP",
    "BACKPACK_WARM_CONNECTIONS",
    "BACKPACK_GC_FREEZE",
    "BACKPACK_EXCLUSIVE_ACCOUNT",
    "BACKPACK_SELF_TRADE_PREVENTION",
    "BACKPACK_SLIPPAGE_TOLERANCE",
    "BACKPACK_BROKER_ID",
)
"""The connectors' variables that change what they do; none is a secret."""

_GAPS_S = ((0.0, 0.0), (0.0, 0.2), (0.0, 2.0), (0.5, 3.0))
"""From and to: how long it takes until somebody does something again."""


@dataclass(frozen=True)
class Plan:
    """What determines a run."""

    seed: int
    fault: str = MIXTURE
    kind: str = BOTH
    duration_s: float = DURATION_S
    peer: str = "ours"
    workload: str = FULL
    """All that our connectors can do, or what every connector can."""
    variables: tuple[tuple[str, str], ...] = ()
    """What the user has set in his environment, by name."""

    @property
    def command(self) -> str:
        """Return what a shell needs to run this again."""
        words = f"{shell_words(self.variables)}python -m tests.chaos --runs 1 --seed {self.seed}"
        words += f" --fault {self.fault} --kind {self.kind} --seconds {self.duration_s:g}"
        words += "" if self.workload == FULL else f" --workload {self.workload}"
        return words if self.peer == "ours" else f"{words} --peer {self.peer}"


def variables_of(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the settings in an environment that change what a run does."""
    return tuple((name, environment[name]) for name in SETTINGS if name in environment)


def shell_words(variables: tuple[tuple[str, str], ...]) -> str:
    """Return what stands before a command that is to have these variables."""
    return "".join(f"{name}={shlex.quote(value)} " for name, value in variables)


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
    cpu_s: float = 0.0


Story = Callable[[list[Bot], Venue, Outcome], Awaitable[None]]
"""What happens between the connectors' getting ready and their stop."""


def run_alone(plan: Plan, is_quiet: bool = True, story: Story | None = None) -> Outcome:
    """Make one run in a virtual event loop of its own, the connectors' warnings about faults kept off the screen."""
    if is_quiet:
        logging.disable(logging.CRITICAL)
        warnings.filterwarnings("ignore", "coroutine .* was never awaited")  # Hummingbot's, when it is cancelled
    began_s = time.process_time()
    random.seed(plan.seed)  # the jitter of the product's pauses
    begins_s = AN_HOUR_S - int(random.Random(plan.seed).uniform(0.1, 0.9) * min(plan.duration_s, 3600.0))
    try:
        with mock.patch.dict(os.environ, dict(plan.variables)):
            outcome = run_virtually(run(plan, story or short_story), begins_s)
    except Exception as error:  # noqa: BLE001 - boundary of a run: its seed must not be lost
        outcome = Outcome(plan, ["The run itself broke off: " + "".join(traceback.format_exception(error)[-3:])])
    outcome.cpu_s = round(time.process_time() - began_s, 2)
    return outcome


@contextmanager
def surroundings(rest_url: str, is_strict: bool = True) -> Iterator[None]:
    """Point the connectors at the simulator as long as the context lasts, and make the exchange a strict one or not."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        places = {SIMULATOR_URL_VARIABLE: rest_url, "BACKPACK_JOURNAL": folder}
        stack.enter_context(mock.patch.dict(os.environ, places))
        if is_strict:  # what no source states counts as historical here, on both sides
            stack.enter_context(mock.patch.object(rate_limits, "_SERVER_POOLS", rate_limits._CLIENT_POOLS))
        # Hummingbot's logger would otherwise start the whole application to show a warning there.
        stack.enter_context(mock.patch.object(HummingbotLogger, "is_testing_mode", staticmethod(lambda: True)))
        yield


def bot_class(plan: Plan) -> type[Bot]:
    """Return what kind of bot a plan asks for."""
    if plan.peer != "ours":
        from tests.chaos.builtin_bots import BuiltinBot  # needs modules that ours must not load

        return BuiltinBot
    return FullBot if plan.workload == FULL else Bot


async def run(plan: Plan, story: Story) -> Outcome:
    """Make one run, and return what came of it."""
    outcome = Outcome(plan)
    before = asyncio.all_tasks()
    options = {"background": False, "seed": plan.seed, "taker_delay_s": DEFAULT_TAKER_DELAY_S}
    async with running_simulator(**options) as simulator:
        with surroundings(simulator.rest_url, is_strict=plan.workload == FULL):
            kinds = KINDS if plan.kind == BOTH else (plan.kind,)
            venue = Venue(simulator, [symbol_of(kind, pair) for kind in kinds for pair in (*PAIRS, EXTRA_PAIR)])
            bots = [bot_class(plan)(kind, venue) for kind in kinds]
            await _live(bots, venue, outcome, story)
    await ConnectionsFactory().close()
    await until(lambda: not of_tasks(before), STOP_S)
    outcome.violations += of_tasks(before)
    return outcome


async def _live(bots: list[Bot], venue: Venue, outcome: Outcome, story: Story) -> None:
    venue.make_markets()
    for bot in bots:
        bot.begin()
    if not await until(lambda: all(bot.connector.ready for bot in bots), START_S):
        outcome.violations.append("A connector did not get ready although nothing was wrong.")
    else:
        for bot in bots:
            bot.note_size()
        await story(bots, venue, outcome)
    for bot in bots:
        await bot.stop()
    if not outcome.violations:
        outcome.violations += of_history(bots, venue)  # what is told cannot be taken back
    outcome.orders = sum(len(bot.ids) for bot in bots)
    outcome.accepted = len(venue.orders())
    outcome.fills = sum(len(bot.fills()) for bot in bots)


async def short_story(bots: list[Bot], venue: Venue, outcome: Outcome) -> None:
    """Let everybody trade for some minutes while faults strike, then compare everything."""
    await _trade(bots, venue, outcome)
    await settle(bots, venue, outcome)


async def _trade(bots: list[Bot], venue: Venue, outcome: Outcome) -> None:
    """Let everybody do something now and then, and set the faults when it is their time."""
    plan = outcome.plan
    chance = random.Random(f"{plan.seed}/{plan.fault}/{plan.kind}")
    faults = planned_faults(plan.fault, random.Random(f"faults/{plan.seed}/{plan.fault}"), venue, plan.duration_s)
    outcome.faults = [repr(fault) for _, fault in faults]
    if chance.random() < 0.7:
        venue.simulator.faults.inject(*distance(chance))
    struck = Strikes(venue)
    start_s, step = time.monotonic(), 0
    while (now_s := time.monotonic() - start_s) < plan.duration_s:
        while faults and faults[0][0] <= now_s:
            struck.inject(faults.pop(0)[1])
        do_something(bots, venue, chance, step)
        step += 1
        await asyncio.sleep(chance.uniform(*chance.choice(_GAPS_S)))
    outcome.strikes = struck.counts()


class Strikes:
    """The faults of a run, and how often they strike."""

    def __init__(self, venue: Venue) -> None:
        self._faults = venue.simulator.faults
        self._set: list[tuple[str, int]] = []

    def inject(self, fault: Fault) -> None:
        """Set a fault."""
        with suppress(Refusal):  # such as a trade that the price bands forbid just now
            self._set += [(fault.kind.value, fault_id) for fault_id in self._faults.inject(fault)]

    def counts(self) -> dict[str, int]:
        """Return how often each kind has struck until now."""
        counts: Counter[str] = Counter()
        for kind, fault_id in self._set:
            counts[kind] += self._faults.struck_count(fault_id)
        return dict(counts)


def do_something(bots: list[Bot], venue: Venue, chance: random.Random, step: int) -> None:
    """Let somebody do something: a bot, a stranger, or the account's owner."""
    deeds: list[tuple[float, Callable[[], None]]] = [
        (0.6, lambda: chance.choice(bots).act(chance)),
        (0.25, lambda: venue.stranger_trades(chance)),
        (0.05, lambda: venue.make_markets(400)),
        (0.05, lambda: venue.owner_trades(chance)),
        (0.04, lambda: venue.owner_cancels(chance)),
        (0.01, lambda: venue.owner_settles(chance)),
    ]
    chance.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])[0]()
    if step % STEPS_BETWEEN_INDEX_MOVES == 0:
        venue.move_indices(chance)


async def settle(bots: list[Bot], venue: Venue, outcome: Outcome) -> None:
    """End the faults, and wait until everything is right; whatever is still wrong in the end is a violation."""
    venue.simulator.faults.end()
    start_s = time.monotonic()
    resting = [asyncio.ensure_future(bot.rest()) for bot in bots]
    _, endless = await asyncio.wait(resting, timeout=REST_S)
    if endless:
        outcome.violations.append(f"Something that a strategy has begun does not end within {REST_S:.0f} s.")
    found = ["Nothing was compared."]
    right_in_a_row = 0
    while right_in_a_row < LOOKS and time.monotonic() - start_s < max(bot.settling_s for bot in bots):
        venue.stir()
        await asyncio.sleep(LOOK_S)
        # Once is not enough to know it stays so, and twice in a row differs from a price that moved just now.
        found = violations(bots, venue)
        right_in_a_row = 0 if found else right_in_a_row + 1
    outcome.settled_s = round(time.monotonic() - start_s, 2)
    outcome.violations += found
