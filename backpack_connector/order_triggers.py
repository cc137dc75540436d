"""Follow conditional orders: while they wait for their trigger, when they fire, and over a restart.

A conditional order rests as TriggerPending, with quantity zero, until its trigger fires (API §4.1, §4.2). Whether the
order that is placed then keeps the id of the conditional one is not published; frames captured in 2025-05 show a new
one. So as long as an order of ours waits, an order with its client id, in its market and on its side is the same
order, and what it brings along - its id, its quantity - is taken over (ARCHITECTURE.md, D28).
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.in_flight_order import InFlightOrder

from backpack_connector.protocol.enums import OrderStatus, Side
from backpack_connector.to_hummingbot import SIDES

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object

_SAVED_MARK = "awaits_trigger"
_FIRED = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)


class OrderTriggers(_Base):
    """The part of the connector that knows which orders wait for a trigger; `BackpackExchangeBase` mixes it in."""

    _awaiting_trigger: set[str]
    """Client ids of orders that were not seen to have fired."""

    def expect_trigger(self, order: InFlightOrder) -> None:
        """Remember that an order is, or is about to become, a conditional one."""
        if order.client_order_id not in self._awaiting_trigger:
            known = self.order_tracker.fillable_order
            self._awaiting_trigger = {other for other in self._awaiting_trigger if known(other) is not None}
            self._awaiting_trigger.add(order.client_order_id)

    def awaits_trigger(self, order: InFlightOrder) -> bool:
        """Tell whether an order is conditional and was not seen to have fired."""
        return order.client_order_id in self._awaiting_trigger

    def may_become(self, order: InFlightOrder, side: Side) -> bool:
        """Tell whether an order with the client id of ours, another order id and this side is what ours became."""
        return self.awaits_trigger(order) and side is SIDES[order.trade_type]

    def follow_trigger(
        self, order: InFlightOrder, exchange_order_id: str, status: OrderStatus | None, quantity: Decimal | None
    ) -> None:
        """Take what a report says about a trigger: that it waits, or that it fired, and for how much."""
        if status is OrderStatus.TRIGGER_PENDING:
            self.expect_trigger(order)
        elif self.awaits_trigger(order) and (status in _FIRED or exchange_order_id != order.exchange_order_id):
            self._awaiting_trigger.discard(order.client_order_id)
            self.logger().info(f"The trigger of order {order.client_order_id} has fired.")
            if order.exchange_order_id != exchange_order_id:
                order.update_exchange_order_id(exchange_order_id)
            if quantity is not None and quantity > 0 and quantity != order.amount:
                # A trigger quantity in percent is a number only now.
                order.amount = quantity
                order.check_filled_condition()

    @property
    def tracking_states(self) -> dict[str, Any]:
        states: dict[str, Any] = super().tracking_states
        for client_order_id in self._awaiting_trigger & states.keys():
            states[client_order_id][_SAVED_MARK] = True
        return states

    def restore_tracking_states(self, saved_states: dict[str, Any]) -> None:
        super().restore_tracking_states(saved_states)
        self._awaiting_trigger |= {order_id for order_id, state in saved_states.items() if state.get(_SAVED_MARK)}
