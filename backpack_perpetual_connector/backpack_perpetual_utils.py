"""Give Hummingbot what it looks up by name: fees, example pair, keys, and the simulator as a second domain."""

from decimal import Decimal

from hummingbot.client.config.config_data_types import BaseConnectorConfigMap
from hummingbot.core.data_type.trade_fee import TradeFeeSchema
from pydantic import SecretStr

from backpack_connector.backpack_utils import config_of, key_field
from backpack_perpetual_connector.backpack_perpetual_constants import SIMULATOR_DOMAIN

CENTRALIZED = True
EXAMPLE_PAIR = "SOL-USDC"

# First tier of the published ladder, until the account's own fees are known; paid in USDC (API §5.3).
DEFAULT_FEES = TradeFeeSchema(
    maker_percent_fee_decimal=Decimal("0.0002"),
    taker_percent_fee_decimal=Decimal("0.0005"),
)


class BackpackPerpetualConfigMap(BaseConnectorConfigMap):
    """Keys of the exchange; one key pair serves both connectors, and the built-in one has the same field names."""

    connector: str = "backpack_perpetual"
    backpack_api_key: SecretStr = key_field("Enter your Backpack API key")
    backpack_api_secret: SecretStr = key_field("Enter your Backpack API secret")
    model_config = config_of("backpack_perpetual")


class BackpackPerpetualSimulatorConfigMap(BaseConnectorConfigMap):
    """Keys of the local simulator: any ED25519 key pair, such as the one that it prints when it starts.

    Hummingbot turns the names of a domain's fields into constructor arguments by replacing the domain's name in them;
    these do not contain it, so that they arrive as they are.
    """

    connector: str = SIMULATOR_DOMAIN
    backpack_api_key: SecretStr = key_field("Enter your Backpack simulator API key")
    backpack_api_secret: SecretStr = key_field("Enter your Backpack simulator API secret")
    model_config = config_of(SIMULATOR_DOMAIN)


KEYS = BackpackPerpetualConfigMap.model_construct()

OTHER_DOMAINS = [SIMULATOR_DOMAIN]
OTHER_DOMAINS_PARAMETER = {SIMULATOR_DOMAIN: SIMULATOR_DOMAIN}
OTHER_DOMAINS_EXAMPLE_PAIR = {SIMULATOR_DOMAIN: EXAMPLE_PAIR}
OTHER_DOMAINS_DEFAULT_FEES = {SIMULATOR_DOMAIN: DEFAULT_FEES}
OTHER_DOMAINS_KEYS = {SIMULATOR_DOMAIN: BackpackPerpetualSimulatorConfigMap.model_construct()}
