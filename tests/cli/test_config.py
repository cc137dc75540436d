"""`backpack config`: the key is kept, shown masked, forgotten; nobody sees the secret."""

import io
import json
import stat
import sys
from pathlib import Path

import pytest

from backpack_connector.cli.main import run
from backpack_connector.client.credentials import credentials_file, store_credentials
from backpack_connector.protocol.signing import generate_key_pair
from tests.cli.conftest import Shown

OTHER = generate_key_pair(bytes(32))


def give(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_set_get_and_clear(
    home: Path, key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, *key_pair)
    assert run(["config", "set"]) == 0
    assert home in credentials_file().parents
    assert stat.S_IMODE(credentials_file().stat().st_mode) == 0o600
    assert run(["config", "get", "--format", "json"]) == 0
    assert [run(["config", "clear", "--yes"]) for _ in range(2)] == [0, 0]
    assert not credentials_file().exists()
    printed = capsys.readouterr()
    assert not [secret for secret in key_pair if secret in printed.out + printed.err]
    assert f"{key_pair[0][:4]}...{key_pair[0][-4:]}" in printed.out
    assert "There was no key to forget." in printed.out


def test_the_environment_comes_first(command: Shown, key_pair: tuple[str, str], exchange: dict[str, str]) -> None:
    store_credentials(*key_pair)
    shown = json.loads(command("config", "get", "--format", "json", simulator=False).out)
    assert (shown["source"], shown["apiKey"][:4]) == ("environment", exchange["apiKey"][:4])


def test_the_kept_key_is_used(command: Shown, exchange: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    store_credentials(exchange["apiKey"], exchange["apiSecret"])
    for name in ("BACKPACK_API_KEY", "BACKPACK_SECRET_KEY"):
        monkeypatch.delenv(name)
    assert command("account", "info").code == 0


@pytest.mark.parametrize("lines", [("nonsense", "nonsense"), (OTHER[1], OTHER[0]), ("", "")])
def test_keys_that_are_none_are_not_kept(
    lines: tuple[str, str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, *lines)
    assert run(["config", "set"]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert OTHER[1] not in printed.err
    assert not credentials_file().exists()


def test_without_a_key_it_is_said_how_to_configure_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "get"]) == 1
    assert capsys.readouterr().err.startswith("API credentials are not configured. Try: backpack config set;")
