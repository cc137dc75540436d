"""How answers are printed: as tables, JSON and CSV, and never so that they act on the terminal."""

import csv
import io
import json
from decimal import Decimal

import pytest

from backpack_connector.cli.output import print_answer, print_table, rows_of

EVIL = "a\x1b[31mred\x9b2Jb\u202etxt\nline"
ROWS = [{"name": EVIL, "price": "1.50", "is": True, "none": None, "inner": {"a": 1}}, {"name": "b", "price": "20"}]


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_text_of_the_exchange_cannot_act_on_the_terminal(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(ROWS, form)  # type: ignore[arg-type]
    out = capsys.readouterr().out
    assert all(sign.isprintable() or sign == "\n" for sign in out)
    assert "red" in out


def test_a_table_has_simple_columns_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(ROWS[1:] * 2, "table", ("price", "name", "missing"))
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "price  name  missing",
        "   20  b",
        "   20  b",
    ]


def test_csv_has_all_columns_of_all_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(ROWS, "csv")
    header, first, second = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["name", "price", "is", "none", "inner"]
    assert first[1:] == ["1.50", "true", "", '{"a": 1}']
    assert second == ["b", "20", "", "", ""]


def test_json_keeps_exact_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer({"amount": Decimal("1.50")}, "json")
    assert json.loads(capsys.readouterr().out) == {"amount": "1.50"}


def test_long_lists_in_csv_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    inner = [["86781.5", "5.54115"]] * 200
    print_answer([{"levels": inner}], "csv")
    assert json.loads(list(csv.reader(io.StringIO(capsys.readouterr().out)))[1][0]) == inner


def test_answers_as_rows() -> None:
    assert rows_of({"USDC": {"available": "1"}}) == [{"symbol": "USDC", "available": "1"}]
    assert rows_of("pong") == [{"value": "pong"}]
    assert rows_of(["a"]) == [{"value": "a"}]
    assert rows_of(None) == rows_of([]) == []


def test_nothing_is_said_to_be_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a",), [])
    assert capsys.readouterr() == ("", "Nothing to show.\n")
