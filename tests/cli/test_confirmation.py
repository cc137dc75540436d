"""What is asked before something real is done: on a terminal, by whom, and what --dry-run shows."""

import json
import os
import pty
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from backpack_connector.cli import session
from backpack_connector.protocol.signing import is_signed_by
from backpack_connector.simulator.server import SESSION_PATH
from tests.cli.conftest import Shown, environment
from tests.cli.test_main import WITHOUT_HUMMINGBOT

ORDER = ("order", "create", "SOL_USDC", "buy", "limit", "--quantity", "1", "--price", "60")
WITHDRAWAL = ("capital", "withdraw", "So11111111111111111111111111111111111111112", "Solana", "100", "USDC")


def test_a_dry_run_prints_the_signed_request_and_sends_nothing(command: Shown, exchange: dict[str, str]) -> None:
    shown = json.loads(command(*ORDER, "--dry-run", "--format", "json").out)
    assert (shown["method"], shown["url"], shown["isSent"]) == ("POST", exchange["restUrl"] + "/api/v1/order", False)
    assert json.loads(shown["body"]) == {
        "orderType": "Limit",
        "price": "60",
        "quantity": "1",
        "side": "Bid",
        "symbol": "SOL_USDC",
    }
    text = "instruction=orderExecute&orderType=Limit&price=60&quantity=1&side=Bid&symbol=SOL_USDC"
    text += f"&timestamp={shown['X-Timestamp']}&window={shown['X-Window']}"
    assert is_signed_by(exchange["apiKey"], shown["X-Signature"], text)
    assert json.loads(command("order", "list", "--format", "json").out) == []


def on_a_terminal(arguments: tuple[str, ...], answer: str, exchange: dict[str, str], home: Path) -> tuple[int, str]:
    """Run a command in a terminal, type an answer, and return exit code and screen."""
    ours, theirs = pty.openpty()
    keys = {"BACKPACK_API_KEY": exchange["apiKey"], "BACKPACK_SECRET_KEY": exchange["apiSecret"]}
    program = [sys.executable, "-m", "backpack_connector.cli.main", *arguments, "--url", exchange["restUrl"]]
    process = subprocess.Popen(
        program,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(**keys, XDG_CONFIG_HOME=str(home)),
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    screen, _ = process.communicate(timeout=60)
    os.close(ours)
    return process.returncode, screen


def know_address(exchange: dict[str, str], address: str) -> None:
    """Put an address onto the account's list, as the website does it."""
    known = {"address": address, "blockchain": "Solana", "whitelisted": True}
    body = json.dumps({"account": exchange["apiKey"], "address": known}).encode()
    request = urllib.request.Request(exchange["restUrl"] + SESSION_PATH, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def withdrawals(command: Shown) -> int:
    return len(json.loads(command("capital", "withdrawals", "--format", "json").out))


def test_a_withdrawal_is_always_confirmed_on_a_terminal(command: Shown, exchange: dict[str, str], home: Path) -> None:
    know_address(exchange, WITHDRAWAL[2])
    before = withdrawals(command)
    without = command(*WITHDRAWAL)
    assert (without.code, without.out) == (2, "")
    assert without.err.startswith("A withdrawal is confirmed on a terminal, by you.")
    assert command(*WITHDRAWAL, "--yes").err == "No such option: --yes.\n"
    code, screen = on_a_terminal(WITHDRAWAL, "n", exchange, home)
    assert code == 1
    assert screen.endswith("Nothing was done: you said no.\n")
    assert "address=So11111111111111111111111111111111111111112" in screen
    assert withdrawals(command) == before
    code, screen = on_a_terminal(WITHDRAWAL, "y", exchange, home)
    assert (code, withdrawals(command)) == (0, before + 1), screen


def test_real_orders_are_confirmed_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(session.typer, "confirm", lambda question, **_: asked.append(question) or True)
    monkeypatch.setattr(session.sys.stdin, "isatty", lambda: True, raising=False)
    session.confirm("Really execute order", yes=False, url="https://api.backpack.exchange")
    assert asked == ["Really execute order at https://api.backpack.exchange?"]
    session.confirm("Really", yes=True, url="https://api.backpack.exchange")
    session.confirm("Really", yes=False, url="http://127.0.0.1:8700")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("order create SOL_USDC buy limit --quantity 1 --price 60", 1),
        ("order create SOL_USDC buy limit --quantity 1 --price 60 --yes", 0),
        ("account update --leverage-limit 5", 1),
        ("order cancel-all SOL_USDC", 0),
        ("order list", 0),
    ],
)
def test_commands_ask_before_they_change_something_and_never_before_a_cancel(
    text: str, questions: int, command: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(session.typer, "confirm", lambda question, **_: asked.append(question) or True)
    monkeypatch.setattr(session.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(session, "is_local", lambda url: False)
    assert command(*text.split()).code == 0
    assert len(asked) == questions


def test_the_help_loads_neither_network_nor_catalogue() -> None:
    code = (
        "import sys\nfrom backpack_connector.cli.main import run\nassert run(['--help']) == 0\n"
        "loaded = {'aiohttp', 'rich', 'hummingbot', 'backpack_connector.protocol.operations'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr


def test_commands_work_where_hummingbot_is_not_installed(exchange: dict[str, str]) -> None:
    code = (
        f"{WITHOUT_HUMMINGBOT}\nsys.meta_path.insert(0, Absent())\n"
        "from backpack_connector.cli.main import run\nassert run(['order', 'list', '--simulator']) == 0\n"
        "assert 'hummingbot' not in sys.modules\n"
    )
    keys = {"BACKPACK_API_KEY": exchange["apiKey"], "BACKPACK_SECRET_KEY": exchange["apiSecret"]}
    env = environment(**keys, BACKPACK_SIMULATOR_URL=exchange["restUrl"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
