"""Feed Hummingbot with candles: a history without gaps, and a stream that continues it; no keys are needed.

Rule 1: the stream is subscribed to before the history is asked for, so that nothing falls between the two.
Rule 2: after a reconnect everything is asked again that ended after the last message, and nothing else.
Rule 3: while a connection lasts, a bucket without a message is flat. The exchange is silent about markets without
        trades, and about subscriptions that it ignored (API §3.1), so a silent stream is compared with REST at times.
Rule 4: candles stay while a connection is lost, but the feed is ready only while they are in step.

The interface is that of Hummingbot's `CandlesBase`: times are whole seconds, UTC, at which buckets begin.
"""

import asyncio
import logging
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest
from hummingbot.data_feed.candles_feed.candles_base import CandlesBase
from hummingbot.data_feed.candles_feed.data_types import HistoricalCandlesConfig

from backpack_connector import backpack_web_utils, hummingbot_contract
from backpack_connector.candle_history import CandleHistory
from backpack_connector.candle_series import CandleSeries, columns_of
from backpack_connector.protocol.candles import MAX_ROWS, bucket_start_s, next_bucket_s, start_before
from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.enums import KlineInterval, MarketType, SystemStatus
from backpack_connector.protocol.errors import BackpackError, ConfigurationError, WireFormatError, plain
from backpack_connector.protocol.messages import ErrorFrame, KlineUpdate, decoded_frame, parse_message, stream_of
from backpack_connector.protocol.models import SystemState
from backpack_connector.protocol.streams import kline_stream, subscribe_frame
from backpack_connector.protocol.symbols import symbol_of
from backpack_connector.protocol.units import seconds_from_us
from backpack_connector.protocol.wire import read
from backpack_connector.reconnect import first_to_end, keep_connected
from backpack_connector.request_budget import RequestBudget, rate_limits

if TYPE_CHECKING:
    from hummingbot.connector.connector_base import ConnectorBase

INTERVALS = {("1M" if interval is KlineInterval.MONTH_1 else interval.value): interval for interval in KlineInterval}
"""Hummingbot's names; it writes a month as 1M."""

STREAM_LAG_S = 2.0
"""A message may come so long after the end of its bucket, or after REST knows what it tells."""
FIRST_SILENCE_S = 60.0
LONGEST_SILENCE_S = 900.0
_FURTHEST_FUTURE_S = 86_400.0
_SHORTEST_PAUSE_S = 0.01


