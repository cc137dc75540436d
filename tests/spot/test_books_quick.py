"""The quick way of depth frames: no message object for the usual frame, everything else looked at closely."""

import json
from typing import Any

import pytest

from backpack_connector import backpack_api_order_book_data_source as source_module
from backpack_connector.protocol.enums import Side
from tests.spot.session import PAIR, SYMBOL, World, book_of, until, world


def _text(update_id: int, *, stream: str = f"depth.{SYMBOL}", **changes: Any) -> str:
    data = {"E": 1, "T": 1, "s": SYMBOL, "U": update_id, "u": update_id, "a": [], "b": [["149.9", "3"]], **changes}
    return json.dumps({"stream": stream, "data": data})


async def _in_sequence(here: World) -> "tuple[Any, Any, list[str]]":
    here.fill_book()
    connector = await here.started(PAIR)
    here.rest(Side.BID, "149.5")  # the first frame of a source goes the slow way, which learns the latest time
    await until(lambda: book_of(connector) == here.book())
    source = connector._orderbook_ds
    slow: list[str] = []
    slowly = source._on_other_frame

    def count(text: str) -> None:
        slow.append(text)
        slowly(text)

    source._on_other_frame = count
    return connector, source._books[SYMBOL], slow


async def test_the_usual_frame_costs_no_message_object(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as here:
        connector, _, _ = await _in_sequence(here)
        parsed: list[Any] = []
        monkeypatch.setattr(source_module, "decoded_frame", lambda text: parsed.append(text) or json.loads(text))
        counted = connector.order_book_tracker.metrics.total_diffs_processed
        for step in range(20):
            here.rest(Side.BID, f"149.{step + 51}")
        await until(lambda: book_of(connector) == here.book())
        assert not parsed
        metrics = connector.order_book_tracker.metrics
        assert metrics.total_diffs_processed == counted + 20
        assert metrics.get_or_create_pair_metrics(PAIR).diffs_processed == metrics.total_diffs_processed
        assert metrics.get_or_create_pair_metrics(PAIR).last_diff_timestamp > 0


async def test_the_rows_of_a_book_carry_the_update_that_made_them() -> None:
    async with world() as here:
        connector, tracked, slow = await _in_sequence(here)
        next_id = tracked.sequence.last_update_id + 1
        connector._orderbook_ds._on_frame(_text(next_id))
        rows = {row.price: row.update_id for row in connector.get_order_book(PAIR).bid_entries()}
        assert rows[149.9] == next_id
        assert rows[149.5] < next_id
        assert not slow


ODD = {
    "of another stream": {"stream": "depth.OTHER_USDC"},
    "of no depth stream": {"stream": f"trade.{SYMBOL}"},
    "of a market that is not tracked": {"s": "OTHER_USDC"},
    "sent in the future": {"E": 2**62},
    "made in the future": {"T": 2**62},
    "without a number": {"b": [["149.9", "NaN"]]},
    "ending before it begins": {"u": 1},
    "of a later update": {"U": 2**40, "u": 2**40},
    "of an earlier update": {"U": 1, "u": 1},
}


@pytest.mark.parametrize("changes", ODD.values(), ids=ODD.keys())
async def test_a_frame_that_is_unusual_is_looked_at_closely(changes: dict[str, Any]) -> None:
    async with world() as here:
        connector, tracked, slow = await _in_sequence(here)
        text = _text(tracked.sequence.last_update_id + 1, **changes)
        connector._orderbook_ds._on_frame(text)
        assert slow == [text]
