"""A run that fails prints its seed and a command, and that command makes the same run again."""

import os
import shlex
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Hummingbot's own modules say when they are imported the first time
    from tests.chaos import __main__ as program
    from tests.chaos import runs, table
    from tests.chaos.runs import COMMON, SETTINGS, Outcome, Plan, run_alone

PLANS = (
    Plan(7, "answer_lost"),
    Plan(2, "none", "perpetual", 12.5, workload=COMMON),
    Plan(3, "mixture", "spot", peer="builtin", workload=COMMON),
    Plan(4, "socket_dropped", variables=(("BACKPACK_WEBSOCKET", "picows"), ("BACKPACK_BROKER_ID", "a b"))),
)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def again(printed: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Set the variables of the command that was printed, as a shell does, and return the words behind the program."""
    (line,) = (line for line in printed.splitlines() if line.strip().startswith("again: "))
    words = shlex.split(line.partition("again: ")[2])
    at = words.index("python")
    for word in words[:at]:
        name, _, value = word.partition("=")
        monkeypatch.setenv(name, value)
    assert words[at : at + 3] == ["python", "-m", "tests.chaos"]
    return words[at + 3 :]


@pytest.mark.parametrize("plan", PLANS)
def test_a_failing_run_prints_its_seed_and_a_command_that_makes_it_again(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "outcomes", lambda *_: [Outcome(plan, ["Something is wrong."])])
    assert program.main(["--runs", "1"]) == 1
    printed = capsys.readouterr().out
    assert f"FAIL seed {plan.seed} {plan.fault}: " in printed
    assert "     Something is wrong.\n" in printed
    assert printed.endswith(f"1 with violations.\n  {plan.command}\n")
    assert list(program.plans(program._arguments(again(printed, monkeypatch)))) == [plan]


def test_runs_for_the_table_have_the_same_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPACK_WEBSOCKET", "picows")
    made = table.plans(1, 1)
    monkeypatch.delenv("BACKPACK_WEBSOCKET")
    assert {plan.variables for plan in made} == {(("BACKPACK_WEBSOCKET", "picows"),)}
    assert {plan.variables for plan in table.plans(1, 1)} == {()}


def test_a_run_that_is_right_prints_no_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "outcomes", lambda *_: [Outcome(PLANS[0])])
    assert program.main(["--runs", "1"]) == 0
    assert "again" not in capsys.readouterr().out


def test_without_a_number_a_thousand_runs_are_made() -> None:
    made = list(program.plans(program._arguments([])))
    assert (len(made), made[0].seed, made[-1].seed) == (1_000, 1, 1_000)


def test_failing_days_print_a_command_that_passes_them_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKPACK_WEBSOCKET", "picows")
    monkeypatch.setattr(program, "has_hash_seed", lambda: True)
    monkeypatch.setattr(program, "run_days", lambda *_: Outcome(Plan(5), ["Something is wrong."]))
    assert program.main(["--days", "3", "--seed", "5"]) == 1
    printed = capsys.readouterr().out
    monkeypatch.delenv("BACKPACK_WEBSOCKET")
    arguments = program._arguments(again(printed, monkeypatch))
    assert (arguments.days, arguments.seed, os.environ["BACKPACK_WEBSOCKET"]) == (3, 5, "picows")


def test_the_variables_of_a_plan_are_those_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = PLANS[3]

    async def run(*_: object) -> Outcome:
        return Outcome(plan, [os.environ[name] for name, _ in plan.variables])

    monkeypatch.setattr(runs, "run", run)
    assert run_alone(plan, is_quiet=False).violations == ["picows", "a b"]
    assert "BACKPACK_WEBSOCKET" not in os.environ
