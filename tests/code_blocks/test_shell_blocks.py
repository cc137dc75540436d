"""Every bash block runs: a page from top to bottom, in one shell, as a user who follows it would type it."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from backpack_connector.demo.bots import PERPETUAL_BOT, SPOT_BOT
from backpack_connector.demo.home import FOLDERS
from backpack_connector.demo.processes import collect
from tests.code_blocks import shell
from tests.code_blocks.blocks import ROOT, Block, blocks
from tests.end_to_end.place import Place, place_for

LIMIT_S = 400
BASH = [block for block in blocks() if block.language == "bash"]
PROGRAMS = {
    "python": "",
    "backpack": "-m backpack_connector.cli.main",
    "backpack-mcp": "-m backpack_connector.mcp_server.main",
    "hbot": "-m hummingbot.cli.main",
    "until_said": "-m tests.code_blocks.until_said",
}


def story(page: str) -> list[Block]:
    return [block for block in BASH if block.page == page]


PAGES = [page for page in dict.fromkeys(block.page for block in BASH) if shell.script_of(story(page))[1]]


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Give a Hummingbot folder as it is before the page is opened: README's reader has just installed it."""
    with place_for(tmp_path) as place:
        for folder in FOLDERS:
            shutil.rmtree(tmp_path / folder)
            if request.node.callspec.params["page"] != "README.md":
                (tmp_path / folder).mkdir(parents=True)
        for bot in (SPOT_BOT, PERPETUAL_BOT):
            keys = dict(zip(bot.key_fields, (place.simulator.api_key, place.simulator.api_secret), strict=True))
            (tmp_path / f"keys.{bot.connector}.json").write_text(json.dumps(keys))
        (tmp_path / "keys.txt").write_text(f"{place.simulator.api_key}\n{place.simulator.api_secret}\n")
        programs = tmp_path / "programs"
        programs.mkdir()
        for name, words in PROGRAMS.items():
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
            (programs / name).chmod(0o755)
        environment = dict(place.programs.environment)
        for name in ("BACKPACK_API_KEY", "BACKPACK_SECRET_KEY", "BACKPACK_JOURNAL", "VIRTUAL_ENV", "CONDA_PREFIX"):
            environment.pop(name, None)
        environment |= {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config"), "PYTHONPATH": str(ROOT)}
        environment["PATH"] = f"{programs}:{environment['PATH']}"
        place.programs.environment = environment
        yield place


@pytest.mark.timeout(LIMIT_S + 60)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_from_top_to_bottom(place: Place, page: str) -> None:
    script, lines = shell.script_of(story(page))
    folder = place.home.folder
    (folder / "page.sh").write_text(f"{shell.BEFORE.get(page, '')}\n{script}")
    with collected_engines():
        done = place.programs.run(["bash", "page.sh"], timeout_s=LIMIT_S)
    printed = [said(folder / f"out.{number}") for number in range(len(lines))]
    told = [f"$ {line}\n{text}" for line, text in zip(lines, printed, strict=True) if text is not None]
    assert done.returncode == 0, f"{told[-1] if told else ''}\n{done.stderr}"
    for line, text in zip(lines, printed, strict=True):
        for pattern in shell.expected_of(line):
            assert re.search(pattern, text or ""), f"$ {line}\n{text}"


@contextmanager
def collected_engines() -> Iterator[None]:
    """Be the parent that engines need, whose own, `hbot start`, ends: until it is collected, an ended one is there."""
    ended, seen = threading.Event(), set[int]()

    def collect_new() -> None:
        while not ended.wait(0.2):
            for process in psutil.Process().children():
                if process.pid not in seen and is_engine(process):
                    seen.add(process.pid)
                    collect(process.pid)

    thread = threading.Thread(target=collect_new)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def is_engine(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any("hummingbot" in word for word in process.cmdline())
    return False


def said(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


# The tables


@pytest.mark.parametrize("line", shell.ELSEWHERE)
def test_what_is_run_elsewhere_is_on_a_page_and_in_a_test(line: str) -> None:
    assert line in {found for block in BASH for found in shell.lines_of(block.text)}
    path, text = shell.ELSEWHERE[line]
    assert text in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("row", shell.SUBSTITUTIONS, ids=lambda row: row.pattern)
def test_every_substitution_is_needed(row: shell.Substitution) -> None:
    lines = [line for block in BASH for line in shell.lines_of(block.text)]
    before = shell.SUBSTITUTIONS[: shell.SUBSTITUTIONS.index(row)]
    for earlier in before:
        lines = [re.sub(earlier.pattern, earlier.replacement, line) for line in lines]
    assert any(re.search(row.pattern, line) for line in lines)


@pytest.mark.parametrize("pattern", shell.EXPECTED)
def test_every_expectation_has_its_line(pattern: str) -> None:
    assert any(re.search(pattern, line) for block in BASH for line in shell.lines_of(block.text))


def test_a_line_that_fails_ends_the_page(tmp_path: Path) -> None:
    block = Block("page", 1, "bash", "true\nfalse  # no\necho never\n")
    script, lines = shell.script_of([block])
    assert lines == ["true", "false", "echo never"]
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert not (tmp_path / "out.2").exists()
