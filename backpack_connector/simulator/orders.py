"""Define what the engine keeps: requests for orders, orders, fills and public trades."""

from decimal import Decimal

import msgspec

from backpack_connector.protocol.enums import (
    ExpiryReason,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

ZERO = Decimal(0)


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A request for an order, parsed but not yet checked. Source: API §4.1."""

    symbol: str
    side: Side
    order_type: OrderType
    price: Decimal | None = None
    quantity: Decimal | None = None
    """Base units."""
    quote_quantity: Decimal | None = None
    """Quote units; a market order by what it may cost or bring."""
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool | None = None
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.REJECT_TAKER
    client_id: int | None = None
    is_conditional: bool = False
    """A trigger, take-profit or stop-loss field was set."""

    @property
    def is_limit(self) -> bool:
        """Tell whether the order names its worst price."""
        return self.order_type is OrderType.LIMIT


class Order(msgspec.Struct, kw_only=True):
    """An order and what has become of it. Only the engine changes it; events carry copies."""

    order_id: str
    account_id: str
    symbol: str
    side: Side
    order_type: OrderType
    price: Decimal | None
    quantity: Decimal | None
    """Base units; None for a market order by quote quantity."""
    quote_quantity: Decimal
    """Price x quantity of a limit order; of a market order what was asked for, or what was reserved."""
    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool | None
    self_trade_prevention: SelfTradePrevention
    client_id: int | None
    created_us: int
    status: OrderStatus = OrderStatus.NEW
    executed_quantity: Decimal = ZERO
    executed_quote_quantity: Decimal = ZERO
    expiry_reason: ExpiryReason | None = None

    @property
    def remaining(self) -> Decimal:
        """Return the base quantity that may still be filled; zero for a market order by quote quantity."""
        return ZERO if self.quantity is None else self.quantity - self.executed_quantity


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution seen from one order."""

    trade_id: int
    order_id: str
    client_id: int | None
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    """Positive = paid, negative = rebate."""
    fee_symbol: str
    is_maker: bool
    time_us: int


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as everybody sees it."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    is_buyer_maker: bool
    buyer_order_id: str
    seller_order_id: str
    time_us: int
