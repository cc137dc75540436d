"""Carry out one order on its way in: pay, check the margin, match, then rest or expire what remains."""

from copy import copy
from decimal import Decimal
from typing import TYPE_CHECKING

from backpack_connector.protocol.enums import ExpiryReason, OrderEvent, OrderStatus, OrderType, Side, TimeInForce
from backpack_connector.protocol.errors import ErrorCode

from .accounts import Account
from .clearing import LIQUIDATION_FEE_RATE, Amount, Clearing, Deal, quote_quantity_of
from .events import Event, Execution, OrderUpdated, TradePrinted
from .ledger import Change, InsufficientBalance
from .lending_positions import LoanSource
from .matching import Match, Plan
from .orders import NO_SPOT_MARGIN, ZERO, Fill, NewOrder, Order, SpotMargin, SystemCause, order_of
from .refusals import Refusal
from .traded_market import TradedMarket

if TYPE_CHECKING:
    from .engine import Exchange


class Placement:
    """One order on its way in: pay, then carry out the plan."""

    def __init__(
        self,
        exchange: "Exchange",
        market: TradedMarket,
        clearing: Clearing,
        account: Account,
        request: NewOrder,
        plan: Plan,
        *,
        waiting: Order | None = None,
        cause: SystemCause | None = None,
    ) -> None:
        self._exchange = exchange
        self._market = market
        self._clearing = clearing
        self._account = account
        self._request = request
        self._plan = plan
        self._waiting = waiting
        """The trigger order that becomes this order, or None."""
        self._cause = cause
        self._order_id: str | None = None
        """See `_own_order_id`."""
        self._time_us = exchange.now_us()
        self._order_events: list[Event] = []
        self._book_events: list[Event] = []

    def execute(self) -> Execution:
        """Pay for the order and match it.

        Raises:   Refusal with INSUFFICIENT_FUNDS or INSUFFICIENT_MARGIN, with nothing changed.
        """
        change, fees = self._pay()
        self._check_margin(change)
        balances = self._exchange.commit(change, self._time_us)
        order = self._accept()
        for match, (taker_fee, maker_fee) in zip(self._plan.matches, fees, strict=True):
            self._fill(order, match, taker_fee, maker_fee)
        for maker in self._plan.removed_makers:
            self._expire_maker(maker)
        if not self._plan.is_complete:
            self._end_or_rest(order)
        self._shrink_reduce_only()
        positions = self._exchange.position_events(change, self._time_us)
        return Execution((copy(order),), (*self._order_events, *self._book_events, *balances, *positions))

    def _pay(self) -> tuple[Change, list[tuple[Amount, Amount]]]:
        instrument, request, plan = self._market.instrument, self._request, self._plan
        account_id = self._account.account_id
        change = self._exchange.ledger.change()
        asset, reserved = self._clearing.reserve(instrument, request, plan)
        borrowed = self._fund(change, asset, reserved) if request.uses_spot_margin else ZERO
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
                    change,
                    Deal(
                        instrument=instrument,
                        taker=self._account,
                        taker_side=request.side,
                        maker=maker_account,
                        price=match.price,
                        quantity=match.quantity,
                        time_us=self._time_us,
                        liquidation_rate=ZERO if self._cause is None else LIQUIDATION_FEE_RATE,
                    ),
                )
            )
            reserved -= self._clearing.cost(instrument, request.side, match.price, match.quantity)[1]
        for maker in plan.removed_makers:
            self._exchange.release_hold(change, maker)
        if self._rests:
            assert request.price is not None
            reserved -= self._clearing.hold(instrument, request.side, request.price, self._resting_quantity)[1]
        if reserved:
            change.release(account_id, asset, reserved)
        if borrowed:
            self._absorb(change, account_id, asset, min(reserved, borrowed), SpotMargin(auto_borrow_repay=True))
        self._absorb_fills(change, fees)
        return change, fees

    def _fund(self, change: Change, asset: str, needed: Decimal) -> Decimal:
        """Redeem and borrow what is missing, as the order allows; return what was borrowed.

        It happens when the order is accepted, also for one that rests, because orders hold what they may cost. When on
        the exchange it happens is not known.
        """
        return self._exchange.lending.fund(
            change,
            self._account.account_id,
            asset,
            needed,
            redeems=self._request.spot_margin.auto_lend_redeem,
            borrows=self._request.spot_margin.auto_borrow,
            source=LoanSource.SPOT_MARGIN,
            time_us=self._time_us,
            order_id=self._own_order_id(),
        )

    def _absorb_fills(self, change: Change, fees: list[tuple[Amount, Amount]]) -> None:
        """Lend what fills bring, or repay with it, on both sides and as each order asks for."""
        request = self._request
        for match, (taker_fee, maker_fee) in zip(self._plan.matches, fees, strict=True):
            if request.uses_spot_margin:
                received = self._received(request.side, match, taker_fee)
                self._absorb(change, self._account.account_id, taker_fee[0], received, request.spot_margin)
            maker = match.maker
            if maker.spot_margin != NO_SPOT_MARGIN:
                received = self._received(maker.side, match, maker_fee)
                self._absorb(change, maker.account_id, maker_fee[0], received, maker.spot_margin, maker.order_id)

    def _received(self, side: Side, match: Match, fee: Amount) -> Decimal:
        return (match.quantity if side is Side.BID else match.price * match.quantity) - fee[1]

    def _absorb(
        self,
        change: Change,
        account_id: str,
        asset: str,
        received: Decimal,
        spot_margin: SpotMargin,
        order_id: str | None = None,
    ) -> None:
        self._exchange.lending.absorb(
            change,
            account_id,
            asset,
            received,
            lends=spot_margin.auto_lend,
            repays=spot_margin.auto_borrow_repay,
            source=LoanSource.SPOT_MARGIN,
            time_us=self._time_us,
            order_id=self._own_order_id() if order_id is None else order_id,
        )

    def _own_order_id(self) -> str:
        """Return the id that the order will have, or has because it waited."""
        if self._order_id is None:
            self._order_id = self._exchange.next_order_id() if self._waiting is None else self._waiting.order_id
        return self._order_id

    def _check_margin(self, change: Change) -> None:
        """Refuse an order that leaves too little margin when all of it is done, or too large a position.

        An order that does not increase the risk is always taken: one in a perpetual market that does not increase the
        exposure there, one in a spot market that does not lower the available margin (it may lock or sell collateral).
        Background accounts have more than they could ever need.
        """
        account, symbol, risk = self._account, self._market.symbol, self._exchange.risk
        if account.is_background or self._request.reduce_only or self._cause is not None:
            return
        is_perpetual = risk.has_positions_in(symbol)
        if not is_perpetual and not change.loans.rows and not risk.has_risk(account):
            return
        removed = {maker.order_id for maker in self._plan.removed_makers}
        kept = [order for order in account.open_orders.values() if order.order_id not in removed]
        resting = [(symbol, self._request.side, self._resting_quantity)] if is_perpetual else []
        after = risk.margin(account, change=change, open_quantities=[*risk.open_quantities(kept), *resting])
        has_room = not is_perpetual or risk.has_room_for(symbol, after.exposure_quantity(symbol))
        if after.available >= 0 and has_room:
            return
        before = risk.margin(account)
        if is_perpetual:
            is_riskier = after.exposure_quantity(symbol) > before.exposure_quantity(symbol)
        else:
            is_riskier = after.available < before.available
        if is_riskier and after.available < 0:
            raise Refusal(ErrorCode.INSUFFICIENT_MARGIN, "Insufficient margin")
        if is_riskier:
            raise Refusal(ErrorCode.POSITION_LIMIT, "Position limit exceeded")

    @property
    def _resting_quantity(self) -> Decimal:
        request = self._request
        return request.quantity - self._plan.quantity if self._rests and request.quantity is not None else ZERO

    def _shrink_reduce_only(self) -> None:
        """Let positions that have shrunk take their resting reduce-only orders along."""
        symbol, makers = self._market.symbol, [match.maker.account_id for match in self._plan.matches]
        for account_id in dict.fromkeys([self._account.account_id, *makers]) if makers else ():
            order_events, book_events = self._exchange.shrink_reduce_only(account_id, symbol, self._time_us)
            self._order_events += order_events
            self._book_events += book_events

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
        quote_quantity = quote_quantity_of(request, self._plan, self._market.instrument.tick_size)
        order = self._waiting
        if order is None:
            order = order_of(
                request,
                order_id=self._own_order_id(),
                account_id=self._account.account_id,
                time_us=self._time_us,
                quote_quantity=quote_quantity,
            )
        else:
            order.fire(request, quote_quantity, self._time_us)
        order.cause = self._cause
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
            system_order_type=None if order.cause is None else order.cause.order_type,
            strategy_id=order.strategy_id,
        )
        self._order_events.append(self._exchange.record_fill(order, fill, is_filled=is_filled))

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
