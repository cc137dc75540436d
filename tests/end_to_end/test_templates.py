"""The templates trade: each is started through `hbot` on the simulator as it lies there, with the simulator's names."""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

pytest.importorskip("hummingbot")

from backpack_connector.demo.bots import PERPETUAL_BOT, SPOT_BOT
from backpack_connector.demo.hbot import Hbot
from backpack_connector.demo.home import find_templates
from backpack_connector.protocol.enums import MarketType
from tests.end_to_end.place import Place, place_for, wait_for

pytestmark = pytest.mark.timeout(240)

REDUCE_ONLY_QUOTE = re.compile(r"Created LIMIT_MAKER \w+ order \d+ for [\d.]+ to CLOSE a SOL-USDC position")
JOURNAL = "data/backpack_market_maker.jsonl"  # as the template says
SIMULATED = {
    "connector_name: backpack": "connector_name: backpack_simulator",
    "connector_name: backpack_perpetual": "connector_name: backpack_perpetual_simulator",
    "exchange: backpack": "exchange: backpack_simulator",
}


@contextmanager
def place_of_both(folder: Path, configuration: str) -> Iterator[Place]:
    """Give a home with the keys of both connectors, whose account has 5,000 USDC and 20 SOL."""
    bot = replace(PERPETUAL_BOT, configuration=configuration, faucet=("USDC=5000", "SOL=20"))
    with place_for(folder.resolve(), bot) as place:
        place.store_keys()
        Hbot(place.programs, SPOT_BOT).store_keys(place.simulator.api_key, place.simulator.api_secret)
        yield place


def traded(place: Place) -> set[tuple[str, str]]:
    """Return connector and pair of everything that Hummingbot has written down as filled."""
    if not place.home.trades_database.exists():
        return set()
    with closing(sqlite3.connect(place.home.trades_database)) as database:
        return set(database.execute("SELECT DISTINCT market, symbol FROM TradeFill").fetchall())


def test_v1_pure_market_making(tmp_path: Path) -> None:
    with place_of_both(tmp_path, "backpack_pure_market_making.yml") as place:
        changes = {
            "exchange: backpack": SIMULATED["exchange: backpack"],
            "bid_spread: 0.2": "bid_spread: 0.01",
            "ask_spread: 0.2": "ask_spread: 0.01",
            "order_refresh_time: 15.0": "order_refresh_time: 3.0",
        }
        place.take_template("strategies/backpack_pure_market_making.yml", changes)
        place.start()
        wait_for(lambda: traded(place) == {("backpack_simulator", "SOL-USDC")}, 60, "fill")
        place.hbot.stop()
        assert place.open_order_ids() == set()


def test_a_controller_that_spends_its_amount_at_every_start_is_off_until_it_is_switched_on() -> None:
    shipped = yaml.safe_load((find_templates() / "scripts" / "backpack_controllers.yml").read_text())
    assert shipped["controllers_config"] == ["backpack_market_making.yml", "backpack_grid.yml"]


def test_v2_controllers_market_making_twap_and_grid_in_one_bot(tmp_path: Path) -> None:
    quick = {
        "buy_spreads: [0.002, 0.004]": "buy_spreads: [0.0001, 0.004]",
        "sell_spreads: [0.002, 0.004]": "sell_spreads: [0.0001, 0.004]",
        "executor_refresh_time: 60": "executor_refresh_time: 5",
        "total_duration_seconds: 3600": "total_duration_seconds: 20",
        "order_interval_seconds: 300": "order_interval_seconds: 5",
        "step: 0.002": "step: 0.0005",
    }
    with place_of_both(tmp_path, "backpack_controllers.yml") as place:
        place.take_template("scripts/backpack_controllers.yml", {"  # - backpack_twap.yml": "  - backpack_twap.yml"})
        templates = find_templates() / "controllers"
        shutil.copytree(
            templates, place.home.folder / "controllers", ignore=shutil.ignore_patterns("*.yml", "__pycache__")
        )
        for file in templates.glob("*.yml"):
            lines = file.read_text().splitlines()
            changed = [{**SIMULATED, **quick}.get(line, line) for line in lines]
            (place.home.folder / "conf" / "controllers" / file.name).write_text("\n".join(changed) + "\n")
        place.start()
        wanted = {
            ("backpack_simulator", "SOL-USDC"),
            ("backpack_simulator", "BTC-USDC"),
            ("backpack_perpetual_simulator", "SOL-USDC"),
        }
        wait_for(lambda: traded(place) == wanted, 90, "fill of each controller")
        (_, *tracebacks) = place.logged().split("Traceback")
        assert tracebacks == []
        place.hbot.stop()
        assert place.open_order_ids() == set()


