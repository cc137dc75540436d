"""The commands `backpack export`: long lists into files, page after page."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backpack_connector.cli.export_files import Column, Kind, check_name, check_target, new_file
from backpack_connector.cli.session import (
    SimulatorOption,
    UrlOption,
    UsageError,
    base_url,
    checked,
    credentials_for,
    run_with_client,
)
from backpack_connector.cli.times import time_in
from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.operations import checked_fields, operation

if TYPE_CHECKING:
    from backpack_connector.client.rest import BackpackClient

SymbolArgument = Annotated[str, typer.Argument(help="The market, such as SOL_USDC_PERP.", show_default=False)]
SymbolOption = Annotated[str | None, typer.Option("--symbol", metavar="SYMBOL", help="Only this market.")]
FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A .csv or .parquet file to write.", show_default=False)
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="How many rows at most; all without it.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]

_AMOUNT, _RATE, _WHOLE, _FLAG, _TIME = Kind.AMOUNT, Kind.RATE, Kind.WHOLE, Kind.FLAG, Kind.TIME
_KLINES = (
    Column("start", _TIME),
    Column("end", _TIME),
    *(Column(name, _AMOUNT) for name in ("open", "high", "low", "close", "volume", "quoteVolume")),
    Column("trades", _WHOLE),
)
_TRADES = (
    Column("timestamp", _TIME),
    Column("id", _WHOLE),
    *(Column(name, _AMOUNT) for name in ("price", "quantity", "quoteQuantity")),
    Column("isBuyerMaker", _FLAG),
)
_FILLS = (
    Column("timestamp", _TIME),
    *(Column(name) for name in ("symbol", "side")),
    *(Column(name, _AMOUNT) for name in ("price", "quantity", "fee")),
    Column("feeSymbol"),
    Column("isMaker", _FLAG),
    *(Column(name) for name in ("tradeId", "orderId", "clientId", "systemOrderType")),
)
_ORDERS = (
    Column("createdAt", _TIME),
    *(Column(name) for name in ("id", "clientId", "symbol", "side", "orderType", "timeInForce")),
    *(
        Column(name, _AMOUNT)
        for name in ("price", "quantity", "quoteQuantity", "executedQuantity", "executedQuoteQuantity")
    ),
    *(Column(name) for name in ("status", "expiryReason", "selfTradePrevention")),
    *(Column(name, _FLAG) for name in ("postOnly", "reduceOnly")),
    Column("triggerPrice", _AMOUNT),
    *(Column(name) for name in ("triggerBy", "triggerQuantity", "strategyId", "systemOrderType")),
)
_FUNDING = (Column("intervalEndTimestamp", _TIME), Column("symbol"), Column("quantity", _AMOUNT))
_RATES = (Column("intervalEndTimestamp", _TIME), Column("symbol"), Column("fundingRate", _RATE))
_LARGEST_PAGE = 1_000
_TICK = 100
"""After so many rows the bar moves; moving it costs more than a row."""

app = typer.Typer(name="export", rich_markup_mode=None, add_completion=False)


@app.command()
def klines(
    symbol: SymbolArgument,
    interval: Annotated[str, typer.Argument(help="The length of a candle, such as 1m, 1h or 1d.", show_default=False)],
    file: FileArgument,
    start: Annotated[str, typer.Option(metavar="TIME", help="From when, such as 2026-10-02T10:00.")],
    end: Annotated[str | None, typer.Option(metavar="TIME", help="Until when; now by default.")] = None,
    price_type: Annotated[str, typer.Option(metavar="WORD", help="Last, Index or Mark.")] = "Last",
    force: ForceOption = False,
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Write the candles of any stretch of time, oldest first."""
    from backpack_connector.client.candles import candles_of, interval_s

    length_s = checked(lambda: interval_s(interval))
    start_s = checked(lambda: time_in("s", start, "--start"))
    end_s = int(time.time()) if end is None else checked(lambda: time_in("s", end, "--end"))
    if end is None and start_s > end_s:
        raise UsageError("--start lies in the future.")
    fields = {"symbol": symbol, "interval": interval, "start_time_s": start_s, "end_time_s": end_s}
    checked(lambda: checked_fields("get_klines", {**fields, "price_type": price_type}))

    async def rows(client: "BackpackClient") -> AsyncIterator[dict[str, Any]]:
        async for one in candles_of(client, symbol, interval, start_s, end_s, price_type):
            named = {column.name: getattr(one, column.name, None) for column in _KLINES}
            yield {**named, "quoteVolume": one.quote_volume}

    total = max(1, (end_s - start_s) // length_s)
    _export("get_klines", file, _KLINES, rows, total, replaces=force, url=base_url(url, simulator))


@app.command()
def trades(
    symbol: SymbolArgument,
    file: FileArgument,
    limit: LimitOption = None,
    force: ForceOption = False,
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Write the past trades of a market, newest first."""
    address = base_url(url, simulator)
    _export_pages("get_historical_trades", {"symbol": symbol}, file, _TRADES, limit, replaces=force, url=address)


@app.command()
def fills(
    file: FileArgument,
    symbol: SymbolOption = None,
    first: Annotated[str | None, typer.Option("--from", metavar="TIME", help="The first moment that counts.")] = None,
    after: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="The moment before which they count.")
    ] = None,
    limit: LimitOption = None,
    force: ForceOption = False,
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Write the account's fills, oldest first."""
    fields = {
        "symbol": symbol,
        "from": None if first is None else checked(lambda: time_in("ms", first, "--from")),
        "to": None if after is None else checked(lambda: time_in("ms", after, "--to")),
        "sortDirection": "Asc",
    }
    _export_pages("get_fills", fields, file, _FILLS, limit, replaces=force, url=base_url(url, simulator))


@app.command()
def orders(
    file: FileArgument,
    symbol: SymbolOption = None,
    limit: LimitOption = None,
    force: ForceOption = False,
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Write the account's past and present orders, oldest first."""
    fields = {"symbol": symbol, "sortDirection": "Asc"}
    _export_pages("get_order_history", fields, file, _ORDERS, limit, replaces=force, url=base_url(url, simulator))


@app.command()
def funding(
    file: FileArgument,
    symbol: SymbolOption = None,
    limit: LimitOption = None,
    force: ForceOption = False,
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Write the funding that the account has paid and received, oldest first."""
    fields = {"symbol": symbol, "sortDirection": "Asc"}
    columns = (*_FUNDING, Column("fundingRate", _RATE))
    _export_pages("get_funding_payments", fields, file, columns, limit, replaces=force, url=base_url(url, simulator))


@app.command("funding-rates")
def funding_rates(
    symbol: SymbolArgument,
    file: FileArgument,
    limit: LimitOption = None,
    force: ForceOption = False,
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Write the funding rates of a market, newest first; the first one still runs."""
    address = base_url(url, simulator)
    _export_pages("get_funding_interval_rates", {"symbol": symbol}, file, _RATES, limit, replaces=force, url=address)


def _export_pages(
    operation_id: str,
    given: dict[str, Any],
    file: str,
    columns: tuple[Column, ...],
    limit: int | None,
    *,
    replaces: bool,
    url: str,
) -> None:
    fields = checked(lambda: checked_fields(operation_id, given))

    def rows(client: "BackpackClient") -> AsyncIterator[dict[str, Any]]:
        from backpack_connector.client.paging import rows_of

        # Full pages: these lists come out of the exchange's smallest pool of requests.
        size = min(operation(operation_id).page_limit, limit or _LARGEST_PAGE)
        return rows_of(client, operation_id, fields, page_size=size, most=limit, is_raw=True)

    _export(operation_id, file, columns, rows, limit, replaces=replaces, url=url)


def _export(
    operation_id: str,
    file: str,
    columns: tuple[Column, ...],
    rows: Callable[["BackpackClient"], AsyncIterator[dict[str, Any]]],
    total: int | None,
    *,
    replaces: bool,
    url: str,
) -> None:
    path = Path(file).expanduser()
    checked(lambda: check_name(path))
    checked(lambda: check_target(path, replaces=replaces))
    credentials = credentials_for(is_signed=endpoint(operation_id).is_signed)

    async def use(client: "BackpackClient") -> int:
        count = 0
        with new_file(path, columns, replaces=replaces) as writer, _bar(path.name, total) as show:
            async for row in rows(client):
                writer.write(row)
                count += 1
                if count % _TICK == 0:
                    show(count)
        return count

    count = run_with_client(use, url, credentials=credentials)
    print(f"{path}: {count} {'row' if count == 1 else 'rows'}.")


@contextmanager
def _bar(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how far it is; without a total only that it goes on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(name, total=total)
        yield lambda count: progress.update(task, completed=count)
