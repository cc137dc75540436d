"""The kind of market that the people of `tests.spot.people` trade in tests of the perpetual connector."""

from hummingbot.core.data_type.common import PositionAction

from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative
from tests.spot.people import Kind

PERPETUAL = Kind(
    connector=BackpackPerpetualDerivative,
    domain="backpack_perpetual_simulator",
    symbol="SOL_USDC_PERP",
    order_options={"position_action": PositionAction.OPEN},
)
