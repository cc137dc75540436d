"""The figures of one account, and how to read them from the bot's journal, its trades database and the simulator.

The bot's side comes from the bot alone:

* the *journal* that the market-making script writes: every `OrderFilledEvent` that Hummingbot raised, and the
  connector's balances and open orders after the last cancel was confirmed. Amounts are decimal text, nothing rounded.
* the *trades database*, Hummingbot's own record. It stores prices and amounts as integers of a millionth, cut off, and
  fees as exact text. It is read as a second witness, to the digits it has.

`hbot status --json` is not used for this: it turns balances into binary floats.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

DATABASE_DIGITS = 6


@dataclass(frozen=True)
class Fill:
    """One execution of one of the bot's orders.

    `fees` maps asset to amount, positive = paid. `estimated_fee` is the fraction that Hummingbot had to assume when the
    exchange did not tell the fee; an exchange never has one.
    """

    trade_id: str
    order_id: str
    side: str
    price: Decimal
    amount: Decimal
    fees: Mapping[str, Decimal]
    estimated_fee: Decimal = Decimal(0)
    time: float = 0.0


@dataclass(frozen=True)
class OpenOrder:
    """A resting order as the bot or the exchange sees it."""

    side: str
    price: Decimal
    amount: Decimal
    filled: Decimal


@dataclass(frozen=True)
class Balance:
    """Total includes what orders hold; available does not."""

    total: Decimal
    available: Decimal


@dataclass(frozen=True)
class Snapshot:
    """What the connector knew at one moment; prices are None while a side of the book is empty."""

    time: float
    trading_pair: str
    best_bid: Decimal | None
    best_ask: Decimal | None
    orders: tuple[OpenOrder, ...]
    balances: Mapping[str, Balance]

    @property
    def mid_price(self) -> Decimal | None:
        """The middle between the best bid and the best ask."""
        if self.best_bid is None or self.best_ask is None:
            return None
        return (self.best_bid + self.best_ask) / 2


@dataclass
class Books:
    """All figures of one side, as the comparison wants them."""

    fills: list[Fill] = field(default_factory=list)
    balances: Mapping[str, Balance] = field(default_factory=dict)
    open_orders: int = 0

    def fees(self) -> dict[str, Decimal]:
        """Sum the fees by asset; positive = paid."""
        sums: dict[str, Decimal] = {}
        for fill in self.fills:
            for asset, amount in fill.fees.items():
                sums[asset] = sums.get(asset, Decimal(0)) + amount
        return sums

    def traded(self) -> tuple[Decimal, Decimal]:
        """Sum what was bought and what was sold, in the base asset."""
        bought = sum((fill.amount for fill in self.fills if fill.side == "BUY"), Decimal(0))
        sold = sum((fill.amount for fill in self.fills if fill.side == "SELL"), Decimal(0))
        return bought, sold


class Journal:
    """Follow the bot's journal while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.fills: list[Fill] = []
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
        self.latest = _journal_snapshot(entry)
        self.first = self.first or self.latest
        self.stopped = entry["kind"] == "stop"

    def books(self) -> Books:
        """Answer the bot's books; the balances are final once `stopped` is true."""
        if self.latest is None:
            return Books(list(self.fills))
        return Books(list(self.fills), self.latest.balances, len(self.latest.orders))


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
        OpenOrder(row["side"], Decimal(row["price"]), Decimal(row["amount"]), Decimal(row["filled"]))
        for row in entry["orders"]
    )
    return Snapshot(
        time=float(entry["time"]),
        trading_pair=entry["trading_pair"],
        best_bid=_finite(entry["best_bid"]),
        best_ask=_finite(entry["best_ask"]),
        orders=tuple(sorted(orders, key=lambda order: order.price, reverse=True)),
        balances={
            asset: Balance(Decimal(row["total"]), Decimal(row["available"])) for asset, row in entry["balances"].items()
        },
    )


def read_trades_database(path: Path) -> list[Fill]:
    """Read Hummingbot's own record of the fills.

    Units: prices and amounts are cut to `DATABASE_DIGITS` digits after the point by Hummingbot; fees are exact.
    """
    query = 'SELECT exchange_trade_id, trade_type, price, amount, trade_fee FROM "TradeFill" ORDER BY timestamp'
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute(query).fetchall()
    return [_database_fill(*row) for row in rows]


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
    number = Decimal(str(text))
    return number if number.is_finite() else None
