"""Find the commands of `backpack` that the repository's texts name, and hold them to the command line."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import yaml

from backpack_connector.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
KINDS = (".md", ".yml", ".py")
_LEFT_OUT = {"node_modules", "__pycache__", "build", "dist"}
# Quoted text may go on in the next line of a paragraph, a docstring or a comment.
_QUOTED = re.compile(r"(?<!`)`backpack((?:(?:[ \t]+|[ \t]*\n[ \t]*(?:#[ \t]+)?)[^`\s]+)+)`(?!`)")
_FENCED = re.compile(r"^ *```(?:bash|sh|console)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_TYPED = re.compile(r"(?:^|[|;&(]|\bexec)[ \t]*(?:\$ )?backpack((?:[ \t]+[^\s|;&#)]+)+)", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z-]*")
_OPTION = re.compile(r"--[a-z][a-z-]*")


def texts() -> Iterator[Path]:
    """Yield the files that may name commands."""
    for folder, inner, names in os.walk(ROOT):
        inner[:] = sorted(name for name in inner if name not in _LEFT_OUT and not name.startswith((".venv", ".git")))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(KINDS))


def commands_in(text: str, kind: str) -> list[list[str]]:
    """Return the words that follow `backpack` wherever a text of a kind, such as .md, quotes or types the command."""
    found = [match[1] for match in _QUOTED.finditer(text)]
    if kind == ".md":
        found += [match[1] for block in _FENCED.findall(text) for match in _typed(block)]
    rows = [[word for word in words.split() if word != "#"] for words in found]
    if kind == ".yml":
        rows += [row for value in yaml.safe_load_all(text) for row in _commands_of(value)]
    return [row for row in rows if row]


def _typed(text: str) -> Iterator["re.Match[str]"]:
    return _TYPED.finditer(text.replace("\\\n", " "))


def _commands_of(value: Any) -> Iterator[list[str]]:
    """Yield the commands in the values of a YAML document: lines of a shell, and lists of words."""
    if isinstance(value, str):
        yield from (match[1].split() for match in _typed(value))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _commands_of(inner)
    elif isinstance(value, list):
        if "backpack" in value:
            yield [str(word) for word in value[value.index("backpack") + 1 :]]
        for inner in value:
            yield from _commands_of(inner)


def fault_of(words: list[str]) -> str | None:
    """Say what is wrong with the words after `backpack`, None if it is a command with options that it has.

    A word that is no name, such as COMMAND or …, stands for anything.
    """
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="backpack")
    for number, word in enumerate(words):
        if word.startswith("-"):
            known = {name for one in command.get_params(context) for name in (*one.opts, *one.secondary_opts)}
            name = _OPTION.match(word)
            if name is not None and name[0] not in known:
                return f"`{' '.join(['backpack', *words[:number]])}` has no option {name[0]}"
        elif hasattr(command, "get_command"):
            if _NAME.fullmatch(word) is None:
                return None
            inner = command.get_command(context, word)
            if inner is None:
                return f"there is no command `backpack {' '.join(words[: number + 1])}`"
            command, context = inner, inner.context_class(inner, info_name=word, parent=context)
    return None
