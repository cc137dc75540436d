"""Draw charts with characters, as wide as they may be.

Rule 1: what colour says, shape says too: a candle that fell is dotted, a payment of shorts hangs below the line.
Rule 2: where the terminal knows no block characters, plain ones take their place.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from backpack_connector.cli.chart_data import Bar, Curve, Rate, bounds, merged, minute_text, number_text

UP, DOWN = "green", "red"
LEAST_COLUMNS, LEAST_ROWS = 20, 4

_ROUNDING = 1e-9
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_HANGING = ((0.75, "█"), (0.25, "▀"), (0.0, "▔"))
_PLAIN_SIGNS = str.maketrans("█▇▆▅▄▃▂▁░│━▀▔┤└─┴", "####==__:|-'\"|+-+")


@dataclass
class Canvas:
    """Rows of characters with a style each; row 0 is at the top."""

    columns: int
    rows: int
    signs: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)

    def put(self, column: int, row: int, sign: str, style: str) -> None:
        """Set one character; what lies outside is left out."""
        if 0 <= column < self.columns and 0 <= row < self.rows:
            self.signs[column, row] = (sign, style)

    def stand(self, column: int, height: float, style: str, *, floor: int | None = None) -> None:
        """Let a bar stand on a row's lower edge, the last one's by default; its height is in rows."""
        eighths = max(1, round(8 * height)) if height > 0 else 0
        row = self.rows - 1 if floor is None else floor
        while eighths > 0:
            self.put(column, row, _EIGHTHS[min(8, eighths)], style)
            eighths, row = eighths - 8, row - 1

    def hang(self, column: int, height: float, style: str, *, ceiling: int) -> None:
        """Let a bar hang from a row's upper edge."""
        row = ceiling
        while height > 0:
            self.put(column, row, next(sign for least, sign in _HANGING if height > least), style)
            height, row = height - 1, row + 1

    def runs(self, row: int) -> list[tuple[str, str]]:
        """Return one row as texts of one style."""
        found: list[tuple[str, str]] = []
        for column in range(self.columns):
            sign, style = self.signs.get((column, row), (" ", ""))
            if found and found[-1][1] == style:
                found[-1] = (found[-1][0] + sign, style)
            else:
                found.append((sign, style))
        return found


@dataclass(frozen=True)
class Chart:
    """A drawing with what stands around it."""

    title: str
    canvas: Canvas
    labels: dict[int, str]
    """By row, to the right of it."""
    below: tuple[str, ...]
    """From the left end to the right one."""


def price_chart(title: str, bars: Sequence[Bar], width: int, rows: int) -> Chart:
    """Draw candles; several become one where the width asks for it."""
    low, high = bounds(bars)
    labels = {row: number_text(high - (high - low) * row / (rows - 1), high - low) for row in _label_rows(rows)}
    canvas = Canvas(_columns(width, labels), rows)
    shown = merged(bars, canvas.columns)
    step = 2 if 2 * len(shown) <= canvas.columns else 1

    def row_of(price: float) -> int:
        return round((high - price) / (high - low) * (rows - 1))

    for number, bar in enumerate(shown):
        style = DOWN if bar.is_down else UP
        for row in range(row_of(bar.high), row_of(bar.low) + 1):
            canvas.put(number * step, row, "│", style)
        body = "━" if bar.open == bar.close else "░" if bar.is_down else "█"
        for row in range(row_of(max(bar.open, bar.close)), row_of(min(bar.open, bar.close)) + 1):
            canvas.put(number * step, row, body, style)
    used = Canvas(min(canvas.columns, step * len(shown)), rows, canvas.signs)
    return Chart(title, used, labels, (minute_text(bars[0].start_s), minute_text(bars[-1].start_s)))


