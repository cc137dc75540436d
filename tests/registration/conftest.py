"""A real Hummingbot in processes of its own, with or without its two Backpack folders."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bare_hummingbot import link_package


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
    link_package(folder / "hummingbot", with_backpack=with_backpack_folders)
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
