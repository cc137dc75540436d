"""Give the tests of commands a simulator as a program of its own, and a way to run a command against it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backpack_connector.cli.main import run
from tests.client.conftest import double, simulator  # noqa: F401

Shown = Callable[..., "Result"]


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def exchange() -> Iterator[dict[str, str]]:
    """Give the addresses and the key pair that a running `backpack simulate` prints."""
    program = [
        sys.executable,
        "-m",
        "backpack_connector.cli.main",
        "simulate",
        "--port",
        "0",
        "--json",
        "--no-background",
    ]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder for what commands keep, and no keys in the environment."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("BACKPACK_API_KEY", "BACKPACK_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def command(
    exchange: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shown:
    """Run commands against the simulator, with its keys in the environment."""
    monkeypatch.setenv("BACKPACK_SIMULATOR_URL", exchange["restUrl"])
    monkeypatch.setenv("BACKPACK_API_KEY", exchange["apiKey"])
    monkeypatch.setenv("BACKPACK_SECRET_KEY", exchange["apiSecret"])

    def shown(*arguments: str, simulator: bool = True) -> Result:  # noqa: F811
        code = run([*arguments, *(["--simulator"] if simulator else [])])
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return shown


def wait_for_mark_prices(command: Shown, market: str) -> None:
    """Wait until a simulator that has just started has a candle of its mark price."""
    words = ("market", "klines", market, "1m", "--price-type", "Mark", "--count", "2", "--format", "json")
    end_s = time.monotonic() + 60
    while not any(row["open"] for row in json.loads(command(*words).out)):
        assert time.monotonic() < end_s, "no mark prices"
        time.sleep(0.1)


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a program, without colours and settings of this machine."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("BACKPACK_")}, **more}
