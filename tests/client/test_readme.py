"""The example of README runs as it is printed there."""

import re
from pathlib import Path

import pytest

from backpack_connector.simulator import Simulator

README = Path(__file__).resolve().parents[2] / "README.md"


async def test_the_example_of_the_readme_runs(
    simulator: Simulator, key_pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    section = README.read_text(encoding="utf-8").partition("## The exchange from Python")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    names: dict[str, object] = {}
    exec(compile(code[1], "README.md", "exec"), names)
    await names["main"](*key_pair, simulator.rest_url)  # type: ignore[operator]
    placed, listed = capsys.readouterr().out.splitlines()
    assert placed.endswith(" New")
    assert listed.endswith(" Bid 1.5 Cancelled")
