"""The examples of docs/python.md run as they are printed there."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.client.rest import BackpackClient
from backpack_connector.simulator import Simulator
from tests.simulator.faults_support import until

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def examples() -> dict[str, Any]:
    """Return the functions of the examples, compiled as they stand there."""
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(code, PAGE.name, "exec"), names)
    return names


async def test_the_examples_of_streams_run(client: BackpackClient, capsys: pytest.CaptureFixture[str]) -> None:
    names, shown = examples(), []

    def has(text: str) -> bool:
        shown.append(capsys.readouterr().out)
        return text in "".join(shown)

    listening = [asyncio.ensure_future(names[name](client)) for name in ("listen", "watch")]
    await until(lambda: has("[] []"))
    await client.execute_order("SOL_USDC", "Bid", "Limit", quantity="1.5", price="100", post_only=True)
    await until(lambda: has("account.orderUpdate OrderUpdate(") and has("[(Decimal('100"))
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)


async def test_the_first_example_runs(
    simulator: Simulator, key_pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    await examples()["main"](*key_pair, simulator.rest_url)
    placed, listed = capsys.readouterr().out.splitlines()
    assert placed.endswith(" New")
    assert listed.endswith(" Bid 1.5 Cancelled")
