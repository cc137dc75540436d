"""Draw what the bot's money does: balances of a spot account, or margin, position and profit of a perpetual one."""

from collections.abc import Mapping
from decimal import Decimal

from rich import box
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from backpack_connector.demo.comparison import plain
from backpack_connector.demo.figures import Balance, Books, Futures, Snapshot

BUY_STYLE, SELL_STYLE = "green", "red"


def profit(first: Snapshot, latest: Snapshot) -> Decimal | None:
    """Units: quote asset; None while the book has no middle."""
    base, quote = latest.trading_pair.split("-")
    if latest.futures is not None:
        return change_of(first, latest, quote)
    middle = latest.mid_price
    if middle is None:
        return None
    return change_of(first, latest, base) * middle + change_of(first, latest, quote)


def change_of(first: Snapshot, latest: Snapshot, asset: str) -> Decimal:
    """Return how a total has changed since the start."""
    return total_of(latest.balances, asset) - total_of(first.balances, asset)


def total_of(balances: Mapping[str, Balance], asset: str) -> Decimal:
    """Return a total, zero for an asset that nobody has told of."""
    return balances[asset].total if asset in balances else Decimal(0)


def held_texts(snapshot: Snapshot) -> list[str]:
    """Say what the account holds of the market's two assets, or the position and the net equity, in a few words."""
    if snapshot.futures is None:
        return [f"{asset} {plain(balance.total)}" for asset, balance in _pair_balances(snapshot).items()]
    base, quote = snapshot.trading_pair.split("-")
    position = snapshot.futures.position
    held = Decimal(0) if position is None else position.amount
    return [f"position {plain(held)} {base}", f"net equity {total_of(snapshot.balances, quote):.4f} {quote}"]


def _pair_balances(snapshot: Snapshot) -> dict[str, Balance]:
    """Pick the two assets of the market, base first; the account may hold many more."""
    zero = Balance(Decimal(0), Decimal(0))
    return {asset: snapshot.balances.get(asset, zero) for asset in snapshot.trading_pair.split("-")}


def balances_panel(first: Snapshot, latest: Snapshot, books: Books) -> Panel:
    """Draw the balances of a spot account."""
    balances = plain_table(("", "left"), ("balance", "right"), ("available", "right"), ("change", "right"))
    for asset, balance in _pair_balances(latest).items():
        change = change_of(first, latest, asset)
        balances.add_row(asset, _short(balance.total), _short(balance.available), _signed(change))
    bought, sold = books.traded()
    base = latest.trading_pair.split("-")[0]
    facts = Table.grid(padding=(0, 2))
    facts.add_row("bought", f"{plain(bought)} {base}")
    facts.add_row("sold", f"{plain(sold)} {base}")
    facts.add_row("fees", "\n".join(f"{plain(paid)} {asset}" for asset, paid in sorted(books.fees().items())) or "none")
    _add_gain(facts, profit(first, latest), latest)
    facts.add_row("", Text("against holding the start balances", style="dim"))
    return Panel(Group(balances, "", facts), title="Balances and profit", box=box.ROUNDED)


def margin_panel(first: Snapshot, latest: Snapshot, books: Books, digits: int) -> Panel:
    """Draw the margin, the position and the profit of a perpetual account."""
    assert latest.futures is not None
    futures, quote = latest.futures, latest.trading_pair.split("-")[1]
    equity = latest.balances.get(quote, Balance(Decimal(0), Decimal(0)))
    # Narrow enough for a terminal of 80 columns.
    facts = Table.grid(padding=(0, 1))
    facts.add_column(no_wrap=True)
    facts.add_column(justify="right", no_wrap=True)
    facts.add_column(no_wrap=True, style="dim")
    _add_position(facts, latest, digits)
    for name, amount in (
        ("net equity", equity.total),
        ("available", equity.available),
        ("locked", equity.total - equity.available),
    ):
        facts.add_row(name, f"{amount:.4f}", quote)
    facts.add_row("funding rate", _rate_text(futures.funding_rate), _due_text(futures))
    facts.add_row("funding", _amount_text(books.funding_sum()), quote)
    entered = Decimal(0) if futures.position is None else futures.position.amount * futures.position.entry_price
    facts.add_row("unrealised", _amount_text(futures.unrealized), quote)
    facts.add_row("realised", _amount_text(books.cash() + entered), quote)
    facts.add_row("fees", _amount_text(-books.fees().get(quote, Decimal(0))), quote)
    gain = change_of(first, latest, quote)
    facts.add_row(Text("profit", style="bold"), Text(_amount_text(gain), style=_gain_style(gain)), quote)
    return Panel(facts, title=f"Position and margin, leverage {futures.leverage}", box=box.ROUNDED)


def _add_position(facts: Table, latest: Snapshot, digits: int) -> None:
    assert latest.futures is not None
    futures, base = latest.futures, latest.trading_pair.split("-")[0]
    position = futures.position
    if position is None:
        facts.add_row("position", "none", "")
        facts.add_row("entry price", "none", "")
    else:
        style, side = (BUY_STYLE, "long") if position.amount > 0 else (SELL_STYLE, "short")
        facts.add_row("position", Text(plain(position.amount), style=style), f"{base} {side}")
        facts.add_row("entry price", f"{position.entry_price:.{digits}f}", "")
    facts.add_row("mark price", price_text(futures.mark_price, digits), "")
    liquidation = futures.liquidation_price
    facts.add_row("liquidation", "none" if liquidation is None else f"{liquidation:.{digits}f}", "")


def _rate_text(rate: Decimal | None) -> str:
    return "unknown" if rate is None else f"{rate * 100:+.5f} %"


def _due_text(futures: Futures) -> str:
    minutes, seconds = divmod(int(max(0.0, futures.funding_due_s)), 60)
    return f"in {minutes}:{seconds:02d}"


def _add_gain(facts: Table, gain: Decimal | None, latest: Snapshot) -> None:
    facts.add_row(Text("profit", style="bold"), Text(money_text(gain, latest), style=_gain_style(gain)))


def _gain_style(gain: Decimal | None) -> str:
    return "bold" if not gain else f"bold {BUY_STYLE if gain > 0 else SELL_STYLE}"


def plain_table(*columns: tuple[str, str]) -> Table:
    """Return a table without lines, its columns aligned as they say."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    for name, justify in columns:
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    return table


def price_text(price: Decimal | None, digits: int) -> str:
    """Write a price with that many digits after the point, or with all that it has if they are more."""
    if price is None:
        return "none"
    return plain(price) if len(plain(price).partition(".")[2]) > digits else f"{price:.{digits}f}"


def _short(amount: Decimal) -> str:
    """Write at most four digits after the point, so that a row fits a terminal of 80 columns."""
    return plain(round(amount, 4))


def _signed(amount: Decimal) -> str:
    return _short(amount) if amount <= 0 else f"+{_short(amount)}"


def _amount_text(amount: Decimal) -> str:
    return f"{amount:+.4f}" if amount else "0"


def money_text(amount: Decimal | None, snapshot: Snapshot) -> str:
    """Write an amount of the quote asset, with its sign."""
    if amount is None:
        return "unknown"
    return f"{amount:+.4f} {snapshot.trading_pair.split('-')[1]}"
