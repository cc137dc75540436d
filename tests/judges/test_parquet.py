"""Exports as Parquet, written with pyarrow where it is installed and read back by another program.

pyarrow is in the environment of the outside judges alone: beside Hummingbot it would change how pandas keeps text.
"""

import asyncio
import csv
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.simulator import Simulator, running_simulator
from tests.judges.test_outside import PYTHON, ROOT, run

BORROWED = "import sys; sys.path.append(sys.argv.pop(1)); from backpack_connector.cli.main import main; main()"
"""Runs a command with the packages of another environment behind those of its own."""


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(background=False) as running:
        yield running


async def export(simulator: Simulator, *arguments: str) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = PYTHON.parents[1] / "lib" / version / "site-packages"
    program = [sys.executable, "-c", BORROWED, str(packages), "export", *arguments, "--url", simulator.rest_url]
    assert await outcome_of(program) == (0, "")


async def outcome_of(program: list[str]) -> tuple[int, str]:
    """Run a program beside the simulator of this process; return its status and, if it failed, its complaint."""
    process = await asyncio.create_subprocess_exec(
        *program, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, complaint = await process.communicate()
    assert process.returncode is not None
    return process.returncode, complaint.decode() if process.returncode else ""


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def exact(text: Any) -> Decimal | None:
    return Decimal(text) if text else None


async def test_a_parquet_file_has_types_and_the_rows_of_csv(simulator: Simulator, tmp_path: Path) -> None:
    span = ("--start", "2026-01-01T00:00", "--end", "2026-01-01T00:10")
    for name in ("x.parquet", "x.csv"):
        await export(simulator, "klines", "SOL_USDC", "1m", str(tmp_path / name), *span)
    status, told, complaint = await run("parquet_rows.py", str(tmp_path / "x.parquet"))
    assert status == 0, complaint
    types = told["types"]
    assert (types["start"], types["close"], types["trades"]) == ("timestamp[ms, tz=UTC]", "decimal128(38, 18)", "int64")
    expected = rows_of(tmp_path / "x.csv")
    assert len(expected) >= 10
    assert [exact(row["close"]) for row in told["rows"]] == [exact(row["close"]) for row in expected]
    assert [row["start"].removesuffix("+00:00") for row in told["rows"]] == [row["start"] for row in expected]
