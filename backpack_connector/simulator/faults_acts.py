"""Do to the exchange what faults ask of it: other states of markets, maintenance, cancels, trades, liquidations.

Rule 1: everything goes through the engine's own commands, so that streams, histories and balances follow.
Rule 2: a state that a fault has changed is as before when the last fault about it is over.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from backpack_connector.protocol.enums import OrderBookState, OrderType, Side, TimeInForce

from .accounts import Account
from .book import BookSide
from .engine import Exchange
from .events import Execution
from .faults_active import ActiveFault, ActiveFaults
from .faults_kinds import Fault, FaultKind
from .orders import ZERO, NewOrder, Order
from .refusals import invalid_request

MAKER_ACCOUNT = "fault-maker"
TAKER_ACCOUNT = "fault-taker"
_DEPOSIT = Decimal(10**12)
_MOST_TAKES = 200
"""The price bands let a taker through in steps."""


class ExchangeFaults:
    """What faults do to the exchange itself."""

    def __init__(self, exchange: Exchange, active: ActiveFaults, publish: Callable[[Execution], None]) -> None:
        self._exchange = exchange
        self._active = active
        self._publish = publish
        self._original_states: dict[str, OrderBookState] = {}
        self._acts: Mapping[FaultKind, Callable[[ActiveFault], bool]] = {
            FaultKind.ORDER_CANCELLED: self._cancel,
            FaultKind.PRICE_TRADED: self._trade,
            FaultKind.POSITION_LIQUIDATED: self._liquidate,
        }

    def check(self, fault: Fault) -> None:
        """Check that the market of a fault exists.

        Raises:   Refusal.
        """
        if fault.market is not None and fault.market not in self._exchange.markets:
            raise invalid_request(f"There is no market {fault.market!r}")

    def set_states(self) -> None:
        """Give every market the state that the faults about it ask for, the last one first, or its own."""
        wanted: dict[str, OrderBookState] = {}
        unlisted = set()
        for active in self._active.of_kind(FaultKind.MARKET_STATE, FaultKind.MARKET_UNLISTED):
            symbol = active.fault.market
            assert symbol is not None
            wanted[symbol] = active.fault.state or OrderBookState.CLOSED
            if active.fault.kind is FaultKind.MARKET_UNLISTED:
                unlisted.add(symbol)
        wanted |= dict.fromkeys(unlisted, OrderBookState.CLOSED)
        for symbol, market in self._exchange.markets.items():
            market.is_listed = symbol not in unlisted
            if symbol in wanted:
                self._original_states.setdefault(symbol, market.state)
                self._exchange.set_market_state(symbol, wanted[symbol])
            elif symbol in self._original_states:
                self._exchange.set_market_state(symbol, self._original_states.pop(symbol))

    def act(self, active: ActiveFault) -> bool:
        """Do what a fault asks for once, and tell whether there was anything to do.

        Raises:   Refusal when the exchange cannot do it.
        """
        return self._acts[active.fault.kind](active)

    def _cancel(self, active: ActiveFault) -> bool:
        order = self._order(active, lambda account: account.all_open_orders)
        if order is None:
            return False
        self._publish(self._exchange.cancel(order.account_id, order.symbol, order_id=order.order_id))
        return True

    def _order(self, active: ActiveFault, orders_of: Callable[[Account], list[Order]]) -> Order | None:
        """Return the order that a fault names, or one in its scope by chance, or None when there is none."""
        fault = active.fault
        orders = [
            order
            for account in self._exchange.accounts
            if fault.account in (None, account.account_id) and not account.is_background
            for order in orders_of(account)
            if fault.market in (None, order.symbol) and fault.order_id in (None, order.order_id)
        ]
        if not orders and fault.order_id is not None:
            raise invalid_request("Order not found")
        return active.chance.choice(orders) if orders else None

    def _trade(self, active: ActiveFault) -> bool:
        fault = active.fault
        if fault.price is not None:
            assert fault.market is not None
            self._trade_at(fault.market, fault.price, fault.quantity)
            return True
        order = self._order(active, lambda account: list(account.open_orders.values()))
        if order is None:
            return False
        assert order.price is not None
        side = self._exchange.markets[order.symbol].book.side(order.side)
        quantity = _ahead_of(side, order) + min(order.remaining, fault.quantity or order.remaining)
        self._take(order.symbol, order.side.opposite, order.price, quantity)
        return True

    def _trade_at(self, symbol: str, price: Decimal, quantity: Decimal | None) -> None:
        """Take what rests at a price or better; when nothing does, let two others trade at it."""
        book = self._exchange.markets[symbol].book
        for taker_side in Side:
            reachable = _reachable(book.side(taker_side.opposite), taker_side, price)
            if reachable:
                self._take(symbol, taker_side, price, reachable if quantity is None else min(quantity, reachable))
                return
        instrument = self._exchange.markets[symbol].instrument
        wanted = instrument.min_quantity if quantity is None else quantity
        order = self._place(MAKER_ACCOUNT, _limit(symbol, Side.BID, price, wanted, TimeInForce.GTC)).order
        try:
            self._take(symbol, Side.ASK, price, wanted)
        finally:
            if order.order_id in self._exchange.open_account(MAKER_ACCOUNT).open_orders:
                self._publish(self._exchange.cancel(MAKER_ACCOUNT, symbol, order_id=order.order_id))

    def _take(self, symbol: str, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Trade a quantity up to a price, in as many orders as the price bands make necessary.

        Raises:   Refusal when the first of them is refused, or nothing comes of it.
        """
        remaining = quantity
        for _ in range(_MOST_TAKES):
            order = self._place(TAKER_ACCOUNT, _limit(symbol, side, price, remaining, TimeInForce.IOC)).order
            remaining -= order.executed_quantity
            if not remaining or not order.executed_quantity:
                break
        if remaining == quantity:
            raise invalid_request("The price bands of the market do not allow this trade")

    def _place(self, account_id: str, request: NewOrder) -> Execution:
        accounts = self._exchange.accounts
        if accounts.get(account_id) is None:
            instruments = [market.instrument for market in self._exchange.markets.values()]
            assets = {asset for row in instruments for asset in (row.base, row.quote)}
            accounts.open_background(account_id, self._exchange.now_us(), dict.fromkeys(sorted(assets), _DEPOSIT))
        execution = self._exchange.place(account_id, request)
        self._publish(execution)
        return execution

    def _liquidate(self, active: ActiveFault) -> bool:
        fault = active.fault
        assert fault.account is not None
        positions = self._exchange.ledger.positions(fault.account)
        symbols = [symbol for symbol in positions if fault.market in (None, symbol)]
        if not symbols:
            return False
        for execution in self._liquidation(fault.account, active.chance.choice(symbols)):
            self._publish(execution)
        return True

    def _liquidation(self, account_id: str, symbol: str) -> Iterator[Execution]:
        return self._exchange.liquidations.close_out(self._exchange.open_account(account_id), symbol)


def _limit(symbol: str, side: Side, price: Decimal, quantity: Decimal, time_in_force: TimeInForce) -> NewOrder:
    return NewOrder(
        symbol=symbol,
        side=side,
        order_type=OrderType.LIMIT,
        price=price,
        quantity=quantity,
        time_in_force=time_in_force,
    )


def _reachable(side: BookSide, taker_side: Side, price: Decimal) -> Decimal:
    """Return how much rests where a taker with a limit price can trade."""
    levels = side.from_best()
    is_reached = [
        level for level in levels if (level.price <= price if taker_side is Side.BID else level.price >= price)
    ]
    return sum((level.quantity for level in is_reached), ZERO)


def _ahead_of(side: BookSide, order: Order) -> Decimal:
    """Return how much trades before an order does."""
    quantity = ZERO
    for level in side.from_best():
        for other in level.orders.values():
            if other is order:
                return quantity
            quantity += other.remaining
    return quantity
