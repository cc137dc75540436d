"""Draw the bot's books: a live view for a terminal, a line for a log, the summary for both; no decisions.

Everything shown of the bot comes from its journal. Spot profit is what the balances are worth now minus what the
starting balances would be worth now, both at the current middle of the book, so a move of the market by itself is no
profit. The profit of a perpetual account is how its net equity has changed.
"""

import time
from dataclasses import dataclass, field
from decimal import Decimal

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from backpack_connector.demo.comparison import fees_text, plain
from backpack_connector.demo.figures import Books, Fill, FundingPayment, OpenOrder, Snapshot
from backpack_connector.demo.money import (
    BUY_STYLE,
    SELL_STYLE,
    balances_panel,
    held_texts,
    margin_panel,
    money_text,
    plain_table,
    price_text,
    profit,
    total_of,
)
from backpack_connector.protocol.units import duration_text

# Lines of the live view that are not fills: the head, and the head and the borders of the fills.
HEAD_LINES, FILLS_LINES = 3, 5
SPOT_LINES, MARGIN_LINES = 13, 15
MOST_FILLS = 16


@dataclass(frozen=True)
class View:
    """What the live view shows at one moment."""

    first: Snapshot | None
    latest: Snapshot | None
    fills: list[Fill]
    elapsed_s: float
    seconds: float
    funding: list[FundingPayment] = field(default_factory=list)


def live_view(view: View, height: int) -> RenderableType:
    """Draw the whole view for a terminal of that many lines."""
    if view.first is None or view.latest is None:
        return Panel("The bot is waiting for its first look at the market …", title="Backpack market maker")
    digits = _price_digits(view.latest, view.fills)
    upper = Table.grid(expand=True, padding=(0, 1))
    upper.add_column(ratio=1)
    upper.add_column(ratio=1)
    # Fills are written at once, positions once a second: what is newer than the position does not belong to it.
    books = Books([fill for fill in view.fills if fill.time <= view.latest.time], funding=view.funding)
    if view.latest.futures is None:
        lines, money = SPOT_LINES, balances_panel(view.first, view.latest, books)
    else:
        lines, money = MARGIN_LINES, margin_panel(view.first, view.latest, books, digits)
    money.height = lines
    upper.add_row(_book_panel(view.latest, digits, lines), money)
    return Group(_head(view), upper, _fills_panel(view.fills, digits, height - HEAD_LINES - lines - FILLS_LINES))


def log_line(view: View) -> str:
    """Say the same in one line, for output that goes to a file."""
    if view.first is None or view.latest is None:
        return f"{view.elapsed_s:4.0f} s  waiting for the market"
    digits, latency = _price_digits(view.latest, view.fills), _latency_text(view.latest)
    return (
        f"{view.elapsed_s:4.0f} s  bid {price_text(view.latest.best_bid, digits)}"
        f"  ask {price_text(view.latest.best_ask, digits)}"
        f"  open orders {len(view.latest.orders)}  fills {len(view.fills)}  {'  '.join(held_texts(view.latest))}"
        f"  profit {money_text(profit(view.first, view.latest), view.latest)}"
        f"{'' if latency is None else '  ' + latency}"
    )


def _head(view: View) -> RenderableType:
    assert view.latest is not None
    line = Table.grid(expand=True)
    line.add_column()
    line.add_column(justify="center")
    line.add_column(justify="right")
    line.add_row(
        Text(f"Hummingbot on the simulator, {view.latest.trading_pair}", style="bold"),
        Text(f"{len(view.latest.orders)} open orders, {len(view.fills)} fills"),
        Text(f"{min(view.elapsed_s, view.seconds):.0f} of {view.seconds:.0f} s", style="bold"),
    )
    return Panel(line, box=box.ROUNDED, subtitle=_latency_text(view.latest))


def _latency_text(snapshot: Snapshot) -> str | None:
    """Say the medians in one line that a narrow terminal has room for; the bot's status has all figures."""
    shown = [
        f"{row.what.partition('-> ')[2].partition(' (')[0]} {duration_text(row.p50_s)}"
        for row in snapshot.latencies
        if row.count and not row.what.startswith("cancel")
    ]
    return f"median latency: {', '.join(shown)}" if shown else None


