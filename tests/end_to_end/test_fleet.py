"""Three bots on one account under a real MQTT broker: nothing is mixed up, and one budget of requests is divided."""

import asyncio
import contextlib
import json
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from backpack_connector.demo.bots import SPOT_BOT
from backpack_connector.demo.figures import Fill
from backpack_connector.demo.home import Home, make_home
from backpack_connector.demo.processes import Programs, pids_in
from backpack_connector.demo.records import read_trades_database
from backpack_connector.demo.story import PASSWORD, bot_environment
from backpack_connector.protocol.rate_limits import HISTORICAL_POOL, STANDARD_POOL
from tests.end_to_end.fleet import (
    Broker,
    Operator,
    add_quickstart,
    configure_client,
    operator_of,
    running_broker,
    start_headless,
)
from tests.end_to_end.place import BOTS, Place, place_for
from tests.pages import code_blocks

pytest.importorskip("hummingbot")
pytestmark = pytest.mark.timeout(300)

PAGE = "docs/fleet.md"
SHARES = {"maker-1": 50, "maker-2": 30, "maker-3": 20}
CONFIGURATION = "fleet.yml"
FILLS = 2
START_S, FILLS_S, LATE_S = 120, 90, 20


@dataclass
class Member:
    """One bot of the fleet."""

    instance: str
    home: Home
    process: "subprocess.Popen[bytes] | None" = None
    history: dict[str, Any] = field(default_factory=dict)
    stopped: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.home.folder / "data" / "fleet.sqlite"

    @property
    def printed(self) -> str:
        return (self.home.folder / "logs" / "printed.log").read_text()

    def fills(self) -> list[Fill]:
        return read_trades_database(self.database).fills

    def order_ids(self) -> list[str]:
        with closing(sqlite3.connect(self.database)) as connection:
            return [row[0] for row in connection.execute('SELECT id FROM "Order"')]

    def requests(self) -> list[dict[str, dict[str, int]]]:
        """Return what the journal says about the request pools, line by line."""
        lines = [json.loads(line) for line in self.home.journal.read_text().splitlines()]
        return [line["requests"] for line in lines if "requests" in line]


@dataclass
class Story:
    """What three bots, the operator and the exchange have to say at the end."""

    fleet: list[Member]
    operator: Operator
    place: Place

    def events(self, member: Member, kind: str) -> list[dict[str, Any]]:
        return self.operator.events(member.instance, kind)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    top = tmp_path_factory.mktemp("fleet").resolve()
    configuration, rules = code_blocks(PAGE, "conf")
    with ExitStack() as stack:
        broker = stack.enter_context(running_broker(top / "broker", configuration, rules, list(SHARES)))
        (top / "first").mkdir()
        place = stack.enter_context(place_for(top / "first"))
        place.store_keys()
        fleet = [Member(instance, new_home(top, place.home, broker, instance)) for instance in SHARES]
        for member in fleet:
            stack.callback(end, member)
        yield asyncio.run(tell(place, broker, fleet))


def new_home(top: Path, first: Home, broker: Broker, instance: str) -> Home:
    """Make a bot's home; its keystore is a copy of the first one, because the account is the same."""
    (top / instance).mkdir()
    home = make_home(top / instance, SPOT_BOT)
    shutil.copytree(first.folder / "conf" / "connectors", home.folder / "conf" / "connectors", dirs_exist_ok=True)
    shutil.copy(first.folder / "conf" / ".password_verification", home.folder / "conf")
    add_quickstart(home)
    shutil.copy(BOTS / "fleet_market_maker.py", home.folder / "scripts")
    text = (home.folder / "conf" / "scripts" / SPOT_BOT.configuration).read_text()
    text = text.replace("script_file_name: backpack_market_maker.py", "script_file_name: fleet_market_maker.py")
    (home.folder / "conf" / "scripts" / CONFIGURATION).write_text(text)
    (written,) = (yaml.safe_load(block) for block in code_blocks(PAGE, "yaml"))
    written["mqtt_bridge"] |= broker.bridge(instance)
    configure_client(home, **(written | {"instance_id": instance, "rate_limits_share_pct": SHARES[instance]}))
    return home


def end(member: Member) -> None:
    if member.process is not None:
        member.process.kill()
        member.process.wait(10)
    assert pids_in(member.home.folder) == []


async def tell(place: Place, broker: Broker, fleet: list[Member]) -> Story:
    async with operator_of(broker) as operator:
        programs = Programs(place.home.folder, bot_environment(place.simulator.url))
        for member in fleet:
            member.process = start_headless(programs, member.home, CONFIGURATION, PASSWORD)

        async def until(condition: Callable[[Member], bool], limit_s: float, what: str) -> None:
            async with asyncio.timeout(limit_s):
                while not all(condition(member) for member in fleet):
                    for member in fleet:
                        assert member.process is not None
                        assert member.process.poll() is None, f"{what}: {member.printed[-2000:]}"
                    await asyncio.sleep(0.2)

        await until(lambda member: member.instance in operator.told, START_S, "start")
        await until(lambda member: len(operator.events(member.instance, "OrderFilled")) >= FILLS, FILLS_S, "fills")
        for member in fleet:
            member.history = await operator.command(member.instance, "history", async_backend=False)
            for name in ("status", "start", "config"):
                answer = await operator.command(
                    member.instance, name, **({} if name == "config" else {"async_backend": False})
                )
                member.refused[name] = answer["status"]
        stops = [operator.command(member.instance, "stop", async_backend=False) for member in fleet]
        for member, answer in zip(fleet, await asyncio.gather(*stops), strict=True):
            member.stopped = answer
        # What does not come in time is for the tests to tell.
        with contextlib.suppress(TimeoutError):
            await until(lambda _: not place.open_order_ids(), LATE_S, "end of the orders")
            await until(lambda member: told_ids(operator, member) >= stored_ids(member), LATE_S, "last events")
        return Story(fleet, operator, place)


