"""The door of those who run Hummingbot from source: its folder is a checkout, and the plugin lies in site-packages.

The checkout is laid out with the installed package's files. That its programs trade is shown by the other tests here,
all of which run in such a folder, and that its `bin/` starts the client by test_client.py.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backpack_connector.demo.home import make_home
from tests.end_to_end.client import lay_out_programs

pytest.importorskip("hummingbot")

WHICH = """
from hummingbot.client.settings import AllConnectorSettings
from hummingbot.client.config.config_helpers import get_connector_class

rows = AllConnectorSettings.get_connector_settings()
for name in ("backpack_simulator", "backpack_perpetual_simulator"):
    print(name, get_connector_class(name).__module__ if name in rows else "unknown")
print(AllConnectorSettings.__module__, __import__("hummingbot").__file__)
"""
OURS = [
    "backpack_simulator backpack_connector.backpack_exchange",
    "backpack_perpetual_simulator backpack_perpetual_connector.backpack_perpetual_derivative",
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "hummingbot-source"
    make_home(folder)
    lay_out_programs(folder)
    # As any program of the checkout begins: by `path_util`, which puts the checkout before the installed packages.
    (folder / "bin" / "which.py").write_text(f"import path_util\n{WHICH}")
    return folder


def run(folder: Path, *words: str, **environment: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BACKPACK")}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_program_of_the_checkout_uses_its_hummingbot_and_our_connectors(checkout: Path, tmp_path: Path) -> None:
    *connectors, hummingbot = run(tmp_path, str(checkout / "bin" / "which.py"))
    assert connectors == OURS
    assert hummingbot.endswith(f" {checkout / 'hummingbot' / '__init__.py'}")


def test_switched_off_the_checkout_has_what_it_ships(checkout: Path, tmp_path: Path) -> None:
    *connectors, _ = run(tmp_path, str(checkout / "bin" / "which.py"), BACKPACK_CONNECTOR="off")
    assert connectors == ["backpack_simulator unknown", "backpack_perpetual_simulator unknown"]


def test_backpack_status_in_the_checkout_names_it(checkout: Path) -> None:
    lines = run(checkout, "-m", "backpack_connector.cli.main", "status")
    assert any(line.startswith("Hummingbot ") and line.endswith(f" in {checkout / 'hummingbot'}") for line in lines)
    assert [line.split(",")[0] for line in lines if line.startswith("backpack")] == [
        "backpack: this plugin",
        "backpack_perpetual: this plugin",
    ]
