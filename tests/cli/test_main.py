"""The command `backpack`: what it prints, where, and with which exit code."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backpack_connector import __version__
from backpack_connector.cli.main import run

WITHOUT_HUMMINGBOT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "hummingbot" or name.startswith("hummingbot."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
"""


def run_program(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if name != "BACKPACK_CONNECTOR"}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"backpack {__version__}\n"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: ")
    assert "simulate" in shown
    assert "status" in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "No such command 'nothing'."),
        (["status", "--jsn"], "No such option: --jsn"),
        (["simulate", "--port", "65536"], "Invalid value for '--port': Input should be less than or equal to 65535."),
        (["simulate", "--seed", "x"], "Invalid value for '--seed': Input should be a valid integer, "),
    ],
)
def test_a_wrong_command_line_gives_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(sentence)
    assert printed.err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["templates", "list"], ["doctor", "--offline", "--format", "json"]]
)
def test_a_full_disk_is_one_sentence(arguments: list[str]) -> None:
    program = [sys.executable, "-m", "backpack_connector.cli.main", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "The output cannot be written: No space left on device.\n")


def test_an_output_that_nobody_reads_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-m", "backpack_connector.cli.main", "templates", "list"]
    done = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writer)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_traceback_would_not_show_local_variables() -> None:
    script = (
        "import sys; from backpack_connector.cli import main, templates\n"
        "def broken():\n    secret = 'the-' + 'secret'\n    raise RuntimeError(len(secret))\n"
        "templates.list_templates = broken\nmain.run(['templates', 'list'])"
    )
    done = run_program("-c", script, COLUMNS="200", TERM="xterm")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert "the-secret" not in done.stderr


def test_a_file_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from backpack_connector.cli import templates

    def broken() -> None:
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(templates, "list_templates", broken)
    assert run(["templates", "list"]) == 1
    assert capsys.readouterr().err == "/some/file cannot be used: Permission denied.\n"


def test_status_as_json_in_this_environment() -> None:
    result = run_program("-m", "backpack_connector.cli.main", "status", "--json")
    assert result.returncode == 0, result.stderr
    status = json.loads(result.stdout)
    assert status["version"] == __version__
    assert status["is_switched_on"]
    assert status["hummingbot_version"] == "20260922"
    assert Path(status["hummingbot_location"]).name == "hummingbot"
    spot, perpetual = status["connectors"]
    assert (spot["name"], spot["implementation"]) == ("backpack", "plugin")
    assert Path(spot["location"]).name == "backpack_connector"
    assert perpetual["name"] == "backpack_perpetual"


def test_status_when_switched_off() -> None:
    result = run_program("-m", "backpack_connector.cli.main", "status", BACKPACK_CONNECTOR="off")
    assert result.returncode == 0, result.stderr
    assert "backpack: Hummingbot's built-in, " in result.stdout
    assert result.stdout.endswith("\nSwitched off by BACKPACK_CONNECTOR=off.\n")


def test_status_without_the_start_up_file() -> None:
    # -S leaves out every .pth file; the folders are then put on the path by hand.
    folders = os.pathsep.join(path for path in sys.path if path)
    result = run_program("-S", "-m", "backpack_connector.cli.main", "status", PYTHONPATH=folders)
    assert result.returncode == 0, result.stderr
    assert "backpack: Hummingbot's built-in, " in result.stdout
    assert result.stdout.endswith("\nThe start-up file is not installed here: reinstall the package with pip.\n")


def test_status_with_an_unknown_switch_value() -> None:
    result = run_program("-m", "backpack_connector.cli.main", "status", BACKPACK_CONNECTOR="2")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == "BACKPACK_CONNECTOR must be on or off, not '2'.\n"


def test_status_without_hummingbot(tmp_path: Path) -> None:
    script = f"{WITHOUT_HUMMINGBOT}\nsys.meta_path.insert(0, Absent())\n" + (
        "import importlib.util\nreal = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'hummingbot' else real(name, *rest)\n"
        "from backpack_connector.cli.main import run\nsys.exit(run(['status']))"
    )
    result = run_program("-c", script)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("\nHummingbot is not installed in this environment.\n")


def test_status_with_a_hummingbot_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "hummingbot").mkdir()
    (tmp_path / "hummingbot" / "__init__.py").write_text("import a_missing_dependency\n")
    result = run_program("-m", "backpack_connector.cli.main", "status", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    expected = f"Hummingbot in {tmp_path / 'hummingbot'} cannot be imported: No module named 'a_missing_dependency'.\n"
    assert result.stderr == expected


def test_the_commands_load_without_hummingbot() -> None:
    modules = [
        "cli.main",
        "cli.status",
        "cli.simulate",
        "cli.guard",
        "cli.serve",
        "cli.group_export",
        "protocol.messages",
        "simulator",
        "demo.story",
    ]
    imports = "; ".join(f"import backpack_connector.{module}" for module in modules)
    result = run_program("-c", f"{WITHOUT_HUMMINGBOT}\nsys.meta_path.insert(0, Absent())\n{imports}")
    assert result.returncode == 0, result.stderr


def test_a_command_loads_only_itself() -> None:
    script = (
        "import sys; from backpack_connector.cli.main import run; run(['--version']);"
        "print(sorted(n for n in sys.modules if n.startswith('backpack_connector.') and n.count('.') == 1))"
    )
    loaded = run_program("-c", script).stdout.splitlines()[-1]
    assert loaded == "['backpack_connector.cli', 'backpack_connector.protocol', 'backpack_connector.startup']"


def test_simulate_prints_one_line_of_json_and_ends_when_interrupted() -> None:
    command = [sys.executable, "-m", "backpack_connector.cli.main", "simulate", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert ready["seed"] == 1
    assert ready["restUrl"].startswith("http://127.0.0.1:")
    assert process.returncode == 0
    assert errors == ""


def test_simulate_refuses_a_seed_key_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "--seed-key", "!"]) == 2
    assert capsys.readouterr().err == "The seed key is not base64 text.\n"


def test_the_defaults_of_simulate_are_the_simulators(monkeypatch: pytest.MonkeyPatch) -> None:
    from backpack_connector.cli import simulate
    from backpack_connector.simulator.__main__ import Options

    started: list[Options] = []
    monkeypatch.setattr(simulate, "run", lambda options: started.append(options) or 0)
    assert run(["simulate"]) == 0
    assert run(["simulate", "--no-background", "--no-taker-delay"]) == 0
    assert run(["simulate", "--faucet", "USDC=20", "--faucet", "SOL=1"]) == 0
    assert started == [
        Options(),
        Options(has_background=False, has_taker_delay=False),
        Options(faucet=("USDC=20", "SOL=1")),
    ]
