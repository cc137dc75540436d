"""Run Hummingbot's own command line, `hbot`, in the demo's home.

`hbot` stands for `python -m hummingbot.cli.main` here, because Hummingbot's wheel brings no `hbot` program.
"""

import json
import sys
from dataclasses import dataclass
from typing import Any

from backpack_connector.demo.processes import ProgramError, Programs

CONNECTOR = "backpack_simulator"


@dataclass(frozen=True)
class Hbot:
    """The commands that the demo needs; each is one real process."""

    programs: Programs

    def store_keys(self, api_key: str, api_secret: str) -> None:
        """`hbot connect backpack_simulator`, with the keys on standard input as Hummingbot wants them."""
        keys = {f"{CONNECTOR}_api_key": api_key, f"{CONNECTOR}_api_secret": api_secret}
        self._run("connect", CONNECTOR, "--keys-stdin", typed=json.dumps(keys))

    def confirm_keys(self) -> None:
        """`hbot connect`, which asks the exchange; raise with Hummingbot's answer when the keys are refused."""
        printed = self._run("connect")
        row = next((line for line in printed.splitlines() if f"| {CONNECTOR} " in line), "")
        # The columns are: connector, keys_added, keys_confirmed, error.
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        if cells[:3] != [CONNECTOR, "yes", "yes"]:
            raise ProgramError(f"Hummingbot did not confirm the keys: {' '.join(cells) or printed.strip()}")

    def start(self, configuration: str) -> int:
        """`hbot start`, which returns when the strategy runs; answer the engine's process id."""
        return int(json.loads(self._run("start", configuration, "--json", timeout_s=150))["pid"])

    def status(self) -> dict[str, Any]:
        """`hbot status --json`."""
        answer: dict[str, Any] = json.loads(self._run("status", "--json"))
        return answer

    def stop(self) -> None:
        """`hbot stop`, which returns when the engine has cancelled its orders and ended."""
        self._run("stop", "--json", timeout_s=60)

    def _run(self, *words: str, typed: str = "", timeout_s: float = 60) -> str:
        command = [sys.executable, "-m", "hummingbot.cli.main", *words]
        result = self.programs.run(command, typed=typed, timeout_s=timeout_s)
        if result.returncode != 0:
            said = (result.stderr.strip() or result.stdout.strip()).splitlines()
            told = "\n".join(said[-12:])
            raise ProgramError(f"`hbot {words[0]}` ended with code {result.returncode}:\n{told}")
        return result.stdout
