"""A real Hummingbot finds our connectors, in every kind of process, whether or not it ships its own two."""

import json
from pathlib import Path
from typing import Any

import pytest

ROWS = """
import json
from hummingbot.client.settings import AllConnectorSettings
def rows():
    return {
        name: [type(row.config_keys).__module__, row.type.name, row.example_pair, row.is_sub_domain, row.parent_name,
               row.domain_parameter, str(row.trade_fee_schema.maker_percent_fee_decimal), row.module_path(),
               row.class_name()]
        for name, row in AllConnectorSettings.get_connector_settings().items() if "backpack" in name
    }
"""
SPOT_PATH = "hummingbot.connector.exchange.backpack.backpack_exchange"
SPOT = [
    "backpack_connector.backpack_utils", "Exchange", "SOL-USDC", False, None, None, "0.0008", SPOT_PATH,
    "BackpackExchange",
]  # fmt: skip
SIMULATOR = [
    "backpack_connector.backpack_utils", "Exchange", "SOL-USDC", True, "backpack", "backpack_simulator", "0.0008",
    SPOT_PATH, "BackpackExchange",
]  # fmt: skip
BUILT_IN_SPOT_UTILS = "hummingbot.connector.exchange.backpack.backpack_utils"


@pytest.fixture(scope="module", params=["with folders", "without folders"])
def any_home(request: pytest.FixtureRequest, home: Any, bare_home: Any) -> Any:
    return home if request.param == "with folders" else bare_home


@pytest.fixture(scope="module")
def facts(any_home: Any) -> Any:
    """Start Hummingbot's configuration once and report what the tests of this module ask about."""
    return any_home.ask(
        ROWS
        + """
facts = {"rows": rows()}
AllConnectorSettings.initialize_paper_trade_settings(["backpack"])
facts["rows with paper trade"] = rows()
AllConnectorSettings.create_connector_settings()
facts["rows after a reset"] = rows()
from hummingbot.client.settings import connectable_exchange_names
facts["connectable"] = sorted(name for name in connectable_exchange_names() if name.startswith("backpack"))

import hummingbot.connector.exchange.backpack.backpack_utils as alias
import backpack_connector.backpack_utils as own
facts["one object"] = alias is own
facts["names"] = [own.__name__, own.__spec__.name, own.__loader__.name, own.__package__]
facts["by attribute"] = __import__("hummingbot").connector.exchange.backpack.backpack_utils is own
facts["by fromlist"] = __import__(SPOT, fromlist=["KEYS"]).KEYS is own.KEYS

def failure(name):
    import importlib
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        return str(error)
facts["absent"] = failure("hummingbot.connector.exchange.backpack.backpack_order_book")

from hummingbot.client.config.conf_migration import migrate_connector_confs
from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger
facts["migration errors"] = migrate_connector_confs(ETHKeyFileSecretManger("a"))
import hummingbot.client.settings as settings
facts["settings loader"] = type(settings.__loader__).__name__
print(json.dumps(facts))
""".replace("SPOT", repr(BUILT_IN_SPOT_UTILS)),
    )


def test_hummingbot_has_our_rows(facts: Any) -> None:
    rows = facts["rows"]
    assert rows["backpack"] == SPOT
    assert rows["backpack_simulator"] == SIMULATOR


def test_our_rows_survive_a_reset_of_the_settings(facts: Any) -> None:
    assert facts["rows after a reset"] == facts["rows"]


def test_paper_trade_knows_our_connector(facts: Any) -> None:
    assert facts["rows with paper trade"]["backpack_paper_trade"][0] == "backpack_connector.backpack_utils"


def test_the_connect_command_offers_our_names(facts: Any) -> None:
    assert {"backpack", "backpack_simulator"} <= set(facts["connectable"])


def test_both_names_are_one_module_that_stays_ours(facts: Any) -> None:
    assert facts["one object"]
    assert facts["by attribute"]
    assert facts["by fromlist"]
    own = "backpack_connector.backpack_utils"
    assert facts["names"] == [own, own, own, "backpack_connector"]


def test_a_module_that_we_do_not_have_does_not_exist(facts: Any) -> None:
    # Hummingbot's built-in connector has this file.
    name = "hummingbot.connector.exchange.backpack.backpack_order_book"
    assert facts["absent"] == f"No module named '{name}': the plugin has no backpack_connector.backpack_order_book."


def test_configuration_migration_passes(facts: Any) -> None:
    assert facts["migration errors"] == []


def test_the_settings_module_keeps_its_loader(facts: Any) -> None:
    assert facts["settings loader"] == "SourceFileLoader"


def test_hbot_asks_for_our_keys(any_home: Any) -> None:
    result = any_home.run("-m", "hummingbot.cli.main", "connect", "backpack_simulator", "--fields")
    assert result.returncode == 0, result.stderr
    assert "backpack_simulator_api_secret" in result.stdout


