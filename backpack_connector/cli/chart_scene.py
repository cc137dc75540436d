"""Lay charts out as lines, boxes, areas and labels, from which any kind of picture can be written.

Units:    points; the origin is at the upper left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from backpack_connector.cli.chart_data import Bar, Curve, Rate, bounds, minute_text, number_text, ticks

WIDTH, HEIGHT = 960, 540
LEFT, TOP, RIGHT, BOTTOM = 36, 56, 100, 40
"""Margins around the drawing; labels of prices stand to the right of it."""
UP_COLOUR, DOWN_COLOUR = "#0d8a5f", "#d1364f"
GRID_COLOUR, TEXT_COLOUR, BACKGROUND = "#e3e6ea", "#30363d", "#ffffff"

_TICKS_UP, _TICKS_ALONG = 8, 5
_TEXT_SIZE, _TITLE_SIZE = 12, 18
_FILL_OF_BAR = 0.7
_HEADROOM = 1.05

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A straight line."""

    start: Point
    end: Point
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Box:
    """A rectangle with an edge."""

    left: float
    top: float
    width: float
    height: float
    fill: str
    edge: str


@dataclass(frozen=True)
class Area:
    """A filled polygon, through which the grid is seen."""

    points: tuple[Point, ...]
    colour: str
    opacity: float = 0.45


@dataclass(frozen=True)
class Label:
    """A line of text; `place` is the lower end of its letters."""

    place: Point
    text: str
    anchor: Anchor = "start"
    size: int = _TEXT_SIZE


Shape = Line | Box | Area | Label


@dataclass(frozen=True)
class Scene:
    """A chart as shapes, those in front last."""

    title: str
    shapes: tuple[Shape, ...]
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class Frame:
    """Where values are in the drawing."""

    left_value: float
    right_value: float
    low: float
    high: float

    def x(self, value: float) -> float:
        """Return the place along the drawing."""
        share = (value - self.left_value) / (self.right_value - self.left_value)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return the place up the drawing."""
        return TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)


def price_scene(title: str, bars: Sequence[Bar]) -> Scene:
    """Lay out candles; those that fell are filled, the others hollow."""
    frame = Frame(-0.5, len(bars) - 0.5, *bounds(bars))
    shapes = _surroundings(title, frame, number_text)
    width = _FILL_OF_BAR * (frame.x(1) - frame.x(0))
    for number, bar in enumerate(bars):
        colour = DOWN_COLOUR if bar.is_down else UP_COLOUR
        x, top, bottom = frame.x(number), frame.y(max(bar.open, bar.close)), frame.y(min(bar.open, bar.close))
        shapes.append(Line((x, frame.y(bar.high)), (x, frame.y(bar.low)), colour))
        fill = colour if bar.is_down else BACKGROUND
        shapes.append(Box(x - width / 2, top, width, max(1.0, bottom - top), fill, colour))
    return Scene(title, (*shapes, *_times(frame, [bar.start_s for bar in bars])))


def depth_scene(title: str, curve: Curve) -> Scene:
    """Lay out a book as two areas of steps."""
    low, high = curve.middle - curve.span, curve.middle + curve.span
    frame = Frame(low, high, 0.0, curve.most * _HEADROOM)
    shapes = _surroundings(title, frame, number_text)
    for side, end, colour in ((curve.bids, low, UP_COLOUR), (curve.asks, high, DOWN_COLOUR)):
        if side:
            shapes.append(Area(_steps(frame, side, end), colour))
    labels = [
        Label((frame.x(price), HEIGHT - BOTTOM + 20), number_text(price, curve.span), "middle")
        for price in ticks(low, high, _TICKS_ALONG)
    ]
    return Scene(title, (*shapes, *labels))


def _steps(frame: Frame, side: Sequence[Point], end: float) -> tuple[Point, ...]:
    points, quantity = [(frame.x(side[0][0]), frame.y(0))], 0.0
    for price, total in side:
        points += [(frame.x(price), frame.y(quantity)), (frame.x(price), frame.y(total))]
        quantity = total
    return (*points, (frame.x(end), frame.y(quantity)), (frame.x(end), frame.y(0)))


def funding_scene(title: str, rates: Sequence[Rate]) -> Scene:
    """Lay out funding rates as boxes on both sides of a line."""
    high = max(0.0, *(rate.percent for rate in rates)) * _HEADROOM
    low = min(0.0, *(rate.percent for rate in rates)) * _HEADROOM
    frame = Frame(-0.5, len(rates) - 0.5, low, high if high > low else low + 0.001)
    shapes = _surroundings(title, frame, lambda value, span: f"{number_text(value, span)} %")
    width = _FILL_OF_BAR * (frame.x(1) - frame.x(0))
    for number, rate in enumerate(rates):
        colour = DOWN_COLOUR if rate.percent > 0 else UP_COLOUR
        top, bottom = frame.y(max(0.0, rate.percent)), frame.y(min(0.0, rate.percent))
        shapes.append(Box(frame.x(number) - width / 2, top, width, bottom - top, colour, colour))
    shapes.append(Line((LEFT, frame.y(0)), (WIDTH - RIGHT, frame.y(0)), TEXT_COLOUR))
    return Scene(title, (*shapes, *_times(frame, [rate.end_s for rate in rates])))


def _surroundings(title: str, frame: Frame, text_of: Callable[[float, float], str]) -> list[Shape]:
    shapes: list[Shape] = [Box(0, 0, WIDTH, HEIGHT, BACKGROUND, BACKGROUND)]
    shapes.append(Label((LEFT, TOP - 24), title, size=_TITLE_SIZE))
    for value in ticks(frame.low, frame.high, _TICKS_UP):
        y = frame.y(value)
        shapes.append(Line((LEFT, y), (WIDTH - RIGHT, y), GRID_COLOUR))
        shapes.append(Label((WIDTH - RIGHT + 8, y + 4), text_of(value, frame.high - frame.low)))
    return shapes


def _times(frame: Frame, times_s: Sequence[float]) -> list[Label]:
    """Return labels of some times, evenly spaced, the first and the last among them."""
    last = len(times_s) - 1
    numbers = sorted({round(part * last / (_TICKS_ALONG - 1)) for part in range(_TICKS_ALONG)})
    labels = []
    for number in numbers:
        anchor: Anchor = "middle" if 0 < number < last else "start" if number == 0 else "end"
        x = frame.x(number) if anchor == "middle" else LEFT if anchor == "start" else WIDTH - RIGHT
        labels.append(Label((x, HEIGHT - BOTTOM + 20), minute_text(times_s[number]), anchor))
    return labels
