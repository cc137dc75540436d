"""`backpack templates`: everything arrives where Hummingbot looks, and nothing that is there is touched."""

from pathlib import Path

import pytest

from backpack_connector.cli import templates
from backpack_connector.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
SCRIPT, CONTROLLER = "scripts/backpack_market_maker.py", "controllers/generic/backpack_grid.py"
VALUES = {
    "conf/scripts/backpack_market_maker.yml": "scripts/backpack_market_maker.yml",
    "conf/controllers/backpack_grid.yml": "controllers/backpack_grid.yml",
    "conf/strategies/backpack_pure_market_making.yml": "strategies/backpack_pure_market_making.yml",
}


def test_code_goes_to_the_folders_of_code_and_values_below_conf(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["templates", "install", str(tmp_path)]) == 0
    places = {SCRIPT: SCRIPT, CONTROLLER: CONTROLLER, **VALUES}
    for place, source in places.items():
        assert (tmp_path / place).read_bytes() == (ROOT / "conf_templates" / source).read_bytes()
    assert not list(tmp_path.rglob("README.md"))
    printed = capsys.readouterr().out.splitlines()
    assert f"copied  {SCRIPT}" in printed
    run(["templates", "list"])
    assert set(capsys.readouterr().out.split()) == {line.removeprefix("copied  ") for line in printed[:-1]}


def test_what_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["templates", "install", str(tmp_path)])
    mine, missing = tmp_path / "conf/controllers/backpack_grid.yml", tmp_path / SCRIPT
    mine.write_text("mine")
    missing.unlink()
    capsys.readouterr()
    assert run(["templates", "install", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert mine.read_text() == "mine"
    assert missing.exists()
    assert "kept    conf/controllers/backpack_grid.yml, which is not the template any more\n" in printed
    assert f"kept    {CONTROLLER}\n" in printed
    assert "\n1 copied, " in "\n" + printed


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["templates", "install", str(tmp_path / "typo")]) == 2
    assert capsys.readouterr().err == f"There is no folder {tmp_path / 'typo'}.\n"
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_it_is_that_of_this_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "hummingbot"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(templates.importlib.util, "find_spec", lambda name: type("Spec", (), {"origin": package / "x"}))
    assert run(["templates", "install"]) == 0
    assert (tmp_path / SCRIPT).exists()


@pytest.mark.parametrize(("missing", "said"), [("hummingbot", "name its folder"), ("templates", "no templates here")])
def test_what_is_missing_is_said(
    missing: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if missing == "hummingbot":
        monkeypatch.setattr(templates.importlib.util, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(templates, "_PLACES", (tmp_path / "none",))
    assert run(["templates", "install", *([str(tmp_path)] if missing == "templates" else [])]) == 1
    assert said in capsys.readouterr().err
