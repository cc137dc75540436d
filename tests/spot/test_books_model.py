"""Whatever the network does to updates and snapshots: a book in sequence is the exchange's book, and never crossed."""

import asyncio
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from backpack_connector.backpack_api_order_book_data_source import BackpackAPIOrderBookDataSource
from backpack_connector.latency import LatencyRecorder
from backpack_connector.protocol.enums import MarketType, OrderType, Side
from backpack_connector.protocol.errors import Unavailable
from backpack_connector.protocol.streams import depth_stream
from backpack_connector.protocol.symbols import trading_pair_of
from backpack_connector.simulator.clock import wall_clock_us
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Execution
from backpack_connector.simulator.feeds import Feeds
from backpack_connector.simulator.markets import load_instruments
from backpack_connector.simulator.orders import NewOrder, Order
from backpack_connector.simulator.payloads import depth_payload
from tests.spot.session import PAIR, SYMBOL

STEPS = 250
Book = "tuple[dict[float, float], dict[float, float]]"


class Market:
    """The simulator's engine, which remembers its book at every update id, and what it says on the stream."""

    def __init__(self, chance: random.Random, window_ms: int | None) -> None:
        self._chance = chance
        self._stream = depth_stream(SYMBOL, window_ms)
        self._window_ms = window_ms
        self._exchange = Exchange(load_instruments(), clock=wall_clock_us, first_id=1000)
        self._feeds = Feeds(self._exchange, lambda subscription: subscription[1] == self._stream, wall_clock_us)
        for account in ("a", "b"):
            self._exchange.accounts.open_background(account, 0, {"USDC": 10**9, "SOL": 10**9})  # type: ignore[dict-item]
        self._orders: list[Order] = []
        self.books: dict[int, Any] = {self.update_id: self.book}
        self.snapshots: list[Any] = [self.snapshot]

    @property
    def _traded(self) -> Any:
        return self._exchange.markets[SYMBOL]

    @property
    def update_id(self) -> int:
        return int(self._traded.book.update_id)

    @property
    def book(self) -> Any:
        sides = (self._traded.book.bids, self._traded.book.asks)
        bids, asks = ({float(price): float(size) for price, size in side.best_levels(10_000)} for side in sides)
        return bids, asks

    @property
    def snapshot(self) -> Any:
        return depth_payload(self._traded.book, 1000, wall_clock_us())

    def step(self) -> Iterator[Any]:
        """Change the book once and yield the frames about it."""
        execution = self._change()
        # An order changes the book once for each maker that it meets; snapshots show only what stands at the end.
        self.books[self.update_id] = self.book
        self.snapshots.append(self.snapshot)
        yield from self._frames(self._feeds.on_events(execution.events))
        if self._window_ms is not None and self._chance.random() < 0.4:
            yield from self._frames(self._feeds.on_window(self._window_ms))

    def _change(self) -> Execution:
        self._orders = [order for order in self._orders if order.order_id in self._open_ids(order.account_id)]
        if self._orders and self._chance.random() < 0.4:
            order = self._orders.pop(self._chance.randrange(len(self._orders)))
            return self._exchange.cancel(order.account_id, SYMBOL, order_id=order.order_id)
        side = self._chance.choice(list(Side))
        execution = self._exchange.place(
            self._chance.choice("ab"),
            NewOrder(
                symbol=SYMBOL,
                side=side,
                order_type=OrderType.LIMIT,
                price=self._traded.last_price + self._chance.randint(-8, 8) * self._traded.instrument.tick_size,
                quantity=self._chance.randint(1, 5) * self._traded.instrument.step_size,
            ),
        )
        self._orders.append(execution.order)
        return execution

    def _open_ids(self, account_id: str) -> Any:
        account = self._exchange.accounts.get(account_id)
        return {} if account is None else account.open_orders

    def _frames(self, frames: Any) -> Iterator[Any]:
        for frame in frames:
            yield {"stream": self._stream, "data": frame.data}


