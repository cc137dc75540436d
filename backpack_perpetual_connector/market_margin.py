"""Compute what one perpetual market asks of an account: exposure, margin and unrealised profit. Source: API §5.5.

A position is kept as a quantity and an amount of cash, so that its unrealised profit is quantity x mark + cash at every
mark price: a fill adds to the quantity and takes its price out of the cash.
"""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.futures import Position
from backpack_connector.protocol.messages import PositionUpdate
from backpack_connector.protocol.models import MarginFunction

ZERO = Decimal(0)
_MOST_FILLS = 1000
_LEVERAGE_ONLY = MarginFunction(type="unknown", base=ZERO, factor=ZERO)
"""The margin function of a market that was not announced; the leverage limit counts all the same."""


@dataclass(frozen=True)
class _Fill:
    quantity: Decimal
    """Base units; negative = sold."""
    price: Decimal
    engine_timestamp: float


class MarketMargin:
    """The position, the orders and the mark price of one market; quantities in base units, money in USDC."""

    def __init__(self) -> None:
        self.imf: MarginFunction | None = None
        self.quantity = ZERO
        """The position; negative = short."""
        self.resting = {Side.BID: ZERO, Side.ASK: ZERO}
        """What orders on the exchange may still add to the position."""
        self.on_their_way = {Side.BID: ZERO, Side.ASK: ZERO}
        """The same of orders that the exchange has not confirmed."""
        self.mark_price: Decimal | None = None
        self.changed_at = 0
        """When the position changed, as a place in the order of everything received."""
        self.mark_changed_at = 0
        self._cash = ZERO
        self._told_timestamp = 0.0
        self._fills: deque[_Fill] = deque(maxlen=_MOST_FILLS)
        """Newer than the last message about the position."""
        self._mark_timestamp = 0.0

    @property
    def is_in_use(self) -> bool:
        """Tell whether the mark price of the market matters."""
        return bool(self.quantity or any(self.resting.values()) or any(self.on_their_way.values()))

    @property
    def unrealized(self) -> Decimal:
        """Return the profit that is not in the balance yet."""
        return self._cash if self.mark_price is None else self._cash + self.quantity * self.mark_price

    def margins(
        self,
        leverage: Decimal,
        more_bids: Decimal = ZERO,
        more_asks: Decimal = ZERO,
        *,
        with_orders_on_their_way: bool = True,
        price_without_mark: Decimal | None = None,
    ) -> tuple[Decimal, Decimal]:
        """Return the initial margins if all bids filled and if all asks did; the larger one is asked for.

        Never smaller than the position's, because one of the two adds to it. More orders than there are may be given.
        """
        bids, asks = self.resting[Side.BID] + more_bids, self.resting[Side.ASK] + more_asks
        if with_orders_on_their_way:
            bids, asks = bids + self.on_their_way[Side.BID], asks + self.on_their_way[Side.ASK]
        price = price_without_mark if self.mark_price is None else self.mark_price
        if price is None:
            return ZERO, ZERO
        return (
            self._margin_of((self.quantity + bids) * price, leverage),
            self._margin_of((asks - self.quantity) * price, leverage),
        )

    def _margin_of(self, notional: Decimal, leverage: Decimal) -> Decimal:
        return notional * (self.imf or _LEVERAGE_ONLY).fraction(notional, leverage) if notional > 0 else ZERO

    def apply_mark(self, mark_price: Decimal, engine_timestamp: float | None, place: int) -> None:
        """Take a mark price unless a newer one is known; one without a time is the newest, one of zero is none."""
        if mark_price <= 0:
            return
        if engine_timestamp is None:
            engine_timestamp = self._mark_timestamp
        if engine_timestamp >= self._mark_timestamp:
            self._mark_timestamp = engine_timestamp
            self._set_mark(mark_price, place)

    def suggest_mark(self, price: Decimal | None) -> None:
        """Value an order at its own price while there is no mark price."""
        if self.mark_price is None:
            self.mark_price = price

    def apply_fill(self, side: Side, quantity: Decimal, price: Decimal, engine_timestamp: float, place: int) -> None:
        """Add a fill to the position unless a message about the position has told of it already."""
        if engine_timestamp <= self._told_timestamp:
            return
        fill = _Fill(quantity if side is Side.BID else -quantity, price, engine_timestamp)
        self._fills.append(fill)
        self._add(fill)
        self.changed_at = place

    def apply_message(self, message: PositionUpdate, place: int) -> None:
        """Take what the stream says of the position, unless it has said something newer, and add later fills to it."""
        engine_timestamp = message.event_timestamp
        if engine_timestamp < self._told_timestamp:
            return
        self._told_timestamp = engine_timestamp
        self._set_position(message)
        while self._fills and self._fills[0].engine_timestamp <= engine_timestamp:
            self._fills.popleft()
        for fill in self._fills:
            self._add(fill)
        self.changed_at = place

    def replace(self, row: Position | None, asked_at: int) -> None:
        """Take the row of an answer, or None when a complete answer has none, unless the stream was newer."""
        if self.changed_at > asked_at:
            return
        # Rows carry no time: the last message's still tells which fills and messages are older than the position.
        self.changed_at = asked_at
        if row is None:
            self.quantity = self._cash = ZERO
            return
        self.imf = self.imf or row.imf_function
        self._set_position(row)
        if self.mark_changed_at <= asked_at and row.mark_price > 0:
            self._set_mark(row.mark_price, asked_at)

    def _set_mark(self, mark_price: Decimal, place: int) -> None:
        self.mark_price = mark_price
        self.mark_changed_at = place

    def _set_position(self, told: PositionUpdate | Position) -> None:
        mark_price = told.mark_price
        if mark_price <= 0:  # none at all; the profit is then counted from the last one
            mark_price = told.entry_price if self.mark_price is None else self.mark_price
        self.quantity = told.net_quantity
        self._cash = (told.pnl_unrealized or ZERO) - told.net_quantity * mark_price

    def _add(self, fill: _Fill) -> None:
        self.quantity += fill.quantity
        self._cash -= fill.quantity * fill.price
