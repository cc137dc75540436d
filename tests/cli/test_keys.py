"""`backpack config`: where the key is kept, who can read it, and that nobody sees the secret."""

import io
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from backpack_connector.cli import keys
from backpack_connector.cli.main import run
from backpack_connector.protocol.signing import generate_key_pair

OTHER = generate_key_pair(bytes(32))


def give(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_set_get_and_clear(
    home: Path, key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, *key_pair)
    assert run(["config", "set"]) == 0
    where = home / "config" / "backpack" / "credentials.json"
    assert stat.S_IMODE(where.stat().st_mode) == 0o600
    assert run(["config", "get", "--format", "json"]) == 0
    assert run(["config", "clear", "--yes"]) == 0
    assert run(["config", "clear", "--yes"]) == 0
    printed = capsys.readouterr()
    assert not where.exists()
    assert key_pair[1] not in printed.out + printed.err
    assert key_pair[0] not in printed.out + printed.err
    assert f"{key_pair[0][:4]}…{key_pair[0][-4:]}" in printed.out
    assert "There was no key to forget." in printed.out


def test_the_environment_comes_first(
    home: Path, key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.save(*key_pair)
    assert keys.required().api_key == key_pair[0]
    monkeypatch.setenv("BACKPACK_API_KEY", OTHER[0])
    monkeypatch.setenv("BACKPACK_SECRET_KEY", OTHER[1])
    assert keys.required().api_key == OTHER[0]
    assert run(["config", "get", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("the environment")


@pytest.mark.parametrize("lines", [("nonsense", "nonsense"), (OTHER[1], OTHER[0]), ("", "")])
def test_keys_that_are_none_are_not_kept(
    lines: tuple[str, str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, *lines)
    assert run(["config", "set"]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert OTHER[1] not in printed.err
    assert not keys.path().exists()


def test_half_a_key_pair_in_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPACK_API_KEY", OTHER[0])
    with pytest.raises(keys.ConfigurationError, match="Set both BACKPACK_API_KEY and BACKPACK_SECRET_KEY, or neither"):
        keys.found()


def test_a_file_that_others_can_read_is_not_used(home: Path, key_pair: tuple[str, str]) -> None:
    keys.save(*key_pair)
    keys.path().chmod(0o640)
    with pytest.raises(keys.ConfigurationError, match=r"Others can read .*; run: chmod 600"):
        keys.found()


@pytest.mark.parametrize("content", ["", "[]", '{"api_key": "x"}', "\x00"])
def test_a_file_that_is_something_else(content: str, home: Path, key_pair: tuple[str, str]) -> None:
    keys.save(*key_pair)
    keys.path().write_text(content)
    with pytest.raises(keys.ConfigurationError, match=r"cannot be read .* Try: backpack config set"):
        keys.found()


def test_the_secret_is_never_readable_by_others_while_it_is_written(
    home: Path, key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    replace = Path.replace

    def noted(self: Path, target: Path) -> Path:
        modes.append(stat.S_IMODE(self.stat().st_mode))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    os.umask(old := os.umask(0))
    monkeypatch.setattr(os, "umask", lambda _: old)
    keys.save(*key_pair)
    assert modes == [0o600]
    assert set(json.loads(keys.path().read_text())) == {"api_key", "secret_key"}


def test_a_folder_that_cannot_be_written(home: Path, key_pair: tuple[str, str]) -> None:
    (home / "config").write_text("a file where the folder should be")
    with pytest.raises(keys.ConfigurationError, match="cannot be written"):
        keys.save(*key_pair)
