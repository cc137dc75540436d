"""Charts in the terminal: what is drawn where, that it fits, and the commands against a running simulator."""

import io
import json
import math
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.cli import chart_data, chart_text
from backpack_connector.cli.chart_data import Bar, Curve, Rate, merged, number_text, ticks
from backpack_connector.cli.chart_text import Chart, depth_chart, funding_chart, price_chart
from backpack_connector.protocol.models import DepthSnapshot, Kline
from tests.cli.conftest import Shown, wait_for_mark_prices
from tests.cli.terminal import on_a_terminal

SPOT, PERP = "SOL_USDC", "SOL_USDC_PERP"
HOUR_S = 3_600
prices = st.floats(min_value=1e-8, max_value=1e7, allow_nan=False)


def printed(chart: Chart, capsys: pytest.CaptureFixture[str]) -> list[str]:
    chart_text.print_chart(chart, is_terminal=False)
    return capsys.readouterr().out.splitlines()


def kline(start: str, *prices: str | None) -> Kline:
    given = dict(
        zip(("open", "high", "low", "close"), (Decimal(text) if text else None for text in prices), strict=True)
    )
    return Kline(start=start, end=start, volume=Decimal(0), quote_volume=Decimal(0), trades="0", **given)


def test_candles_are_drawn_where_their_prices_are(capsys: pytest.CaptureFixture[str]) -> None:
    bars = [Bar(0, 10, 14, 10, 12), Bar(HOUR_S, 12, 13, 11, 11), Bar(2 * HOUR_S, 11, 11, 11, 11)]
    lines = printed(price_chart("Title", bars, 40, 5), capsys)
    assert [line[:5] for line in lines[1:6]] == ["│    ", "│ │  ", "█ ░  ", "█ ░ ━", "█    "]
    assert [line.split("┤")[1].strip() for line in lines[1:6]] == ["14.00", "13.00", "12.00", "11.00", "10.00"]
    assert lines[0] == "Title"
    assert len(lines) == 8


def test_candles_that_do_not_fit_become_fewer() -> None:
    bars = [Bar(number, number, number + 2, number - 1, number + 1) for number in range(10)]
    assert merged(bars, 10) == bars
    assert merged(bars, 4) == [Bar(0, 0, 4, -1, 3), Bar(3, 3, 7, 2, 6), Bar(6, 6, 10, 5, 9), Bar(9, 9, 11, 8, 10)]
    assert merged([], 4) == []


def test_a_bucket_without_trades_is_flat_and_those_before_the_first_are_left_out() -> None:
    rows = [
        kline("2026-10-02 10:00:00", None, None, None, None),
        kline("2026-10-02 11:00:00", "5", "7", "4", "6"),
        kline("2026-10-02 12:00:00", None, None, None, None),
    ]
    first, second = chart_data.bars_of(rows)
    assert (first.open, first.high, first.low, first.close) == (5, 7, 4, 6)
    assert (second.open, second.high, second.low, second.close) == (6, 6, 6, 6)
    assert second.start_s - first.start_s == HOUR_S


def test_a_book_is_added_up_from_its_middle() -> None:
    book = DepthSnapshot(
        bids=[("50", "9"), ("98", "2"), ("99", "1")],
        asks=[("101", "1.5"), ("102", "2.5"), ("180", "9")],
        last_update_id="1",
        timestamp=1,
    )
    sides = chart_data.sides_of(book, 5.0)
    assert sides is not None
    assert (sides.middle, sides.span) == (100, 5)
    assert sides.bids == ((99, 1), (98, 3))
    assert sides.asks == ((101, Decimal("1.5")), (102, 4))
    curve = chart_data.curve_of(sides)
    assert [curve.quantity_at(price) for price in (97, 98, 98.5, 99.5, 100.5, 101, 105)] == [3, 3, 1, 0, 0, 1.5, 4]
    assert chart_data.sides_of(DepthSnapshot(bids=[], asks=[], last_update_id="1", timestamp=1), 5.0) is None
    one_side = chart_data.sides_of(DepthSnapshot(bids=book.bids, asks=[], last_update_id="1", timestamp=1), 5.0)
    assert one_side is not None
    assert (one_side.middle, one_side.asks) == (99, ())


