"""The command `backpack serve` as a program: what it prints, that it answers, how it ends."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from backpack_connector.cli import serve
from backpack_connector.cli.main import run
from tests.cli.conftest import Shown, environment

PROGRAM = [sys.executable, "-m", "backpack_connector.cli.main", "serve", "--port", "0"]


def got(url: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(exchange: dict[str, str], number: signal.Signals) -> None:
    command = [*PROGRAM, "--url", exchange["restUrl"], "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            status, body = got(f"{ready['url']}/v1/orderbook?symbol=SOL_USDC")
            wrong, _ = got(f"{ready['url']}/v1/orderbook")
        finally:
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
    assert ready["url"].startswith("http://127.0.0.1:")
    assert ready["exchange"] == exchange["restUrl"]
    assert (status, body["success"], wrong) == (200, True, 400)
    assert (process.returncode, errors) == (0, "")


def test_for_people_it_says_what_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    serve._announce("http://127.0.0.1:8710", "http://127.0.0.1:8700", prints_json=False)
    printed = capsys.readouterr()
    assert "http://127.0.0.1:8710/v1/orderbook\n" in printed.out
    assert printed.err == ""
    serve._announce("http://0.0.0.0:8710", "http://127.0.0.1:8700", prints_json=False)
    assert capsys.readouterr().err == "Other machines can reach it.\n"


def test_a_port_that_is_taken_is_one_sentence(command: Shown) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = command("serve", "--port", str(port))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"Port {port} of 127.0.0.1 cannot be served (")
    assert result.err.count("\n") == 1


def test_wrong_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--simulator", "--url", "http://127.0.0.1:9"]) == 2
    assert capsys.readouterr().err == "Give either --url or --simulator, not both.\n"
    assert run(["serve", "--port", "65536"]) == 2
