"""What Hummingbot looks up by name in our utils module."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from backpack_connector import backpack_utils
from backpack_connector.backpack_utils import BackpackConfigMap, BackpackSimulatorConfigMap

MAPS = [(BackpackConfigMap, "backpack"), (BackpackSimulatorConfigMap, "backpack_simulator")]


@pytest.mark.parametrize(("config_map", "connector"), MAPS)
def test_two_secret_fields_are_asked_for(config_map: Any, connector: str) -> None:
    fields = dict(config_map.model_fields)
    assert fields.pop("connector").default == connector
    assert list(fields) == [f"{connector}_api_key", f"{connector}_api_secret"]
    for field, what in zip(fields.values(), ("API key", "API secret"), strict=True):
        extra = field.json_schema_extra
        assert field.annotation is SecretStr
        assert what in extra["prompt"]
        assert "Backpack" in extra["prompt"]
        assert (extra["is_secure"], extra["is_connect_key"], extra["prompt_on_new"]) == (True, True, True)


def test_field_names_are_those_of_the_built_in_so_that_stored_keys_keep_working() -> None:
    stored = {"backpack_api_key": "k", "backpack_api_secret": "s"}
    config = BackpackConfigMap(**stored)
    assert config.backpack_api_key.get_secret_value() == "k"
    assert config.backpack_api_secret.get_secret_value() == "s"
    assert config.model_config["title"] == "backpack"


@pytest.mark.parametrize(("config_map", "connector"), MAPS)
def test_keys_are_not_shown(config_map: Any, connector: str) -> None:
    config = config_map(**{f"{connector}_api_key": "PUBLICPART", f"{connector}_api_secret": "SECRETPART"})
    assert "SECRETPART" not in repr(config) + str(config)


def test_fields_of_the_simulator_reach_the_same_parameters() -> None:
    # Hummingbot replaces the sub-domain's name by its parent's in the names of the fields.
    names = [name.replace("backpack_simulator", "backpack") for name in BackpackSimulatorConfigMap.model_fields]
    assert names == list(BackpackConfigMap.model_fields)


def test_default_fees_are_the_first_tier() -> None:
    fees = backpack_utils.DEFAULT_FEES
    assert (fees.maker_percent_fee_decimal, fees.taker_percent_fee_decimal) == (Decimal("0.0008"), Decimal("0.0010"))
    assert fees.buy_percent_fee_deducted_from_returns is True


def test_what_hummingbot_reads() -> None:
    assert backpack_utils.CENTRALIZED is True
    assert backpack_utils.EXAMPLE_PAIR == "SOL-USDC"
    assert isinstance(backpack_utils.KEYS, BackpackConfigMap)
    (domain,) = backpack_utils.OTHER_DOMAINS
    assert domain == "backpack_simulator"
    assert {domain: domain} == backpack_utils.OTHER_DOMAINS_PARAMETER
    for table in (backpack_utils.OTHER_DOMAINS_EXAMPLE_PAIR, backpack_utils.OTHER_DOMAINS_DEFAULT_FEES):
        assert set(table) == {domain}
    assert isinstance(backpack_utils.OTHER_DOMAINS_KEYS[domain], BackpackSimulatorConfigMap)
