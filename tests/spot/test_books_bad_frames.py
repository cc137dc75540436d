"""Bad input on the public stream and in snapshots: one warning, and the book is complete again or empty."""

from collections.abc import Callable
from typing import Any

import pytest

from backpack_connector.protocol.enums import Side
from tests.spot.session import PAIR, SYMBOL, World, book_of, until, world
from tests.spot.stream_double import Reply, error_frame

STREAM = f"depth.{SYMBOL}"


def _depth(**changes: Any) -> Callable[[dict], Any]:
    def change(frame: dict) -> Any:
        data = {**frame["data"], **changes}
        return {"stream": STREAM, "data": {name: value for name, value in data.items() if value is not ...}}

    return change


BAD_DEPTH = {
    "price is text": _depth(b=[["cheap", "1"]]),
    "price is NaN": _depth(b=[["NaN", "1"]]),
    "quantity is NaN": _depth(a=[["151", "nan"]]),
    "quantity is infinite": _depth(a=[["151", "Infinity"]]),
    "quantity is negative": _depth(b=[["149", "-1"]]),
    "price is negative": _depth(b=[["-149", "1"]]),
    "level of one": _depth(b=[["149"]]),
    "level of three": _depth(b=[["149", "1", "2"]]),
    "bids missing": _depth(b=...),
    "bids null": _depth(b=None),
    "id missing": _depth(u=...),
    "id is text": _depth(U="soon"),
    "symbol is a list": _depth(s=[SYMBOL]),
    "symbol missing": _depth(s=...),
    "time is negative": _depth(E=-1),
    "data is text": lambda frame: {"stream": STREAM, "data": "depth"},
    "data is a list": lambda frame: {"stream": STREAM, "data": [frame["data"]]},
    "not JSON": lambda frame: '{"stream": "depth.SOL',
    "a number": lambda frame: "17",
    "null": lambda frame: "null",
    "an empty object": lambda frame: {},
    "bytes": lambda frame: b"\x00\xff",
}


@pytest.mark.parametrize("spoil", BAD_DEPTH.values(), ids=BAD_DEPTH.keys())
async def test_bad_input_depth_frame_is_skipped_and_the_book_made_complete_again(
    spoil: Callable[[dict], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        connections = len(here.double.connections)
        spoilt: list[Any] = []

        def change(_: object, frame: dict) -> list:
            if frame.get("stream") != STREAM or spoilt:
                return [frame]
            spoilt.append(spoil(frame))
            return spoilt[:]

        here.double.on_server_frame = change
        here.rest(Side.BID, "149.5")
        await until(lambda: spoilt)
        here.rest(Side.BID, "149.4")
        await until(lambda: connector.ready and book_of(connector) == here.book())
        here.rest(Side.BID, "149.3")
        await until(lambda: book_of(connector) == here.book())
        assert "A message of the public stream was skipped" in caplog.text
        assert "Unexpected error" not in caplog.text
        assert len(here.double.connections) == connections, "one bad frame must not cost the connection"


async def test_bad_input_buffered_frame_never_leaves_half_a_book() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        tracked = connector._orderbook_ds._books[SYMBOL]
        update_id = here.simulator.exchange.markets[SYMBOL].book.update_id
        good, bad = _update(update_id + 1, "149.5"), _update(update_id + 2, "NaN")
        tracked.sequence.restart()
        tracked.empty()
        # Both wait for a snapshot, which comes from before them.
        connector._orderbook_ds._on_message(_parsed(good))
        connector._orderbook_ds._on_message(_parsed(bad))
        connector._orderbook_ds._start_again(tracked)
        offered = []

        def look() -> bool:
            if tracked.sequence.is_synchronized:
                offered.append(book_of(connector))
            return here.double.count("get_depth") >= 2

        await until(look)
        assert not offered, "a book with an unreadable update in it is not in sequence"


def _update(update_id: int, price: str) -> dict:
    levels = {"a": [], "b": [[price, "1"]]}
    return {"stream": STREAM, "data": {"e": "depth", "s": SYMBOL, "E": 1, "U": update_id, "u": update_id, **levels}}


def _parsed(frame: dict) -> Any:
    from backpack_connector.protocol.messages import parse_message

    return parse_message(frame)


def _with(**changes: Any) -> Callable[[Any], Any]:
    return lambda body: {**body, **changes}


BAD_SNAPSHOTS: "dict[str, Callable[[Any], Any]]" = {
    "price is NaN": _with(bids=[["NaN", "1"]]),
    "quantity is negative": _with(asks=[["151", "-1"]]),
    "no id": _with(lastUpdateId=None),
    "id is no number": _with(lastUpdateId="latest"),
    "levels are text": _with(bids="none"),
    "a list": lambda body: [body],
    "text": lambda body: "oops",
}


@pytest.mark.parametrize("spoil", BAD_SNAPSHOTS.values(), ids=BAD_SNAPSHOTS.keys())
async def test_bad_input_snapshot_is_asked_for_again(
    spoil: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        spoilt: list[Any] = []

        def once(body: Any) -> Any:
            if spoilt:
                return body
            spoilt.append(body)
            return spoil(body)

        here.double.alter("get_depth", once)
        connector = await here.started(PAIR)
        assert spoilt
        assert book_of(connector) == here.book()
        assert "get_depth" in caplog.text


async def test_bad_input_snapshot_of_bytes_that_are_no_text_is_asked_for_again() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        here.double.answer_once("get_depth", Reply(b'{"asks": "\xff\xfe"}'))
        connector = await here.started(PAIR)
        assert book_of(connector) == here.book()


async def test_f08_error_frame_of_the_public_stream_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        await here.double.public.send(error_frame(4006, "Invalid stream"))
        await until(lambda: "Invalid stream (4006)" in caplog.text)
        assert connector.ready


async def test_frames_of_streams_and_symbols_that_are_not_tracked_are_ignored() -> None:
    async with world(with_double=True) as here:
        here.fill_book()
        connector = await here.started(PAIR)
        connections = len(here.double.connections)
        await _send_foreign_frames(here)
        here.rest(Side.BID, "149.5")
        await until(lambda: book_of(connector) == here.book())
        assert connector.ready
        assert len(here.double.connections) == connections


async def _send_foreign_frames(here: World) -> None:
    foreign = _update(1, "1")
    foreign["data"]["s"] = "NOPE_USDC"
    await here.double.public.send(foreign)
    await here.double.public.send({"stream": f"bookTicker.{SYMBOL}", "data": {"e": "bookTicker", "s": SYMBOL}})
    await here.double.public.send({"stream": "tomorrow.SOL_USDC", "data": 1})
