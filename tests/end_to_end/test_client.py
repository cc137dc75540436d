"""Hummingbot's interactive client with our connectors, as a person at a terminal sees it."""

import re
from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from backpack_connector.demo.bots import PERPETUAL_BOT, SPOT_BOT
from tests.end_to_end.alone import asked_hosts
from tests.end_to_end.client import ESCAPE, NEW_PASSWORD, Client, prepare, started
from tests.end_to_end.place import Place, place_for, wait_for

pytest.importorskip("hummingbot")
pytestmark = pytest.mark.timeout(300)

WRONG_SECRET = b64encode(bytes(range(32))).decode()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with place_for(tmp_path.resolve()) as here:
        yield here


@pytest.fixture
def perpetual_place(tmp_path: Path) -> Iterator[Place]:
    with place_for(tmp_path.resolve(), PERPETUAL_BOT) as here:
        yield here


def logged(place: Place) -> str:
    return "".join(file.read_text() for file in (place.home.folder / "logs").iterdir())


def assert_nothing_leaked(place: Place, client: Client, *secrets: str) -> None:
    """What was typed into hidden fields is neither in what the client wrote to the terminal nor readable in a file."""
    files = [file for file in place.home.folder.rglob("*") if file.is_file() and not file.is_symlink()]
    for secret in (*secrets, NEW_PASSWORD):
        assert secret not in client.terminal.written
        assert [file for file in files if secret.encode() in file.read_bytes()] == []


def assert_left_in_order(place: Place, client: Client) -> None:
    """Leave by `exit`: no order stays behind, no traceback is in any log, nobody on the internet was asked."""
    client.type("exit")
    assert client.terminal.wait_for_end() == 0
    assert place.open_order_ids() == set()
    assert "Traceback" not in logged(place)
    assert asked_hosts(place) == set()


def test_a_first_start_from_the_password_to_a_bot_that_has_traded(place: Place) -> None:
    keys = place.simulator.api_key, place.simulator.api_secret
    with started(place, prepare(place)) as client:
        client.choose_password()
        assert client.connect("backpack_simulator", *keys) == "You are now connected to backpack_simulator."
        balances = client.ask("balance", r"Exchanges Total: \$ [0-9]+")
        for asset, held in place.truth().balances.items():
            assert re.search(rf"{asset.upper()} +{held.total:.4f} ", balances), asset
        client.ask(f"start --v2 {SPOT_BOT.configuration}", "started successfully")
        client.see_left("Trades: [1-9]")
        status = client.ask("status", r"Fills since start: [1-9].*")
        assert re.search(r"backpack_simulator +USDC +[0-9.]+ +[0-9.]+", status)
        client.type("order_book --live")
        book = client.see_right(r"(?s)market: backpack_simulator SOL-USDC *\n.*bid_price +bid_volume.*ask_price.*")
        bid, _, ask, _ = map(Decimal, re.findall(r"[0-9.]+", book.split("ask_volume")[1])[:4])
        assert 0 < bid < ask
        wait_for(lambda: client.see_right("(?s)market: .*") != book, 30, "change of the book on the screen")
        client.type("order_book --close")
        client.see_right("Running Logs")
        client.type("status --live")
        client.see_left("Press escape key to stop update")
        client.terminal.type(ESCAPE)
        client.see_left("Stopped live status display update")
        history = client.ask("history", r"Return % +-?[0-9.]+%")
        assert re.search(r"backpack_simulator / SOL-USDC", history)
        assert re.search(r"Fees paid +[0-9.]+ (SOL|USDC)", history)
        client.ask("stop", "Hummingbot stopped")
        assert place.open_order_ids() == set()
        assert_left_in_order(place, client)
        assert_nothing_leaked(place, client, *keys)
    assert place.differences() == []


def test_stored_keys_work_after_the_next_log_in(place: Place) -> None:
    keys = place.simulator.api_key, place.simulator.api_secret
    command = prepare(place)
    with started(place, command) as client:
        client.choose_password()
        client.connect("backpack_simulator", *keys)
        assert_left_in_order(place, client)
    with started(place, command) as client:
        client.log_in()
        client.ask("connect", r"\| backpack_simulator +\| Yes +\| Yes +\|.*\+ *\n")
        assert_left_in_order(place, client)
        assert_nothing_leaked(place, client, *keys)


def test_a_perpetual_bot_shows_its_position(perpetual_place: Place) -> None:
    place = perpetual_place
    keys = place.simulator.api_key, place.simulator.api_secret
    with started(place, prepare(place)) as client:
        client.choose_password()
        said = client.connect("backpack_perpetual_simulator", *keys)
        assert said == "You are now connected to backpack_perpetual_simulator."
        balances = client.ask("balance", r"Exchanges Total: \$ [0-9]+")
        assert re.search(r"USDC +1000\.0000 ", balances)
        client.ask(f"start --v2 {PERPETUAL_BOT.configuration}", "started successfully")
        client.see_left("Trades: [1-9]")
        wait_for(lambda: "Position: none" not in client.ask("status", "Position: "), 60, "position")
        status = client.ask("status", "Position: .* funding received since start")
        assert re.search(r"backpack_perpetual_simulator +USDC +[0-9.]+ +[0-9.]+", status)
        assert "WARNINGS" not in status
        assert "backpack_perpetual_simulator / SOL-USDC" in client.ask("history", r"Return % +-?[0-9.]+%")
        client.ask("stop", "Hummingbot stopped")
        assert place.truth().positions == {}
        assert_left_in_order(place, client)
        assert_nothing_leaked(place, client, *keys)
    assert place.differences() == []


def test_what_is_no_key_pair_gets_one_sentence_and_the_client_goes_on(place: Place) -> None:
    key, secret = place.simulator.api_key, place.simulator.api_secret
    with started(place, prepare(place)) as client:
        client.choose_password()
        for api_key, api_secret, sentence in (
            (key, WRONG_SECRET, "The API secret does not belong to this API key; "),
            (key, secret[:20], "The API secret holds 15 bytes instead of 32; "),
            (key, "not-a-secret", "The API secret is not base64 text; "),
            (secret, key, "The API key and the API secret are swapped; "),
        ):
            said = client.connect("backpack_simulator", api_key, api_secret)
            assert said.startswith(f"Error: {sentence}paste ")
            assert said.endswith(".")
            assert list((place.home.folder / "conf" / "connectors").iterdir()) == []
        assert client.connect("backpack_simulator", key, secret) == "You are now connected to backpack_simulator."
        assert_left_in_order(place, client)
        assert_nothing_leaked(place, client, key, secret, secret[:20], WRONG_SECRET, "not-a-secret")
