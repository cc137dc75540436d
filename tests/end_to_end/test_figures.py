"""Where the figures come from: journal, trades database, the simulator's truth, and the totals made of them."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from backpack_connector.demo.exchange import read_truth
from backpack_connector.demo.figures import Balance, Books, Fill, FundingPayment, Futures, Latency, Position
from backpack_connector.demo.processes import ProgramError
from backpack_connector.demo.records import Journal, read_trades_database
from backpack_connector.protocol.enums import MarketType

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


def test_a_journal_tells_latencies_or_none(tmp_path: Path) -> None:
    row = {"what": "order: call -> sent", "count": 3, "p50_s": 0.001, "p90_s": 0.002, "p99_s": 0.003, "max_s": 0.004}
    write(tmp_path / "j", {**SNAPSHOT, "latency": [row]})
    journal = Journal(tmp_path / "j")
    journal.read()
    assert journal.latest is not None
    assert journal.latest.latencies == (Latency("order: call -> sent", 3, 0.001, 0.003),)
    write(tmp_path / "j", SNAPSHOT)
    journal.read()
    assert journal.latest.latencies == ()


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


FUTURES_SNAPSHOT = {
    **SNAPSHOT,
    "balances": {"USDC": {"total": "10001.5", "available": "9900.25"}},
    "leverage": 5,
    "mark_price": "142.4",
    "funding_rate": "0.0000125",
    "funding_due_seconds": 75.5,
    "position": {
        "amount": "-2.5",
        "entry_price": "143.123456789",
        "unrealized_pnl": "1.8",
        "liquidation_price": "512.01",
    },
}
PAYMENT = {"kind": "funding", "time": 1, "payment_time": 1795240800.003, "amount": "0.0044", "rate": "0.0000125"}


def test_a_journal_of_a_perpetual_bot_has_position_margin_and_funding(tmp_path: Path) -> None:
    write(tmp_path / "j", FUTURES_SNAPSHOT, PAYMENT)
    journal = Journal(tmp_path / "j")
    journal.read()
    books = journal.books()
    assert books.positions == {"SOL-USDC": Position(Decimal("-2.5"), Decimal("143.123456789"))}
    assert books.funding == [FundingPayment(1795240800.0, Decimal("0.0044"), Decimal("0.0000125"))]
    assert books.funding_sum() == Decimal("0.0044")
    assert books.balances == {"USDC": Balance(Decimal("10001.5"), Decimal("9900.25"))}
    assert journal.latest is not None
    assert journal.latest.futures == FUTURES
    assert FUTURES.unrealized == Decimal("1.8086419725")


FUTURES = Futures(
    leverage=5,
    mark_price=Decimal("142.4"),
    funding_rate=Decimal("0.0000125"),
    funding_due_s=75.5,
    position=Position(Decimal("-2.5"), Decimal("143.123456789")),
    liquidation_price=Decimal("512.01"),
)


def test_a_flat_account_has_no_position(tmp_path: Path) -> None:
    write(tmp_path / "j", {**FUTURES_SNAPSHOT, "position": None, "mark_price": "NaN"})
    journal = Journal(tmp_path / "j")
    journal.read()
    assert journal.books().positions == {}
    assert journal.latest is not None
    assert journal.latest.futures is not None
    assert journal.latest.futures.unrealized == 0


def test_a_liquidation_price_that_is_not_known_is_none(tmp_path: Path) -> None:
    row = {"amount": "1", "entry_price": "2", "unrealized_pnl": "0", "liquidation_price": None}
    write(tmp_path / "j", {**FUTURES_SNAPSHOT, "position": row})
    journal = Journal(tmp_path / "j")
    journal.read()
    assert journal.latest is not None
    assert journal.latest.futures is not None
    assert journal.latest.futures.liquidation_price is None


def test_a_market_order_that_is_on_its_way_has_no_price(tmp_path: Path) -> None:
    order = {"order_id": "3", "side": "SELL", "price": "NaN", "amount": "0.5", "filled": "0"}
    write(tmp_path / "j", {**SNAPSHOT, "orders": [order, *SNAPSHOT["orders"]]})  # type: ignore[misc]
    journal = Journal(tmp_path / "j")
    journal.read()
    assert journal.latest is not None
    assert [row.price for row in journal.latest.orders] == [Decimal("142.6"), Decimal("142.2"), None]


def test_a_missing_price_is_none(tmp_path: Path) -> None:
    write(tmp_path / "j", {**SNAPSHOT, "best_bid": "NaN"})
    journal = Journal(tmp_path / "j")
    journal.read()
    assert journal.latest is not None
    assert journal.latest.best_bid is None
    assert journal.latest.mid_price is None


# As Hummingbot 20260922 makes its tables, without the columns that are not read.
TABLES = """
CREATE TABLE "TradeFill" (market TEXT, exchange_trade_id TEXT, trade_type TEXT, price BIGINT, amount BIGINT,
    trade_fee JSON, timestamp BIGINT);
