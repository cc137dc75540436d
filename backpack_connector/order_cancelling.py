"""Cancel orders: one by one, or a whole market at once where the account is the bot's alone.

Rule 1: "not found" in answer to a cancel is not an outcome: the exchange is asked what became of the order (F42).
Rule 2: an order that the bot did not place is never cancelled. The exchange cancels either one order or all orders of a
        market; it takes no list. Between a look at the open orders and the cancel of all of them anybody who trades
        the account may place one more, and it would be cancelled too. So orders are cancelled one by one, side by side,
        unless the user has declared that nobody else trades the account (ARCHITECTURE.md, D27). Even then the market
        is looked at first, unless stream and last list agree that the account has no other order.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.cancellation_result import CancellationResult
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState

from backpack_connector.eager_start import begin, begin_alone
from backpack_connector.latency import LatencyRecorder
from backpack_connector.protocol.enums import CancelOrderType, OrderStatus
from backpack_connector.protocol.errors import BackpackError, OrderNotFound, RequestError, WireFormatError, shown
from backpack_connector.protocol.models import Order, read_rows
from backpack_connector.protocol.wire import read

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object

ACKNOWLEDGEMENT_WAIT_S = 10.0
"""How long a cancel waits for the answer of its order's placement before it believes "not found"."""

WHOLE_MARKET_FROM = 10
"""Fewer orders are cancelled one by one; a market that has to be looked at first takes one round trip more."""


