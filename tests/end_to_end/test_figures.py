"""Where the figures come from: journal, trades database, and the totals made of them."""

import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from backpack_connector.demo.figures import Balance, Books, Fill, Journal, Snapshot, read_trades_database
from backpack_connector.demo.screen import View, live_view, log_line, profit

FILL = {
    "kind": "fill",
    "time": 1700000000.5,
    "trade_id": "11",
    "order_id": "4711",
    "exchange_order_id": "901",
    "trading_pair": "SOL-USDC",
    "side": "BUY",
    "price": "142.310000000000001",
    "amount": "0.5",
    "fees": [{"token": "SOL", "amount": "0.0004"}, {"token": "SOL", "amount": "0.0001"}],
    "fee_percent": "0",
}
SNAPSHOT = {
    "kind": "snapshot",
    "time": 1700000001,
    "trading_pair": "SOL-USDC",
    "best_bid": "142.3",
    "best_ask": "142.5",
    "orders": [
        {"order_id": "1", "side": "BUY", "price": "142.2", "amount": "0.5", "filled": "0.1"},
        {"order_id": "2", "side": "SELL", "price": "142.6", "amount": "0.5", "filled": "0"},
    ],
    "balances": {
        "SOL": {"total": "100", "available": "99.5"},
        "USDC": {"total": "10000.000000000000000001", "available": "9900"},
    },
}


def write(path: Path, *entries: dict[str, object]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)


def test_a_journal_keeps_every_digit(tmp_path: Path) -> None:
    write(tmp_path / "j", SNAPSHOT, FILL)
    journal = Journal(tmp_path / "j")
    journal.read()
    (fill,) = journal.fills
    assert fill.price == Decimal("142.310000000000001")
    assert fill.fees == {"SOL": Decimal("0.0005")}
    assert journal.books().balances["USDC"].total == Decimal("10000.000000000000000001")
    assert journal.books().open_orders == 2
    assert not journal.stopped


def test_a_journal_is_followed_while_it_grows(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.read()
    assert journal.books() == Books()
    write(tmp_path / "j", SNAPSHOT)
    journal.read()
    half = json.dumps(FILL)
    with (tmp_path / "j").open("a") as file:
        file.write(half[:40])
    journal.read()
    assert journal.fills == []
    with (tmp_path / "j").open("a") as file:
        file.write(half[40:] + "\n")
    write(tmp_path / "j", {**SNAPSHOT, "kind": "stop", "orders": []})
    journal.read()
    journal.read()
    assert len(journal.fills) == 1
    assert journal.stopped
    assert journal.books().open_orders == 0


def test_half_a_line_of_a_killed_bot_loses_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "j").write_text('{"kind": "fi\n')
    write(tmp_path / "j", FILL)
    journal = Journal(tmp_path / "j")
    journal.read()
    assert len(journal.fills) == 1


def test_a_missing_price_is_none(tmp_path: Path) -> None:
    write(tmp_path / "j", {**SNAPSHOT, "best_bid": "NaN"})
    journal = Journal(tmp_path / "j")
    journal.read()
    assert journal.latest is not None
    assert journal.latest.best_bid is None
    assert journal.latest.mid_price is None


def test_the_trades_database_is_read_as_hummingbot_writes_it(tmp_path: Path) -> None:
    fee = {"fee_type": "DeductedFromReturns", "percent": "0", "percent_token": None, "flat_fees": FILL["fees"]}
    with closing(sqlite3.connect(tmp_path / "trades.sqlite")) as connection:
        connection.execute(
            'CREATE TABLE "TradeFill" (exchange_trade_id TEXT, trade_type TEXT, price BIGINT, amount BIGINT,'
            " trade_fee JSON, timestamp BIGINT)"
        )
        row = ("11", "BUY", 142310000, 500000, json.dumps(fee), 1)
        connection.execute('INSERT INTO "TradeFill" VALUES (?, ?, ?, ?, ?, ?)', row)
        connection.commit()
    (fill,) = read_trades_database(tmp_path / "trades.sqlite")
    assert (fill.trade_id, fill.side) == ("11", "BUY")
    assert (fill.price, fill.amount) == (Decimal("142.31"), Decimal("0.5"))
    assert fill.fees == {"SOL": Decimal("0.0005")}


def snapshot(bid: str, ask: str, sol: str, usdc: str) -> Snapshot:
    held = {"SOL": Balance(Decimal(sol), Decimal(sol)), "USDC": Balance(Decimal(usdc), Decimal(usdc))}
    return Snapshot(0.0, "SOL-USDC", Decimal(bid), Decimal(ask), (), held)


@pytest.mark.parametrize(
    ("latest", "gain"),
    [
        (snapshot("99", "101", "10", "1000"), "0"),
        (snapshot("199", "201", "10", "1000"), "0"),  # the market moved, nothing was traded
        (snapshot("99", "101", "11", "899"), "-1"),
        (snapshot("109", "111", "11", "899"), "9"),
    ],
)
def test_profit_is_against_holding_the_start_balances(latest: Snapshot, gain: str) -> None:
    assert profit(snapshot("99", "101", "10", "1000"), latest) == Decimal(gain)


def test_totals_are_per_asset_and_side() -> None:
    buy = Fill("1", "1", "BUY", Decimal(10), Decimal("0.1"), {"SOL": Decimal("0.001")})
    sell = Fill("2", "2", "SELL", Decimal(11), Decimal("0.2"), {"USDC": Decimal("0.002")})
    totals = Books([buy, sell, sell])
    assert totals.fees() == {"SOL": Decimal("0.001"), "USDC": Decimal("0.004")}
    assert totals.traded() == (Decimal("0.1"), Decimal("0.4"))


def test_the_view_says_that_it_waits_before_the_first_snapshot() -> None:
    view = View(None, None, [], 1.0, 60.0)
    assert "waiting" in log_line(view)
    assert "waiting" in str(live_view(view, 30).renderable)  # type: ignore[attr-defined]
