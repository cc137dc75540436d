"""A Hummingbot that has never heard of Backpack, and an environment around it, made out of the installed ones.

Nothing is installed or copied but the few files that change: everything else links to what is there. By hand, to look
around in it:

    python -m tests.bare_hummingbot /tmp/bare
    /tmp/bare/bin/python -m hummingbot.cli.main connect
"""

import shutil
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path

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


def installed_hummingbot() -> Path:
    spec = find_spec("hummingbot")
    assert spec is not None, "these tests need Hummingbot: run `make environment`"
    assert spec.origin is not None
    return Path(spec.origin).parent


def link_package(package: Path, *, with_backpack: bool) -> None:
    """Make a package folder `hummingbot`, with or without everything that Hummingbot ships for Backpack."""
    installed = installed_hummingbot()
    for name in COPIED_FOLDERS:
        copied = package / name
        copied.mkdir(parents=True, exist_ok=True)
        for entry in (installed / name).iterdir():
            relative = entry.relative_to(installed).as_posix()
            if entry.name == "__pycache__" or relative in COPIED_FOLDERS:
                continue
            if relative in BACKPACK_PARTS and not with_backpack:
                continue
            if relative in TABLES and not with_backpack:
                lines = entry.read_text(encoding="utf-8").splitlines(keepends=True)
                (copied / entry.name).write_text("".join(line for line in lines if "backpack" not in line.lower()))
            # Hummingbot takes the real path of this one file for its home, so that it must be no link.
            elif relative == "__init__.py":
                shutil.copy(entry, copied)
            else:
                (copied / entry.name).symlink_to(entry)


def mentions_of_backpack(package: Path) -> list[str]:
    """Return the files and folders of a package that name Backpack, in their names or in their source."""
    found = []
    for folder, _, files in package.walk(follow_symlinks=True):
        for path in (folder, *(folder / name for name in files)):
            is_named = "backpack" in path.relative_to(package).as_posix().lower()
            if is_named or (path.suffix in (".py", ".pyx", ".yml") and "backpack" in path.read_text("utf-8").lower()):
                found.append(path.relative_to(package).as_posix())
    return found


def site_packages(environment: Path) -> Path:
    return environment / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)


def make_environment(folder: Path) -> Path:
    """Make a virtual environment in which Hummingbot ships no Backpack connector; return its Python.

    The plugin is installed there as it is here, start-up file included.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    here, there = Path(sysconfig.get_path("purelib")), site_packages(folder)
    for entry in here.iterdir():
        if entry.name not in ("hummingbot", "__pycache__", "conf", "logs", "data", "scripts", "controllers"):
            (there / entry.name).symlink_to(entry)
    link_package(there / "hummingbot", with_backpack=False)
    return folder / "bin" / "python"


if __name__ == "__main__":
    make_environment(Path(sys.argv[1]).absolute())
