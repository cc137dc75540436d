"""The figures are what their definition says, and the documents show them."""

from pathlib import Path

import pytest

from tests.benchmarks import report
from tests.benchmarks.contestants import BUILT_IN, CCXT, CONTESTANTS, FLOOR, OURS
from tests.benchmarks.rows import EXPERIMENTS, ROWS, Goal, Row, selected
from tests.benchmarks.runner import Figure, Rounds, figure, ratio

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


def test_the_document_keeps_what_is_written_by_hand(tmp_path: Path) -> None:
    document = tmp_path / "BENCHMARKS.md"
    document.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\n## Experiments\nby hand\n")
    report.write("new", document)
    expected = "before\n<!-- results -->\nnew\n<!-- end of results -->\n## Experiments\nby hand\n"
    assert document.read_text() == expected


def test_readme_gets_its_numbers_from_the_document(tmp_path: Path) -> None:
    document = tmp_path / "BENCHMARKS.md"
    document.write_text(f"{report._BEGIN}\n{report.table([ROW], {'sign': ROUNDS})}\n{report._END}")
    assert report.headlines(document).splitlines()[-1] == "| sign | us | 20.0 | 200 | 10.0 x |"


def test_the_place_names_versions_and_no_path() -> None:
    text = report.place("make bench", 0.5)
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
