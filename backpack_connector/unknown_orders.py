"""Warn of open orders in the account that this bot does not know: its owner's, another bot's, or lost ones.

They use funds and margin, and nobody here looks after them. The bot never cancels one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backpack_connector.protocol.enums import OrderStatus
from backpack_connector.protocol.errors import plain
from backpack_connector.protocol.models import Order

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object

MOST_NAMED = 20
"""Another bot of the account may place new orders all the time; after so many, further ones only show at DEBUG."""


class UnknownOrders(_Base):
    """The part of the connector that notices orders of others; `BackpackExchangeBase` mixes it in."""

    _unknown_orders: set[str]
    """Exchange ids of those that rested when they were last listed; each is told of once."""
    _unknown_orders_named: int

    def warn_of_unknown_orders(self, orders: Sequence[Order]) -> None:
        """Take the account's open orders, and tell of each that nobody here has placed, once."""
        unknown = {row.id: row for row in orders if not self._is_tracked(row)}
        new = [row for order_id, row in unknown.items() if order_id not in self._unknown_orders]
        self._unknown_orders = set(unknown)
        for row in new:
            self._unknown_orders_named += 1
            is_named = self._unknown_orders_named <= MOST_NAMED
            log = self.logger().warning if is_named else self.logger().debug
            log(f"The account has an open order that this bot does not know: {_description(row)}.")
            if self._unknown_orders_named == MOST_NAMED:
                self.logger().warning(
                    f"{MOST_NAMED} orders of others were named; further ones are logged at level DEBUG."
                )

    def _is_tracked(self, row: Order) -> bool:
        # Every order of ours has a client id, and is tracked under it before it is sent.
        if row.client_id_text is None:
            return False
        order = self.order_tracker.fillable_order(row.client_id_text)
        return order is not None and order.trading_pair == self.trading_pair_or_none(row.symbol)


def _description(row: Order) -> str:
    client_id = "no client id" if row.client_id_text is None else f"client id {row.client_id_text}"
    what = "which waits for its trigger" if row.status is OrderStatus.TRIGGER_PENDING else str(row.quantity)
    price = "" if row.price is None else f" at {row.price}"
    return plain(f"order {row.id}, {client_id}, {row.symbol}, {row.side.value} {what}{price}")
