"""Run a command with its output on a terminal, as a person sees it."""

import os
import pty
import subprocess
import sys
from dataclasses import dataclass

from tests.cli.conftest import environment


@dataclass(frozen=True)
class Screen:
    """What a command has left: its exit code, what the terminal got, and what the other output got."""

    code: int
    text: str
    other: str

    @property
    def lines(self) -> list[str]:
        """Return the lines without what colours them."""
        return "".join(piece.partition("m")[2] for piece in f"\x1b[m{self.text}".split("\x1b[")).splitlines()


def on_a_terminal(*arguments: str, is_error_shown: bool = False, **variables: str) -> Screen:
    """Run `backpack` with its output, or its errors, on a terminal, and the other of the two into a pipe."""
    ours, theirs = pty.openpty()
    outputs = {"stdout": subprocess.PIPE, "stderr": theirs} if is_error_shown else {"stdout": theirs}
    process = subprocess.Popen(
        [sys.executable, "-m", "backpack_connector.cli.main", *arguments],
        **({"stderr": subprocess.PIPE} | outputs),
        env=environment(**({"TERM": "xterm", "LINES": "40"} | variables)),
    )
    os.close(theirs)
    screen = b""
    while part := _read(ours):
        screen += part
    output, errors = process.communicate(timeout=60)
    os.close(ours)
    return Screen(process.returncode, screen.decode(errors="replace"), (output or errors or b"").decode())


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the other end is closed
        return b""
