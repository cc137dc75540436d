"""What the tests of the order journal share: records of orders, a journal without a connector, and its death."""

import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backpack_connector.order_journal import (
    Identity,
    Journal,
    OrderRecord,
    fingerprint,
    read_journals,
)
from backpack_connector.order_journal_writer import OrderJournal

KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
IDENTITY = Identity(fingerprint(KEY), "backpack", "one")

Start = Callable[..., OrderJournal]


def record(number: int, symbol: str = "SOL_USDC", **changes: Any) -> OrderRecord:
    fields = {
        "client_order_id": str(number),
        "symbol": symbol,
        "trading_pair": "SOL-USDC",
        "trade_type": "BUY",
        "order_type": "LIMIT",
        "quantity": Decimal("1.50"),
        "created_s": 1_700_000_000.25,
        "price": Decimal("149.01"),
    }
    return OrderRecord(**{**fields, **changes})


def die(journal: OrderJournal) -> None:
    """Do to a journal what the kernel does when its process is killed: close the file, and nothing else."""
    journal._let_go()


def only(folder: Path) -> Journal:
    (journal,) = read_journals(folder)
    return journal


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [row.getMessage() for row in caplog.records if row.levelno >= logging.WARNING]


def journals_in(folder: Path) -> Start:
    """Return what makes journals there; they need no connector."""

    def start(identity: Identity = IDENTITY) -> OrderJournal:
        return OrderJournal(lambda: folder, lambda: identity)

    return start