def depth_chart(title: str, curve: Curve, width: int, rows: int) -> Chart:
    """Draw a book: bids to the left, asks to the right, each with what lies between them and the middle."""
    most = curve.most
    labels = {row: number_text(most * (rows - row) / rows, most) for row in _label_rows(rows)}
    canvas = Canvas(_columns(width, labels), rows)
    half = canvas.columns / 2
    for column in range(canvas.columns):
        # To the column's outer edge, and a little beyond: the outermost order must not fall victim to rounding.
        reach = (abs(column + 0.5 - half) + 0.5) / half * curve.span * (1 + _ROUNDING)
        is_bid = column + 0.5 < half
        quantity = curve.quantity_at(curve.middle - reach if is_bid else curve.middle + reach)
        canvas.stand(column, rows * quantity / most, UP if is_bid else DOWN)
    prices = (curve.middle - curve.span, curve.middle, curve.middle + curve.span)
    return Chart(title, canvas, labels, tuple(number_text(price, curve.span) for price in prices))


def funding_chart(title: str, rates: Sequence[Rate], width: int, rows: int) -> Chart:
    """Draw funding rates: what longs pay stands on the line, what shorts pay hangs from it."""
    above = max(0.0, *(rate.percent for rate in rates))
    below = max(0.0, *(-rate.percent for rate in rates))
    whole = above + below
    if whole < _ROUNDING:
        above = whole = 0.001  # all rates are zero: an empty drawing over the line
    # Each side that has anything gets a row at least.
    upper = min(rows - (below > 0), max(int(above > 0), round(rows * above / whole)))
    unit = max(above / upper if upper else 0.0, below / (rows - upper) if rows > upper else 0.0)
    labels = {0: _percent(upper * unit, whole), rows - 1: _percent(-(rows - upper) * unit, whole)}
    if 1 < upper < rows:
        labels[upper - 1] = "0 %"
    canvas = Canvas(_columns(width, labels), rows)
    shown = rates[-canvas.columns :]
    for column, rate in enumerate(shown):
        if rate.percent > 0:
            canvas.stand(column, rate.percent / unit, DOWN, floor=upper - 1)
        else:
            canvas.hang(column, -rate.percent / unit, UP, ceiling=upper)
    used = Canvas(len(shown), rows, canvas.signs)
    return Chart(title, used, labels, (minute_text(shown[0].end_s), minute_text(shown[-1].end_s)))


def _percent(value: float, span: float) -> str:
    return f"{number_text(value, span)} %"


def _label_rows(rows: int) -> list[int]:
    return sorted({0, rows // 4, rows // 2, rows * 3 // 4, rows - 1})


def _columns(width: int, labels: dict[int, str]) -> int:
    return max(LEAST_COLUMNS, width - max(map(len, labels.values())) - 3)


def print_chart(chart: Chart, *, is_terminal: bool) -> None:
    """Print a chart, with colours on a terminal."""
    from rich.console import Console
    from rich.text import Text

    margin = max(map(len, chart.labels.values())) + 3
    console = Console(width=max(chart.canvas.columns + margin, len(chart.title)), highlight=False, markup=False)
    lines = [[(chart.title, "bold")]]
    for row in range(chart.canvas.rows):
        label = chart.labels.get(row)
        lines.append([*chart.canvas.runs(row), (" │" if label is None else f" ┤ {label}", "")])
    lines.append([(f"{'─' * chart.canvas.columns}─┴", "")])
    lines.append([(_spread(chart.below, chart.canvas.columns), "")])
    for line in lines:
        text = Text()
        for part, style in line:
            text.append(_printable(part), style if is_terminal else "")
        console.print(text, soft_wrap=True)


def _spread(texts: Sequence[str], columns: int) -> str:
    """Return texts from the left end to the right one, or as many of them as have room."""
    if sum(map(len, texts)) + 2 * len(texts) > columns:
        return " ".join(texts[:: len(texts) - 1] if len(texts) > 1 else texts)
    if len(texts) == 2:
        return texts[0] + texts[1].rjust(columns - len(texts[0]))
    left, middle, right = texts
    start = (columns - len(middle)) // 2
    return left.ljust(start) + middle + right.rjust(columns - start - len(middle))


def _printable(text: str) -> str:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return text.translate(_PLAIN_SIGNS)
    return text
