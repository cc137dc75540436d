"""Play an exchange that keeps one conditional order; what nobody has published of such orders is written by hand."""

import json
import time
from collections.abc import Callable
from typing import Any

from hummingbot.core.data_type.common import OrderType
from hummingbot.core.data_type.in_flight_order import InFlightOrder

from tests.spot.exchange_double import Answer, Call, Frame
from tests.spot.people import Bot, settled, until

CREATED = ["SellOrderCreated"]
CREATED_AT_MS = round(time.time() + 3_600) * 1_000
"""An hour ahead, so that it is later than any order of the test; much later would count as an odd time."""


class ConditionalOrder:
    """An exchange that keeps one conditional order, in front of the simulator, which does not get to see it."""

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self.symbol = bot.venue.kind.symbol
        self.row: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.fills: list[dict[str, Any]] = []
        self.is_listed = True
        double = bot.double
        double.script("execute_order", self._accept)
        double.script("get_open_orders", self._list(lambda: [self.row] if self.row and self.is_listed else []))
        double.script("get_order_history", self._list(lambda: self.history))
        double.script("get_fills", self._list(lambda: self.fills))

    @staticmethod
    def _list(rows: Callable[[], Any]) -> Any:
        async def script(call: Call) -> Answer | None:
            wanted = call.fields.get("orderId")
            key = "orderId" if call.operation == "get_fills" else "id"
            return Answer(200, json.dumps([row for row in rows() if wanted in (None, row[key])]))

        return script

    async def _accept(self, call: Call) -> Answer | None:
        fields = call.fields
        self.row = {
            **{name: fields.get(name) for name in ("clientId", "price", "side", "orderType", "symbol", "triggerPrice")},
            "id": "501", "createdAt": CREATED_AT_MS, "executedQuantity": "0", "quantity": "0",
            "triggerQuantity": fields["triggerQuantity"], "status": "TriggerPending", "timeInForce": "GTC",
        }  # fmt: skip
        return Answer(200, json.dumps(self.row))

    def event(self, event: str, status: str, **keys: Any) -> Frame:
        """Return the data of an order event; the keys are those of the captured trigger order."""
        return {
            "E": CREATED_AT_MS * 1000, "O": "USER", "S": self.row["side"], "T": CREATED_AT_MS * 1000,
            "V": "RejectTaker", "X": status, "Z": "0", "c": self.row["clientId"], "e": event, "f": "GTC", "i": "501",
            "o": self.row["orderType"].upper(), "q": "0", "r": False, "s": self.symbol, "t": None, "z": "0", **keys,
        }  # fmt: skip

    def fill_keys(self, quantity: str) -> dict[str, Any]:
        """Return the keys of an event that fills all of the order."""
        return {"q": quantity, "z": quantity, "l": quantity, "L": "140", "t": 9, "m": False, "n": "0.01", "N": "USDC"}

    def fire(self, order_id: str, quantity: str, status: str = "Filled") -> None:
        """Let the order fire and end while nobody tells of it."""
        self.is_listed = False
        ended = {"executedQuantity": quantity, "quantity": quantity, "status": status, "id": order_id}
        self.history = [{**self.row, "createdAt": "2096-10-02T07:06:40", **ended}]
        self.fills = [
            {"orderId": order_id, "symbol": self.symbol, "side": self.row["side"], "price": "140", "quantity": quantity,
             "fee": "0.01", "feeSymbol": "USDC", "isMaker": False, "timestamp": "2096-10-02T07:06:41", "tradeId": 9,
             "clientId": str(self.row["clientId"])}
        ]  # fmt: skip

    async def push(self, event: str, status: str, **keys: Any) -> None:
        await self.bot.double.push_order_event(self.event(event, status, **keys))
        await settled(self.bot)


async def placed(
    bot: Bot, amount: str = "2", price: str = "NaN", **options: Any
) -> "tuple[ConditionalOrder, InFlightOrder]":
    """Place a conditional order, and return it on both sides."""
    exchange = ConditionalOrder(bot)
    kind = OrderType.MARKET if price == "NaN" else OrderType.LIMIT
    order_id = await bot.sell(amount, price, kind, trigger_price="140.009", **options)
    await until(lambda: bot.names(order_id) == CREATED, "it is announced")
    return exchange, bot.order(order_id)
