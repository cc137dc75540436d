"""Write the engine's events as the streams show them: one-letter keys, numbers padded to tick and step.

`E` is when the message was made and `T` when the engine acted, both in microseconds. Source: API §3.2, §3.4.
"""

from collections.abc import Sequence
from decimal import Decimal

from backpack_connector.protocol.enums import OrderEvent, Side
from backpack_connector.protocol.units import decimal_text, iso_from_us, padded_text

from .candles import Candle
from .clock import MICROSECONDS_PER_MILLISECOND, us_from_s
from .events import BalanceChanged, LevelChanged, OrderUpdated, TouchChanged
from .markets import Instrument
from .orders import PublicTrade
from .payloads import Json

# Candles on the stream are padded far beyond the tick (API §3.2: "3680.520000000").
_KLINE_INCREMENT = Decimal("0.000000001")
_USER_ORIGIN = "USER"


def depth_data(instrument: Instrument, changes: Sequence[LevelChanged], now_us: int) -> Json:
    """Return one depth message for consecutive changes, at least one; the last quantity per price counts."""
    sides: dict[Side, dict[Decimal, Decimal]] = {Side.BID: {}, Side.ASK: {}}
    for change in changes:
        sides[change.side][change.price] = change.quantity
    return {
        "E": now_us,
        "T": changes[-1].time_us,
        "U": changes[0].update_id,
        "a": _levels(instrument, sides[Side.ASK]),
        "b": _levels(instrument, sides[Side.BID]),
        "e": "depth",
        "s": instrument.symbol,
        "u": changes[-1].update_id,
    }


def _levels(instrument: Instrument, levels: dict[Decimal, Decimal]) -> list[list[str]]:
    return [
        [padded_text(price, instrument.tick_size), padded_text(quantity, instrument.step_size)]
        for price, quantity in sorted(levels.items())
    ]


def book_ticker_data(instrument: Instrument, touch: TouchChanged, now_us: int) -> Json:
    """Return the best bid and ask; null for an empty side."""
    bid_price, bid_quantity = _padded_level(instrument, touch.bid)
    ask_price, ask_quantity = _padded_level(instrument, touch.ask)
    return {
        "A": ask_quantity,
        "B": bid_quantity,
        "E": now_us,
        "T": touch.time_us,
        "a": ask_price,
        "b": bid_price,
        "e": "bookTicker",
        "s": instrument.symbol,
        "u": touch.update_id,
    }


def _padded_level(instrument: Instrument, level: tuple[Decimal, Decimal] | None) -> tuple[str | None, str | None]:
    if level is None:
        return None, None
    return padded_text(level[0], instrument.tick_size), padded_text(level[1], instrument.step_size)


def trade_data(instrument: Instrument, trade: PublicTrade, now_us: int) -> Json:
    """Return a public trade; its `T` has the resolution of a millisecond."""
    return {
        "E": now_us,
        "T": trade.time_us - trade.time_us % MICROSECONDS_PER_MILLISECOND,
        "a": trade.seller_order_id,
        "b": trade.buyer_order_id,
        "e": "trade",
        "m": trade.is_buyer_maker,
        "p": padded_text(trade.price, instrument.tick_size),
        "q": padded_text(trade.quantity, instrument.step_size),
        "s": instrument.symbol,
        "t": trade.trade_id,
    }


def ticker_data(instrument: Instrument, summary: Candle, now_us: int) -> Json | None:
    """Return the last 24 hours, with trimmed decimals; None while nothing was traded."""
    if summary.open is None or summary.high is None or summary.low is None or summary.close is None:
        return None
    return {
        "E": now_us,
        "V": decimal_text(summary.quote_volume),
        "c": decimal_text(summary.close),
        "e": "ticker",
        "h": decimal_text(summary.high),
        "l": decimal_text(summary.low),
        "n": summary.trades,
        "o": decimal_text(summary.open),
        "s": instrument.symbol,
        "v": decimal_text(summary.volume),
    }


def kline_data(instrument: Instrument, candle: Candle, end_s: int, now_us: int, *, is_closed: bool) -> Json:
    """Return a candle; times as text, prices null in an empty bucket, `X` on its last message."""
    return {
        "E": now_us,
        "T": iso_from_us(us_from_s(end_s)),
        "X": is_closed,
        "c": _kline_text(candle.close),
        "e": "kline",
        "h": _kline_text(candle.high),
        "l": _kline_text(candle.low),
        "n": candle.trades,
        "o": _kline_text(candle.open),
        "s": instrument.symbol,
        "t": iso_from_us(us_from_s(candle.start_s)),
        "v": decimal_text(candle.volume),
    }


def _kline_text(number: Decimal | None) -> str | None:
    return None if number is None else padded_text(number, _KLINE_INCREMENT)


def mark_price_data(
    instrument: Instrument,
    mark_price: Decimal,
    index_price: Decimal,
    funding_rate: Decimal,
    next_funding_ms: int,
    now_us: int,
) -> Json:
    """Return mark price, index price and funding rate; `n` in milliseconds."""
    return {
        "E": now_us,
        "T": now_us,
        "e": "markPrice",
        "f": decimal_text(funding_rate),
        "i": decimal_text(index_price),
        "n": next_funding_ms,
        "p": padded_text(mark_price, instrument.tick_size),
        "s": instrument.symbol,
    }


def order_update_data(instrument: Instrument, update: OrderUpdated, now_us: int) -> Json:
    """Return what happened to an order; `t` is null unless it is a fill, `c` only there when the order has one."""
    order, fill = update.order, update.fill
    quote_increment = instrument.tick_size * instrument.step_size
    data: Json = {
        "E": now_us,
        "O": _USER_ORIGIN,
        "Q": padded_text(order.quote_quantity, quote_increment if order.price is not None else instrument.tick_size),
        "S": order.side.value,
        "T": update.time_us,
        "V": order.self_trade_prevention.value,
        "X": order.status.value,
        "Z": _padded_or_zero(order.executed_quote_quantity, quote_increment),
        "e": update.kind.value,
        "f": order.time_in_force.value,
        "i": order.order_id,
        "o": order.order_type.value.upper(),
        "r": bool(order.reduce_only),
        "s": order.symbol,
        "t": None if fill is None else fill.trade_id,
        "z": _padded_or_zero(order.executed_quantity, instrument.step_size),
    }
    if order.quantity is not None:
        data["q"] = padded_text(order.quantity, instrument.step_size)
    if order.price is not None:
        data["p"] = padded_text(order.price, instrument.tick_size)
    if order.client_id is not None:
        data["c"] = order.client_id
    if order.post_only:
        data["y"] = True
    if update.kind is OrderEvent.EXPIRED and order.expiry_reason is not None:
        data["R"] = order.expiry_reason.value
    if fill is not None:
        data["L"] = padded_text(fill.price, instrument.tick_size)
        data["N"] = fill.fee_symbol
        data["l"] = padded_text(fill.quantity, instrument.step_size)
        data["m"] = fill.is_maker
        data["n"] = decimal_text(fill.fee)
    return data


def _padded_or_zero(number: Decimal, increment: Decimal) -> str:
    # A bare "0" until something is executed, as captured.
    return padded_text(number, increment) if number else "0"


def balance_update_data(update: BalanceChanged, now_us: int) -> Json:
    """Return what an account has of an asset now."""
    return {
        "A": decimal_text(update.available),
        "E": now_us,
        "L": decimal_text(update.locked),
        "S": "0",
        "T": update.time_us,
        "a": update.asset,
        "e": "balanceUpdate",
    }
