"""Run the exchange: accept, match, cancel and expire orders, and return what happened as events.

Rule 1: pure. No I/O, no event loop; the clock is injected, ids count up, chance plays no part.
Rule 2: one command at a time. It is checked, planned and paid for first and carried out last, so that a refused
        command has changed nothing.
Rule 3: every accepted order pays a hold before anything else happens to it, and holds always equal what open orders
        may still cost.
Source: API §4 (orders), §5 (filters, fees).
"""

from collections.abc import Mapping, Sequence
from copy import copy
from decimal import Decimal, localcontext
from itertools import count

import msgspec

from backpack_connector.protocol.enums import (
    ExpiryReason,
    MarketType,
    OrderBookState,
    OrderEvent,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from backpack_connector.protocol.errors import ErrorCode

from .accounts import DEFAULT_FAUCET, Account, Accounts
from .admission import WOULD_TAKE, check_band, check_order, check_state
from .clearing import CLEARING, Amount, Clearing, quote_quantity_of
from .clock import Clock, ms_from_us
from .events import BalanceChanged, Event, OrderUpdated, TradePrinted
from .ledger import EXACT, Change, InsufficientBalance, Ledger
from .markets import Instrument
from .matching import Match, Plan, plan_matches, would_match
from .orders import ZERO, Fill, NewOrder, Order
from .refusals import Refusal, invalid_order, invalid_request
from .traded_market import TradedMarket


class Execution(msgspec.Struct, frozen=True):
    """The result of a command: the orders concerned, as they are now, and the events in order."""

    orders: tuple[Order, ...]
    events: tuple[Event, ...]

    @property
    def order(self) -> Order:
        """Return the one order of a command that concerns one."""
        (order,) = self.orders
        return order


class Exchange:
    """The simulated exchange without its network."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        *,
        clock: Clock,
        faucet: Mapping[str, Decimal] = DEFAULT_FAUCET,
        first_id: int | None = None,
        clearing: Mapping[MarketType, Clearing] = CLEARING,
    ) -> None:
        self._clock = clock
        self._last_time_us = clock()
        # Counting from the start time keeps ids of two runs apart: bots keep them in data bases.
        first = ms_from_us(self._last_time_us) if first_id is None else first_id
        self.markets: dict[str, TradedMarket] = {
            instrument.symbol: TradedMarket(instrument, first) for instrument in instruments
        }
        self.ledger = Ledger()
        self.accounts = Accounts(self.ledger, faucet)
        self._clearing = clearing
        self._order_ids = count(first)

    def now_us(self) -> int:
        """Return the engine's time: the clock, but strictly increasing."""
        self._last_time_us = max(self._clock(), self._last_time_us + 1)
        return self._last_time_us

    def open_account(self, account_id: str) -> Account:
        """Return an account, opening it with faucet money at the first call."""
        return self.accounts.open(account_id, self._clock())

    def set_market_state(self, symbol: str, state: OrderBookState) -> None:
        """Change what a market accepts; resting orders stay."""
        self.markets[symbol].state = state

    def place(self, account_id: str, request: NewOrder) -> Execution:
        """Accept an order and match it.

        Raises:   Refusal, with nothing changed.
        """
        with localcontext(EXACT):
            market, clearing = self._market_for(request)
            plan = self._plan(market, request, account_id)
            return _Placement(self, market, clearing, self.open_account(account_id), request, plan).execute()

    def next_order_id(self) -> str:
        """Return a new order id: decimal text, rising, shared by all markets (API §4.2)."""
        return str(next(self._order_ids))

    def _market_for(self, request: NewOrder) -> tuple[TradedMarket, Clearing]:
        market = self.markets.get(request.symbol)
        if market is None:
            raise Refusal(ErrorCode.INVALID_MARKET, "Invalid market symbol")
        clearing = self._clearing.get(market.instrument.market_type)
        if clearing is None:
            kind = market.instrument.market_type.value
            raise Refusal(ErrorCode.INVALID_MARKET, f"The simulator does not trade markets of type {kind} yet")
        return market, clearing

    def _plan(self, market: TradedMarket, request: NewOrder, account_id: str) -> Plan:
        check_state(request, market.state)
        check_order(request, market.instrument)
        check_band(request, market.instrument, market.book, market.last_price)
        posts_only = request.post_only or market.state is OrderBookState.POST_ONLY
        if posts_only and would_match(market.book, request):
            raise invalid_order(WOULD_TAKE)
        if not request.is_limit and not would_match(market.book, request):
            raise invalid_order("No liquidity for market order")
        plan = plan_matches(market.book, market.instrument, request, account_id)
        if request.quote_quantity is not None and plan.is_complete and not plan.matches:
            raise invalid_request("Quantity is below the minimum allowed value")
        return plan

    def cancel(
        self, account_id: str, symbol: str, *, order_id: str | None = None, client_id: int | None = None
    ) -> Execution:
        """Cancel one resting order.

        Raises:   Refusal with INVALID_CLIENT_REQUEST when there is none. Source: API §4.4, §6 conflict 10.
        """
        account = self.open_account(account_id)
        order = account.open_order(symbol, order_id, client_id)
        if order is None:
            raise invalid_request("Order not found")
        return self._cancel([order])

    def cancel_all(self, account_id: str, symbol: str) -> Execution:
        """Cancel all resting orders of an account in one market, oldest first.

        Raises:   Refusal when there is no such market.
        """
        if symbol not in self.markets:
            raise invalid_request("Invalid market symbol")
        account = self.open_account(account_id)
        return self._cancel([order for order in account.open_orders.values() if order.symbol == symbol])

    def _cancel(self, orders: list[Order]) -> Execution:
        with localcontext(EXACT):
            time_us = self.now_us()
            change = self.ledger.change()
            for order in orders:
                self.release_hold(change, order)
            balances = self.commit(change, time_us)
            order_events: list[Event] = []
            book_events: list[Event] = []
            for order in orders:
                book_events += self.end_resting(order, OrderStatus.CANCELLED, None, time_us)
                order_events.append(OrderUpdated(kind=OrderEvent.CANCELLED, order=copy(order), time_us=time_us))
            return Execution(tuple(copy(order) for order in orders), (*order_events, *book_events, *balances))

    def release_hold(self, change: Change, order: Order) -> None:
        """Add to a change that a resting order gives back what it holds."""
        assert order.price is not None
        instrument = self.markets[order.symbol].instrument
        clearing = self._clearing[instrument.market_type]
        asset, amount = clearing.hold(instrument, order.side, order.price, order.remaining)
        change.release(order.account_id, asset, amount)

    def commit(self, change: Change, time_us: int) -> list[Event]:
        """Apply a change of balances and return its events."""
        return [
            BalanceChanged(
                account_id=account_id,
                asset=asset,
                available=balance.available,
                locked=balance.locked,
                time_us=time_us,
            )
            for account_id, asset, balance in self.ledger.commit(change)
        ]

    def end_resting(self, order: Order, status: OrderStatus, reason: ExpiryReason | None, time_us: int) -> list[Event]:
        """Take a resting order out of book and account, and return the book's events."""
        events = self.markets[order.symbol].take(order, order.remaining, time_us)
        order.status = status
        order.expiry_reason = reason
        account = self.accounts.get(order.account_id)
        assert account is not None
        del account.open_orders[order.order_id]
        return events


class _Placement:
    """One order on its way in: pay, then carry out the plan."""

    def __init__(
        self,
        exchange: Exchange,
        market: TradedMarket,
        clearing: Clearing,
        account: Account,
        request: NewOrder,
        plan: Plan,
    ) -> None:
        self._exchange = exchange
        self._market = market
        self._clearing = clearing
        self._account = account
        self._request = request
        self._plan = plan
        self._time_us = exchange.now_us()
        self._order_events: list[Event] = []
        self._book_events: list[Event] = []

    def execute(self) -> Execution:
        """Pay for the order and match it.

        Raises:   Refusal with INSUFFICIENT_FUNDS, with nothing changed.
        """
        fees, balances = self._pay()
        order = self._accept()
        for match, (taker_fee, maker_fee) in zip(self._plan.matches, fees, strict=True):
            self._fill(order, match, taker_fee, maker_fee)
        for maker in self._plan.removed_makers:
            self._expire_maker(maker)
        if not self._plan.is_complete:
            self._end_or_rest(order)
        return Execution((copy(order),), (*self._order_events, *self._book_events, *balances))

    def _pay(self) -> tuple[list[tuple[Amount, Amount]], list[Event]]:
        instrument, request, plan = self._market.instrument, self._request, self._plan
        account_id = self._account.account_id
        change = self._exchange.ledger.change()
        asset, reserved = self._clearing.reserve(instrument, request, plan)
        try:
            change.hold(account_id, asset, reserved)
        except InsufficientBalance as error:
            raise Refusal(ErrorCode.INSUFFICIENT_FUNDS, "Insufficient funds") from error
        fees = []
        for match in plan.matches:
            maker_account = self._exchange.accounts.get(match.maker.account_id)
            assert maker_account is not None
            fees.append(
                self._clearing.settle(
                    change, instrument, self._account, request.side, maker_account, match.price, match.quantity
                )
            )
            reserved -= self._clearing.cost(instrument, request.side, match.price, match.quantity)[1]
        for maker in plan.removed_makers:
            self._exchange.release_hold(change, maker)
        if self._rests:
            assert request.price is not None
            remaining = request.quantity - plan.quantity if request.quantity is not None else ZERO
            reserved -= self._clearing.hold(instrument, request.side, request.price, remaining)[1]
        if reserved:
            change.release(account_id, asset, reserved)
        return fees, self._exchange.commit(change, self._time_us)

    @property
    def _rests(self) -> bool:
        return not self._plan.is_complete and self._expiry_reason is None

    @property
    def _expiry_reason(self) -> ExpiryReason | None:
        """Why what remains may not rest, or None. Source: API §4.2 (expiry reasons)."""
        if self._plan.stopped_by is not None:
            return self._plan.stopped_by
        if self._request.time_in_force is TimeInForce.IOC:
            return ExpiryReason.IMMEDIATE_OR_CANCEL
        return ExpiryReason.INSUFFICIENT_LIQUIDITY if self._request.order_type is OrderType.MARKET else None

    def _accept(self) -> Order:
        request = self._request
        order = Order(
            order_id=self._exchange.next_order_id(),
            account_id=self._account.account_id,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            price=request.price,
            quantity=request.quantity,
            quote_quantity=quote_quantity_of(request, self._plan, self._market.instrument.tick_size),
            time_in_force=request.time_in_force,
            post_only=request.post_only,
            reduce_only=request.reduce_only,
            self_trade_prevention=request.self_trade_prevention,
            client_id=request.client_id,
            created_us=self._time_us,
        )
        self._account.remember_order(order)
        self._tell(OrderEvent.ACCEPTED, order)
        return order

    def _tell(self, kind: OrderEvent, order: Order, fill: Fill | None = None) -> None:
        self._order_events.append(OrderUpdated(kind=kind, order=copy(order), fill=fill, time_us=self._time_us))

    def _fill(self, order: Order, match: Match, taker_fee: Amount, maker_fee: Amount) -> None:
        maker, price, quantity = match.maker, match.price, match.quantity
        self._book_events += self._market.take(maker, quantity, self._time_us)
        trade = self._market.record_trade(order, maker, price, quantity, self._time_us)
        is_last = match is self._plan.matches[-1]
        self._execute_on(maker, trade.trade_id, match, maker_fee, is_filled=quantity == maker.remaining)
        self._execute_on(order, trade.trade_id, match, taker_fee, is_filled=is_last and self._plan.is_complete)
        self._order_events.append(TradePrinted(symbol=self._market.symbol, trade=trade))

    def _execute_on(self, order: Order, trade_id: int, match: Match, fee: Amount, *, is_filled: bool) -> None:
        order.executed_quantity += match.quantity
        order.executed_quote_quantity += match.quantity * match.price
        order.status = OrderStatus.FILLED if is_filled else OrderStatus.PARTIALLY_FILLED
        account = self._exchange.accounts.get(order.account_id)
        assert account is not None
        if is_filled:
            account.open_orders.pop(order.order_id, None)
        fill = Fill(
            trade_id=trade_id,
            order_id=order.order_id,
            client_id=order.client_id,
            symbol=order.symbol,
            side=order.side,
            price=match.price,
            quantity=match.quantity,
            fee=fee[1],
            fee_symbol=fee[0],
            is_maker=order is match.maker,
            time_us=self._time_us,
        )
        account.remember_fill(fill)
        self._tell(OrderEvent.FILL, order, fill)

    def _expire_maker(self, maker: Order) -> None:
        reason = ExpiryReason.SELF_TRADE_PREVENTION
        self._book_events += self._exchange.end_resting(maker, OrderStatus.EXPIRED, reason, self._time_us)
        self._tell(OrderEvent.EXPIRED, maker)

    def _end_or_rest(self, order: Order) -> None:
        reason = self._expiry_reason
        if reason is not None:
            order.status = OrderStatus.EXPIRED
            order.expiry_reason = reason
            self._tell(OrderEvent.EXPIRED, order)
            return
        self._account.open_orders[order.order_id] = order
        self._book_events += self._market.rest(order, self._time_us)
