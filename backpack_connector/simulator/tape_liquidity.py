"""Show the liquidity of a tape in one market's book, and let users' orders trade with it.

Rule 1: what the tape says about a level is absolute. Whatever users took from it, the next word of the tape about this
        level makes it what it was on the tape; the tape knows nothing of them.
Rule 2: a user's order waits behind what the tape had at its price when it came. What the tape adds later is behind it.
        A trade on the tape takes from the front; what else disappears is taken from the back, so that nobody moves
        forward by cancels of which the tape does not say whose they were.
Rule 3: a trade on the tape fills users' orders at better prices first, at their prices, and then at its own price in
        their turn. The rest is printed as the tape's own trade, which moves no money.
Rule 4: a level of the tape that reaches a user's order on the other side trades with it, at the user's price.
Rule 5: the tape's account pays for what users trade with it; it has whatever it needs.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal, localcontext

from backpack_connector.protocol.enums import MarketType, OrderStatus, OrderType, Side, TimeInForce

from .accounts import Account
from .engine import Exchange
from .events import Event, Execution, TradePrinted
from .ledger import EXACT
from .matching import Match, Plan
from .orders import ZERO, NewOrder, Order, order_of
from .traded_market import TradedMarket

TAPE_ACCOUNT = "tape"
_DEPOSIT = Decimal(10**12)

Levels = Iterable[tuple[Side, Decimal, Decimal]]
"""(side, price, quantity)."""


class TapeLiquidity:
    """What of one market's book is the tape's."""

    def __init__(self, exchange: Exchange, market: TradedMarket) -> None:
        self._exchange = exchange
        self._market = market
        self._told_us: dict[tuple[Side, Decimal], int] = {}
        """When on the tape each of its levels was last told."""

    @property
    def _account(self) -> Account:
        accounts = self._exchange.accounts
        account = accounts.get(TAPE_ACCOUNT)
        return account or accounts.open_background(TAPE_ACCOUNT, self._exchange.clock_us(), {})

    def replace(self, levels: Levels, told_us: int) -> Iterator[Execution]:
        """Make the tape's part of the book exactly these levels, which it showed at a time of its own."""
        wanted = {(side, price): quantity for side, price, quantity in levels}
        gone = [
            (side, level.price, ZERO)
            for side in Side
            for level in self._market.book.side(side).from_best()
            if (side, level.price) not in wanted
        ]
        yield from self.update([*gone, *((*key, quantity) for key, quantity in wanted.items())], told_us)

    def update(self, levels: Levels, told_us: int) -> Iterator[Execution]:
        """Take changed levels over, smaller ones first, so that the book is at no moment crossed."""
        growing = []
        with localcontext(EXACT):
            events: list[Event] = []
            for side, price, quantity in levels:
                missing = quantity - self._quantity_at(side, price)
                if quantity:
                    self._told_us[side, price] = told_us
                else:
                    self._told_us.pop((side, price), None)
                if missing < 0:
                    events += self._shrink(side, price, -missing)
                elif missing:
                    growing.append((side, price, missing))
            if events:
                yield Execution((), tuple(events))
            for side, price, missing in growing:
                yield from self._arrive(side, price, missing)

    def trade(self, price: Decimal, quantity: Decimal, maker_side: Side, traded_us: int) -> Iterator[Execution]:
        """Repeat a trade of the tape, which happened there at `traded_us`."""
        with localcontext(EXACT):
            plan, queued = self._turns(price, quantity, maker_side)
            if plan.matches:
                yield self._meet(maker_side.opposite, plan)
            rest = quantity - plan.quantity
            if not rest:
                return
            events: list[Event] = self._take_front(maker_side, price, queued)
            # What the tape told later than this trade already counts it in.
            if queued and traded_us <= self._told_us.get((maker_side, price), -1):
                events += self._grow(maker_side, price, queued)
            events.append(self._print(price, rest, maker_side))
            yield self._exchange.triggers.follow(Execution((), tuple(events)))

    def _turns(self, price: Decimal, quantity: Decimal, side: Side) -> tuple[Plan, Decimal]:
        """Return which users' orders a trade fills, and how much of it the tape's own orders before them get."""
        plan, queued, left = Plan(matches=[], is_complete=True), ZERO, quantity
        for level in self._market.book.side(side).from_best():
            if level.price < price if side is Side.BID else level.price > price:
                break
            for order in level.orders.values():
                if order.account_id != TAPE_ACCOUNT:
                    part = min(left, self._exchange.offered(order, plan))
                    if part > 0:
                        plan.matches.append(Match(order, part))
                elif level.price == price:
                    part = min(left, order.remaining)
                    queued += part
                else:
                    continue
                left -= part
                if not left:
                    return plan, queued
        return plan, queued

    def _tapes_orders(self, side: Side, price: Decimal) -> list[Order]:
        level = self._market.book.side(side).level(price)
        orders = () if level is None else level.orders.values()
        return [order for order in orders if order.account_id == TAPE_ACCOUNT]

    def _quantity_at(self, side: Side, price: Decimal) -> Decimal:
        return sum((order.remaining for order in self._tapes_orders(side, price)), ZERO)

    def _shrink(self, side: Side, price: Decimal, quantity: Decimal) -> list[Event]:
        return self._take(list(reversed(self._tapes_orders(side, price))), quantity)

    def _take_front(self, side: Side, price: Decimal, quantity: Decimal) -> list[Event]:
        return self._take(self._tapes_orders(side, price), quantity)

    def _take(self, orders: list[Order], quantity: Decimal) -> list[Event]:
        events: list[Event] = []
        for order in orders:
            part = min(quantity, order.remaining)
            if not part:
                break
            self._hold(order, -part)
            events += self._market.take(order, part, self._exchange.now_us())
            assert order.quantity is not None
            order.quantity -= part
            quantity -= part
            if not order.remaining:
                order.status = OrderStatus.CANCELLED
                del self._account.open_orders[order.order_id]
        return events

    def _arrive(self, side: Side, price: Decimal, quantity: Decimal) -> Iterator[Execution]:
        """Let liquidity come in: it trades with users in its way, and the rest is shown."""
        crossed = list(self._in_the_way(side, price))
        plan, left = Plan(matches=[], is_complete=True), quantity
        for order in crossed:
            if order.account_id != TAPE_ACCOUNT and (part := min(left, self._exchange.offered(order, plan))) > 0:
                plan.matches.append(Match(order, part))
                left -= part
        # A tape that stands in its own way has missed something; what it says last counts.
        own = [order for order in crossed if order.account_id == TAPE_ACCOUNT]
        events: list[Event] = [event for order in own for event in self._take([order], order.remaining)]
        if events:
            yield Execution((), tuple(events))
        if plan.matches:
            yield self._meet(side, plan)
        if left:
            yield Execution((), tuple(self._grow(side, price, left)))

    def _in_the_way(self, side: Side, price: Decimal) -> Iterator[Order]:
        """Walk the orders that an order of a side at a price would meet."""
        for level in self._market.book.side(side.opposite).from_best():
            if level.price > price if side is Side.BID else level.price < price:
                return
            yield from level.orders.values()

    def _meet(self, side: Side, plan: Plan) -> Execution:
        """Trade with users' orders, each at its own price."""
        prices = [match.price for match in plan.matches]
        request = self._request(side, max(prices) if side is Side.BID else min(prices), plan.quantity)
        assert request.price is not None
        self._fund(side, request.price, plan.quantity)
        return self._exchange.meet(self._account.account_id, request, plan)

    def _grow(self, side: Side, price: Decimal, quantity: Decimal) -> list[Event]:
        level = self._market.book.side(side).level(price)
        last = None if level is None else next(reversed(level.orders.values()))
        if last is not None and last.account_id == TAPE_ACCOUNT:
            self._hold(last, quantity)
            events = self._market.grow(last, quantity, self._exchange.now_us())
            assert last.quantity is not None
            last.quantity += quantity
            return events
        order = self._order(self._request(side, price, quantity))
        self._hold(order, quantity)
        self._account.open_orders[order.order_id] = order
        return self._market.rest(order, self._exchange.now_us())

    def _request(self, side: Side, price: Decimal, quantity: Decimal) -> NewOrder:
        return NewOrder(
            symbol=self._market.symbol,
            side=side,
            order_type=OrderType.LIMIT,
            price=price,
            quantity=quantity,
            time_in_force=TimeInForce.GTC,
        )

    def _order(self, request: NewOrder) -> Order:
        return order_of(
            request,
            order_id=self._exchange.next_order_id(),
            account_id=TAPE_ACCOUNT,
            time_us=self._exchange.now_us(),
            quote_quantity=ZERO,
        )

    def _hold(self, order: Order, quantity: Decimal) -> None:
        """Lock what a spot order may cost, or give it back; perpetual orders hold nothing."""
        instrument = self._market.instrument
        if instrument.market_type is not MarketType.SPOT:
            return
        assert order.price is not None
        asset = instrument.base if order.side is Side.ASK else instrument.quote
        amount = quantity if order.side is Side.ASK else quantity * order.price
        if amount > 0:
            self._fund(order.side, order.price, quantity)
        change = self._exchange.ledger.change()
        if amount > 0:
            change.hold(TAPE_ACCOUNT, asset, amount)
        else:
            change.release(TAPE_ACCOUNT, asset, -amount)
        self._exchange.ledger.commit(change)

    def _fund(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Give the tape's account what an order may cost, if it does not have it."""
        instrument, ledger = self._market.instrument, self._exchange.ledger
        is_base = side is Side.ASK and instrument.market_type is MarketType.SPOT
        asset = instrument.base if is_base else instrument.quote
        most = quantity * max(price, Decimal(1))
        if ledger.balance(TAPE_ACCOUNT, asset).available < most:
            ledger.deposit(TAPE_ACCOUNT, asset, most + _DEPOSIT)

    def _print(self, price: Decimal, quantity: Decimal, maker_side: Side) -> TradePrinted:
        """Print a trade between two orders of the tape."""
        maker = self._order(self._request(maker_side, price, quantity))
        taker = self._order(self._request(maker_side.opposite, price, quantity))
        trade = self._market.record_trade(taker, maker, price, quantity, self._exchange.now_us())
        return TradePrinted(symbol=self._market.symbol, trade=trade)
