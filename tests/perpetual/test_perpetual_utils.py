"""What Hummingbot looks up by name in the perpetual connector's utils module, and F26: keys are checked at once."""

from decimal import Decimal
from typing import Any

import pytest
from hummingbot.client.settings import ConnectorType
from pydantic import SecretStr

from backpack_connector.protocol.errors import ConfigurationError
from backpack_perpetual_connector import backpack_perpetual_utils as utils
from backpack_perpetual_connector.backpack_perpetual_constants import SIMULATOR_DOMAIN
from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative
from tests.spot.hummingbot_settings import setting_of

MAPS = [
    (utils.BackpackPerpetualConfigMap, "backpack_perpetual"),
    (utils.BackpackPerpetualSimulatorConfigMap, SIMULATOR_DOMAIN),
]
FIELDS = ["backpack_api_key", "backpack_api_secret"]


@pytest.mark.parametrize(("config_map", "connector"), MAPS)
def test_parity_two_secret_fields_with_the_names_of_the_built_in_are_asked_for(config_map: Any, connector: str) -> None:
    fields = dict(config_map.model_fields)
    assert fields.pop("connector").default == connector
    assert list(fields) == FIELDS
    assert all(field.annotation is SecretStr for field in fields.values())
    config = config_map(backpack_api_key="PUBLICPART", backpack_api_secret="SECRETPART")
    assert config.model_config["title"] == connector
    assert "SECRETPART" not in repr(config) + str(config)


@pytest.mark.parametrize(
    ("name", "parent_name"), [("backpack_perpetual", None), (SIMULATOR_DOMAIN, "backpack_perpetual")]
)
async def test_parity_stored_keys_reach_the_constructor(
    name: str, parent_name: str | None, key_pair: tuple[str, str]
) -> None:
    keys = dict(zip(FIELDS, key_pair, strict=True))
    setting = setting_of(utils, name, parent_name, ConnectorType.Derivative)
    parameters = setting.conn_init_parameters(["SOL-USDC"], False, keys)
    connector = BackpackPerpetualDerivative(**parameters)
    assert connector.name == name
    assert connector.authenticator.account == key_pair[0]
    assert connector.trading_pairs == ["SOL-USDC"]


def test_default_fees_are_the_first_tier_and_added_to_the_cost() -> None:
    fees = utils.DEFAULT_FEES
    assert (fees.maker_percent_fee_decimal, fees.taker_percent_fee_decimal) == (Decimal("0.0002"), Decimal("0.0005"))
    assert not fees.buy_percent_fee_deducted_from_returns


def test_what_hummingbot_reads() -> None:
    assert utils.CENTRALIZED is True
    assert utils.EXAMPLE_PAIR == "SOL-USDC"
    assert isinstance(utils.KEYS, utils.BackpackPerpetualConfigMap)
    assert utils.OTHER_DOMAINS == [SIMULATOR_DOMAIN]
    assert {SIMULATOR_DOMAIN: SIMULATOR_DOMAIN} == utils.OTHER_DOMAINS_PARAMETER
    for table in (utils.OTHER_DOMAINS_EXAMPLE_PAIR, utils.OTHER_DOMAINS_DEFAULT_FEES, utils.OTHER_DOMAINS_KEYS):
        assert set(table) == {SIMULATOR_DOMAIN}


@pytest.mark.parametrize(("place", "field"), [(0, "API key"), (1, "API secret")])
@pytest.mark.parametrize("key", ["too short", "", "%%%"])
def test_f26_malformed_key_is_one_sentence_that_names_the_field(
    place: int, field: str, key: str, key_pair: tuple[str, str]
) -> None:
    keys = list(key_pair)
    keys[place] = key
    with pytest.raises(ConfigurationError, match=field) as raised:
        BackpackPerpetualDerivative(*keys)
    assert key_pair[1] not in str(raised.value)
