"""Find the fenced code blocks of the pages that users read."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("docs", "conf_templates", "docker")
_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,})(?P<language>\S*)[^\n]*\n(?P<text>.*?)^ {0,3}(?P=fence)$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, and what it says."""

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return what users read, README.md first."""
    below = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md"))]
    return [ROOT / "README.md", *below]


def blocks() -> list[Block]:
    """Return all fenced blocks of all pages."""
    return [block for path in pages() for block in blocks_of(path.read_text(encoding="utf-8"), page_name(path))]


def blocks_of(text: str, page: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, match["language"], match["text"])
        for match in _FENCE.finditer(text)
    ]


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def without_fences(text: str) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", text)


def indented_code(text: str) -> list[str]:
    """Return the first lines of blocks that are code because they are indented, outside lists."""
    lines = without_fences(text).splitlines()
    found = []
    for before, line in zip(["", *lines], lines, strict=False):
        if not before.strip() and re.match(r"(?: {4,}|\t)\S", line):
            found.append(line.strip())
    return found
