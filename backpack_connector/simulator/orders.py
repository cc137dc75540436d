"""Define what the engine keeps: requests for orders, orders, fills and public trades."""

from decimal import Decimal

import msgspec

from backpack_connector.protocol.enums import (
    ExpiryReason,
    OrderOrigin,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    SlippageToleranceType,
    SystemOrderType,
    TimeInForce,
    TriggerBy,
)
from backpack_connector.protocol.units import decimal_text

ZERO = Decimal(0)


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """What a conditional order waits for, and how much it is for then. Source: API §4.1."""

    price: Decimal
    quantity: Decimal
    """Base units, or percent of what there is when it fires."""
    is_percent: bool = False
    by: TriggerBy | None = None
    """As it was sent; see `reference`."""

    @property
    def reference(self) -> TriggerBy:
        """Return the price that is watched: the last price unless another was named."""
        return TriggerBy.LAST_PRICE if self.by is None else self.by

    @property
    def quantity_text(self) -> str:
        """Return the quantity as it is sent: `20.03` or `80%`."""
        return decimal_text(self.quantity) + ("%" if self.is_percent else "")


class ExitTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """The take-profit or stop-loss that an entry order asks for. Source: API §4.1."""

    price: Decimal
    """Trigger price."""
    limit_price: Decimal | None = None
    """None = a market order."""
    by: TriggerBy | None = None


class SystemCause(msgspec.Struct, frozen=True):
    """Why the exchange placed an order of its own for an account. Source: API §3.4 (key O), §4.2."""

    origin: OrderOrigin
    order_type: SystemOrderType


class SpotMargin(msgspec.Struct, frozen=True, kw_only=True):
    """What a spot order may lend and borrow on its way. Source: API §4.1."""

    auto_borrow: bool = False
    """Borrow what the order needs and the account does not have."""
    auto_borrow_repay: bool = False
    """Repay debts with what fills bring."""
    auto_lend: bool = False
    """Lend what fills bring."""
    auto_lend_redeem: bool = False
    """Redeem what the order needs and the account has lent."""


NO_SPOT_MARGIN = SpotMargin()


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
    trigger: Trigger | None = None
    """The order waits; then `quantity` and `quote_quantity` are None, because the trigger has the quantity."""
    take_profit: ExitTrigger | None = None
    stop_loss: ExitTrigger | None = None
    slippage_tolerance: Decimal | None = None
    slippage_tolerance_type: SlippageToleranceType | None = None
    spot_margin: SpotMargin = NO_SPOT_MARGIN
    """Perpetual markets refuse any of it."""
    strategy_id: str | None = None
    """The strategy of which it is a slice."""

    @property
    def uses_spot_margin(self) -> bool:
        """Tell whether the order may lend or borrow."""
        return self.spot_margin != NO_SPOT_MARGIN

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
    """Base units; None for a market order by quote quantity, zero while a trigger is awaited."""
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
    trigger: Trigger | None = None
    triggered_us: int | None = None
    """When the trigger fired; None before that, and without a trigger."""
    take_profit: ExitTrigger | None = None
    stop_loss: ExitTrigger | None = None
    related_order_id: str | None = None
    """The order whose fills this take-profit or stop-loss closes."""
    slippage_tolerance: Decimal | None = None
    slippage_tolerance_type: SlippageToleranceType | None = None
    cause: SystemCause | None = None
    """None = the user."""
    spot_margin: SpotMargin = NO_SPOT_MARGIN
    strategy_id: str | None = None

    @property
    def awaits_trigger(self) -> bool:
        """Tell whether the order has a trigger that has not fired, and so never had a quantity."""
        return self.trigger is not None and self.triggered_us is None

    def fire(self, request: NewOrder, quote_quantity: Decimal, time_us: int) -> None:
        """Become the ordinary order that the trigger stands for, with the same ids."""
        self.quantity = request.quantity
        self.quote_quantity = quote_quantity
        self.status = OrderStatus.NEW
        self.triggered_us = time_us

    @property
    def remaining(self) -> Decimal:
        """Return the base quantity that may still be filled; zero for a market order by quote quantity."""
        return ZERO if self.quantity is None else self.quantity - self.executed_quantity


def order_of(request: NewOrder, *, order_id: str, account_id: str, time_us: int, quote_quantity: Decimal) -> Order:
    """Return the order that begins with a request; while it awaits a trigger it is for nothing yet (API §3.4)."""
    return Order(
        order_id=order_id,
        account_id=account_id,
        symbol=request.symbol,
        side=request.side,
        order_type=request.order_type,
        price=request.price,
        quantity=request.quantity if request.trigger is None else ZERO,
        quote_quantity=quote_quantity,
        time_in_force=request.time_in_force,
        post_only=request.post_only,
        reduce_only=request.reduce_only,
        self_trade_prevention=request.self_trade_prevention,
        client_id=request.client_id,
        created_us=time_us,
        status=OrderStatus.NEW if request.trigger is None else OrderStatus.TRIGGER_PENDING,
        trigger=request.trigger,
        take_profit=request.take_profit,
        stop_loss=request.stop_loss,
        slippage_tolerance=request.slippage_tolerance,
        slippage_tolerance_type=request.slippage_tolerance_type,
        spot_margin=request.spot_margin,
        strategy_id=request.strategy_id,
    )


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
    system_order_type: SystemOrderType | None = None
    """Kind of the exchange's own order that this is a fill of; None = the user's order."""
    strategy_id: str | None = None


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as everybody sees it."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    is_buyer_maker: bool
    buyer_order_id: str
    seller_order_id: str
    time_us: int
