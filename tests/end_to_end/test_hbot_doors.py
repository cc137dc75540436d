"""What `hbot` tells beside starting and stopping: balances, positions, history, health, wrong keys."""

import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.demo.bots import PERPETUAL_BOT, SPOT_BOT
from backpack_connector.demo.processes import collect
from backpack_connector.protocol.signing import Credentials
from tests.end_to_end.alone import asked_hosts, keep_alone
from tests.end_to_end.place import Place, place_for, wait_for

pytest.importorskip("hummingbot")
pytestmark = pytest.mark.timeout(300)

WRONG_SECRET = b64encode(bytes(range(32))).decode()
# Hummingbot's own doings: `doctor` compares the clock with others, `history` takes rates from the source that is first.
CLOCKS = {"api.kraken.com", "www.cloudflare.com"}
RATES = {"api.gateio.ws"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with place_for(tmp_path.resolve()) as here:
        keep_alone(here)
        here.store_keys()
        yield here


@pytest.fixture
def perpetual_place(tmp_path: Path) -> Iterator[Place]:
    with place_for(tmp_path.resolve(), PERPETUAL_BOT) as here:
        keep_alone(here)
        here.store_keys()
        yield here


def read(printed: str) -> Any:
    """Read the JSON out of what a command printed; Hummingbot says on another channel that it is busy."""
    return json.loads(printed[printed.index("{") : printed.rindex("}") + 1])


def row_of(printed: str, first_cell: str) -> list[str]:
    (row,) = [line for line in printed.splitlines() if line.startswith(f"| {first_cell} ")]
    return [cell.strip() for cell in row.strip("| ").split("|")]


def test_balance_tells_every_asset_with_its_value(place: Place) -> None:
    (told,) = read(place.typed("balance", SPOT_BOT.connector, "--json"))["connectors"].values()
    assert {row["asset"]: [Decimal(str(row[kind])) for kind in ("total", "available")] for row in told["assets"]} == {
        asset.upper(): [held.total, held.available] for asset, held in place.truth().balances.items()
    }
    assert all(row["value"] > 0 for row in told["assets"])
    assert asked_hosts(place) == set()


async def buy(place: Place, quantity: str) -> None:
    keys = Credentials(place.simulator.api_key, place.simulator.api_secret)
    async with BackpackClient(url=place.simulator.url, credentials=keys) as client:
        await client.execute_order("SOL_USDC_PERP", "Bid", "Market", quantity=quantity)


def test_balance_of_a_perpetual_account_tells_its_positions(perpetual_place: Place) -> None:
    place = perpetual_place
    asyncio.run(buy(place, "2"))
    (told,) = read(place.typed("balance", PERPETUAL_BOT.connector, "--json"))["connectors"].values()
    (asset,) = told["assets"]
    assert asset["asset"] == "USDC"
    assert 0 < asset["available"] < asset["total"]
    (position,) = told["positions"]
    held = place.truth().positions["SOL-USDC"]
    assert position["trading_pair"] == "SOL-USDC"
    assert Decimal(str(position["amount"])) == held.amount == 2
    assert Decimal(str(position["entry_price"])) == held.entry_price
    assert asked_hosts(place) == set()


def test_doctor_finds_nothing_wrong_with_our_keys_stored(place: Place) -> None:
    told = read(place.typed("doctor", "--json"))
    assert told["healthy"] is True
    assert {row["check"] for row in told["checks"] if row["status"] != "ok"} == {"clock"}
    assert asked_hosts(place) == CLOCKS


def test_deploy_starts_a_bot_with_changed_values_and_history_tells_its_trades(place: Place) -> None:
    answer = read(place.typed("deploy", SPOT_BOT.configuration, "--set", "order_amount=0.6", "--json"))
    collect(int(answer["pid"]))
    assert (answer["status"], answer["applied"]) == ("running", "order_amount")
    wait_for(lambda: len(place.journal().fills) > 0, 60, "fill")
    place.hbot.stop()
    row = row_of(place.typed("history"), SPOT_BOT.connector)
    fills = place.journal().fills
    assert row[1:3] == ["SOL-USDC", str(len(fills))]
    assert all(fill.amount <= Decimal("0.6") for fill in fills)
    assert max(fill.amount for fill in fills) > Decimal("0.5")
    assert place.differences() == []
    assert asked_hosts(place) == RATES


def test_a_secret_of_another_key_is_told_in_one_sentence(place: Place) -> None:
    typed = dict(zip(SPOT_BOT.key_fields, (place.simulator.api_key, WRONG_SECRET), strict=True))
    command = [sys.executable, "-m", "hummingbot.cli.main", "connect", SPOT_BOT.connector, "--keys-stdin", "--replace"]
    assert place.programs.run(command, typed=json.dumps(typed), timeout_s=60).returncode == 0
    printed = place.typed("connect")
    assert row_of(printed, SPOT_BOT.connector)[1:3] == ["yes", "no"]
    assert "The API secret does not belong to this API key" in printed
    assert "Traceback" not in printed
    assert not any(text in printed for text in typed.values())
