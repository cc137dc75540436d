"""Keep the orders that wait for a price, place them when it comes, and look after take-profits and stop-losses.

Rule 1: an order that waits holds nothing: no funds, no margin, no place in a book.
Rule 2: when it fires it becomes an ordinary order with the same order id and client id, or it has failed. Events: those
        of any order on arrival (orderAccepted with X `New` first), or one triggerFailed with the reason. Both carry a
        time of their own.
Rule 3: every trade is looked at in the command in which it happens, so that no last price is missed; mark and index
        prices are looked at once a second. What fires may trade, and so fire more.
Rule 4: a take-profit or stop-loss comes to be when its parent fills, and grows with it (triggerPlaced again, same id).
        What one of the two has filled is taken off the other (orderModified; orderCancelled when nothing is left);
        one that fires cancels the other if that one has fired before and rests.
        On perpetual markets both end when there is no position left for them to close (orderExpired,
        StopWithoutPosition). Cancelling one of them leaves the other alone.
The exchange publishes none of the rules' details (API §4.1, §6); they are choices where API §4.1 does not say them.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from copy import copy
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

import msgspec

from backpack_connector.protocol.enums import ExpiryReason, MarketType, OrderEvent, OrderStatus, Side, TriggerBy
from backpack_connector.protocol.errors import ErrorCode

from .accounts import Account
from .conditions import (
    Means,
    closable,
    exit_fires_upwards,
    exit_request,
    fired_request,
    fires_upwards,
    is_reached,
)
from .events import Event, Execution, OrderUpdated, TradePrinted
from .ledger import EXACT
from .orders import ZERO, ExitTrigger, NewOrder, Order, Trigger, order_of
from .refusals import Refusal
from .traded_market import TradedMarket

if TYPE_CHECKING:
    from .engine import Exchange

MAX_TRIGGERS_PER_MARKET = 50
"""Waiting orders of one account in one market. The exchange has such a limit (MaxStopOrdersPerPosition, API §4.2) and
does not publish its number; this one is a choice."""


class _Waiting(msgspec.Struct, frozen=True):
    order: Order
    upwards: bool
    """It waits for the price to rise."""

    @property
    def trigger(self) -> Trigger:
        assert self.order.trigger is not None
        return self.order.trigger

    def is_reached_at(self, price: Decimal) -> bool:
        return is_reached(self.trigger.price, price, upwards=self.upwards)


class Triggers:
    """All waiting orders of one exchange."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self._waiting: dict[str, dict[str, _Waiting]] = {}
        """By symbol and order id, oldest first."""

    def accept(self, account: Account, market: TradedMarket, request: NewOrder) -> Execution:
        """Accept an order that was checked and has a trigger.

        Raises:   Refusal with ORDER_LIMIT when the account has too many.
        """
        assert request.trigger is not None
        if _is_full(account, request.symbol):
            text = f"An account can have at most {MAX_TRIGGERS_PER_MARKET} orders with a trigger in one market"
            raise Refusal(ErrorCode.ORDER_LIMIT, text)
        time_us = self._exchange.now_us()
        order = self._new_order(account, request, time_us)
        reference = reference_price(market, request.trigger.reference)
        self._wait(account, order, upwards=fires_upwards(request.trigger.price, reference))
        return Execution((copy(order),), (_told(OrderEvent.TRIGGER_PLACED, order, time_us),))

    def _new_order(self, account: Account, request: NewOrder, time_us: int) -> Order:
        order = order_of(
            request,
            order_id=self._exchange.next_order_id(),
            account_id=account.account_id,
            time_us=time_us,
            quote_quantity=ZERO,
        )
        account.remember_order(order)
        return order

    def _wait(self, account: Account, order: Order, *, upwards: bool) -> None:
        account.trigger_orders[order.order_id] = order
        self._waiting.setdefault(order.symbol, {})[order.order_id] = _Waiting(order, upwards)

    def discard(self, order: Order) -> None:
        """Forget a waiting order; what becomes of it is the caller's affair."""
        del self._account_of(order).trigger_orders[order.order_id]
        in_market = self._waiting[order.symbol]
        del in_market[order.order_id]
        if not in_market:
            del self._waiting[order.symbol]

    def _account_of(self, order: Order) -> Account:
        account = self._exchange.accounts.get(order.account_id)
        assert account is not None
        return account

    def _end(
        self,
        order: Order,
        kind: OrderEvent,
        status: OrderStatus,
        time_us: int,
        reason: ExpiryReason | None = None,
    ) -> OrderUpdated:
        self.discard(order)
        order.status, order.expiry_reason = status, reason
        return _told(kind, order, time_us)

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Fire what mark, index or last prices have reached, and end what has no position left to close."""
        for symbol in list(self._waiting):
            market = self._exchange.markets[symbol]
            for waiting in self._in_market(symbol):
                price = reference_price(market, waiting.trigger.reference)
                if self._still_waits(waiting) and waiting.is_reached_at(price):
                    yield self._fire_with_consequences(waiting)
            ended = self._end_exits_without_position(symbol)
            if ended:
                yield Execution(tuple(event.order for event in ended), tuple(ended))

    def _in_market(self, symbol: str) -> list[_Waiting]:
        return list(self._waiting.get(symbol, {}).values())

    def _still_waits(self, waiting: _Waiting) -> bool:
        return waiting.order.order_id in self._waiting.get(waiting.order.symbol, {})

    def _fire_with_consequences(self, waiting: _Waiting) -> Execution:
        with localcontext(EXACT):
            events = self._fire(waiting)
            return self.follow(Execution((copy(waiting.order),), tuple(events)))

    def follow(self, execution: Execution) -> Execution:
        """Return an execution with everything that it sets off; its own events stay first."""
        if not self._waiting and not any(_is_entry_fill(event) for event in execution.events):
            return execution
        with localcontext(EXACT):
            events = [*execution.events, *self._after_fills(execution.events)]
            trades = deque(_trades(execution.events))
            while trades:
                trade = trades.popleft()
                for waiting in self._in_market(trade.symbol):
                    is_watching = waiting.trigger.reference is TriggerBy.LAST_PRICE
                    if is_watching and self._still_waits(waiting) and waiting.is_reached_at(trade.trade.price):
                        fired = self._fire(waiting)
                        events += [*fired, *self._after_fills(fired)]
                        trades.extend(_trades(fired))
            return Execution(execution.orders, tuple(events))

    def _fire(self, waiting: _Waiting) -> list[Event]:
        """Turn a waiting order into an ordinary one and place it; a refusal is its end."""
        order = waiting.order
        self.discard(order)
        events = self._cancel_resting_sibling(order)
        try:
            request = fired_request(order, self._exchange.markets[order.symbol].instrument, self._means(order))
            return [*events, *self._exchange.match(order.account_id, request, order).events]
        except Refusal as refusal:
            order.status, order.expiry_reason = OrderStatus.TRIGGER_FAILED, refusal.reason
            return [*events, _told(OrderEvent.TRIGGER_FAILED, order, self._exchange.now_us())]

    def _cancel_resting_sibling(self, exit_order: Order) -> list[Event]:
        """Cancel the take-profit that fired and rests unfilled when its stop-loss fires, or the other way round.

        What rests covers the position and holds the spot funds, so that the second would be refused.
        """
        events: list[Event] = []
        for order in list(self._account_of(exit_order).open_orders.values()):
            if _are_siblings(order, exit_order):
                events += self._exchange.cancel(order.account_id, order.symbol, order_id=order.order_id).events
        return events

    def _means(self, order: Order) -> Means:
        instrument, ledger = self._exchange.markets[order.symbol].instrument, self._exchange.ledger
        return Means(
            net_quantity=self._exchange.net_quantity(order.account_id, order.symbol),
            base=ledger.balance(order.account_id, instrument.base).available,
            quote=ledger.balance(order.account_id, instrument.quote).available,
        )

    def _after_fills(self, events: Iterable[Event]) -> list[Event]:
        """Create and grow the take-profits and stop-losses of what was filled, and shrink or end others."""
        filled: dict[str, tuple[Order, Decimal]] = {}
        for event in events:
            if isinstance(event, OrderUpdated) and event.fill is not None:
                quantity = filled.get(event.order.order_id, (None, ZERO))[1] + event.fill.quantity
                filled[event.order.order_id] = event.order, quantity
        told: list[Event] = []
        for order, quantity in filled.values():
            told += self._shrink_sibling(order, quantity)
            told += self._protect(order, quantity)
        for symbol in dict.fromkeys(order.symbol for order, _ in filled.values()):
            told += self._end_exits_without_position(symbol)
        return told

    def _protect(self, parent: Order, quantity: Decimal) -> list[Event]:
        """Create or grow the take-profit and stop-loss of a parent by what it has just filled."""
        told: list[Event] = []
        for exit_trigger, is_take_profit in ((parent.take_profit, True), (parent.stop_loss, False)):
            if exit_trigger is None or not self._has_something_to_close(parent, parent.side.opposite):
                continue
            upwards = exit_fires_upwards(parent.side, is_take_profit=is_take_profit)
            waiting = self._exit_of(parent.order_id, parent.symbol, upwards=upwards)
            time_us = self._exchange.now_us()
            if waiting is not None:
                _resize(waiting.order, waiting.trigger.quantity + quantity)
                told.append(_told(OrderEvent.TRIGGER_PLACED, waiting.order, time_us))
            else:
                told.append(self._place_exit(parent, exit_trigger, quantity, time_us, upwards=upwards))
        return told

    def _place_exit(
        self, parent: Order, exit_trigger: ExitTrigger, quantity: Decimal, time_us: int, *, upwards: bool
    ) -> Event:
        account = self._account_of(parent)
        market_type = self._exchange.markets[parent.symbol].instrument.market_type
        order = self._new_order(account, exit_request(parent, exit_trigger, quantity, market_type), time_us)
        order.related_order_id = parent.order_id
        if _is_full(account, parent.symbol):
            order.status, order.expiry_reason = OrderStatus.TRIGGER_FAILED, ExpiryReason.MAX_STOP_ORDERS_PER_POSITION
            return _told(OrderEvent.TRIGGER_FAILED, order, time_us)
        self._wait(account, order, upwards=upwards)
        return _told(OrderEvent.TRIGGER_PLACED, order, time_us)

    def _exit_of(self, parent_id: str, symbol: str, *, upwards: bool) -> _Waiting | None:
        for waiting in self._in_market(symbol):
            if waiting.order.related_order_id == parent_id and waiting.upwards is upwards:
                return waiting
        return None

    def _shrink_sibling(self, exit_order: Order, quantity: Decimal) -> list[Event]:
        """Take what a take-profit has filled off its stop-loss, or the other way round."""
        for waiting in self._in_market(exit_order.symbol):
            if not _are_siblings(waiting.order, exit_order):
                continue
            time_us = self._exchange.now_us()
            left = waiting.trigger.quantity - quantity
            if left <= 0:
                return [self._end(waiting.order, OrderEvent.CANCELLED, OrderStatus.CANCELLED, time_us)]
            _resize(waiting.order, left)
            return [_told(OrderEvent.MODIFIED, waiting.order, time_us)]
        return []

    def _end_exits_without_position(self, symbol: str) -> list[OrderUpdated]:
        reason = ExpiryReason.STOP_WITHOUT_POSITION
        return [
            self._end(waiting.order, OrderEvent.EXPIRED, OrderStatus.EXPIRED, self._exchange.now_us(), reason)
            for waiting in self._in_market(symbol)
            if waiting.order.related_order_id is not None
            and not self._has_something_to_close(waiting.order, waiting.order.side)
        ]

    def _has_something_to_close(self, order: Order, side: Side) -> bool:
        if self._exchange.markets[order.symbol].instrument.market_type is MarketType.SPOT:
            return True
        return closable(self._exchange.net_quantity(order.account_id, order.symbol), side) > 0


def reference_price(market: TradedMarket, trigger_by: TriggerBy) -> Decimal:
    """Return the price of a market that a trigger watches."""
    if trigger_by is TriggerBy.MARK_PRICE:
        return market.mark_price
    return market.index_price if trigger_by is TriggerBy.INDEX_PRICE else market.last_price


def _is_full(account: Account, symbol: str) -> bool:
    in_market = sum(order.symbol == symbol for order in account.trigger_orders.values())
    return in_market >= MAX_TRIGGERS_PER_MARKET


def _are_siblings(one: Order, other: Order) -> bool:
    """Tell whether two orders are take-profit and stop-loss of the same parent."""
    if one.trigger is None or other.trigger is None or one.related_order_id is None:
        return False
    # Two of a kind, made by different fills of the parent, have the same trigger price.
    return one.related_order_id == other.related_order_id and one.trigger.price != other.trigger.price


def _is_entry_fill(event: Event) -> bool:
    if not isinstance(event, OrderUpdated) or event.fill is None:
        return False
    return event.order.take_profit is not None or event.order.stop_loss is not None


def _trades(events: Iterable[Event]) -> Iterator[TradePrinted]:
    return (event for event in events if isinstance(event, TradePrinted))


def _told(kind: OrderEvent, order: Order, time_us: int) -> OrderUpdated:
    return OrderUpdated(kind=kind, order=copy(order), time_us=time_us)


def _resize(order: Order, quantity: Decimal) -> None:
    assert order.trigger is not None
    order.trigger = msgspec.structs.replace(order.trigger, quantity=quantity)