CREATE TABLE "FundingPayment" (market TEXT, timestamp BIGINT, amount FLOAT, rate FLOAT);
"""


def record(connection: sqlite3.Connection, market: str, trade_id: str) -> None:
    fee = {"fee_type": "DeductedFromReturns", "percent": "0", "percent_token": None, "flat_fees": FILL["fees"]}
    row = (market, trade_id, "BUY", 142310000, 500000, json.dumps(fee), 1)
    connection.execute('INSERT INTO "TradeFill" VALUES (?, ?, ?, ?, ?, ?, ?)', row)


def test_the_trades_database_is_read_as_hummingbot_writes_it(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "trades.sqlite")) as connection:
        connection.executescript(TABLES)
        record(connection, "spot", "11")
        record(connection, "perpetual", "12")
        connection.execute("INSERT INTO FundingPayment VALUES ('perpetual', 1795240800, -0.012345, 1.25e-05)")
        connection.commit()
    (fill,) = read_trades_database(tmp_path / "trades.sqlite", "spot").fills
    assert (fill.trade_id, fill.side) == ("11", "BUY")
    assert (fill.price, fill.amount) == (Decimal("142.31"), Decimal("0.5"))
    assert fill.fees == {"SOL": Decimal("0.0005")}
    (payment,) = read_trades_database(tmp_path / "trades.sqlite", "perpetual").funding
    assert payment == FundingPayment(1795240800.0, Decimal("-0.012345"), Decimal("0.0000125"))
    everything = read_trades_database(tmp_path / "trades.sqlite")
    assert [fill.trade_id for fill in everything.fills] == ["11", "12"]


# Ends like a bot under `kill -9`: the disk has a part of the transaction, and what is needed to undo it.
KILLED_WRITER = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.executemany("INSERT INTO FundingPayment VALUES ('perpetual', ?, 1, 1)", ((n,) for n in range(20000)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_transaction_that_a_killed_bot_has_cut_off_is_undone(tmp_path: Path) -> None:
    path = tmp_path / "trades.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
        record(connection, "perpetual", "11")
        connection.commit()
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path)], check=False, timeout=30)
    assert Path(f"{path}-journal").exists()
    recorded = read_trades_database(path)
    assert [fill.trade_id for fill in recorded.fills] == ["11"]
    assert recorded.funding == []


def test_totals_are_per_asset_and_side() -> None:
    buy = Fill("1", "1", "BUY", Decimal(10), Decimal("0.1"), {"SOL": Decimal("0.001")})
    sell = Fill("2", "2", "SELL", Decimal(11), Decimal("0.2"), {"USDC": Decimal("0.002")})
    totals = Books([buy, sell, sell])
    assert totals.fees() == {"SOL": Decimal("0.001"), "USDC": Decimal("0.004")}
    assert totals.traded() == (Decimal("0.1"), Decimal("0.4"))


TRUTH = {
    "accounts": {
        "key": {
            "balances": {"USDC": {"available": "900", "locked": "99"}, "SOL": {"available": "1", "locked": "0"}},
            "fills": [
                {
                    "symbol": symbol,
                    "tradeId": trade_id,
                    "orderId": "7",
                    "side": "Bid",
                    "price": "150",
                    "quantity": "2",
                    "fee": "0.06",
                    "feeSymbol": "USDC",
                }
                for symbol, trade_id in (("SOL_USDC", 1), ("SOL_USDC_PERP", 2))
            ],
            "fundingPayments": [
                {
                    "symbol": "SOL_USDC_PERP",
                    "intervalEndUs": 1795240800000000,
                    "quantity": "0.0044",
                    "fundingRate": "0.0000125",
                }
            ],
            "margin": {"netEquity": "1001.5", "netEquityAvailable": "950.25"},
            "openOrders": [{"symbol": "SOL_USDC_PERP"}, {"symbol": "SOL_USDC"}, {"symbol": "BTC_USDC_PERP"}],
            "positions": {"SOL_USDC_PERP": {"netQuantity": "-2.5", "entryPrice": "143.1"}},
        }
    }
}


def test_the_truth_of_one_account_is_read_for_each_kind_of_market() -> None:
    spot = read_truth(TRUTH, "key", MarketType.SPOT)
    assert [fill.trade_id for fill in spot.fills] == ["1"]
    assert spot.open_orders == 1
    assert spot.balances["USDC"] == Balance(Decimal(999), Decimal(900))
    assert (spot.positions, spot.funding) == ({}, [])
    perpetual = read_truth(TRUTH, "key", MarketType.PERP)
    assert [fill.trade_id for fill in perpetual.fills] == ["2"]
    assert perpetual.open_orders == 2
    assert perpetual.balances == {"USDC": Balance(Decimal("1001.5"), Decimal("950.25"))}
    assert perpetual.positions == {"SOL-USDC": Position(Decimal("-2.5"), Decimal("143.1"))}
    assert perpetual.funding == [FundingPayment(1795240800.0, Decimal("0.0044"), Decimal("0.0000125"))]


def test_an_account_that_the_simulator_does_not_know_is_told() -> None:
    with pytest.raises(ProgramError, match="does not know the bot's account"):
        read_truth(TRUTH, "other", MarketType.SPOT)
