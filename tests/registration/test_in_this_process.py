"""The plugin is in place in this very process, by its start-up file, whatever Hummingbot ships: one of two versions."""

import importlib
from importlib import metadata

import pytest

from backpack_connector import hummingbot_contract
from backpack_connector.hummingbot_members import TESTED_OLDER_VERSION, TESTED_VERSION

pytestmark = pytest.mark.filterwarnings("ignore")  # Hummingbot's own connectors warn while they load

SPOT, PERPETUAL = "backpack_connector", "backpack_perpetual_connector"
ROWS = {
    "backpack": f"{SPOT}.backpack_utils",
    "backpack_simulator": f"{SPOT}.backpack_utils",
    "backpack_perpetual": f"{PERPETUAL}.backpack_perpetual_utils",
    "backpack_perpetual_simulator": f"{PERPETUAL}.backpack_perpetual_utils",
}
CANDLES = {
    "backpack": f"{SPOT}.backpack_spot_candles",
    "backpack_simulator": f"{SPOT}.backpack_spot_candles",
    "backpack_perpetual": f"{PERPETUAL}.backpack_perpetual_candles",
    "backpack_perpetual_simulator": f"{PERPETUAL}.backpack_perpetual_candles",
}


def test_this_is_a_hummingbot_that_the_tests_are_meant_for() -> None:
    assert metadata.version("hummingbot") in (TESTED_VERSION, TESTED_OLDER_VERSION)


def test_the_connectors_are_ours() -> None:
    rows = importlib.import_module("hummingbot.client.settings").AllConnectorSettings.get_connector_settings()
    assert {name: type(rows[name].config_keys).__module__ for name in ROWS} == ROWS
    for name, module in ROWS.items():
        owner = importlib.import_module(rows[name].module_path())
        assert getattr(owner, rows[name].class_name()).__module__.startswith(module.partition(".")[0] + ".")


def test_candles_and_rates_are_ours() -> None:
    table = importlib.import_module("hummingbot.data_feed.candles_feed.candles_factory").CandlesFactory._candles_map
    assert {name: table[name].__module__ for name in CANDLES} == CANDLES
    sources = importlib.import_module("hummingbot.core.rate_oracle.rate_oracle").RATE_ORACLE_SOURCES
    assert sources["backpack"].__module__ == f"{SPOT}.backpack_rate_source"
    modes = importlib.import_module("hummingbot.client.config.client_config_map").RATE_SOURCE_MODES
    assert modes["backpack"].__module__ == "hummingbot.client.config.client_config_map"


def test_hummingbot_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hummingbot_contract, "_fitting", set())
    for key in hummingbot_contract.MEMBERS:
        importlib.import_module(key.partition(":")[0])
    hummingbot_contract.check()
    assert set(hummingbot_contract.MEMBERS) == hummingbot_contract._fitting
