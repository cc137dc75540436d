"""Take the picture of a demo that README shows: `make recording`, or `python -m tests.demo_picture FILE PORT`.

A real `make demo` runs; the picture has its lines, a frame of the live view, and the comparison at the end.
"""

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.terminal_theme import MONOKAI

from backpack_connector.demo import story
from backpack_connector.demo.screen import View, live_view

PICTURE = Path(__file__).parents[1] / "docs" / "demo.svg"
WIDTH, HEIGHT = 100, 36
COMMAND = "$ make demo SECONDS=30"


class BestFrame:
    """Stand in for rich's live display: of all frames, the last one stays in which orders are open."""

    _kept: RenderableType = ""

    def __init__(self, console: Console, **ignored: Any) -> None:
        self._console = console

    def __enter__(self) -> "BestFrame":
        return self

    def __exit__(self, *error: object) -> None:
        self._console.print(BestFrame._kept)

    def update(self, frame: RenderableType, **ignored: Any) -> None:
        pass

    @staticmethod
    def draw(view: View, height: int) -> RenderableType:
        if view.latest is not None and view.latest.orders:
            BestFrame._kept = live_view(view, height)
        return BestFrame._kept


class WithoutSpinners(Console):
    """A console whose record has no pictures of a wheel that turns."""

    def status(self, *ignored: Any, **also: Any) -> Any:
        return contextlib.nullcontext()


def own_fonts_only(svg: str) -> str:
    """Take away the fonts that rich would load from elsewhere, and name those that readers have."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("font-family: Fira Code, monospace", "font-family: monospace")


def take(target: Path, seconds: float = 30, port: int | None = None) -> int:
    """Run the demo, write the picture, and return the demo's exit code."""
    console = WithoutSpinners(
        record=True,
        force_terminal=True,
        width=WIDTH,
        height=HEIGHT,
        file=io.StringIO(),
        highlight=False,
        legacy_windows=False,
    )
    console.print(COMMAND)
    story.Live, story.live_view = BestFrame, BestFrame.draw  # type: ignore[assignment, misc]
    code = story.tell(story.Options(seconds=seconds, port=port), console)
    svg = console.export_svg(title="make demo", theme=MONOKAI, unique_id="demo")
    target.write_text(own_fonts_only(svg), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(
        take(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE, port=int(sys.argv[2]) if len(sys.argv) > 2 else None)
    )
