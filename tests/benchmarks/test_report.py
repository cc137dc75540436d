"""The figures are what their definition says, and the documents show them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import report
from tests.benchmarks.contestants import BUILT_IN, CCXT, CONTESTANTS, FAST, FLOOR, OURS
from tests.benchmarks.misses import REASONS
from tests.benchmarks.results import Results, read_results
from tests.benchmarks.rows import EXPERIMENTS, ROWS, Goal, Row, selected
from tests.benchmarks.runner import Experiment, Figure, Rounds, figure, ratio

ROUNDS = Rounds(
    {
        OURS: [{"us": 10.0}, {"us": 40.0}, {"us": 20.0}],
        BUILT_IN: [{"us": 100.0}, {"us": 200.0}, {"us": 200.0}],
        FLOOR: [{"us": 8.0}, {"us": 8.0}, {"us": 16.0}],
    },
    {CCXT: "not installed"},
)
ROW = Row("sign", "sign", "us", "us", (Goal(BUILT_IN, 8), Goal(BUILT_IN, 20), Goal(FLOOR, 1.2), Goal(CCXT, 3)))


def test_a_figure_is_the_median_over_rounds_with_its_spread() -> None:
    assert figure(ROUNDS.of(OURS, "us")) == Figure(20.0, 10.0, 40.0)
    assert figure([]) is None


def test_a_ratio_is_taken_inside_each_round() -> None:
    assert ratio(ROUNDS, "us", BUILT_IN, OURS) == Figure(10.0, 5.0, 10.0)  # of the medians it would be 10 too
    assert ratio(ROUNDS, "us", OURS, FLOOR) == Figure(1.25, 1.25, 5.0)  # of the medians it would be 2.5
    assert ratio(ROUNDS, "us", CCXT, OURS) is None


def test_each_goal_is_met_or_missed_by_a_number_or_not_measured() -> None:
    assert report.verdicts(ROUNDS, ROW) == [
        "8 x built-in: met",
        "20 x built-in: **missed**, 2.00 times away",
        "at most 1.2 x floor: **missed**, 1.04 times away",
        "3 x ccxt: not measured",
    ]


@pytest.mark.parametrize(("limit", "said"), [(20, "at most 20: met"), (10, "at most 10: **missed**, 2.00 times away")])
def test_a_limit_is_for_our_own_figure(limit: float, said: str) -> None:
    assert report.verdicts(ROUNDS, Row("sign", "sign", "us", "us", (Goal("", limit),))) == [said]


def test_nothing_at_all_is_within_every_limit() -> None:
    rounds = Rounds({OURS: [{"ms": 0.0}]})
    assert report.verdicts(rounds, Row("pause", "garbage", "ms", "ms", (Goal("", 5),))) == ["at most 5: met"]


def test_more_can_be_better() -> None:
    rounds = Rounds({OURS: [{"per_s": 300.0}], BUILT_IN: [{"per_s": 100.0}]})
    row = Row("burst", "stream-5000", "per_s", "1/s", (Goal(BUILT_IN, 3), Goal(BUILT_IN, 4)), more_is_better=True)
    assert report.verdicts(rounds, row) == ["3 x built-in: met", "4 x built-in: **missed**, 1.33 times away"]
    assert report.times(rounds, row, BUILT_IN) == "3.00 x"


def test_the_table_has_a_line_for_each_row_and_says_who_was_absent() -> None:
    head, _, line = report.table([ROW], {"sign": ROUNDS}).splitlines()
    cells = dict(zip(head.strip("| ").split(" | "), line.strip("| ").split(" | "), strict=True))
    assert cells[OURS] == "20.0 (10.0-40.0)"
    assert cells[CCXT] == "not installed"
    assert cells["built-in / ours"] == "10.0 x"
    assert cells["ours / floor"] == "1.25 x"
    assert report.summary([ROW], {"sign": ROUNDS}) == "1 goals met, 2 missed, 1 not measured."


@pytest.mark.parametrize(
    ("value", "text"), [(0.456, "0.46"), (9.999, "10.00"), (12.34, "12.3"), (123.4, "123"), (12_345.6, "12,346")]
)
def test_figures_have_three_digits(value: float, text: str) -> None:
    assert report.number(value) == text


def complete() -> Results:
    results = Results(place=["- Machine: Xeon, 2 cores", "- Command: `make bench`"], begun="2026-01-01 00:00 UTC")
    for experiment in EXPERIMENTS:
        results.put(experiment.name, Rounds(ROUNDS.values if experiment.name == "sign" else {}))
    return results


def test_readme_shows_the_medians_and_how_many_goals_were_met() -> None:
    first, *_, line = report.headlines(complete()).splitlines()
    assert first.startswith("2026-01-01 00:00 UTC, Xeon, 2 cores: 1 goals met, 1 missed, ")
    assert line == "| sign and build one order | us | 20.0 |  | 200 | 10.0 x |  |"
    results = complete()
    half = [{"us": one["us"] / 2} for one in ROUNDS.values[OURS]]
    results.put("sign", Rounds(ROUNDS.values | {FAST: half}))
    assert report.headlines(results).splitlines()[-1] == (
        "| sign and build one order | us | 20.0 | 10.0 | 200 | 10.0 x | 20.0 x |"
    )


def test_the_document_names_place_missed_goals_and_what_was_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    results = complete()
    assert "Measured again" not in report.results_text(results)
    results.put("sign", Rounds(ROUNDS.values), is_renewed=True)
    monkeypatch.setitem(report.REASONS, ("sign", "us"), "Because.")
    text = report.results_text(results)
    head = ["- Date: 2026-01-01 00:00 UTC", *results.place, f"- Measured again since: sign ({results.made['sign']})"]
    assert text.startswith("\n".join(head) + "\n\n")
    assert "- sign and build one order: at most 1.15 x floor: **missed**, 1.09 times away. Because." in text


def test_the_title_of_a_missed_goal_can_be_understood_alone() -> None:
    rows = [replace(ROW, title="orders, idle"), replace(ROW, title="the same, normal")]
    assert "- orders, normal: 20 x built-in: **missed**" in report.missed(rows, {"sign": ROUNDS})
    assert report.missed([], {}) == "None."


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    results = complete()
    results.put("sign", Rounds(ROUNDS.values, {CCXT: "not installed"}), is_renewed=True)
    results.save(tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == results
    assert read_results(tmp_path / "none.json") is None


def test_experiments_lose_their_own_headline_only(tmp_path: Path) -> None:
    file = tmp_path / "experiments.md"
    assert report.experiments(file) == "None yet."
    file.write_text("# Experiments\n\nSome.\n\n## uvloop\n\nslower\n")
    assert report.experiments(file) == "Some.\n\n### uvloop\n\nslower"


def test_reasons_are_given_for_rows_that_exist() -> None:
    assert set(REASONS) <= {(row.experiment, row.metric) for row in ROWS}


@pytest.mark.parametrize("arguments", [["--resume"], ["--renew"], ["--renew", "--rows", "sign", "--quick"]])
def test_what_is_not_there_cannot_be_gone_on_with(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FINISHED", "UNFINISHED"):
        monkeypatch.setattr(command, name, tmp_path / name)
    if "--renew" in arguments:
        complete().save(tmp_path / "FINISHED")
    monkeypatch.setattr("sys.argv", ["bench", *arguments])
    assert command.main() == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_interrupted_run_goes_on_and_rows_can_be_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    async def run(experiment: Experiment, *_: Any, **__: Any) -> Rounds:
        ran.append(experiment.name)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return Rounds({OURS: [{"us": 1.0}]})

    monkeypatch.setattr(command, "run", run)
    for name in ("FINISHED", "UNFINISHED"):
        monkeypatch.setattr(command, name, tmp_path / name)
    monkeypatch.setattr("sys.argv", ["bench"])
    with pytest.raises(KeyboardInterrupt):
        command.main()
    assert not (tmp_path / "FINISHED").exists()
    monkeypatch.setattr("sys.argv", ["bench", "--resume"])
    assert command.main() == 0
    assert ran == [*(one.name for one in EXPERIMENTS[:3]), *(one.name for one in EXPERIMENTS[2:])]
    assert not (tmp_path / "UNFINISHED").exists()
    monkeypatch.setattr("sys.argv", ["bench", "--renew", "--rows", "sign"])
    assert command.main() == 0
    results = read_results(tmp_path / "FINISHED")
    assert results is not None
    assert results.renewed == {"sign"}
    assert set(results.rounds) == {one.name for one in EXPERIMENTS}
    monkeypatch.setattr("sys.argv", ["bench", "--rows", "fills"])
    assert command.main() == 0
    assert read_results(tmp_path / "FINISHED") == results
    assert "stays as it is" in capsys.readouterr().out


def test_the_place_names_versions_and_no_path() -> None:
    text = "\n".join(report.place("make bench", 0.5))
    assert "Hummingbot".lower() in text
    assert "/" not in text.replace("https://", "")


def test_every_row_has_an_experiment_and_every_experiment_a_row() -> None:
    assert {row.experiment for row in ROWS} == {experiment.name for experiment in EXPERIMENTS}
    assert {experiment.kind for experiment in EXPERIMENTS} == set(CONTESTANTS)


def test_goals_are_against_somebody_who_takes_part() -> None:
    kinds = {experiment.name: experiment.kind for experiment in EXPERIMENTS}
    for row in ROWS:
        assert {goal.against for goal in row.goals} - {""} <= set(CONTESTANTS[kinds[row.experiment]]), row.title


def test_rows_are_chosen_by_the_beginning_of_their_experiment() -> None:
    assert {row.experiment for row in selected("start, sign")} == {"start-1", "start-20", "start-80", "sign"}
    assert selected("") == ROWS
    with pytest.raises(ValueError, match="No row is called nothing"):
        selected("nothing")
