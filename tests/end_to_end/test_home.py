"""The demo's Hummingbot home: complete, isolated, and quiet towards the internet."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backpack_connector.demo.bots import PERPETUAL_BOT, SPOT_BOT, Bot
from backpack_connector.demo.home import HomeError, find_templates, make_home

pytest.importorskip("hummingbot")

CLOSED_PORT = 1
PROBE = """
import asyncio, json
import hummingbot
from hummingbot.client import settings
from hummingbot.client.config.config_helpers import load_client_config_map_from_file
from hummingbot.core.rate_oracle.rate_oracle import RateOracle
import socket

asked = []

def refuse(*arguments):
    asked.append(str(arguments[-1]))
    raise OSError("refused")

configuration = load_client_config_map_from_file()
socket.getaddrinfo = socket.socket.connect = refuse
oracle = RateOracle.get_instance()
prices = asyncio.run(oracle.source.get_prices(quote_token=oracle.quote_token))
print(json.dumps({
    "root": str(hummingbot.root_path()), "data": hummingbot.data_path(), "conf": str(settings.CONF_DIR_PATH),
    "metrics": type(configuration.anonymized_metrics_mode.hb_config).__name__,
    "mqtt": configuration.mqtt_bridge.mqtt_autostart, "errors": configuration.send_error_logs, "asked": asked,
    "prices": prices, "quote": oracle.quote_token,
}))
"""


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("home").resolve()
    make_home(folder)
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=folder,
        env={**os.environ, "BACKPACK_SIMULATOR_URL": f"http://127.0.0.1:{CLOSED_PORT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_hummingbot_keeps_everything_in_the_home(probed: tuple[Path, dict[str, object]]) -> None:
    folder, answer = probed
    assert answer["root"] == str(folder)
    assert answer["data"] == str(folder / "data")
    assert answer["conf"] == str(folder / "conf")


def test_nothing_is_reported_to_anybody(probed: tuple[Path, dict[str, object]]) -> None:
    _, answer = probed
    assert answer["metrics"] == "AnonymizedMetricsDisabledMode"
    assert answer["mqtt"] is False
    assert answer["errors"] is False


def test_the_rate_oracle_asks_the_simulator_and_nobody_else(probed: tuple[Path, dict[str, object]]) -> None:
    _, answer = probed
    assert (answer["prices"], answer["quote"]) == ({}, "USDC")
    assert set(answer["asked"]) == {str(("127.0.0.1", CLOSED_PORT))}  # type: ignore[call-overload]


@pytest.mark.parametrize("bot", [SPOT_BOT, PERPETUAL_BOT], ids=lambda bot: bot.connector)
def test_the_users_template_is_what_runs(tmp_path: Path, bot: Bot) -> None:
    home = make_home(tmp_path, bot)
    templates = find_templates() / "scripts"
    copied = tmp_path / "conf" / "scripts" / bot.configuration
    assert copied.read_text() == (templates / bot.configuration).read_text()
    assert f"journal_file: {home.journal.relative_to(tmp_path)}" in copied.read_text()


def test_a_missing_hummingbot_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backpack_connector.demo.home.find_spec", lambda name: None)
    with pytest.raises(HomeError, match="Hummingbot is not installed"):
        make_home(tmp_path)
