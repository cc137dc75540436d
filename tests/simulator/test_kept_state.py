"""The exchange in a folder: what a restart keeps, and what is said when it cannot be."""

import asyncio
import json
import sqlite3
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.simulator import running_simulator, state_classes
from backpack_connector.simulator.background import MAKER_ACCOUNT, Background
from backpack_connector.simulator.equity import EquityCurves
from backpack_connector.simulator.faults_kinds import Fault, FaultKind
from backpack_connector.simulator.kept_state import KeptState
from backpack_connector.simulator.markets import load_instruments
from backpack_connector.simulator.replay import Tape, TapeOptions
from backpack_connector.simulator.server import Simulator
from backpack_connector.simulator.state_encoding import Encoder, Unkept
from backpack_connector.simulator.state_store import FILE_NAME, StateStore
from tests.simulator.state_support import truth, whole
from tests.simulator.support import START_US, Client, FakeClock, assert_sound, limit, new_exchange
from tests.simulator.tapes import build


def kept(folder: Path, seed: int = 1) -> KeptState:
    return KeptState(folder, load_instruments(), seed, START_US)


async def order(client: Client, side: str, quantity: str) -> Any:
    fields = {"symbol": "SOL_USDC", "side": side, "orderType": "Limit", "price": "149", "quantity": quantity}
    status, answer = await client.call("execute_order", fields)
    assert status == 200, answer
    return answer


