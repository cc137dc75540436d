"""Read candles over any stretch of time: in windows that the exchange answers, each candle once.

A request for more than 2,000 candles is refused (API §2.3, klines), so a longer stretch is cut into windows. Their ends
overlap by one candle, because no source says whether the end of a window belongs to it.
"""

from collections.abc import AsyncIterator

from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.models import Kline

from .calls import OperationCalls

WINDOW_CANDLES = 1_990
"""A little below the limit: months and the ends of a window are not counted exactly."""

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
_UNIT_S = {"s": 1, "m": _MINUTE_S, "h": _HOUR_S, "d": _DAY_S, "w": 7 * _DAY_S, "month": 28 * _DAY_S}


def interval_s(interval: str) -> int:
    """Return the length of a candle in seconds; of a month its shortest length.

    Raises:   ConfigurationError for a word that is no interval.
    """
    words = [member.value for member in KlineInterval]
    if interval not in words:
        raise ConfigurationError(f"interval has to be one of {', '.join(words)}, not {interval!r}.")
    count = interval.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(count) * _UNIT_S[interval[len(count) :]]


async def candles_of(
    calls: OperationCalls,
    symbol: str,
    interval: str,
    start_time_s: int,
    end_time_s: int,
    price_type: str | None = None,
) -> AsyncIterator[Kline]:
    """Yield the candles of a market from one time to another, oldest first; the last one may still change.

    Units:    seconds since the epoch.
    Raises:   as `call`.
    """
    length_s = interval_s(interval)
    start_s, last = start_time_s, float("-inf")
    while True:
        end_s = min(end_time_s, start_s + WINDOW_CANDLES * length_s)
        fields = {
            "symbol": symbol,
            "interval": interval,
            "startTime": start_s,
            "endTime": end_s,
            "priceType": price_type,
        }
        for candle in sorted(await calls.call("get_klines", fields), key=lambda row: row.start_timestamp):
            if candle.start_timestamp > last:
                last = candle.start_timestamp
                yield candle
        if end_s >= end_time_s:
            return
        start_s = end_s - length_s
