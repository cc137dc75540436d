"""The guard against real processes that hold a journal: killed, hung, stopped, started anew."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.guard.memory import Memory
from backpack_connector.guard.reports import Reports
from backpack_connector.guard.watchdog import Options, Watchdog
from backpack_connector.order_journal import fingerprint
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from tests.guard.bot import fields, new_journal, record
from tests.guard.conftest import SECRET_SEED
from tests.guard.support import Told, open_ids, until
from tests.simulator.support import limit

HEARTBEAT_S = 1.0
API_KEY, API_SECRET = generate_key_pair(SECRET_SEED)
SECRET = base64.b64encode(SECRET_SEED).decode()

pytestmark = pytest.mark.usefixtures("hurry")


class BotProcess:
    """A bot in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, Any]) -> None:
        self.process = process
        self.orders: list[str] = ready["orders"]
        self.journal: str = ready["journal"]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 10.0)


StartBot = Callable[..., Any]


@pytest.fixture
async def start_bot(simulator: Simulator, folder: Path) -> AsyncIterator[StartBot]:
    """Start bots, and leave none running."""
    running: list[BotProcess] = []

    async def start(name: str = "bot", count: int = 3, *flags: str) -> BotProcess:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.guard.bot", str(folder), simulator.rest_url, SECRET, name, str(count), *flags),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        running.append(BotProcess(process, json.loads(await asyncio.wait_for(process.stdout.readline(), 20.0))))
        return running[-1]

    yield start
    for bot in running:
        with suppress(ProcessLookupError):
            bot.process.kill()
        await bot.ended()


@asynccontextmanager
async def guarding(
    simulator: Simulator, folder: Path, reports: Reports, **options: Any
) -> "AsyncIterator[asyncio.Task[None]]":
    """Run a guard as long as the context lasts."""
    stopped = asyncio.Event()
    async with BackpackClient(
        url=simulator.rest_url, credentials=Credentials(API_KEY, API_SECRET), timeout_s=0.5
    ) as client:
        wanted = replace(Options(folder, HEARTBEAT_S), **options)
        guard = asyncio.ensure_future(Watchdog(wanted, client, fingerprint(API_KEY), reports).run(stopped))
        try:
            yield guard
        finally:
            stopped.set()
            await guard


async def test_a_killed_bots_orders_are_cancelled_and_the_others_stay(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot, client: BackpackClient
) -> None:
    killed, living = await start_bot("killed"), await start_bot("living")
    by_hand = (await client.request("execute_order", {**fields(record(1)), "clientId": None}))["id"]
    async with guarding(simulator, folder, reports):
        await until(lambda: told.events.count("bot_seen") == 2)
        await asyncio.sleep(2 * HEARTBEAT_S)
        assert "alarm" not in told.events
        killed.signal(signal.SIGKILL)
        await until(lambda: "clear" in told.events)
        assert sorted(open_ids(simulator, API_KEY)) == sorted([*living.orders, by_hand])
    assert [row["bot"] for row in told.of("alarm")] == [killed.journal]
    assert sorted(row["orderId"] for row in told.of("cancelling")) == sorted(killed.orders)
    assert told.events[-1] == "stopped"


