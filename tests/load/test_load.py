"""The load benchmark measures what it says; nothing here depends on how fast the machine is."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.load import __main__ as command
from tests.load import stages
from tests.load.exchange import instruments
from tests.load.stages import Exchange, Stage, results_text, run, table

HELD = Stage(3_000, 2_990.0, 3_300.0, 1.0, 20.0, 3.0, 9.0, 40.0, 20.0)


def test_a_stage_is_held_when_all_frames_come_in_time_and_nothing_fails() -> None:
    assert HELD.is_held
    assert not replace(HELD, told_per_s=2_900.0).is_held
    assert not replace(HELD, late_p99_ms=101.0).is_held
    assert not replace(HELD, errors=("closed",)).is_held


def test_the_table_says_what_was_not_held_and_why() -> None:
    lines = table([HELD, replace(HELD, asked_per_s=4_000, errors=("closed",))]).splitlines()
    assert lines[2].endswith("| 1.0 / 20.0 ms | 3.0 / 9.0 ms | 40 % | 20 % | held |")
    assert lines[3].startswith("| 4,000/s | 2,990/s | 3,300/s |")
    assert lines[3].endswith("| **not held**; closed |")


@pytest.mark.parametrize(("asked", "verdict"), [(3_000, "met; held: 3,000"), (2_000, "**missed**; held: 2,000")])
def test_the_document_says_whether_the_goal_is_met(
    asked: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "RESULTS", tmp_path / "results.json")
    assert results_text() == "No run yet."
    facts = {"made": "today", "machine": "a machine", "stages": [asdict(replace(HELD, asked_per_s=asked))]}
    (tmp_path / "results.json").write_text(json.dumps(facts))
    assert f"Goal: 3,000 frames/s, {verdict} frames/s." in results_text()


def test_markets_are_many_and_each_has_a_name_of_its_own() -> None:
    made = instruments(90)
    assert len({instrument.symbol for instrument in made}) == 90
    assert made[7].symbol == made[7].listing["symbol"] == "L07_USDC_PERP"
    assert made[7].base == "L07"


async def test_bots_hear_every_frame_and_their_orders_are_answered() -> None:
    told: list[Stage] = []
    found = await run([60, 120], 2.0, 6, 3, told.append)
    assert found == told
    assert found[0].errors == ()
    assert found[0].told_per_s > 0
    assert found[0].heard_per_s > found[0].told_per_s, "two of three bots hear each market"
    assert 0 < found[0].order_p50_ms <= found[0].order_p99_ms < float("inf")
    assert 0 < found[0].late_p50_ms <= found[0].late_p99_ms < float("inf")
    assert found[0].exchange_cpu_pct > 0
    assert found[0].bots_cpu_pct > 0


async def test_it_ends_with_the_first_stage_that_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "LATE_LIMIT_S", 0.0)
    assert len(await run([40, 50], 1.0, 2, 1, lambda _: None)) == 1


async def test_no_process_is_left_when_something_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Exchange] = []
    start = Exchange.start

    async def remember(markets: int) -> Exchange:
        started.append(await start(markets))
        return started[0]

    async def fail(*_: object) -> Stage:
        raise OSError("odd")

    monkeypatch.setattr(Exchange, "start", remember)
    monkeypatch.setattr(stages, "_stage", fail)
    with pytest.raises(OSError, match="odd"):
        await run([10], 1.0, 2, 1, lambda _: None)
    assert started[0]._process.returncode == 0


@pytest.mark.parametrize(("held", "code"), [(HELD, 0), (replace(HELD, asked_per_s=2_000), 1)])
def test_only_complete_runs_are_kept(
    held: Stage, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run_(wanted: list[int], seconds: float, *_: object) -> list[Stage]:
        return [held]

    monkeypatch.setattr(command, "run", run_)
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr("sys.argv", ["load", "--stages", "10"])
    assert command.main() == code
    assert not (tmp_path / "results.json").exists()
    monkeypatch.setattr("sys.argv", ["load"])
    assert command.main() == code
    monkeypatch.setattr("os.sched_getscheduler", lambda _: os.SCHED_RR, raising=False)
    assert "priority" not in json.loads((tmp_path / "results.json").read_text())["machine"]
    assert command.main() == code
    assert json.loads((tmp_path / "results.json").read_text())["machine"].endswith(
        ", both processes at real-time priority"
    )
    assert json.loads((tmp_path / "results.json").read_text())["stages"] == [asdict(held) | {"errors": []}]
    assert "asked" in capsys.readouterr().out
