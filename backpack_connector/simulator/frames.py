"""Write the engine's events as the streams show them: one-letter keys, numbers padded to tick and step.

`E` is when the message was made and `T` when the engine acted, both in microseconds. Source: API §3.2, §3.4.
"""

from collections.abc import Sequence
from decimal import Decimal

from backpack_connector.protocol.enums import OrderEvent, OrderOrigin, PositionEvent, Side
from backpack_connector.protocol.units import decimal_text, iso_from_us, padded_text

from .candles import Candle
from .clock import MICROSECONDS_PER_MILLISECOND, ms_from_us, us_from_s
from .events import BalanceChanged, LevelChanged, Liquidated, MarkPricePublished, OrderUpdated, TouchChanged
from .futures_payloads import shown
from .markets import Instrument
from .orders import Order, PublicTrade
from .payloads import Json
from .positions import PositionView

# Candles on the stream are padded far beyond the tick (API §3.2: "3680.520000000").
_KLINE_INCREMENT = Decimal("0.000000001")
# The documentation knows `R` on orderExpired; on triggerFailed it is an inference from the official client, whose next
# version has a failed event with a reason (API §3.4).
_EVENTS_WITH_REASON = (OrderEvent.EXPIRED, OrderEvent.TRIGGER_FAILED)

_EXTERNAL_KEYS = ("E", "c", "h", "l", "o", "s")


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


def external_ticker_data(instrument: Instrument, summary: Candle, now_us: int) -> Json | None:
    """Return the last 24 hours outside of this exchange; None while nothing is known of them.

    Which keys it has is not known (API §3.2). What was traded elsewhere is not simulated: there are no volumes.
    """
    data = ticker_data(instrument, summary, now_us)
    return None if data is None else {**{key: data[key] for key in _EXTERNAL_KEYS}, "e": "externalTicker"}


def stock_price_data(ticker: str, instrument: Instrument, price: Decimal, session: str | None, now_us: int) -> Json:
    """Return the price of a stock at its own exchange, with a spread of two ticks; the source's time in milliseconds.

    The names of the keys are choices; what they say is documented (API §3.2).
    """
    tick = instrument.tick_size
    return {
        "E": now_us,
        "ask": padded_text(price + tick, tick),
        "bid": padded_text(price - tick, tick),
        "e": "stockPrice",
        "mid": padded_text(price, tick),
        "s": ticker,
        "session": session,
        "timestamp": ms_from_us(now_us),
    }


def stock_indicative_quote_data(name: str, instrument: Instrument, price: Decimal, now_us: int) -> Json:
    """Return what either side would cost, which is what GET /stockIndicativeQuote estimates."""
    estimate = padded_text(price, instrument.tick_size)
    return {
        "E": now_us,
        "e": "stockIndicativeQuote",
        "estimatedAsk": estimate,
        "estimatedBid": estimate,
        "s": name,
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


def mark_price_data(instrument: Instrument, prices: MarkPricePublished, now_us: int) -> Json:
    """Return mark price, index price and funding rate; `n` in milliseconds."""
    return {
        "E": now_us,
        "T": prices.time_us,
        "e": "markPrice",
        "f": decimal_text(prices.funding_rate),
        "i": decimal_text(prices.index_price),
        "n": prices.next_funding_ms,
        "p": padded_text(prices.mark_price, instrument.tick_size),
        "s": instrument.symbol,
    }


def open_interest_data(instrument: Instrument, open_interest: Decimal, now_us: int) -> Json:
    """Return the open interest in base units."""
    return {"E": now_us, "e": "openInterest", "o": decimal_text(open_interest), "s": instrument.symbol}


def liquidation_data(instrument: Instrument, liquidation: Liquidated, now_us: int) -> Json:
    """Return a fill that closes somebody's position by force."""
    return {
        "E": now_us,
        "S": liquidation.side.value,
        "T": liquidation.time_us,
        "e": "liquidation",
        "p": padded_text(liquidation.price, instrument.tick_size),
        "q": padded_text(liquidation.quantity, instrument.step_size),
        "s": instrument.symbol,
    }


def order_update_data(instrument: Instrument, update: OrderUpdated, now_us: int) -> Json:
    """Return what happened to an order; `t` is null unless it is a fill, `c` only there when the order has one."""
    order, fill = update.order, update.fill
    quote_increment = instrument.tick_size * instrument.step_size
    data: Json = {
        "E": now_us,
        "O": (OrderOrigin.USER if order.cause is None else order.cause.origin).value,
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
    if order.price is not None or not order.awaits_trigger:
        increment = quote_increment if order.price is not None else instrument.tick_size
        data["Q"] = _padded_or_zero(order.quote_quantity, increment)
    if order.quantity is not None:
        data["q"] = _padded_or_zero(order.quantity, instrument.step_size)
    if order.price is not None:
        data["p"] = padded_text(order.price, instrument.tick_size)
    if order.client_id is not None:
        data["c"] = order.client_id
    if order.post_only:
        data["y"] = True
    if update.kind in _EVENTS_WITH_REASON and order.expiry_reason is not None:
        data["R"] = order.expiry_reason.value
    if fill is not None:
        data["L"] = padded_text(fill.price, instrument.tick_size)
        data["N"] = fill.fee_symbol
        data["l"] = padded_text(fill.quantity, instrument.step_size)
        data["m"] = fill.is_maker
        data["n"] = decimal_text(fill.fee)
    return data | _conditional_keys(order, instrument.tick_size)


def _conditional_keys(order: Order, tick_size: Decimal) -> Json:
    """Return the keys of a trigger, of take-profit and stop-loss, and of the parent; those that the order has.

    `B`, `d` and `g` are only there when the reference price was named, as captured.
    """
    keys: Json = {"H": order.strategy_id, "I": order.related_order_id}
    if order.trigger is not None:
        keys |= {
            "B": order.trigger.by,
            "P": padded_text(order.trigger.price, tick_size),
            "Y": order.trigger.quantity_text,
        }
    for exit_trigger, price_key, limit_price_key, by_key in (
        (order.take_profit, "a", "j", "d"),
        (order.stop_loss, "b", "k", "g"),
    ):
        if exit_trigger is not None:
            limit_price = exit_trigger.limit_price
            keys |= {
                price_key: padded_text(exit_trigger.price, tick_size),
                limit_price_key: None if limit_price is None else padded_text(limit_price, tick_size),
                by_key: exit_trigger.by,
            }
    return {key: str(value) for key, value in keys.items() if value is not None}


def _padded_or_zero(number: Decimal, increment: Decimal) -> str:
    # A bare "0" until something is executed or a trigger has fired, as captured.
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


def position_update_data(
    instrument: Instrument, position: PositionView, kind: PositionEvent | None, time_us: int, now_us: int
) -> Json:
    """Return a position; without `kind`, as on subscribing, there is no `e`. `l` is deprecated and always "0"."""
    data: Json = {
        "B": decimal_text(position.entry_price),
        "E": now_us,
        "M": padded_text(position.mark_price, instrument.tick_size),
        "P": decimal_text(position.pnl_unrealized),
        "Q": padded_text(position.exposure_quantity, instrument.step_size),
        "T": time_us,
        "b": decimal_text(position.break_even_price),
        "f": shown(position.imf),
        "i": int(position.position_id),
        "l": "0",
        "m": shown(position.mmf),
        "n": decimal_text(position.exposure_notional),
        "p": decimal_text(position.pnl_realized),
        "q": padded_text(position.net_quantity, instrument.step_size),
        "s": position.symbol,
    }
    return data if kind is None else {**data, "e": kind.value}
