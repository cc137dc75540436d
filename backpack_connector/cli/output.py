"""Print answers as tables that fit the terminal, as JSON, or as CSV.

Rule 1: numbers are printed as the exchange wrote them.
Rule 2: text of the exchange is printed without control characters, so that it cannot move the cursor or colour the
        screen; colours are used on a terminal only.
Rule 3: answers go to the standard output, everything said about them to the standard error.
Rule 4: no value is cut in two to make a table fit: where the columns do not fit, each row is names with values.
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
_GAP = 2
"""Characters between two columns."""
_NUMBERS = frozenset("0123456789.-%")


def print_answer(answer: Any, form: Form, columns: Sequence[str] = ()) -> None:
    """Print what an operation answered; `columns` are those of a table, all simple ones when there are none named."""
    if form == "json":
        print(json.dumps(answer, default=str, indent=2))  # beyond ASCII everything is escaped: rule 2
    elif form == "csv":
        _print_csv(rows_of(answer))
    elif isinstance(answer, dict) and not _is_map_of_rows(answer):
        _print_object(answer)
    else:
        _print_rows(rows_of(answer), columns)


def rows_of(answer: Any) -> list[dict[str, Any]]:
    """Return an answer as rows: a list as it is, a map with its keys in a column, anything else as one row."""
    if answer is None:
        return []
    if isinstance(answer, list):
        return [row if isinstance(row, dict) else {"value": row} for row in answer]
    if isinstance(answer, dict):
        return [{"symbol": name, **row} for name, row in answer.items()] if _is_map_of_rows(answer) else [answer]
    return [{"value": answer}]


def flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return an object with what is inside its objects under names such as filters.price.tickSize."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        found.update(flat(value, f"{prefix}{name}.") if value and isinstance(value, dict) else {prefix + name: value})
    return found


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, header: bool = True, title: str = "") -> None:
    """Print a table; numbers stand to the right. If it is wider than the terminal, each row is names with values."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows and header:
        print("Nothing to show.", file=sys.stderr)
        return
    widths = [_longest_word([name, *(row[number] for row in rows)]) for number, name in enumerate(columns)]
    needed = sum(widths) + _GAP * (len(widths) - 1)
    width = None if sys.stdout.isatty() else max(_WIDE, needed)
    console = Console(width=width, highlight=False, markup=False)
    if header and needed > console.width:
        print_table(("", ""), _as_facts(columns, rows), header=False, title=title)
        return
    table = Table(box=None, show_header=header, header_style="bold", pad_edge=False)
    table.title, table.title_justify = title or None, "left"
    for number, name in enumerate(columns):
        cells = [row[number] for row in rows]
        is_number = bool(rows) and header and all(_is_number(cell) for cell in cells)
        is_whole = not any(" " in cell for cell in cells) if header else number == 0
        least = widths[number] if header else None
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=is_whole, min_width=least)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _print_object(answer: dict[str, Any]) -> None:
    facts = flat(answer)
    lists = {name: value for name, value in facts.items() if _is_list_of_rows(value)}
    told = [(name, _cell(value)) for name, value in facts.items() if name not in lists]
    print_table(("", ""), told, header=False)
    for name, rows in lists.items():
        print()
        _print_rows(rows, title=name)


def _print_rows(rows: list[dict[str, Any]], columns: Sequence[str] = (), title: str = "") -> None:
    found = [flat(row) for row in rows]
    shown = list(columns) or _simple_columns(found)
    print_table(shown, [[_cell(row.get(name)) for name in shown] for row in found], title=title)


def _as_facts(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    for row in rows:
        facts += [("", "")] if facts else []
        facts += zip(columns, row, strict=True)
    return facts


def _longest_word(cells: Sequence[str]) -> int:
    from rich.cells import cell_len

    return max(cell_len(word) for cell in cells for word in cell.split() or [""])


def _is_list_of_rows(value: Any) -> bool:
    return bool(value) and isinstance(value, list) and all(isinstance(row, dict) for row in value)


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
