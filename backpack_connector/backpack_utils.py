"""Offer what Hummingbot looks up about a connector: key fields, default fees, an example pair, sub-domains."""

from decimal import Decimal

from hummingbot.client.config.config_data_types import BaseConnectorConfigMap
from hummingbot.core.data_type.trade_fee import TradeFeeSchema
from pydantic import ConfigDict, Field, SecretStr

from backpack_connector.backpack_constants import SIMULATOR_DOMAIN

CENTRALIZED = True
EXAMPLE_PAIR = "SOL-USDC"

# First tier of the published ladder, until the account's own fees are known. The fee is taken out of what is received:
# base on buys, quote on sells (API §5.3).
DEFAULT_FEES = TradeFeeSchema(
    maker_percent_fee_decimal=Decimal("0.0008"),
    taker_percent_fee_decimal=Decimal("0.0010"),
    buy_percent_fee_deducted_from_returns=True,
)


def key_field(prompt: str) -> SecretStr:
    """Return the declaration of one secret field that `connect` asks for."""
    return Field(
        default=...,
        json_schema_extra={
            "prompt": prompt,
            "is_secure": True,
            "is_connect_key": True,
            "prompt_on_new": True,
        },
    )


def config_of(title: str) -> ConfigDict:
    """Return the settings of a config map; without them an error of pydantic's quotes the key that was typed."""
    return ConfigDict(title=title, hide_input_in_errors=True)


class BackpackConfigMap(BaseConnectorConfigMap):
    """Keys of the exchange; the built-in connector has the same field names, so stored keys keep working."""

    connector: str = "backpack"
    backpack_api_key: SecretStr = key_field("Enter your Backpack API key")
    backpack_api_secret: SecretStr = key_field("Enter your Backpack API secret")
    model_config = config_of("backpack")


class BackpackSimulatorConfigMap(BaseConnectorConfigMap):
    """Keys of the local simulator: any ED25519 key pair, such as the one that it prints when it starts."""

    connector: str = SIMULATOR_DOMAIN
    backpack_simulator_api_key: SecretStr = key_field("Enter your Backpack simulator API key")
    backpack_simulator_api_secret: SecretStr = key_field("Enter your Backpack simulator API secret")
    model_config = config_of(SIMULATOR_DOMAIN)


KEYS = BackpackConfigMap.model_construct()

OTHER_DOMAINS = [SIMULATOR_DOMAIN]
OTHER_DOMAINS_PARAMETER = {SIMULATOR_DOMAIN: SIMULATOR_DOMAIN}
OTHER_DOMAINS_EXAMPLE_PAIR = {SIMULATOR_DOMAIN: EXAMPLE_PAIR}
OTHER_DOMAINS_DEFAULT_FEES = {SIMULATOR_DOMAIN: DEFAULT_FEES}
OTHER_DOMAINS_KEYS = {SIMULATOR_DOMAIN: BackpackSimulatorConfigMap.model_construct()}
