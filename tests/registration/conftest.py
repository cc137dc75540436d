"""A real Hummingbot in processes of its own, with or without its two Backpack folders."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The folders that hold what is left out, and those above them; all else is linked.
COPIED_FOLDERS = (
    "",
    "client",
    "client/config",
    "connector",
    "connector/exchange",
    "connector/derivative",
    "core",
    "core/rate_oracle",
    "core/rate_oracle/sources",
    "data_feed",
    "data_feed/candles_feed",
)
BACKPACK_PARTS = (
    "connector/exchange/backpack",
    "connector/derivative/backpack_perpetual",
    "core/rate_oracle/sources/backpack_rate_source.py",
    "data_feed/candles_feed/backpack_perpetual_candles",
    "data_feed/candles_feed/backpack_spot_candles",
)
# Tables in which Backpack's rows are lines of their own.
TABLES = (
    "client/config/client_config_map.py",
    "core/rate_oracle/rate_oracle.py",
    "data_feed/candles_feed/candles_factory.py",
)


@dataclass(frozen=True)
class Home:
    """A tree that looks like a source checkout of Hummingbot, with configuration of its own."""

    folder: Path

    def run(self, *arguments: str, typed: str | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run this Python in the home, as a user would after `cd hummingbot`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BACKPACK", "HBOT", "COV"))}
        return subprocess.run(
            [sys.executable, "-X", "utf8", *arguments],
            cwd=self.folder,
            env={**kept, "COLUMNS": "200", **environment},
            input=typed,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def ask(self, script: str, **environment: str) -> Any:
        """Run a script that prints JSON on its last line, and return what it says."""
        result = self.run("-c", script, **environment)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])


def make_home(folder: Path, *, with_backpack_folders: bool) -> Home:
    spec = find_spec("hummingbot")
    assert spec is not None, "these tests need Hummingbot: run `make environment`"
    assert spec.origin is not None
    installed = Path(spec.origin).parent
    for name in COPIED_FOLDERS:
        copied = folder / "hummingbot" / name
        copied.mkdir(parents=True, exist_ok=True)
        for entry in (installed / name).iterdir():
            relative = entry.relative_to(installed).as_posix()
            if entry.name == "__pycache__" or relative in COPIED_FOLDERS:
                continue
            if relative in BACKPACK_PARTS and not with_backpack_folders:
                continue
            if relative in TABLES and not with_backpack_folders:
                lines = entry.read_text(encoding="utf-8").splitlines(keepends=True)
                (copied / entry.name).write_text("".join(line for line in lines if "backpack" not in line.lower()))
                continue
            # Hummingbot takes the real path of this one file for its home, so that it must be no link.
            if relative == "__init__.py":
                shutil.copy(entry, copied)
            else:
                (copied / entry.name).symlink_to(entry)
    for name in ("connectors", "strategies", "scripts", "controllers"):
        (folder / "conf" / name).mkdir(parents=True)
    (folder / "logs").mkdir()
    return Home(folder)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A Hummingbot that ships its own two Backpack connectors."""
    return make_home(tmp_path_factory.mktemp("hummingbot"), with_backpack_folders=True)


@pytest.fixture(scope="session")
def bare_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A Hummingbot that has never heard of Backpack."""
    return make_home(tmp_path_factory.mktemp("bare_hummingbot"), with_backpack_folders=False)


@pytest.fixture
def new_home(tmp_path: Path) -> Callable[..., Home]:
    """Make a home for one test, which may write to its configuration."""
    return lambda **options: make_home(tmp_path, **options)