async def test_a_restart_keeps_everything(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with running_simulator(background=False, state_folder=tmp_path) as first:
        alice, bob = Client(first, http, seed=1), Client(first, http, seed=2)
        resting = await order(alice, "Bid", "2")
        await order(bob, "Ask", "0.5")
        first.advance_clock(3_600)
        before, orders = truth(first.exchange), (await alice.call("get_open_orders", {"symbol": "SOL_USDC"}))[1]
        now_us = first.exchange.now_us()
    async with running_simulator(background=False, state_folder=tmp_path) as second:
        assert truth(second.exchange) == before
        assert second.exchange.now_us() > now_us
        alice, bob = Client(second, http, seed=1), Client(second, http, seed=2)
        assert (await alice.call("get_open_orders", {"symbol": "SOL_USDC"}))[1] == orders
        await order(bob, "Ask", "0.5")
        fills = (await alice.call("get_fills"))[1]
        assert [row["quantity"] for row in fills] == ["0.5", "0.5"]
        assert len({row["tradeId"] for row in fills}) == 2
        assert {row["orderId"] for row in fills} == {resting["id"]}
        assert_sound(second.exchange)


async def test_a_restart_goes_on_with_flow_seed_and_past(tmp_path: Path) -> None:
    def past_of(running: Simulator) -> list[Any]:
        past = running.exchange.markets["SOL_USDC"].candles.past
        assert past is not None
        start_s = START_US // 10**6
        return [row.close for row in past(start_s - 9_000, start_s)]

    clock = FakeClock()
    async with running_simulator(seed=5, state_folder=tmp_path, clock=clock) as first:
        past = past_of(first)
    clock.advance_s(90_000)
    async with running_simulator(seed=6, state_folder=tmp_path, clock=clock) as second:
        assert second.seed == 5
        assert past_of(second) == past
        assert second.exchange.markets["SOL_USDC"].book.touch[0] is not None
        assert_sound(second.exchange)


async def test_faults_end_with_the_simulator(tmp_path: Path) -> None:
    for _ in range(2):
        async with running_simulator(background=False, state_folder=tmp_path) as running:
            market = running.exchange.markets["SOL_USDC"]
            assert (market.state, market.is_listed) == (OrderBookState.OPEN, True)
            running.faults.inject(Fault(kind=FaultKind.MARKET_UNLISTED, market="SOL_USDC"))
            assert (market.state, market.is_listed) == (OrderBookState.CLOSED, False)
            assert running._kept is not None
            running._kept.save()


async def test_a_port_that_is_taken_leaves_the_folder_free(tmp_path: Path) -> None:
    async with running_simulator(background=False) as other:
        with pytest.raises(OSError, match="in use"):
            await Simulator(port=other.port, background=False, state_folder=tmp_path).start()
    async with running_simulator(background=False, state_folder=tmp_path):
        pass


async def test_the_flow_can_be_left_out_and_come_back(tmp_path: Path) -> None:
    async with running_simulator(state_folder=tmp_path) as first:
        assert len(first.exchange.markets["SOL_USDC"].book.bids) > 3
    async with running_simulator(background=False, state_folder=tmp_path) as second:
        assert not any(len(market.book.bids) for market in second.exchange.markets.values())
        assert_sound(second.exchange)
    async with running_simulator(state_folder=tmp_path) as third:
        assert len(third.exchange.markets["SOL_USDC"].book.bids) > 3
        assert_sound(third.exchange)
    async with running_simulator(background=False, state_folder=tmp_path / "other") as fourth:
        fourth.exchange.place("user", limit("Bid", "100", "1"))
    async with running_simulator(state_folder=tmp_path / "other") as fifth:
        account = fifth.exchange.accounts.get(MAKER_ACCOUNT)
        assert account is not None
        assert account.is_background
        assert len(fifth.exchange.markets["SOL_USDC"].book.bids) > 3


async def test_a_change_is_on_the_disk_at_once_and_not_only_at_the_end(tmp_path: Path) -> None:
    async with running_simulator(background=False, state_folder=tmp_path) as running:
        running.exchange.place("user", limit("Bid", "100", "1"))
        wal = tmp_path / f"{FILE_NAME}-wal"
        for _ in range(200):
            if wal.exists() and b"user" in wal.read_bytes():
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("nothing was written")


async def test_a_tape_goes_with_its_state(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    tape = Tape(TapeOptions(build.TAPE, speed=1_000.0))
    async with running_simulator(background=False, tape=tape, state_folder=tmp_path) as first:
        for _ in range(500):
            if first.replay is not None and first.replay.is_over:
                break
            await asyncio.sleep(0.01)
        async with http.get(f"{first.rest_url}/simulator/truth") as answer:
            assert (await answer.json())["tape"]["rounds"] == 1
        first.exchange.place("user", limit("Bid", "86781.5", "1", symbol="BTC_USDC_PERP"))
    async with running_simulator(background=False, tape=tape, state_folder=tmp_path) as second:
        assert second.exchange.net_quantity("user", "BTC_USDC_PERP") == 1
        assert_sound(second.exchange)
    with pytest.raises(ConfigurationError, match="was kept with other markets, such as those of a tape"):
        kept(tmp_path)


def test_every_attribute_of_every_part_is_kept_or_named_as_derived() -> None:
    exchange = new_exchange()
    roots = {"exchange": exchange, "background": Background(exchange, 1, START_US), "equity": EquityCurves(exchange)}
    encoder = Encoder(roots)
    encoder.changes()
    parts = encoder.parts().values()
    assert {"Ledger", "LoanBook", "Lending", "Settlements", "Vault", "NavHistory", "Rfqs", "Strategies", "Capital"} <= {
        type(part).__name__ for part in parts
    }
    derived: dict[str, set[str]] = {"MovableClock": {"_clock"}}
    for part in parts:
        if not hasattr(part, "__dict__"):
            continue
        name = type(part).__name__
        left_out = set(vars(part)) - set(state_classes.names_of(part))
        assert left_out == set(state_classes.DERIVED.get(name, ()))
        if left_out:
            derived[name] = left_out
    assert derived == {name: set(names) for name, names in state_classes.DERIVED.items()}


def test_what_cannot_be_kept_is_an_error_and_no_gap() -> None:
    exchange = new_exchange()
    exchange.rfqs.something_new = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(Unkept, match=r"something_new is a function"):
        Encoder({"exchange": exchange}).changes()


def test_one_simulator_at_a_time_and_only_in_a_folder_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = kept(tmp_path / "state")
    with pytest.raises(ConfigurationError, match="Another simulator keeps its state in"):
        kept(tmp_path / "state")
    first.attach({"exchange": new_exchange()})
    first.close()
    first.close()
    kept(tmp_path / "state").close()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConfigurationError, match=r"cannot be kept in .*: (File exists|Not a directory)"):
        kept(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / FILE_NAME).write_text("precious " * 1_000)
    with pytest.raises(ConfigurationError, match=r"cannot be kept in .*: file is not a database"):
        kept(tmp_path / "folder")
    assert (tmp_path / "folder" / FILE_NAME).read_text() == "precious " * 1_000
    other = sqlite3.connect(tmp_path / "folder" / "x")
    other.execute("PRAGMA user_version = 9")
    other.close()
    (tmp_path / "folder" / "x").rename(tmp_path / "folder" / FILE_NAME)
    with pytest.raises(ConfigurationError, match="was written by another version"):
        kept(tmp_path / "folder")
    assert caplog.records == []


@pytest.mark.parametrize("name", ["Order", "Fill", "Account", "Level", "Balance"])
def test_a_state_of_classes_with_other_attributes_is_refused(tmp_path: Path, name: str) -> None:
    exchange = new_exchange()
    exchange.place("user", limit("Bid", "100", "1"))
    exchange.place("other", limit("Ask", "100", "0.5"))
    state = kept(tmp_path)
    state.attach({"exchange": exchange})
    state.close()
    file = sqlite3.connect(tmp_path / FILE_NAME)
    removed = {
        "Order": "client_id",
        "Fill": "strategy_id",
        "Account": "fills",
        "Level": "quantity",
        "Balance": "locked",
    }
    for key, content in file.execute("SELECT key, content FROM records").fetchall():
        row = json.loads(content, object_hook=lambda row: {k: v for k, v in row.items() if k != removed[name]})
        file.execute("UPDATE records SET content = ? WHERE key = ?", (json.dumps(row), key))
    file.execute("UPDATE about SET value = '0.0.1' WHERE name = 'version'")
    file.commit()
    file.close()
    state = kept(tmp_path)
    with pytest.raises(ConfigurationError, match=r"written by version 0\.0\.1, cannot be read \("):
        state.attach({"exchange": new_exchange()})


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM records WHERE key = 'exchange.ledger'",
        "DELETE FROM records WHERE key = '#1'",
        "UPDATE records SET content = 'x' WHERE key = 'exchange.ledger'",
        "UPDATE records SET content = '[\"simulator.ledger.Ledger\",{}]' WHERE key = 'exchange.ledger'",
        "UPDATE records SET content = '[\"os.system\",{}]' WHERE key = '#1'",
        "DELETE FROM segments WHERE number = 1",
    ],
)
def test_a_damaged_state_is_refused(tmp_path: Path, damage: str) -> None:
    exchange = new_exchange()
    for _ in range(300):
        exchange.place("user", limit("Bid", "100", "0.1"))
    state = kept(tmp_path)
    state.attach({"exchange": exchange})
    state.close()
    file = sqlite3.connect(tmp_path / FILE_NAME)
    file.execute(damage)
    file.commit()
    file.close()
    state = kept(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        state.attach({"exchange": new_exchange()})


def test_a_save_that_fails_is_said_once_and_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = new_exchange()
    state = kept(tmp_path)
    state.attach({"exchange": exchange})
    state.save()
    save = StateStore.save

    def fail(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(StateStore, "save", fail)
    for price in ("100", "101", "102"):
        exchange.place("user", limit("Bid", price, "1"))
        state.save()
    assert [record.getMessage() for record in caplog.records] == [
        f"The state cannot be kept in {tmp_path}: database or disk is full."
    ]
    monkeypatch.setattr(StateStore, "save", save)
    state.close()
    again = new_exchange()
    state = kept(tmp_path)
    state.attach({"exchange": again})
    state.close()
    assert whole({"exchange": again}) == whole({"exchange": exchange})


def test_a_save_that_takes_long_makes_the_pauses_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, saves = [100.0], []
    state = KeptState(tmp_path, load_instruments(), 1, START_US, lambda: now_s[0])
    state.attach({"exchange": new_exchange()})

    def save(_: KeptState) -> None:
        saves.append(now_s[0])
        now_s[0] += 0.5

    with monkeypatch.context() as patched:
        patched.setattr(KeptState, "save", save)
        for _ in range(60):
            state.tick()
            now_s[0] += 0.1
    assert all(1.99 < later - earlier < 2.2 for earlier, later in pairwise(saves))
    assert len(saves) > 2
    state.close()


def test_the_store_writes_all_or_nothing(tmp_path: Path) -> None:
    exchange = new_exchange()
    encoder = Encoder({"exchange": exchange})
    store = StateStore(tmp_path)
    store.save(encoder.changes(), {"a": "b"})
    before = store.records()
    exchange.place("user", limit("Bid", "100", "1"))
    changes = encoder.changes()
    changes.segments["x", 1] = object()  # type: ignore[assignment]
    with pytest.raises((sqlite3.Error, TypeError)):
        store.save(changes)
    assert store.records() == before
    store.close()


def test_money_and_time_come_back_to_the_last_digit(tmp_path: Path) -> None:
    exchange, clock = new_exchange(), FakeClock()
    exchange.place("user", limit("Bid", "100.10", "1.50"))
    exchange.ledger.deposit("user", "SOL", Decimal("0.000000000000000000000001"))
    state = kept(tmp_path)
    state.attach({"exchange": exchange})
    state.close()
    again = new_exchange(clock)
    kept(tmp_path).attach({"exchange": again})
    order = next(iter(again.open_account("user").open_orders.values()))
    assert (str(order.price), str(order.quantity)) == ("100.10", "1.50")
    assert again.ledger.balance("user", "SOL") == exchange.ledger.balance("user", "SOL")
    assert again.markets["SOL_USDC"].book.bids.level(Decimal("100.1")).orders[order.order_id] is order  # type: ignore[union-attr]
    json.loads(truth(again))


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Simulator(background=False)
    assert list(tmp_path.iterdir()) == []
