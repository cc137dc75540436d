"""Charts as files: what the SVG holds, and that no file is replaced unasked or half written."""

import struct
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from backpack_connector.cli import chart_files, chart_scene
from backpack_connector.cli.chart_data import Bar, Curve, Rate
from backpack_connector.cli.chart_files import png_bytes, save, svg_text
from backpack_connector.cli.chart_scene import Box, Line, Scene, depth_scene, funding_scene, price_scene
from backpack_connector.protocol.errors import ConfigurationError
from tests.cli.conftest import Shown, wait_for_mark_prices

PERP = "SOL_USDC_PERP"
SVG = "{http://www.w3.org/2000/svg}"
BARS = [Bar(0, 10, 14, 10, 12), Bar(3_600, 12, 13, 11, 11), Bar(7_200, 11, 11, 11, 11)]
CURVE = Curve(100.0, 4.0, ((99.0, 2.0), (97.0, 4.0)), ((101.0, 1.0),))
RATES = [Rate(0, 0.02), Rate(3_600, -0.01), Rate(7_200, 0.0)]
SCENES = {
    "price": price_scene("A <market> & more", BARS),
    "depth": depth_scene("Book", CURVE),
    "funding": funding_scene("Funding $1", RATES),
}


def tree(scene: Scene) -> ElementTree.Element:
    return ElementTree.fromstring(svg_text(scene))


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.attrib[name]) for name in names]


def test_candles_in_the_picture() -> None:
    root = tree(SCENES["price"])
    assert [one.text for one in root.iter(f"{SVG}title")] == ["A <market> & more"]
    _, rise, fall, flat = root.iter(f"{SVG}rect")
    assert (rise.attrib["fill"], fall.attrib["fill"]) == (chart_scene.BACKGROUND, chart_scene.DOWN_COLOUR)
    scale = numbers(rise, "height")[0] / 2  # points for one of the price
    assert numbers(fall, "height")[0] == pytest.approx(scale, abs=0.02)
    assert numbers(fall, "y")[0] == pytest.approx(numbers(rise, "y")[0], abs=0.02), "both bodies begin at 12"
    assert numbers(flat, "height") == [1.0]
    wicks = [line for line in root.iter(f"{SVG}line") if line.attrib["stroke"] != chart_scene.GRID_COLOUR]
    lengths = [end - start for start, end in (numbers(line, "y1", "y2") for line in wicks)]
    assert lengths == pytest.approx([4 * scale, 2 * scale, 0], abs=0.05)
    assert numbers(rise, "x")[0] < numbers(fall, "x")[0] < numbers(flat, "x")[0]


def test_a_book_in_the_picture() -> None:
    bids, asks = (
        [tuple(map(float, point.split(","))) for point in area.attrib["points"].split()]
        for area in tree(SCENES["depth"]).iter(f"{SVG}polygon")
    )
    assert max(x for x, _ in bids) < min(x for x, _ in asks)
    floor = chart_scene.HEIGHT - chart_scene.BOTTOM
    assert (bids[0][1], bids[-1][1]) == (floor, floor)
    heights = sorted({round(floor - y, 1) for _, y in bids})
    assert heights[2] == pytest.approx(2 * heights[1], abs=0.2), "four stands twice as high as two"
    assert floor - min(y for _, y in asks) == pytest.approx(heights[1] / 2, abs=0.2)


def test_funding_in_the_picture() -> None:
    _, above, below, nothing = tree(SCENES["funding"]).iter(f"{SVG}rect")
    (top, height), (start, depth) = numbers(above, "y", "height"), numbers(below, "y", "height")
    assert top + height == pytest.approx(start, abs=0.02), "both end at the line"
    assert height == pytest.approx(2 * depth, abs=0.05)
    assert numbers(nothing, "height") == [0.0]


@pytest.mark.parametrize("name", SCENES)
def test_everything_lies_inside(name: str) -> None:
    scene = SCENES[name]
    for shape in scene.shapes:
        if isinstance(shape, Box):
            assert shape.left >= 0
            assert shape.left + shape.width <= scene.width
            assert shape.top >= 0
            assert shape.top + shape.height <= scene.height
        elif isinstance(shape, Line):
            assert all(0 <= x <= scene.width and 0 <= y <= scene.height for x, y in (shape.start, shape.end))


@pytest.mark.parametrize("rates", [[Rate(0, 0.0)], [Rate(0, -0.01)], [Rate(0, 0.01)]])
def test_a_single_rate_can_be_drawn(rates: list[Rate]) -> None:
    assert len(list(tree(funding_scene("x", rates)).iter(f"{SVG}rect"))) == 2


def test_a_file_is_written_whole_and_never_replaced_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chart.svg"
    save(SCENES["price"], path, replaces=False)
    assert path.read_text() == svg_text(SCENES["price"])
    with pytest.raises(ConfigurationError, match="exists already; --force replaces it"):
        save(SCENES["depth"], path, replaces=False)
    save(SCENES["depth"], path, replaces=True)
    assert path.read_text() == svg_text(SCENES["depth"])

    def fail(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left on device"):
        save(SCENES["price"], path, replaces=True)
    assert [one.name for one in tmp_path.iterdir()] == ["chart.svg"]
    assert path.read_text() == svg_text(SCENES["depth"])


def test_the_command_writes_a_picture(command: Shown, tmp_path: Path) -> None:
    wait_for_mark_prices(command, PERP)
    path = tmp_path / "price.svg"
    words = ("chart", "price", PERP, "1m", "--price-type", "Mark", "--save", str(path))
    result = command(*words)
    assert (result.code, result.out) == (0, f"The chart is in {path}.\n")
    ElementTree.fromstring(path.read_text())
    again = command(*words)
    assert (again.code, again.err) == (2, f"{path} exists already; --force replaces it.\n")
    assert command(*words, "--force").code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--save", "x.jpg"], 2, "--save takes a file that ends in .svg or .png, not 'x.jpg'.\n"),
        (["--save", "/no/such/folder/x.svg"], 2, "There is no folder /no/such/folder.\n"),
        (["--save", "x.svg", "--format", "json"], 2, "Give either --save or --format, not both.\n"),
    ],
)
def test_a_file_that_cannot_be(words: list[str], code: int, said: str, command: Shown) -> None:
    result = command("chart", "funding", PERP, *words)
    assert (result.code, result.out, result.err) == (code, "", said)


def test_without_matplotlib_a_png_is_one_sentence(
    command: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigurationError, match="PNG needs matplotlib"):
        png_bytes(SCENES["price"])
    monkeypatch.setattr(chart_files.importlib.util, "find_spec", lambda name: None)
    result = command("chart", "funding", PERP, "--save", str(tmp_path / "x.png"))
    assert (result.code, result.err) == (1, f"{chart_files.NO_PNG}\n")
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("name", SCENES)
def test_with_matplotlib_there_is_a_png(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    save(SCENES[name], tmp_path / "x.PNG", replaces=False)
    content = (tmp_path / "x.PNG").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (2 * chart_scene.WIDTH, 2 * chart_scene.HEIGHT)
