"""Place, cancel and report orders, with one policy for outcomes.

Rule 1: an order fails only on evidence: our own check, or a refusal by the exchange. A lost answer, 5xx and 429 leave
        it pending, and the reconciler finds out; nothing is ever posted twice (ARCHITECTURE.md, D5; F11).
Rule 2: every report, from an answer, the stream or a list, goes through `apply_report` or `_on_order_message`, which
        report no end before the fills that explain it.
Rule 3: an event touches an order only if its market fits and its ids do; where both ids are known both must (F36).
"""

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, OrderUpdate, TradeUpdate
from hummingbot.core.data_type.trade_fee import TradeFeeBase
from hummingbot.core.utils.async_utils import safe_ensure_future

from backpack_connector.client_order_ids import next_client_order_id
from backpack_connector.order_reconciliation import ListedOrder, executed_quantity
from backpack_connector.protocol import messages
from backpack_connector.protocol.enums import OrderStatus, TimeInForce
from backpack_connector.protocol.errors import (
    BackpackError,
    OrderNotFound,
    OrderRejected,
    RequestError,
    WireFormatError,
)
from backpack_connector.protocol.filters import active_price, refusal
from backpack_connector.protocol.models import Fill, HistoricalOrder, Order
from backpack_connector.protocol.rest import BROKER_HEADER
from backpack_connector.protocol.wire import read
from backpack_connector.to_hummingbot import (
    ORDER_STATES,
    ORDER_TYPES,
    SIDES,
    expiry_note,
    fill_of_message,
    trade_update_of_fill,
    trade_update_of_message,
)

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object

ACKNOWLEDGEMENT_WAIT_S = 10.0
"""How long a cancel waits for the answer of its order's placement before it believes "not found"."""
PENDING_CANCEL_LIMIT_S = 10.0
"""An order that still rests this long after an accepted cancel was not cancelled."""


