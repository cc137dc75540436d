"""The start-up file comes and goes with the package, costs next to nothing, and never disturbs Python."""

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = "backpack_connector.pth"
REPORT = """
import json, sys
finders = [type(finder).__name__ for finder in sys.meta_path]
print(json.dumps(["HummingbotWatcher" in finders, sorted(name for name in sys.modules if "backpack" in name)]))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what setup.py needs: building writes into the tree."""
    copy = tmp_path_factory.mktemp("source")
    for file in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / file, copy)
    for package in ("backpack_connector", "backpack_perpetual_connector", "conf_templates"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module", params=["build_wheel", "build_editable"])
def wheel(request: pytest.FixtureRequest, source: Path) -> Path:
    """Build as pip does, through the build backend's standard functions."""
    build = f"import sys; from setuptools import build_meta; print(build_meta.{request.param}(sys.argv[1]))"
    built = _run(sys.executable, "-c", build, str(source / "dist"), folder=source)
    return source / "dist" / built.splitlines()[-1]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An environment of its own, with nothing in it."""
    venv.create(tmp_path / "venv", with_pip=False)
    return tmp_path / "venv" / "bin" / "python"


@pytest.fixture
def installed(python: Path, wheel: Path) -> Path:
    _pip(python, "install", "--no-deps", "--no-index", str(wheel))
    return python


def _run(*command: str, folder: Path | None = None) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stderr
    assert not result.stderr or "-m" in command or "build_meta" in command[2], result.stderr
    return result.stdout


def _pip(python: Path, *arguments: str) -> None:
    _run(sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", *arguments)


def _site_packages(python: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = python.parents[1] / "lib" / version / "site-packages"
    folder.mkdir(exist_ok=True)  # pip removes it with the last package
    return folder


def _report(python: Path) -> tuple[bool, list[str]]:
    watches, modules = json.loads(_run(str(python), "-c", REPORT))
    return watches, modules


def test_an_installation_watches_and_an_uninstallation_leaves_nothing(installed: Path) -> None:
    assert _report(installed) == (True, ["backpack_connector", "backpack_connector.startup"])
    _pip(installed, "uninstall", "--yes", "backpack-hummingbot-connector")
    assert list(_site_packages(installed).glob("*backpack*")) == []
    assert _report(installed) == (False, [])


def test_a_plain_wheel_has_the_templates_and_an_editable_one_reads_them_in_the_checkout(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("backpack_connector/templates/")}
    sources = [path.relative_to(ROOT / "conf_templates") for path in (ROOT / "conf_templates").glob("*/**/*.[py]*")]
    expected = {f"backpack_connector/templates/{path.as_posix()}" for path in sources if path.suffix in (".py", ".yml")}
    assert len(expected) > 10
    assert names == (set() if "editable" in wheel.name else expected)


def test_a_half_removed_package_does_not_disturb_python(installed: Path) -> None:
    start_up_file = (_site_packages(installed) / NAME).read_text()
    _pip(installed, "uninstall", "--yes", "backpack-hummingbot-connector")
    (_site_packages(installed) / NAME).write_text(start_up_file)
    assert _report(installed) == (False, [])


def test_a_broken_package_does_not_disturb_python(installed: Path) -> None:
    package = _site_packages(installed) / "backpack_connector"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "startup.py").write_text("this is not Python")
    assert _run(str(installed), "-c", "print('started')") == "started\n"


def test_starting_python_imports_nothing_else(installed: Path) -> None:
    """What the interpreter loads with the file, compared to an empty file: our two modules and not one more."""
    command = (str(installed), "-c", "import sys, json; print(json.dumps(sorted(sys.modules)))")
    with_file = set(json.loads(_run(*command)))
    (_site_packages(installed) / NAME).write_text("")
    assert with_file - set(json.loads(_run(*command))) == {"backpack_connector", "backpack_connector.startup"}
