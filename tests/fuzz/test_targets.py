"""Every target of the fuzzer, for a moment: its first inputs, these cut and mixed at random, and what once broke it."""

import importlib.util
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fuzz import __main__ as command
from tests.fuzz import targets
from tests.fuzz.corpus import inputs_of
from tests.fuzz.targets import TARGETS, Violation
from tests.protocol.samples import frame

REGRESSIONS = sorted(path for path in command.REGRESSIONS.iterdir() if path.name.startswith(tuple(TARGETS)))
IS_GUIDED = importlib.util.find_spec("atheris") is not None
ROUNDS = 400


def _mixed(inputs: list[bytes], chance: random.Random) -> Iterator[bytes]:
    """Yield inputs that were cut, repeated, mixed and peppered with odd bytes, always the same ones."""
    for _ in range(ROUNDS):
        data = bytearray(chance.choice(inputs))
        for _ in range(chance.randrange(1, 4)):
            at, other = chance.randrange(len(data) + 1), chance.choice(inputs)
            match chance.randrange(4):
                case 0:
                    data[at:at] = other[: chance.randrange(40)]
                case 1:
                    del data[at : at + chance.randrange(10)]
                case 2:
                    data[at : at + 1] = bytes([chance.randrange(256)])
                case _:
                    data[at:at] = chance.choice([b"9" * 30, b"e999999999", b"null", b'"', b"[", b"{", b"\x00", b"-"])
        yield bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_first_inputs_and_mixtures_of_them_break_no_target(name: str) -> None:
    inputs = list(inputs_of(name))
    for data in (*inputs, *_mixed(inputs, random.Random(name))):
        try:
            TARGETS[name](data)
        except Exception as error:  # noqa: BLE001 - the test says which input it was
            pytest.fail(f"{type(error).__name__}: {str(error)[:300]} with {data[:500]!r}")


@pytest.mark.parametrize("path", REGRESSIONS, ids=[path.name[:40] for path in REGRESSIONS])
def test_what_once_broke_a_target_breaks_it_no_more(path: Path) -> None:
    name = path.name.partition("-")[0]
    TARGETS[name](path.read_bytes())


def test_without_atheris_the_command_says_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command.main(["--seconds", "1"]) == 2
    assert capsys.readouterr().err == f"{command.MISSING}\n"


@pytest.mark.skipif(not IS_GUIDED, reason="atheris is not installed here")
def test_guided_fuzzing_runs(tmp_path: Path) -> None:
    assert command.main(["--runs", "300", "--target", "small_texts", "--found", str(tmp_path)]) == 0


def test_targets_notice_a_parser_that_lets_something_else_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("symbol")

    monkeypatch.setattr(targets, "parse_message", broken)
    with pytest.raises(KeyError):
        TARGETS["stream_frame"](b"{}")


def test_targets_notice_a_secret_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def telling(api_key: str, api_secret: str) -> None:
        raise targets.ConfigurationError(f"The API secret {api_secret} is wrong.")

    monkeypatch.setattr(targets, "Credentials", telling)
    with pytest.raises(Violation, match="a message with a secret"):
        TARGETS["connect_input"](b"a long enough key\0a long enough secret")


PRIVATE = ("order_update.market_fill", "balance_update", "position_update.initial_short")


@pytest.mark.parametrize("name", PRIVATE)
def test_targets_notice_a_private_message_that_the_quick_way_reads_otherwise(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(frame(name))
    quick = targets.quick_account_message(text, targets.LATEST_US)
    assert quick is not None, "the target compares nothing"
    monkeypatch.setattr(targets, "quick_account_message", lambda *_: replace(quick, event_time_us=1))
    with pytest.raises(Violation, match="another message"):
        TARGETS["stream_frame"](text.encode())
    monkeypatch.setattr(targets, "quick_account_message", lambda *_: quick)
    with pytest.raises(Violation, match="cannot be read"):
        TARGETS["stream_frame"](text.replace('"stream"', '"streams"').encode())


def test_targets_notice_a_tape_that_lets_something_else_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("symbol")

    monkeypatch.setattr("backpack_connector.simulator.replay.read", broken)
    whole = next(data for data in inputs_of("tape_file") if b"get_depth" in data)
    with pytest.raises(KeyError):
        TARGETS["tape_file"](whole)
