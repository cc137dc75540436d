"""The command line of `backpack-mcp`: what it takes, and one sentence for what it does not."""

import os
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from backpack_connector.mcp_server import settings
from backpack_connector.mcp_server.main import NOT_INSTALLED, main
from backpack_connector.mcp_server.settings import read_settings
from backpack_connector.mcp_server.tools import GROUPS, USUAL_GROUPS
from backpack_connector.protocol.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]


def test_nothing_is_allowed_unless_it_is_said() -> None:
    read = read_settings([])
    assert (read.allows_trading, read.allows_withdrawals, read.addresses) == (False, False, frozenset())
    assert (read.limits.order_notional, read.limits.session_notional) == (100, 1000)
    assert read.groups == USUAL_GROUPS
    assert read.http_port is None


def test_every_option_is_read() -> None:
    options = (
        "--url http://127.0.0.1:1/ --allow-trading --allow-withdrawals --withdrawal-address a --withdrawal-address b"
        " --max-order 1.5 --max-session 2 --max-withdrawals 3 --max-quantity SOL=4 --max-quantity BTC_USDC=0.5"
        " --market SOL_USDC --max-orders-per-minute 5 --max-calls-per-minute 6 --share 7 --groups order,auth"
        " --http --port 0 --host localhost"
    )
    read = read_settings(options.split())
    limits = read.limits
    assert (read.url, read.host, read.http_port) == ("http://127.0.0.1:1", "127.0.0.1", 0)
    assert (read.allows_trading, read.allows_withdrawals) == (True, True)
    assert read.addresses == {"a", "b"}
    assert (limits.order_notional, limits.session_notional, limits.withdrawal_notional) == (Decimal("1.5"), 2, 3)
    assert limits.quantities == {"SOL": 4, "BTC_USDC": Decimal("0.5")}
    assert (limits.markets, limits.orders_per_minute, limits.calls_per_minute) == ({"SOL_USDC"}, 5, 6)
    assert (read.share, read.groups) == (Decimal("0.07"), ("auth", "order"))
    assert read_settings(["--groups", "all"]).groups == GROUPS


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--max-order", "0"], "above zero"),
        (["--max-order", "NaN"], "above zero"),
        (["--max-session", "1,5"], "above zero"),
        (["--max-session", "-1"], "above zero"),
        (["--max-quantity", "2"], "written like SOL=2"),
        (["--max-quantity", "SOL=x"], "above zero"),
        (["--max-quantity", "=2"], "written like SOL=2"),
        (["--max-quantity", "SOL-USDC=0.05"], "written like SOL=2"),
        (["--max-quantity", "SOL USDC=0.05"], "written like SOL=2"),
        (["--max-quantity", "SOL=1", "--max-quantity", "SOL=5"], "SOL twice"),
        (["--max-orders-per-minute", "0"], "from 1 to 10000"),
        (["--max-calls-per-minute", "1e3"], "from 1 to 10000"),
        (["--share", "101"], "from 1 to 100"),
        (["--port", "65536"], "port from 0"),
        (["--host", "0.0.0.0"], "loopback"),
        (["--host", "example.org"], "address such as"),
        (["--groups", "orders"], "takes all, or some of"),
        (["--groups", ","], "takes all, or some of"),
        (["--allow-withdrawals"], "at least one --withdrawal-address"),
        (["--withdrawal-address", "a"], "no effect"),
        (["--url", "x", "--simulator"], "not both"),
        (["--url", "ftp://x"], "must be a URL"),
        (["--allow"], "nrecognized arguments"),
        (["--api-secret", "x"], "nrecognized arguments"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        read_settings(options)
    assert main(options) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1


def test_http_needs_a_token_that_cannot_be_guessed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for token in ("", "short", "ä" * 20):
        monkeypatch.setenv("BACKPACK_MCP_TOKEN", token)
        assert main(["--simulator", "--http", "--port", "0"]) == 1
        said = capsys.readouterr().err
        assert "BACKPACK_MCP_TOKEN" in said
        assert token == "" or token not in said


def test_a_port_that_is_taken_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("BACKPACK_MCP_TOKEN", "a-token-of-the-tests")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--simulator", "--http", "--port", str(taken.getsockname()[1])]) == 1
    assert "choose another one with --port" in capsys.readouterr().err


def test_half_a_key_pair_stops_the_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key_pair: tuple[str, str]
) -> None:
    monkeypatch.setenv("BACKPACK_API_KEY", key_pair[0])
    monkeypatch.delenv("BACKPACK_SECRET_KEY", raising=False)
    assert main(["--simulator"]) == 1
    assert capsys.readouterr().err.startswith("Set both")


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError(\"No module named 'mcp'\", name='mcp')\n")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "backpack_connector.mcp_server", "--simulator"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == f"{NOT_INSTALLED}\n"
    assert "pip install" in NOT_INSTALLED


def test_the_document_names_every_option() -> None:
    text = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    options = [name for action in settings._parser()._actions for name in action.option_strings if name[1] == "-"]
    options = [name for name in options if name not in ("--help", "--version")]
    assert len(options) > 15
    assert [name for name in options if f"`{name}" not in text and f" {name}" not in text] == []


def test_hummingbot_is_not_imported() -> None:
    code = "import sys, backpack_connector.mcp_server.transports; print('hummingbot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"
