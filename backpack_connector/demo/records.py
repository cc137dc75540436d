"""Read what the bot itself records about its account: the journal of its script, and Hummingbot's trades database.

* the *journal* that the market-making script writes: every fill and funding payment that Hummingbot raised an event
  for, and the connector's balances, position and open orders after the last order was done. Amounts are decimal text,
  nothing rounded.
* the *trades database*, Hummingbot's own record. It stores prices and amounts as integers of a millionth, cut off, fees
  as exact text, and funding payments as binary floats. It is read as a second witness, to the digits it has.

`hbot status --json` is not used for this: it turns balances into binary floats.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from backpack_connector.demo.figures import (
    Balance,
    Books,
    Fill,
    FundingPayment,
    Futures,
    Latency,
    OpenOrder,
    Position,
    Snapshot,
)

DATABASE_DIGITS = 6


class Journal:
    """Follow the bot's journal while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.fills: list[Fill] = []
        self.funding: list[FundingPayment] = []
        self.first: Snapshot | None = None
        self.latest: Snapshot | None = None
        self.stopped = False

    def read(self) -> None:
        """Take in the lines written since the last call; a half-written last line waits for the next one."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            written = file.read()
        whole = written[: written.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            # A killed bot can leave half a line. A fill that is lost with it shows up as missing in the comparison.
            with suppress(ValueError):
                self._take(json.loads(line))

    def _take(self, entry: Mapping[str, Any]) -> None:
        if entry["kind"] == "fill":
            self.fills.append(_journal_fill(entry))
            return
        if entry["kind"] == "funding":
            self.funding.append(_payment(entry["payment_time"], entry["amount"], entry["rate"]))
            return
        self.latest = _journal_snapshot(entry)
        self.first = self.first or self.latest
        self.stopped = entry["kind"] == "stop"

    def books(self) -> Books:
        """Answer the bot's books; the balances are final once `stopped` is true."""
        books = Books(list(self.fills), funding=list(self.funding))
        if self.latest is not None:
            books.balances = self.latest.balances
            books.open_orders = len(self.latest.orders)
            futures = self.latest.futures
            if futures is not None and futures.position is not None:
                books.positions = {self.latest.trading_pair: futures.position}
        return books


def _journal_fill(entry: Mapping[str, Any]) -> Fill:
    return Fill(
        trade_id=str(entry["trade_id"]),
        order_id=str(entry["exchange_order_id"]),
        side=entry["side"],
        price=Decimal(entry["price"]),
        amount=Decimal(entry["amount"]),
        fees=_fee_sums((fee["token"], fee["amount"]) for fee in entry["fees"]),
        estimated_fee=Decimal(entry["fee_percent"]),
        time=float(entry["time"]),
    )


def _journal_snapshot(entry: Mapping[str, Any]) -> Snapshot:
    orders = (
        OpenOrder(row["side"], _finite(row["price"]), Decimal(row["amount"]), Decimal(row["filled"]))
        for row in entry["orders"]
    )
    return Snapshot(
        time=float(entry["time"]),
        trading_pair=entry["trading_pair"],
        best_bid=_finite(entry["best_bid"]),
        best_ask=_finite(entry["best_ask"]),
        orders=tuple(sorted(orders, key=lambda order: order.price or 0, reverse=True)),
        balances={
            asset: Balance(Decimal(row["total"]), Decimal(row["available"])) for asset, row in entry["balances"].items()
        },
        futures=_journal_futures(entry) if "position" in entry else None,
        latencies=tuple(
            Latency(row["what"], int(row["count"]), float(row["p50_s"]), float(row["p99_s"]))
            for row in entry.get("latency", ())
        ),
    )


def _journal_futures(entry: Mapping[str, Any]) -> Futures:
    row = entry["position"]
    return Futures(
        leverage=int(entry["leverage"]),
        mark_price=_finite(entry["mark_price"]),
        funding_rate=_finite(entry["funding_rate"]),
        funding_due_s=float(entry["funding_due_seconds"]),
        position=None if row is None else Position(Decimal(row["amount"]), Decimal(row["entry_price"])),
        liquidation_price=None if row is None else _finite(row["liquidation_price"]),
    )


def _payment(time: Any, amount: Any, rate: Any) -> FundingPayment:
    # The connector adds milliseconds to an hour's payments, because Hummingbot's database keeps one for each time.
    # A float of the database says the same as the text from which it was made, up to its fifteenth digit.
    return FundingPayment(float(round(float(time))), Decimal(str(amount)), Decimal(str(rate)))


def read_trades_database(path: Path, connector: str | None = None) -> Books:
    """Read Hummingbot's own record of fills and funding, of one connector or of all; it has no balances.

    Units: prices and amounts are cut to `DATABASE_DIGITS` digits after the point by Hummingbot; fees are exact.
    """
    # Opened for writing, although nothing is written here: a bot that was killed while it wrote leaves a transaction
    # that SQLite has to undo first, and a connection for reading only may not do that.
    fills = 'SELECT exchange_trade_id, trade_type, price, amount, trade_fee FROM "TradeFill"'
    payments = 'SELECT timestamp, amount, rate FROM "FundingPayment"'
    condition = "WHERE market = :market OR :market IS NULL ORDER BY timestamp"
    with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as connection:
        return Books(
            fills=[_database_fill(*row) for row in connection.execute(f"{fills} {condition}", {"market": connector})],
            funding=[_payment(*row) for row in connection.execute(f"{payments} {condition}", {"market": connector})],
        )


def _database_fill(trade_id: Any, side: str, price: int, amount: int, fee_text: str) -> Fill:
    fee = json.loads(fee_text)
    return Fill(
        trade_id=str(trade_id),
        order_id="",  # the client's id is stored here, the exchange's is not
        side=side,
        price=Decimal(price).scaleb(-DATABASE_DIGITS),
        amount=Decimal(amount).scaleb(-DATABASE_DIGITS),
        fees=_fee_sums((row["token"], row["amount"]) for row in fee["flat_fees"]),
        estimated_fee=Decimal(fee["percent"]),
    )


def _fee_sums(rows: Iterable[tuple[str, Any]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for asset, amount in rows:
        sums[asset] = sums.get(asset, Decimal(0)) + Decimal(amount)
    return sums


def _finite(text: Any) -> Decimal | None:
    number = Decimal("NaN" if text is None else str(text))
    return number if number.is_finite() else None
