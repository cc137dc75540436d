"""The stand-in exchange speaks the exchange's language, and the compiled floor keeps right books."""

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from backpack_connector.protocol.messages import DepthUpdate, OrderUpdate, parse_message
from backpack_connector.protocol.models import DepthSnapshot, Market, Order
from backpack_connector.protocol.wire import read
from tests.benchmarks import wire
from tests.benchmarks.floors_streams import CompiledBooks, compiled
from tests.benchmarks.server import ROUND_TRIP_S
from tests.benchmarks.worker import StandIn

PAIRS = 3
SYMBOLS = [wire.symbol_of(pair) for pair in wire.pairs(PAIRS)]


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    """Give a running server."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield StandIn(json.loads(await process.stdout.readline()))
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0


def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method), timeout=10) as answer:
        return json.loads(answer.read())


async def test_answers_are_what_the_connector_reads(stand_in: StandIn) -> None:
    markets = read(list[Market], await asyncio.to_thread(ask, f"{stand_in.url}/api/v1/markets"), "get_markets")
    assert {market.symbol for market in markets} >= set(SYMBOLS)
    answer = await asyncio.to_thread(ask, f"{stand_in.url}/api/v1/depth?symbol={SYMBOLS[0]}")
    snapshot = read(DepthSnapshot, answer, "get_depth")
    assert (len(snapshot.bids), len(snapshot.asks), snapshot.update_id) == (1_000, 1_000, 1_000)


async def test_orders_are_noted_with_their_arrival_and_can_be_cancelled(stand_in: StandIn) -> None:
    begun = time.perf_counter()
    fields = {"symbol": SYMBOLS[0], "side": "Bid", "orderType": "Limit", "price": "1", "quantity": "2", "clientId": 77}
    placed = read(Order, await asyncio.to_thread(ask, f"{stand_in.url}/api/v1/order", "POST", fields), "execute_order")
    assert placed.client_id_text == "77"
    done = await asyncio.to_thread(
        ask, f"{stand_in.url}/api/v1/order", "DELETE", {"symbol": SYMBOLS[0], "orderId": placed.id}
    )
    assert done["status"] == "Cancelled"
    taken = await asyncio.to_thread(stand_in.taken)
    assert [(what, client_id) for what, client_id, _ in taken["arrivals"]] == [("place", 77), ("cancel", 77)]
    assert begun < taken["arrivals"][0][2] < taken["arrivals"][1][2] < time.perf_counter()
    assert taken["requests"] == {"POST /api/v1/order": 1, "DELETE /api/v1/order": 1}


async def test_the_slow_line_takes_a_round_trip_and_two_more_for_a_new_connection(stand_in: StandIn) -> None:
    async with aiohttp.ClientSession() as session:
        spent = []
        for _ in range(2):
            begun = time.perf_counter()
            async with session.get(f"{stand_in.slow_url}/api/v1/ping") as answer:
                assert await answer.text() == "pong"
            spent.append(time.perf_counter() - begun)
    assert spent[0] >= 3 * ROUND_TRIP_S
    assert ROUND_TRIP_S <= spent[1] < spent[0]


@pytest.mark.parametrize(("rate", "size"), [(0, "small"), (3_000, "large")])
async def test_frames_continue_each_market_without_a_gap(stand_in: StandIn, rate: float, size: str) -> None:
    count = 60
    ids = dict.fromkeys(SYMBOLS, 1_000)
    async with aiohttp.ClientSession() as session, session.ws_connect(stand_in.url) as stream:
        await stream.send_json({"method": "SUBSCRIBE", "params": [f"depth.{symbol}" for symbol in SYMBOLS]})
        last_ids = await asyncio.to_thread(stand_in.publish, PAIRS, count, rate, size)
        for _ in range(count):
            update = parse_message(json.loads(await stream.receive_str(timeout=10)))
            assert isinstance(update, DepthUpdate)
            assert update.first_update_id == update.last_update_id == ids[update.symbol] + 1
            ids[update.symbol] += 1
            levels = len(update.bids), len(update.asks)
            assert levels == (50, 50) if size == "large" else 0 < max(levels) <= 3
    assert ids == last_ids


def test_a_fill_is_a_fill() -> None:
    frame = wire.fill_frame("A00_USDC", "12", "34", 56, "0.03")
    message = parse_message(json.loads(frame))
    assert isinstance(message, OrderUpdate)
    assert message.is_fill
    assert (message.client_id_text, message.order_id) == ("12", "34")


def test_the_compiled_floor_keeps_the_books_of_a_plain_model() -> None:
    floor = compiled()  # whoever has installed Hummingbot has a compiler
    ids = dict.fromkeys(SYMBOLS, 1_000)
    compiled_books = CompiledBooks(floor, ids)
    first = json.loads("{" + wire.snapshot_levels() + "}")
    model = {symbol: {side: dict(map(_level, first[side])) for side in first} for symbol in SYMBOLS}
    for size in (wire.SMALL, wire.LARGE):
        for symbol, frame in wire.depth_frames(SYMBOLS, ids, 100 * PAIRS, size):
            compiled_books.apply(frame)
            _apply(model[symbol], json.loads(frame)["data"])
    for symbol, book in compiled_books.books.items():
        for side, rows in (("bids", book.bid_entries()), ("asks", book.ask_entries())):
            assert {row.price: row.amount for row in rows} == model[symbol][side]
        assert book.last_diff_uid == 1_200
    with pytest.raises(ValueError, match="a gap"):
        compiled_books.apply(wire.depth_frame(SYMBOLS[0], 1_500, ("[]", "[]"), 1))


def _apply(book: dict[str, dict[float, float]], data: dict[str, Any]) -> None:
    for side, rows in (("asks", data["a"]), ("bids", data["b"])):
        for price, quantity in map(_level, rows):
            book[side].pop(price, None)
            if quantity:
                book[side][price] = quantity


def _level(row: list[str]) -> tuple[float, float]:
    return float(row[0]), float(row[1])
