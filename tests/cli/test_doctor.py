"""`backpack doctor` as a command: against a running simulator, without one, without Hummingbot, and with wrong keys."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.cli import doctor, doctor_machine
from backpack_connector.cli.doctor_findings import Finding, summary
from backpack_connector.cli.main import run
from backpack_connector.client.credentials import credentials_file, store_credentials
from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.signing import Credentials, generate_key_pair
from tests.cli.conftest import Result, Shown, environment
from tests.cli.terminal import on_a_terminal
from tests.cli.test_main import WITHOUT_HUMMINGBOT

PROGRAM = [sys.executable, "-m", "backpack_connector.cli.main", "doctor"]
ASKED = {"exchange", "clock", "stream", "key", "permission"}


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out which environment is active in the shell of whoever runs the tests."""
    for name in doctor_machine.ENVIRONMENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Give an address of this machine at which nobody listens, and keep it."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{kept.getsockname()[1]}"


def found(result: Result) -> dict[str, dict[str, Any]]:
    return {row["check"]: row for row in json.loads(result.out)}


def test_all_is_well(command: Shown, exchange: dict[str, str]) -> None:
    result = command("doctor", "--format", "json")
    assert result.code == 0, result.out
    rows = found(result)
    states = {name: row["state"] for name, row in rows.items()}
    assert states == {
        **dict.fromkeys(["python", "hummingbot", "connectors", "key files", "key pair", *ASKED], "ok"),
        "journals": "skipped",
    }
    assert [row["advice"] for row in rows.values() if row["state"] == "ok"] == [""] * 10
    assert rows["exchange"]["found"].startswith(f"{exchange['restUrl']} answers in ")
    assert exchange["apiKey"] not in result.out
    assert exchange["apiSecret"] not in result.out


def test_people_get_a_table_and_a_count(command: Shown) -> None:
    result = command("doctor")
    lines = result.out.splitlines()
    assert lines[0].split() == ["check", "state", "found", "what", "to", "do"]
    assert [line.split()[0] for line in lines[1:4]] == ["python", "hummingbot", "connectors"]
    assert (result.code, result.err) == (0, "Nothing is wrong.\n")


def test_on_a_terminal_the_table_fits_and_has_colours(exchange: dict[str, str], home: Path) -> None:
    screen = on_a_terminal(
        "doctor",
        "--simulator",
        TERM="xterm-256color",
        COLUMNS="70",
        BACKPACK_SIMULATOR_URL=exchange["restUrl"],
        BACKPACK_JOURNAL=str(home / "journals"),
    )
    assert screen.code == 0
    assert "\x1b[32mok" in screen.text
    assert max(len(line.rstrip()) for line in screen.lines) <= 70


def test_the_summary_counts() -> None:
    problem, warning = Finding("a", "problem", "x"), Finding("b", "warning", "y")
    assert summary([problem, problem, warning]) == "2 problems and 1 warning found."
    assert summary([warning, Finding("c", "skipped", "z")]) == "1 warning found."


def test_text_of_others_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.print_findings([Finding("a", "problem", "evil\x1b[2J", "then\x07")], "table")
    assert all(sign.isprintable() or sign == "\n" for sign in capsys.readouterr().out)


