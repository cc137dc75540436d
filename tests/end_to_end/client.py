"""Hummingbot's interactive client in a place of its own, and what a person does at its terminal.

The program is the one that Hummingbot's package installs, `hummingbot_quickstart.py`. It was made for a checkout of the
sources: it imports three modules that the package does not bring. They get stand-ins here, with no more than what it
asks for, beside it in `bin/`, as in a checkout. All that a user sees and types at is Hummingbot's.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.alone import keep_alone
from tests.end_to_end.place import Place
from tests.end_to_end.terminal import COLUMNS, Terminal

PROGRAM = "hummingbot_quickstart.py"
STAND_INS = {
    # Puts the checkout's folder before everything else that Python searches.
    "path_util.py": "import sys\nfrom pathlib import Path\n\nsys.path.insert(0, str(Path(__file__).parents[1]))\n",
    # The listener starts the strategy that was named on the command line; no test names one.
    "hummingbot.py": (
        "from hummingbot.core.event.event_listener import EventListener\n\n\n"
        "class UIStartListener(EventListener):\n"
        "    def __init__(self, *words, **names):\n        super().__init__()\n\n"
        "    def __call__(self, event):\n        pass\n\n\n"
        "detect_available_port = None\n"
    ),
    # The debug console, which is off.
    "ptpython/repl.py": "embed = None\n",
}
NEW_PASSWORD = "first password of this client"
ESCAPE, TAB, ENTER = "\x1b", "\t", "\r"


class Client:
    """The client's terminal: on the left what is typed and answered, on the right logs or a tab."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def see_left(self, what: str, limit_s: float = 60) -> str:
        """Wait until the left side shows a text (a regular expression), and return this side."""
        return left_of(
            self.terminal.wait_for(lambda screen: re.search(what, left_of(screen)) is not None, limit_s, what)
        )

    def see_right(self, what: str, limit_s: float = 60) -> str:
        """Wait until the right side shows a text (a regular expression), and return what matched."""
        screen = self.terminal.wait_for(lambda text: re.search(what, right_of(text)) is not None, limit_s, what)
        found = re.search(what, right_of(screen))
        assert found is not None
        return found[0]

    def type(self, text: str) -> None:
        """Type a word, see it, and press Enter."""
        self.terminal.type(text)
        self.see_left(rf">>>\s+{re.escape(text)}")
        self.terminal.type(ENTER)

    def ask(self, command: str, answer: str, limit_s: float = 60) -> str:
        """Type a command and return what stands below it once the answer (a regular expression) is there."""
        self.type(command)
        screen = self.see_left(
            rf"(?s)>>>  {re.escape(command)} *\n(?!.*>>>  {re.escape(command)} *\n).*{answer}", limit_s
        )
        return screen.rpartition(f">>>  {command}")[2].rpartition(">>>")[0]

    def type_secret(self, field: str, text: str) -> None:
        """Type into a field that must show stars only."""
        self.see_left(rf"{field} >>> *\n")
        self.terminal.type(text)
        self.see_left(rf"{field} >>> +{re.escape('*' * len(text))} *\n")
        self.terminal.type(ENTER)

    def connect(self, connector: str, api_key: str, api_secret: str) -> str:
        """Give a connector its keys, and return the sentence that the client says to them."""
        self.type(f"connect {connector}")
        self.type_secret("Enter your Backpack simulator API key", api_key)
        self.type_secret("Enter your Backpack simulator API secret", api_secret)
        below = rf"(?s)>>>  connect {connector} *\n(?!.*>>>  connect).*API secret >>> \*+ *\n(.*\S.*)\n *>>> *\n"
        found = re.search(below, self.see_left(below))
        assert found is not None
        return " ".join(found[1].split())

    def choose_password(self) -> None:
        """Walk through the dialogues of a first start."""
        for text in ("Welcome to Hummingbot", "PLEASE READ THIS CAREFULLY", "SET A SECURE PASSWORD"):
            self.terminal.see(text)
            self.terminal.type(ENTER)
        for text in ("Enter your new password", "re-enter your password"):
            self._enter_password(text)

    def _enter_password(self, text: str) -> None:
        self.terminal.see(text)
        self.terminal.type(NEW_PASSWORD)
        self.terminal.see(re.escape("*" * len(NEW_PASSWORD)))
        self.terminal.type(TAB + ENTER)

    def log_in(self) -> None:
        """Give the password that was chosen."""
        self._enter_password("Enter your password")


def left_of(screen: str) -> str:
    return "\n".join(line[: COLUMNS // 2 - 3] for line in screen.splitlines())


def right_of(screen: str) -> str:
    return "\n".join(line[COLUMNS // 2 : COLUMNS - 3] for line in screen.splitlines())


def lay_out_programs(folder: Path) -> None:
    """Fill a checkout's `bin/`."""
    programs = folder / "bin"
    programs.mkdir()
    shutil.copy(Path(sys.prefix) / "bin" / PROGRAM, programs)
    for name, text in STAND_INS.items():
        (programs / name).parent.mkdir(exist_ok=True)
        (programs / name).write_text(text)


def prepare(place: Place) -> list[str]:
    """Make a place ready for the client, and return how it is started there."""
    lay_out_programs(place.home.folder)
    keep_alone(place)
    return [sys.executable, f"bin/{PROGRAM}"]


@contextmanager
def started(place: Place, command: list[str]) -> Iterator[Client]:
    """Start the client; at the end it does not run."""
    terminal = Terminal(command, place.home.folder, place.programs.environment)
    try:
        yield Client(terminal)
    finally:
        terminal.close()
