"""Let days pass: sparse trading, outages now and then, funding every hour, and every night all must be right.

Each night the connectors are also looked at after a quiet quarter of an hour, when they have forgotten what they may
forget: then they hold as much as in the first night, in containers, objects and tasks.
"""

import asyncio
import gc
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator

from tests.chaos.bots import Bot
from tests.chaos.fault_plans import MIXTURE, planned_faults
from tests.chaos.runs import Outcome, Plan, Story, Strikes, do_something, run_alone, settle
from tests.chaos.venue import Venue

HOUR_S = 3_600.0
HOURS_A_DAY = 24
OUTAGES_A_DAY = 5
OUTAGE_S = 600.0
QUIET_S = 900.0
"""Longer than a finished order is kept."""
OBJECTS_SLACK = 100
"""How many objects of a class more a night may have than the first one, beside some for each open order."""
OBJECTS_AN_ORDER = 6

_OF_CONNECTORS = ("backpack_connector.", "backpack_perpetual_connector.", "hummingbot.", "asyncio", "_asyncio")
_OF_OTHERS = ("backpack_connector.simulator",)


def run_days(days: int, seed: int, tell: Callable[[str], None], is_quiet: bool = True) -> Outcome:
    """Let days pass with both connectors, and tell about each of them in a line."""
    return run_alone(Plan(seed, MIXTURE), is_quiet, _story_of(days, seed, tell))


def _story_of(days: int, seed: int, tell: Callable[[str], None]) -> Story:
    async def story(bots: list[Bot], venue: Venue, outcome: Outcome) -> None:
        chance = random.Random(f"{days} days/{seed}")
        first_night: Counter[str] | None = None
        struck = Strikes(venue)
        for day in range(1, days + 1):
            began_s = time.process_time()
            await _pass_a_day(bots, venue, chance, struck)
            await settle(bots, venue, outcome)
            await asyncio.sleep(QUIET_S)
            await settle(bots, venue, outcome)
            objects = _objects()
            first_night = first_night or objects
            outcome.violations += more_objects(first_night, objects, venue.open_count)
            orders, fills = sum(len(bot.ids) for bot in bots), sum(len(bot.fills()) for bot in bots)
            megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            tell(
                f"day {day}: {orders} orders, {fills} fills, {len(outcome.violations)} violations, "
                f"{sum(objects.values())} objects, {megabytes:.0f} MB at most, {time.process_time() - began_s:.0f} s"
            )
            if outcome.violations:
                break
        outcome.strikes = struck.counts()

    return story


async def _pass_a_day(bots: list[Bot], venue: Venue, chance: random.Random, struck: Strikes) -> None:
    outages = set(chance.sample(range(HOURS_A_DAY), OUTAGES_A_DAY))
    for hour in range(HOURS_A_DAY):
        ends_s = time.monotonic() + HOUR_S
        if hour in outages:
            await _suffer(bots, venue, chance, struck)
        while (left_s := ends_s - time.monotonic()) > 0:
            do_something(bots, venue, chance, chance.randrange(100))
            await asyncio.sleep(min(left_s, chance.uniform(1.0, HOUR_S / 6)))


async def _suffer(bots: list[Bot], venue: Venue, chance: random.Random, struck: Strikes) -> None:
    """Trade through some minutes in which several things break."""
    faults = planned_faults(MIXTURE, chance, venue, OUTAGE_S)
    start_s, step = time.monotonic(), 0
    while (now_s := time.monotonic() - start_s) < OUTAGE_S:
        while faults and faults[0][0] <= now_s:
            struck.inject(faults.pop(0)[1])
        do_something(bots, venue, chance, step)
        step += 1
        await asyncio.sleep(chance.uniform(0.0, 8.0))
    venue.simulator.faults.end()


def _objects() -> Counter[str]:
    """Return how many objects of the connectors' classes are alive, by class."""
    gc.collect()
    kinds = Counter(type(thing) for thing in gc.get_objects())
    names = {kind: f"{kind.__module__}.{kind.__qualname__}" for kind in kinds}
    return Counter(
        {
            name: kinds[kind]
            for kind, name in names.items()
            if name.startswith(_OF_CONNECTORS) and not name.startswith(_OF_OTHERS)
        }
    )


def more_objects(first: Counter[str], now: Counter[str], open_count: int) -> Iterator[str]:
    """Yield a sentence for each class of which more objects are there than open orders explain."""
    allowed = OBJECTS_SLACK + OBJECTS_AN_ORDER * open_count
    for name, count in sorted(now.items()):
        if count > first[name] + allowed:
            yield f"There are {count} objects {name}, and there were {first[name]} in the first night."
