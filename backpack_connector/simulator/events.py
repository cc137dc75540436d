"""Define what happens in the engine, as values that streams and tests read.

All events of one command carry its engine time. Their order: orders and trades, then levels, then balances (API §4.2),
then positions. What the command sets off (triggers.py) follows behind, with later times of its own.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Protocol

import msgspec

from backpack_connector.protocol.enums import OrderEvent, PositionEvent, Side

from .orders import Fill, Order, PublicTrade
from .positions import PositionView
from .rfq_states import Quote, Rfq, RfqEvent


class OrderUpdated(msgspec.Struct, frozen=True, kw_only=True):
    """An order was accepted, filled, cancelled or expired; `order` is a copy made at that moment."""

    kind: OrderEvent
    order: Order
    time_us: int
    fill: Fill | None = None


class TradePrinted(msgspec.Struct, frozen=True, kw_only=True):
    """Two orders matched."""

    symbol: str
    trade: PublicTrade


class LevelChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The total at one price is now `quantity`; zero means that the level is gone."""

    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    update_id: int
    time_us: int


PriceAndQuantity = tuple[Decimal, Decimal]


class TouchChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The best bid or ask moved, in price or quantity; None for an empty side."""

    symbol: str
    bid: PriceAndQuantity | None
    ask: PriceAndQuantity | None
    update_id: int
    time_us: int


class BalanceChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What an account now has of an asset."""

    account_id: str
    asset: str
    available: Decimal
    locked: Decimal
    time_us: int


class PositionChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A position was opened, closed or changed, in quantity or in what was paid for it; a flip is one adjustment."""

    account_id: str
    kind: PositionEvent
    position: PositionView
    time_us: int


class MarkPricePublished(msgspec.Struct, frozen=True, kw_only=True):
    """A market's mark price of this second; it comes each second, also when nothing has changed (API §5.4)."""

    symbol: str
    mark_price: Decimal
    index_price: Decimal
    funding_rate: Decimal
    """Fraction of the notional for the running interval, as it stands now."""
    next_funding_ms: int
    time_us: int


class Liquidated(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange closed a part of somebody's position; everybody may know."""

    symbol: str
    side: Side
    """Of the order that closes: Ask when a long position is sold."""
    price: Decimal
    quantity: Decimal
    time_us: int


class RfqUpdated(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to a request for quotes or to a quote; both are copies made at that moment."""

    kind: RfqEvent
    account_id: str | None
    """Who is told; None = everybody but who asked."""
    rfq: Rfq
    quote: Quote | None = None
    price: Decimal | None = None
    """For who asked with the fee."""
    time_us: int


Event = (
    OrderUpdated
    | TradePrinted
    | LevelChanged
    | TouchChanged
    | BalanceChanged
    | PositionChanged
    | MarkPricePublished
    | Liquidated
    | RfqUpdated
)


class Execution(msgspec.Struct, frozen=True):
    """The result of a command: the orders concerned, as they are now, and the events in order."""

    orders: tuple[Order, ...]
    events: tuple[Event, ...]

    @property
    def order(self) -> Order:
        """Return the one order of a command that concerns one."""
        (order,) = self.orders
        return order


class Part(Protocol):
    """A rule of the exchange that time drives. `Exchange.on_second` says when and in which order parts are called."""

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Do what is due at `now_us`, and say what happened."""
