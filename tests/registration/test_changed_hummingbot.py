"""A Hummingbot with other tables or modules: every start ends with one sentence and without a traceback."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.hummingbot_members import TESTED_VERSION

ADVICE = (
    f"Install Hummingbot {TESTED_VERSION} or a plugin that is made for yours, or set BACKPACK_CONNECTOR=off to do "
    "without the plugin.\n"
)
CLIENT = ("-c", "import hummingbot.client.hummingbot_application")


def change(home: Any, file: str, old: str, new: str) -> None:
    """Change a file of a home's Hummingbot, which so far is a link to the installed one."""
    path = Path(home.folder) / "hummingbot" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (
            "client/settings.py",
            "create_connector_settings",
            "build_connector_settings",
            "AllConnectorSettings has no create_connector_settings",
        ),
        (
            "client/settings.py",
            "    use_eth_gas_lookup: bool\n",
            "    use_eth_gas_lookup: bool\n    venue: str\n",
            "ConnectorSetting takes (name, ",
        ),
        (
            "data_feed/candles_feed/candles_factory.py",
            "_candles_map",
            "_feeds",
            "CandlesFactory has no _candles_map",
        ),
        (
            "core/rate_oracle/rate_oracle.py",
            "RATE_ORACLE_SOURCES",
            "SOURCES",
            "hummingbot.core.rate_oracle.rate_oracle has no RATE_ORACLE_SOURCES",
        ),
    ],
)
def test_a_table_that_changed(file: str, old: str, new: str, told: str, new_home: Callable[..., Any]) -> None:
    home = new_home(with_backpack_folders=True)
    change(home, file, old, new)
    module = "hummingbot." + file.removesuffix(".py").replace("/", ".")
    result = home.run("-c", f"import {module}")
    assert result.returncode == 1
    assert result.stderr.startswith("Hummingbot ")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith(ADVICE)
    assert home.run("-c", f"import {module}", BACKPACK_CONNECTOR="off").returncode == 0


def test_hbot_says_the_sentence_too(new_home: Callable[..., Any]) -> None:
    home = new_home(with_backpack_folders=True)
    change(home, "client/settings.py", "create_connector_settings", "build_connector_settings")
    result = home.run("-m", "hummingbot.cli.main", "connect", "backpack_simulator", "--fields")
    assert result.returncode != 0
    assert "Traceback" not in result.stdout + result.stderr
    assert result.stderr.endswith(ADVICE)


@pytest.mark.parametrize("gone", ["whole module", "one name"])
def test_something_that_we_import_is_gone(gone: str, new_home: Callable[..., Any]) -> None:
    home = new_home(with_backpack_folders=True)
    path = "client/config/config_data_types.py"
    change(
        home, path, "BaseConnectorConfigMap", "ConnectorConfigMap" if gone == "one name" else "BaseConnectorConfigMap"
    )
    if gone == "whole module":
        (Path(home.folder) / "hummingbot" / path).unlink()
    script = "import hummingbot.connector.exchange.backpack.backpack_utils"
    result = home.run("-c", script)
    assert result.returncode == 1
    told = {
        "one name": "(ImportError: cannot import name 'BaseConnectorConfigMap' from ",
        "whole module": "(ModuleNotFoundError: No module named 'hummingbot.client.config.config_data_types')",
    }
    assert result.stderr.startswith("Hummingbot ")
    assert f"backpack_connector.backpack_utils cannot be loaded {told[gone]}" in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith(ADVICE)


def test_what_is_wrong_with_the_plugin_itself_is_not_laid_on_hummingbot(home: Any, tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text("raise ImportError('no such library', name='libmsgspec')")
    script = "import hummingbot.connector.exchange.backpack.backpack_exchange"
    result = home.run("-c", script, PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}")
    assert result.stderr.endswith("ImportError: no such library\n")
    assert "does not fit" not in result.stderr


def test_a_member_of_an_enumeration_that_is_gone(home: Any) -> None:
    script = """
import hummingbot.core.data_type.common as common
del common.OrderType._member_map_["LIMIT_MAKER"]
type.__delattr__(common.OrderType, "LIMIT_MAKER")
import hummingbot.connector.exchange.backpack.backpack_exchange
"""
    result = home.run("-c", script)
    assert "cannot be loaded (AttributeError: " in result.stderr
    assert result.stderr.endswith(ADVICE)
