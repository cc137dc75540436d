"""How answers are printed: as tables, JSON and CSV, and never so that they act on the terminal."""

import csv
import io
import json
from decimal import Decimal

import pytest

from backpack_connector.cli.output import print_answer, print_table, rows_of
from tests.cli.conftest import Shown
from tests.cli.terminal import on_a_terminal

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


def test_a_table_shows_what_is_inside_objects(capsys: pytest.CaptureFixture[str]) -> None:
    inner = {"filters": {"price": {"tickSize": "0.01", "maxPrice": None}}, "list": [1]}
    print_answer([{"symbol": "A", **inner}, {"symbol": "B", "filters": {"price": {"tickSize": "5"}}}], "table")
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "symbol  filters.price.tickSize  filters.price.maxPrice",
        "A                         0.01",
        "B                            5",
    ]


def test_an_object_shows_its_lists_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer({"equity": "5", "empty": [], "no": {}, "held": [{"symbol": "SOL", "is": {"weight": "0.9"}}]}, "table")
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["equity", "5"],
        ["empty", "[]"],
        ["no", "{}"],
        [],
        ["held"],
        ["symbol", "is.weight"],
        ["SOL", "0.9"],
    ]


def test_without_a_terminal_no_value_is_cut_however_wide_a_table_is(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"column{number:03}" for number in range(60)]
    print_table(names, [["1234567890"] * 60])
    header, row = capsys.readouterr().out.splitlines()
    assert (header.split(), row.split()) == (names, ["1234567890"] * 60)


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


def test_on_a_narrow_terminal_rows_are_names_with_values(exchange: dict[str, str]) -> None:
    screen = on_a_terminal("market", "list", "--url", exchange["restUrl"], COLUMNS="60")
    assert screen.code == 0
    lines = [line.rstrip() for line in screen.lines]
    assert max(map(len, lines)) <= 60
    assert ["symbol", "SOL_USDC"] in [line.split() for line in lines]
    assert lines.count("") == sum(line.startswith("symbol ") for line in lines) - 1
    wide = on_a_terminal("market", "list", "--url", exchange["restUrl"], COLUMNS="140").lines
    assert wide[0].split()[:2] == ["symbol", "marketType"]


def test_on_a_narrow_terminal_sentences_are_broken_between_words(exchange: dict[str, str]) -> None:
    lines = on_a_terminal("market", "sessions", "--url", exchange["restUrl"], COLUMNS="88").lines
    assert lines[0].split()[:2] == ["description", "endTime"]
    assert {"Regular", "trading", "hours"} <= {word for line in lines for word in line.split()}


def test_a_market_is_shown_with_its_tick_step_and_minimum(command: Shown) -> None:
    facts = dict(f"{line} ".split(" ", 1) for line in command("market", "info", "SOL_USDC").out.splitlines())
    assert facts["filters.price.tickSize"].strip() == "0.01"
    assert facts["filters.quantity.stepSize"].strip() == "0.01"
    assert "filters.quantity.minQuantity" in facts
    weights = command("market", "collateral").out.splitlines()
    assert "haircutFunction.weight" in weights[0].split()
    assert "0.9" in next(line for line in weights if line.startswith("SOL ")).split()
