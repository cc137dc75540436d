"""Decide what an incoming order would trade with, without changing anything.

The engine pays for a plan first and carries it out afterwards, so that a refused order leaves no trace.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from backpack_connector.protocol.enums import ExpiryReason, SelfTradePrevention, Side, TimeInForce

from .book import Level, OrderBook
from .markets import Instrument
from .orders import ZERO, NewOrder, Order


class Match(msgspec.Struct, frozen=True):
    """A quantity of one resting order that will trade, at the resting order's price."""

    maker: Order
    quantity: Decimal

    @property
    def price(self) -> Decimal:
        """Return the price of the match."""
        assert self.maker.price is not None
        return self.maker.price


class Plan(msgspec.Struct):
    """What will happen to an incoming order on arrival."""

    matches: list[Match] = []
    removed_makers: list[Order] = []
    """Resting orders of the same account that self-trade prevention ends."""
    stopped_by: ExpiryReason | None = None
    """Why the rest may not go on; None when it is filled, or may rest."""
    is_complete: bool = False
    """Everything that was asked for will be filled."""

    @property
    def quantity(self) -> Decimal:
        """Return the base quantity that will be filled."""
        return sum((match.quantity for match in self.matches), ZERO)

    @property
    def quote_quantity(self) -> Decimal:
        """Return the quote quantity that will be filled."""
        return sum((match.quantity * match.price for match in self.matches), ZERO)


class TakerLimit(msgspec.Struct, frozen=True):
    """The worst price at which an order may take, and what ends the rest that would go further."""

    price: Decimal
    reason: ExpiryReason


Offered = Callable[[Order, Plan], Decimal]
"""How much of a resting order can trade after the matches that are planned so far."""


class _Appetite:
    """How much an incoming order still wants: base units, or quote units for a market order by quote quantity."""

    def __init__(self, order: NewOrder, step_size: Decimal) -> None:
        self._base = order.quantity
        self._quote = ZERO if order.quote_quantity is None else order.quote_quantity
        self._step_size = step_size

    def portion(self, offered: Decimal, price: Decimal) -> Decimal:
        """Return how much of an offered quantity it takes at a price; zero when less than a step is affordable."""
        if self._base is not None:
            return min(self._base, offered)
        return min(offered, self._quote // (price * self._step_size) * self._step_size)

    def consume(self, quantity: Decimal, price: Decimal) -> None:
        if self._base is not None:
            self._base -= quantity
        else:
            self._quote -= quantity * price

    @property
    def is_satisfied(self) -> bool:
        return self._base == 0


def plan_matches(
    book: OrderBook,
    instrument: Instrument,
    order: NewOrder,
    account_id: str,
    limits: Sequence[TakerLimit],
    offered: Offered,
) -> Plan:
    """Return what an order of an account would do on arrival. Source: API §4.2 (matching, self-trade prevention).

    The strictest of `limits` counts; of equal ones the first. `offered` tells how much of a resting order can trade.
    """
    strictest = None
    for limit in limits:
        if strictest is None or _is_worse(strictest.price, limit.price, order.side):
            strictest = limit
    plan = _walk(book, instrument, order, account_id, strictest, offered)
    if order.time_in_force is TimeInForce.FOK and not plan.is_complete:
        return Plan(stopped_by=ExpiryReason.FILL_OR_KILL)
    return plan


def would_match(book: OrderBook, order: NewOrder) -> bool:
    """Tell whether an order would trade on arrival, be it with an order of its own account."""
    best = book.side(order.side.opposite).best
    return best is not None and (order.price is None or not _is_worse(best.price, order.price, order.side))


def _walk(
    book: OrderBook,
    instrument: Instrument,
    order: NewOrder,
    account_id: str,
    limit: TakerLimit | None,
    offered: Offered,
) -> Plan:
    plan = Plan(matches=[], removed_makers=[])
    appetite = _Appetite(order, instrument.step_size)
    for level in book.side(order.side.opposite).from_best():
        if order.price is not None and _is_worse(level.price, order.price, order.side):
            break
        if limit is not None and _is_worse(level.price, limit.price, order.side):
            plan.stopped_by = limit.reason
            break
        if not _match_level(level, order, account_id, appetite, plan, offered):
            break
    return plan


def _match_level(
    level: Level, order: NewOrder, account_id: str, appetite: _Appetite, plan: Plan, offered: Offered
) -> bool:
    """Add one level to the plan and tell whether the order goes on to the next."""
    for maker in level.orders.values():
        if maker.account_id == account_id:
            if order.self_trade_prevention is not SelfTradePrevention.REJECT_TAKER:
                plan.removed_makers.append(maker)
            if order.self_trade_prevention is not SelfTradePrevention.REJECT_MAKER:
                plan.stopped_by = ExpiryReason.SELF_TRADE_PREVENTION
                return False
            continue
        most = offered(maker, plan)
        quantity = appetite.portion(most, level.price)
        if quantity > 0:
            plan.matches.append(Match(maker, quantity))
            appetite.consume(quantity, level.price)
        if appetite.is_satisfied or quantity < most:
            plan.is_complete = True
            return False
    return True


def _is_worse(price: Decimal, limit: Decimal, side: Side) -> bool:
    return price > limit if side is Side.BID else price < limit
