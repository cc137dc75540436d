"""Translate parsed messages of the exchange into Hummingbot's types; the only place that knows both vocabularies."""

from decimal import Decimal

from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import OrderType as HummingbotOrderType
from hummingbot.core.data_type.common import TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, TradeUpdate
from hummingbot.core.data_type.order_book_message import OrderBookMessage, OrderBookMessageType
from hummingbot.core.data_type.trade_fee import (
    AddedToCostTradeFee,
    DeductedFromReturnsTradeFee,
    TokenAmount,
    TradeFeeBase,
)
from hummingbot.core.event.events import OrderFilledEvent

from backpack_connector.protocol.enums import OrderStatus, OrderType, Side
from backpack_connector.protocol.errors import WireFormatError
from backpack_connector.protocol.messages import OrderUpdate, PublicTrade
from backpack_connector.protocol.models import Fill, Market

ORDER_STATES: dict[OrderStatus, OrderState] = {
    OrderStatus.NEW: OrderState.OPEN,
    OrderStatus.PARTIALLY_FILLED: OrderState.PARTIALLY_FILLED,
    OrderStatus.FILLED: OrderState.FILLED,
    OrderStatus.CANCELLED: OrderState.CANCELED,
    # The engine ended an order that existed; what it executed before counts, as with a cancellation.
    OrderStatus.EXPIRED: OrderState.CANCELED,
    OrderStatus.TRIGGER_PENDING: OrderState.OPEN,
    OrderStatus.TRIGGER_FAILED: OrderState.FAILED,
}

ORDER_TYPES: dict[HummingbotOrderType, OrderType] = {
    HummingbotOrderType.LIMIT: OrderType.LIMIT,
    HummingbotOrderType.LIMIT_MAKER: OrderType.LIMIT,
    HummingbotOrderType.MARKET: OrderType.MARKET,
}

_BUY = TradeType.BUY
_NO_PERCENT = Decimal(0)

SIDES: dict[TradeType, Side] = {TradeType.BUY: Side.BID, TradeType.SELL: Side.ASK}


def trading_rule(market: Market, trading_pair: str) -> TradingRule:
    """Return a market's filters as a trading rule; the exchange publishes no minimum notional (API §5.1)."""
    rules = market.filters
    limits = {} if rules.quantity.max_quantity is None else {"max_order_size": rules.quantity.max_quantity}
    return TradingRule(
        trading_pair=trading_pair,
        min_order_size=rules.quantity.min_quantity,
        min_price_increment=rules.price.tick_size,
        min_base_amount_increment=rules.quantity.step_size,
        supports_limit_orders=market.accepts_new_orders,
        supports_market_orders=market.accepts_taker_orders,
        **limits,
    )


def spot_fill_fee(trade_type: TradeType, trading_pair: str, fee: Decimal, fee_symbol: str) -> TradeFeeBase:
    """Return the fee of a spot fill, of the class that follows the asset that was charged (F43).

    Units:    fee in `fee_symbol`, positive = paid, negative = rebate.
    """
    base, _, quote = trading_pair.partition("-")
    received = base if trade_type is _BUY else quote
    fee_class = DeductedFromReturnsTradeFee if fee_symbol == received else AddedToCostTradeFee
    return fee_class(_NO_PERCENT, fee_symbol, [TokenAmount(fee_symbol, fee)])


def trade_update_of_fill(order: InFlightOrder, fill: Fill, fee: TradeFeeBase) -> TradeUpdate:
    """Return a row of the fill history as Hummingbot's trade update."""
    trade_id = f"{fill.order_id}-{fill.timestamp}" if fill.trade_id is None else str(fill.trade_id)
    return TradeUpdate(
        trade_id=trade_id,
        client_order_id=order.client_order_id,
        exchange_order_id=fill.order_id,
        trading_pair=order.trading_pair,
        fill_timestamp=fill.fill_timestamp,
        fill_price=fill.price,
        fill_base_amount=fill.quantity,
        fill_quote_amount=fill.price * fill.quantity,
        fee=fee,
        is_taker=not fill.is_maker,
    )


FillFacts = tuple[int, Decimal, Decimal, Decimal, str]
"""Trade id, price, quantity, fee and fee symbol: what a fill message must tell."""


def fill_of_message(message: OrderUpdate) -> FillFacts:
    """Return the facts of a fill message.

    Raises:   WireFormatError when one of them is missing: then only the fill history can tell.
    """
    trade_id, price, quantity = message.trade_id, message.fill_price, message.fill_quantity
    fee, fee_symbol = message.fee, message.fee_symbol
    if trade_id is None or price is None or quantity is None or fee is None or fee_symbol is None:
        raise WireFormatError(f"account.orderUpdate: the fill of order {message.order_id} is incomplete")
    return trade_id, price, quantity, fee, fee_symbol


def trade_update_of_message(
    order: InFlightOrder, message: OrderUpdate, facts: FillFacts, fee: TradeFeeBase
) -> TradeUpdate:
    """Return a fill message as Hummingbot's trade update; its fields by their places, which takes half of the time."""
    trade_id, price, quantity, _, _ = facts
    return TradeUpdate(
        str(trade_id),
        order.client_order_id,
        message.order_id,
        order.trading_pair,
        message.event_timestamp,
        price,
        quantity,
        price * quantity,
        fee,
        not message.is_maker,
    )


def filled_event(order: InFlightOrder, fill: TradeUpdate, timestamp: float) -> OrderFilledEvent:
    """Return Hummingbot's event about a fill; its fields by their places, which takes half of the time."""
    return OrderFilledEvent(
        timestamp,
        order.client_order_id,
        order.trading_pair,
        order.trade_type,
        order.order_type,
        fill.fill_price,
        fill.fill_base_amount,
        fill.fee,
        fill.trade_id,
        fill.exchange_order_id,
        int(order.leverage),
        order.position.value,
    )


def trade_message(trade: PublicTrade, trading_pair: str) -> OrderBookMessage:
    """Return a public trade as Hummingbot's message; a buyer who is the maker means that the taker sold."""
    trade_type = TradeType.SELL if trade.is_buyer_maker else TradeType.BUY
    return OrderBookMessage(
        OrderBookMessageType.TRADE,
        {
            "trading_pair": trading_pair,
            "trade_type": float(trade_type.value),
            "trade_id": trade.trade_id,
            "price": trade.price,
            "amount": trade.quantity,
        },
        timestamp=trade.event_timestamp,
    )


def expiry_note(status: OrderStatus | None, reason: str | None) -> str | None:
    """Return why the engine ended an order, for the log and the order's extra facts (F19)."""
    if status in (OrderStatus.EXPIRED, OrderStatus.TRIGGER_FAILED) or reason:
        return reason or "no reason given"
    return None
