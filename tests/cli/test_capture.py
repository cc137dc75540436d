"""The command `backpack capture`, against the simulator, and `backpack simulate --tape` behind it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from backpack_connector.cli.capture import summary
from backpack_connector.cli.main import run
from backpack_connector.client.capture import CaptureReport
from backpack_connector.simulator import Simulator, running_simulator
from backpack_connector.tape_files import TapeReader
from tests.simulator.faults_support import until

LIMIT_S = 20.0


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator() as running:
        yield running


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "backpack_connector.cli.main",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def has_frames(path: Path) -> bool:
    return path.exists() and any(row.stream for row in TapeReader(path).rows())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_whatever_ends_it_the_tape_can_be_read_and_replayed(
    simulator: Simulator, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "x.tape.gz"
    process = await started("capture", str(path), "--symbols", "SOL_USDC,SOL_USDC_PERP", "--url", simulator.rest_url)
    try:
        await until(lambda: has_frames(path))
        process.send_signal(number)
        output, errors = await asyncio.wait_for(process.communicate(), LIMIT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert errors == b""
    rows = list(TapeReader(path).rows())
    if number is signal.SIGINT:
        assert process.returncode == 0
        assert output.decode().startswith(f"{path}: ")
        assert rows[-1].note == "end"
    replaying = await started(
        "simulate", "--port", "0", "--json", "--tape", str(path), "--loop", "--speed", "50", "--no-background"
    )
    try:
        assert replaying.stdout is not None
        ready = json.loads(await asyncio.wait_for(replaying.stdout.readline(), LIMIT_S))
        async with aiohttp.ClientSession() as session, asyncio.timeout(LIMIT_S):
            while True:
                async with session.get(f"{ready['restUrl']}/api/v1/depth", params={"symbol": "SOL_USDC"}) as answer:
                    depth = await answer.json()
                if depth["bids"] and depth["asks"]:
                    break
            async with session.get(f"{ready['restUrl']}/api/v1/depth", params={"symbol": "ETH_USDC"}) as answer:
                assert (await answer.json())["bids"] == []
        replaying.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(replaying.communicate(), LIMIT_S)
        assert (replaying.returncode, errors) == (0, b"")
    finally:
        if replaying.returncode is None:
            replaying.kill()
            await replaying.wait()


async def test_it_stops_when_the_time_is_up(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "x.tape.gz"
    arguments = ("capture", str(path), "--symbols", "SOL_USDC", "--symbols", "ETH_USDC", "--seconds", "3")
    process = await started(*arguments, "--url", simulator.rest_url)
    output, errors = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert (process.returncode, errors) == (0, b"")
    assert b"2 snapshots" in output
    assert TapeReader(path).header.symbols == ["SOL_USDC", "ETH_USDC"]


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (["capture"], "Missing argument 'FILE'.", 2),
        (["capture", "x", "--symbols", "A", "--url", "ftp://x"], "--url must be a URL such as", 2),
        (["capture", "{file}", "--symbols", "A", "--url", "http://127.0.0.1:1"], "exists already", 2),
        (["capture", "new", "--symbols", "A", "--url", "http://127.0.0.1:1"], "no answer from the exchange", 1),
        (["capture", "new", "--symbols", ",", "--url", "http://127.0.0.1:1"], "Name at least one market", 2),
        (["simulate", "--tape", "none"], "The tape none cannot be read: No such file or directory.", 2),
        (["simulate", "--tape", "{file}"], "is no tape; `backpack capture` makes one.", 2),
        (["simulate", "--state", "{file}"], "The state cannot be kept in file: File exists.", 2),
        (["simulate", "--loop"], "There is no tape to loop or to speed up; name one with --tape.", 2),
        (["simulate", "--tape", "{file}", "--speed", "0"], "The speed must be from 0.01 to 1000", 2),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str],
    sentence: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("precious")
    assert run([text.format(file="file") for text in arguments]) == code
    output, errors = capfd.readouterr()
    assert output == ""
    assert sentence in errors
    assert errors.count("\n") == 1
    assert (tmp_path / "file").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_summary_says_what_was_repaired(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"123")
    report = CaptureReport(frames=3, snapshots=2, gaps=1, connections=3, unreadable=4, streams={"depth": 2, "trade": 1})
    assert summary(str(path), report) == (
        f"{path}: 3 frames (2 depth, 1 trade), 2 snapshots, 3 bytes. "
        "1 gaps, each followed by a new snapshot; 2 reconnections; 4 messages that could not be read."
    )
    assert summary(str(path), CaptureReport()).startswith("Nothing was recorded")
