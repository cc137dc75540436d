"""Registering and unregistering by hand, with a real Hummingbot."""

from typing import Any

import pytest

PERPETUAL_ROW = """
def perpetual():
    row = AllConnectorSettings.get_connector_settings().get("backpack_perpetual")
    return row and type(row.config_keys).__module__
"""
BUILT_IN = "hummingbot.connector.exchange.backpack.backpack_utils"
OURS = "backpack_connector.backpack_utils"


@pytest.fixture(scope="module")
def facts_with_folders(home: Any) -> Any:
    return _facts(home)


@pytest.fixture(scope="module")
def facts_without_folders(bare_home: Any) -> Any:
    return _facts(bare_home)


def _facts(home: Any) -> Any:
    """Register with the settings module loaded, unregister with settings built, and note everything on the way."""
    return home.ask(
        """
import json, sys
from hummingbot.client.settings import AllConnectorSettings
from backpack_connector import registration

def spot():
    row = AllConnectorSettings.get_connector_settings().get("backpack")
    return row and type(row.config_keys).__module__

def refusal():
    try:
        registration.register()
    except registration.RegistrationError as error:
        return str(error)

own_build = AllConnectorSettings.__dict__["create_connector_settings"]
facts = {}
first = registration.register()
facts["idempotent"] = registration.register() is first and sys.meta_path.count(first) == 1
facts["in front"] = sys.meta_path[0] is first
facts["registered"] = [spot(), "backpack_simulator" in AllConnectorSettings.all_connector_settings]
AllConnectorSettings.initialize_paper_trade_settings(["backpack"])
registration.unregister()
registration.unregister()
facts["finders restored"] = not any(isinstance(f, registration.PrefixFinder) for f in sys.meta_path)
facts["function restored"] = AllConnectorSettings.__dict__["create_connector_settings"] is own_build
facts["unregistered"] = [spot(), sorted(n for n in AllConnectorSettings.all_connector_settings if "backpack" in n)]
facts["attribute"] = getattr(getattr(sys.modules["hummingbot.connector.exchange"], "backpack", None), "__name__", None)
AllConnectorSettings.create_connector_settings()
facts["rebuilt"] = spot()
facts["refusal"] = refusal()
print(json.dumps(facts))
""",
        BACKPACK_CONNECTOR="off",
    )


@pytest.mark.parametrize("which", ["facts_with_folders", "facts_without_folders"])
def test_register_by_hand(which: str, request: pytest.FixtureRequest) -> None:
    facts = request.getfixturevalue(which)
    assert facts["registered"] == [OURS, True]
    assert facts["idempotent"]
    assert facts["in front"]


@pytest.mark.parametrize("which", ["facts_with_folders", "facts_without_folders"])
def test_unregister_restores_the_import_system_and_the_settings(which: str, request: pytest.FixtureRequest) -> None:
    facts = request.getfixturevalue(which)
    assert facts["finders restored"]
    assert facts["function restored"]


def test_unregister_gives_the_built_in_back(facts_with_folders: Any) -> None:
    module, names = facts_with_folders["unregistered"]
    assert module == BUILT_IN
    assert names == ["backpack", "backpack_paper_trade", "backpack_perpetual"]
    assert facts_with_folders["attribute"] == "hummingbot.connector.exchange.backpack"
    assert facts_with_folders["rebuilt"] == BUILT_IN


def test_unregister_leaves_nothing_where_hummingbot_has_nothing(facts_without_folders: Any) -> None:
    assert facts_without_folders["unregistered"] == [None, []]
    assert facts_without_folders["attribute"] is None
    assert facts_without_folders["rebuilt"] is None
    assert facts_without_folders["refusal"] is None


def test_register_refuses_when_the_built_in_is_loaded(facts_with_folders: Any) -> None:
    said = facts_with_folders["refusal"]
    assert said.startswith("The Backpack connectors must be registered before Hummingbot's own are imported, and these")
    assert "hummingbot.connector.exchange.backpack, hummingbot.connector.exchange.backpack.backpack_utils" in said
    assert said.count(".backpack_utils") == 1


def test_unregistering_before_hummingbot_is_imported_lasts(home: Any) -> None:
    script = """
import json
from backpack_connector import registration
registration.unregister()
import hummingbot.connector.exchange.backpack.backpack_utils as utils
print(json.dumps(utils.__name__))
"""
    assert home.ask(script) == BUILT_IN


def test_a_name_without_our_utils_module_stays_hummingbots(home: Any) -> None:
    script = f"""
import importlib.util, json
from hummingbot.client.settings import AllConnectorSettings
{PERPETUAL_ROW}
ours = importlib.util.find_spec("backpack_perpetual_connector.backpack_perpetual_utils") is not None
print(json.dumps([ours, perpetual()]))
"""
    ours, module = home.ask(script)
    built_in = "hummingbot.connector.derivative.backpack_perpetual.backpack_perpetual_utils"
    assert module == ("backpack_perpetual_connector.backpack_perpetual_utils" if ours else built_in)


def test_a_second_connector_is_swapped_as_soon_as_its_utils_module_exists(
    home: Any, bare_home: Any, tmp_path: Any
) -> None:
    """Stand-ins in a package of the same name: the rule, not the connector, is under test."""
    package = tmp_path / "backpack_perpetual_connector"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "backpack_perpetual_utils.py").write_text(
        "from hummingbot.client.config.config_data_types import BaseConnectorConfigMap\n"
        "from hummingbot.core.data_type.trade_fee import TradeFeeSchema\n"
        "class Keys(BaseConnectorConfigMap):\n    connector: str = 'backpack_perpetual'\n"
        "KEYS, DEFAULT_FEES, CENTRALIZED, EXAMPLE_PAIR = Keys.model_construct(), TradeFeeSchema(), True, 'SOL-USDC'\n"
    )
    script = f"""
import json
from hummingbot.client.settings import AllConnectorSettings
{PERPETUAL_ROW}
row = AllConnectorSettings.get_connector_settings()["backpack_perpetual"]
print(json.dumps([perpetual(), row.module_path(), row.class_name()]))
"""
    expected = [
        "backpack_perpetual_connector.backpack_perpetual_utils",
        "hummingbot.connector.derivative.backpack_perpetual.backpack_perpetual_derivative",
        "BackpackPerpetualDerivative",
    ]
    for each in (home, bare_home):
        assert each.ask(script, PYTHONPATH=str(tmp_path)) == expected


def test_the_status_is_the_same_before_and_after_the_connectors_are_loaded(home: Any) -> None:
    script = """
import json
from backpack_connector import registration

def shown():
    return [[connector.implementation, connector.location] for connector in registration.status().connectors]

facts = [shown()]
import hummingbot.connector.exchange.backpack
import hummingbot.connector.derivative.backpack_perpetual
print(json.dumps([*facts, shown()]))
"""
    before, after = home.ask(script)
    assert before == after
    assert [implementation for implementation, _ in after] == ["plugin", "plugin"]
    before, after = home.ask(script, BACKPACK_CONNECTOR="off")
    assert before == after
    assert [implementation for implementation, _ in after] == ["built-in", "built-in"]
