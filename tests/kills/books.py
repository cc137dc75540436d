"""Compare what Hummingbot's database says with what the exchange says, and name every difference in one sentence."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

_COMPLETED = ("BuyOrderCompleted", "SellOrderCompleted")
_OPEN = ("BuyOrderCreated", "SellOrderCreated", "OrderFilled")
_LAST_STATUS = {
    "New": _OPEN,
    "PartiallyFilled": _OPEN,
    "Filled": _COMPLETED,
    "Cancelled": ("OrderCancelled",),
    "Expired": ("OrderCancelled",),
}
FillKey = tuple[str, str, str]
"""Market, trade id, client order id."""
_ROUNDING = Decimal("0.000001")
"""Hummingbot's database keeps six decimals of prices and quantities."""


@dataclass(frozen=True)
class Order:
    """An order as one side knows it."""

    exchange_id: str
    status: str


@dataclass(frozen=True)
class Fill:
    """A fill as one side knows it."""

    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_token: str

    def differs(self, other: "Fill") -> bool:
        """Tell whether two reports of one fill disagree by more than the database rounds."""
        return (
            abs(self.price - other.price) > _ROUNDING
            or abs(self.quantity - other.quantity) > _ROUNDING
            or (self.fee, self.fee_token) != (other.fee, other.fee_token)
        )


@dataclass
class Books:
    """Orders by client id, fills by what identifies them; and what cannot be said in such a form."""

    orders: dict[str, Order] = field(default_factory=dict)
    fills: dict[FillKey, Fill] = field(default_factory=dict)
    oddities: list[str] = field(default_factory=list)

    @property
    def open_orders(self) -> set[str]:
        """Return the client ids of the orders that rest on the exchange."""
        return {order_id for order_id, order in self.orders.items() if order.status in ("New", "PartiallyFilled")}


def books_of_exchange(account: Mapping[str, Any]) -> Books:
    """Read the simulator's truth about one account."""
    books = Books()
    counts = Counter(str(row["clientId"]) for row in account["orderHistory"])
    books.oddities += [f"order {order_id} was sent {count} times" for order_id, count in counts.items() if count > 1]
    for row in account["orderHistory"]:
        books.orders[str(row["clientId"])] = Order(row["orderId"], row["status"])
    for row in account["fills"]:
        books.fills[row["symbol"], str(row["tradeId"]), str(row["clientId"])] = Fill(
            Decimal(row["price"]), Decimal(row["quantity"]), Decimal(row["fee"]), row["feeSymbol"]
        )
    return books


def books_of_database(path: Path) -> Books:
    """Read Hummingbot's trades database, which another process may be writing, or have left in the middle of it."""
    books = Books()
    with closing(sqlite3.connect(path, timeout=10)) as database:
        if database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'TradeFill'").fetchone() == (0,):
            return books  # killed before it was made
        for order_id, exchange_id, status in database.execute("SELECT id, exchange_order_id, last_status FROM 'Order'"):
            books.orders[order_id] = Order(exchange_id, status)
        rows = database.execute(
            "SELECT market, symbol, exchange_trade_id, order_id, price, amount, trade_fee FROM TradeFill"
        )
        for market, pair, trade_id, order_id, price, amount, fee_text in rows:
            symbol = pair.replace("-", "_") + ("_PERP" if "perpetual" in market else "")
            fees = json.loads(fee_text)["flat_fees"]
            if len(fees) != 1:
                books.oddities.append(f"fill {trade_id} of {symbol} has {len(fees)} fees")
                continue
            key = (symbol, trade_id, order_id)
            if key in books.fills:
                books.oddities.append(f"{_name(key)} is there twice")
            books.fills[key] = Fill(
                Decimal(price) * _ROUNDING,
                Decimal(amount) * _ROUNDING,
                Decimal(fees[0]["amount"]),
                fees[0]["token"],
            )
    return books


def money_differences(account: Mapping[str, Any], status: Mapping[str, Any]) -> list[str]:
    """Say in which balances and positions a bot's status is not what the exchange says about the account."""
    balances = {name: Decimal(text) for name, text in status["balances"].items()}
    found = []
    for asset, row in account["balances"].items():
        total = Decimal(row["available"]) + Decimal(row["locked"])
        if balances.get(asset, 0) != total:
            found.append(f"the account holds {total} {asset}, and {balances.get(asset, 0)} here")
    positions = {pair: Decimal(text) for pair, text in status["positions"].items() if Decimal(text)}
    truth = {
        symbol.removesuffix("_PERP").replace("_", "-"): Decimal(row["netQuantity"])
        for symbol, row in account["positions"].items()
    }
    if positions != truth:
        found.append(f"the positions are {truth} on the exchange, and {positions} here")
    return found


def missing(exchange: Books, bot: Books) -> list[str]:
    """Say what the exchange has and the bot does not know, as soon as it should know it."""
    found = [
        f"order {order_id} of the exchange is unknown" for order_id in exchange.orders if order_id not in bot.orders
    ]
    return found + [f"{_name(key)} is lost" for key in exchange.fills if key not in bot.fills]


def differences(exchange: Books, bot: Books, failed: set[str]) -> list[str]:
    """Say everything in which the bot's books are not the exchange's, after all has settled.

    Units:    failed holds the client ids of orders that were ever reported failed.
    """
    found = [*exchange.oddities, *bot.oddities, *missing(exchange, bot)]
    for order_id, order in bot.orders.items():
        truth = exchange.orders.get(order_id)
        if truth is None:
            found.append(f"order {order_id} is not on the exchange")
        elif truth.exchange_id != order.exchange_id:
            found.append(f"order {order_id} is {truth.exchange_id} on the exchange, not {order.exchange_id}")
        elif order.status not in _LAST_STATUS.get(truth.status, ()):
            found.append(f"order {order_id} is {truth.status} on the exchange, and {order.status} here")
    for key, fill in bot.fills.items():
        true_fill = exchange.fills.get(key)
        if true_fill is None:
            found.append(f"{_name(key)} never happened")
        elif fill.differs(true_fill):
            found.append(f"{_name(key)} is {true_fill} on the exchange, and {fill} here")
    return found + [f"order {order_id} was reported failed" for order_id in sorted(failed & exchange.orders.keys())]


def _name(key: FillKey) -> str:
    symbol, trade_id, order_id = key
    return f"fill {trade_id} of order {order_id} in {symbol}"