PROCESSES = {
    "hbot": (["-m", "hummingbot.cli.main", "--version"], 0),
    "engine": (["-m", "hummingbot.cli.engine", "--name", "a"], 4),  # 4: it wants a password, after all its imports
    "client": (["bin/client.py"], 0),
    "script": (["-c", "import hummingbot.client.hummingbot_application"], 0),
    "notebook": (["-i"], 0),
}
AT_EXIT = """
import atexit, json, sys
def report():
    from hummingbot.client.settings import AllConnectorSettings
    rows = AllConnectorSettings.get_connector_settings()
    utils = sys.modules["hummingbot.connector.exchange.backpack.backpack_utils"]
    sys.stderr.write("\\nREPORT " + json.dumps([utils.__name__, "backpack_simulator" in rows]))
atexit.register(report)
"""


@pytest.mark.parametrize("kind", PROCESSES)
def test_every_kind_of_process_has_our_connector(any_home: Any, tmp_path: Path, kind: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(AT_EXIT)
    # The client of a source checkout is started by a script of its folder bin, which puts the checkout on the path.
    (any_home.folder / "bin").mkdir(exist_ok=True)
    (any_home.folder / "bin" / "client.py").write_text(
        f"import sys\nsys.path.insert(0, {str(any_home.folder)!r})\n"
        "from hummingbot.client.hummingbot_application import HummingbotApplication\n"
    )
    arguments, code = PROCESSES[kind]
    typed = "import hummingbot.client.settings\n" if kind == "notebook" else None
    result = any_home.run(*arguments, typed=typed, PYTHONPATH=str(tmp_path))
    assert result.returncode == code, result.stderr
    assert result.stderr.splitlines()[-1] == 'REPORT ["backpack_connector.backpack_utils", true]'


def test_a_script_can_switch_the_plugin_off_before_it_imports_hummingbot(home: Any) -> None:
    script = f"import os\nos.environ['BACKPACK_CONNECTOR'] = 'off'\n{ROWS}\nprint(json.dumps(rows()))"
    rows = home.ask(script)
    assert rows["backpack"][0] == BUILT_IN_SPOT_UTILS
    assert "backpack_simulator" not in rows


def test_switched_off_a_hummingbot_without_the_folders_has_no_such_connector(bare_home: Any) -> None:
    assert bare_home.ask(f"{ROWS}\nprint(json.dumps(rows()))", BACKPACK_CONNECTOR="OFF") == {}


def test_an_unknown_switch_value_is_refused_at_each_import(home: Any) -> None:
    script = """
import json
said = []
for attempt in range(2):
    try:
        import hummingbot.client.settings
    except ImportError as error:
        said.append(str(error))
print(json.dumps(said))
"""
    assert home.ask(script, BACKPACK_CONNECTOR="maybe") == ["BACKPACK_CONNECTOR must be on or off, not 'maybe'."] * 2


def test_the_first_import_may_be_the_connector_itself(any_home: Any) -> None:
    script = f"import json, {BUILT_IN_SPOT_UTILS} as utils\nprint(json.dumps(utils.__name__))"
    assert any_home.ask(script) == "backpack_connector.backpack_utils"


def test_keys_stored_by_the_built_in_connector_keep_working(new_home: Any) -> None:
    home = new_home(with_backpack_folders=True)
    keys = {"backpack_api_key": "the public key", "backpack_api_secret": "the seed"}
    stored = home.run(
        *("-m", "hummingbot.cli.main", "connect", "backpack", "--keys-stdin"),
        typed=json.dumps(keys),
        HBOT_PASSWORD="a password",
        BACKPACK_CONNECTOR="off",
    )
    assert stored.returncode == 0, stored.stderr
    assert (home.folder / "conf" / "connectors" / "backpack.yml").exists()
    read = """
import asyncio, json
from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger
from hummingbot.client.config.security import Security
Security.login(ETHKeyFileSecretManger("a password"))
asyncio.run(Security.wait_til_decryption_done())
print(json.dumps([type(Security.decrypted_value("backpack").hb_config).__module__, Security.api_keys("backpack")]))
"""
    assert home.ask(read) == ["backpack_connector.backpack_utils", keys]


def test_status_names_keys_that_hummingbot_cannot_read_without_the_plugin(new_home: Any) -> None:
    # Hummingbot 20260922 reads every file of the folder when it logs in, and fails on a name that it does not know.
    home = new_home(with_backpack_folders=True)
    path = home.folder / "conf" / "connectors" / "backpack_simulator.yml"
    path.write_text("")
    shown = home.run("-m", "backpack_connector.cli.main", "status", BACKPACK_CONNECTOR="off").stdout
    assert shown.splitlines()[-1] == f"Hummingbot cannot log in while {path} exists: remove it."
    assert "log in" not in home.run("-m", "backpack_connector.cli.main", "status").stdout
