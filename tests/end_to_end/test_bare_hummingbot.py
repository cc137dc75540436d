"""A Hummingbot that ships nothing for Backpack, in an environment of its own: `hbot` trades there with the plugin."""

import json
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("hummingbot")

from backpack_connector.demo.bots import PERPETUAL_BOT, SPOT_BOT
from backpack_connector.demo.hbot import Hbot
from tests.bare_hummingbot import installed_hummingbot, make_environment, mentions_of_backpack, site_packages
from tests.end_to_end.place import Place, place_for, wait_for

pytestmark = pytest.mark.timeout(240)

SPOT, PERPETUAL = SPOT_BOT.connector, PERPETUAL_BOT.connector
ROWS = """
import json, sys
from hummingbot.client.settings import AllConnectorSettings
rows = AllConnectorSettings.get_connector_settings()
print(json.dumps([sys.prefix, sorted(name for name in rows if "backpack" in name)]))
"""
OUR_MODULES = {
    "source": "backpack_connector.backpack_rate_source",
    "feeds": ["backpack_connector.backpack_spot_candles", "backpack_perpetual_connector.backpack_perpetual_candles"],
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare").resolve() / "venv"
    make_environment(folder)
    return folder


def ask(environment: Path, script: str, folder: Path, **variables: str) -> object:
    command = [str(environment / "bin" / "python"), "-c", script]
    result = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=100, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def test_the_environment_has_no_backpack_but_the_plugins(environment: Path, tmp_path: Path) -> None:
    assert mentions_of_backpack(site_packages(environment) / "hummingbot") == []
    assert len(mentions_of_backpack(installed_hummingbot())) > 10, "the search finds nothing anywhere"
    ours = {"PYTHONPATH": str(Path(__file__).parents[2])}
    assert ask(environment, ROWS, tmp_path, BACKPACK_CONNECTOR="off", **ours) == [str(environment), []]
    names = ["backpack", "backpack_perpetual", "backpack_perpetual_simulator", "backpack_simulator"]
    assert ask(environment, ROWS, tmp_path, **ours) == [str(environment), names]


def fills(place: Place) -> set[tuple[str, str, str]]:
    """Return connector, pair and side of everything that Hummingbot has written down as filled."""
    if not place.home.trades_database.exists():
        return set()
    with closing(sqlite3.connect(place.home.trades_database)) as database:
        return set(database.execute("SELECT DISTINCT market, symbol, trade_type FROM TradeFill").fetchall())


def facts(place: Place) -> dict[str, object]:
    lines = place.lines("facts")
    return lines[-1] if lines else {}


def has_candles_and_rate(place: Place) -> bool:
    now = facts(place)
    return bool(now and now["rate"] and min(now["candles"].values()) == 20)  # type: ignore[attr-defined]


def test_a_bot_trades_both_markets_with_candles_and_rates(environment: Path, tmp_path: Path) -> None:
    bot = replace(PERPETUAL_BOT, configuration="both_markets.yml", faucet=("USDC=5000",))
    with place_for(tmp_path.resolve(), bot, environment=environment) as place:
        client = place.home.folder / "conf" / "conf_client.yml"
        text = client.read_text()
        assert text.count("name: backpack_simulator") == 1
        client.write_text(text.replace("name: backpack_simulator", "name: backpack"))
        place.install("both_markets.py")
        place.configure("scripts", "both_markets.yml", script_file_name="both_markets.py")
        for each in (PERPETUAL_BOT, SPOT_BOT):
            Hbot(place.programs, each).store_keys(place.simulator.api_key, place.simulator.api_secret)
        place.start()
        wait_for(lambda: len(fills(place)) == 2, 60, "fill on each market")
        wait_for(lambda: has_candles_and_rate(place), 60, "candles of both markets and a rate")
        assert fills(place) == {(SPOT, "SOL-USDC", "BUY"), (PERPETUAL, "SOL-USDC", "SELL")}
        assert {name: facts(place)[name] for name in OUR_MODULES} == OUR_MODULES
        status = place.hbot.status()
        assert set(status["balances"]) == {SPOT, PERPETUAL}
        place.hbot.stop()
        assert place.truth().positions["SOL-USDC"].amount == Decimal(-1)
        assert place.open_order_ids() == set()
        assert "Traceback" not in place.logged()
        assert "No rates from Backpack" not in place.logged()
