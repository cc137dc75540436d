"""Warn of open orders in the account that this bot does not know: its owner's, another bot's, or lost ones.

They use funds and margin, and nobody here looks after them. The bot never cancels one.
"""

import time
from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

from backpack_connector.protocol.enums import OrderStatus
from backpack_connector.protocol.errors import plain
from backpack_connector.protocol.messages import OrderUpdate
from backpack_connector.protocol.models import Order
from backpack_connector.stream_evidence import StreamEvidence

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object

LIST_LAG_S = 15.0
"""How old a list of open orders may be when it is read: a request may take ten seconds, and answers lag a little."""
MOST_NAMED = 20
"""Another bot of the account may place new orders all the time; after so many, further ones only show at DEBUG."""


class UnknownOrders(_Base):
    """The part of the connector that notices orders of others; `BackpackExchangeBase` mixes it in."""

    _unknown_orders: set[str]
    """Exchange ids of those that rested when they were last listed; each is told of once."""
    _unknown_orders_named: int
    _evidence: StreamEvidence
    _others_possible_s = inf
    """When somebody else's order was last told of in a market of ours, or could be placed unheard (monotonic)."""
    _none_unknown_s = -inf
    """When a complete list last showed no order but ours."""

    @property
    def is_account_ours_alone(self) -> bool:
        """Tell whether every open order of the account is this bot's, as far as the last list and the stream tell.

        The stream has to work, and to have told of nobody else's order since the list was made.
        """
        return self._evidence.is_compared and self._others_possible_s + LIST_LAG_S < self._none_unknown_s

    def expect_orders_of_others(self) -> None:
        """Hear that the stream begins: orders may have been placed while it was away."""
        self._others_possible_s = time.monotonic()

    def on_order_of_others(self, message: OrderUpdate) -> None:
        """Hear from the stream of an order that this bot does not know."""
        if self.trading_pair_or_none(message.symbol) is not None:
            self.expect_orders_of_others()

    def warn_of_unknown_orders(self, orders: Sequence[Order], *, is_complete: bool) -> None:
        """Take the account's open orders, and tell of each that nobody here has placed, once."""
        unknown = {row.id: row for row in orders if not self._is_tracked(row)}
        new = [row for order_id, row in unknown.items() if order_id not in self._unknown_orders]
        self._unknown_orders = set(unknown)
        self._none_unknown_s = time.monotonic() if is_complete and not unknown else -inf
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