def test_a_book_is_drawn_with_bids_to_the_left(capsys: pytest.CaptureFixture[str]) -> None:
    curve = Curve(100.0, 4.0, ((99.0, 2.0), (97.0, 4.0)), ((101.0, 1.0),))
    lines = printed(depth_chart("Book", curve, 43, 4), capsys)
    columns = lines[1].index("┤") - 1
    drawn = [line[:columns] for line in lines[1:5]]
    half = columns // 2
    assert drawn[0][0] == "█", "four at the outer left"
    assert drawn[0][half:].strip() == drawn[2][half:].strip() == ""
    assert drawn[3][-1] == "█", "one of four at the outer right"
    assert drawn[2][half * 3 // 4 - 2] == "█", "two from 99 on"
    assert drawn[3][half - 1] == drawn[3][half + 1] == " ", "nothing around the middle"
    assert lines[-1].split() == ["96.00", "100.00", "104.00"]


def test_an_order_at_the_edge_is_drawn_in_spite_of_rounding() -> None:
    book = DepthSnapshot(bids=[("0.0882", "1")], asks=[("0.0918", "1")], last_update_id="1", timestamp=1)
    sides = chart_data.sides_of(book, 2.0)
    assert sides is not None
    curve = chart_data.curve_of(sides)
    assert curve.middle + curve.span < curve.asks[-1][0], "this is what floats make of it"
    chart = depth_chart("", curve, 60, 4)
    assert {column for column, _ in chart.canvas.signs} == {0, chart.canvas.columns - 1}


def test_funding_stands_on_the_line_or_hangs_from_it(capsys: pytest.CaptureFixture[str]) -> None:
    rates = [Rate(0, 0.02), Rate(HOUR_S, -0.01), Rate(2 * HOUR_S, 0.0), Rate(3 * HOUR_S, 0.01)]
    chart = funding_chart("Funding", rates, 60, 6)
    lines = printed(chart, capsys)
    drawn = [line[:4] for line in lines[1:7]]
    assert [row[0] for row in drawn] == ["█", "█", "█", "█", " ", " "]
    assert [row[1] for row in drawn] == [" ", " ", " ", " ", "█", "█"]
    assert [row[2] for row in drawn] == [" "] * 6
    assert [row[3] for row in drawn] == [" ", " ", "█", "█", " ", " "]
    assert [line.partition("┤")[2].strip() for line in lines[1:7]] == ["0.0200 %", "", "", "0 %", "", "-0.0100 %"]


@pytest.mark.parametrize("percent", [0.0, 0.01, -0.01])
def test_rates_on_one_side_only(percent: float, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(funding_chart("Funding", [Rate(0, percent), Rate(1, percent)], 60, 4), capsys)
    full = [line[:2] == "██" for line in lines[1:5]]
    assert full == [percent != 0] * 4


@given(
    st.lists(st.lists(prices, min_size=4, max_size=4), min_size=1, max_size=300),
    st.integers(40, 200),
    st.integers(4, 50),
)
def test_candles_always_fit(rows: list[list[float]], width: int, height: int) -> None:
    bars = [
        Bar(number * 60.0, one, max(one, *rest), min(one, *rest), rest[0]) for number, (one, *rest) in enumerate(rows)
    ]
    chart = price_chart("", bars, width, height)
    assert chart.canvas.columns + 3 + max(map(len, chart.labels.values())) <= width or chart.canvas.columns <= 20
    assert chart.canvas.rows == height
    drawn = {column for column, _ in chart.canvas.signs}
    assert max(drawn) < chart.canvas.columns
    assert len(drawn) == len(merged(bars, len(drawn)))


@given(
    st.lists(st.integers(-5_000, 5_000).map(lambda thousandths: thousandths / 1_000), min_size=1, max_size=300),
    st.integers(40, 200),
    st.integers(4, 50),
)
def test_rates_always_fit(percents: list[float], width: int, height: int) -> None:
    rates = [Rate(number * HOUR_S, percent) for number, percent in enumerate(percents)]
    chart = funding_chart("", rates, width, height)
    assert chart.canvas.columns + 3 + max(map(len, chart.labels.values())) <= width
    for column, rate in enumerate(rates[-chart.canvas.columns :]):
        has_drawing = any((column, row) in chart.canvas.signs for row in range(height))
        assert has_drawing == (rate.percent != 0)


@given(
    st.lists(st.tuples(prices, st.floats(1e-6, 1e6)), min_size=1, max_size=50), st.integers(40, 200), st.integers(4, 50)
)
def test_books_always_fit(levels: list[tuple[float, float]], width: int, height: int) -> None:
    asks = tuple(sorted(levels))
    curve = Curve(asks[0][0] * 0.999, asks[-1][0], (), asks)
    chart = depth_chart("", curve, width, height)
    assert chart.canvas.columns + 3 + max(map(len, chart.labels.values())) <= width
    assert (chart.canvas.columns - 1, 0) in chart.canvas.signs, "all of it is told at the outer end"


@pytest.mark.parametrize(
    ("value", "span", "text"),
    [
        (1234.5, 1000, "1,234"),
        (150.126, 5, "150.13"),
        (0.00012345, 0.0001, "0.000123"),
        (-1e-12, 5, "0.00"),
        (3, 0, "3"),
    ],
)
def test_numbers_have_the_decimals_that_matter(value: float, span: float, text: str) -> None:
    assert number_text(value, span) == text


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [(0, 10, 5, [0, 2, 4, 6, 8, 10]), (99.2, 101.1, 4, [99.5, 100, 100.5, 101]), (3, 3, 5, [3])],
)
def test_ticks_are_round(low: float, high: float, most: int, expected: list[float]) -> None:
    assert all(math.isclose(one, other) for one, other in zip(ticks(low, high, most), expected, strict=True))


def test_a_terminal_without_block_characters_gets_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", screen)
    bars = [Bar(0, 10, 14, 10, 12), Bar(HOUR_S, 12, 13, 11, 11)]
    chart_text.print_chart(price_chart("Title", bars, 40, 5), is_terminal=False)
    screen.buffer.seek(0)
    lines = screen.buffer.read().decode("ascii").splitlines()
    assert [line[:3] for line in lines[1:6]] == ["|  ", "| |", "# :", "# :", "#  "]


@pytest.fixture
def book(command: Shown) -> None:
    """Give a book with two bids."""
    command("order", "cancel-all", SPOT)
    for price in ("99", "100"):
        assert command("order", "create", SPOT, "buy", "limit", "--quantity", "1.5", "--price", price).code == 0


@pytest.mark.usefixtures("book")
def test_depth_of_a_market(command: Shown) -> None:
    rows = json.loads(command("chart", "depth", SPOT, "--format", "json").out)
    assert rows == [{"side": "bid", "price": "100", "upTo": "1.5"}, {"side": "bid", "price": "99", "upTo": "3"}]
    drawn = command("chart", "depth", SPOT, "--width", "60", "--height", "8")
    lines = drawn.out.splitlines()
    assert (drawn.code, lines[0]) == (0, f"{SPOT}, order book within 2 % of the middle")
    assert len(lines) == 11
    assert max(map(len, lines)) <= 60
    assert "█" in drawn.out
    command("order", "cancel-all", SPOT)
    empty = command("chart", "depth", SPOT)
    assert (empty.code, empty.out, empty.err) == (0, "", "There are no orders.\n")
    assert command("chart", "depth", SPOT, "--format", "json").out == "[]\n"


def test_prices_that_are_far_apart_need_a_range(command: Shown) -> None:
    command("order", "cancel-all", SPOT)
    for side, price in (("buy", "90"), ("sell", "110")):
        assert command("order", "create", SPOT, side, "limit", "--quantity", "1", "--price", price).code == 0
    result = command("chart", "depth", SPOT)
    assert (result.code, result.out, result.err) == (0, "", "No order is within 2 %: try a larger --range.\n")
    assert "█" in command("chart", "depth", SPOT, "--range", "20").out
    command("order", "cancel-all", SPOT)


def test_mark_prices_and_funding_of_a_market(command: Shown) -> None:
    wait_for_mark_prices(command, PERP)
    drawn = command("chart", "price", PERP, "1m", "--price-type", "Mark", "--width", "60")
    assert drawn.code == 0
    assert drawn.out.startswith(f"{PERP}, 1m candles of the mark price, ")
    assert max(map(len, drawn.out.splitlines()[1:])) <= 60
    points = json.loads(command("chart", "price", PERP, "1m", "--price-type", "Mark", "--format", "json").out)
    assert set(points[-1]) == {"start", "open", "high", "low", "close"}
    assert isinstance(points[-1]["close"], str)
    funding = command("chart", "funding", PERP)
    assert (funding.code, funding.out.startswith(f"{PERP}, funding rate per interval")) == (0, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("price SOL_USDC 7m", "interval has to be one of"),
        ("price SOL_USDC 1h --count 1", "Invalid value for '--count'"),
        ("price SOL_USDC 1h --price-type Best", "priceType has to be one of"),
        ("depth SOL_USDC --range 0", "Invalid value for '--range'"),
        ("depth SOL_USDC --width 10", "Invalid value for '--width'"),
    ],
)
def test_wrong_input_is_said_before_anything_is_sent(words: str, said: str, command: Shown) -> None:
    result = command("chart", *words.split())
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_an_unknown_market_is_one_sentence(command: Shown) -> None:
    result = command("chart", "depth", "NO_SUCH")
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)


@pytest.mark.usefixtures("book")
def test_on_a_terminal_there_are_colours_and_its_width(command: Shown, exchange: dict[str, str]) -> None:
    screen = on_a_terminal("chart", "depth", SPOT, "--url", exchange["restUrl"], TERM="xterm-256color", COLUMNS="50")
    assert screen.code == 0
    assert "\x1b[32m" in screen.text
    assert 45 <= max(map(len, screen.lines[1:])) <= 50
    command("order", "cancel-all", SPOT)
