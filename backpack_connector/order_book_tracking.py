"""Start all order books side by side, and say that they are ready only while each is in sequence."""

import asyncio
import math
import time
from typing import Any

from hummingbot.core.data_type.order_book_tracker import OrderBookTracker, OrderBookTrackerMetrics

from backpack_connector.backpack_api_order_book_data_source import CLOSED_PAIR_PAUSE_S
from backpack_connector.protocol.errors import BackpackError
from backpack_connector.reconnect import Backoff
from backpack_connector.silence_watch import STREAM_LAG_S

PARALLEL_SNAPSHOTS = 16
LAST_PRICES_INTERVAL_S = 60.0
QUIET_AFTER_S = 180.0


class BackpackOrderBookTracker(OrderBookTracker):
    """Hummingbot's tracker over a data source that keeps the books itself.

    The data source applies updates to a book as they arrive, in sequence, so this tracker has no queues to drain: the
    base class waits a second after each snapshot, and one failing pair stops all others (F45).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._data_source.metrics = self._metrics

    @property
    def ready(self) -> bool:
        """Tell whether every book has been started and none has missed anything."""
        return bool(super().ready) and self._data_source.are_books_in_sequence

    @property
    def metrics(self) -> OrderBookTrackerMetrics:
        """Return Hummingbot's counters as of now."""
        self._data_source.count_changes()
        return self._metrics

    def start(self) -> None:
        """Start the books and the streams; the books wait for the streams."""
        super().start()
        self._data_source.expect_stream()

    def stop(self) -> None:
        """Stop everything, and forget the books at once: a new start may follow in the same instant."""
        super().stop()
        self._data_source.forget_books()

    async def _init_order_books(self) -> None:
        slots = asyncio.Semaphore(PARALLEL_SNAPSHOTS)
        await asyncio.gather(*(self._start_book(pair, slots) for pair in list(self._trading_pairs)))
        self._order_books_initialized.set()

    async def _start_book(self, trading_pair: str, slots: asyncio.Semaphore) -> None:
        backoff = Backoff()
        while True:
            try:
                async with slots:
                    book = await self._initial_order_book_for_trading_pair(trading_pair)
            except KeyError:
                self._give_up_for_now(trading_pair)
                return
            except (BackpackError, OSError, asyncio.TimeoutError) as error:
                pause_s = backoff.next_pause_s()
                self.logger().warning(
                    f"No order book of {trading_pair} yet ({error}); trying again in {pause_s:.1f} s."
                )
                await self._sleep(pause_s)
            else:
                self._add_book(trading_pair, book)
                return

    def _add_book(self, trading_pair: str, book: Any) -> None:
        self._order_books[trading_pair] = book
        # The base class looks here when a pair is removed; nothing is ever put into the queue.
        self._tracking_message_queues[trading_pair] = asyncio.Queue()
        self.logger().info(f"Initialized order book for {trading_pair}.")

    def _give_up_for_now(self, trading_pair: str) -> None:
        self.logger().error(
            f"{trading_pair} is not a market that can be traded on the exchange now; it has an empty order book. "
            f"The exchange is asked again every {CLOSED_PAIR_PAUSE_S:.0f} s."
        )
        self._add_book(trading_pair, self._data_source.order_book_create_function())
        self._tracking_tasks[trading_pair] = asyncio.ensure_future(self._wait_for_listing(trading_pair))

    async def _wait_for_listing(self, trading_pair: str) -> None:
        while True:
            await self._sleep(CLOSED_PAIR_PAUSE_S)
            try:
                await self._data_source.refresh_symbols()
                # Updates first, then the snapshot: what happens between the two must not be missed.
                if not await self._data_source.is_listed(trading_pair):
                    continue
                if await self._data_source.subscribe_to_trading_pair(trading_pair):
                    self._add_book(trading_pair, await self._initial_order_book_for_trading_pair(trading_pair))
                    return
            except (KeyError, BackpackError, OSError, asyncio.TimeoutError) as error:
                self.logger().debug(f"{trading_pair} cannot be traded yet: {error}")

    async def _update_last_trade_prices_loop(self) -> None:
        # The base class asks without a pause while a pair has no trades at all, and every 5 s while it has few. The
        # trade stream tells every trade, so a price is needed at the start, and once a minute as a precaution.
        await self._order_books_initialized.wait()
        while True:
            try:
                await self._update_quiet_prices()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - boundary of the polling task
                self.logger().network(f"Could not update last prices: {error}")
            await self._sleep(LAST_PRICES_INTERVAL_S)

    async def _update_quiet_prices(self) -> None:
        now = time.perf_counter()
        quiet = [pair for pair, book in self._order_books.items() if book.last_applied_trade < now - QUIET_AFTER_S]
        if not quiet:
            return
        prices = await self._data_source.get_last_traded_prices(trading_pairs=quiet, domain=self._domain)
        moved = [pair for pair, price in prices.items() if self._has_traded_unheard(pair, price)]
        if moved:
            await self._sleep(STREAM_LAG_S)
        for pair in moved:
            if pair in self._order_books and self._order_books[pair].last_applied_trade < now - QUIET_AFTER_S:
                await self._subscribe_again(pair, prices[pair])
        for pair, price in prices.items():
            if pair in self._order_books:
                self._order_books[pair].last_trade_price = price
                self._order_books[pair].last_trade_price_rest_updated = time.perf_counter()

    def _has_traded_unheard(self, trading_pair: str, price: float) -> bool:
        # A market may not trade for hours, so silence proves nothing; another last price than the known one does.
        book = self._order_books.get(trading_pair)
        return book is not None and not math.isnan(book.last_trade_price) and book.last_trade_price != price

    async def _subscribe_again(self, trading_pair: str, price: float) -> None:
        self.logger().warning(
            f"The stream of trades in {trading_pair} is silent although its last price is {price} now and was "
            f"{self._order_books[trading_pair].last_trade_price}; subscribing again."
        )
        await self._data_source.subscribe_to_trading_pair(trading_pair)

    async def add_trading_pair(self, trading_pair: str) -> bool:
        """Add a pair with its streams and its book, or nothing of it."""
        was_there = trading_pair in self._trading_pairs or trading_pair in self._order_books
        is_added = False
        try:
            is_added = bool(await super().add_trading_pair(trading_pair))
        finally:
            if not is_added and not was_there:
                # Off the list first: a reconnect in between must not subscribe it again.
                self._data_source.remove_trading_pair(trading_pair)
                if trading_pair in self._trading_pairs:
                    self._trading_pairs.remove(trading_pair)
                if self._data_source.is_connected:
                    await self._data_source.unsubscribe_from_trading_pair(trading_pair)
        return is_added
