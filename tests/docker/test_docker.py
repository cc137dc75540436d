"""The image and the compose file, as far as they can be tried without Docker: every command in them runs here."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sysconfig
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from backpack_connector.demo.home import make_home
from backpack_connector.demo.story import PASSWORD
from tests.end_to_end.place import Place, place_for, wait_for
from tests.pages import ROOT, code_blocks
from tests.programs import needed_program

pytestmark = pytest.mark.timeout(240)

DOCKERFILE = ROOT / "docker" / "Dockerfile"
PAGE = "docker/README.md"
COMPOSE_FILE = ROOT / "docker" / "compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
SIMULATOR, BOT = (COMPOSE["services"][name] for name in ("simulator", "bot"))
PROGRAMS = sysconfig.get_path("scripts")
HUMMINGBOT = "/home/hummingbot"


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with what follows them, comments left out."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def shell(command: str, programs: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a line as the Dockerfile's SHELL does, with the programs of one folder first."""
    (words,) = {rest for name, rest in instructions() if name == "SHELL"}
    return subprocess.run(
        [*yaml.safe_load(words), command],
        env={**os.environ, **environment, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of this checkout the builder gets to see."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"  # everything is left out but what follows
    folder = tmp_path_factory.mktemp("source")
    for name in (line[1:] for line in lines if line.startswith("!")):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def image(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment in which the Dockerfile's lines have run, without a network."""
    folder = tmp_path_factory.mktemp("image")
    build, install, _ = (rest for name, rest in instructions() if name == "RUN")
    # Without a network there is no environment to build in but this one, and no index to look for dependencies.
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": ""}
    result = shell(build.replace("/wheels", f"{folder}/wheels").replace("/source", str(source)), PROGRAMS, **offline)
    assert result.returncode == 0, result.stderr
    venv.create(folder / "python", with_pip=True)
    programs = folder / "python" / "bin"
    result = shell(install.replace("/wheels", f"{folder}/wheels"), str(programs), **offline)
    assert result.returncode == 0, result.stderr
    # Dependencies come from this environment; its own start-up files, and with them this checkout, are not read.
    (site,) = (folder / "python" / "lib").glob("python*/site-packages")
    (site / "zz_dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


def test_the_image_has_the_commands_and_the_templates_of_the_wheel(image: Path, tmp_path: Path) -> None:
    result = shell("backpack --help", str(image), PYTHONPATH="")
    assert result.returncode == 0, result.stderr
    assert "simulate" in result.stdout
    (tmp_path / "conf").mkdir()
    result = shell(f"backpack templates install {tmp_path}", str(image), PYTHONPATH="")
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "conf" / "scripts" / "backpack_market_maker_simulator.yml").exists()
    assert (tmp_path / "scripts" / "backpack_market_maker.py").exists()


@pytest.mark.parametrize(("switch", "is_built"), [("on", True), ("off", False)])
def test_the_build_ends_well_only_if_hummingbot_would_use_the_connectors(
    image: Path, tmp_path: Path, switch: str, is_built: bool
) -> None:
    pytest.importorskip("hummingbot")
    make_home(tmp_path)
    check = [rest for name, rest in instructions() if name == "RUN"][-1]
    told = dict(rest.split("=", 1) for name, rest in instructions() if name == "ENV")
    # Hummingbot is found where the image has it, and nowhere else.
    path = told["PYTHONPATH"].replace(HUMMINGBOT, str(tmp_path))
    result = shell(check, str(image), PYTHONPATH=path, BACKPACK_CONNECTOR=switch)
    assert (result.returncode == 0) is is_built, result.stdout + result.stderr
    assert f" in {tmp_path}/hummingbot\n" in result.stderr
    if is_built:
        assert f"backpack: this plugin, {image.parent}" in result.stdout


def test_the_builder_sees_neither_keys_nor_what_is_no_part_of_the_package(source: Path) -> None:
    assert not [path for path in source.rglob("*") if path.name in (".git", "tests", "bot", ".venv", "conf_client.yml")]
    assert {path.name for path in source.iterdir()} >= {"setup.py", "backpack_connector", "conf_templates"}


def test_the_image_is_hummingbots_and_can_be_another() -> None:
    froms = [rest for name, rest in instructions() if name == "FROM"]
    assert froms == ["${HUMMINGBOT_IMAGE} AS wheel", "${HUMMINGBOT_IMAGE}"]
    arguments = dict(rest.split("=", 1) for name, rest in instructions() if name == "ARG")
    assert arguments["HUMMINGBOT_IMAGE"] == "hummingbot/hummingbot:version-2.17.0"
    page = (ROOT / PAGE).read_text()
    assert all(f"--build-arg {name}=" in page for name in arguments)
    assert not [rest for name, rest in instructions() if name in ("USER", "CMD", "ENTRYPOINT")]  # Hummingbot's stay


def test_a_linter_finds_nothing() -> None:
    result = subprocess.run(
        [f"{PROGRAMS}/hadolint", str(DOCKERFILE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


def judged_by_the_specification(file: Path) -> tuple[int, str]:
    """Hold a compose file to the JSON schema of the Compose specification, which the program brings along."""
    sentence = "check-jsonschema is not installed: the extra dev in setup.py has it."
    program = needed_program(["check-jsonschema"], sentence, f":{PROGRAMS}")
    result = subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.returncode, result.stdout


def test_the_compose_file_is_as_the_specification_wants_it() -> None:
    assert judged_by_the_specification(COMPOSE_FILE) == (0, "ok -- validation done\n")


@pytest.mark.parametrize(
    ("key", "misspelt"),
    [
        ("\nservices:", "\nservice:"),
        ("\n    healthcheck:", "\n    healthchek:"),
        ("\n    network_mode:", "\n    network_modes:"),
        ("\n      start_period:", "\n      start_periode:"),
        ("\n        condition:", "\n        conditions:"),
        ("\n    stop_grace_period: 60s", "\n    stop_grace_period: 60"),
    ],
)
def test_a_misspelt_key_of_the_compose_file_is_found(key: str, misspelt: str, tmp_path: Path) -> None:
    text = COMPOSE_FILE.read_text()
    assert key in text
    (tmp_path / "compose.yml").write_text(text.replace(key, misspelt, 1))
    code, said = judged_by_the_specification(tmp_path / "compose.yml")
    assert (code, "Schema validation errors were encountered." in said) == (1, True)


def test_nothing_secret_is_written_down_and_nothing_is_open_to_the_outside() -> None:
    assert not [
        name for service in COMPOSE["services"].values() for name in service if name in ("ports", "environment")
    ]
    assert BOT["network_mode"] == "service:simulator"
    assert BOT["depends_on"]["simulator"]["condition"] == "service_healthy"
    assert BOT["secrets"] == list(COMPOSE["secrets"])
    (secret,) = COMPOSE["secrets"].values()
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/docker/bot/" in ignored
    assert secret["file"].startswith("./bot/")
    assert not [rest for name, rest in instructions() if re.search("password|secret|key", rest, re.IGNORECASE)]


def test_what_a_bot_writes_is_kept_outside_of_its_container() -> None:
    kept = {inside: outside for outside, inside in (row.split(":") for row in BOT["volumes"])}
    assert set(kept) == {f"{HUMMINGBOT}/{name}" for name in ("conf", "data", "logs", "scripts", "controllers")}
    assert all(outside.startswith("./bot/") for outside in kept.values())
    (row,) = SIMULATOR["volumes"]
    name, inside = row.split(":")
    assert name in COMPOSE["volumes"]
    assert SIMULATOR["command"][-2:] == ["--state", inside]


def free_port() -> int:
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return int(candidate.getsockname()[1])


def health(service: Mapping[str, Any], folder: Path, **environment: str) -> int:
    """Run a service's health check as Docker does, and return its exit code."""
    kind, *words = service["healthcheck"]["test"]
    command = {"CMD": words, "CMD-SHELL": ["/bin/sh", "-c", *words]}[kind]
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    command[0] = shutil.which(command[0], path=path) or command[0]
    told = {**os.environ, **environment, "PATH": path}
    return subprocess.run(command, cwd=folder, env=told, capture_output=True, timeout=60, check=False).returncode


def test_the_simulator_starts_is_healthy_and_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [
        {"8700": str(port), "/simulator": str(tmp_path / "state")}.get(word, word) for word in SIMULATOR["command"]
    ]
    words[0] = shutil.which(words[0], path=PROGRAMS) or words[0]
    assert health(SIMULATOR, tmp_path, BACKPACK_SIMULATOR_URL=url) != 0
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(lambda: health(SIMULATOR, tmp_path, BACKPACK_SIMULATOR_URL=url) == 0, 30, "healthy simulator")
        printed = (tmp_path / "log").read_text()
        assert re.search(r"[A-Za-z0-9+/]{43}=", printed), "the keys that the page tells the reader to look for"
        process.terminate()
        assert process.wait(10) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait(10)
    assert list((tmp_path / "state").iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    pytest.importorskip("hummingbot")
    (tmp_path / "home").mkdir()
    with place_for((tmp_path / "home").resolve()) as here:
        here.store_keys()
        yield here


def test_the_bot_trades_is_healthy_and_leaves_no_order_when_it_is_stopped(place: Place, tmp_path: Path) -> None:
    shell_program, option, line = BOT["command"]
    assert line.split()[-1] == "/run/secrets/hummingbot_password"
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    folder = place.home.folder
    told = {**place.programs.environment, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    for name in ("HBOT_PASSWORD", "BACKPACK_JOURNAL"):
        told.pop(name, None)
    assert health(BOT, folder) != 0
    with (folder / "logs" / "printed.log").open("w") as log:
        process = subprocess.Popen(
            [shell_program, option, line.replace("/run/secrets/hummingbot_password", str(tmp_path / "password"))],
            cwd=folder,
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(lambda: process.poll() is not None or place.journal().fills, 60, "fill")
        assert process.poll() is None, (folder / "logs" / "printed.log").read_text()[-2000:]
        wait_for(lambda: health(BOT, folder) == 0, 20, "healthy bot")
        process.terminate()  # as `docker compose stop` does, to the process that the container has started
        assert process.wait(int(BOT["stop_grace_period"].removesuffix("s"))) == 0
    finally:
        process.kill()
        process.wait(10)
    assert place.open_order_ids() == set()
    assert place.differences() == []
    for file in (folder / "data" / "backpack_journal").iterdir():
        os.utime(file, (file.stat().st_mtime - 120,) * 2)
    assert health(BOT, folder) != 0, "nothing was written for two minutes"


def test_the_lines_of_the_page_name_what_there_is(tmp_path: Path) -> None:
    lines = [line for block in code_blocks(PAGE, "bash") for line in block.splitlines()]
    own = [line for line in lines if not line.startswith("docker ")]
    (tmp_path / "docker").mkdir()
    subprocess.run(["bash", "-e", "-c", "\n".join(own)], cwd=tmp_path, check=True, timeout=30)
    secret = tmp_path / "docker" / COMPOSE["secrets"]["hummingbot_password"]["file"]
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    for outside, _ in (row.split(":") for row in BOT["volumes"]):
        assert (tmp_path / "docker" / outside).is_dir() or outside.endswith("/scripts")  # the templates make this one
    build, *others = [line.split() for line in lines if line.startswith("docker ")]
    assert build == ["docker", "build", "--file", "docker/Dockerfile", "--tag", "hummingbot-backpack", "."]
    assert BOT["image"] == SIMULATOR["image"] == build[-2]
    assert SIMULATOR["build"]["dockerfile"] == build[3]
    assert build[-2] in next(words for words in others if words[1] == "run")
    for words in others:
        if words[1] == "compose":
            rest = [word for word in words[3:] if not word.startswith("--")]
            assert not rest or rest[0] in COMPOSE["services"], words
