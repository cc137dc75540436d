"""Run the exchange: accept, match, cancel and expire orders, and return what happened as events.

Rule 1: pure. No I/O, no event loop; the clock is injected, ids count up, chance plays no part.
Rule 2: one command at a time. It is checked, planned and paid for first and carried out last, so that a refused
        command has changed nothing.
Rule 3: every accepted spot order pays a hold before anything else happens to it, and holds always equal what open
        orders may still cost. Perpetual orders hold nothing; they are accepted when the margin allows (placement.py).
Source: API §4 (orders), §5 (filters, fees).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from decimal import Decimal, localcontext
from itertools import count

from msgspec.structs import replace

from backpack_connector.protocol.enums import (
    ExpiryReason,
    MarketType,
    OrderBookState,
    OrderEvent,
    OrderStatus,
    Side,
)
from backpack_connector.protocol.errors import ErrorCode

from .accounts import DEFAULT_FAUCET, Account, Accounts
from .admission import NOT_REDUCED, WOULD_TAKE, check_band, check_order, check_state
from .bands import taker_limits
from .capital import Capital
from .capital_assets import Assets
from .capital_dust import Dust
from .clearing import CLEARING, Clearing
from .clock import Clock, full_hours_us, ms_from_us, s_from_us
from .conditions import check_conditions, slippage_limits
from .events import BalanceChanged, Event, Execution, OrderUpdated, Part, PositionChanged
from .ledger import EXACT, Change, Ledger
from .lending import Lending
from .lending_unwinding import Unwinding
from .limits import Limits
from .liquidation import Liquidations
from .market_prices import MarketPrices, underlyings_of
from .markets import Instrument
from .matching import Plan, plan_matches, would_match
from .orders import ZERO, Fill, NewOrder, Order, SystemCause
from .placement import Placement
from .refusals import Refusal, invalid_order, invalid_request
from .rfq import Rfqs
from .risk import Risk
from .settlement import Settlements
from .strategies import Strategies
from .traded_market import TradedMarket
from .triggers import Triggers
from .vaults import Vaults


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
        underlyings = underlyings_of(instruments)
        self.markets: dict[str, TradedMarket] = {
            row.symbol: TradedMarket(row, first, underlyings[row.base, row.quote], self._last_time_us)
            for row in instruments
        }
        self.ledger = Ledger(first)
        self.risk = Risk(self.ledger, self.markets)
        self.accounts = Accounts(self.ledger, faucet)
        self._clearing = clearing
        self._order_ids = count(first)
        self.prices = MarketPrices(self.markets)
        self.triggers = Triggers(self)
        self.lending = Lending(self)
        self.unwinding = Unwinding(self)
        self.limits = Limits(self)
        self.liquidations = Liquidations(self)
        self.strategies = Strategies(self)
        self.rfqs = Rfqs(self)
        self.parts: list[Part] = [self.prices, self.triggers, Settlements(self), self.lending, self.liquidations]
        """What happens by itself, in this order: prices, triggers, settlement and funding, lending, liquidation."""
        # Last come the acts of users that time drives: strategies send slices, requests for quotes expire.
        self.parts += [self.strategies, self.rfqs]
        # Ids of money that comes and goes have 32 bits.
        first_of_capital = s_from_us(self._last_time_us) if first_id is None else first_id
        self.capital = Capital(self, Assets(instruments), first_of_capital)
        self.dust = Dust(self, first)
        self.vaults = Vaults(self, first, self._last_time_us)
        self.parts += [self.capital, self.vaults]
        self._last_second_us = self._last_time_us

    def now_us(self) -> int:
        """Return the engine's time: the clock, but strictly increasing."""
        self._last_time_us = max(self._clock(), self._last_time_us + 1)
        return self._last_time_us

    def clock_us(self) -> int:
        """Return the time of the clock, for answers that change nothing."""
        return self._clock()

    def open_account(self, account_id: str) -> Account:
        """Return an account, opening it with faucet money at the first call."""
        return self.accounts.open(account_id, self._clock())

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Let every part do what is due, and say what happened. The caller reads it to the end.

        To be called each second; more often does no harm. At a full hour all parts are called for exactly that
        instant, and after a pause (a laptop that slept, a clock that was advanced) for each full hour that has passed
        and then for now. So each hour's funding happens once and in order. The seconds between are skipped: no price
        steps, no settlements, no liquidation steps.
        """
        instants = full_hours_us(self._last_second_us, now_us)
        self._last_second_us = max(self._last_second_us, now_us)
        for instant_us in [*instants, now_us] if now_us not in instants else instants:
            for part in self.parts:
                yield from part.on_second(instant_us)

    def open_interest(self, symbol: str) -> Decimal:
        """Return the base quantity that all positions of one side add up to."""
        return self.risk.open_interest(symbol)

    def net_quantity(self, account_id: str, symbol: str) -> Decimal:
        """Return an account's position in base units: negative = short, zero = none."""
        position = self.ledger.position(account_id, symbol)
        return ZERO if position is None else position.quantity

    def set_leverage_limit(self, account_id: str, leverage_limit: Decimal) -> None:
        """Change an account's leverage limit, which holds for all its markets (API §2.3, account).

        Raises:   Refusal with INSUFFICIENT_MARGIN when what is open needs more leverage.
        """
        account = self.open_account(account_id)
        if leverage_limit < account.leverage_limit:
            margin = self.risk.margin(account, leverage_limit=leverage_limit)
            if margin.exposure and margin.available < 0:
                text = "Leverage limit is too low for open positions and orders"
                raise Refusal(ErrorCode.INSUFFICIENT_MARGIN, text)
        account.leverage_limit = leverage_limit

    def set_market_state(self, symbol: str, state: OrderBookState) -> None:
        """Change what a market accepts; resting orders stay."""
        self.markets[symbol].state = state

    def place(self, account_id: str, request: NewOrder) -> Execution:
        """Accept an order, and match it unless it waits for a trigger; the trades may fire orders that do.

        Raises:   Refusal, with nothing changed.
        """
        with localcontext(EXACT):
            market, _ = self._market_for(request)
            check_conditions(request, market.instrument)
            if request.trigger is None:
                return self.triggers.follow(self.match(account_id, request))
            account = self.open_account(account_id)
            self._check_open(market, request, account)
            return self.triggers.accept(account, market, request)

    def match(self, account_id: str, request: NewOrder, waiting: Order | None = None) -> Execution:
        """Accept an order and match it; a trigger order that has fired goes on as the order that it was.

        Raises:   Refusal, with nothing changed.
        """
        with localcontext(EXACT):
            market, clearing = self._market_for(request)
            account = self.open_account(account_id)
            self._check(market, request, account)
            request, plan = self._plan(market, self._cut_to_position(request, account), account)
            return Placement(self, market, clearing, account, request, plan, waiting=waiting).execute()

    def meet(self, account_id: str, request: NewOrder, plan: Plan) -> Execution:
        """Match an order of a background account with the orders that a plan names; what it fires follows."""
        with localcontext(EXACT):
            market, clearing = self._market_for(request)
            account = self.open_account(account_id)
            return self.triggers.follow(Placement(self, market, clearing, account, request, plan).execute())

    def force(self, account_id: str, request: NewOrder, cause: SystemCause) -> Execution:
        """Match an order of the exchange's own for an account: a reduce-only market order.

        Raises:   Refusal when nobody is there to match it, with nothing changed.
        """
        with localcontext(EXACT):
            market, clearing = self._market_for(request)
            account = self.open_account(account_id)
            request, plan = self._plan(market, self._cut_to_position(request, account), account)
            return Placement(self, market, clearing, account, request, plan, cause=cause).execute()

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

    def _check_open(self, market: TradedMarket, request: NewOrder, account: Account) -> None:
        if account.is_liquidating:
            raise Refusal(ErrorCode.ACCOUNT_LIQUIDATING, "Account is being liquidated")
        check_state(request, market.state)

    def _check(self, market: TradedMarket, request: NewOrder, account: Account) -> None:
        self._check_open(market, request, account)
        check_order(request, market.instrument)
        check_band(request, market.instrument, market.book, market.last_price)

    def _cut_to_position(self, request: NewOrder, account: Account) -> NewOrder:
        """Return a reduce-only order for no more than it may reduce, any other as it is. Source: API §4.1, §4.4."""
        if not request.reduce_only:
            return request
        reducible = self.risk.reducible(account, request.symbol, request.side)
        if not reducible:
            raise invalid_order(NOT_REDUCED, reason=ExpiryReason.REDUCE_ONLY_NOT_REDUCED)
        return request if request.quantity is None else replace(request, quantity=min(request.quantity, reducible))

    def _plan(self, market: TradedMarket, request: NewOrder, account: Account) -> tuple[NewOrder, Plan]:
        """Return what an order will do; a reduce-only order by quote quantity is cut now that its base is known."""
        posts_only = request.post_only or market.state is OrderBookState.POST_ONLY
        if posts_only and would_match(market.book, request):
            raise invalid_order(WOULD_TAKE, reason=ExpiryReason.POST_ONLY_TAKER)
        if not request.is_limit and not would_match(market.book, request):
            raise invalid_order("No liquidity for market order", reason=ExpiryReason.INSUFFICIENT_LIQUIDITY)
        plan = self._matches(market, request, account)
        if request.quote_quantity is not None:
            if plan.is_complete and not plan.matches:
                raise invalid_request("Quantity is below the minimum allowed value")
            reducible = self.risk.reducible(account, request.symbol, request.side)
            if request.reduce_only and plan.quantity > reducible:
                request = replace(request, quantity=reducible, quote_quantity=None)
                plan = self._matches(market, request, account)
        return request, plan

    def _matches(self, market: TradedMarket, request: NewOrder, account: Account) -> Plan:
        limits = [*taker_limits(market, request.side), *slippage_limits(market.book, request, market.instrument)]
        return plan_matches(market.book, market.instrument, request, account.account_id, limits, self.offered)

    def offered(self, maker: Order, plan: Plan) -> Decimal:
        """Return how much of a resting order can trade after the matches so far: reduce-only orders never flip."""
        if not maker.reduce_only:
            return maker.remaining
        position = self.net_quantity(maker.account_id, maker.symbol)
        for match in plan.matches:
            if match.maker.account_id == maker.account_id:
                position += match.quantity if maker.side is Side.BID else -match.quantity
        return min(maker.remaining, max(ZERO, position if maker.side is Side.ASK else -position))

    def cancel(
        self, account_id: str, symbol: str, *, order_id: str | None = None, client_id: int | None = None
    ) -> Execution:
        """Cancel one order that rests or waits for its trigger.

        Raises:   Refusal with INVALID_CLIENT_REQUEST when there is none. Source: API §4.4, §6 conflict 10.
        """
        account = self.open_account(account_id)
        order = account.open_order(symbol, order_id, client_id)
        if order is None:
            raise invalid_request("Order not found")
        return self._cancel([order])

    def cancel_all(self, account_id: str, symbol: str, *, conditional: bool | None = None) -> Execution:
        """Cancel all orders of an account in one market: resting ones, then those that wait for a trigger.

        With `conditional` only those that wait (True) or that rest (False).

        Raises:   Refusal when there is no such market.
        """
        if symbol not in self.markets:
            raise invalid_request("Invalid market symbol")
        account = self.open_account(account_id)
        orders = [order for order in account.all_open_orders if order.symbol == symbol]
        return self._cancel([order for order in orders if conditional in (None, order.awaits_trigger)])

    def expire_all(self, account_id: str, reason: ExpiryReason) -> Execution:
        """End all orders of an account in all markets, because the exchange wants to."""
        return self._end_all(self.open_account(account_id).all_open_orders, OrderEvent.EXPIRED, reason)

    def _cancel(self, orders: list[Order]) -> Execution:
        return self._end_all(orders, OrderEvent.CANCELLED, None)

    def _end_all(self, orders: Iterable[Order], kind: OrderEvent, reason: ExpiryReason | None) -> Execution:
        orders = list(orders)
        status = OrderStatus.CANCELLED if reason is None else OrderStatus.EXPIRED
        with localcontext(EXACT):
            time_us = self.now_us()
            change = self.ledger.change()
            for order in orders:
                if not order.awaits_trigger:
                    self.release_hold(change, order)
            balances = self.commit(change, time_us)
            order_events: list[Event] = []
            book_events: list[Event] = []
            for order in orders:
                book_events += self.end_resting(order, status, reason, time_us)
                order_events.append(OrderUpdated(kind=kind, order=copy(order), time_us=time_us))
            return Execution(tuple(copy(order) for order in orders), (*order_events, *book_events, *balances))

    def release_hold(self, change: Change, order: Order) -> None:
        """Add to a change that a resting order gives back what it holds."""
        assert order.price is not None
        instrument = self.markets[order.symbol].instrument
        clearing = self._clearing[instrument.market_type]
        asset, amount = clearing.hold(instrument, order.side, order.price, order.remaining)
        change.release(order.account_id, asset, amount)

    def commit(self, change: Change, time_us: int) -> list[Event]:
        """Apply a change, keep its history, and return the events of the balances."""
        arrived = self.lending.arrivals(change)
        rows = self.ledger.commit(change)
        self.lending.note(arrived)
        for account_id, row in change.loans.history:
            if (account := self.accounts.get(account_id)) is not None and not account.is_background:
                account.remember_lending(row)
        for posting in change.postings:
            self.open_account(posting.account_id).remember_posting(posting, time_us)
        for account_id, position in change.closed:
            mark_price = self.markets[position.symbol].mark_price
            self.open_account(account_id).remember_closed(position, mark_price, time_us)
        return [
            BalanceChanged(
                account_id=account_id,
                asset=asset,
                available=balance.available,
                locked=balance.locked,
                time_us=time_us,
            )
            for account_id, asset, balance in rows
        ]

    def position_events(self, change: Change, time_us: int) -> list[Event]:
        """Return what a committed change made of positions, to be called when all orders have their new state."""
        return [
            PositionChanged(
                account_id=move.account_id,
                kind=move.kind,
                position=self.risk.view(account, move.position),
                time_us=time_us,
            )
            for move in change.moves
            if (account := self.accounts.get(move.account_id)) is not None and not account.is_background
        ]

    def record_fill(self, order: Order, fill: Fill, *, is_filled: bool) -> OrderUpdated:
        """Book a fill on its order and its account, and return the event."""
        order.executed_quantity += fill.quantity
        order.executed_quote_quantity += fill.quantity * fill.price
        order.status = OrderStatus.FILLED if is_filled else OrderStatus.PARTIALLY_FILLED
        account = self.open_account(order.account_id)
        if is_filled:
            account.open_orders.pop(order.order_id, None)
        account.remember_fill(fill)
        return OrderUpdated(kind=OrderEvent.FILL, order=copy(order), fill=fill, time_us=fill.time_us)

    def settle(self, change: Change) -> Execution:
        """Apply a change that no order made, and say what it moved."""
        time_us = self.now_us()
        return Execution((), (*self.commit(change, time_us), *self.position_events(change, time_us)))

    def shrink_reduce_only(self, account_id: str, symbol: str, time_us: int) -> tuple[list[Event], list[Event]]:
        """Shrink resting reduce-only orders that could flip the position; return the orders' and the book's events.

        Source:   API §3.4 (orderModified), §4.1; shrunk to nothing they expire (inferred from the expiry reason).
        """
        account = self.open_account(account_id)
        order_events: list[Event] = []
        book_events: list[Event] = []
        for order, surplus in self.risk.surplus(account, symbol):
            assert order.quantity is not None
            assert order.price is not None
            if surplus == order.remaining:
                reason = ExpiryReason.REDUCE_ONLY_NOT_REDUCED
                book_events += self.end_resting(order, OrderStatus.EXPIRED, reason, time_us)
                kind = OrderEvent.EXPIRED
            else:
                book_events += self.markets[symbol].take(order, surplus, time_us)
                order.quantity -= surplus
                order.quote_quantity = order.price * order.quantity
                kind = OrderEvent.MODIFIED
            order_events.append(OrderUpdated(kind=kind, order=copy(order), time_us=time_us))
        return order_events, book_events

    def end_resting(self, order: Order, status: OrderStatus, reason: ExpiryReason | None, time_us: int) -> list[Event]:
        """Take an order that rests or waits for its trigger out of everything, and return the book's events."""
        order.status = status
        order.expiry_reason = reason
        if order.awaits_trigger:
            self.triggers.discard(order)
            return []
        events = self.markets[order.symbol].take(order, order.remaining, time_us)
        account = self.accounts.get(order.account_id)
        assert account is not None
        del account.open_orders[order.order_id]
        return events
