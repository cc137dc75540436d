"""Copy the templates into a Hummingbot folder, and never over a file that is there."""

import importlib.util
import shutil
from pathlib import Path

from backpack_connector.cli.session import UsageError
from backpack_connector.protocol.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parents[1]
# In an installed package, and in a checkout.
_PLACES = (_PACKAGE / "templates", _PACKAGE.parent / "conf_templates")
_FOLDERS = ("scripts", "controllers", "strategies")


def install_templates(folder: str | None) -> None:
    """Copy all templates, and print what was done with each.

    Raises:   a usage error when there is no such folder; ConfigurationError without Hummingbot or templates.
    """
    home = _hummingbot_folder() if folder is None else Path(folder)
    if not home.is_dir():
        raise UsageError(f"There is no folder {home}.")
    copied = kept = 0
    for source, relative in _templates():
        target = home / relative
        if target.exists():
            kept += 1
            same = target.read_bytes() == source.read_bytes()
            print(f"kept    {relative}" + ("" if same else ", which is not the template any more"))
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        copied += 1
        print(f"copied  {relative}")
    print(f"{copied} copied, {kept} kept in {home}. Read the comments at the top of a .yml file before you start it.")


def list_templates() -> None:
    """Print where each template goes in a Hummingbot folder."""
    for _, relative in _templates():
        print(relative)


def _templates() -> list[tuple[Path, Path]]:
    """Return each template, and its place in a Hummingbot folder: code in the folders of code, values below `conf`."""
    root = next((place for place in _PLACES if place.is_dir()), None)
    if root is None:
        raise ConfigurationError("There are no templates here; they are in the folder conf_templates of the source.")
    found = []
    for source in sorted(path for folder in _FOLDERS for path in (root / folder).rglob("*") if path.is_file()):
        relative = source.relative_to(root)
        if source.suffix == ".py":
            found.append((source, relative))
        elif source.suffix == ".yml":
            found.append((source, Path("conf") / relative))
    return found


def _hummingbot_folder() -> Path:
    spec = importlib.util.find_spec("hummingbot")
    if spec is None or spec.origin is None:
        raise ConfigurationError("Hummingbot is not installed in this Python, so name its folder.")
    return Path(spec.origin).parents[1]
