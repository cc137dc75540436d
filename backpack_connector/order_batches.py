"""Place many orders with few requests, each order with its own fate.

Rule 1: an order of a batch lives like any other: it is tracked, checked, announced and failed by the same code; only
        its request is shared (order_placement).
Rule 2: orders of one call go out together, when each is ready to be sent or has failed before. At most twenty share a
        request: sources name 50 and 20 as the exchange's limit (API §2.1, §6).
Rule 3: a lost answer leaves all orders of a request pending; an error of one order is that order's alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from hummingbot.core.data_type.common import PositionAction, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.data_type.market_order import MarketOrder

from backpack_connector.client_order_ids import next_client_order_id
from backpack_connector.eager_start import begin_alone
from backpack_connector.latency import LatencyRecorder, orders_of_request
from backpack_connector.protocol.errors import BackpackError, WireFormatError
from backpack_connector.protocol.models import Order, read_order_results
from backpack_connector.protocol.rest import ReadyBody, ready_body

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object

ORDERS_A_REQUEST = 20


class _Ready(NamedTuple):
    """An order that waits for the others of its batch."""

    client_order_id: str
    body: ReadyBody
    outcome: "asyncio.Future[Order]"


class OrderBatch:
    """The orders of one call: collects their requests, sends them together and hands out what became of each."""

    def __init__(
        self, client_order_ids: Iterable[str], send: Callable[[list[str], list[ReadyBody]], Awaitable[Any]]
    ) -> None:
        self._not_ready = set(client_order_ids)
        self._ready: list[_Ready] = []
        self._send = send

    async def outcome(self, client_order_id: str, body: ReadyBody) -> Order:
        """Send an order with the others, and return it as the exchange accepted it.

        Raises:   what sending it alone would raise.
        """
        entry = _Ready(client_order_id, body, asyncio.get_running_loop().create_future())
        self._ready.append(entry)
        self.leave(client_order_id)
        return await entry.outcome

    def leave(self, client_order_id: str) -> None:
        """Wait no longer for an order: it is ready, or there is nothing to send; the last one starts the sending."""
        if client_order_id not in self._not_ready:
            return
        self._not_ready.remove(client_order_id)
        if not self._not_ready:
            for start in range(0, len(self._ready), ORDERS_A_REQUEST):
                begin_alone(self._send_together(self._ready[start : start + ORDERS_A_REQUEST]))

    async def _send_together(self, entries: Sequence[_Ready]) -> None:
        outcomes: Sequence[Order | Exception]
        ids = [entry.client_order_id for entry in entries]
        orders_of_request.set(tuple(entry.client_order_id for entry in entries))
        try:
            outcomes = _outcomes(entries, await self._send(ids, [entry.body for entry in entries]))
        except asyncio.CancelledError:
            for entry in entries:
                entry.outcome.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - each order decides for itself what its error means
            outcomes = [error] * len(entries)
        for entry, outcome in zip(entries, outcomes, strict=True):
            if entry.outcome.done():
                continue  # its task was cancelled
            if isinstance(outcome, Order):
                entry.outcome.set_result(outcome)
            else:
                entry.outcome.set_exception(outcome)


def _exact(number: Any) -> Decimal:
    """Return a number of an order as it reads; a market order may hold a float."""
    return number if isinstance(number, Decimal) else Decimal(str(number))


def _outcomes(entries: Sequence[_Ready], answer: Any) -> list[Order | BackpackError]:
    """Return what became of each order.

    Raises:   WireFormatError when the answer cannot be about these orders, one by one and in their order.
    """
    results = read_order_results(answer)
    if len(results) != len(entries):
        raise WireFormatError(f"execute_order_batch: {len(results)} results for {len(entries)} orders")
    for position, (entry, result) in enumerate(zip(entries, results, strict=True)):
        # An error names no order: it belongs to its place, which counts only while all others are in theirs.
        if isinstance(result, Order) and result.client_id_text not in (None, entry.client_order_id):
            raise WireFormatError(f"execute_order_batch[{position}]: the order of another place, {result.client_id}")
    return results


class OrderBatches(_Base):
    """The part of the connector that places orders in batches; `BackpackExchangeBase` mixes it in."""

    latency: LatencyRecorder
    _batches: dict[str, OrderBatch]
    """The batches of orders that are not placed yet, by client id."""

    def batch_order_create(
        self, orders_to_create: "list[LimitOrder | MarketOrder]", **kwargs: Any
    ) -> "list[LimitOrder | MarketOrder]":
        """Place orders, twenty with one request, and return them with their client ids.

        Options are those of buy and sell, and count for all orders.
        """
        orders = [order.copy_with_id(next_client_order_id()) for order in orders_to_create]
        batch = OrderBatch([order.client_order_id for order in orders], self._send_batch)
        for order in orders:
            self.latency.order_called(order.client_order_id)
            self._batches[order.client_order_id] = batch
            begin_alone(self._create_in_batch(batch, order, kwargs))
        return orders

    async def _create_in_batch(
        self, batch: OrderBatch, order: "LimitOrder | MarketOrder", options: dict[str, Any]
    ) -> None:
        if order.position is not PositionAction.NIL:
            options = {"position_action": order.position, **options}
        try:
            await self._create_order(
                trade_type=TradeType.BUY if order.is_buy else TradeType.SELL,
                order_id=order.client_order_id,
                trading_pair=order.trading_pair,
                amount=_exact(order.quantity),
                order_type=order.order_type(),
                price=None if order.price is None else _exact(order.price),
                **options,
            )
        finally:
            batch.leave(order.client_order_id)
            del self._batches[order.client_order_id]

    async def _submit(self, order: InFlightOrder) -> Order:
        batch = self._batches.get(order.client_order_id)
        if batch is None:
            return await super()._submit(order)
        # Made ready for the wire here, once, so that what cannot be sent fails this order and no other.
        return await batch.outcome(order.client_order_id, ready_body(self._order_fields(order)))

    def write_down(self, *orders: InFlightOrder) -> None:
        # Those of a batch are written with one call, when all are ready to be sent.
        super().write_down(*[order for order in orders if order.client_order_id not in self._batches])

    async def _send_batch(self, client_order_ids: list[str], batch: list[ReadyBody]) -> Any:
        orders = map(self.order_tracker.fillable_order, client_order_ids)
        super().write_down(*[order for order in orders if order is not None])
        return await self.request("execute_order_batch", batch, headers=self._placement_headers())
