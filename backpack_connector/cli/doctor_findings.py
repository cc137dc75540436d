"""Hold what `backpack doctor` has found, and print it: what was looked at, how it is, what to do next."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from backpack_connector.cli.output import Form, note, print_answer
from backpack_connector.protocol.errors import plain

State = Literal["ok", "warning", "problem", "skipped"]

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red", "skipped": "dim"}
_WIDE = 160
"""Characters of a line where there is no terminal whose width could be kept."""
_TEXT_LIMIT = 600


@dataclass(frozen=True)
class Finding:
    """What one check has found."""

    check: str
    state: State
    found: str
    advice: str = ""
    """What to do next; nothing when all is well."""


def print_findings(findings: Sequence[Finding], form: Form) -> None:
    """Print all findings; people also get a sentence that counts what is wrong."""
    if form == "table":
        _print_table(findings)
        note(summary(findings))
    else:
        print_answer([asdict(finding) for finding in findings], form)


def summary(findings: Sequence[Finding]) -> str:
    """Say in one sentence how much is wrong."""
    counts = [(sum(finding.state == state for finding in findings), state) for state in ("problem", "warning")]
    told = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count]
    return f"{' and '.join(told)} found." if told else "Nothing is wrong."


def _print_table(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("check", "state", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        state = Text(finding.state, _STYLES[finding.state])
        texts = (Text(plain(text, _TEXT_LIMIT)) for text in (finding.found, finding.advice))
        table.add_row(Text(finding.check), state, *texts)
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False, markup=False).print(table)
