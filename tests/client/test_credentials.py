"""Keys from the environment or from a file of one's own: found, kept, refused, and never shown."""

import os
import stat
from pathlib import Path

import pytest

from backpack_connector.client import credentials
from backpack_connector.protocol.errors import ConfigurationError

KEY, SECRET = credentials.API_KEY_VARIABLE, credentials.SECRET_KEY_VARIABLE


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.delenv(SECRET, raising=False)
    return tmp_path


def test_nothing_set_up_is_nothing_found() -> None:
    assert credentials.find_credentials() is None


def test_the_environment_goes_before_the_file(key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = credentials.store_credentials(*key_pair)
    stored = credentials.find_credentials()
    assert stored is not None
    assert stored.origin == str(path)
    assert stored.credentials.api_key == key_pair[0]
    monkeypatch.setenv(KEY, key_pair[0])
    monkeypatch.setenv(SECRET, f" {key_pair[1]} ")
    named = credentials.find_credentials()
    assert named is not None
    assert named.origin == "environment"


@pytest.mark.parametrize("name", [KEY, SECRET])
def test_half_a_pair_in_the_environment_is_an_error(
    name: str, key_pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials.store_credentials(*key_pair)
    monkeypatch.setenv(name, key_pair[0])
    with pytest.raises(ConfigurationError, match="Set both"):
        credentials.find_credentials()


def test_the_file_is_for_its_owner_alone_and_replaced_whole(key_pair: tuple[str, str]) -> None:
    mask = os.umask(0)
    try:
        path = credentials.store_credentials(*key_pair)
        credentials.store_credentials(*key_pair)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_that_others_can_read_is_refused(key_pair: tuple[str, str]) -> None:
    path = credentials.store_credentials(*key_pair)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="can be read by others") as caught:
        credentials.find_credentials()
    assert key_pair[1] not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", "1", '{"apiKey": "a"}', "\x00"])
def test_a_file_that_holds_no_pair_is_one_sentence(content: str, key_pair: tuple[str, str]) -> None:
    path = credentials.store_credentials(*key_pair)
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="does not hold a key pair"):
        credentials.find_credentials()


def test_a_pair_that_does_not_belong_together_is_not_stored(key_pair: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="swapped"):
        credentials.store_credentials(key_pair[1], key_pair[0])
    assert not credentials.credentials_file().exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(
    key_pair: tuple[str, str], own_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_settings / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(own_settings / "file"))
    with pytest.raises(ConfigurationError, match="cannot be written"):
        credentials.store_credentials(*key_pair)


def test_clearing_deletes_the_file_once(key_pair: tuple[str, str]) -> None:
    credentials.store_credentials(*key_pair)
    assert credentials.clear_credentials() is True
    assert credentials.find_credentials() is None
    assert credentials.clear_credentials() is False


def test_what_is_shown_tells_keys_apart_and_no_more(key_pair: tuple[str, str]) -> None:
    shown = credentials.masked(key_pair[0])
    assert len(shown) < 12
    assert shown.startswith(key_pair[0][:4])
    found = credentials.find_credentials({KEY: key_pair[0], SECRET: key_pair[1]})
    assert key_pair[1] not in repr(found)
