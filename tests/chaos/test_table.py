"""Hold the table of survived faults to its form; its figures come from `make chaos-table` and nowhere else."""

import re
import subprocess
import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    from tests.chaos import table
    from tests.chaos.breakages import BREAKAGES
    from tests.chaos.fault_plans import FAULTS
    from tests.chaos.runs import Outcome
    from tests.documentation_summaries import faults_short
    from tests.programs import needed_program

ROW = re.compile(r"^\| (?P<fault>[^|]+) \| (?P<ours>[^|]+) \| (?P<builtin>[^|]+) \|$", re.MULTILINE)
CELL = re.compile(r"(?P<violated>\d+) of (?P<runs>\d+)(: (?P<subjects>[a-z0-9, ()]+))?")
MEASUREMENT = table.Measurement(date(2026, 11, 21), 2, 7)


def outcomes() -> list[Outcome]:
    sentences = {
        "ours": [],
        "builtin": ["spot: Order 1: the exchange has it as New, but it was reported failed: ['OrderFailure']."],
    }
    return [Outcome(plan, list(sentences[plan.peer])) for plan in table.plans(2, 7)]


def test_the_rows_are_the_kinds_of_faults() -> None:
    assert set(table.IN_WORDS) == set(FAULTS)
    assert len(set(table.IN_WORDS.values())) == len(FAULTS)


def rows_of(text: str) -> dict[str, re.Match[str]]:
    rows = {match["fault"]: match for match in ROW.finditer(text)}
    return {fault: row for fault, row in rows.items() if fault not in ("what breaks", "---")}


def test_the_table_in_the_readme_has_every_fault_and_no_violation_of_ours() -> None:
    rows = rows_of(table.written())
    assert list(rows) == list(table.IN_WORDS.values()), "run `make chaos-table`"
    for fault, row in rows.items():
        for peer in table.PEERS:
            cell = CELL.fullmatch(row[peer])
            assert cell is not None, row[0]
            assert (cell["violated"] == "0") == (cell["subjects"] is None), row[0]
        assert row["ours"].startswith("0 of "), fault


def test_the_table_in_the_readme_says_how_it_was_made() -> None:
    text = table.written()
    command = re.search(r"`make chaos-table RUNS=(?P<runs>\d+) SEED=\d+`", text)
    assert command is not None
    assert re.search(r"^Made on \d{4}-\d\d-\d\d by ", text)
    runs = {CELL.fullmatch(row[peer])["runs"] for row in rows_of(text).values() for peer in table.PEERS}
    assert runs == {command["runs"]}


def test_both_peers_get_the_same_runs() -> None:
    plans = table.plans(2, 7)
    assert len(plans) == 2 * 2 * len(FAULTS)
    ours, builtin = ({(plan.seed, plan.fault) for plan in plans if plan.peer == peer} for peer in table.PEERS)
    assert ours == builtin
    assert {plan.workload for plan in plans} == {"common"}


def test_cells_count_runs_and_name_what_was_violated() -> None:
    text = table.text(outcomes(), MEASUREMENT)
    assert "| nothing | 0 of 2 | 2 of 2: orders wrongly called failed (2) |" in text
    assert "`make chaos-table RUNS=2 SEED=7`" in text


def test_the_head_names_the_commit_of_a_clone(tmp_path: Path) -> None:
    assert f": version {table.__version__} beside" in table.text(outcomes(), MEASUREMENT)
    text = " ".join(table.text(outcomes(), replace(MEASUREMENT, commit="1a2b3c4")).split())
    assert f": version {table.__version__} (commit 1a2b3c4) beside Hummingbot " in text
    with_commit = table.text(outcomes(), replace(MEASUREMENT, commit="1a2b3c4"))
    assert faults_short(with_commit) == faults_short(table.text(outcomes(), MEASUREMENT)) != ""
    assert table.commit(tmp_path) is None, "no clone"
    git = [
        needed_program(["git"], "git is not installed here"),
        "-c",
        "user.name=somebody",
        "-c",
        "user.email=somebody@localhost",
        "-c",
        "commit.gpgsign=false",
    ]
    file = tmp_path / "file"
    file.write_text("first", encoding="utf-8")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    name = table.commit(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{7,}", str(name))
    file.write_text("second", encoding="utf-8")
    assert table.commit(tmp_path) == f"{name} with changes"
    inner = tmp_path / "unpacked"
    inner.mkdir()
    assert table.commit(inner) is None, "somebody else's clone"


def test_without_git_the_head_names_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert table.commit() is None


def test_a_table_is_written_into_its_place_alone(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("before\n<!-- measured: faults-survived -->\noutdated\n<!-- end -->\nafter\n", encoding="utf-8")
    body = table.text(outcomes(), MEASUREMENT)
    table.write(body, document)
    assert table.written(document) == body
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("<!-- end -->\nafter\n")
    assert "outdated" not in text


def test_a_document_without_a_place_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match="0 places for the table"):
        table.write("", document)


@pytest.mark.parametrize("name", BREAKAGES)
def test_every_sentence_of_the_invariants_has_a_subject(name: str) -> None:
    assert table.subject(BREAKAGES[name].sentence) != "something else"
