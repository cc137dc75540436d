"""Apply what answers, lists and the stream say about orders.

Rule 1: no end of an order is reported before the fills that explain it; until they are known the reconciler asks.
Rule 2: an event touches an order only if its market fits and its ids do; where both ids are known both must (F36).
Rule 3: a state that is not known here changes nothing; it is reported and asked about (F19).
"""

import asyncio
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, OrderUpdate, TradeUpdate
from hummingbot.core.data_type.trade_fee import TradeFeeBase

from backpack_connector import stream_evidence
from backpack_connector.latency import LatencyRecorder
from backpack_connector.order_reconciliation import ListedOrder, executed_quantity
from backpack_connector.protocol import messages
from backpack_connector.protocol.enums import OrderStatus
from backpack_connector.protocol.errors import BackpackError, OrderNotFound, WireFormatError
from backpack_connector.protocol.models import Fill, HistoricalOrder
from backpack_connector.protocol.streams import ORDER_UPDATES
from backpack_connector.stream_evidence import StreamEvidence
from backpack_connector.to_hummingbot import (
    ORDER_STATES,
    expiry_note,
    fill_of_message,
    trade_update_of_fill,
    trade_update_of_message,
)

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object

_ENDS_WITH_REASON = (OrderStatus.EXPIRED, OrderStatus.TRIGGER_FAILED)

_RESTING = (OrderState.OPEN, OrderState.PARTIALLY_FILLED)

PENDING_CANCEL_LIMIT_S = 10.0
"""An order that still rests this long after an accepted cancel was not cancelled."""


