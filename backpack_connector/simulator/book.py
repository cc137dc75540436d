"""Keep one market's resting orders in price-time priority.

Rule 1: a better price goes first, then the earlier order; an order that shrinks keeps its place.
Rule 2: every change of a level's total raises the update id by exactly one (API §3.3).
Rule 3: the book never decides: who calls it has matched the incoming order first, so that it is never crossed.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal

from backpack_connector.protocol.enums import Side

from .events import PriceAndQuantity
from .orders import ZERO, Order


class Level:
    """The orders at one price, oldest first, and their total."""

    __slots__ = ("orders", "price", "quantity")

    def __init__(self, price: Decimal) -> None:
        self.price = price
        self.quantity = ZERO
        self.orders: dict[str, Order] = {}


class BookSide:
    """All bids or all asks of a market."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._prices: list[Decimal] = []  # ascending on both sides, as the exchange shows them
        self._levels: dict[Decimal, Level] = {}

    def __len__(self) -> int:
        return len(self._prices)

    @property
    def best(self) -> Level | None:
        """Return the level that trades first, or None."""
        if not self._prices:
            return None
        return self._levels[self._prices[-1 if self._side is Side.BID else 0]]

    @property
    def touch(self) -> PriceAndQuantity | None:
        """Return price and total of the best level, or None."""
        best = self.best
        return None if best is None else (best.price, best.quantity)

    def level(self, price: Decimal) -> Level | None:
        """Return the orders at a price, or None."""
        return self._levels.get(price)

    def from_best(self) -> Iterator[Level]:
        """Walk the levels in the order in which they trade. The side must not change meanwhile."""
        for price in reversed(self._prices) if self._side is Side.BID else self._prices:
            yield self._levels[price]

    def best_levels(self, limit: int) -> list[PriceAndQuantity]:
        """Return at most `limit` best levels, ascending by price."""
        prices = self._prices[-limit:] if self._side is Side.BID else self._prices[:limit]
        return [(price, self._levels[price].quantity) for price in prices]

    def add(self, order: Order) -> Decimal:
        """Put an order at the end of its level and return the level's total."""
        assert order.price is not None
        level = self._levels.get(order.price)
        if level is None:
            level = self._levels[order.price] = Level(order.price)
            insort(self._prices, order.price)
        level.orders[order.order_id] = order
        level.quantity += order.remaining
        return level.quantity

    def grow(self, order: Order, quantity: Decimal) -> Decimal:
        """Add a quantity to an order's level and return the level's total."""
        assert order.price is not None
        level = self._levels[order.price]
        level.quantity += quantity
        return level.quantity

    def subtract(self, order: Order, quantity: Decimal) -> Decimal:
        """Take a quantity off an order's level, and the order too when that is all; return the level's total."""
        assert order.price is not None
        level = self._levels[order.price]
        level.quantity -= quantity
        if quantity == order.remaining:
            del level.orders[order.order_id]
        if not level.orders:
            del self._levels[order.price]
            del self._prices[bisect_left(self._prices, order.price)]
        return level.quantity


class OrderBook:
    """Both sides of one market and the id of its last change."""

    def __init__(self, first_update_id: int = 0) -> None:
        self.bids = BookSide(Side.BID)
        self.asks = BookSide(Side.ASK)
        self.update_id = first_update_id

    def side(self, side: Side) -> BookSide:
        """Return the orders of one side."""
        return self.bids if side is Side.BID else self.asks

    @property
    def touch(self) -> tuple[PriceAndQuantity | None, PriceAndQuantity | None]:
        """Return best bid and best ask with their totals."""
        return self.bids.touch, self.asks.touch

    @property
    def is_crossed(self) -> bool:
        """Tell whether a bid stands at or above an ask, which must never be."""
        bid, ask = self.touch
        return bid is not None and ask is not None and bid[0] >= ask[0]

    def rest(self, order: Order) -> Decimal:
        """Add what remains of an order and return the level's new total."""
        self.update_id += 1
        return self.side(order.side).add(order)

    def grow(self, order: Order, quantity: Decimal) -> Decimal:
        """Add a quantity to the last order of a level, before the order itself is updated; return the new total."""
        self.update_id += 1
        return self.side(order.side).grow(order, quantity)

    def take(self, order: Order, quantity: Decimal) -> Decimal:
        """Remove a quantity of a resting order, before the order itself is updated; return the level's new total."""
        self.update_id += 1
        return self.side(order.side).subtract(order, quantity)
