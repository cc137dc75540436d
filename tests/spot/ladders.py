"""Help the tests of many orders at once: write orders below each other, and place them as a strategy does."""

from decimal import Decimal
from typing import Any

from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.core.data_type.limit_order import LimitOrder

from tests.spot.people import PAIR, Bot, until

CREATED, FAILED = ["BuyOrderCreated"], ["OrderFailure"]
CANCELLED = ["BuyOrderCreated", "OrderCancelled"]
SERVER_ERROR = {"code": "SERVER_ERROR", "message": "?"}


def limit(price: str, quantity: str = "0.1", *, is_buy: bool = True, pair: str = PAIR) -> LimitOrder:
    base, quote = pair.split("-")
    return LimitOrder("", pair, is_buy, base, quote, Decimal(price), Decimal(quantity))


def ladder(count: int) -> list[LimitOrder]:
    """Return orders below each other."""
    return [limit(str(Decimal(149) - Decimal(step) / 10)) for step in range(count)]


async def create(bot: Bot, orders: Any, **options: Any) -> list[str]:
    """Order as a strategy does; return the client order ids when the connector has begun with them."""
    bot._set_time()
    options = {**bot.venue.kind.order_options, **options}
    ids = [order.client_order_id for order in bot.connector.batch_order_create(orders, **options)]
    await bot.rest()
    return ids


async def create_and_rest(bot: Bot, count: int) -> list[InFlightOrder]:
    ids = await create(bot, ladder(count))
    await until(lambda: all(bot.names(order_id) == CREATED for order_id in ids), "all rest")
    return [bot.order(order_id) for order_id in ids]