async def test_a_hung_bot_is_cancelled_and_watched_again_when_it_is_back(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    bot = await start_bot("bot", 2, "--again")
    async with guarding(simulator, folder, reports):
        await until(lambda: "bot_seen" in told.events)
        bot.signal(signal.SIGSTOP)
        await until(lambda: "clear" in told.events)
        assert open_ids(simulator, API_KEY) == []
        bot.signal(signal.SIGCONT)
        await until(lambda: "bot_back" in told.events)
        await until(lambda: len(open_ids(simulator, API_KEY)) == 2)
        await asyncio.sleep(2 * HEARTBEAT_S)
        assert len(open_ids(simulator, API_KEY)) == 2
        bot.signal(signal.SIGKILL)
        await until(lambda: told.events.count("clear") == 2)
        assert open_ids(simulator, API_KEY) == []


async def test_a_bot_that_stops_properly_is_no_alarm(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    bot = await start_bot()
    async with guarding(simulator, folder, reports):
        await until(lambda: "bot_seen" in told.events)
        bot.signal(signal.SIGINT)
        assert await bot.ended() == 0
        await until(lambda: "bot_gone" in told.events)
        await asyncio.sleep(2 * HEARTBEAT_S)
    assert told.events == ["bot_seen", "bot_gone", "waiting", "stopped"]


async def test_a_bot_that_is_started_anew_in_time_keeps_its_orders(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    first = await start_bot("bot", 2)
    async with guarding(simulator, folder, reports, heartbeat_s=8.0):
        await until(lambda: "bot_seen" in told.events)
        first.signal(signal.SIGKILL)
        await first.ended()
        journal = new_journal(folder, API_KEY, "bot")
        assert [order.client_order_id for order in journal.take_left_behind()]
        for _ in range(20):
            journal.beat()
            await asyncio.sleep(0.05)
    assert "alarm" not in told.events
    assert sorted(open_ids(simulator, API_KEY)) == sorted(first.orders)


async def test_outage_of_the_exchange_is_no_alarm_and_an_alarm_outlasts_it(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    bot = await start_bot()
    async with guarding(simulator, folder, reports, max_loss=Decimal(1)):
        await until(lambda: "baseline" in told.events)
        simulator.faults.inject(Fault(kind=FaultKind.REQUEST_LOST, duration_s=4 * HEARTBEAT_S))
        await until(lambda: any("cannot be asked" in row["text"] for row in told.of("trouble")))
        await asyncio.sleep(1.5 * HEARTBEAT_S)
        assert not {"alarm", "loss_limit"} & set(told.events)
        bot.signal(signal.SIGKILL)
        await until(lambda: "alarm" in told.events)
        assert sorted(open_ids(simulator, API_KEY)) == sorted(bot.orders)
        await until(lambda: "clear" in told.events)
        assert open_ids(simulator, API_KEY) == []
        await until(lambda: any("can be reached again" in row["text"] for row in told.of("trouble_over")))


async def test_a_guard_that_was_killed_goes_on_with_the_alarm(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    bot = await start_bot()
    bot.signal(signal.SIGKILL)
    await bot.ended()
    async with guarding(simulator, folder, reports):
        await until(lambda: "clear" in told.events)
    assert open_ids(simulator, API_KEY) == []


async def test_stop_bot_interrupts_the_process_that_hangs_and_no_other(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    hung, living = await start_bot("hung"), await start_bot("living")
    async with guarding(simulator, folder, reports, stops_bots=True):
        await until(lambda: told.events.count("bot_seen") == 2)
        hung.signal(signal.SIGSTOP)
        await until(lambda: "clear" in told.events)
        hung.signal(signal.SIGCONT)
        # Its orders are cancelled already, so that its own cancels of the way out fail; it ends all the same.
        await hung.ended()
    assert [row["pid"] for row in told.of("stop_bot")] == [hung.process.pid]
    assert living.process.returncode is None


async def test_stop_bot_does_not_interrupt_the_bot_that_is_started_in_place_of_a_dead_one(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    dead = await start_bot("bot")
    async with guarding(simulator, folder, reports, stops_bots=True):
        await until(lambda: "bot_seen" in told.events)
        dead.signal(signal.SIGKILL)
        await until(lambda: "alarm" in told.events)
        heir = await start_bot("bot")
        await until(lambda: "bot_back" in told.events)
        await asyncio.sleep(HEARTBEAT_S)
    assert heir.process.returncode is None
    assert "stop_bot" not in told.events


async def test_stop_bot_interrupts_every_bot_when_the_loss_limit_is_reached(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    bots = [await start_bot(name, 1) for name in ("one", "two")]
    async with guarding(simulator, folder, reports, stops_bots=True, max_loss=Decimal(100)):
        await until(lambda: "baseline" in told.events)
        lose(simulator, Decimal(100))
        for bot in bots:
            await bot.ended()
    assert sorted(row["pid"] for row in told.of("stop_bot")) == sorted(bot.process.pid for bot in bots)


async def test_a_process_that_does_not_hold_the_journal_is_never_interrupted(
    simulator: Simulator, folder: Path, reports: Reports, told: Told
) -> None:
    """The journal comes from a container, where its process id means somebody else's process out here."""
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
    try:
        journal = new_journal(folder, API_KEY, "container")
        journal.sent(record(1))
        path = journal.path
        assert path is not None
        path.write_text(path.read_text().replace(f'"pid":{os.getpid()}', f'"pid":{stranger.pid}'))
        async with guarding(simulator, folder, reports, stops_bots=True):
            await until(lambda: "stop_bot" in told.events)
        assert "stop the bot by hand" in told.of("stop_bot")[0]["text"]
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_loss_limit_cancels_what_every_bot_posts_until_the_guard_is_started_again(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    await start_bot("one", 2, "--again")
    async with guarding(simulator, folder, reports, max_loss=Decimal(100)):
        await until(lambda: "baseline" in told.events)
        lose(simulator, Decimal(99))
        await asyncio.sleep(0.5)
        assert "loss_limit" not in told.events
        lose(simulator, Decimal(1))
        await until(lambda: "loss_limit" in told.events)
        before = len(told.of("cancelling"))
        await until(lambda: len(told.of("cancelling")) > before + 6)
        assert "alarm" not in told.events
    told.clear()
    async with guarding(simulator, folder, reports, max_loss=Decimal(100)):
        await until(lambda: "baseline" in told.events)
        await asyncio.sleep(0.5)
    assert "loss_limit" not in told.events
    assert "cancelling" not in told.events


async def test_a_guard_that_was_killed_remembers_the_loss_limit(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    await start_bot("one", 2, "--again")
    async with guarding(simulator, folder, reports, max_loss=Decimal(100)):
        await until(lambda: "baseline" in told.events)
        lose(simulator, Decimal(100))
        await until(lambda: "loss_limit" in told.events)
        await until(lambda: b'"isReached": true' in memory_of(folder).read_bytes())
        content = memory_of(folder).read_bytes()
    assert not memory_of(folder).exists()
    memory_of(folder).write_bytes(content)  # as a kill leaves it
    told.clear()
    async with guarding(simulator, folder, reports, max_loss=Decimal(100)):
        await until(lambda: len(told.of("cancelling")) > 4)
    assert told.events[0] == "resumed"
    assert "loss_limit" not in told.events


async def test_only_the_named_markets_are_guarded(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    bot = await start_bot()
    bot.signal(signal.SIGKILL)
    async with guarding(simulator, folder, reports, markets=("BTC_USDC",)):
        await until(lambda: "bot_silent" in told.events)
    assert sorted(open_ids(simulator, API_KEY)) == sorted(bot.orders)


async def test_journals_of_other_keys_are_named_and_left_alone(
    simulator: Simulator, folder: Path, reports: Reports, told: Told
) -> None:
    journal = new_journal(folder, "another key", "stranger")
    journal.sent(record(1))
    async with guarding(simulator, folder, reports):
        await until(lambda: "other_account" in told.events)
        await asyncio.sleep(2 * HEARTBEAT_S)
    assert told.events == ["other_account", "waiting", "stopped"]
    journal.close()


async def test_a_folder_that_cannot_be_read_is_no_alarm(
    simulator: Simulator, folder: Path, reports: Reports, told: Told, start_bot: StartBot
) -> None:
    bot = await start_bot()
    async with guarding(simulator, folder, reports):
        await until(lambda: "bot_seen" in told.events)
        away = folder.with_name("away")
        os.rename(folder, away)
        await until(lambda: "trouble" in told.events)
        await asyncio.sleep(2 * HEARTBEAT_S)
        os.rename(away, folder)
        await until(lambda: "trouble_over" in told.events)
        await asyncio.sleep(2 * HEARTBEAT_S)
    assert told.events == ["bot_seen", "trouble", "trouble_over", "stopped"]
    assert sorted(open_ids(simulator, API_KEY)) == sorted(bot.orders)


async def test_an_error_of_its_own_does_not_end_the_guard(
    simulator: Simulator,
    folder: Path,
    reports: Reports,
    told: Told,
    start_bot: StartBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bot = await start_bot()
    real, failures = Watchdog._aim, iter(range(5))

    def fail(self: Watchdog, journals: Any) -> None:
        if next(failures, None) is not None:
            raise ZeroDivisionError("a bug")
        real(self, journals)

    monkeypatch.setattr(Watchdog, "_aim", fail)
    async with guarding(simulator, folder, reports):
        await until(lambda: "trouble" in told.events)
        bot.signal(signal.SIGKILL)
        await until(lambda: "clear" in told.events)
    assert open_ids(simulator, API_KEY) == []


async def test_a_second_guard_of_an_account_is_refused(simulator: Simulator, folder: Path, reports: Reports) -> None:
    async with guarding(simulator, folder, reports):
        await until(lambda: list(folder.glob("*.lock")))
        with pytest.raises(ConfigurationError, match="Another guard watches this account"):
            async with guarding(simulator, folder, reports) as second:
                await second


async def test_a_key_that_may_not_cancel_is_refused_at_the_start(
    simulator: Simulator, folder: Path, reports: Reports
) -> None:
    simulator.exchange.open_account(API_KEY)
    simulator.faults.inject(Fault(kind=FaultKind.KEY_REVOKED, account=API_KEY))
    with pytest.raises(ConfigurationError, match="The exchange refuses this key"):
        async with guarding(simulator, folder, reports) as guard:
            await guard


async def test_a_folder_that_cannot_be_written_does_not_keep_the_guard_from_guarding(
    simulator: Simulator,
    folder: Path,
    reports: Reports,
    told: Told,
    start_bot: StartBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Memory, "open", refuse)
    monkeypatch.setattr(Memory, "save", refuse)
    bot = await start_bot()
    async with guarding(simulator, folder, reports, max_loss=Decimal(100)):
        await until(lambda: "baseline" in told.events)
        bot.signal(signal.SIGKILL)
        await until(lambda: "clear" in told.events)
    assert [row["text"] for row in told.of("trouble") if "Permission denied" in row["text"]] == [
        f"Nothing can be written to {folder}: Permission denied.",
        "The loss limit cannot be remembered: Permission denied.",
    ]


async def test_signs_of_life_that_cannot_be_written_are_no_silence(
    simulator: Simulator,
    folder: Path,
    reports: Reports,
    told: Told,
    start_bot: StartBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk has become read-only: every bot seems to be silent, and none is."""

    def refuse(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    bot = await start_bot()
    async with guarding(simulator, folder, reports):
        await until(lambda: "bot_seen" in told.events)
        monkeypatch.setattr(Memory, "touch", refuse)
        bot.signal(signal.SIGSTOP)
        await asyncio.sleep(2 * HEARTBEAT_S)
    assert told.events == ["bot_seen", "trouble", "stopped"]
    assert "Read-only file system" in told.of("trouble")[0]["text"]


def memory_of(folder: Path) -> Path:
    return folder / f"guard-{fingerprint(API_KEY)}.json"


def lose(simulator: Simulator, amount: Decimal) -> None:
    """Let the price of an asset that the account holds fall until so much is lost, by a trade of two strangers."""
    held = simulator.exchange.ledger.balance(API_KEY, "BTC").total
    price = simulator.exchange.markets["BTC_USDC"].last_price - amount / held
    for stranger, side in (("x", "Ask"), ("y", "Bid")):
        simulator.exchange.place(stranger, limit(side, str(price), "0.001", symbol="BTC_USDC"))
