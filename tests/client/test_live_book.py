"""The live book: equal to the exchange's, and empty whenever that is not certain."""

import asyncio
from decimal import Decimal
from typing import Any

from backpack_connector.client.live_book import LiveBook, follow_book
from backpack_connector.client.rest import BackpackClient
from backpack_connector.client.stream_events import Disconnected, Gap, Received, Unreadable
from backpack_connector.protocol.messages import parse_message
from backpack_connector.protocol.models import DepthSnapshot
from backpack_connector.protocol.wire import read
from tests.simulator.faults_support import until
from tests.spot.stream_double import Connection, StreamDouble

SYMBOL = "SOL_USDC"
LIMIT_S = 10.0


def update(first: int, last: int, bids: list[list[str]], symbol: str = SYMBOL) -> Received:
    data = {"E": 1, "T": 1, "U": first, "u": last, "a": [], "b": bids, "e": "depth", "s": symbol}
    stream = f"depth.{symbol}"
    return Received(stream, parse_message({"stream": stream, "data": data}))


def snapshot(last_id: int) -> DepthSnapshot:
    body = {
        "asks": [["101", "1"], ["102", "2"]],
        "bids": [["99", "2"], ["100", "1"]],
        "lastUpdateId": str(last_id),
        "timestamp": 1,
    }
    return read(DepthSnapshot, body, "get_depth")


def known_book() -> LiveBook:
    book = LiveBook(SYMBOL)
    assert book.take_snapshot(snapshot(10))
    return book


def test_levels_best_first_and_padded_prices_are_the_same_price() -> None:
    book = known_book()
    assert (book.best_bid, book.best_ask, book.update_id) == (100, 101, 10)
    assert book.take(update(11, 11, [["100.00", "0.00"], ["98.50", "3"]]))
    assert book.bids() == [(Decimal(99), Decimal(2)), (Decimal("98.5"), Decimal(3))]
    assert book.asks(1) == [(Decimal(101), Decimal(1))]


def test_a_missed_update_empties_the_book_until_a_snapshot_is_in() -> None:
    book = known_book()
    assert book.take(update(13, 13, []))
    assert book.needs_snapshot
    assert (book.best_bid, book.bids()) == (None, [])
    assert not book.take_snapshot(snapshot(11))
    assert book.take_snapshot(snapshot(12))
    assert book.update_id == 13


def test_whatever_may_be_missing_empties_the_book() -> None:
    for event in (
        Disconnected("lost"),
        Gap((f"depth.{SYMBOL}",), "lost"),
        Unreadable(f"depth.200ms.{SYMBOL}", "?"),
        Unreadable(None, "?"),
    ):
        book = known_book()
        assert book.take(event)
        assert book.needs_snapshot


def test_what_concerns_others_changes_nothing() -> None:
    book = known_book()
    for event in (
        Gap(("depth.BTC_USDC",), "lost"),
        update(11, 11, [["1", "1"]], "BTC_USDC"),
        Received("trade.SOL_USDC", {}),
        update(9, 9, [["1", "1"]]),
    ):
        assert not book.take(event)
    assert book.bids(1) == [(Decimal(100), Decimal(1))]


class Losing:
    """Leave out every fifth frame, until told to stop."""

    def __init__(self) -> None:
        self.seen = 0
        self.is_on = True

    def __call__(self, connection: Connection, frame: dict[str, Any]) -> list[dict[str, Any]]:
        self.seen += 1
        return [] if self.is_on and self.seen % 5 == 3 else [frame]


async def bid(client: BackpackClient, number: int) -> None:
    price = str(Decimal(100) + Decimal(number % 7) / 100)
    await client.execute_order(SYMBOL, "Bid", "Limit", quantity="1", price=price, post_only=True)


async def trade(client: BackpackClient, double: StreamDouble, losing: Losing) -> None:
    for number in range(30):
        await bid(client, number)
        if number == 15:
            double.connections[-1].cut()
        await asyncio.sleep(0.01)
    losing.is_on = False
    await bid(client, 0)


async def is_as_the_exchange_has_it(book: LiveBook, client: BackpackClient) -> bool:
    whole = await client.get_depth(SYMBOL)
    if book.needs_snapshot or whole.update_id != book.update_id:
        return False
    assert [(Decimal(price), Decimal(size)) for price, size in reversed(whole.bids)] == book.bids()
    return True


async def test_the_followed_book_equals_the_exchanges_through_cuts_and_lost_frames(
    recorded: BackpackClient, double: StreamDouble
) -> None:
    losing = double.on_server_frame = Losing()

    async def follow() -> None:
        trading = asyncio.ensure_future(trade(recorded, double, losing))
        async for book in follow_book(recorded, SYMBOL):
            if trading.done() and await is_as_the_exchange_has_it(book, recorded):
                return
            if trading.done():
                await bid(recorded, 0)

    await asyncio.wait_for(follow(), LIMIT_S)
    assert losing.seen > 5
    assert len(double.connections) > 1


async def test_without_a_stream_there_is_no_book(recorded: BackpackClient, double: StreamDouble) -> None:
    double.refuses_streams = True
    following = asyncio.ensure_future(anext(follow_book(recorded, SYMBOL)))
    await until(lambda: len(double.connections) > 1)
    assert double.count("get_depth") == 0
    double.refuses_streams = False
    book = await asyncio.wait_for(following, LIMIT_S)
    assert not book.needs_snapshot