def account_amounts(place: Place) -> tuple[Decimal, Decimal]:
    """Return the SOL that the exchange knows of, and the position in its perpetual."""
    positions = place.truth().positions
    sol = Decimal(place.simulator.truth(MarketType.SPOT).balances["SOL"].total)
    return sol, positions["SOL-USDC"].amount if "SOL-USDC" in positions else Decimal(0)


def test_v2_arbitrage_opens_both_legs_and_undoes_them(tmp_path: Path) -> None:
    changes = {
        "spot_connector: backpack": "spot_connector: backpack_simulator",
        "perpetual_connector: backpack_perpetual": "perpetual_connector: backpack_perpetual_simulator",
        "min_opening_basis: 0.006": "min_opening_basis: -0.02",
        "max_closing_basis: 0.0005": "max_closing_basis: 0.02",
    }
    with place_of_both(tmp_path, "backpack_spot_perpetual_arbitrage.yml") as place:
        place.take_template("scripts/backpack_spot_perpetual_arbitrage.yml", changes)
        place.start()
        wait_for(lambda: account_amounts(place)[1] < 0, 60, "short position")
        wait_for(lambda: account_amounts(place)[1] == 0, 60, "end of the round")
        assert traded(place) == {("backpack_simulator", "SOL-USDC"), ("backpack_perpetual_simulator", "SOL-USDC")}
        assert "Traceback" not in place.logged()
        place.hbot.stop()


def test_v2_funding_harvest_holds_as_much_as_it_is_short(tmp_path: Path) -> None:
    changes = {
        "spot_connector: backpack": "spot_connector: backpack_simulator",
        "perpetual_connector: backpack_perpetual": "perpetual_connector: backpack_perpetual_simulator",
        "min_opening_basis: -0.0005": "min_opening_basis: -0.02",
        "min_opening_funding_rate: 0.00002": "min_opening_funding_rate: -1",
        "min_holding_funding_rate: 0.000002": "min_holding_funding_rate: -1",
    }
    with place_of_both(tmp_path, "backpack_funding_harvest.yml") as place:
        place.take_template("scripts/backpack_funding_harvest.yml", changes)
        place.start()
        wait_for(lambda: account_amounts(place)[1] < 0, 60, "short position")
        held, position = account_amounts(place)
        # Half a SOL less the fee of 0.1 %, to the step of the perpetual market.
        assert position == Decimal("-0.49")
        assert held == Decimal("20.4995")
        assert "Traceback" not in place.logged()
        place.hbot.stop()


def test_v2_spot_market_making(tmp_path: Path) -> None:
    changes = {
        "connector_name: backpack": SIMULATED["connector_name: backpack"],
        "bid_spread: 0.002": "bid_spread: 0.0002",
        "ask_spread: 0.002": "ask_spread: 0.0002",
        "refresh_seconds: 15": "refresh_seconds: 3",
    }
    with place_of_both(tmp_path, "backpack_market_maker.yml") as place:
        place.take_template("scripts/backpack_market_maker.yml", changes)
        place.start()
        wait_for(lambda: traded(place) == {("backpack_simulator", "SOL-USDC")}, 90, "fill")
        place.hbot.stop()
        assert place.open_order_ids() == set()
        assert "Traceback" not in place.logged()
        told = [json.loads(line) for line in (place.home.folder / JOURNAL).read_text().splitlines()]
        assert {"start", "fill", "stop"} == {row["kind"] for row in told}


def test_v2_perpetual_market_making_leans_and_leaves_with_reduce_only_orders(tmp_path: Path) -> None:
    changes = {
        "connector_name: backpack_perpetual": SIMULATED["connector_name: backpack_perpetual"],
        "bid_spread: 0.001": "bid_spread: 0.0002",
        "ask_spread: 0.001": "ask_spread: 0.0005",
        "refresh_seconds: 15": "refresh_seconds: 3",
    }
    with place_of_both(tmp_path, "backpack_perpetual_market_maker.yml") as place:
        place.take_template("scripts/backpack_perpetual_market_maker.yml", changes)
        place.start()
        wait_for(lambda: account_amounts(place)[1] != 0, 60, "position")
        wait_for(lambda: REDUCE_ONLY_QUOTE.search(place.logged()), 40, "reduce-only exit")
        place.hbot.stop()
        assert account_amounts(place)[1] == 0
        assert "Traceback" not in place.logged()
