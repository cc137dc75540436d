"""Keep order books from the depth stream and snapshots, without gaps, and pass on public trades.

Rule 1: a book changes only through its `DepthSequence`, so that no update is missed or applied twice (F06, F07).
Rule 2: a book that is out of sequence is emptied at once: no quote is better than a stale one.
Rule 3: a stream that says less than it should is looked at (`silence_watch`).
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from hummingbot.core.data_type.order_book import OrderBook
from hummingbot.core.data_type.order_book_tracker import OrderBookTrackerMetrics
from hummingbot.core.data_type.order_book_tracker_data_source import OrderBookTrackerDataSource
from hummingbot.core.web_assistant.connections.data_types import WSJSONRequest
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

from backpack_connector import backpack_constants as constants
from backpack_connector.backpack_web_utils import deliver_frames, stream_head_start
from backpack_connector.protocol.book_levels import (
    UNREADABLE,
    BookSnapshot,
    read_book_snapshot,
    read_quick_depth_frame,
    set_changing_update_id,
)
from backpack_connector.protocol.depth import Verdict
from backpack_connector.protocol.errors import BackpackError, OrderNotFound, WireFormatError, plain
from backpack_connector.protocol.messages import (
    DepthUpdate,
    ErrorFrame,
    PublicTrade,
    decoded_frame,
    parse_message,
    stream_of,
)
from backpack_connector.protocol.streams import (
    depth_stream,
    split_stream_name,
    subscribe_frame,
    trade_stream,
    unsubscribe_frame,
)
from backpack_connector.reconnect import HEALTHY_AFTER_S, first_to_end, keep_connected
from backpack_connector.silence_watch import SilenceWatch
from backpack_connector.to_hummingbot import trade_message
from backpack_connector.tracked_book import TrackedBook

if TYPE_CHECKING:
    from backpack_connector.backpack_base import BackpackExchangeBase

SNAPSHOT_LEVELS = 1000
CLOSED_PAIR_PAUSE_S = 60.0


class BackpackAPIOrderBookDataSource(SilenceWatch, OrderBookTrackerDataSource):
    """The public streams of the tracked pairs. It goes on updating every book that it has handed out."""

    def __init__(
        self,
        trading_pairs: list[str],
        connector: "BackpackExchangeBase",
        api_factory: WebAssistantsFactory,
        domain: str = constants.DEFAULT_DOMAIN,
    ) -> None:
        super().__init__(trading_pairs)
        self._connector = connector
        self._book_changed = connector.latency.book_changed
        self._api_factory = api_factory
        self._domain = domain
        self.head_start = stream_head_start(api_factory, domain)
        self._books: dict[str, TrackedBook] = {}
        self._is_listening = False
        self._subscribed = asyncio.Event()
        self.metrics: OrderBookTrackerMetrics | None = None
        self._latest_time_us = 0
        """No message up to this time is dated in the future; it lags behind the connector's `latest_timestamp`."""

    @property
    def are_books_in_sequence(self) -> bool:
        """Tell whether every book of a market that is open is complete and up to date."""
        return not self.pairs_out_of_sequence

    @property
    def is_connected(self) -> bool:
        """Tell whether streams can be subscribed to now."""
        return self._ws_assistant is not None

    @property
    def pairs_out_of_sequence(self) -> list[str]:
        """Return the trading pairs whose books are not complete and up to date, although their markets are open."""
        return [
            tracked.trading_pair
            for tracked in self._books.values()
            if tracked.is_suspect or not (tracked.sequence.is_synchronized or tracked.is_closed)
        ]

    async def get_last_traded_prices(self, trading_pairs: list[str], domain: str | None = None) -> dict[str, float]:
        return await self._connector.get_last_traded_prices(trading_pairs)

    async def refresh_symbols(self) -> None:
        """Read the list of markets again."""
        await self._connector._update_trading_rules()

    async def is_listed(self, trading_pair: str) -> bool:
        """Tell whether a pair can be traded according to the list of markets."""
        return trading_pair in await self._connector.all_trading_pairs()

    # Books

    async def get_new_order_book(self, trading_pair: str) -> OrderBook:
        """Return a complete book, which stays up to date from then on.

        Raises:   KeyError when the pair is not traded on the exchange now; RequestError when there is no snapshot.
        """
        symbol = await self._connector.exchange_symbol_associated_to_pair(trading_pair)
        tracked = TrackedBook(trading_pair, symbol, self.order_book_create_function())
        # Standing in for a resynchronisation, so that a reconnect does not begin a second one beside this.
        tracked.resync = finished = asyncio.get_running_loop().create_future()
        self._books[symbol] = tracked
        try:
            while not await self._splice(tracked):
                await self._sleep(tracked.backoff.next_pause_s())
        except BaseException:
            if self._books.get(symbol) is tracked:
                del self._books[symbol]
            raise
        finally:
            finished.cancel()
        # The network may have started again while a pair was being added, and asked for its book too. That one is
        # followed now, and this one would stand still.
        return self._books.get(symbol, tracked).book

    async def _order_book_snapshot(self, trading_pair: str) -> Any:
        symbol = await self._connector.exchange_symbol_associated_to_pair(trading_pair)
        return await self._request_snapshot(symbol)

    async def _request_snapshot(self, symbol: str) -> BookSnapshot:
        wanted = {"symbol": symbol, "limit": SNAPSHOT_LEVELS}
        try:
            answer = await self._connector.request("get_depth", wanted, is_text_wanted=True)
        except OrderNotFound as error:  # 404 RESOURCE_NOT_FOUND: the market is closed (API §2.3, depth)
            raise KeyError(symbol) from error
        return read_book_snapshot(answer, f"get_depth {symbol}")

    async def _splice(self, tracked: TrackedBook) -> bool:
        if self._is_listening:
            # What is asked for while no updates arrive cannot be continued.
            await self._subscribed.wait()
        connection = tracked.connection
        snapshot = await self._request_snapshot(tracked.symbol)
        if tracked.connection != connection:
            return False  # the stream was lost meanwhile, and with it perhaps updates
        replay = tracked.take_snapshot(snapshot)
        if replay is None:
            return False
        try:
            for update in replay:
                tracked.apply(update)
        except WireFormatError:
            tracked.sequence.restart()
            tracked.empty()
            raise
        tracked.spliced()
        tracked.is_closed = False
        if self.metrics is not None:
            self.metrics.total_snapshots_processed += 1
            pair_metrics = self.metrics.get_or_create_pair_metrics(tracked.trading_pair)
            pair_metrics.snapshots_processed += 1
            pair_metrics.last_snapshot_timestamp = time.perf_counter()
        return True

    def _start_again(self, tracked: TrackedBook) -> None:
        tracked.empty()
        if tracked.resync is None or tracked.resync.done():
            tracked.resync = asyncio.ensure_future(self._resynchronize(tracked))

    async def _resynchronize(self, tracked: TrackedBook) -> None:
        # A stream that loses frames all the time must not use up the account's requests.
        if time.monotonic() - tracked.spliced_at > HEALTHY_AFTER_S:
            tracked.backoff.reset()
        else:
            await self._sleep(tracked.backoff.next_pause_s())
        while True:
            try:
                if await self._splice(tracked):
                    return
            except KeyError:
                await self._wait_while_closed(tracked)
                continue
            except (BackpackError, OSError) as error:
                self.logger().warning(f"No snapshot of {tracked.trading_pair} yet: {error}")
            await self._sleep(tracked.backoff.next_pause_s())

    async def _wait_while_closed(self, tracked: TrackedBook) -> None:
        if not tracked.is_closed:
            self.logger().error(
                f"The market of {tracked.trading_pair} is closed now, so its order book is empty. "
                f"The exchange is asked again every {CLOSED_PAIR_PAUSE_S:.0f} s."
            )
        tracked.is_closed = True
        await self._sleep(CLOSED_PAIR_PAUSE_S)

    # Streams

    def expect_stream(self) -> None:
        """Make new books wait for the stream; called when it is about to be listened to."""
        self._is_listening = True

    def forget_books(self) -> None:
        """Let go of all books at once; an older run that is still closing its socket touches nothing new then."""
        self.count_changes()
        for tracked in self._books.values():
            if tracked.resync is not None:
                tracked.resync.cancel()
        self._books, self._subscribed, self._is_listening = {}, asyncio.Event(), False

    async def listen_for_subscriptions(self) -> None:
        """Keep the public streams connected and the books in sequence."""
        self.expect_stream()
        books = self._books
        try:
            await keep_connected(self._listen_once, "the public stream", self.logger(), self._sleep)
        finally:
            if self._books is books:
                self.forget_books()

    async def _listen_once(self) -> None:
        books, subscribed = self._books, self._subscribed
        assistant: WSAssistant | None = None
        try:
            assistant = self._ws_assistant = await self._connected_websocket_assistant()
            await self._subscribe_channels(assistant)
            for tracked in books.values():
                tracked.start_over()
                self._start_again(tracked)
            subscribed.set()
            await first_to_end(self._process_websocket_messages(assistant), self._watch_silence())
        finally:
            subscribed.clear()
            for tracked in books.values():
                # Whatever happens until the stream is back would be missed.
                tracked.start_over()
            if self._ws_assistant is assistant:
                self._ws_assistant = None
            await self._on_order_stream_interruption(assistant)

    async def _connected_websocket_assistant(self) -> WSAssistant:
        return await self.head_start.take()

    async def _subscribe_channels(self, ws: WSAssistant) -> None:
        streams: list[str] = []
        for trading_pair in list(self._trading_pairs):
            try:
                symbol = await self._connector.exchange_symbol_associated_to_pair(trading_pair)
            except KeyError:
                continue  # the tracker reports pairs that are not listed
            streams.extend(self._streams_of(symbol))
        if streams:
            await ws.send(WSJSONRequest(payload=subscribe_frame(streams)))

    def _streams_of(self, symbol: str) -> list[str]:
        return [depth_stream(symbol), trade_stream(symbol)]

    async def subscribe_to_trading_pair(self, trading_pair: str) -> bool:
        """Subscribe to one more pair on the open connection; a symbol is accepted too (F08)."""
        return await self._send_for_pair(trading_pair, subscribe_frame)

    async def unsubscribe_from_trading_pair(self, trading_pair: str) -> bool:
        """End the subscription of one pair."""
        is_sent = await self._send_for_pair(trading_pair, unsubscribe_frame)
        self.count_changes()
        for symbol, tracked in list(self._books.items()):
            if trading_pair in (tracked.trading_pair, symbol):
                if tracked.resync is not None:
                    tracked.resync.cancel()
                del self._books[symbol]
        return is_sent

    async def _send_for_pair(self, trading_pair: str, frame_of: Any) -> bool:
        if self._ws_assistant is None:
            self.logger().warning(f"The public stream is not connected, so {trading_pair} cannot be changed on it now.")
            return False
        try:
            symbol = trading_pair
            if self._connector.trading_pair_or_none(trading_pair) is None:
                symbol = await self._connector.exchange_symbol_associated_to_pair(trading_pair)
            await self._ws_assistant.send(WSJSONRequest(payload=frame_of(self._streams_of(symbol))))
        except KeyError:
            self.logger().error(f"{trading_pair} is not a market that can be traded on the exchange now.")
            return False
        except (OSError, RuntimeError) as error:  # Hummingbot's for a connection that is being closed
            self.logger().warning(f"The public stream is lost, so {trading_pair} cannot be changed on it now: {error}")
            return False
        return True

    async def _process_websocket_messages(self, websocket_assistant: WSAssistant) -> None:
        # The base class has three queues between a frame and its book, and a task behind each. A book is changed
        # where the frame arrives; its counters (`metrics`) go on, and the sequence does what the base class keeps its
        # windows of saved messages for.
        await deliver_frames(websocket_assistant, self._on_frame)

    def _on_frame(self, text: str) -> None:
        """Apply the next update of a book that is in sequence; leave all else to those who look closer.

        It is written in one piece because calls cost as much as the work: a busy bot comes here a thousand times a
        second.
        """
        came_s = time.monotonic()
        try:
            frame = read_quick_depth_frame(text)
        except UNREADABLE:
            self._on_other_frame(text)
            return
        update = frame.data
        tracked = self._books.get(update.symbol)
        latest_us, last_id = self._latest_time_us, update.last_update_id
        if (
            tracked is None
            or frame.stream != tracked.stream
            or update.event_time_us > latest_us
            or update.engine_time_us > latest_us
            or not tracked.sequence.advance(update.first_update_id, last_id)
        ):
            self._on_other_frame(text)
            return
        tracked.heard_at_s = came_s
        tracked.changes += 1
        set_changing_update_id(last_id)
        tracked.book.apply_diffs(update.bids, update.asks, last_id)
        if not last_id & 15:  # one update in sixteen is measured, because measuring takes a tenth of the work
            self._book_changed(time.monotonic() - came_s)

    def _on_other_frame(self, text: str) -> None:
        frame, self._latest_time_us = decoded_frame(text), self._connector.latest_time_us
        try:
            self._on_message(parse_message(frame, self._connector.latest_timestamp))
        except WireFormatError as error:
            self.logger().warning(f"A message of the public stream was skipped: {error}")
            self._resynchronize_after_unreadable(frame)

    def _on_message(self, message: Any) -> None:
        if isinstance(message, DepthUpdate):
            self._on_depth(message)
        elif isinstance(message, PublicTrade):
            self._on_trade(message)
        elif isinstance(message, ErrorFrame):
            self.logger().error(
                f"The exchange refused a public subscription: {plain(message.message)} ({message.code})"
            )

    def _on_depth(self, update: DepthUpdate) -> None:
        tracked = self._books.get(update.symbol)
        if tracked is None:
            return
        size = 1 + len(update.asks) + len(update.bids)
        verdict = tracked.sequence.update(update.first_update_id, update.last_update_id, update, size)
        if verdict is Verdict.DROP:
            return  # older than what is known, so no sign of life
        tracked.heard_at_s = time.monotonic()
        if verdict is Verdict.APPLY:
            tracked.apply(update)
        elif verdict is Verdict.GAP:
            self.logger().warning(
                f"The order book of {tracked.trading_pair} missed updates before id {update.first_update_id}; "
                "it is empty until a new snapshot is in."
            )
            self._start_again(tracked)

    def count_changes(self) -> None:
        """Add what was applied since the last time to Hummingbot's counters; doing it a frame costs a tenth of it."""
        if self.metrics is None:
            return
        clocks_apart_s = time.perf_counter() - time.monotonic()
        for tracked in self._books.values():
            changes, tracked.changes = tracked.changes, 0
            if changes:
                self.metrics.total_diffs_processed += changes
                pair_metrics = self.metrics.get_or_create_pair_metrics(tracked.trading_pair)
                pair_metrics.diffs_processed += changes
                pair_metrics.last_diff_timestamp = tracked.heard_at_s + clocks_apart_s

    def _on_trade(self, trade: PublicTrade) -> None:
        tracked = self._books.get(trade.symbol)
        # Trade ids count up per symbol; after a reconnect some may come again.
        if tracked is not None and trade.trade_id > tracked.last_trade_id:
            tracked.last_trade_id = trade.trade_id
            self._message_queue[self._trade_messages_queue_key].put_nowait(trade)

    async def _parse_trade_message(self, raw_message: PublicTrade, message_queue: "asyncio.Queue[Any]") -> None:
        trading_pair = self._connector.trading_pair_or_none(raw_message.symbol)
        if trading_pair is not None:
            message_queue.put_nowait(trade_message(raw_message, trading_pair))

    async def listen_for_order_book_snapshots(self, ev_loop: Any, output: "asyncio.Queue[Any]") -> None:
        """Wait for ever: the sequence asks for snapshots when they are needed, so none is due by the hour."""
        await asyncio.get_running_loop().create_future()

    def _resynchronize_after_unreadable(self, frame: Any) -> None:
        # The stream's name tells the book even where the payload does not.
        name = split_stream_name(stream_of(frame) or "")
        tracked = self._books.get(name.symbol or "") if name.kind == "depth" else None
        if tracked is not None:
            tracked.sequence.restart()
            self._start_again(tracked)