def told_ids(operator: Operator, member: Member) -> set[str]:
    return {row["exchange_trade_id"] for row in operator.events(member.instance, "OrderFilled")}


def stored_ids(member: Member) -> set[str]:
    return {fill.trade_id for fill in member.fills()}


def sums(fills: list[Fill]) -> dict[str, tuple[Decimal, Decimal]]:
    """Add up what was bought and what was sold: amount, and value in the quote asset."""
    return {
        side: (
            sum((fill.amount for fill in fills if fill.side == side), Decimal(0)),
            sum((fill.amount * fill.price for fill in fills if fill.side == side), Decimal(0)),
        )
        for side in ("BUY", "SELL")
    }


def test_each_fill_of_the_exchange_is_in_the_database_of_one_bot(story: Story) -> None:
    stored = [fill for member in story.fleet for fill in member.fills()]
    truth = story.place.truth().fills
    assert Counter(fill.trade_id for fill in stored) == Counter(fill.trade_id for fill in truth)
    assert sums(stored) == sums(truth)
    fees = [sum((fill.fees.get(asset, Decimal(0)) for fill in truth), Decimal(0)) for asset in ("SOL", "USDC")]
    assert fees == [sum((fill.fees.get(asset, Decimal(0)) for fill in stored), Decimal(0)) for asset in ("SOL", "USDC")]
    assert all(len(member.fills()) >= FILLS for member in story.fleet)


def test_no_client_order_id_is_used_by_two_bots(story: Story) -> None:
    used = Counter(order_id for member in story.fleet for order_id in member.order_ids())
    assert used.most_common(1)[0][1] == 1
    assert all(member.order_ids() for member in story.fleet)


@pytest.mark.parametrize("number", range(len(SHARES)))
def test_a_bot_tells_of_its_own_orders_and_fills_on_its_own_topic_and_once(story: Story, number: int) -> None:
    member = story.fleet[number]
    told = [row["exchange_trade_id"] for row in story.events(member, "OrderFilled")]
    assert sorted(told) == sorted(fill.trade_id for fill in member.fills())
    created = [
        row["order_id"] for kind in ("BuyOrderCreated", "SellOrderCreated") for row in story.events(member, kind)
    ]
    assert len(created) == len(set(created))
    # The strategy may have placed its first orders in the tick before the bridge was there.
    assert set(created) <= set(member.order_ids())
    # Hummingbot stores no order that the exchange has refused, such as a post-only one that would have traded.
    refused = {row["order_id"] for row in story.events(member, "OrderFailure")}
    ids = {row["order_id"] for row in story.operator.events(member.instance) if "order_id" in row}
    assert ids <= set(member.order_ids()) | refused
    others = {order_id for other in story.fleet if other is not member for order_id in other.order_ids()}
    assert not refused & others
    assert set(created) <= ids


def test_a_command_reaches_the_bot_that_it_is_for(story: Story) -> None:
    for member in story.fleet:
        assert member.history["status"] == member.stopped["status"] == 200
        ids = {row["trade_id"] for row in member.history["trades"]}
        assert ids
        assert ids <= stored_ids(member)
        assert member.printed.count("stop command initiated.") == 1
        assert member.printed.count("Hummingbot stopped.") == 1
    assert story.place.open_order_ids() == set()


def test_what_the_page_says_that_hummingbot_refuses_it_refuses(story: Story) -> None:
    assert [member.refused for member in story.fleet] == [{"status": 400, "start": 400, "config": 400}] * len(SHARES)


def test_one_budget_of_requests_is_divided(story: Story) -> None:
    for pool in (STANDARD_POOL, HISTORICAL_POOL):
        limits = []
        for member in story.fleet:
            rows = [row[pool.name] for row in member.requests()]
            (limit,) = {row["limit"] for row in rows}
            assert limit == pool.limit * SHARES[member.instance] // 100
            assert all(row["used"] <= limit for row in rows)
            limits.append(limit)
        assert sum(limits) == pool.limit
    assert all(row[STANDARD_POOL.name]["used"] > 0 for member in story.fleet for row in member.requests()[-1:])


def test_the_page_shows_the_lines_with_which_these_bots_tell_their_events() -> None:
    (block,) = code_blocks(PAGE, "python")
    script = (BOTS / "fleet_market_maker.py").read_text()
    assert block in dedent(script[script.index("        bridge = ") : script.index("        super().on_tick()")])


def test_the_page_shows_a_command_as_it_is_sent() -> None:
    (block,) = code_blocks(PAGE, "json")
    assert json.loads(block) == {"header": {"reply_to": "hbot/maker-1/answers/1"}, "data": {"async_backend": False}}
