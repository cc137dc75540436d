"""`backpack guard` as a process: what it prints, its exit codes, and that it does what it says."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.cli import guard as command
from backpack_connector.cli.main import run
from backpack_connector.protocol.signing import generate_key_pair
from tests.guard.bot import new_journal, record

SEED = bytes([9] * 32)
API_KEY, API_SECRET = generate_key_pair(SEED)
ENVIRONMENT = {"BACKPACK_API_KEY": API_KEY, "BACKPACK_SECRET_KEY": API_SECRET}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Give the address of a simulator in a process of its own."""
    command = [sys.executable, "-m", "backpack_connector.cli.main", "simulate", "--port", "0", "--json"]
    command += ["--no-background", "--no-taker-delay"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["restUrl"]
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BACKPACK_")}
    return {**kept, **more}


def start(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "backpack_connector.cli.main", "guard", *arguments],
        env=environment(**variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(*arguments: str, keys: str = "", **variables: str) -> tuple[int, str, str]:
    with start(*arguments, **variables) as process:
        out, err = process.communicate(keys, timeout=30)
    assert API_SECRET not in out + err
    return process.returncode, out, err


@pytest.fixture
def bot(folder: Path, url: str) -> Iterator[tuple["subprocess.Popen[str]", Any]]:
    """Give a bot with three orders, and what it says of them."""
    secret = base64.b64encode(SEED).decode()
    command = [sys.executable, "-m", "tests.guard.bot", str(folder), url, secret, folder.name, "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
        process.kill()


def read_until(process: "subprocess.Popen[str]", event: str) -> list[Any]:
    assert process.stdout is not None
    rows: list[Any] = []
    for line in process.stdout:
        rows.append(json.loads(line))
        if rows[-1]["event"] == event:
            return rows
    raise AssertionError(f"the guard has ended: {process.stderr.read() if process.stderr else ''}")


@pytest.mark.timeout(90)
def test_a_bot_is_guarded_from_start_to_stop(folder: Path, url: str, bot: "tuple[subprocess.Popen[str], Any]") -> None:
    process, ready = bot
    arguments = ("--journal", str(folder), "--heartbeat", "3", "--url", url, "--max-loss", "500")
    assert result("--journal", str(folder), "--url", url, "--check", **ENVIRONMENT)[0] == 0
    with start(*arguments, "--json", **ENVIRONMENT) as guard:
        try:
            read_until(guard, "bot_seen")
            code, _, err = result(*arguments, **ENVIRONMENT)
            assert (code, err) == (1, "Another guard watches this account in this folder already.\n")
            process.send_signal(signal.SIGSTOP)
            cancelled = {read_until(guard, "cancelling")[-1]["orderId"] for _ in ready["orders"]}
            assert cancelled == set(ready["orders"])
            while (
                "has 0 open orders" not in result("--journal", str(folder), "--url", url, "--check", **ENVIRONMENT)[1]
            ):
                pass
            guard.send_signal(signal.SIGINT)
            out, err = guard.communicate(timeout=20)
        finally:
            guard.kill()
    assert guard.returncode == 0
    assert err == ""
    assert json.loads(out.splitlines()[-1])["event"] == "stopped"
    assert API_SECRET not in out
    assert list(folder.glob("guard-*")) == []


def test_check_says_what_would_be_cancelled_and_cancels_nothing(
    folder: Path, url: str, bot: "tuple[subprocess.Popen[str], Any]"
) -> None:
    process, ready = bot
    options = ("--journal", str(folder), "--url", url, "--check", "--heartbeat", "3")
    code, out, err = result(*options, **ENVIRONMENT)
    assert (code, err) == (0, "")
    assert f"{ready['journal']}: process {process.pid} runs, last sign of life 0 s ago; 3 of its orders are open" in out
    process.send_signal(signal.SIGSTOP)
    path = next(folder.glob("*.jsonl"))
    os.utime(path, (1_000, 1_000))
    for _ in range(2):
        code, out, err = result(*options, "--json", **ENVIRONMENT)
        assert (code, err) == (3, "")
        (seen,) = json.loads(out)["bots"]
        assert {row["orderId"] for row in seen["openOrders"]} == set(ready["orders"])
        assert (seen["isAlive"], seen["isSilent"], seen["pid"]) == (True, True, process.pid)


def test_keys_come_from_the_input_too(folder: Path, url: str) -> None:
    options = ("--journal", str(folder), "--url", url, "--check")
    code, out, err = result(*options, keys=f"{API_KEY}\n{API_SECRET}\n")
    assert (code, err) == (0, "")
    assert out.endswith(f"No bot of this account has a journal in {folder}.\n")


def test_the_simulators_address_and_the_folder_come_from_the_environment(folder: Path, url: str) -> None:
    variables = {"BACKPACK_SIMULATOR_URL": url, "BACKPACK_JOURNAL": str(folder), **ENVIRONMENT}
    assert result("--simulator", "--check", **variables)[0] == 0


@pytest.mark.parametrize("more", [["--check"], []])
def test_a_misspelt_market_is_refused(more: list[str], folder: Path, url: str) -> None:
    options = ("--journal", str(folder), "--url", url, "--market", "SOL_USDC", "--market", "SOL-USDC", *more)
    code, out, err = result(*options, **ENVIRONMENT)
    assert (code, out) == (1, "")
    assert err == "'SOL-USDC' is no market of the exchange; its names look like SOL_USDC and SOL_USDC_PERP.\n"


def test_the_options_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(command, "run_guard", lambda **options: started.append(options))
    plain = ["guard", "--journal", "x"]
    flags = ["--check", "--dry-run", "--exclusive", "--stop-bot", "--json", "--simulator"]
    assert run(plain) == 0
    assert run([*plain, *flags]) == 0
    assert run([*plain, "--heartbeat", "30", "--max-loss", "5", "--market", "A", "--market", "B", "--url", "u"]) == 0
    defaults: dict[str, Any] = {
        "journal": "x",
        "heartbeat_s": 15.0,
        "max_loss": None,
        "markets": (),
        "checks_only": False,
        "is_dry_run": False,
        "is_exclusive": False,
        "stops_bots": False,
        "as_json": False,
        "url": None,
        "uses_simulator": False,
    }
    set_flags = ("checks_only", "is_dry_run", "is_exclusive", "stops_bots", "as_json", "uses_simulator")
    assert started == [
        defaults,
        {**defaults, **dict.fromkeys(set_flags, True)},
        {**defaults, "heartbeat_s": 30.0, "max_loss": "5", "markets": ("A", "B"), "url": "u"},
    ]


def test_an_exchange_that_cannot_be_reached_fails_a_check(folder: Path, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    code, out, err = result("--journal", str(folder), "--url", url, "--check", **ENVIRONMENT)
    assert (code, out) == (1, "")
    assert err.startswith("get_time: no answer from the exchange: ")
    assert err.count("\n") == 1


HERE = ["--journal", "."]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "Missing option '--journal'"),
        (["--journal", "/no/where"], 2, "There is no folder /no/where"),
        ([*HERE, "--heartbeat", "2"], 2, "Invalid value for '--heartbeat'"),
        ([*HERE, "--heartbeat", "nan"], 2, "Invalid value for '--heartbeat'"),
        ([*HERE, "--heartbeat", "soon"], 2, "Invalid value for '--heartbeat'"),
        *(
            (
                [*HERE, "--max-loss", text],
                2,
                f"The largest loss must be an amount of USDC above zero such as 250, not {text!r}",
            )
            for text in ("0", "-5", "NaN", "inf", "0,5", "much", "")
        ),
        ([*HERE, "--url", "ftp://x"], 2, "--url must be a URL such as http://127.0.0.1:8700, not 'ftp://x'"),
        ([*HERE, "--url", "http://127.0.0.1:1", "--simulator"], 2, "Give either --url or --simulator, not both"),
        ([*HERE, "--api-key", "x"], 2, "No such option: --api-key"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str],
    code: int,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BACKPACK_JOURNAL", raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert run(["guard", *arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(sentence)
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"BACKPACK_API_KEY": API_KEY}, "Set both BACKPACK_API_KEY and BACKPACK_SECRET_KEY, or neither."),
        (
            {"BACKPACK_API_KEY": API_SECRET, "BACKPACK_SECRET_KEY": API_KEY},
            "The API key and the API secret are swapped",
        ),
        ({"BACKPACK_API_KEY": API_KEY, "BACKPACK_SECRET_KEY": "x"}, "The API secret "),
        ({}, "The API key is empty"),
    ],
)
def test_bad_input_keys_are_one_sentence_without_the_secret(
    variables: dict[str, str], sentence: str, folder: Path
) -> None:
    code, out, err = result("--journal", str(folder), **variables)
    assert (code, out) == (1, "")
    assert err.startswith(sentence)
    assert err.count("\n") == 1


def test_it_runs_where_hummingbot_is_not_installed(folder: Path, url: str) -> None:
    journal = new_journal(folder, API_KEY, "bot")
    journal.sent(record(1))
    script = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'hummingbot': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from backpack_connector.cli.main import run\n"
        f"sys.exit(run(['guard', '--journal', {str(folder)!r}, '--url', {url!r}, '--check']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(**ENVIRONMENT),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    journal.close()
    assert (done.returncode, done.stderr) == (0, "")
