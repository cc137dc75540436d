"""Faults with which the simulator begins: the option --faults of its command line."""

import json
from pathlib import Path

import pytest

from backpack_connector.cli import main as command
from backpack_connector.cli import simulate
from backpack_connector.simulator import Simulator
from backpack_connector.simulator import __main__ as program
from backpack_connector.simulator.__main__ import Options, parse_options, run
from backpack_connector.simulator.faults_kinds import FaultKind


def test_the_file_is_named_on_both_command_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_options(["--faults", "f.json"]) == Options(faults_file="f.json")
    started: list[Options] = []
    monkeypatch.setattr(simulate, "run", lambda options: started.append(options) or 0)
    assert command.run(["simulate", "--faults", "f.json"]) == 0
    assert started == [Options(faults_file="f.json")]


def test_the_simulator_begins_with_the_faults_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([{"kind": "timed_out", "operations": ["ping"]}, {"kind": "frame_dropped"}]))
    seen = []

    async def serve(simulator: Simulator, *_: object) -> None:
        seen.extend(row["kind"] for row in simulator.faults.payload())

    monkeypatch.setattr(program, "serve", serve)
    assert run(Options(port=0, faults_file=str(path))) == 0
    assert seen == [FaultKind.TIMED_OUT.value, FaultKind.FRAME_DROPPED.value]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "The faults cannot be read from {path}: No such file or directory."),
        ("{}", "Faults must be a JSON list: Expected `array`, got `object` ({path})."),
        ('[{"kind": "market_unlisted", "market": "NOPE_USDC"}]', "There is no market 'NOPE_USDC' ({path})."),
    ],
)
def test_a_bad_file_gives_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str | None, sentence: str
) -> None:
    path = tmp_path / "faults.json"
    if text is not None:
        path.write_text(text)
    assert run(Options(port=0, faults_file=str(path))) == 2
    assert capfd.readouterr() == ("", sentence.format(path=path) + "\n")
