"""The tools as agents see them: names, schemas and annotations, as written down in `snapshots`."""

import json
from typing import Any

import jsonschema
import pytest

from backpack_connector.mcp_server.tools import GROUPS, TOOLS, USUAL_GROUPS
from backpack_connector.protocol.endpoints import Effect, endpoint
from tests.mcp_server import snapshots

NOW = snapshots.snapshots()
# How many of them users of this exchange have elsewhere, by group.
LEAST = {
    "auth": 3,
    "market": 12,
    "system": 4,
    "account": 6,
    "order": 7,
    "position": 3,
    "capital": 4,
    "funding": 2,
    "borrow": 6,
}


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_looks_as_written_down(name: str) -> None:
    path = snapshots.FOLDER / f"{name}.json"
    assert path.read_text(encoding="utf-8") == NOW[name], "run `python -m tests.mcp_server.snapshots`"


def test_there_is_no_snapshot_without_a_tool() -> None:
    assert {path.stem for path in snapshots.FOLDER.iterdir()} == set(TOOLS)


def test_there_are_at_least_the_tools_that_users_have_elsewhere() -> None:
    usual = [tool for tool in TOOLS.values() if tool.group in USUAL_GROUPS]
    assert len(usual) >= 46
    for group, least in LEAST.items():
        assert sum(tool.group == group for tool in usual) >= least, group


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_a_tool_says_what_it_does_and_takes(tool: Any) -> None:
    looks = json.loads(NOW[tool.name])
    schema, hints = looks["inputSchema"], looks["annotations"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert looks["description"].endswith(".")
    assert schema["additionalProperties"] is False
    assert tool.group in GROUPS
    inner = schema["properties"]["orders"]["items"] if tool.name == "order_batch" else schema
    assert all(row.get("description") for row in inner["properties"].values())
    if tool.operation_id is None:
        return
    effect = endpoint(tool.operation_id).effect
    assert hints["readOnlyHint"] is (effect is Effect.READS)
    assert hints["destructiveHint"] is (effect in (Effect.TRADES, Effect.MOVES_FUNDS))
    if tool.name in ("order_create", "order_batch", "capital_withdraw", "borrow_execute"):
        assert hints["idempotentHint"] is False


def test_amounts_are_text_and_times_say_their_unit() -> None:
    order = json.loads(NOW["order_create"])["inputSchema"]["properties"]
    assert order["price"]["type"] == "string"
    assert "quote units" in order["price"]["description"]
    klines = json.loads(NOW["market_klines"])["inputSchema"]["properties"]
    assert "seconds" in klines["start_time_s"]["description"]


def test_nobody_is_asked_for_a_secret() -> None:
    names = {name for text in NOW.values() for name in json.loads(text)["inputSchema"]["properties"]}
    assert not [name for name in names if "secret" in name or "key" in name or "factor" in name]
