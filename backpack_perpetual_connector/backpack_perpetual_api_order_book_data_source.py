"""Listen to the public streams of perpetual markets: what spot has, and mark prices with funding."""

import asyncio
import time
from collections.abc import Iterable
from math import inf
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.funding_info import FundingInfo
from hummingbot.core.data_type.perpetual_api_order_book_data_source import PerpetualAPIOrderBookDataSource
from hummingbot.core.utils.async_utils import safe_ensure_future
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

from backpack_connector.backpack_api_order_book_data_source import BackpackAPIOrderBookDataSource
from backpack_connector.protocol.messages import MarkPriceUpdate
from backpack_connector.protocol.models import MarkPrice, is_row_of, read_rows
from backpack_connector.protocol.streams import mark_price_stream, subscribe_frame
from backpack_connector.protocol.wire import read
from backpack_perpetual_connector.to_hummingbot import funding_info, funding_info_update, unknown_funding_info

if TYPE_CHECKING:
    from backpack_perpetual_connector.backpack_perpetual_derivative import BackpackPerpetualDerivative


MARKS_OVERDUE_S = 10.0
"""A mark price comes every second, even an unchanged one (API §3.2)."""


class BackpackPerpetualAPIOrderBookDataSource(BackpackAPIOrderBookDataSource, PerpetualAPIOrderBookDataSource):
    """The public streams of the tracked perpetual pairs."""

    _connector: "BackpackPerpetualDerivative"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._followed: set[str] = set()
        """Symbols of markets that are not traded here, but whose mark price values a position or an order."""
        self._marks_heard: dict[str, float] = {}
        """When a mark price has last come, by symbol, on the monotonic clock."""
        self._marks_missed = 0
        """How often in a row mark prices were found to be overdue."""
        self._marks_missed_at_s = -inf

    def follow_mark_prices(self, symbols: Iterable[str]) -> None:
        """Listen to the mark prices of these markets too; those of traded pairs are heard anyway."""
        new = [
            symbol
            for symbol in symbols
            if symbol not in self._followed and self._connector.trading_pair_or_none(symbol) not in self._trading_pairs
        ]
        self._followed.update(new)
        if new and self._ws_assistant is not None:
            frame = subscribe_frame([mark_price_stream(symbol) for symbol in new])
            safe_ensure_future(self._ws_assistant.send(WSJSONRequest(payload=frame)))

    async def _subscribe_channels(self, ws: WSAssistant) -> None:
        self._marks_heard.clear()
        await super()._subscribe_channels(ws)
        if self._followed:
            streams = [mark_price_stream(symbol) for symbol in sorted(self._followed)]
            await ws.send(WSJSONRequest(payload=subscribe_frame(streams)))

    async def unsubscribe_from_trading_pair(self, trading_pair: str) -> bool:
        # The mark price ends with the rest; whoever still needs it has to follow it again.
        pairs_of = self._connector.trading_pair_or_none
        self._followed = {symbol for symbol in self._followed if trading_pair not in (symbol, pairs_of(symbol))}
        return await super().unsubscribe_from_trading_pair(trading_pair)

    def _streams_of(self, symbol: str) -> list[str]:
        return [*super()._streams_of(symbol), mark_price_stream(symbol)]

    async def get_funding_info(self, trading_pair: str) -> FundingInfo:
        """Return the funding info of one pair.

        Raises:   RequestError when there is no answer.
        """
        return (await self.get_funding_infos([trading_pair]))[trading_pair]

    async def get_funding_infos(self, trading_pairs: list[str]) -> dict[str, FundingInfo]:
        """Return the funding info of pairs with one request; pairs whose market publishes none have NaN (F31, F45).

        Raises:   RequestError when there is no answer.
        """
        symbols: dict[str, str] = {self._connector.symbol_of_pair(pair): pair for pair in trading_pairs}
        # Asking for one symbol is refused when its market is closed (API §2.3, markPrices), asking for all is not.
        listed = read(list[Any], await self._connector.request("get_mark_prices"), "get_mark_prices")
        rows = [row for row in listed if is_row_of(row, symbols)]
        mark_prices, complaints = read_rows(MarkPrice, rows, "get_mark_prices")
        for complaint in complaints:
            self.logger().warning(f"A mark price was left out: {complaint}")
        # The account may have positions and orders in any market.
        others, _ = read_rows(MarkPrice, [row for row in listed if row not in rows], "get_mark_prices")
        for row in [*mark_prices, *others]:
            self._connector.on_listed_mark_price(row)
        infos = {pair: unknown_funding_info(pair) for pair in trading_pairs}
        infos.update({symbols[row.symbol]: funding_info(row, symbols[row.symbol]) for row in mark_prices})
        return infos

    def _on_message(self, message: Any) -> None:
        if isinstance(message, MarkPriceUpdate):
            self._marks_heard[message.symbol] = time.monotonic()
            self._connector.on_mark_price(message)
            self._message_queue[self._funding_info_messages_queue_key].put_nowait(message)
        else:
            super()._on_message(message)

    async def _parse_funding_info_message(
        self, raw_message: MarkPriceUpdate, message_queue: "asyncio.Queue[Any]"
    ) -> None:
        trading_pair = self._connector.trading_pair_or_none(raw_message.symbol)
        if trading_pair is not None:
            message_queue.put_nowait(funding_info_update(raw_message, trading_pair))

    async def _look_for_silence(self, now_s: float) -> None:
        await super()._look_for_silence(now_s)
        expected = {*self._books, *self._followed}
        expected = {symbol for symbol in expected if self._connector.has_mark_price(symbol)}
        overdue = {
            symbol for symbol in expected if now_s - self._marks_heard.setdefault(symbol, now_s) > MARKS_OVERDUE_S
        }
        if not overdue:
            self._marks_missed = 0
            return
        if now_s - self._marks_missed_at_s < MARKS_OVERDUE_S:
            return
        self._marks_missed += 1
        self._marks_missed_at_s = now_s
        if self._marks_missed & (self._marks_missed - 1):
            return  # after 1, 2, 4, 8... times: the market may have closed, and the list of markets not say so yet
        names = ", ".join(sorted(overdue))
        if overdue == expected and self._marks_missed > 1:
            raise ConnectionError(f"no mark price of {names} comes, although one is due every second")
        self.logger().warning(f"No mark price of {names} has come for {MARKS_OVERDUE_S:g} s; subscribing again.")
        if self._ws_assistant is not None:
            frame = subscribe_frame([mark_price_stream(symbol) for symbol in sorted(overdue)])
            await self._ws_assistant.send(WSJSONRequest(payload=frame))
