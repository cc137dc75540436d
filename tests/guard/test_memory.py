"""What the guard leaves for the one after it, and what it does with garbage."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from backpack_connector.guard.loss_limit import LossLimit, TransferSum
from backpack_connector.guard.memory import Memory, Remembered
from backpack_connector.protocol.errors import ConfigurationError


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    memory = Memory(tmp_path, "account")
    assert memory.load() is None
    memory.save(LossLimit(Decimal(1)), TransferSum())
    assert memory.load() is None, "there is nothing to be remembered before the first value"
    limit = LossLimit(Decimal(1), Decimal("1000.50"), is_reached=True)
    memory.save(limit, TransferSum(Decimal(-3), {"w1", "d2"}))
    assert memory.load() == Remembered(Decimal("1000.5"), True, Decimal(-3), frozenset({"w1", "d2"}))
    memory.forget()
    memory.forget()
    assert memory.load() is None


def test_one_guard_an_account_and_folder(tmp_path: Path) -> None:
    first, second = Memory(tmp_path, "account"), Memory(tmp_path, "account")
    first.open()
    first.touch()
    with pytest.raises(ConfigurationError, match="Another guard"):
        second.open()
    Memory(tmp_path, "other").open()
    first.close()
    second.open()
    second.close()


def test_folder_that_cannot_be_written_is_noticed(tmp_path: Path) -> None:
    memory = Memory(tmp_path, "account")
    memory.open()
    next(tmp_path.glob("*.lock")).unlink()
    with pytest.raises(FileNotFoundError):
        memory.touch()
    memory.close()


GOOD = {"baseline": "1", "isReached": False, "transferred": "0", "knownTransfers": []}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", *(json.dumps({**GOOD, name: None}) for name in GOOD)]
    + [json.dumps({**GOOD, "baseline": bad}) for bad in ("NaN", "x", 1.5, [])]
    + [json.dumps({**GOOD, "isReached": "no"}), json.dumps({"baseline": "1"})],
)
def test_bad_input_memory_is_one_sentence_and_not_forgotten(text: str, tmp_path: Path) -> None:
    path = tmp_path / "guard-account.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="is damaged") as caught:
        Memory(tmp_path, "account").load()
    assert str(path) in str(caught.value)
    assert path.read_text() == text
