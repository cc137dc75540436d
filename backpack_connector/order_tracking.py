"""Track orders for Hummingbot: find them at once, and never let a state go backwards."""

import asyncio
import logging

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, OrderUpdate, TradeUpdate
from hummingbot.core.event.events import MarketEvent

from backpack_connector.to_hummingbot import filled_event

_RANKS: dict[OrderState, int] = {
    OrderState.PENDING_CREATE: 0,
    OrderState.OPEN: 1,
    OrderState.PARTIALLY_FILLED: 2,
    OrderState.PENDING_CANCEL: 3,
}
_FINAL_RANK = 4
_ORDER_FILLED = MarketEvent.OrderFilled


def goes_backwards(current: OrderState, new: OrderState) -> bool:
    """Tell whether a report is older than what is known: answers and stream overtake each other (F35)."""
    current_rank = _RANKS.get(current, _FINAL_RANK)
    return current_rank == _FINAL_RANK or _RANKS.get(new, _FINAL_RANK) < current_rank


class BackpackOrderTracker(ClientOrderTracker):
    """Hummingbot's order tracker, with three differences.

    Finished orders stay known for ten minutes instead of half a minute, so that a late fill of a cancelled order still
    finds its order (F10); look-ups by client id cost the same however many orders are remembered, those by the
    exchange's id do not; and the connector hears of every order that ends.
    """

    CACHED_ORDER_TTL = 600.0
    MAX_CACHE_SIZE = 10_000

    def fillable_order(self, client_order_id: str) -> InFlightOrder | None:
        """Return an order that fills may still belong to: active, lately finished or lost."""
        return (
            self._in_flight_orders.get(client_order_id)
            or self._cached_orders.get(client_order_id)
            or self._lost_orders.get(client_order_id)
        )

    def is_over(self, client_order_id: str) -> bool:
        """Tell whether an order's end was told lately; a lost order may still come back."""
        return client_order_id in self._cached_orders and client_order_id not in self._lost_orders

    def is_given_up_next(self, client_order_id: str) -> bool:
        """Tell whether an order ends as failed when it is not found once more."""
        return self._order_not_found_records.get(client_order_id, 0) >= self.lost_order_count_limit

    def order_with_exchange_id(self, exchange_order_id: str) -> InFlightOrder | None:
        """Return the order that the exchange knows under an id; finished and lost orders included.

        It looks through all that are remembered, about a microsecond for each; for what names no client id.
        """
        for orders in (self._in_flight_orders, self._lost_orders, self._cached_orders):
            for order in list(orders.values()):
                if order.exchange_order_id == exchange_order_id:
                    return order
        return None

    def fetch_order(
        self, client_order_id: str | None = None, exchange_order_id: str | None = None
    ) -> InFlightOrder | None:
        order = self._in_flight_orders.get(client_order_id) or self._cached_orders.get(client_order_id)
        if order is None and exchange_order_id is not None:
            order = self.order_with_exchange_id(exchange_order_id)
            if order is not None and order.client_order_id in self._lost_orders:
                return None
        return order

    def stop_tracking_order(self, client_order_id: str) -> None:
        super().stop_tracking_order(client_order_id)
        self._connector.on_order_ended(client_order_id)

    def process_trade_update(self, trade_update: TradeUpdate) -> None:
        order = self.fillable_order(trade_update.client_order_id)
        if order is None:
            return
        executed_before = order.executed_amount_base
        if not order.update_with_trade_update(trade_update):
            return
        if self.logger().isEnabledFor(logging.INFO):
            self._trigger_order_fills(
                tracked_order=order,
                prev_executed_amount_base=executed_before,
                fill_amount=trade_update.fill_base_amount,
                fill_price=trade_update.fill_price,
                fill_fee=trade_update.fee,
                trade_id=trade_update.trade_id,
                exchange_order_id=trade_update.exchange_order_id,
            )
        elif executed_before < order.executed_amount_base:
            # The same event on the same condition, without the sentence that the base class writes also for nobody.
            event = filled_event(order, trade_update, self._connector.current_timestamp)
            self._connector.trigger_event(_ORDER_FILLED, event)

    def process_order_update(self, order_update: OrderUpdate) -> "asyncio.Future[None]":
        """Apply an update at once, so that events come in the order of what happened; the future is already done.

        The base class starts a task for each update, which lets a fill overtake the creation of its order.
        """
        if not self._applied_at_once(order_update):
            return super().process_order_update(order_update)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def _process_order_update(self, order_update: OrderUpdate) -> None:
        if not self._applied_at_once(order_update):
            await super()._process_order_update(order_update)

    def _applied_at_once(self, order_update: OrderUpdate) -> bool:
        order = self.fetch_order(order_update.client_order_id, order_update.exchange_order_id)
        if order is None:
            return self._applied_to_lost(order_update)
        if order_update.new_state is OrderState.FILLED and not order.completely_filled_event.is_set():
            return False  # the base class waits for fills that others have promised
        if goes_backwards(order.current_state, order_update.new_state):
            if order.exchange_order_id is None and order_update.exchange_order_id is not None:
                order.update_exchange_order_id(order_update.exchange_order_id)
            return True
        state_before = order.current_state
        if order.update_with_order_update(order_update):
            self._trigger_order_creation(order, state_before, order_update.new_state)
            self._trigger_order_completion(order, order_update)
        return True

    def _applied_to_lost(self, order_update: OrderUpdate) -> bool:
        order = self.fetch_lost_order(order_update.client_order_id, order_update.exchange_order_id)
        if order is None:
            return False  # none of ours: the base class knows what to do
        if order_update.new_state not in _RANKS:
            del self._lost_orders[order.client_order_id]
        return True

    def reopen(self, order: InFlightOrder) -> None:
        """Take back a cancellation that the exchange accepted but did not carry out."""
        if order.current_state is OrderState.PENDING_CANCEL:
            order.current_state = OrderState.PARTIALLY_FILLED if order.executed_amount_base else OrderState.OPEN
