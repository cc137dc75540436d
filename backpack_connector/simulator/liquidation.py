"""Close the positions of accounts whose maintenance margin has reached their net equity.

One step a second and account, until the account is safe or flat:
1. All its orders are expired, and it can place none.
2. A market order for about a tenth of each position goes to the book.
3. What the book does not take goes to a backstop provider, and everything does once half of the maintenance margin is
   gone.
4. What the backstop provider has no room for goes to the accounts with the most profitable opposite positions (ADL).
5. If that is not enough, or there are no positions, debts are repaid (lending_unwinding.py).

A liquidated account pays 1 % of each such fill. Steps 3 and 4 happen at the mark price and cost the other side no fee.
What an account then owes and cannot pay stays as a claim of the clearing house.
Source: API §5.5 (stages, fee). Choices of the simulator: the threshold of step 3 (the exchange's constants are not
published), the mark price, and a backstop provider of limited size.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from backpack_connector.protocol.enums import (
    ExpiryReason,
    OrderBookState,
    OrderEvent,
    OrderOrigin,
    OrderType,
    SystemOrderType,
)

from .accounts import Account
from .clearing import LIQUIDATION_FEE_RATE, Amount, Deal, PerpetualClearing
from .clock import s_from_us
from .events import Event, Execution, Liquidated, OrderUpdated, TradePrinted
from .ledger import EXACT, SETTLEMENT_ASSET
from .orders import ZERO, Fill, NewOrder, Order, SystemCause, order_of
from .positions import SHOWN, Position
from .refusals import Refusal
from .risk import closing_side

if TYPE_CHECKING:
    from .engine import Exchange

BACKSTOP_ACCOUNT = "backstop-provider"
_BACKSTOP_DEPOSIT = Decimal(10**9)
DEFAULT_BACKSTOP_CAPACITY = Decimal("1000000")
"""USDC of notional."""
_STEPS = 10
_BACKSTOP_BELOW = Decimal("0.5")
"""Of the maintenance margin."""

ON_BOOK = SystemCause(OrderOrigin.LIQUIDATION, SystemOrderType.LIQUIDATE_ON_BOOK)
ON_BACKSTOP = SystemCause(OrderOrigin.BACKSTOP, SystemOrderType.LIQUIDATE_ON_BACKSTOP)
ON_ADL = SystemCause(OrderOrigin.ADL, SystemOrderType.LIQUIDATE_ON_ADL)


class Liquidations:
    """The part of the exchange that liquidates."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self._clearing = PerpetualClearing()
        self._last_s = 0
        self._steps: dict[str, dict[str, Decimal]] = {}
        """Base units that one step closes, per account and symbol."""
        self.backstop_capacity = DEFAULT_BACKSTOP_CAPACITY

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Take the next step with every account that is liquidated, and find new ones."""
        if s_from_us(now_us) <= self._last_s:
            return
        self._last_s = s_from_us(now_us)
        for account in list(self._exchange.accounts):
            if account.is_liquidating or self._is_due(account):
                for execution in self._step(account):
                    yield self._exchange.triggers.follow(execution)

    def _is_due(self, account: Account) -> bool:
        if account.is_background or not self._exchange.risk.has_risk(account):
            return False
        return self._exchange.risk.margin(account).is_liquidatable

    def _step(self, account: Account) -> Iterator[Execution]:
        account_id, positions = account.account_id, self._exchange.ledger.positions(account.account_id)
        if not account.is_liquidating:
            account.is_liquidating = True
            self._steps[account_id] = {symbol: self._step_quantity(row) for symbol, row in positions.items()}
            yield self._exchange.expire_all(account_id, ExpiryReason.LIQUIDATION)
        for symbol in positions:
            margin = self._exchange.risk.margin(account)
            if not margin.is_liquidatable:
                break
            is_late = margin.net_equity < margin.maintenance_margin * _BACKSTOP_BELOW
            yield from self._close(account, symbol, is_late=is_late)
        if self._exchange.ledger.loans.has_debts(account_id):
            yield from self._exchange.unwinding.step(account)
        if not self._exchange.risk.margin(account).is_liquidatable:
            account.is_liquidating = False
            del self._steps[account_id]

    def close_out(self, account: Account, symbol: str) -> Iterator[Execution]:
        """Expire an account's orders and close a whole position, whatever the margin says; for faults (faults_acts)."""
        yield self._exchange.triggers.follow(self._exchange.expire_all(account.account_id, ExpiryReason.LIQUIDATION))
        position = self._exchange.ledger.position(account.account_id, symbol)
        assert position is not None
        self._steps[account.account_id] = {**self._steps.get(account.account_id, {}), symbol: abs(position.quantity)}
        for execution in self._close(account, symbol, is_late=False):
            yield self._exchange.triggers.follow(execution)

    def _step_quantity(self, position: Position) -> Decimal:
        instrument = self._exchange.markets[position.symbol].instrument
        tenth = abs(position.quantity) / _STEPS
        return max(instrument.min_quantity, tenth // instrument.step_size * instrument.step_size)

    def _close(self, account: Account, symbol: str, *, is_late: bool) -> Iterator[Execution]:
        """Close a step of a position on the book and hand over what the book left, or hand over all of it."""
        position = self._exchange.ledger.position(account.account_id, symbol)
        assert position is not None
        quantity = abs(position.quantity)
        if not is_late:
            quantity = min(quantity, self._steps[account.account_id][symbol])
            execution = self._on_book(account, position, quantity)
            if execution is not None:
                quantity -= execution.order.executed_quantity
                yield execution
        yield from self._hand_over(account, symbol, quantity)

    def _on_book(self, account: Account, position: Position, quantity: Decimal) -> Execution | None:
        if self._exchange.markets[position.symbol].state is not OrderBookState.OPEN:
            return None
        request = NewOrder(
            symbol=position.symbol,
            side=closing_side(position),
            order_type=OrderType.MARKET,
            quantity=quantity,
            reduce_only=True,
        )
        try:
            execution = self._exchange.force(account.account_id, request, ON_BOOK)
        except Refusal:
            return None
        return Execution(execution.orders, (*execution.events, *_liquidated(execution.events)))

    def _hand_over(self, account: Account, symbol: str, quantity: Decimal) -> Iterator[Execution]:
        """Move a quantity of a position to the backstop provider and then to the winners, as far as they have room."""
        market = self._exchange.markets[symbol]
        room = self._backstop_room() / market.mark_price // market.instrument.step_size * market.instrument.step_size
        part = min(quantity, room)
        if part > 0:
            yield self._transfer(account, self.backstop(), symbol, part, ON_BACKSTOP)
        quantity -= part
        position = self._exchange.ledger.position(account.account_id, symbol)
        for winner, theirs in self._winners(position):
            part = min(quantity, abs(theirs.quantity))
            if not part:
                return
            yield self._transfer(account, winner, symbol, part, ON_ADL)
            quantity -= part

    def backstop(self) -> Account:
        """Return the backstop provider, who is there from the first time on."""
        account = self._exchange.accounts.get(BACKSTOP_ACCOUNT)
        if account is None:
            deposits = {SETTLEMENT_ASSET: _BACKSTOP_DEPOSIT}
            account = self._exchange.accounts.open_background(BACKSTOP_ACCOUNT, self._exchange.now_us(), deposits)
        return account

    def _backstop_room(self) -> Decimal:
        positions = self._exchange.ledger.positions(BACKSTOP_ACCOUNT).values()
        taken = sum((abs(row.quantity) * self._exchange.markets[row.symbol].mark_price for row in positions), ZERO)
        return max(ZERO, self.backstop_capacity - taken)

    def _winners(self, position: Position | None) -> list[tuple[Account, Position]]:
        """Return accounts with opposite positions, the highest profit per notional first."""
        if position is None:
            return []
        mark_price = self._exchange.markets[position.symbol].mark_price
        rows = [
            (self._exchange.open_account(account_id), theirs)
            for account_id, theirs in self._exchange.ledger.holders(position.symbol)
            if (theirs.quantity > 0) != (position.quantity > 0)
        ]

        def profitability(row: tuple[Account, Position]) -> Decimal:
            return SHOWN.divide(row[1].profit(mark_price), abs(row[1].quantity) * mark_price)

        return sorted(rows, key=profitability, reverse=True)

    def _transfer(
        self, account: Account, other: Account, symbol: str, quantity: Decimal, cause: SystemCause
    ) -> Execution:
        """Let another account take over a part of a position at the mark price, off the book."""
        exchange, market = self._exchange, self._exchange.markets[symbol]
        position = exchange.ledger.position(account.account_id, symbol)
        assert position is not None
        with localcontext(EXACT):
            deal = Deal(
                instrument=market.instrument,
                taker=account,
                taker_side=closing_side(position),
                maker=other,
                price=market.mark_price,
                quantity=quantity,
                time_us=exchange.now_us(),
                liquidation_rate=LIQUIDATION_FEE_RATE,
                has_trading_fees=False,
            )
            change = exchange.ledger.change()
            fees = self._clearing.settle(change, deal)
            balances = exchange.commit(change, deal.time_us)
            orders = (self._order(account, deal, cause), self._order(other, deal, cause))
            trade = market.record_trade(*orders, deal.price, quantity, deal.time_us)
            events: list[Event] = []
            for order, fee in zip(orders, fees, strict=True):
                events += self._filled(order, trade.trade_id, deal, fee)
            events.append(TradePrinted(symbol=symbol, trade=trade))
            book_events: list[Event] = []
            for owner in (account, other):
                order_events, levels = exchange.shrink_reduce_only(owner.account_id, symbol, deal.time_us)
                events += order_events
                book_events += levels
            events += [*book_events, *balances, *exchange.position_events(change, deal.time_us)]
            return Execution(tuple(copy(order) for order in orders), (*events, *_liquidated(events)))

    def _filled(self, order: Order, trade_id: int, deal: Deal, fee: Amount) -> list[Event]:
        """Fill a new order whole, and return what there is to tell."""
        accepted = OrderUpdated(kind=OrderEvent.ACCEPTED, order=copy(order), time_us=deal.time_us)
        fill = Fill(
            trade_id=trade_id,
            order_id=order.order_id,
            client_id=None,
            symbol=order.symbol,
            side=order.side,
            price=deal.price,
            quantity=deal.quantity,
            fee=fee[1],
            fee_symbol=fee[0],
            is_maker=order.account_id == deal.maker.account_id,
            time_us=deal.time_us,
            system_order_type=None if order.cause is None else order.cause.order_type,
        )
        return [accepted, self._exchange.record_fill(order, fill, is_filled=True)]

    def _order(self, account: Account, deal: Deal, cause: SystemCause) -> Order:
        request = NewOrder(
            symbol=deal.instrument.symbol,
            side=deal.taker_side if account is deal.taker else deal.taker_side.opposite,
            order_type=OrderType.MARKET,
            quantity=deal.quantity,
        )
        order = order_of(
            request,
            order_id=self._exchange.next_order_id(),
            account_id=account.account_id,
            time_us=deal.time_us,
            quote_quantity=deal.price * deal.quantity,
        )
        order.cause = cause
        account.remember_order(order)
        return order


def _liquidated(events: Iterable[Event]) -> Iterator[Liquidated]:
    """Yield what everybody may know of the fills by which a position was closed."""
    for event in events:
        if isinstance(event, OrderUpdated) and event.fill is not None and event.order.cause is not None:
            fill = event.fill
            if not fill.is_maker:
                yield Liquidated(
                    symbol=fill.symbol, side=fill.side, price=fill.price, quantity=fill.quantity, time_us=fill.time_us
                )