def test_a_simulator_that_does_not_run(command: Shown, nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPACK_SIMULATOR_URL", nowhere)
    result = command("doctor", "--format", "json")
    rows = found(result)
    assert result.code == 1
    assert rows["exchange"]["found"].startswith(f"The simulator does not answer at {nowhere}: ")
    assert "`backpack simulate`" in rows["exchange"]["advice"]
    assert {rows[name]["state"] for name in ASKED - {"exchange"}} == {"skipped"}


def test_an_exchange_that_cannot_be_reached(command: Shown, nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BACKPACK_SIMULATOR_URL")
    result = command("doctor", "--url", nowhere, "--format", "json", simulator=False)
    rows = found(result)
    assert (result.code, rows["exchange"]["state"]) == (1, "problem")
    assert rows["exchange"]["found"].startswith(f"{nowhere} cannot be used: ")
    assert "network" in rows["exchange"]["advice"]
    assert "simulator" not in rows


def test_the_simulator_of_the_bots_is_looked_at_too(
    command: Shown, exchange: dict[str, str], nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKPACK_SIMULATOR_URL", nowhere)
    result = command("doctor", "--url", exchange["restUrl"], "--format", "json", simulator=False)
    row = found(result)["simulator"]
    assert (result.code, row["state"]) == (0, "warning")
    assert nowhere in row["found"]
    monkeypatch.setenv("BACKPACK_SIMULATOR_URL", "nonsense")
    result = command("doctor", "--url", exchange["restUrl"], "--format", "json", simulator=False)
    row = found(result)["simulator"]
    assert (result.code, row["state"]) == (1, "problem")
    assert "nonsense" in row["found"]
    monkeypatch.delenv("BACKPACK_SIMULATOR_URL")
    monkeypatch.setattr(doctor, "simulator_key_files", lambda home: ["backpack_simulator.yml"])
    monkeypatch.setattr(doctor.hosts, "DEFAULT_SIMULATOR_URL", nowhere)
    result = command("doctor", "--url", exchange["restUrl"], "--format", "json", simulator=False)
    assert nowhere in found(result)["simulator"]["found"]


def test_offline_nothing_is_sent(command: Shown, nowhere: str) -> None:
    result = command("doctor", "--offline", "--url", nowhere, "--format", "json", simulator=False)
    assert result.code == 0
    assert not ASKED & found(result).keys()


@pytest.mark.parametrize(
    ("key", "secret", "said"),
    [
        (1, 0, "The API key and the API secret are swapped"),
        (0, 2, "The API secret does not belong to this API key"),
        (0, None, "Set both BACKPACK_API_KEY and BACKPACK_SECRET_KEY, or neither."),
    ],
)
def test_a_pair_that_is_none(
    key: int, secret: int | None, said: str, command: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [*generate_key_pair(bytes(32)), generate_key_pair(bytes([1] * 32))[1]]
    monkeypatch.setenv("BACKPACK_API_KEY", texts[key])
    monkeypatch.setenv("BACKPACK_SECRET_KEY", "" if secret is None else texts[secret])
    result = command("doctor", "--format", "json")
    row = found(result)["key pair"]
    assert (result.code, row["state"]) == (1, "problem")
    assert row["found"].startswith(said)
    assert "backpack config set" in row["advice"]
    assert not [text for text in texts[1:] if text in result.out + result.err]
    assert "key" not in found(result), "a key that is none is not sent"


def test_without_a_key_the_rest_is_looked_at(command: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BACKPACK_API_KEY", "BACKPACK_SECRET_KEY"):
        monkeypatch.delenv(name)
    result = command("doctor", "--format", "json")
    rows = found(result)
    assert (result.code, rows["key pair"]["state"], rows["stream"]["state"]) == (0, "skipped", "ok")
    assert not {"key", "permission"} & rows.keys()


def test_a_file_of_keys_that_others_can_read(command: Shown, key_pair: tuple[str, str]) -> None:
    store_credentials(*key_pair)
    credentials_file().chmod(0o644)
    result = command("doctor", "--format", "json")
    row = found(result)["key files"]
    assert (result.code, row["state"]) == (1, "problem")
    assert row["found"].endswith(f"{credentials_file()} has mode 644.")
    assert row["advice"].startswith(f"Run: chmod 600 {credentials_file()}. ")
    assert stat.S_IMODE(credentials_file().stat().st_mode) == 0o644, "the doctor changes nothing"


def test_a_key_that_the_exchange_has_revoked(command: Shown, exchange: dict[str, str]) -> None:
    fault = {"kind": "key_revoked", "account": exchange["apiKey"]}
    (number,) = _fault(exchange, "POST", [fault])["ids"]
    try:
        result = command("doctor", "--format", "json")
    finally:
        _fault(exchange, "DELETE", number)
    rows = found(result)
    assert (result.code, rows["key"]["state"], rows["permission"]["state"]) == (1, "problem", "skipped")
    assert exchange["apiKey"][:4] in rows["key"]["found"]
    assert "Settings > API Keys" in rows["key"]["advice"]


def _fault(exchange: dict[str, str], method: str, what: Any) -> Any:
    path = "/simulator/faults" if method == "POST" else f"/simulator/faults?id={what}"
    body = json.dumps(what).encode() if method == "POST" else None
    request = urllib.request.Request(exchange["restUrl"] + path, body, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_the_question_about_permission_leaves_orders_alone(command: Shown, exchange: dict[str, str]) -> None:
    command("order", "create", "SOL_USDC", "buy", "limit", "--quantity", "1", "--price", "70")

    async def orders() -> list[str]:
        keys = Credentials(exchange["apiKey"], exchange["apiSecret"])
        async with BackpackClient(url=exchange["restUrl"], credentials=keys) as client:
            return sorted(order.id for order in await client.get_open_orders())

    before = asyncio.run(orders())
    assert command("doctor").code == 0
    assert asyncio.run(orders()) == before != []
    command("order", "cancel-all", "SOL_USDC")


def test_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--simulator", "--url", "http://127.0.0.1:1"]) == 2
    assert capsys.readouterr().err == "Give either --url or --simulator, not both.\n"


@pytest.mark.parametrize(
    ("option", "code", "state"), [("--hummingbot", 1, "problem"), ("--no-hummingbot", 0, "skipped")]
)
def test_without_hummingbot(option: str, code: int, state: str, home: Path) -> None:
    script = f"{WITHOUT_HUMMINGBOT}\nsys.meta_path.insert(0, Absent())\n" + (
        "import importlib.util\nreal = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'hummingbot' else real(name, *rest)\n"
        "from backpack_connector.cli.main import run\n"
        f"sys.exit(run(['doctor', '--offline', '--format', 'json', {option!r}]))"
    )
    result = _process([sys.executable, "-c", script])
    rows = {row["check"]: row for row in json.loads(result.stdout)}
    assert (result.returncode, rows["hummingbot"]["state"]) == (code, state), result.stderr
    assert rows["connectors"]["state"] == rows["journals"]["state"] == "skipped"


def _process(words: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, env=environment(**variables), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("value", "code", "state", "said"),
    [
        ("off", 0, "warning", "Hummingbot's built-in connectors are active, not this plugin: backpack, backpack_perp"),
        ("2", 1, "problem", "BACKPACK_CONNECTOR must be on or off, not '2'."),
    ],
)
def test_the_switch(value: str, code: int, state: str, said: str, home: Path) -> None:
    result = _process([*PROGRAM, "--offline", "--format", "json"], BACKPACK_CONNECTOR=value)
    rows = {row["check"]: row for row in json.loads(result.stdout)}
    assert (result.returncode, rows["connectors"]["state"]) == (code, state)
    assert rows["connectors"]["found"].startswith(said)
    assert "BACKPACK_CONNECTOR" in rows["connectors"]["advice"]


def test_without_the_start_up_file(home: Path) -> None:
    # -S leaves out every .pth file; the folders are then put on the path by hand.
    folders = os.pathsep.join(path for path in sys.path if path)
    words = [sys.executable, "-S", *PROGRAM[1:], "--offline", "--format", "json"]
    result = _process(words, PYTHONPATH=folders)
    row = {row["check"]: row for row in json.loads(result.stdout)}["connectors"]
    assert (result.returncode, row["state"]) == (1, "problem")
    assert row["found"].endswith("The start-up file is not installed here.")
    assert row["advice"].startswith("Reinstall the package with pip")
