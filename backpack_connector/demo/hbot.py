"""Run Hummingbot's own command line, `hbot`, in the demo's home.

`hbot` stands for `python -m hummingbot.cli.main` here, because Hummingbot's wheel brings no `hbot` program.
"""

import json
from dataclasses import dataclass
from typing import Any

from backpack_connector.demo.bots import SPOT_BOT, Bot
from backpack_connector.demo.processes import ProgramError, Programs


@dataclass(frozen=True)
class Hbot:
    """The commands that the demo needs; each is one real process."""

    programs: Programs
    bot: Bot = SPOT_BOT

    def store_keys(self, api_key: str, api_secret: str) -> None:
        """`hbot connect <connector>`, with the keys on standard input as Hummingbot wants them."""
        keys = dict(zip(self.bot.key_fields, (api_key, api_secret), strict=True))
        self._run("connect", self.bot.connector, "--keys-stdin", typed=json.dumps(keys))

    def confirm_keys(self) -> None:
        """`hbot connect`, which asks the exchange; raise with Hummingbot's answer when the keys are refused."""
        connector = self.bot.connector
        printed = self._run("connect")
        row = next((line for line in printed.splitlines() if f"| {connector} " in line), "")
        # The columns are: connector, keys_added, keys_confirmed, error.
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        if cells[:3] != [connector, "yes", "yes"]:
            raise ProgramError(f"Hummingbot did not confirm the keys: {' '.join(cells) or printed.strip()}")

    def start(self, configuration: str | None = None) -> int:
        """`hbot start`, which returns when the strategy runs; answer the engine's process id."""
        words = ("start", configuration or self.bot.configuration, "--json")
        return int(json.loads(self._run(*words, timeout_s=150))["pid"])

    def status(self) -> dict[str, Any]:
        """`hbot status --json`."""
        answer: dict[str, Any] = json.loads(self._run("status", "--json"))
        return answer

    def stop(self) -> None:
        """`hbot stop`, which returns when the engine has cancelled its orders and ended."""
        self._run("stop", "--json", timeout_s=60)

    def _run(self, *words: str, typed: str = "", timeout_s: float = 60) -> str:
        command = [self.programs.python, "-m", "hummingbot.cli.main", *words]
        result = self.programs.run(command, typed=typed, timeout_s=timeout_s)
        if result.returncode != 0:
            said = (result.stderr.strip() or result.stdout.strip()).splitlines()
            told = "\n".join(said[-12:])
            raise ProgramError(f"`hbot {words[0]}` ended with code {result.returncode}:\n{told}")
        return result.stdout
