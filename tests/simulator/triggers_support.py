"""Help the tests of conditional orders on spot markets: orders, the updates they cause, and others who trade."""

from typing import Any

from backpack_connector.simulator import Simulator
from tests.simulator.streams import Stream, place
from tests.simulator.support import SYMBOL, limit

TRIGGER = {
    "symbol": SYMBOL,
    "side": "Ask",
    "orderType": "Limit",
    "price": "138.15",
    "triggerPrice": "140.05",
    "triggerQuantity": "2.03",
}
STOP_MARKET = {
    "symbol": SYMBOL,
    "side": "Ask",
    "orderType": "Market",
    "triggerPrice": "140",
    "triggerQuantity": "80%",
    "triggerBy": "LastPrice",
    "clientId": 7,
}


def limit_body(side: str, price: str, quantity: str, **fields: Any) -> dict[str, Any]:
    return {"symbol": SYMBOL, "side": side, "orderType": "Limit", "price": price, "quantity": quantity, **fields}


async def order_updates(stream: Stream) -> list[Any]:
    return [frame["data"] for frame in await stream.settle() if frame["stream"] == "account.orderUpdate"]


def story(updates: list[Any]) -> list[tuple[str, str]]:
    return [(data["e"], data["X"]) for data in updates]


def trade_at(simulator: Simulator, price: str, quantity: str = "0.01") -> None:
    """Let two strangers trade at a price, through whatever stands in between."""
    place(simulator, "x", limit("Ask", price, quantity))
    place(simulator, "y", limit("Bid", price, quantity))


def pass_a_second(simulator: Simulator) -> None:
    for execution in simulator.exchange.on_second(simulator.exchange.now_us()):
        simulator.publish(execution)
