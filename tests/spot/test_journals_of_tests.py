"""What tests do is in journals of their own, so that neither a bot nor `backpack doctor` on this machine meets it."""

import os
from decimal import Decimal
from pathlib import Path

import hummingbot
import pytest
from hummingbot.core.data_type.common import OrderType

from tests.spot.session import PAIR, until, world

VARIABLE = "BACKPACK_JOURNAL"


@pytest.fixture(scope="module")
def folder_outside_of_tests() -> str:
    return os.environ[VARIABLE]


def test_what_runs_outside_of_a_test_has_a_folder_too(folder_outside_of_tests: str, tmp_path: Path) -> None:
    assert Path(folder_outside_of_tests).is_dir()
    assert not Path(folder_outside_of_tests).is_relative_to(hummingbot.data_path())
    assert Path(os.environ[VARIABLE]) == tmp_path / "order_journals"


async def test_a_world_keeps_its_journals_to_itself_where_no_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    async with world() as here:
        here.fill_book()
        connector = await here.started(PAIR)
        connector.sell(PAIR, Decimal(1), OrderType.LIMIT, Decimal(160))
        await until(lambda: connector._journal.open_orders)
        path = connector._journal.path
        assert path is not None
        assert path.exists()
        assert not path.is_relative_to(hummingbot.data_path())
    assert not path.parent.exists()
    assert VARIABLE not in os.environ
