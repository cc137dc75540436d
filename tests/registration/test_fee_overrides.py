"""Hummingbot reads the template of fee overrides, and every estimate of the four connectors follows it."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from backpack_connector import registration_tables

TEMPLATE = Path(__file__).resolve().parents[2] / "conf_templates" / "conf_fee_overrides.yml"
NAMES = ("backpack", "backpack_simulator", "backpack_perpetual", "backpack_perpetual_simulator")
ASK = f"""
import asyncio, json
from decimal import Decimal
from hummingbot.client.config import config_helpers
from hummingbot.client.config.config_helpers import create_yml_files_legacy, read_system_configs_from_yml
from hummingbot.client.config.trade_fee_schema_loader import TradeFeeSchemaLoader
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.utils.estimate_fee import build_trade_fee

async def facts():
    await create_yml_files_legacy()
    await read_system_configs_from_yml()
    config_helpers.init_fee_overrides_config()  # as Hummingbot does when Gateway brings new connectors
    said = {{}}
    for name in {NAMES}:
        schema = TradeFeeSchemaLoader.configured_schema_for_exchange(name)
        estimates = [
            build_trade_fee(
                name, is_maker, "SOL", "USDC", OrderType.LIMIT, TradeType.BUY, Decimal(1), Decimal(100),
                extra_flat_fees=None,
            ).percent
            for is_maker in (True, False)
        ]
        said[name] = [str(x) for x in (schema.maker_percent_fee_decimal, schema.taker_percent_fee_decimal, *estimates)]
    return said

print(json.dumps(asyncio.run(facts())))
"""


def fees(home: Any) -> dict[str, list[Decimal]]:
    """Start Hummingbot's configuration in a process and return what it expects: two rates and two estimates each."""
    return {name: [Decimal(row) for row in rows] for name, rows in home.ask(ASK).items()}


def write(home: Any, lines: str) -> None:
    """Put lines into the file in place of the empty ones that Hummingbot writes."""
    file = Path(home.folder) / "conf" / "conf_fee_overrides.yml"
    others = [row for row in file.read_text().splitlines() if not row.startswith("backpack")]
    file.write_text("\n".join(others) + "\n" + lines)


def test_the_four_connectors_expect_the_fees_of_the_template_start_after_start(new_home: Callable[..., Any]) -> None:
    home = new_home(with_backpack_folders=True)
    template = yaml.safe_load(TEMPLATE.read_text())
    assert len(template) == 2 * len(NAMES)
    wanted = {
        name: 2 * [Decimal(str(template[f"{name}_{kind}_percent_fee"])) / 100 for kind in ("maker", "taker")]
        for name in NAMES
    }
    defaults = fees(home)
    assert all(defaults[name][place] != wanted[name][place] for name in NAMES for place in range(4))
    write(home, TEMPLATE.read_text())
    assert fees(home) == wanted
    assert fees(home) == wanted, "Hummingbot has written its own file in between"


@pytest.mark.parametrize(("written", "shown"), [("much", "'much'"), (".nan", "nan"), ("-.inf", "-inf")])
def test_a_fee_that_is_no_number_is_told(new_home: Callable[..., Any], written: str, shown: str) -> None:
    home = new_home(with_backpack_folders=True)
    fees(home)
    write(home, f"backpack_maker_percent_fee: {written}\n")
    result = home.run("-c", ASK)
    assert f"backpack_maker_percent_fee in conf_fee_overrides.yml must be a number, not {shown}." in result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["backpack"][0] == "0.0008"


@pytest.mark.parametrize("text", ["", "- 0.1\n", "much\n"])
def test_a_file_that_is_no_table_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    from hummingbot.client.config.config_var import ConfigVar

    path = tmp_path / "conf_fee_overrides.yml"
    path.write_text(text)
    monkeypatch.setattr("hummingbot.client.settings.TRADE_FEES_CONFIG_PATH", path)
    row = ConfigVar("backpack_maker_percent_fee", "", type_str="decimal")
    registration_tables._read_fees({row.key: row}, ("backpack",))
    assert row.value is None


def test_unregistering_leaves_the_fees_to_hummingbot(new_home: Callable[..., Any]) -> None:
    home = new_home(with_backpack_folders=True)
    fees(home)
    write(home, TEMPLATE.read_text())
    script = """
import json
from hummingbot.client.config import fee_overrides_config_map as module
from backpack_connector import registration

def state():
    fee = module.fee_overrides_config_map["backpack_maker_percent_fee"].value
    return [str(fee), module.init_fee_overrides_config.__module__]

said = [state()]
registration.unregister()
said.append(state())
print(json.dumps(said))
"""
    own = "hummingbot.client.config.fee_overrides_config_map"
    assert home.ask(script) == [["0.06", "backpack_connector.registration_tables"], ["None", own]]


def test_the_template_names_the_fees_that_it_stands_in_for(home: Any) -> None:
    text = TEMPLATE.read_text()
    said = fees(home)
    for name, kind in (("backpack", "spot"), ("backpack_perpetual", "perpetuals")):
        maker, taker = (row * 100 for row in said[name][:2])
        assert f"{maker:.2f} % and {taker:.2f} % for {kind}" in text