class OrderReports(_Base):
    """The part of the connector that learns what happened to orders; `BackpackExchangeBase` mixes it in."""

    latency: LatencyRecorder
    _evidence: StreamEvidence
    _executed_told: dict[str, Decimal]
    """The most that the stream has told to be executed of an order, by client id."""

    # Reports

    def apply_report(self, order: InFlightOrder, report: ListedOrder, source: str | None = None) -> bool:
        """Apply what an answer or a list says about an order; return whether nothing is left to find out.

        An end whose fills are not all known is held back, and False returned (F10, F12). `source` names the list; the
        answer to a request about this order has none.
        """
        state, exchange_order_id = order.current_state, order.exchange_order_id
        is_settled = self._apply_what_is_reported(order, report)
        if order.current_state is not state or order.exchange_order_id != exchange_order_id:
            self._compare_with_stream(order, state, exchange_order_id, source)
        return is_settled

    def _apply_what_is_reported(self, order: InFlightOrder, report: ListedOrder) -> bool:
        if order.exchange_order_id is None:
            self._adopt(order, report.id, report.created_timestamp)
        self.follow_trigger(order, report.id, report.status, report.quantity)
        if report.status.is_final:
            return self._apply_end(order, report)
        if isinstance(report, HistoricalOrder):
            return False  # the history lags behind the book, which no longer shows the order
        return self._apply_resting(order, executed_quantity(report))

    def _compare_with_stream(
        self, order: InFlightOrder, state: OrderState, exchange_order_id: str | None, source: str | None
    ) -> None:
        """Note what a report has changed and the stream should tell too."""
        if order.exchange_order_id is None:
            return
        if order.is_done:
            key = stream_evidence.ended(order.exchange_order_id)
        elif exchange_order_id is None:
            key = stream_evidence.accepted(order.exchange_order_id)
        else:
            return  # its fills explain it
        note = self._evidence.expect if source is None else self._evidence.found
        describe = partial(
            "order {} in {} was {} here and is {} according to {}".format,
            order.client_order_id,
            order.trading_pair,
            state.name,
            order.current_state.name,
            source or "the answer to its request",
        )
        note(ORDER_UPDATES, key, describe)

    def _apply_end(self, order: InFlightOrder, report: ListedOrder) -> bool:
        is_history = isinstance(report, HistoricalOrder)
        if report.status is OrderStatus.FILLED:
            lacks_something = not order.completely_filled_event.is_set()
        else:
            lacks_something = executed_quantity(report) > order.executed_amount_base
        if report.status in _ENDS_WITH_REASON and not is_history:
            lacks_something = True  # only the stream and the history say why; the end waits for the first of them
        if lacks_something:
            self._reconciler.settle_soon(order)
            return False
        reason = report.expiry_reason if isinstance(report, HistoricalOrder) else None
        self._finish(order, ORDER_STATES[report.status], report.status, reason)
        return True

    def _apply_resting(self, order: InFlightOrder, executed: Decimal) -> bool:
        if order.is_pending_cancel_confirmation and self._is_overdue_cancel(order):
            self.logger().warning(f"Order {order.client_order_id} still rests although its cancel was accepted.")
            self.order_tracker.reopen(order)
        self._update_state(order, OrderState.PARTIALLY_FILLED if order.executed_amount_base > 0 else OrderState.OPEN)
        lacks_fills = bool(executed > order.executed_amount_base)
        if lacks_fills:
            self._reconciler.settle_soon(order)
        return not lacks_fills and not order.is_pending_cancel_confirmation

    def _is_overdue_cancel(self, order: InFlightOrder) -> bool:
        return bool(self._time() - order.last_update_timestamp > PENDING_CANCEL_LIMIT_S)

    def _adopt(self, order: InFlightOrder, exchange_order_id: str, timestamp: float) -> None:
        self.latency.order_known(order.client_order_id)
        # The order exists, so it is announced before anything else that happened to it (F27, F39).
        self.order_tracker.process_order_update(
            OrderUpdate(
                client_order_id=order.client_order_id,
                exchange_order_id=exchange_order_id,
                trading_pair=order.trading_pair,
                update_timestamp=timestamp,
                new_state=OrderState.OPEN,
            )
        )

    def _finish(
        self,
        order: InFlightOrder,
        state: OrderState,
        status: OrderStatus | None,
        reason: str | None,
    ) -> None:
        if state is OrderState.CANCELED:
            self.latency.order_cancelled(order.client_order_id)
        note = expiry_note(status, reason)
        extra: dict[str, Any] | None = None
        if note is not None:
            self.logger().info(f"The exchange ended order {order.client_order_id}: {note}.")
            kind = "TriggerFailed" if status is OrderStatus.TRIGGER_FAILED else "OrderExpired"
            extra = {"expiry_reason": note, "error_message": note, "error_type": kind}
        self._update_state(order, state, extra)

    def _update_state(
        self, order: InFlightOrder, state: OrderState, misc_updates: dict[str, Any] | None = None
    ) -> None:
        if state is order.current_state and state in _RESTING and order.exchange_order_id is not None:
            return  # an update that changes nothing tells nothing
        self.order_tracker.process_order_update(
            OrderUpdate(
                client_order_id=order.client_order_id,
                exchange_order_id=order.exchange_order_id,
                trading_pair=order.trading_pair,
                update_timestamp=self._time(),
                new_state=state,
                misc_updates=misc_updates,
            )
        )

    def apply_fill(self, order: InFlightOrder, fill: Fill) -> None:
        """Apply one row of the fill history; a fill that is known already changes nothing."""
        if order.exchange_order_id is None:
            self._adopt(order, fill.order_id, fill.fill_timestamp)
        executed = order.executed_amount_base
        self.order_tracker.process_trade_update(
            trade_update_of_fill(order, fill, self._fill_fee(order, fill.fee, fill.fee_symbol))
        )
        if order.executed_amount_base != executed:
            describe = partial(
                "a fill of order {} in {} was missing, {} at {}, trade {}, according to the fill history".format,
                order.client_order_id,
                order.trading_pair,
                fill.quantity,
                fill.price,
                fill.trade_id,
            )
            self._evidence.found(ORDER_UPDATES, stream_evidence.filled(fill.order_id, fill.trade_id), describe)

    def _fill_fee(self, order: InFlightOrder, fee: Decimal, fee_symbol: str) -> TradeFeeBase:
        raise NotImplementedError

    # Stream

    def _order_of_message(self, message: messages.OrderUpdate) -> InFlightOrder | None:
        client_id = message.client_id
        if client_id is not None:
            order = self._order_tracker.fillable_order(str(client_id))
        else:
            order = self.order_tracker.order_with_exchange_id(message.order_id)
        if order is None:
            return None
        symbol = message.symbol
        if order.trading_pair != (self._pairs.get(symbol) or self.trading_pair_or_none(symbol)):
            return None
        if order.exchange_order_id not in (None, message.order_id) and not self.may_become(order, message.side):
            return None
        return order

    def _on_order_message(self, message: messages.OrderUpdate) -> None:
        order = self._order_of_message(message)
        if order is None:
            self.on_order_of_others(message)
            return
        if order.exchange_order_id is None:
            self._adopt(order, message.order_id, message.event_timestamp)
        status = message.known_status
        if self._awaiting_trigger or status is OrderStatus.TRIGGER_PENDING:
            self.follow_trigger(order, message.order_id, status, message.quantity)
        if message.is_fill:
            self._apply_fill_message(order, message)
        if status is None:
            self.logger().warning(
                f"Order {order.client_order_id} has a state that is not known here, {message.status!r}; "
                "the order stays as it is, and the exchange is asked about it."
            )
            self._reconciler.settle_soon(order)
            return
        self._apply_status_message(order, message, status)

    def _apply_fill_message(self, order: InFlightOrder, message: messages.OrderUpdate) -> None:
        try:
            facts = fill_of_message(message)
        except WireFormatError as error:
            self.logger().warning(f"{error}; asking the exchange for it.")
            self._reconciler.settle_soon(order)
            return
        if not self._can_be_true(order, message):
            self.logger().warning(
                f"A fill of order {order.client_order_id} would make it executed further than the exchange itself says."
                " It is left out, and the exchange is asked about it."
            )
            self._reconciler.settle_soon(order)
            return
        fee = self._fill_fee(order, facts[3], facts[4])
        self._order_tracker.process_trade_update(trade_update_of_message(order, message, facts, fee))
        self.latency.fill_told()

    def _can_be_true(self, order: InFlightOrder, message: messages.OrderUpdate) -> bool:
        """Tell whether a fill fits what the exchange says was executed in all; messages may come in another order."""
        if message.executed_quantity is None or message.fill_quantity is None:
            return True
        told, order_id = message.executed_quantity, order.client_order_id
        before = self._executed_told.get(order_id)
        if before is not None and before > told:
            told = before
        elif order_id in self._order_tracker.active_orders:  # and so forgotten when it ends
            self._executed_told[order_id] = told
        is_possible = order.executed_amount_base + message.fill_quantity <= told
        return is_possible or str(message.trade_id) in order.order_fills

    def _apply_status_message(self, order: InFlightOrder, message: messages.OrderUpdate, status: OrderStatus) -> None:
        lacks_fills = (message.executed_quantity or Decimal(0)) > order.executed_amount_base
        if status is OrderStatus.FILLED and not order.completely_filled_event.is_set():
            lacks_fills = True
        if lacks_fills:
            self._reconciler.settle_soon(order)
        if not status.is_final:
            self._update_state(order, ORDER_STATES[status])
        elif not lacks_fills:
            self._finish(order, ORDER_STATES[status], status, message.expiry_reason)

    # What Hummingbot's own loops ask for

    async def _update_order_status(self) -> None:
        lost = self.order_tracker.lost_orders
        active = list(self.order_tracker.active_orders.values())
        if active:
            await self._reconciler.reconcile(active)
        else:
            await self._reconciler.ask_open_orders()
        if lost:
            await self._update_lost_fills(list(lost.values()))

    async def _update_lost_fills(self, orders: list[InFlightOrder]) -> None:
        try:
            for order, fill in await self._reconciler.fills_of(orders):
                self.apply_fill(order, fill)
        except BackpackError as error:
            self.logger().warning(f"The fills of {len(orders)} lost orders could not be asked: {error}")

    async def _cancel_lost_orders(self) -> None:
        # All at once, so that those that are not found are asked about together; one after the other, an outage's
        # leftovers would use up the few historical requests for minutes.
        await asyncio.gather(*map(self._execute_order_cancel, self.order_tracker.lost_orders.values()))

    async def _update_lost_orders_status(self) -> None:
        await self._reconciler.reconcile(list(self.order_tracker.lost_orders.values()))

    def forget_lost_order(self, order: InFlightOrder) -> None:
        """End a lost order that the exchange is known not to have."""
        error = OrderNotFound("the exchange has no record of the order")
        self._update_order_after_failure(order.client_order_id, order.trading_pair, exception=error)

    async def _all_trade_updates_for_order(self, order: InFlightOrder) -> list[TradeUpdate]:
        return [
            trade_update_of_fill(order, fill, self._fill_fee(order, fill.fee, fill.fee_symbol))
            for _, fill in await self._reconciler.fills_of([order])
        ]

    async def _request_order_status(self, tracked_order: InFlightOrder) -> OrderUpdate:
        report = await self._reconciler.report_of(tracked_order)
        return OrderUpdate(
            client_order_id=tracked_order.client_order_id,
            exchange_order_id=report.id,
            trading_pair=tracked_order.trading_pair,
            update_timestamp=self._time(),
            new_state=ORDER_STATES[report.status],
        )

    def _is_order_not_found_during_status_update_error(self, status_update_exception: Exception) -> bool:
        return isinstance(status_update_exception, OrderNotFound)

    def _is_order_not_found_during_cancelation_error(self, cancelation_exception: Exception) -> bool:
        return isinstance(cancelation_exception, OrderNotFound)
