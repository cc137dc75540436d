"""Make a fresh Hummingbot home: a temporary folder in which a pip-installed Hummingbot keeps everything it writes.

Hummingbot has no setting for its home. It takes the folder above its own package, which for a pip installation is
site-packages. So the home gets a package folder `hummingbot/` of its own: `__init__.py`, from whose place Hummingbot
derives its home, is a copy, and everything else links to the installed package. Python started in the home finds this
folder first; it is the layout of a source checkout, and no line of Hummingbot is changed.

The client configuration keeps the bot on this machine. Telemetry, error reports and MQTT are off. Hummingbot's rate
oracle cannot be switched off; it asks the simulator, as the rate source `backpack_simulator` does.
"""

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from backpack_connector.demo.bots import SPOT_BOT, Bot

CLIENT_CONFIGURATION = """\
instance_id: backpack-demo
send_error_logs: false
anonymized_metrics_mode: anonymized_metrics_disabled
mqtt_bridge:
  mqtt_autostart: false
rate_oracle_source:
  name: backpack_simulator
global_token:
  global_token_name: USDC
  global_token_symbol: $
"""

FOLDERS = ("conf/connectors", "conf/strategies", "conf/scripts", "conf/controllers", "data", "logs", "scripts")


class HomeError(Exception):
    """Something that the home is made of is not installed."""


@dataclass(frozen=True)
class Home:
    """Where the files of this run are."""

    folder: Path
    bot_name: str

    @property
    def journal(self) -> Path:
        """The file that the script writes, as its configuration names it."""
        return self.folder / "data" / f"{self.bot_name}.jsonl"

    @property
    def trades_database(self) -> Path:
        """Hummingbot's own record of the bot's fills."""
        return self.folder / "data" / f"{self.bot_name}.sqlite"

    @property
    def bot_log(self) -> Path:
        """Hummingbot's log of the bot."""
        return self.folder / "logs" / f"logs_{self.bot_name}.log"


def make_home(folder: Path, bot: Bot = SPOT_BOT, package: Path | None = None) -> Home:
    """Fill an empty folder with a Hummingbot home that has our scripts and their simulator configurations.

    The package is Hummingbot's; without one it is the one that this Python has.
    """
    templates = find_templates()
    _link_package(folder / "hummingbot", package or _installed_package())
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "conf" / "conf_client.yml").write_text(CLIENT_CONFIGURATION, encoding="utf-8")
    for script in templates.glob("scripts/*.py"):
        shutil.copy(script, folder / "scripts")
    for configuration in templates.glob("scripts/*.yml"):
        shutil.copy(configuration, folder / "conf" / "scripts")
    return Home(folder, bot.name)


def find_templates() -> Path:
    """Find `conf_templates/`, which lies beside the package in a checkout."""
    templates = Path(__file__).resolve().parents[2] / "conf_templates"
    if not (templates / "scripts" / SPOT_BOT.configuration).exists():
        raise HomeError("The demo needs the folder conf_templates/, so run it from a checkout of the project.")
    return templates


def _installed_package() -> Path:
    spec = find_spec("hummingbot")
    if spec is None or spec.origin is None:
        raise HomeError("Hummingbot is not installed in this Python; `make demo` installs it.")
    return Path(spec.origin).parent


def _link_package(package: Path, installed: Path) -> None:
    package.mkdir(parents=True)
    for entry in installed.iterdir():
        if entry.name == "__init__.py":
            shutil.copy(entry, package)
        elif entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
