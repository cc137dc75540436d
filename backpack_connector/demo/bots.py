"""The bots that the demo can run: which connector, which configuration, and which play money."""

from dataclasses import dataclass

from backpack_connector.protocol.enums import MarketType


@dataclass(frozen=True)
class Bot:
    """A template script with its simulator configuration, and the account that it gets."""

    market_type: MarketType
    connector: str
    configuration: str
    """File name in conf_templates/scripts; without `.yml` it is the bot's name."""
    key_fields: tuple[str, str]
    """What Hummingbot calls the fields of API key and secret."""
    faucet: tuple[str, ...] = ()
    """What the account gets; empty for the simulator's usual amounts."""

    @property
    def name(self) -> str:
        """The name that Hummingbot gives to the bot's files."""
        return self.configuration.removesuffix(".yml")

    @property
    def is_perpetual(self) -> bool:
        """Whether the bot trades perpetual futures."""
        return self.market_type is MarketType.PERP


SPOT_BOT = Bot(
    market_type=MarketType.SPOT,
    connector="backpack_simulator",
    configuration="backpack_market_maker_simulator.yml",
    key_fields=("backpack_simulator_api_key", "backpack_simulator_api_secret"),
)

PERPETUAL_BOT = Bot(
    market_type=MarketType.PERP,
    connector="backpack_perpetual_simulator",
    configuration="backpack_perpetual_market_maker_simulator.yml",
    key_fields=("backpack_api_key", "backpack_api_secret"),
    # The value of other collateral moves with its prices, which the connector learns a report at a time.
    faucet=("USDC=1000",),
)
