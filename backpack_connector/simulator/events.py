"""Define what happens in the engine, as values that streams and tests read.

All events of one command carry its engine time. Their order: orders and trades, then levels, then balances (API §4.2).
"""

from decimal import Decimal

import msgspec

from backpack_connector.protocol.enums import OrderEvent, Side

from .orders import Fill, Order, PublicTrade


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


Event = OrderUpdated | TradePrinted | LevelChanged | TouchChanged | BalanceChanged
