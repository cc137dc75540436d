"""Hummingbot's own commands with our connector: keys, status, stop, and a crash in between."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backpack_connector.backpack_utils import KEYS, OTHER_DOMAINS_KEYS
from backpack_connector.demo.bots import SPOT_BOT
from backpack_connector.demo.comparison import compare_books
from backpack_connector.demo.processes import ProgramError, is_pid_alive
from backpack_connector.demo.records import read_trades_database
from tests.end_to_end.place import Place, place_for, wait_for

pytest.importorskip("hummingbot")
pytestmark = pytest.mark.timeout(240)

CONNECTOR = SPOT_BOT.connector


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with place_for(tmp_path.resolve()) as here:
        yield here


@pytest.mark.parametrize("connector", ["backpack", CONNECTOR])
def test_connect_asks_for_our_fields_with_our_prompts(place: Place, connector: str) -> None:
    keys = {"backpack": KEYS, CONNECTOR: OTHER_DOMAINS_KEYS[CONNECTOR]}[connector]
    printed = place.typed("connect", connector, "--fields")
    for field in (f"{connector}_api_key", f"{connector}_api_secret"):
        prompt = type(keys).model_fields[field].json_schema_extra["prompt"]
        row = next(line for line in printed.splitlines() if line.startswith(f"| {field} "))
        assert row.endswith(f"| {prompt} |")


def test_connect_confirms_good_keys_and_stores_no_plain_text(place: Place) -> None:
    place.store_keys()
    printed = place.typed("connect")
    (row,) = [line for line in printed.splitlines() if line.startswith(f"| {CONNECTOR} ")]
    assert [cell.strip() for cell in row.strip("| ").split("|")][:3] == [CONNECTOR, "yes", "yes"]
    place.hbot.confirm_keys()
    for file in place.home.folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert place.simulator.api_secret.encode() not in file.read_bytes(), file


def test_connect_refuses_a_secret_that_is_no_key(place: Place) -> None:
    def connect() -> None:
        place.hbot.store_keys(place.simulator.api_key, "not-a-secret")
        place.hbot.confirm_keys()

    with pytest.raises(ProgramError) as caught:
        connect()
    assert "not-a-secret" not in str(caught.value)


def test_a_bot_trades_reports_and_stops(place: Place) -> None:
    place.store_keys()
    pid = place.start()
    wait_for(lambda: len(place.journal().fills) > 0, 60, "fill")
    status = place.hbot.status()
    assert status["running"] is True
    assert status["errors"]["count"] == 0, status["errors"]["messages"]
    assert "Fills since start: " in status["format_status"]
    assert set(status["balances"][CONNECTOR]) >= {"SOL", "USDC"}
    place.hbot.stop()
    assert not is_pid_alive(pid)
    assert place.hbot.status()["running"] is False
    assert place.differences() == []


def test_a_killed_bot_takes_its_open_orders_and_missed_fills_over(place: Place) -> None:
    place.store_keys()
    pid = place.start()
    wait_for(lambda: len(place.journal().fills) > 0 and place.is_calm(2), 60, "calm moment")
    place.kill(pid)
    orphans = place.open_order_ids()
    known = len(place.journal().fills)
    # Hummingbot tells its database and the script one after the other, in no fixed order. What a kill between the two
    # left out of the journal is never told again, because the database has it.
    written = {fill.trade_id for fill in place.journal().fills}
    cut_off = {fill.trade_id for fill in read_trades_database(place.home.trades_database).fills} - written
    # Somebody trades with the orders that nobody watches.
    wait_for(lambda: len(place.simulator.truth().fills) > known, 60, "fill while the bot was dead")
    place.start()
    wait_for(lambda: len(place.journal().fills) > known, 60, "recovered fill")
    assert orphans
    wait_for(lambda: place.is_calm(2) and not orphans & place.open_order_ids(), 60, "renewal of the orders")
    place.hbot.stop()
    bot, truth = place.journal().books(), place.simulator.truth()
    bot.fills += [fill for fill in truth.fills if fill.trade_id in cut_off]
    assert compare_books(bot, read_trades_database(place.home.trades_database), truth) == []
