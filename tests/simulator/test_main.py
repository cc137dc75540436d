"""The command line of the simulator."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import aiohttp
import pytest

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import generate_key_pair
from backpack_connector.simulator import __main__ as program
from backpack_connector.simulator.__main__ import Options, parse_options, run
from backpack_connector.simulator.accounts import DEFAULT_FAUCET

SECRET = generate_key_pair(bytes(32))[1]
LIMIT_S = 15.0


async def started(*arguments: str, **environment: str) -> tuple[asyncio.subprocess.Process, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "backpack_connector.simulator",
        "--port",
        "0",
        "--json",
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), LIMIT_S)
    return process, json.loads(line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_is_and_stops_on_a_signal(number: signal.Signals, http: aiohttp.ClientSession) -> None:
    process, ready = await started("--seed", "9", "--seed-key", SECRET)
    try:
        assert sorted(ready) == ["apiKey", "apiSecret", "restUrl", "seed", "wsUrl"]
        assert (ready["apiKey"], ready["apiSecret"]) == generate_key_pair(bytes(32))
        assert ready["seed"] == 9
        async with http.get(f"{ready['restUrl']}/api/v1/ping") as response:
            assert await response.text() == "pong"
        async with http.ws_connect(ready["wsUrl"]) as stream:
            await stream.send_json({"method": "SUBSCRIBE", "params": ["depth.SOL_USDC"]})
            assert (await stream.receive_json(timeout=LIMIT_S))["stream"] == "depth.SOL_USDC"
            process.send_signal(number)
            while not stream.closed:
                await stream.receive(LIMIT_S)
        _, errors = await asyncio.wait_for(process.communicate(), LIMIT_S)
        assert (process.returncode, errors) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_a_port_that_is_taken_gives_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run(Options(port=port)) == 1
    assert capfd.readouterr() == ("", f"Port {port} of 127.0.0.1 is taken; choose another one with --port.\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            Options(host="0.0.0.0"),
            "The simulator serves this machine only, so '0.0.0.0' cannot be its host.",
        ),
        (
            Options(host="example.org"),
            "The simulator serves this machine only, so 'example.org' cannot be its host.",
        ),
        (Options(seed_key="?"), "The seed key is not base64 text."),
        (Options(seed_key="AAAA"), "The seed key holds 3 bytes instead of 32."),
        (Options(faucet=("USDC",)), "'USDC' is no faucet amount; write it as in USDC=1000."),
        (Options(faucet=("USDC=2O",)), "'USDC=2O' is no faucet amount; write it as in USDC=1000."),
        (Options(faucet=("USDC=-1",)), "'USDC=-1' is no faucet amount; write it as in USDC=1000."),
        (Options(faucet=("=1",)), "'=1' is no faucet amount; write it as in USDC=1000."),
        (Options(faucet=("USDC=NaN",)), "'USDC=NaN' is no faucet amount; write it as in USDC=1000."),
    ],
)
def test_bad_options_give_one_sentence(capfd: pytest.CaptureFixture[str], options: Options, sentence: str) -> None:
    assert run(options) == 2
    assert capfd.readouterr() == ("", sentence + "\n")


@pytest.mark.parametrize(("arguments", "delay_s"), [([], 0.1), (["--no-taker-delay"], 0.0)])
def test_takers_wait_a_tenth_of_a_second_unless_it_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], delay_s: float
) -> None:
    delays_s = []

    def simulator(*, taker_delay_s: float, **_: Any) -> None:
        delays_s.append(taker_delay_s)
        raise ConfigurationError("That is enough.")

    monkeypatch.setattr(program, "Simulator", simulator)
    assert run(parse_options(arguments)) == 2
    assert delays_s == [delay_s]


def test_options_of_the_command_line() -> None:
    assert parse_options([]) == Options()
    assert parse_options(["--port", "1", "--seed", "2", "--no-background", "--no-taker-delay", "--json"]) == Options(
        port=1, seed=2, has_background=False, has_taker_delay=False, prints_json=True
    )
    assert parse_options(["--open"]) == Options(opens_page=True)
    assert parse_options(["--tape", "x", "--speed", "2.5", "--loop", "--state", "y"]) == Options(
        tape_file="x", tape_speed=2.5, loops_tape=True, state_folder="y"
    )
    assert parse_options(["--faucet", "USDC=20", "--faucet", "SOL=0.5"]) == Options(faucet=("USDC=20", "SOL=0.5"))


@pytest.mark.parametrize(
    ("options", "faucet"), [(Options(), DEFAULT_FAUCET), (Options(faucet=("USDC=20",)), {"USDC": Decimal(20)})]
)
def test_a_new_account_gets_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, options: Options, faucet: dict[str, Decimal]
) -> None:
    given = []

    def simulator(*, faucet: dict[str, Decimal], **_: Any) -> None:
        given.append(faucet)
        raise ConfigurationError("That is enough.")

    monkeypatch.setattr(program, "Simulator", simulator)
    assert run(options) == 2
    assert given == [faucet]


FETCH = "import sys, urllib.request as r; sys.stdout.buffer.write(r.urlopen(sys.argv[1]).read())"
BROWSER = f"""#!/bin/sh
{sys.executable} -c '{FETCH}' "${{1%%#*}}" >"$PAGE.new" && printf '%s' "$1" >"$PAGE.url" && mv "$PAGE.new" "$PAGE"
"""


async def opened(browser: str, page: Path) -> tuple[asyncio.subprocess.Process, Any]:
    # Without screen and terminal no other browser of this machine is tried.
    alone = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "TERM": ""}
    return await started("--open", "--seed-key", SECRET, BROWSER=browser, PAGE=str(page), **alone)


async def ended(process: asyncio.subprocess.Process) -> bytes:
    process.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert process.returncode == 0
    return errors


async def test_open_starts_the_browser_when_the_page_is_there(tmp_path: Path) -> None:
    browser, page = tmp_path / "browser", tmp_path / "page.html"
    browser.write_text(BROWSER)
    browser.chmod(0o755)
    process, ready = await opened(f"{browser} %s", page)
    try:
        async with asyncio.timeout(LIMIT_S):
            while not page.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert "<title>Backpack simulator</title>" in page.read_text()
        address = (tmp_path / "page.html.url").read_text()
        assert address == f"{ready['restUrl']}/#account={quote_plus(ready['apiKey'])}"
        assert await ended(process) == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_open_without_a_browser_says_so_and_goes_on(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    process, ready = await opened("/bin/false %s", tmp_path / "page.html")
    try:
        assert process.stderr is not None
        line = await asyncio.wait_for(process.stderr.readline(), LIMIT_S)
        assert line.decode().startswith(f"No browser could be started; open {ready['restUrl']}/#account=")
        async with http.get(f"{ready['restUrl']}/api/v1/ping") as response:
            assert await response.text() == "pong"
        assert await ended(process) == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
