"""A bot that is killed loses nothing; the short form of `make kills`."""

import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kills.books import Books, Fill, Order, books_of_exchange, differences, missing, money_differences

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 240
SENTENCE = re.compile(r"(\d+) kills in .*? (\d+) orders and (\d+) fills were unknown")


def killed(kills: int, seed: int, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Make a run in a process of its own, which has no threads when it forks."""
    command = [sys.executable, "-m", "tests.kills", "--kills", str(kills), "--seed", str(seed)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S - 10,
        check=False,
    )


@pytest.mark.timeout(TIMEOUT_S)
def test_a_bot_that_is_killed_again_and_again_loses_no_order_and_no_fill(tmp_path: Path) -> None:
    """Seen failing with the journal switched off, which is the next test."""
    run = killed(8, 1, tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    found = SENTENCE.search(run.stdout)
    assert found is not None, run.stdout
    kills, orders, fills = map(int, found.groups())
    assert kills == 8
    assert orders > 0  # otherwise nothing was at stake
    assert fills > 0
    assert not list(tmp_path.iterdir())


@pytest.mark.timeout(TIMEOUT_S)
def test_without_the_journal_orders_are_lost(tmp_path: Path) -> None:
    """The breakage of the test before; the order that is lost is one whose answer the bot did not live to hear."""
    run = killed(12, 1, tmp_path, BACKPACK_JOURNAL="off")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "of the exchange is unknown" in run.stdout
    assert "again: python -m tests.kills --kills 12 --seed 1" in run.stdout


# The comparison itself


ROW = {"clientId": 7, "orderId": "70", "status": "Filled"}
FILL_ROW = {
    "clientId": 7, "tradeId": 700, "symbol": "SOL_USDC", "price": "149.0000004", "quantity": "1", "fee": "0.1",
    "feeSymbol": "USDC",
}  # fmt: skip
KEY = ("SOL_USDC", "700", "7")


def exchange(**changes: str) -> Books:
    return books_of_exchange({"orderHistory": [{**ROW, **changes}], "fills": [FILL_ROW]})


def books_of_bot() -> Books:
    return Books({"7": Order("70", "BuyOrderCompleted")}, {KEY: Fill(Decimal(149), Decimal(1), Decimal("0.1"), "USDC")})


def test_equal_books_have_no_differences() -> None:
    assert differences(exchange(), books_of_bot(), set()) == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("Filled", "BuyOrderCompleted"),
        ("Cancelled", "OrderCancelled"),
        ("Expired", "OrderCancelled"),
        ("New", "BuyOrderCreated"),
        ("PartiallyFilled", "OrderFilled"),
    ],
)
def test_each_state_has_its_last_event_and_no_other(status: str, said: str) -> None:
    books = books_of_bot()
    books.orders["7"] = Order("70", said)
    assert differences(exchange(status=status), books, set()) == []
    books.orders["7"] = Order("70", "OrderFailure")
    assert differences(exchange(status=status), books, set()) == [
        f"order 7 is {status} on the exchange, and OrderFailure here"
    ]


def test_every_difference_has_its_sentence() -> None:
    books = books_of_bot()
    books.orders["8"] = Order("80", "BuyOrderCreated")
    books.orders["7"] = Order("71", "BuyOrderCompleted")
    books.fills[KEY] = Fill(Decimal("149.01"), Decimal(1), Decimal("0.1"), "USDC")
    books.fills["SOL_USDC", "701", "7"] = books.fills[KEY]
    said = differences(exchange(), books, {"7", "9"})
    assert [sentence.split(",")[0] for sentence in said] == [
        "order 7 is 70 on the exchange",
        "order 8 is not on the exchange",
        "fill 700 of order 7 in SOL_USDC is Fill(price=Decimal('149.0000004')",
        "fill 701 of order 7 in SOL_USDC never happened",
        "order 7 was reported failed",
    ]
    assert missing(exchange(), Books()) == [
        "order 7 of the exchange is unknown",
        "fill 700 of order 7 in SOL_USDC is lost",
    ]
    twice = books_of_exchange({"orderHistory": [ROW, {**ROW, "orderId": "72"}], "fills": []})
    assert twice.oddities == ["order 7 was sent 2 times"]


def test_money_is_compared_too() -> None:
    account = {
        "balances": {"USDC": {"available": "5", "locked": "1"}},
        "positions": {"SOL_USDC_PERP": {"netQuantity": "-2"}},
    }
    assert money_differences(account, {"balances": {"USDC": "6.0"}, "positions": {"SOL-USDC": "-2.0"}}) == []
    assert len(money_differences(account, {"balances": {"USDC": "5"}, "positions": {}})) == 2