class BackpackCandles(CandlesBase):
    """The candles of one market in one interval; a subclass says of which kind of market.

    Raises:   ConfigurationError at construction for an interval or a trading pair that cannot be.
    """

    market_type: MarketType
    domain: str

    def __init__(self, trading_pair: str, interval: str = "1m", max_records: int = 150) -> None:
        hummingbot_contract.check()
        if interval not in INTERVALS:
            raise ConfigurationError(
                f"The interval of candles must be one of {', '.join(INTERVALS)}, not {interval!r}."
            )
        if max_records < 1:
            raise ConfigurationError(f"A candle feed needs at least one candle, not {max_records}.")
        super().__init__(trading_pair, interval, max_records)
        self._kind = INTERVALS[interval]
        self._stream = kline_stream(self._ex_trading_pair, self._kind)
        self._keyless = backpack_web_utils.create_throttler()
        self._history = CandleHistory(self._ex_trading_pair, self._kind, self.domain, [self._keyless])
        self._api_factory = backpack_web_utils.build_api_factory(throttler=self._keyless, domain=self.domain)
        self._series = CandleSeries(self._kind, self._candles)
        self._is_in_step = False
        self._begins_with_the_market = False
        self._missing = asyncio.Event()
        self._sure_until_s: float | None = None
        self._last_message_s: float | None = None
        self._last_message_at = 0.0
        self._silence_s = FIRST_SILENCE_S
        self._last_told_s: int | None = None
        self._tells_empty_buckets = False

    @classmethod
    def logger(cls) -> Any:
        return logging.getLogger(__name__)

    # What Hummingbot asks about the feed

    @property
    def name(self) -> str:
        return f"{self.domain}_{self._trading_pair}"

    @property
    def intervals(self) -> dict[str, str]:
        return {name: interval.value for name, interval in INTERVALS.items()}

    @property
    def ready(self) -> bool:
        """Tell whether the candles are in step with the exchange, and as many as wanted or as the market has."""
        return self._is_in_step and (super().ready or self._begins_with_the_market)

    @property
    def rest_url(self) -> str:
        return backpack_web_utils.rest_base(self.domain)

    @property
    def health_check_url(self) -> str:
        return self.rest_url + endpoint("get_status").path

    @property
    def candles_endpoint(self) -> str:
        return endpoint("get_klines").path

    @property
    def candles_url(self) -> str:
        return self.rest_url + self.candles_endpoint

    @property
    def wss_url(self) -> str:
        return backpack_web_utils.ws_url(self.domain)

    @property
    def candles_max_result_per_rest_request(self) -> int:
        return MAX_ROWS

    @property
    def rate_limits(self) -> Any:
        return rate_limits()

    def get_exchange_trading_pair(self, trading_pair: str) -> str:
        return symbol_of(trading_pair, self.market_type)

    def attach_connector(self, connector: "ConnectorBase") -> None:
        """Count this feed's requests also among those of a connector of the same exchange."""
        self._connector = connector
        budget = getattr(connector, "throttler", None)
        if isinstance(budget, RequestBudget):
            self._history.budgets = (self._keyless, budget)

    # Network

    async def check_network(self) -> NetworkStatus:
        """Tell whether the exchange works; its maintenance counts as not connected."""
        try:
            state = read(SystemState, await self._history.ask("get_status"), "get_status")
        except BackpackError as error:
            self.logger().debug(f"The network check of {self._what} failed: {error}")
            return NetworkStatus.NOT_CONNECTED
        return NetworkStatus.NOT_CONNECTED if state.status is SystemStatus.MAINTENANCE else NetworkStatus.CONNECTED

    async def stop_network(self) -> None:
        await super().stop_network()
        self._is_in_step = False

    async def listen_for_subscriptions(self) -> None:
        """Keep the stream connected and the candles in step with it."""
        await keep_connected(self._listen_once, self._what, self.logger(), self._sleep)

    @property
    def _what(self) -> str:
        return f"the candles {self._stream}"

    async def _listen_once(self) -> None:
        assistant = await backpack_web_utils.connected_stream(self._api_factory, self.domain)
        try:
            self._series.begin_stream()
            self._last_told_s = None
            self._lose_step()
            await assistant.send(WSJSONRequest(self.ws_subscription_payload()))
            await first_to_end(
                backpack_web_utils.deliver_frames(assistant, self._on_frame),
                self._keep_in_step(),
                self._watch_silence(),
            )
        finally:
            self._is_in_step = False
            await assistant.disconnect()

    def ws_subscription_payload(self) -> dict[str, Any]:
        return subscribe_frame([self._stream])

    # Stream

    def _on_frame(self, text: str) -> None:
        frame = decoded_frame(text)
        try:
            message = parse_message(frame, self._time() + _FURTHEST_FUTURE_S)
        except WireFormatError as error:
            self.logger().warning(f"A message of {self._what} could not be read, so they are asked for: {error}")
            self._lose_step()
            return
        if isinstance(message, ErrorFrame):
            raise ConnectionError(f"the exchange refused the subscription: {plain(message.message)}")
        if not isinstance(message, KlineUpdate) or stream_of(frame) != self._stream:
            return
        if message.symbol == self._ex_trading_pair:
            self._on_update(message)

    def _on_update(self, update: KlineUpdate) -> None:
        self._last_message_s = seconds_from_us(update.event_time_us)
        self._last_message_at = time.monotonic()
        self._silence_s = FIRST_SILENCE_S
        if not self._series.take(update) or self._was_one_left_out(update):
            self._lose_step()
        elif self._is_in_step:
            self._sure_until_s = self._last_message_s

    def _was_one_left_out(self, update: KlineUpdate) -> bool:
        """Tell whether the stream skipped a bucket, although it also tells the end of buckets without trades."""
        last_s, start_s = self._last_told_s, int(update.start_timestamp)
        self._last_told_s = start_s if last_s is None else max(last_s, start_s)
        self._tells_empty_buckets |= update.is_final and update.trades == 0
        return self._tells_empty_buckets and last_s is not None and next_bucket_s(last_s, self._kind) < start_s

    def _lose_step(self) -> None:
        self._is_in_step = False
        self._missing.set()

    def _now(self) -> float:
        """Return the exchange's time as far as its messages tell it, in seconds."""
        if self._last_message_s is None:
            return self._time()
        return self._last_message_s + time.monotonic() - self._last_message_at

    async def _keep_in_step(self) -> None:
        while True:
            if self._missing.is_set():
                await self._catch_up()
            self._series.roll(self._now() - STREAM_LAG_S)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._missing.wait(), self._until_next_bucket_s())

    def _until_next_bucket_s(self) -> float:
        last_s = self._series.last_start_s
        if last_s is None:
            return STREAM_LAG_S
        return max(_SHORTEST_PAUSE_S, next_bucket_s(last_s, self._kind) + STREAM_LAG_S - self._now())

    async def _catch_up(self) -> None:
        self._missing.clear()
        asked_s = self._now()
        span = await self._history.between(self._first_doubtful_s(), int(asked_s))
        self._series.merge(span.rows, span.close_before)
        self._begins_with_the_market |= span.begins_with_the_market
        if not self._missing.is_set():
            self._is_in_step = True
            self._sure_until_s = asked_s

    def _first_doubtful_s(self) -> int:
        """Return the bucket from which on something may have been missed."""
        newest_s = bucket_start_s(int(self._now()), self._kind)
        oldest_s = max(0, start_before(newest_s, self._kind, self.max_records - 1))
        doubtful_s = None if self._sure_until_s is None else self._series.start_at(self._sure_until_s)
        return oldest_s if doubtful_s is None else max(oldest_s, doubtful_s)

    async def _watch_silence(self) -> None:
        """End the session when REST knows of trades that the stream should have told."""
        while True:
            seen_at = self._last_message_at
            await self._sleep(self._silence_s)
            if seen_at != self._last_message_at or not self._is_in_step:
                continue
            span = await self._history.between(self._first_doubtful_s(), int(self._now()))
            await self._sleep(STREAM_LAG_S)
            if seen_at != self._last_message_at:
                continue
            if any(row is not None and row.trades > self._series.trades_at(row.start_s) for row in span.rows.values()):
                raise ConnectionError("the stream is silent about trades that REST shows")
            self._silence_s = min(2 * self._silence_s, LONGEST_SILENCE_S)

    # History

    async def get_historical_candles(self, config: HistoricalCandlesConfig) -> pd.DataFrame:
        """Return the candles that begin from `start_time` to `end_time`, both included, none of them in the future.

        Raises:   RequestError by meaning; WireFormatError.
        """
        found = await self._between(config.start_time, config.end_time)
        return pd.DataFrame(found, columns=self.columns, dtype=float)

    async def fetch_candles(
        self, start_time: int | None = None, end_time: int | None = None, limit: int | None = None
    ) -> "np.ndarray[Any, Any]":
        """Return up to `limit` candles that begin up to and with `end_time`, or else from `start_time` on.

        Raises:   ValueError when no time is given; RequestError by meaning; WireFormatError.
        """
        others = min(MAX_ROWS, max(1, MAX_ROWS if limit is None else limit)) - 1
        if end_time is not None:
            found = await self._between(
                start_before(bucket_start_s(end_time, self._kind), self._kind, others), end_time
            )
        elif start_time is not None:
            found = await self._between(start_time, start_before(start_time, self._kind, -others))
        else:
            raise ValueError("Either the start time or end time must be specified.")
        return np.array(found, dtype=float).reshape(len(found), len(self.columns))

    async def _between(self, start_time: float, end_time: float) -> list[tuple[float, ...]]:
        last_s = int(min(end_time, self._now()))
        first_s = bucket_start_s(max(0, math.ceil(start_time)), self._kind)
        if last_s < first_s:
            return []
        span = await self._history.between(first_s, last_s)
        return [columns_of(candle) for candle in span.candles() if candle.start_s >= start_time]
