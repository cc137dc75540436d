"""The demo as a stranger runs it: real processes, the real engine, loopback only, and nothing left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from backpack_connector.demo.processes import is_pid_alive, stop_pid

pytest.importorskip("hummingbot")
pytestmark = pytest.mark.timeout(240)

# Run instead of `-m backpack_connector.demo`: the exchange's answer is changed after it was read, nothing else.
TAMPERED = """
import sys
from dataclasses import replace
from decimal import Decimal
from backpack_connector.demo import exchange
from backpack_connector.demo.__main__ import main

honest = exchange.Simulator.truth

def tampered(self, market_type):
    books = honest(self, market_type)
    held = books.balances["USDC"]
    return replace(books, balances={**books.balances, "USDC": replace(held, total=held.total + Decimal("1E-12"))})

exchange.Simulator.truth = tampered
sys.exit(main())
"""

BROKEN = """
import sys
from backpack_connector.demo import story
from backpack_connector.demo.__main__ import main

def broken(view, height=0):
    raise RuntimeError("the screen is broken")

story.log_line = broken
sys.exit(main())
"""


def start_demo(folder: Path, *arguments: str, code: str | None = None) -> "subprocess.Popen[str]":
    program = ["-c", code] if code else ["-m", "backpack_connector.demo"]
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        env={**os.environ, "TMPDIR": str(folder), "COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def homes(folder: Path) -> list[Path]:
    return sorted(folder.glob("backpack-demo-*"))


def left_running(folder: Path) -> list[int]:
    """Name the processes of the demo that still run: their working directory is the demo's home."""
    # The homes may be removed already; then the kernel writes the directory with an addition.
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in process.cwd() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path.resolve()
    for pid in left_running(tmp_path.resolve()):
        stop_pid(pid)


def wait_for(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {limit_s:g} s"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("options", "rows"), [([], ["balance of SOL"]), (["--perp"], ["net equity in USDC", "position"])]
)
def test_a_run_ends_with_equal_books_and_leaves_nothing(folder: Path, options: list[str], rows: list[str]) -> None:
    demo = start_demo(folder, "--seconds", "25", *options)
    output, _ = demo.communicate(timeout=200)
    assert demo.returncode == 0, output
    assert "keys confirmed" in output
    assert "equal the simulator's to the last digit" in output
    fills = re.search(r"^ *fills +(\d+) +(\d+) +(\d+)", output, re.MULTILINE)
    assert fills is not None, output
    assert fills[1] == fills[2] == fills[3]
    assert int(fills[1]) > 0
    for row in rows:
        assert re.search(rf"^ *{row} +\S+ +\S+ *$", output, re.MULTILINE), output
    assert left_running(folder) == []
    assert not Path(os.environ["BACKPACK_JOURNAL"]).exists(), "the demo's orders are among those of the user's bots"
    assert homes(folder) == []


def test_a_difference_in_the_twelfth_digit_ends_with_code_1(folder: Path) -> None:
    demo = start_demo(folder, "--seconds", "3", "--perp", code=TAMPERED)
    output, _ = demo.communicate(timeout=200)
    assert demo.returncode == 1, output
    assert re.search(r"bot: balance of USDC is [\d.]+, the simulator has [\d.]+000001\.", output), output
    assert "equal the simulator's" not in output
    assert left_running(folder) == []
    # What is needed to look into the difference stays.
    (home,) = homes(folder)
    assert str(home) in output
    assert (home / "data" / "backpack_perpetual_market_maker_simulator.jsonl").exists()


@pytest.mark.parametrize(
    ("number", "moment"), [(signal.SIGINT, "starting"), (signal.SIGINT, "trading"), (signal.SIGTERM, "trading")]
)
def test_a_signal_leaves_nothing_running(folder: Path, number: signal.Signals, moment: str) -> None:
    demo = start_demo(folder, "--seconds", "100")
    if moment == "trading":
        journal = "*/data/backpack_market_maker_simulator.jsonl"
        wait_for(lambda: any(folder.glob(journal)), 90, "journal")
    else:
        # The engine exists, and `hbot start` has not come back yet.
        wait_for(lambda: any(folder.glob("*/data/bot/meta.json")), 90, "engine")
    before = left_running(folder)
    assert len(before) >= 2
    demo.send_signal(number)
    demo.communicate(timeout=60)
    assert demo.returncode == 128 + number
    assert left_running(folder) == []
    assert [pid for pid in before if is_pid_alive(pid)] == []
    assert homes(folder) == []


def test_an_error_in_the_middle_leaves_nothing_running(folder: Path) -> None:
    demo = start_demo(folder, "--seconds", "60", code=BROKEN)
    output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 3
    assert "the screen is broken" in output
    assert left_running(folder) == []


def test_an_engine_that_dies_is_told_and_leaves_nothing_running(folder: Path) -> None:
    demo = start_demo(folder, "--seconds", "100")
    wait_for(lambda: any(folder.glob("*/data/backpack_market_maker_simulator.jsonl")), 90, "journal")
    (home,) = homes(folder)
    os.kill(int((home / "data" / "bot" / "bot.pid").read_text()), signal.SIGKILL)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 3
    assert "engine ended by itself" in output
    assert left_running(folder) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seconds", "0"], "argument --seconds"),
        (["--seconds", "soon"], "argument --seconds"),
        (["--seconds", "nan"], "argument --seconds"),
        (["--port", "70000"], "argument --port"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_starts(folder: Path, arguments: list[str], sentence: str) -> None:
    demo = start_demo(folder, *arguments)
    output, _ = demo.communicate(timeout=30)
    assert demo.returncode == 2
    assert sentence in output
    assert homes(folder) == []


def test_a_port_that_is_taken_is_told(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        demo = start_demo(folder, "--port", str(taken.getsockname()[1]))
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 3
    assert "The simulator did not start" in output
    assert left_running(folder) == []
