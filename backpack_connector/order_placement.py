"""Place orders, with one policy for outcomes.

Rule 1: an order fails only on evidence: our own check, or a refusal by the exchange. A lost answer, 5xx and 429 leave
        it pending, and the reconciler finds out; nothing is ever posted twice (ARCHITECTURE.md, D5; F11).
Rule 2: whatever goes wrong before or at sending, the strategy hears of it exactly once, and after `buy` has returned.
"""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder

from backpack_connector.client_order_ids import next_client_order_id
from backpack_connector.eager_start import begin_alone
from backpack_connector.latency import LatencyRecorder, orders_of_request
from backpack_connector.order_control import (
    HUMMINGBOT_OPTIONS,
    NO_CONTROL,
    OrderControl,
    read_control,
    unknown_options,
)
from backpack_connector.protocol.enums import TimeInForce
from backpack_connector.protocol.errors import BackpackError, OrderRejected, RequestError, WireFormatError, shown
from backpack_connector.protocol.filters import active_price, refusal
from backpack_connector.protocol.models import Order
from backpack_connector.protocol.rest import BROKER_HEADER
from backpack_connector.protocol.wire import read
from backpack_connector.to_hummingbot import ORDER_TYPES, SIDES

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object


class OrderPlacement(_Base):
    """The part of the connector that sends orders; `BackpackExchangeBase` mixes it in."""

    latency: LatencyRecorder
    _on_their_way: set[str]
    """Client ids of orders whose request has not ended yet."""
    _request_ended_at: dict[str, float]
    """When the requests of unknown outcome ended, by client id."""
    _controls: dict[str, OrderControl]
    """What orders ask for beyond Hummingbot's parameters, by client id, until their request has ended."""
    _default_control: OrderControl
    """What the user's configuration asks for with every order."""
    _ignored_options: set[str]
    """Options that nobody knows and of which the user was told."""

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
        self.latency.order_called(order_id)
        begin_alone(
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

    async def _create_order(
        self,
        trade_type: TradeType,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType,
        price: Decimal | None = None,
        **kwargs: Any,
    ) -> None:
        """Track an order, check it and send it; whatever goes wrong, the strategy hears of it once."""
        price = Decimal("NaN") if price is None else price
        try:
            order = self._tracked_order(trade_type, order_id, trading_pair, amount, order_type, price, **kwargs)
            self._controls[order_id] = self._read_control(order, kwargs)
            await self._place_order_and_process_update(order=order, **kwargs)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - boundary of the order's task
            await asyncio.sleep(0)  # the call that started the order returns first (eager_start)
            tracked = self.order_tracker.fillable_order(order_id)
            if tracked is not None:
                amount, price = tracked.amount, tracked.price
            else:
                # An amount of zero can be neither filled nor compared wrongly.
                self.start_tracking_order(
                    order_id, None, trading_pair, trade_type, price, Decimal(0), order_type, **kwargs
                )
            self._on_order_failure(order_id, trading_pair, amount, trade_type, order_type, price, error, **kwargs)
        finally:
            self._controls.pop(order_id, None)

    def _read_control(self, order: InFlightOrder, options: Mapping[str, Any]) -> OrderControl:
        """Return what an order's options ask for, with the defaults of the configuration."""
        if self._default_control is NO_CONTROL and HUMMINGBOT_OPTIONS.issuperset(options):
            return NO_CONTROL  # as most orders
        control = read_control(options, order.order_type, order.trade_type, self.market_type)
        ignored = set(unknown_options(options)) - self._ignored_options
        if ignored:
            self._ignored_options |= ignored
            names = ", ".join(sorted(ignored))
            self.logger().warning(f"Orders come with options that are not known here and have no effect: {names}.")
        return control.with_defaults(self._default_control, order.order_type).on_steps(
            partial(self.quantize_order_price, order.trading_pair),
            partial(self.quantize_order_amount, order.trading_pair),
            order.amount,
        )

    def control_of(self, order: InFlightOrder) -> OrderControl:
        """Return the options of an order whose request has not ended; none for any other."""
        return self._controls.get(order.client_order_id, NO_CONTROL)

    def _tracked_order(
        self,
        trade_type: TradeType,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType,
        price: Decimal,
        **kwargs: Any,
    ) -> InFlightOrder:
        if trading_pair not in self._trading_rules:
            raise OrderRejected(f"The rules of {trading_pair} are not known, so no order can be placed there.")
        if not amount.is_finite() or amount < 0:
            raise OrderRejected(f"The quantity must be a positive number, not {amount}.")
        if order_type not in self.supported_order_types():
            raise OrderRejected(f"{order_type} is not in the list of supported order types")
        if order_type.is_limit_type():
            if not price.is_finite() or price <= 0:
                raise OrderRejected(f"A limit order needs a positive price, not {price}.")
            price = self.quantize_order_price(trading_pair, price)
        quantity = self.quantize_order_amount(trading_pair, amount)
        self.start_tracking_order(order_id, None, trading_pair, trade_type, price, quantity, order_type, **kwargs)
        minimum = self._trading_rules[trading_pair].min_order_size
        if quantity < minimum:
            # Hummingbot's own wording and type, which strategies and its conformance suite look for.
            raise ValueError(
                f"Order amount {amount} is lower than minimum order size {minimum} for the pair {trading_pair}. "
                "The order will not be created."
            )
        return self.order_tracker.active_orders[order_id]

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
        is_explained = isinstance(exception, (BackpackError, ValueError))
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
        if self.control_of(order).is_conditional:
            self.expect_trigger(order)  # it takes no funds before it fires
        else:
            self._hold_funds(order)
        self._on_their_way.add(order.client_order_id)
        self.write_down(order)
        try:
            answer = await self._submit(order)
        except RequestError as error:
            if error.outcome_known:
                raise
            self.logger().warning(
                f"It is not known whether order {order.client_order_id} reached {self.name} ({error}). "
                "It stays pending until the exchange tells what became of it."
            )
            self._on_request_ended(order)
            self._reconciler.settle_soon(order)
            return ""
        except WireFormatError as error:
            self.logger().warning(f"The answer to order {order.client_order_id} could not be read: {error}")
            self._on_request_ended(order)
            self._reconciler.settle_soon(order)
            return ""
        except asyncio.CancelledError:
            self._on_request_ended(order)
            raise
        finally:
            self._on_their_way.discard(order.client_order_id)
            if order.client_order_id in self.order_tracker.active_orders:
                # Nobody hears again of one that the stream has seen end before, so its entry would stay for ever.
                self._request_ended_at[order.client_order_id] = self._time()
        self._request_ended_at.pop(order.client_order_id, None)
        self._on_request_ended(order)
        self.apply_report(order, answer)
        return str(answer.id)

    def start_tracking_order(self, order_id: str, *args: Any, **kwargs: Any) -> None:
        """Track an order; one that is placed before the first tick of the clock gets its time from the machine."""
        super().start_tracking_order(order_id, *args, **kwargs)
        order = self.order_tracker.active_orders[order_id]
        if not order.creation_timestamp > 0:  # also true for NaN
            order.creation_timestamp = order.last_update_timestamp = self._time()

    def age_of_request_s(self, order: InFlightOrder) -> float:
        """Return how long ago the request of an order ended; zero while it is still on its way."""
        if order.client_order_id in self._on_their_way:
            return 0.0
        return float(self._time() - self._request_ended_at.get(order.client_order_id, order.creation_timestamp))

    def _local_refusal(self, order: InFlightOrder) -> str | None:
        market = self._markets.get(order.trading_pair)
        if market is None:
            return None
        # A conditional order meets the price band when it fires; what the market is like then nobody knows.
        is_conditional = self.control_of(order).is_conditional
        reference_price = None if is_conditional else active_price(*self.reference_prices(order.trading_pair))
        return refusal(
            market,
            ORDER_TYPES[order.order_type],
            order.amount,
            order.price,
            post_only=order.order_type is OrderType.LIMIT_MAKER,
            reference_price=reference_price,
        )

    async def _submit(self, order: InFlightOrder) -> Order:
        orders_of_request.set((order.client_order_id,))
        answer = await self.request("execute_order", self._order_fields(order), headers=self._placement_headers())
        report = read(Order, answer, "execute_order")
        if report.symbol != self.symbol_of(order) or report.client_id_text not in (None, order.client_order_id):
            # Whoever took over its id would wait for that order's fills for ever.
            raise WireFormatError(f"execute_order: the answer is about another order, {shown(report.id)}")
        return report

    def _placement_headers(self) -> dict[str, str]:
        return {} if self._broker_id is None else {BROKER_HEADER: self._broker_id}

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
        control = self.control_of(order)
        if control is NO_CONTROL:
            return fields
        fields.update(control.wire_fields())
        if control.is_conditional:
            del fields["quantity"]  # the trigger quantity stands for it
        return fields

    async def _place_order(self, order_id: str, **kwargs: Any) -> tuple[str, float]:
        answer = await self._submit(self.order_tracker.active_orders[order_id])
        return answer.id, answer.created_timestamp

    def _hold_funds(self, order: InFlightOrder) -> None:
        """Count an order's funds as used until the balance knows of the order, or it has ended; nothing by default."""

    def _on_request_ended(self, order: InFlightOrder) -> None:
        """Hear that the request of an order has ended, and the exchange may have the order; nothing by default."""
