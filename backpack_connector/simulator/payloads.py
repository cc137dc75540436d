"""Write the engine's objects as the REST interface shows them: numbers as trimmed text, each time in its own unit.

Sources: API §2.3 and the official schemas; keys that this exchange never fills are null, as on the wire.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from backpack_connector.protocol.enums import OrderType, WireEnum
from backpack_connector.protocol.units import decimal_text, iso_from_us

from .accounts import Account
from .book import OrderBook
from .candles import Candle
from .clock import ms_from_us, us_from_s
from .events import PriceAndQuantity
from .ledger import Balance
from .orders import ExitTrigger, Fill, Order, PublicTrade

Json = dict[str, Any]


def optional_text(number: Decimal | None) -> str | None:
    """Return a decimal as text, or None."""
    return None if number is None else decimal_text(number)


def order_payload(order: Order) -> Json:
    """Return an order as POST, GET and DELETE of /order show it; `createdAt` in milliseconds."""
    payload = {
        **_common_order_fields(order),
        "createdAt": ms_from_us(order.created_us),
        "reduceOnly": order.reduce_only,
        "relatedOrderId": order.related_order_id,
        "triggeredAt": None if order.triggered_us is None else ms_from_us(order.triggered_us),
    }
    if order.order_type is OrderType.MARKET:
        payload |= {"quoteQuantity": _quote_quantity_text(order), **_slippage_fields(order)}
    else:
        payload["postOnly"] = order.post_only
        payload["price"] = optional_text(order.price)
    return payload


def historical_order_payload(order: Order) -> Json:
    """Return an order as the order history shows it; `createdAt` as text."""
    return {
        **_common_order_fields(order),
        "createdAt": iso_from_us(order.created_us),
        "expiryReason": None if order.expiry_reason is None else order.expiry_reason.value,
        "postOnly": order.post_only,
        "price": optional_text(order.price),
        "quoteQuantity": _quote_quantity_text(order),
        **_slippage_fields(order),
        "systemOrderType": None if order.cause is None else order.cause.order_type.value,
    }


def _common_order_fields(order: Order) -> Json:
    return {
        **_conditional_fields(order),
        "clientId": order.client_id,
        "executedQuantity": decimal_text(order.executed_quantity),
        "executedQuoteQuantity": decimal_text(order.executed_quote_quantity),
        "id": order.order_id,
        "orderType": order.order_type.value,
        "quantity": optional_text(order.quantity),
        "selfTradePrevention": order.self_trade_prevention.value,
        "side": order.side.value,
        "status": order.status.value,
        "symbol": order.symbol,
        "timeInForce": order.time_in_force.value,
    }


def _conditional_fields(order: Order) -> Json:
    trigger = order.trigger
    return {
        **_exit_fields("stopLoss", order.stop_loss),
        **_exit_fields("takeProfit", order.take_profit),
        "strategyId": order.strategy_id,
        "triggerBy": None if trigger is None else _optional_word(trigger.by),
        "triggerPrice": None if trigger is None else decimal_text(trigger.price),
        "triggerQuantity": None if trigger is None else trigger.quantity_text,
    }


def _exit_fields(name: str, exit_trigger: ExitTrigger | None) -> Json:
    return {
        f"{name}LimitPrice": None if exit_trigger is None else optional_text(exit_trigger.limit_price),
        f"{name}TriggerBy": None if exit_trigger is None else _optional_word(exit_trigger.by),
        f"{name}TriggerPrice": None if exit_trigger is None else decimal_text(exit_trigger.price),
    }


def _slippage_fields(order: Order) -> Json:
    return {
        "slippageTolerance": optional_text(order.slippage_tolerance),
        "slippageToleranceType": _optional_word(order.slippage_tolerance_type),
    }


def _quote_quantity_text(order: Order) -> str | None:
    # A market order that awaits its trigger has none; its stream messages lack `Q` too (API §3.4).
    has_none = order.awaits_trigger and order.order_type is OrderType.MARKET
    return None if has_none else decimal_text(order.quote_quantity)


def _optional_word(word: WireEnum | None) -> str | None:
    return None if word is None else word.value


def fill_payload(fill: Fill) -> Json:
    """Return an execution as the fill history shows it: `clientId` is text here, `timestamp` too."""
    return {
        "clientId": None if fill.client_id is None else str(fill.client_id),
        "fee": decimal_text(fill.fee),
        "feeSymbol": fill.fee_symbol,
        "isMaker": fill.is_maker,
        "orderId": fill.order_id,
        "price": decimal_text(fill.price),
        "quantity": decimal_text(fill.quantity),
        "side": fill.side.value,
        "symbol": fill.symbol,
        "systemOrderType": None if fill.system_order_type is None else fill.system_order_type.value,
        "timestamp": iso_from_us(fill.time_us),
        "tradeId": fill.trade_id,
    }


def trade_payload(trade: PublicTrade) -> Json:
    """Return a public trade; `timestamp` in milliseconds."""
    return {
        "id": trade.trade_id,
        "isBuyerMaker": trade.is_buyer_maker,
        "price": decimal_text(trade.price),
        "quantity": decimal_text(trade.quantity),
        "quoteQuantity": decimal_text(trade.price * trade.quantity),
        "timestamp": ms_from_us(trade.time_us),
    }


def depth_payload(book: OrderBook, limit: int, time_us: int) -> Json:
    """Return a book, both sides ascending; `lastUpdateId` is text, `timestamp` in microseconds."""
    return {
        "asks": levels_payload(book.asks.best_levels(limit)),
        "bids": levels_payload(book.bids.best_levels(limit)),
        "lastUpdateId": str(book.update_id),
        "timestamp": time_us,
    }


def levels_payload(levels: Sequence[PriceAndQuantity]) -> list[list[str]]:
    """Return levels as pairs of trimmed text."""
    return [[decimal_text(price), decimal_text(quantity)] for price, quantity in levels]


def kline_payload(candle: Candle, end_s: int) -> Json:
    """Return a candle; times as text with a space, prices null when nothing was traded."""
    return {
        "close": optional_text(candle.close),
        "end": iso_from_us(us_from_s(end_s), separator=" "),
        "high": optional_text(candle.high),
        "low": optional_text(candle.low),
        "open": optional_text(candle.open),
        "quoteVolume": decimal_text(candle.quote_volume),
        "start": iso_from_us(us_from_s(candle.start_s), separator=" "),
        "trades": str(candle.trades),
        "volume": decimal_text(candle.volume),
    }


_PERCENT_DECIMALS = Decimal("0.000001")


def ticker_payload(symbol: str, summary: Candle) -> Json | None:
    """Return a ticker, or None when nothing was traded; `priceChangePercent` is a fraction, as on the wire."""
    if summary.open is None or summary.close is None:
        return None
    change = summary.close - summary.open
    return {
        "firstPrice": decimal_text(summary.open),
        "high": optional_text(summary.high),
        "lastPrice": decimal_text(summary.close),
        "low": optional_text(summary.low),
        "priceChange": decimal_text(change),
        "priceChangePercent": decimal_text((change / summary.open).quantize(_PERCENT_DECIMALS)),
        "quoteVolume": decimal_text(summary.quote_volume),
        "symbol": symbol,
        "trades": str(summary.trades),
        "volume": decimal_text(summary.volume),
    }


def balances_payload(balances: Mapping[str, Balance]) -> Json:
    """Return balances by asset, as GET /capital shows them."""
    return {
        asset: {
            "available": decimal_text(balance.available),
            "locked": decimal_text(balance.locked),
            "staked": "0",
        }
        for asset, balance in sorted(balances.items())
    }


def account_payload(account: Account) -> Json:
    """Return the settings and fees of an account; fees in basis points. Source: schema AccountSummary."""
    return {
        **account.auto_settings,
        "borrowLimit": decimal_text(account.borrow_limit),
        "futuresMakerFee": decimal_text(account.futures_maker_fee_bps),
        "futuresTakerFee": decimal_text(account.futures_taker_fee_bps),
        "leverageLimit": decimal_text(account.leverage_limit),
        "limitOrders": len(account.open_orders),
        "liquidating": account.is_liquidating,
        "positionLimit": "0",
        "spotMakerFee": decimal_text(account.spot_maker_fee_bps),
        "spotTakerFee": decimal_text(account.spot_taker_fee_bps),
        "triggerOrders": len(account.trigger_orders),
    }