class Connector:
    """The part of a connector that the data source asks; answers come from the market, late or not at all."""

    latest_timestamp, latest_time_us = 1e10, 10**16

    def __init__(self, market: Market, chance: random.Random) -> None:
        self._market = market
        self._chance = chance
        self.latency = LatencyRecorder()

    async def exchange_symbol_associated_to_pair(self, trading_pair: str) -> str:
        return SYMBOL

    def trading_pair_or_none(self, symbol: str) -> str | None:
        return trading_pair_of(symbol, MarketType.SPOT)

    async def request(self, operation_id: str, parameters: Any, *, is_text_wanted: bool) -> str:
        for _ in range(self._chance.randrange(4)):
            await asyncio.sleep(0)
        if self._chance.random() < 0.1:
            raise Unavailable("scripted")
        lag = self._chance.choice((1, 1, 1, 2, 3, 6))
        answer = self._market.snapshots[-min(lag, len(self._market.snapshots))]
        for _ in range(self._chance.randrange(4)):
            await asyncio.sleep(0)
        assert is_text_wanted
        return json.dumps(answer)


class UnpausedDataSource(BackpackAPIOrderBookDataSource):
    """The data source without its pauses."""

    async def _sleep(self, delay: float) -> None:
        await asyncio.sleep(0)


def _spoilt(frames: Iterator[Any], chance: random.Random, held: list[Any]) -> Iterator[Any]:
    """Lose, repeat and reorder."""
    for frame in frames:
        fate = chance.random()
        if fate < 0.03:
            continue
        if fate < 0.06:
            held.append(frame)
            continue
        yield frame
        if fate < 0.09:
            yield frame
        while held and chance.random() < 0.5:
            yield held.pop()


def _offered(book: Any) -> Any:
    bids = {row.price: row.amount for row in book.bid_entries()}
    asks = {row.price: row.amount for row in book.ask_entries()}
    return bids, asks


class Run:
    """One run of the data source against the market."""

    def __init__(self, seed: int, window_ms: int | None) -> None:
        self._chance = random.Random(seed)
        self._market = Market(self._chance, window_ms)
        self._source = UnpausedDataSource([PAIR], Connector(self._market, self._chance), None)  # type: ignore[arg-type]
        self._held: list[Any] = []
        self.seen: list[bool | None] = []
        """Whether the book was in sequence, after each frame."""

    async def run(self) -> None:
        """Lose, repeat and reorder frames; then leave the book in peace."""
        starting = asyncio.ensure_future(_retried(self._source))
        try:
            for _ in range(STEPS):
                self._take(_spoilt(self._market.step(), self._chance, self._held))
                await _some_turns(self._chance.randrange(3))
            for _ in range(50):
                self._take(self._market.step())
                await _some_turns(20)
        finally:
            starting.cancel()
            for tracked in self._source._books.values():
                if tracked.resync is not None:
                    tracked.resync.cancel()

    def _take(self, frames: Iterator[Any]) -> None:
        for frame in frames:
            self._source._on_frame(json.dumps(frame))
            self.seen.append(_check(self._source, self._market))


async def _some_turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("window_ms", [None, 200])
@pytest.mark.parametrize("seed", range(12))
async def test_f06_f07_book_in_sequence_equals_the_exchanges(seed: int, window_ms: int | None) -> None:
    run = Run(seed, window_ms)
    await run.run()
    assert run.seen[-1] is True, "left in peace, the book catches up"
    assert run.seen.count(True) > 30, "the test must see books in sequence"
    assert run.seen.count(False) > 3, "the test must see books out of sequence"


async def _retried(source: BackpackAPIOrderBookDataSource) -> None:
    while True:
        try:
            await source.get_new_order_book(PAIR)
        except Unavailable:
            continue
        return


def _check(source: BackpackAPIOrderBookDataSource, market: Market) -> bool | None:
    """Compare the book with the truth at its update id; return whether it is in sequence, None when there is none."""
    tracked = source._books.get(SYMBOL)
    if tracked is None:
        return None
    update_id = tracked.sequence.last_update_id
    bids, asks = _offered(tracked.book)
    if update_id is None:
        assert (bids, asks) == ({}, {}), "a book out of sequence offers nothing"
        return False
    if update_id in market.books:  # not in the middle of an order's matches
        assert (bids, asks) == market.books[update_id]
        assert not bids or not asks or max(bids) < min(asks)
    return True