def _book_panel(snapshot: Snapshot, digits: int, lines: int) -> RenderableType:
    table = plain_table(("", "left"), ("price", "right"), ("amount", "right"), ("filled", "right"))
    for order in snapshot.orders:
        if order.side == "SELL":
            _add_order(table, order, digits)
    table.add_row(
        Text("best ask", style="bold"), Text(price_text(snapshot.best_ask, digits), style=f"bold {SELL_STYLE}"), "", ""
    )
    table.add_row(Text("middle", style="dim"), Text(price_text(snapshot.mid_price, digits), style="dim"), "", "")
    table.add_row(
        Text("best bid", style="bold"), Text(price_text(snapshot.best_bid, digits), style=f"bold {BUY_STYLE}"), "", ""
    )
    for order in snapshot.orders:
        if order.side == "BUY":
            _add_order(table, order, digits)
    if not snapshot.orders:
        table.add_row(Text("none open", style="dim"), "", "", "")
    return Panel(table, title="Order book top and our orders", box=box.ROUNDED, height=lines)


def _add_order(table: Table, order: OpenOrder, digits: int) -> None:
    style = BUY_STYLE if order.side == "BUY" else SELL_STYLE
    filled = plain(order.filled) if order.filled else ""
    table.add_row(
        Text(f"our {order.side.lower()}", style=style),
        Text("market" if order.price is None else price_text(order.price, digits), style=style),
        plain(order.amount),
        filled,
    )


def _fills_panel(fills: list[Fill], digits: int, lines: int) -> RenderableType:
    table = plain_table(("time", "left"), ("side", "left"), ("amount", "right"), ("price", "right"), ("fee", "right"))
    table.expand = True
    for fill in list(reversed(fills))[: max(1, min(lines, MOST_FILLS))]:
        style = BUY_STYLE if fill.side == "BUY" else SELL_STYLE
        moment = time.strftime("%H:%M:%S", time.localtime(fill.time))
        table.add_row(
            moment,
            Text(fill.side.lower(), style=style),
            plain(fill.amount),
            price_text(fill.price, digits),
            fees_text(fill.fees),
        )
    return Panel(table, title=f"Latest fills of {len(fills)}", box=box.ROUNDED)


def _price_digits(snapshot: Snapshot, fills: list[Fill]) -> int:
    """Count the digits after the point that prices of this market have, so that a column of them lines up."""
    prices = [snapshot.best_bid, snapshot.best_ask]
    prices += [order.price for order in snapshot.orders] + [fill.price for fill in fills]
    return max((len(plain(price).partition(".")[2]) for price in prices if price is not None), default=0)


def profit_line(first: Snapshot | None, latest: Snapshot | None) -> str:
    """Say the profit of the whole run."""
    if first is None or latest is None:
        return "The bot never saw the market."
    gain = money_text(profit(first, latest), latest)
    if latest.futures is not None:
        return f"Profit, fees and funding included: {gain}"
    return f"Profit against holding the start balances, at the last middle: {gain}"


def summary(bot: Books, recorded: Books, truth: Books, *, is_perpetual: bool) -> RenderableType:
    """Put the figures of the three witnesses side by side."""
    table = Table(title="After the stop", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "bot", "trades database", "simulator"):
        table.add_column(name, justify="left" if not name else "right")
    sides = (bot, recorded, truth)
    table.add_row("fills", *(str(len(side.fills)) for side in sides))
    for index, what in enumerate(("bought", "sold")):
        table.add_row(what, *(plain(side.traded()[index]) for side in sides))
    for asset in sorted({asset for side in sides for asset in side.fees()}):
        table.add_row(f"fees in {asset}", *(plain(side.fees().get(asset, Decimal(0))) for side in sides))
    if any(side.funding for side in sides):
        table.add_row("funding payments", *(str(len(side.funding)) for side in sides))
        table.add_row("funding received", *(plain(side.funding_sum()) for side in sides))
    for asset in sorted({asset for side in (bot, truth) for asset, held in side.balances.items() if held.total}):
        name = "net equity in" if is_perpetual else "balance of"
        table.add_row(
            f"{name} {asset}", plain(total_of(bot.balances, asset)), "", plain(total_of(truth.balances, asset))
        )
    if is_perpetual:
        table.add_row("position", _positions_text(bot), "", _positions_text(truth))
    table.add_row("open orders", str(bot.open_orders), "", str(truth.open_orders))
    return table


def _positions_text(books: Books) -> str:
    return ", ".join(f"{plain(held.amount)} {pair}" for pair, held in sorted(books.positions.items())) or "none"
