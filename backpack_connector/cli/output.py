"""Print answers as tables that fit the terminal, as JSON, or as CSV.

Rule 1: numbers are printed as the exchange wrote them.
Rule 2: text of the exchange is printed without control characters, so that it cannot move the cursor or colour the
        screen; colours are used on a terminal only.
Rule 3: answers go to the standard output, everything said about them to the standard error.
"""

import csv
import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from backpack_connector.protocol.errors import plain

Form = Literal["table", "json", "csv"]
FormatOption = Annotated[Form, typer.Option("--format", help="How to print the answer.")]

_CELL_LIMIT = 200
_FIELD_LIMIT = 100_000
_WIDE = 240
"""Characters of a line where there is no terminal whose width could be kept."""
_NUMBERS = frozenset("0123456789.-%")


def print_answer(answer: Any, form: Form, columns: Sequence[str] = ()) -> None:
    """Print what an operation answered; `columns` are those of a table, all simple ones when there are none named."""
    if form == "json":
        print(json.dumps(answer, default=str, indent=2))  # beyond ASCII everything is escaped: rule 2
    elif form == "csv":
        _print_csv(rows_of(answer))
    elif isinstance(answer, dict) and not _is_map_of_rows(answer):
        print_table(("", ""), [(name, _cell(value)) for name, value in answer.items()], header=False)
    else:
        rows = rows_of(answer)
        shown = list(columns) or _simple_columns(rows)
        print_table(shown, [[_cell(row.get(name)) for name in shown] for row in rows])


def rows_of(answer: Any) -> list[dict[str, Any]]:
    """Return an answer as rows: a list as it is, a map with its keys in a column, anything else as one row."""
    if answer is None:
        return []
    if isinstance(answer, list):
        return [row if isinstance(row, dict) else {"value": row} for row in answer]
    if isinstance(answer, dict):
        return [{"symbol": name, **row} for name, row in answer.items()] if _is_map_of_rows(answer) else [answer]
    return [{"value": answer}]


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, header: bool = True, title: str = "") -> None:
    """Print a table; numbers stand to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False, markup=False)
    if not rows and header:
        print("Nothing to show.", file=sys.stderr)
        return
    table = Table(box=None, show_header=header, header_style="bold", pad_edge=False, title=title or None)
    for number, name in enumerate(columns):
        is_number = bool(rows) and header and all(_is_number(row[number]) for row in rows)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def note(text: str) -> None:
    """Say something about an answer, on the standard error."""
    print(text, file=sys.stderr)


def _is_map_of_rows(answer: dict[str, Any]) -> bool:
    return bool(answer) and all(isinstance(value, dict) for value in answer.values())


def _is_number(text: str) -> bool:
    return not text or set(text) <= _NUMBERS


def _simple_columns(rows: list[dict[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if not any(isinstance(row.get(name), (dict, list)) for row in rows)]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _text(value, _CELL_LIMIT)


def _text(value: Any, limit: int) -> str:
    return plain(json.dumps(value, default=str) if isinstance(value, (dict, list)) else str(value), limit)


def _print_csv(rows: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if names:
        writer.writerow(names)
    for row in rows:
        writer.writerow([_field(row.get(name)) for name in names])


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value, _FIELD_LIMIT)
