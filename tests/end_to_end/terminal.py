"""A program on a pseudo-terminal, and what its user sees: the characters of the screen after all that it has written.

Full-screen programs write only what changes, so that a text on the screen is seldom in their output in one piece.
"""

import re
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pexpect

ROWS, COLUMNS = 120, 320
# Control sequence (ECMA-48, 5.4), operating system command up to its end, other escapes, one character.
PIECES = re.compile(
    r"\x1b\[([?>=]?)([0-9;]*)([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-Za-z]|\x1b[^\[\]()]|([^\x1b])"
)
UNFINISHED = re.compile(r"\x1b(?:\[[?>=]?[0-9;]*|\][^\x07\x1b]*|[()])?\Z")


class Screen:
    """The cells of a terminal; colours and modes are read and forgotten."""

    def __init__(self, rows: int, columns: int) -> None:
        self._rows, self._columns = rows, columns
        self._cells = [[" "] * columns for _ in range(rows)]
        self._row = self._column = 0
        self._rest = ""

    def write(self, text: str) -> None:
        """Show what the program wrote; a sequence that is cut off waits for its end."""
        text = self._rest + text
        unfinished = UNFINISHED.search(text)
        self._rest = text[unfinished.start() :] if unfinished else ""
        for piece in PIECES.finditer(text[: len(text) - len(self._rest)]):
            private, numbers, final, character = piece.groups()
            if character is not None:
                self._put(character)
            elif final is not None:
                self._control(private, [int(number or 0) for number in numbers.split(";")], final)

    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self._cells)

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._go(self._row + 1, self._column)
        elif character == "\b":
            self._go(self._row, self._column - 1)
        elif character >= " ":
            wide = unicodedata.east_asian_width(character) in "WF"
            self._cells[self._row][self._column] = character
            self._go(self._row, self._column + 1 + wide)

    def _go(self, row: int, column: int) -> None:
        self._row = min(max(row, 0), self._rows - 1)
        self._column = min(max(column, 0), self._columns - 1)

    def _control(self, private: str, numbers: Sequence[int], final: str) -> None:
        count = numbers[0] or 1
        if private or final in "mhlr":
            # Modes and colours. The program clears the alternate screen itself when it begins.
            return
        if final in "ABCD":
            down, right = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}[final]
            self._go(self._row + down * count, self._column + right * count)
        elif final in "Hf":
            self._go(count - 1, (numbers[1] or 1) - 1 if len(numbers) > 1 else 0)
        elif final == "G":
            self._go(self._row, count - 1)
        elif final in "JK":
            self._erase(final, numbers[0])
        else:
            raise AssertionError(f"unknown control sequence {numbers} {final}")

    def _erase(self, final: str, which: int) -> None:
        position = self._row * self._columns + self._column
        first, last = (0, self._rows * self._columns)
        if final == "K":
            first, last = self._row * self._columns, (self._row + 1) * self._columns
        start, end = {0: (position, last), 1: (first, position + 1), 2: (first, last)}[which]
        for cell in range(start, end):
            self._cells[cell // self._columns][cell % self._columns] = " "


class Terminal:
    """One program with a person in front of it."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.written = ""
        """Everything that the program ever wrote, as it was."""
        self._screen = Screen(ROWS, COLUMNS)
        self._process: Any = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(folder),
            env={**environment, "TERM": "xterm", "LANG": "C.UTF-8"},
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            echo=False,
        )
        self._process.ptyproc.delayafterterminate = 2.0  # for each of the signals with which it ends a program

    def type(self, text: str) -> None:
        """Press keys."""
        self._process.send(text)

    def see(self, what: str, limit_s: float = 60) -> str:
        """Wait until the screen shows a text (a regular expression), and return the whole screen."""
        return self.wait_for(lambda screen: re.search(what, screen) is not None, limit_s, repr(what))

    def wait_for(self, condition: Callable[[str], bool], limit_s: float, what: str) -> str:
        """Wait until the screen is as it should be."""
        deadline = time.monotonic() + limit_s
        while not condition(screen := self.screen()):
            assert time.monotonic() < deadline, f"no {what} within {limit_s:g} s on this screen:\n{screen}"
            assert self._process.isalive(), f"the program ended before {what}, with this screen:\n{screen}"
        return screen

    def screen(self) -> str:
        """Read what has been written meanwhile, for a fifth of a second at most, and return the screen."""
        try:
            text = self._process.read_nonblocking(1 << 16, timeout=0.2)
        except (pexpect.TIMEOUT, pexpect.EOF):
            text = ""
        self.written += text
        self._screen.write(text)
        return self._screen.text()

    def wait_for_end(self, limit_s: float = 60) -> int:
        """Wait until the program has ended by itself, and return its exit code."""
        deadline = time.monotonic() + limit_s
        while self._process.isalive():
            assert time.monotonic() < deadline, f"still running after {limit_s:g} s, with this screen:\n{self.screen()}"
            self.screen()
        self._process.close()
        return int(self._process.exitstatus)

    def close(self) -> None:
        """End the program if it still runs."""
        self._process.close(force=True)
