"""Paging: every row once and in order, whatever comes in meanwhile, and the end where the list ends."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpack_connector.client.paging import overlap, rows_of
from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.errors import ConfigurationError


class History:
    """A list of numbers, newest first, that grows between two pages, and shows what its headers are told to show."""

    def __init__(self, length: int, grows: list[int], headers: str, cap: int = 1_000) -> None:
        self.rows = list(range(length, 0, -1))
        self.grows = grows
        self.headers = headers
        self.cap = cap
        self.asked = 0

    async def call(
        self, operation_id: str, given: dict[str, Any], *, answer_headers: dict[str, str], is_raw: bool
    ) -> list[int]:
        self.asked += 1
        rows = self.rows[::-1] if given.get("sortDirection") == "Asc" else self.rows
        size = min(given["limit"], self.cap)
        page = rows[given["offset"] : given["offset"] + size]
        if self.headers == "total":
            answer_headers["x-total"] = str(len(rows))
        if self.headers == "pages":
            answer_headers.update({"x-page-count": str(-(-len(rows) // size)), "x-page-size": str(size)})
        if self.grows:
            for _ in range(self.grows.pop(0)):
                self.rows.insert(0, self.rows[0] + 1 if self.rows else 1)
        return page


async def read(history: History, **options: Any) -> list[int]:
    given = {"sortDirection": options.pop("sort", None)}
    return [row async for row in rows_of(history, "get_fills", given, **options)]  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    length=st.integers(1, 40),
    grows=st.lists(st.integers(0, 12), max_size=6),
    headers=st.sampled_from(["none", "total", "pages"]),
    size=st.integers(1, 9),
    cap=st.integers(1, 9),
)
async def test_every_row_comes_once_in_order(length: int, grows: list[int], headers: str, size: int, cap: int) -> None:
    if headers != "total":  # without it, rows that came can be told from others only if they push down known ones
        grows = [min(one, size, cap, length) for one in grows]
    history = History(length, list(grows), headers, cap)
    rows = await read(history, page_size=size)
    assert rows == list(range(length, 0, -1))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(length=st.integers(1, 30), grows=st.lists(st.integers(0, 5), max_size=4), size=st.integers(1, 9))
async def test_oldest_first_shows_what_came_meanwhile_too(length: int, grows: list[int], size: int) -> None:
    history = History(length, list(grows), "total")
    rows = await read(history, page_size=size, sort="Asc")
    assert rows == sorted(set(rows))
    assert rows[:length] == list(range(1, length + 1))


@pytest.mark.parametrize(("headers", "asked"), [("total", 2), ("pages", 2), ("none", 3)])
async def test_headers_save_the_empty_page(headers: str, asked: int) -> None:
    history = History(10, [], headers)
    assert len(await read(history, page_size=5)) == 10
    assert history.asked == asked


async def test_most_rows_and_no_more() -> None:
    history = History(10, [], "none")
    assert await read(history, most=3) == [10, 9, 8]
    assert history.asked == 1
    assert await read(history, most=3, page_size=2) == [10, 9, 8]


async def test_rows_that_look_the_same_are_all_shown_where_the_total_stands_still() -> None:
    history = History(0, [], "total")
    history.rows = [7, 7, 7, 7]
    assert await read(history, page_size=2) == [7, 7, 7, 7]


def test_overlap_is_what_was_received_before() -> None:
    assert overlap([5, 4, 3], [4, 3, 2]) == 2
    assert overlap([5, 4, 3], [2, 1]) == 0
    assert overlap([9, 8, 7, 6], [8, 7]) == 2
    assert overlap([], [1]) == overlap([1], []) == 0


@pytest.mark.parametrize(
    ("operation_id", "fields", "options", "sentence"),
    [
        ("get_markets", {}, {}, "get_markets has no pages."),
        (
            "get_fills",
            {"limit": 5},
            {},
            "get_fills: limit and offset are counted by the iterator; use page_size and most.",
        ),
        ("get_fills", {}, {"page_size": 1_001}, "get_fills: page_size has to be from 1 to 1000, not 1001."),
        ("get_fills", {}, {"most": 0}, "get_fills: most has to be at least 1, not 0."),
    ],
)
async def test_paging_that_makes_no_sense(
    operation_id: str, fields: dict[str, Any], options: dict[str, int], sentence: str
) -> None:
    rows = rows_of(History(1, [], "none"), operation_id, fields, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as caught:
        await anext(rows)
    assert str(caught.value) == sentence


async def test_the_simulator_is_read_to_its_end(client: BackpackClient, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = [
        (await client.execute_order("SOL_USDC", "Bid", "Limit", quantity="1", price=str(90 + one), client_id=one)).id
        for one in range(6)
    ]
    send, asked = client.request, []

    async def counted(operation_id: str, *parameters: Any, **options: Any) -> Any:
        asked.append(operation_id)
        return await send(operation_id, *parameters, **options)

    monkeypatch.setattr(client, "request", counted)
    rows = [row.id async for row in client.iterate_order_history(symbol="SOL_USDC", page_size=3)]
    assert rows == placed[::-1]
    assert len(asked) == 2  # the headers tell the end
    rows = [row.id async for row in client.iterate_order_history(sort_direction="Asc", page_size=2, most=5)]
    assert rows == placed[:5]
