"""Nothing is left running: groups, detached programs and stubborn ones, with real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backpack_connector.demo.processes import (
    ProgramError,
    Programs,
    collect,
    is_pid_alive,
    pids_in,
    shown,
    stop,
    stop_pid,
)

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(child.pid, flush=True); time.sleep(60)"
)
# Like `hbot start`: leaves a program behind in a session of its own.
DETACHING = (
    "import subprocess, sys;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True,"
    " stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
    "print(child.pid, flush=True)"
)


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    programs = Programs(tmp_path.resolve(), dict(os.environ))
    yield programs
    programs.stop_all()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def gone(pid: int, limit_s: float = 5.0) -> bool:
    deadline = time.monotonic() + limit_s
    while is_pid_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_pid_alive(pid)


def test_a_program_is_stopped_with_the_children_that_it_started(programs: Programs, tmp_path: Path) -> None:
    process = programs.start(python(PARENT), log=tmp_path / "log")
    child = int(first_line(process))
    assert is_pid_alive(child)
    programs.stop_all()
    assert gone(child)
    assert process.returncode == -signal.SIGTERM


def test_a_program_that_ignores_the_request_is_killed(programs: Programs, tmp_path: Path) -> None:
    process = programs.start(python(STUBBORN), log=tmp_path / "log")
    assert first_line(process) == "up"
    stop(process, grace_s=0.2)
    assert process.returncode == -signal.SIGKILL


def test_a_detached_program_is_found_by_its_folder(programs: Programs) -> None:
    result = programs.run(python(DETACHING), timeout_s=20)
    pid = int(result.stdout)
    assert pids_in(programs.folder) == [pid]
    programs.stop_all()
    assert gone(pid)
    assert pids_in(programs.folder) == []


def test_a_detached_program_that_ignores_the_request_is_killed(programs: Programs, tmp_path: Path) -> None:
    process = programs.start(python(STUBBORN), log=tmp_path / "log")
    first_line(process)
    stop_pid(process.pid, grace_s=0.2)
    assert process.wait(5) == -signal.SIGKILL


def test_programs_of_other_folders_are_left_alone(programs: Programs, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = Programs(elsewhere.resolve(), dict(os.environ))
    try:
        process = other.start(python(PARENT), log=tmp_path / "log")
        first_line(process)
        programs.stop_all()
        assert process.poll() is None
    finally:
        other.stop_all()


def test_a_command_that_takes_too_long_is_stopped_and_told(programs: Programs) -> None:
    with pytest.raises(ProgramError, match=r"python -c .* did not end within 0.5 s"):
        programs.run(python(PARENT), timeout_s=0.5)
    assert all(gone(pid) for pid in pids_in(programs.folder))


def test_a_command_gets_its_input_and_its_result_is_complete(programs: Programs) -> None:
    result = programs.run(python("import sys; print(input()); sys.exit(3)"), typed="hello\n", timeout_s=20)
    assert (result.stdout, result.returncode) == ("hello\n", 3)


def test_collecting_a_stranger_does_nothing(programs: Programs) -> None:
    collect(os.getppid())
    assert is_pid_alive(os.getppid())


def test_a_command_is_shown_without_the_path_of_python() -> None:
    assert shown([sys.executable, "-m", "hummingbot.cli.main", "stop"]) == "python -m hummingbot.cli.main stop"