class OrderLifecycle(_Base):  # type: ignore[misc]
    """The part of the connector that deals with orders; `BackpackExchangeBase` mixes it in."""

    # Placing

    def buy(
        self,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType = OrderType.LIMIT,
        price: Decimal = Decimal("NaN"),
        **kwargs: Any,
    ) -> str:
        return self._start_order(TradeType.BUY, trading_pair, amount, order_type, price, **kwargs)

    def sell(
        self,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType = OrderType.LIMIT,
        price: Decimal = Decimal("NaN"),
        **kwargs: Any,
    ) -> str:
        return self._start_order(TradeType.SELL, trading_pair, amount, order_type, price, **kwargs)

    def _start_order(
        self,
        trade_type: TradeType,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType,
        price: Decimal,
        **kwargs: Any,
    ) -> str:
        order_id = next_client_order_id()
        safe_ensure_future(
            self._create_order(
                trade_type=trade_type,
                order_id=order_id,
                trading_pair=trading_pair,
                amount=amount,
                order_type=order_type,
                price=price,
                **kwargs,
            )
        )
        return order_id

    async def _create_order(self, **kwargs: Any) -> None:
        try:
            await super()._create_order(**kwargs)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever went wrong before sending, the strategy must hear of it
            self._fail_before_sending(error, **kwargs)

    def _fail_before_sending(
        self,
        error: Exception,
        *,
        trade_type: TradeType,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType,
        price: Decimal,
        **kwargs: Any,
    ) -> None:
        if trading_pair not in self._trading_rules:
            error = OrderRejected(f"The rules of {trading_pair} are not known, so no order can be placed there.")
        if self.order_tracker.fillable_order(order_id) is None:
            self.start_tracking_order(order_id, None, trading_pair, trade_type, price, amount, order_type, **kwargs)
        self._on_order_failure(order_id, trading_pair, amount, trade_type, order_type, price, error, **kwargs)

    def _on_order_failure(
        self,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        trade_type: TradeType,
        order_type: OrderType,
        price: Decimal | None,
        exception: Exception,
        **kwargs: Any,
    ) -> None:
        is_explained = isinstance(exception, BackpackError)
        # The beginning is Hummingbot's own wording, which users and tools look for in the log.
        self.logger().network(
            f"Error submitting {trade_type.name.lower()} {order_type.name.upper()} order to {self.name_cap} for "
            f"{amount} {trading_pair} {price}.",
            exc_info=None if is_explained else exception,
            app_warning_msg=f"The {trade_type.name.lower()} order of {amount} {trading_pair} failed: {exception}",
        )
        self._update_order_after_failure(order_id=order_id, trading_pair=trading_pair, exception=exception)

    async def _place_order_and_process_update(self, order: InFlightOrder, **kwargs: Any) -> str:
        reason = self._local_refusal(order)
        if reason is not None:
            raise OrderRejected(reason)
        self._hold_funds(order)
        try:
            answer = await self._submit(order)
        except RequestError as error:
            if error.outcome_known:
                raise
            self.logger().warning(
                f"It is not known whether order {order.client_order_id} reached {self.name} ({error}). "
                "It stays pending until the exchange tells what became of it."
            )
            self._reconciler.settle_soon(order)
            return ""
        except WireFormatError as error:
            self.logger().warning(f"The answer to order {order.client_order_id} could not be read: {error}")
            self._reconciler.settle_soon(order)
            return ""
        finally:
            self._release_funds(order)
        self.apply_report(order, answer)
        return str(answer.id)

    def _local_refusal(self, order: InFlightOrder) -> str | None:
        market = self._markets.get(order.trading_pair)
        if market is None:
            return None
        bid, ask, last = self.reference_prices(order.trading_pair)
        return refusal(
            market,
            ORDER_TYPES[order.order_type],
            order.amount,
            order.price,
            post_only=order.order_type is OrderType.LIMIT_MAKER,
            reference_price=active_price(bid, ask, last),
        )

    async def _submit(self, order: InFlightOrder) -> Order:
        headers = {} if self._broker_id is None else {BROKER_HEADER: self._broker_id}
        answer = await self.request("execute_order", self._order_fields(order), headers=headers)
        return read(Order, answer, "execute_order")

    def _order_fields(self, order: InFlightOrder) -> dict[str, Any]:
        """Return the body of execute_order; a subclass adds what only its market has. Source: API §4.1."""
        fields: dict[str, Any] = {
            "symbol": self.symbol_of(order),
            "side": SIDES[order.trade_type],
            "orderType": ORDER_TYPES[order.order_type],
            "quantity": order.amount,
            "clientId": int(order.client_order_id),
        }
        if order.order_type.is_limit_type():
            fields["price"] = order.price
            fields["timeInForce"] = TimeInForce.GTC
        if order.order_type is OrderType.LIMIT_MAKER:
            fields["postOnly"] = True
        return fields

    async def _place_order(self, order_id: str, **kwargs: Any) -> tuple[str, float]:
        answer = await self._submit(self.order_tracker.active_orders[order_id])
        return answer.id, answer.created_timestamp

    # Cancelling

    async def _execute_order_cancel(self, order: InFlightOrder) -> str | None:
        try:
            if await self._cancel_and_apply(order):
                return str(order.client_order_id)
        except OrderNotFound:
            self.logger().warning(
                f"Failed to cancel order {order.client_order_id}: the exchange has no such resting order. "
                "Asking what became of it."
            )
            await self._reconciler.reconcile([order])
            return str(order.client_order_id) if order.is_cancelled else None
        except RequestError as error:
            self.logger().error(f"Failed to cancel order {order.client_order_id}: {error}")
            if not error.outcome_known:
                self._reconciler.settle_soon(order)
        except BackpackError as error:
            self.logger().error(f"Failed to cancel order {order.client_order_id}: {error}")
        return None

    async def _cancel_and_apply(self, order: InFlightOrder) -> bool:
        try:
            return await self._place_cancel(order.client_order_id, order)
        except OrderNotFound:
            if not order.is_pending_create:
                raise
        # The cancel overtook the order. Once the order is known to the exchange it can be cancelled.
        try:
            await asyncio.wait_for(order.wait_until_processed_by_exchange(), timeout=ACKNOWLEDGEMENT_WAIT_S)
        except asyncio.TimeoutError:
            raise OrderNotFound("the exchange has not acknowledged the order yet", operation="cancel_order") from None
        return order.is_open and await self._place_cancel(order.client_order_id, order)

    async def _place_cancel(self, order_id: str, tracked_order: InFlightOrder) -> bool:
        """Send one cancel and apply its answer; return whether the order is cancelled or about to be."""
        fields: dict[str, Any] = {"symbol": self.symbol_of(tracked_order)}
        if tracked_order.exchange_order_id is not None:
            fields["orderId"] = tracked_order.exchange_order_id
        else:
            fields["clientId"] = int(order_id)
        answer = await self.request("cancel_order", fields)
        if answer is None:  # 202: accepted, not yet executed (F20)
            self._update_state(tracked_order, OrderState.PENDING_CANCEL)
            self._reconciler.settle_soon(tracked_order)
            return True
        report = read(Order, answer, "cancel_order")
        if not self.apply_report(tracked_order, report):
            self._reconciler.settle_soon(tracked_order)
        return report.status is OrderStatus.CANCELLED

    # Reports

    def apply_report(self, order: InFlightOrder, report: ListedOrder) -> bool:
        """Apply what an answer or a list says about an order; return whether nothing is left to find out.

        An end whose fills are not all known is held back, and False returned (F10, F12).
        """
        state = ORDER_STATES[report.status]
        executed = executed_quantity(report)
        lacks_fills = executed > order.executed_amount_base
        if order.exchange_order_id is None:
            self._adopt(order, report.id, report.created_timestamp)
        if isinstance(report, HistoricalOrder) and not report.status.is_final:
            return False  # the history lags behind the book that no longer shows the order
        if report.status.is_final:
            if state is OrderState.FILLED:
                lacks_fills = not order.completely_filled_event.is_set()
            if lacks_fills:
                self._reconciler.settle_soon(order)
                return False
            reason = report.expiry_reason if isinstance(report, HistoricalOrder) else None
            self._finish(order, state, report.status, reason)
            return True
        if order.is_pending_cancel_confirmation and self._is_overdue_cancel(order):
            self.logger().warning(f"Order {order.client_order_id} still rests although its cancel was accepted.")
            self.order_tracker.reopen(order)
        self._update_state(order, OrderState.PARTIALLY_FILLED if order.executed_amount_base > 0 else OrderState.OPEN)
        if lacks_fills:
            self._reconciler.settle_soon(order)
        return not lacks_fills and not order.is_pending_cancel_confirmation

    def _is_overdue_cancel(self, order: InFlightOrder) -> bool:
        return bool(self._time() - order.last_update_timestamp > PENDING_CANCEL_LIMIT_S)

    def _adopt(self, order: InFlightOrder, exchange_order_id: str, timestamp: float) -> None:
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
        note = expiry_note(status, reason)
        extra: dict[str, Any] | None = None
        if note is not None:
            self.logger().info(f"The exchange ended order {order.client_order_id}: {note}.")
            extra = {"expiry_reason": note, "error_message": note, "error_type": "OrderExpired"}
        self._update_state(order, state, extra)

    def _update_state(
        self, order: InFlightOrder, state: OrderState, misc_updates: dict[str, Any] | None = None
    ) -> None:
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
        self.order_tracker.process_trade_update(
            trade_update_of_fill(order, fill, self._fill_fee(order, fill.fee, fill.fee_symbol))
        )

    def _fill_fee(self, order: InFlightOrder, fee: Decimal, fee_symbol: str) -> TradeFeeBase:
        raise NotImplementedError

    def _hold_funds(self, order: InFlightOrder) -> None:
        """Count an order's funds as used until the exchange knows the order; nothing by default."""

    def _release_funds(self, order: InFlightOrder) -> None:
        """Stop counting what `_hold_funds` counted."""

    # Stream

    def _order_of_message(self, message: messages.OrderUpdate) -> InFlightOrder | None:
        trading_pair = self.trading_pair_or_none(message.symbol)
        if trading_pair is None:
            return None
        if message.client_id_text is not None:
            order = self.order_tracker.fillable_order(message.client_id_text)
        else:
            order = self.order_tracker.order_with_exchange_id(message.order_id)
        if order is None or order.trading_pair != trading_pair:
            return None
        if order.exchange_order_id is not None and order.exchange_order_id != message.order_id:
            return None
        return order

    def _on_order_message(self, message: messages.OrderUpdate) -> None:
        order = self._order_of_message(message)
        if order is None:
            return
        if order.exchange_order_id is None:
            self._adopt(order, message.order_id, message.event_timestamp)
        if message.is_fill:
            self._apply_fill_message(order, message)
        status = message.known_status
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
            _, _, _, fee_amount, fee_symbol, _ = fill_of_message(message)
        except WireFormatError as error:
            self.logger().warning(f"{error}; asking the exchange for it.")
            self._reconciler.settle_soon(order)
            return
        fee = self._fill_fee(order, fee_amount, fee_symbol)
        self.order_tracker.process_trade_update(trade_update_of_message(order, message, fee))

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
        await self._reconciler.reconcile(list(self.order_tracker.active_orders.values()))
        if lost:
            await self._update_lost_fills(list(lost.values()))

    async def _update_lost_fills(self, orders: list[InFlightOrder]) -> None:
        try:
            for order, fill in await self._reconciler.fills_of(orders):
                self.apply_fill(order, fill)
        except BackpackError as error:
            self.logger().warning(f"The fills of {len(orders)} lost orders could not be asked: {error}")

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
