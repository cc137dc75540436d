"""Draw the bot's books: a live view for a terminal, a line for a log, the summary for both; no decisions.

Everything shown of the bot comes from its journal. Profit is what the balances are worth now minus what the starting
balances would be worth now, both at the current middle of the book, so a move of the market by itself is no profit.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from backpack_connector.demo.comparison import fees_text, plain
from backpack_connector.demo.figures import Balance, Books, Fill, OpenOrder, Snapshot

BUY_STYLE, SELL_STYLE = "green", "red"
# Lines of the live view that are not fills: the three panels with their borders, and the head of the fills.
PANEL_LINES = 13
FIXED_LINES = PANEL_LINES + 8
MOST_FILLS = 16


@dataclass(frozen=True)
class View:
    """What the live view shows at one moment."""

    first: Snapshot | None
    latest: Snapshot | None
    fills: list[Fill]
    elapsed_s: float
    seconds: float


def live_view(view: View, height: int) -> RenderableType:
    """Draw the whole view for a terminal of that many lines."""
    if view.first is None or view.latest is None:
        return Panel("The bot is waiting for its first look at the market …", title="Backpack market maker")
    digits = _price_digits(view.latest, view.fills)
    upper = Table.grid(expand=True, padding=(0, 1))
    upper.add_column(ratio=1)
    upper.add_column(ratio=1)
    upper.add_row(_book_panel(view.latest, digits), _money_panel(view.first, view.latest, view.fills))
    return Group(_head(view), upper, _fills_panel(view.fills, digits, height - FIXED_LINES))


def log_line(view: View) -> str:
    """Say the same in one line, for output that goes to a file."""
    if view.first is None or view.latest is None:
        return f"{view.elapsed_s:4.0f} s  waiting for the market"
    balances = "  ".join(f"{asset} {plain(amount.total)}" for asset, amount in _ours(view.latest).items())
    gain = profit(view.first, view.latest)
    digits = _price_digits(view.latest, view.fills)
    return (
        f"{view.elapsed_s:4.0f} s  bid {_price(view.latest.best_bid, digits)}"
        f"  ask {_price(view.latest.best_ask, digits)}"
        f"  open orders {len(view.latest.orders)}  fills {len(view.fills)}  {balances}"
        f"  profit {_money(gain, view.latest)}"
    )


def profit(first: Snapshot, latest: Snapshot) -> Decimal | None:
    """Units: quote asset; None while the book has no middle."""
    middle = latest.mid_price
    if middle is None:
        return None
    base, quote = latest.trading_pair.split("-")
    return _change(first, latest, base) * middle + _change(first, latest, quote)


def _change(first: Snapshot, latest: Snapshot, asset: str) -> Decimal:
    return _total(latest.balances, asset) - _total(first.balances, asset)


def _total(balances: Mapping[str, Balance], asset: str) -> Decimal:
    return balances[asset].total if asset in balances else Decimal(0)


def _ours(snapshot: Snapshot) -> dict[str, Balance]:
    """Pick the two assets of the market, base first; the account may hold many more."""
    zero = Balance(Decimal(0), Decimal(0))
    return {asset: snapshot.balances.get(asset, zero) for asset in snapshot.trading_pair.split("-")}


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
    return Panel(line, box=box.ROUNDED)


def _book_panel(snapshot: Snapshot, digits: int) -> RenderableType:
    table = _plain_table(("", "left"), ("price", "right"), ("amount", "right"), ("filled", "right"))
    for order in snapshot.orders:
        if order.side == "SELL":
            _add_order(table, order, digits)
    table.add_row(
        Text("best ask", style="bold"), Text(_price(snapshot.best_ask, digits), style=f"bold {SELL_STYLE}"), "", ""
    )
    table.add_row(Text("middle", style="dim"), Text(_price(snapshot.mid_price, digits), style="dim"), "", "")
    table.add_row(
        Text("best bid", style="bold"), Text(_price(snapshot.best_bid, digits), style=f"bold {BUY_STYLE}"), "", ""
    )
    for order in snapshot.orders:
        if order.side == "BUY":
            _add_order(table, order, digits)
    if not snapshot.orders:
        table.add_row(Text("none open, the next follow", style="dim"), "", "", "")
    return Panel(table, title="Order book top and our orders", box=box.ROUNDED, height=PANEL_LINES)


def _add_order(table: Table, order: OpenOrder, digits: int) -> None:
    style = BUY_STYLE if order.side == "BUY" else SELL_STYLE
    filled = plain(order.filled) if order.filled else ""
    table.add_row(
        Text(f"our {order.side.lower()}", style=style),
        Text(_price(order.price, digits), style=style),
        plain(order.amount),
        filled,
    )


def _money_panel(first: Snapshot, latest: Snapshot, fills: list[Fill]) -> RenderableType:
    balances = _plain_table(("", "left"), ("balance", "right"), ("available", "right"), ("change", "right"))
    for asset, balance in _ours(latest).items():
        change = _change(first, latest, asset)
        balances.add_row(asset, plain(balance.total), plain(balance.available), _signed(change))
    books = Books(fills)
    bought, sold = books.traded()
    base = latest.trading_pair.split("-")[0]
    facts = Table.grid(padding=(0, 2))
    facts.add_row("bought", f"{plain(bought)} {base}")
    facts.add_row("sold", f"{plain(sold)} {base}")
    facts.add_row("fees", "\n".join(f"{plain(paid)} {asset}" for asset, paid in sorted(books.fees().items())) or "none")
    gain = profit(first, latest)
    style = "bold" if not gain else f"bold {BUY_STYLE if gain > 0 else SELL_STYLE}"
    facts.add_row(Text("profit", style="bold"), Text(_money(gain, latest), style=style))
    facts.add_row("", Text("against holding the start balances", style="dim"))
    return Panel(Group(balances, "", facts), title="Balances and profit", box=box.ROUNDED, height=PANEL_LINES)


def _fills_panel(fills: list[Fill], digits: int, lines: int) -> RenderableType:
    table = _plain_table(("time", "left"), ("side", "left"), ("amount", "right"), ("price", "right"), ("fee", "right"))
    table.expand = True
    for fill in list(reversed(fills))[: max(1, min(lines, MOST_FILLS))]:
        style = BUY_STYLE if fill.side == "BUY" else SELL_STYLE
        moment = time.strftime("%H:%M:%S", time.localtime(fill.time))
        table.add_row(
            moment,
            Text(fill.side.lower(), style=style),
            plain(fill.amount),
            _price(fill.price, digits),
            fees_text(fill.fees),
        )
    return Panel(table, title=f"Latest fills of {len(fills)}", box=box.ROUNDED)


def _plain_table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name, justify in columns:
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    return table


def _price_digits(snapshot: Snapshot, fills: list[Fill]) -> int:
    """Count the digits after the point that prices of this market have, so that a column of them lines up."""
    prices = [snapshot.best_bid, snapshot.best_ask]
    prices += [order.price for order in snapshot.orders] + [fill.price for fill in fills]
    return max((len(plain(price).partition(".")[2]) for price in prices if price is not None), default=0)


def _price(price: Decimal | None, digits: int) -> str:
    if price is None:
        return "none"
    return plain(price) if len(plain(price).partition(".")[2]) > digits else f"{price:.{digits}f}"


def _signed(amount: Decimal) -> str:
    return plain(amount) if amount <= 0 else f"+{plain(amount)}"


def _money(amount: Decimal | None, snapshot: Snapshot) -> str:
    if amount is None:
        return "unknown"
    return f"{amount:+.4f} {snapshot.trading_pair.split('-')[1]}"


def profit_line(first: Snapshot | None, latest: Snapshot | None) -> str:
    """Say the profit of the whole run."""
    if first is None or latest is None:
        return "The bot never saw the market."
    return f"Profit against holding the start balances, at the last middle: {_money(profit(first, latest), latest)}"


def summary(bot: Books, recorded: list[Fill], truth: Books) -> RenderableType:
    """Put the figures of the three witnesses side by side."""
    table = Table(title="After the stop", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "bot", "trades database", "simulator"):
        table.add_column(name, justify="left" if not name else "right")
    sides = (bot, Books(recorded), truth)
    table.add_row("fills", *(str(len(side.fills)) for side in sides))
    for index, what in enumerate(("bought", "sold")):
        table.add_row(what, *(plain(side.traded()[index]) for side in sides))
    for asset in sorted({asset for side in sides for asset in side.fees()}):
        table.add_row(f"fees in {asset}", *(plain(side.fees().get(asset, Decimal(0))) for side in sides))
    for asset in sorted({asset for side in (bot, truth) for asset, held in side.balances.items() if held.total}):
        table.add_row(
            f"balance of {asset}", plain(_total(bot.balances, asset)), "", plain(_total(truth.balances, asset))
        )
    table.add_row("open orders", str(bot.open_orders), "", str(truth.open_orders))
    return table
