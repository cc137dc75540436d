"""Write charts into files: SVG as text, PNG with matplotlib where that is installed."""

import importlib.util
import os
from html import escape
from io import BytesIO
from pathlib import Path

from backpack_connector.cli.chart_scene import TEXT_COLOUR, Area, Box, Line, Point, Scene, Shape
from backpack_connector.protocol.errors import ConfigurationError

KINDS = (".svg", ".png")
NO_PNG = "A PNG needs matplotlib, which is not installed here: run pip install matplotlib, or save an .svg."

_FONT = "system-ui, sans-serif"
_POINTS_PER_INCH = 72
_PNG_DOTS_PER_INCH = 2 * _POINTS_PER_INCH


def check_kind(path: Path) -> None:
    """Refuse a kind of picture that is not written here.

    Raises:   ConfigurationError.
    """
    if path.suffix.lower() not in KINDS:
        raise ConfigurationError(f"--save takes a file that ends in {' or '.join(KINDS)}, not {path.name!r}.")


def check_target(path: Path, *, replaces: bool) -> None:
    """Refuse what could not be written, before anything is asked for.

    Raises:   ConfigurationError.
    """
    if not path.parent.is_dir():
        raise ConfigurationError(f"There is no folder {path.parent}.")
    if path.exists() and not replaces:
        raise ConfigurationError(f"{path} exists already; --force replaces it.")


def check_library(path: Path) -> None:
    """Refuse a PNG where matplotlib is missing.

    Raises:   ConfigurationError.
    """
    if path.suffix.lower() == ".png" and importlib.util.find_spec("matplotlib") is None:
        raise ConfigurationError(NO_PNG)


def save(scene: Scene, path: Path, *, replaces: bool) -> None:
    """Write a picture, whole or not at all.

    Raises:   ConfigurationError when it cannot be written.
    """
    content = svg_text(scene).encode() if path.suffix.lower() == ".svg" else png_bytes(scene)
    check_target(path, replaces=replaces)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            draft.write_bytes(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from None


def svg_text(scene: Scene) -> str:
    """Return a chart as the text of an SVG file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {scene.width} {scene.height}" '
        f'width="{scene.width}" height="{scene.height}" font-family="{_FONT}" role="img">'
    )
    return "\n".join([head, f"<title>{escape(scene.title)}</title>", *map(_svg_of, scene.shapes), "</svg>", ""])


def _svg_of(shape: Shape) -> str:
    if isinstance(shape, Line):
        (x1, y1), (x2, y2) = shape.start, shape.end
        ends = f'x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"'
        return f'<line {ends} stroke="{shape.colour}" stroke-width="{shape.width}"/>'
    if isinstance(shape, Box):
        place = f'x="{shape.left:.2f}" y="{shape.top:.2f}" width="{shape.width:.2f}" height="{shape.height:.2f}"'
        return f'<rect {place} fill="{shape.fill}" stroke="{shape.edge}"/>'
    if isinstance(shape, Area):
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in shape.points)
        return f'<polygon points="{points}" fill="{shape.colour}" fill-opacity="{shape.opacity}"/>'
    x, y = shape.place
    place = f'x="{x:.2f}" y="{y:.2f}" text-anchor="{shape.anchor}" font-size="{shape.size}"'
    return f'<text {place} fill="{TEXT_COLOUR}">{escape(shape.text)}</text>'


def png_bytes(scene: Scene) -> bytes:
    """Return a chart as the content of a PNG file, with twice as many dots as points.

    Raises:   ConfigurationError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
        from matplotlib.patches import Polygon, Rectangle
    except ImportError:
        raise ConfigurationError(NO_PNG) from None
    figure = Figure(figsize=(scene.width / _POINTS_PER_INCH, scene.height / _POINTS_PER_INCH), dpi=_PNG_DOTS_PER_INCH)

    def place(point: Point) -> Point:
        return point[0] / scene.width, 1 - point[1] / scene.height

    for number, shape in enumerate(scene.shapes):
        if isinstance(shape, Line):
            (x1, y1), (x2, y2) = place(shape.start), place(shape.end)
            figure.add_artist(Line2D([x1, x2], [y1, y2], color=shape.colour, linewidth=shape.width, zorder=number))
        elif isinstance(shape, Box):
            corner = place((shape.left, shape.top + shape.height))
            size = shape.width / scene.width, shape.height / scene.height
            figure.add_artist(Rectangle(corner, *size, facecolor=shape.fill, edgecolor=shape.edge, zorder=number))
        elif isinstance(shape, Area):
            points = [place(point) for point in shape.points]
            figure.add_artist(Polygon(points, facecolor=shape.colour, alpha=shape.opacity, zorder=number))
        else:
            align = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            text = shape.text.replace("$", r"\$")  # matplotlib would read formulas
            figure.text(*place(shape.place), text, ha=align, fontsize=shape.size, color=TEXT_COLOUR, zorder=number)
    written = BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()
