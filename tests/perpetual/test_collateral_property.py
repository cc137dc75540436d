"""The margin model against the simulator's engine: random orders, prices, settlements, reports, and their races."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from backpack_connector.protocol.enums import Side

from .margin_world import BTC, ME, OTHER, PERPETUALS, PRINTED, SOL, SPOT, STREAMS, MarginWorld

BOUNDED = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
ONLY_USDC = {"USDC": Decimal(1000)}
WITH_SOL = {"USDC": Decimal(1000), "SOL": Decimal(10)}

SIDES = st.sampled_from(Side)
KINDS = st.sampled_from(["gtc", "gtc", "gtc", "post", "ioc", "market", "trigger"])
TICKS = st.integers(-3, 3)
QUANTITIES = st.one_of(st.integers(1, 100), st.integers(50, 500), st.integers(500, 3000))
LEVERAGES = st.sampled_from([Decimal(1), Decimal(5), Decimal(20), Decimal(75)])


def orders_in(*symbols: str) -> st.SearchStrategy[tuple[Any, ...]]:
    order = st.tuples(st.sampled_from(symbols), SIDES, TICKS, QUANTITIES, KINDS)
    return st.tuples(st.sampled_from(["mine", "mine", "others"]), order)


def jumps(percent: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just("jump"), st.sampled_from(PERPETUALS), st.integers(-percent, percent))


PAUSES = st.tuples(st.just("wait"), st.sampled_from([1, 1, 5, 10, 3600]))
CANCELS = st.tuples(st.just("cancel"), st.sampled_from([ME, OTHER]), st.integers(0, 9))
REPORTS = st.tuples(st.just("ask"), st.sampled_from(["report", "positions", "orders"]))
REDUCTIONS = st.tuples(st.just("reduce"), st.sampled_from(PERPETUALS), st.sampled_from(["market", "gtc"]))
STEPS = st.one_of(orders_in(SOL, BTC), orders_in(SOL), PAUSES, CANCELS, REPORTS, REDUCTIONS)


def step(world: MarginWorld, name: str, *args: Any) -> None:
    if name == "mine":
        world.send(world.new_order(*args[0]))
    elif name == "others":
        world.place(OTHER, world.new_order(*args[0]))
    elif name == "reduce":
        world.reduce(*args)
    elif name == "jump":
        world.jump(*args)
    elif name == "wait":
        world.wait(*args)
    elif name == "cancel":
        world.cancel(*args)
    else:
        world.ask(*args)


@BOUNDED
@given(LEVERAGES, st.lists(STEPS | jumps(8), min_size=20, max_size=40))
def test_model_equals_the_exchange_after_every_event(leverage: Decimal, steps: list[tuple[Any, ...]]) -> None:
    world = MarginWorld(ONLY_USDC, leverage)
    for name, *args in steps:
        step(world, name, *args)
        world.finish()
        world.check()
    event(f"{len(world.account.fills) > 0} filled")


# What may happen between two events: a message arrives, a request is served, an answer arrives.
ARRIVALS = st.one_of(
    st.tuples(st.just("message"), st.sampled_from(STREAMS)),
    st.tuples(st.just("serve"), st.integers(0, 5)),
    st.tuples(st.just("answer"), st.integers(0, 5)),
)


@BOUNDED
@given(LEVERAGES, st.lists(st.one_of(STEPS, jumps(2), ARRIVALS, ARRIVALS), min_size=20, max_size=80))
def test_model_equals_the_exchange_however_messages_and_answers_overtake_each_other(
    leverage: Decimal, steps: list[tuple[Any, ...]]
) -> None:
    world = MarginWorld(ONLY_USDC, leverage)
    for name, *args in steps:
        if name == "message":
            world.deliver(*args)
        elif name in ("serve", "answer"):
            if world.requests:
                getattr(world, name)(world.requests[args[0] % len(world.requests)])
        else:
            if name in ("jump", "wait"):  # messages that prices overtake: see the bound in collateral.py
                world.deliver_all()
            step(world, name, *args)
        assert world.margin.available >= 0
        assert world.margin.available.is_finite()
    world.settle_orders()
    world.deliver_all()
    world.check(only_last_report=False)
    world.finish()
    world.check(only_last_report=False)


A_CLAIM_THAT_BECOMES_A_LOAN: list[tuple[Any, ...]] = [
    *[("mine", (SOL, Side.BID, 0, 1, "gtc"))] * 10,
    ("wait", 1),
    ("mine", (SOL, Side.BID, 0, 678, "market")),
    ("jump", SOL, -6),
    ("jump", SOL, -8),
    ("wait", 5),
]


@BOUNDED
@example(A_CLAIM_THAT_BECOMES_A_LOAN)
@given(st.lists(st.one_of(orders_in(SOL, SPOT), jumps(8), PAUSES, CANCELS, REPORTS), min_size=20, max_size=40))
def test_other_collateral_is_off_by_its_price_since_the_last_report(steps: list[tuple[Any, ...]]) -> None:
    world = MarginWorld(WITH_SOL, Decimal(5))
    reported = world.exchange.markets[SPOT].last_price
    for name, *args in steps:
        step(world, name, *args)
        world.finish()
        price = world.exchange.markets[SPOT].last_price
        if (name, *args) == ("ask", "report"):
            reported = price
        quantity = world.exchange.ledger.balance(ME, "SOL").total
        world.check(PRINTED + quantity * abs(price - reported) * Decimal("0.9"))


@pytest.mark.parametrize("side", Side)
def test_model_follows_a_liquidation_step_by_step(side: Side) -> None:
    world = MarginWorld(ONLY_USDC, Decimal(50))
    sign = 1 if side is Side.BID else -1
    world.send(world.new_order(SOL, side, 2 * sign, 2700, "gtc"))
    world.finish()
    world.jump(SOL, Decimal("-1.4") * sign)
    quantities = set()
    for _ in range(20):
        world.wait(1)
        world.finish()
        world.check()
        quantities.add(world.exchange.net_quantity(ME, SOL))
    assert len(quantities) > 2
    assert any(order.cause for order in world.account.orders.values())


def sights(world: MarginWorld) -> set[str]:
    account, positions = world.account, world.exchange.ledger.positions(ME)
    seen = {
        "resting": any(order.symbol in PERPETUALS for order in account.open_orders.values()),
        "reduce only": any(order.reduce_only for order in account.orders.values()),
        "waiting for a trigger": bool(account.trigger_orders),
        "long": any(row.quantity > 0 for row in positions.values()),
        "short": any(row.quantity < 0 for row in positions.values()),
        "two markets": len(positions) == 2,
        "settled": any(row.realized for row in positions.values()),
        "closed": bool(account.closed_positions),
        "under water": world.exchange.risk.margin(account).available < 0,
    }
    return {name for name, is_there in seen.items() if is_there}


def test_the_random_worlds_have_everything_in_them() -> None:
    """A world in which nothing happens would equal any model."""
    worlds: Counter[str] = Counter()

    @settings(BOUNDED, max_examples=300)  # one world in fifteen has an account without margin
    @given(LEVERAGES, st.lists(STEPS | jumps(8), min_size=20, max_size=40))
    def look(leverage: Decimal, steps: list[tuple[Any, ...]]) -> None:
        world = MarginWorld(ONLY_USDC, leverage)
        seen: set[str] = set()
        for name, *args in steps:
            step(world, name, *args)
            world.finish()
            seen |= sights(world)
        worlds.update(seen)

    look()
    assert len(worlds) == 9
    assert min(worlds.values()) >= 3, worlds
