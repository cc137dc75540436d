"""Start programs, and leave none of them running.

Each program gets a session of its own, so that Ctrl-C in the terminal reaches the demo only, which then stops its
programs in order. The bot's engine is no child of the demo: `hbot start` starts it and ends. It is found by what nobody
else has, the demo's temporary folder as its working directory, and stopped by its process id.

In many containers the first process never collects orphans that ended. `hbot stop` would then wait in vain, because an
ended engine keeps its process id. So the demo asks Linux to become the parent of its orphans, and collects the engine.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

POLL_S = 0.05
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class ProgramError(Exception):
    """A program that the demo needs ended with an error, or took too long."""


@dataclass
class Programs:
    """The demo's programs: `run` waits for one, `start` leaves it running until `stop_all`."""

    folder: Path
    environment: Mapping[str, str]
    python: str = sys.executable
    """The interpreter of the environment that Hummingbot, the plugin and the simulator are run from."""
    _started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, command: Sequence[str], *, log: Path) -> subprocess.Popen[str]:
        """Start a program whose standard output is read by the caller; errors go to a log file."""
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def run(self, command: Sequence[str], *, typed: str = "", timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, `typed` being its standard input, and return what it printed."""
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        try:
            output, errors = process.communicate(typed, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ProgramError(f"{shown(command)} did not end within {timeout_s:g} s.") from error
        finally:
            # Ctrl-C arrives here too: the program must not outlive the question that it was started for.
            stop(process)
            self._started.remove(process)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def stop_all(self) -> None:
        """Stop every program: what was started last goes first, and the engines before the simulator they talk to."""
        self._stop_orphans()
        for process in reversed(self._started):
            stop(process)
        self._started.clear()
        # What was starting just now: `hbot start` may have been interrupted while it started the engine.
        self._stop_orphans()

    def _stop_orphans(self) -> None:
        for pid in pids_in(self.folder, but_not={process.pid for process in self._started}):
            stop_pid(pid)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def adopt_orphans() -> None:
    """Become the parent of programs whose own parent ends; without effect where the system has no such thing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def collect(pid: int) -> None:
    """Wait in the background for an adopted program, so that its process id is free when it ends."""

    def wait() -> None:
        with contextlib.suppress(ChildProcessError):  # somebody else is its parent and does this
            os.waitpid(pid, 0)

    threading.Thread(target=wait, daemon=True).start()


def shown(command: Sequence[str]) -> str:
    """Write a command as a user would type it, without the path of the Python interpreter."""
    words = ["python" if index == 0 else word for index, word in enumerate(command)]
    return " ".join(words)


def stop(process: subprocess.Popen[str], *, grace_s: float = 5.0) -> None:
    """Ask the program's whole group to end, and kill the group when it has not ended in time."""
    for signal_number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        # Only while the leader is not reaped, because its id can belong to somebody else afterwards.
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def stop_pid(pid: int, *, grace_s: float = 8.0) -> None:
    """Ask a process to end; the engine cancels its orders then. Kill it when it has not ended in time."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for ask in (process.terminate, process.kill):
            ask()
            deadline = time.monotonic() + grace_s
            while is_alive(process) and time.monotonic() < deadline:
                time.sleep(POLL_S)
            if not is_alive(process):
                return


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process still runs; one that ended but was not collected by its parent does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_pid_alive(pid: int) -> bool:
    """Tell the same of a process id."""
    try:
        return is_alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def pids_in(folder: Path, *, but_not: set[int] | None = None) -> list[int]:
    """List the processes whose working directory is the folder."""
    skipped = {os.getpid(), *(but_not or ())}
    found = []
    for process in psutil.process_iter():
        # Other users' processes cannot be asked, and are not ours.
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in skipped and is_alive(process) and Path(process.cwd()) == folder:
                found.append(process.pid)
    return found
