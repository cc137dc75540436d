"""Whatever has happened: what was kept makes the same exchange again, which goes on in the same way."""

import random
import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from backpack_connector.simulator import state_encoding
from backpack_connector.simulator.background import STEP_US, Background
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.equity import EquityCurves
from tests.simulator import test_futures_property as futures
from tests.simulator import test_lending_property as lending
from tests.simulator import test_triggers_property as triggers
from tests.simulator.state_support import Keeper, truth, whole
from tests.simulator.state_world import Everything
from tests.simulator.support import FakeClock, assert_sound, limit, new_exchange

Act = Callable[[Any, random.Random], None]
WORLDS: dict[str, tuple[Callable[[], Any], Act]] = {
    "everything": (Everything, Everything.act),
    "futures": (futures.Futures, futures.act),
    "lending": (lending.Lenders, lending.act),
    "triggers": (triggers.World, triggers.World.act),
}

NOTES = ("seen", "walk", "flows", "known", "waiting", "over")
"""What the worlds write down for themselves."""


@pytest.fixture(params=[3, 128])
def _segment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_encoding, "SEGMENT", request.param)


def twin_of(world: Any, make: Callable[[], Any], keeper: Keeper) -> Any:
    """Return another world with an exchange out of what was kept, and the same notes of the test."""
    twin = make()
    notes = {name: value for name, value in vars(world).items() if name in NOTES}
    vars(twin).update(deepcopy(notes))
    twin.clock = FakeClock(world.clock())
    twin.exchange = new_exchange(twin.clock)
    keeper.load({"exchange": twin.exchange})
    return twin


@pytest.mark.usefixtures("_segment")
@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("name", list(WORLDS))
def test_random_actions(name: str, seed: int) -> None:
    make, act = WORLDS[name]
    world, chance = make(), random.Random(seed)
    keeper = Keeper({"exchange": world.exchange})
    for _ in range(2):
        for number in range(90):
            act(world, chance)
            if number % 3 == 0:
                keeper.save()
        keeper.save()
        twin = twin_of(world, make, keeper)
        records, segments = whole({"exchange": world.exchange})
        assert whole({"exchange": twin.exchange}) == (records, segments)
        assert len(keeper.records) == len(records)  # nothing is left of what is gone
        assert truth(twin.exchange) == truth(world.exchange)
        assert_sound(twin.exchange)
        twins_chance = random.Random()
        twins_chance.setstate(chance.getstate())
        for _ in range(40):
            act(world, chance)
            act(twin, twins_chance)
        assert whole({"exchange": twin.exchange}) == whole({"exchange": world.exchange})
        assert truth(twin.exchange) == truth(world.exchange)


class Flow:
    """A background flow with a user who trades, and long histories."""

    def __init__(self, clock: FakeClock, seed: int) -> None:
        self.clock = clock
        self.exchange: Exchange = new_exchange(clock)
        self.background = Background(self.exchange, seed, clock())
        self.equity = EquityCurves(self.exchange)
        self.roots = {"exchange": self.exchange, "equity": self.equity, "background": self.background}

    def step(self, number: int) -> list[Any]:
        executions = list(self.background.advance(self.clock()))
        if number % 4 == 0:
            executions += self.exchange.on_second(self.clock())
            self.equity.sample(self.clock())
            self.exchange.cancel_all("user", "SOL_USDC_PERP")
            for side, price in (("Bid", "149.95"), ("Ask", "150.05")):
                order = limit(side, price, "0.5", symbol="SOL_USDC_PERP", stp="RejectMaker")
                executions.append(self.exchange.place("user", order))
        self.clock.now_us += STEP_US
        return executions


@pytest.mark.usefixtures("_segment")
def test_the_background_flow_goes_on_with_the_same_chance() -> None:
    flow = Flow(FakeClock(), 1)
    keeper = Keeper(flow.roots)
    for number in range(90):
        flow.step(number)
        keeper.save()
    twin = Flow(FakeClock(flow.clock()), 7)
    keeper.load(twin.roots)
    assert whole(twin.roots) == whole(flow.roots)
    user = twin.exchange.open_account("user")
    assert len(user.fills) > 2
    assert len(user.orders) > 40
    for number in range(40):
        assert twin.step(number) == flow.step(number)
    assert whole(twin.roots) == whole(flow.roots)
    assert_sound(twin.exchange)


def test_the_world_with_everything_has_everything() -> None:
    world, chance = Everything(), random.Random(1)
    names: set[str] = set()
    keeper = Keeper({"exchange": world.exchange})
    for _ in range(250):
        world.act(chance)
        changes = keeper.save()
        for text in (*changes.records.values(), *changes.segments.values()):
            names.update(name.decode() for name in re.findall(rb'"simulator\.[a-z_]+\.([A-Za-z]+)"', text or b""))
    assert {"Strategy", "Rfq", "Quote", "RfqFill", "Deposit", "Withdrawal", "WithdrawalDelay", "KnownAddress"} <= names
    assert {"Mint", "Redeem", "Snapshot", "Loan", "LoanMovement", "InterestPayment", "Position", "Posting"} <= names
    assert {"Account", "Level", "Order", "Fill", "Balance", "PublicTrade", "Candle", "FundingPayment"} <= names


def test_what_is_gone_from_a_long_history_is_gone_from_the_store() -> None:
    flow = Flow(FakeClock(), 1)
    keeper = Keeper(flow.roots)
    orders = flow.exchange.open_account("user").orders
    for _ in range(3 * state_encoding.SEGMENT):
        flow.exchange.place("user", limit("Bid", "100", "0.1"))
        flow.exchange.cancel_all("user", "SOL_USDC")
    keeper.save()
    count = len(keeper.records)
    for order_id in list(orders)[: state_encoding.SEGMENT + 5]:
        del orders[order_id]
    keeper.save()
    assert len(keeper.records) == count - state_encoding.SEGMENT - 5
    orders.clear()
    keeper.save()
    assert len(keeper.records) == len(whole(flow.roots)[0])
    assert not [key for key in keeper.segments if "orders" in key[0]]


def test_containers_that_parts_share_stay_shared() -> None:
    def shared() -> tuple[Exchange, dict[str, Any]]:
        exchange = new_exchange()
        both: dict[str, Any] = {}
        exchange.risk.some = exchange.lending.same = both  # type: ignore[attr-defined]
        return exchange, both

    exchange, both = shared()
    both["a"] = 1
    keeper = Keeper({"exchange": exchange})
    keeper.save()
    again, other = shared()
    keeper.load({"exchange": again})
    assert other == {"a": 1}
    assert again.risk.some is again.lending.same is other  # type: ignore[attr-defined]


def test_a_save_writes_what_has_changed_and_no_more() -> None:
    flow = Flow(FakeClock(), 1)
    keeper = Keeper(flow.roots)
    for number in range(3 * 4 * 70):
        flow.step(number)
    first = keeper.save()
    assert not keeper.save()
    account = flow.exchange.open_account("user")
    assert len(account.orders) > 3 * state_encoding.SEGMENT
    flow.exchange.place("user", limit("Bid", "100", "1", symbol="SOL_USDC_PERP"))
    changes = keeper.save()
    assert len(first.records) > 1_000
    # The order, its level, the book, the account, the engine, ids; and of the orders the last segment.
    assert 0 < len(changes.records) < 10
    assert [key for key in changes.segments if "orders" in key[0]] == list(changes.segments)
    assert len(changes.segments) == 1
