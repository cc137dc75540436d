"""Collect what the product can say: every text in its code, with `…` for what is filled in when it runs."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FILLED_IN = "…"
_FORMATS = re.compile(r"%[-.\d]*[sdrfg]|\{[^{}]*\}")


@cache
def texts(*roots: Path) -> frozenset[str]:
    """Return all texts below some folders, docstrings left out."""
    return frozenset(
        text for root in roots for path in sorted(root.rglob("*.py")) for text in texts_of(path.read_text("utf-8"))
    )


def texts_of(code: str) -> Iterator[str]:
    """Yield the texts of a module."""
    tree = ast.parse(code)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(_told(part) for part in node.values)
        elif isinstance(node, ast.Constant) and id(node) not in docstrings | inside and isinstance(node.value, str):
            yield _FORMATS.sub(FILLED_IN, node.value)


def is_said(sentence: str, said: frozenset[str]) -> bool:
    """Tell whether one of the texts has this sentence; `…` in it stands for anything."""
    pattern = re.compile(".*".join(re.escape(part) for part in sentence.split(FILLED_IN)), re.DOTALL)
    return any(pattern.search(text) for text in said)


def _told(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else FILLED_IN
