"""The full orders against the official OpenAPI file: every field is there, and they are the orders of `models`."""

from decimal import Decimal

import pytest

from backpack_connector.protocol.models import HistoricalOrder, Order
from backpack_connector.protocol.order_records import FullHistoricalOrder, FullOrder
from backpack_connector.protocol.wire import read
from tests.protocol.samples import body
from tests.protocol.schemas import example, missing_fields, specification

LIMIT, MARKET = "OrderType_LimitOrder", "OrderType_MarketOrder"


@pytest.mark.parametrize(
    ("struct", "schema"), [(FullOrder, LIMIT), (FullOrder, MARKET), (FullHistoricalOrder, "Order")]
)
def test_orders_have_every_field_of_their_schema(struct: type[Order], schema: str) -> None:
    whole = specification()["components"]["schemas"][schema]
    assert missing_fields(struct, whole) == []
    assert read(struct, example(whole, has_optional=True), schema).trigger_price == Decimal("7")  # type: ignore[attr-defined]
    assert read(struct, example(whole, has_optional=False), schema).trigger_price is None  # type: ignore[attr-defined]


def test_they_are_what_the_connectors_track() -> None:
    order = read(FullOrder, body("execute_order.limit_resting.200"), "execute_order")
    assert isinstance(order, Order)
    past = read(FullHistoricalOrder, body("get_order_history.cancelled.200")[0], "get_order_history")
    assert isinstance(past, HistoricalOrder)