class OrderCancelling(_Base):
    """The part of the connector that cancels orders; `BackpackExchangeBase` mixes it in."""

    latency: LatencyRecorder
    _cancels: dict[str, asyncio.Task[str | None]]
    """Cancels whose answers are awaited, by client id."""
    _is_account_exclusive: bool
    """The user's word that nobody else places orders in this account."""

    def cancel(self, trading_pair: str, client_order_id: str) -> str:
        """Start to cancel an order."""
        begin_alone(self._execute_cancel(trading_pair, client_order_id))
        return client_order_id

    async def cancel_all(self, timeout_seconds: float) -> list[CancellationResult]:
        """Cancel all open orders of this connector, and tell of each whether it is cancelled or about to be.

        A cancel without an answer in time counts as not done; it stays on its way, and its answer is applied.
        """
        orders = [order for order in self.in_flight_orders.values() if not order.is_done]
        cancelled: set[str] = set()
        work = asyncio.ensure_future(self._cancel_all_of(orders, cancelled))
        await asyncio.wait([work], timeout=timeout_seconds)
        missing = len(orders) - len(cancelled)
        if missing:
            self.logger().network(
                f"{missing} of {len(orders)} orders could not be cancelled within {timeout_seconds} s.",
                app_warning_msg=f"{missing} orders may still be open on {self.name}. Check the exchange.",
            )
        return [CancellationResult(order.client_order_id, order.client_order_id in cancelled) for order in orders]

    async def _cancel_all_of(self, orders: Sequence[InFlightOrder], cancelled: set[str]) -> None:
        markets: dict[str, list[InFlightOrder]] = defaultdict(list)
        for order in orders:
            markets[order.trading_pair].append(order)
        await asyncio.gather(*(self._cancel_market(of_market, cancelled) for of_market in markets.values()))

    async def _cancel_market(self, orders: Sequence[InFlightOrder], cancelled: set[str]) -> None:
        if self._is_account_exclusive and len(orders) >= WHOLE_MARKET_FROM:
            try:
                await self._cancel_at_once(orders, cancelled)
            except Exception as error:  # noqa: BLE001 - whatever it was, the orders are still to be cancelled
                self.logger().warning(f"Cancelling all of {orders[0].trading_pair} failed, now one by one: {error!r}")
        rest = [order for order in orders if order.client_order_id not in cancelled and not order.is_done]
        await asyncio.gather(*(self._cancel_one_of(order, cancelled) for order in rest))

    async def _cancel_one_of(self, order: InFlightOrder, cancelled: set[str]) -> None:
        try:
            if await self._execute_order_cancel(order) is not None:
                cancelled.add(order.client_order_id)
        except Exception:  # noqa: BLE001 - one odd order must not keep the others from being cancelled
            self.logger().error(f"Unexpected error while cancelling order {order.client_order_id}.", exc_info=True)

    async def _cancel_at_once(self, orders: Sequence[InFlightOrder], cancelled: set[str]) -> None:
        """Cancel a market's orders with one request a kind, if they are all that the account has there."""
        ours = {order.exchange_order_id: order for order in orders}
        if None in ours:
            return  # not acknowledged yet, so that it could not be told from an order of somebody else
        symbol = self.symbol_of(orders[0])
        if self.is_account_ours_alone:
            kinds = {order.client_order_id: self._believed_cancel_type(order) for order in orders}
        else:
            answer = await self.request("get_open_orders", {"symbol": symbol})
            listed, complaints = read_rows(Order, answer, "get_open_orders")
            if complaints or any(row.id not in ours for row in listed):
                self.logger().warning(
                    f"The account has orders in {symbol} that this bot did not place or cannot read; "
                    "cancelling its own one by one."
                )
                return
            kinds = {ours[row.id].client_order_id: _cancel_type(row) for row in listed}
        # Conditional orders first: one that fires in between is a resting one then.
        for kind in sorted(set(kinds.values())):
            answer = await self.request("cancel_open_orders", {"symbol": symbol, "orderType": kind})
            if answer is None:
                done = [order for order in orders if kinds.get(order.client_order_id) is kind]
                for order in done:
                    self._expect_cancel(order)
                cancelled.update(order.client_order_id for order in done)
            else:
                self._apply_all_cancelled(ours, answer, cancelled)

    def _believed_cancel_type(self, order: InFlightOrder) -> CancelOrderType:
        waits = self.awaits_trigger(order)
        return CancelOrderType.CONDITIONAL_ORDER if waits else CancelOrderType.RESTING_LIMIT_ORDER

    def _apply_all_cancelled(self, ours: dict[str | None, InFlightOrder], answer: Any, cancelled: set[str]) -> None:
        rows, complaints = read_rows(Order, answer, "cancel_open_orders")
        for complaint in complaints:
            self.logger().warning(f"A cancelled order was left out: {complaint}")
        for row in rows:
            order = ours.get(row.id)
            if order is None:
                self.logger().error(
                    f"Order {row.id} in {row.symbol} is not this bot's and was cancelled with its orders, because "
                    "somebody else placed it in this account at the same moment."
                )
            elif self._apply_cancelled(order, row):
                cancelled.add(order.client_order_id)

    async def _execute_order_cancel(self, order: InFlightOrder) -> str | None:
        """Cancel an order; whoever asks again while the answer is awaited gets the same answer."""
        running = self._cancels.get(order.client_order_id)
        if running is None or running.done():
            if order.client_order_id in self.order_tracker.active_orders:  # and so forgotten when it ends
                self.latency.cancel_called(order.client_order_id)
            running = begin(self._cancel_once(order))
            if not running.done():  # it may have ended inside the call
                self._cancels[order.client_order_id] = running
                running.add_done_callback(partial(self._forget_cancel, order.client_order_id))
        return await asyncio.shield(running)

    def _forget_cancel(self, client_order_id: str, ended: "asyncio.Task[str | None]") -> None:
        if self._cancels.get(client_order_id) is ended:  # another may have begun since
            del self._cancels[client_order_id]

    async def _give_up_cancels(self) -> None:
        """End the cancels whose answers are awaited, because the connector stops; they count as not done."""
        await asyncio.sleep(0)  # one that has not even begun could not answer whoever waits for it
        running = list(self._cancels.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _cancel_once(self, order: InFlightOrder) -> str | None:
        try:
            return await self._cancel_and_explain(order)
        except asyncio.CancelledError:
            # Only `_give_up_cancels` ends this task; whoever waits for it hears an answer, not a cancellation.
            self.logger().warning(
                f"The connector stops before it is known whether order {order.client_order_id} is cancelled."
            )
            self._reconciler.settle_soon(order)  # after the next start
            return None

    async def _cancel_and_explain(self, order: InFlightOrder) -> str | None:
        try:
            if await self._cancel_and_apply(order):
                return str(order.client_order_id)
        except OrderNotFound:
            if self._order_tracker.is_over(order.client_order_id):
                return str(order.client_order_id) if order.is_cancelled else None  # its fill was told meanwhile
            self.logger().warning(
                f"Failed to cancel order {order.client_order_id}: the exchange has no such resting order. "
                "Asking what became of it."
            )
            await self._reconciler.settle_now(order)
            return str(order.client_order_id) if order.is_cancelled else None
        except RequestError as error:
            self.logger().error(f"Failed to cancel order {order.client_order_id}: {error}")
            if not error.outcome_known:
                self._reconciler.settle_soon(order)
        except WireFormatError as error:
            self.logger().error(f"Failed to cancel order {order.client_order_id}, or the answer is unreadable: {error}")
            self._reconciler.settle_soon(order)
        except BackpackError as error:
            self.logger().error(f"Failed to cancel order {order.client_order_id}: {error}")
        return None

    async def _cancel_and_apply(self, order: InFlightOrder) -> bool:
        try:
            return await self._place_cancel(order.client_order_id, order)
        except OrderNotFound:
            if not order.is_pending_create or order.exchange_order_id is not None:
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
        if answer is None:
            self._expect_cancel(tracked_order)
            return True
        report = read(Order, answer, "cancel_order")
        # The client id tells, or else the order id, which may change when a trigger fires.
        told, known = report.client_id_text, order_id
        if told is None:
            told, known = report.id, tracked_order.exchange_order_id
        if told != known:
            raise WireFormatError(f"cancel_order: the answer is about another order, {shown(report.id)}")
        return self._apply_cancelled(tracked_order, report)

    def _apply_cancelled(self, order: InFlightOrder, report: Order) -> bool:
        self.apply_report(order, report)
        return report.status is OrderStatus.CANCELLED

    def _expect_cancel(self, order: InFlightOrder) -> None:
        """Take a promise of the exchange (202): the cancel is accepted and not yet executed (F20)."""
        if not order.is_pending_create:  # otherwise it has to be announced before anything else
            self._update_state(order, OrderState.PENDING_CANCEL)
        self._reconciler.settle_soon(order)


def _cancel_type(row: Order) -> CancelOrderType:
    is_conditional = row.status is OrderStatus.TRIGGER_PENDING
    return CancelOrderType.CONDITIONAL_ORDER if is_conditional else CancelOrderType.RESTING_LIMIT_ORDER
