"""Write the reference of commands, docs/commands.md, out of the commands; `make docs` runs this, a test compares.

python -m tests.cli.reference
"""

import sys
from pathlib import Path
from typing import Any

import typer

from backpack_connector.cli.main import app

PATH = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
COMMON = ("format", "url", "simulator", "yes", "dry_run", "form", "everything")

HEAD = """# Commands

Written by `python -m tests.cli.reference`; not by hand. `backpack COMMAND --help` says the same.

Keys come from `BACKPACK_API_KEY` and `BACKPACK_SECRET_KEY`, else from the file that `backpack config set` writes.
Prices and quantities are plain numbers with a point; times are UTC, such as `2026-10-02T10:00`, or seconds since 1970.

| option | of which commands | meaning |
|---|---|---|
| `--format table\\|json\\|csv` | all that print an answer | JSON is what the exchange said; a table fits the terminal |
| `--json` | `status`, `market watch`, `guard`, `serve`, `simulate`, instead of `--format` | JSON, one line each time |
| `--url URL`, `--simulator` | all that talk to the exchange | another address; the local simulator |
| `--dry-run` | all that change something | print the signed request, and do not send it |
| `--yes`, `-y` | all that change something, but cancels and `capital withdraw` | do not ask for confirmation |
| `--all` | lists with pages | read page after page, to the end or to `--limit` rows |

Exit codes: 0 done; 1 the exchange or the command refused it, or it is not known what became of it; 2 the command line
is wrong, or names a file or folder that cannot be used, and nothing was sent; 3 `guard --check` would cancel; 130
interrupted with Ctrl-C. A question that is answered with no ends with 1. Errors are one sentence on the standard error.
On a terminal, whatever changes something on the real exchange is confirmed first, except cancels; a withdrawal always,
and by a person only.
"""


def reference() -> str:
    """Return the whole document."""
    root: Any = typer.main.get_group(app)
    context = root.context_class(root, info_name="backpack")
    parts = [HEAD]
    for name in root.list_commands(context):
        found = root.get_command(context, name)
        if hasattr(found, "list_commands"):
            inner = found.context_class(found, info_name=name, parent=context)
            parts.append(f"\n## backpack {name}\n\n{found.help}\n")
            parts += [
                _entry(f"{name} {one}", found.get_command(inner, one), "###") for one in found.list_commands(inner)
            ]
        else:
            parts.append(_entry(name, found, "##"))
    return "".join(parts)


def _entry(name: str, command: Any, level: str) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    usage = " ".join(["backpack", name, *(_usage(one) for one in arguments)])
    rows = [(f"`{_usage(one)}`", one.help) for one in arguments]
    rows += [
        (f"`{_option(one)}`", one.help)
        for one in command.params
        if one.param_type_name == "option" and one.name not in COMMON and one.name != "help"
    ]
    table = "".join(
        f"| {names.replace('|', chr(92) + '|')} | {(text or '').replace('|', chr(92) + '|')} |\n"
        for names, text in rows
    )
    text = " ".join((command.help or "").split())
    return f"\n{level} {name}\n\n    {usage}\n\n{text}\n" + (f"\n| | |\n|---|---|\n{table}" if rows else "")


def _usage(argument: Any) -> str:
    metavar = argument.metavar or argument.name.upper()
    return metavar if argument.required else f"[{metavar}]"


def _option(option: Any) -> str:
    names = "/".join([*option.opts, *option.secondary_opts])
    takes_value = not option.is_flag
    return f"{names} {option.metavar or 'VALUE'}" if takes_value else names


def main() -> int:
    """Write the document."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
