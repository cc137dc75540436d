"""The commands `backpack market`."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backpack_connector.cli.operation_commands import Command, add, gathered, perform
from backpack_connector.cli.output import FormatOption, print_answer
from backpack_connector.cli.session import SimulatorOption, UrlOption, UsageError, base_url, checked, run_with_client
from backpack_connector.cli.times import time_in
from backpack_connector.protocol.operations import checked_fields

if TYPE_CHECKING:
    from backpack_connector.client.rest import BackpackClient

DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
MOST_LEVELS, MOST_CANDLES = 1000, 500_000
_TICKER = ("symbol", "lastPrice", "priceChange", "priceChangePercent", "high", "low", "volume", "quoteVolume", "trades")
_MARKETS = ("symbol", "marketType", "orderBookState", "baseSymbol", "quoteSymbol")
_MARKS = ("symbol", "markPrice", "indexPrice", "fundingRate", "nextFundingTimestamp")
_COLLATERAL = (
    "symbol",
    "haircutFunction.weight",
    "haircutFunction.kind.type",
    "imfFunction.base",
    "imfFunction.factor",
    "mmfFunction.base",
    "mmfFunction.factor",
)
_KLINES = ("start", "open", "high", "low", "close", "volume", "quoteVolume", "trades")
FUNDING_RATES = ("intervalEndTimestamp", "symbol", "fundingRate")
NO_RATES = "No rates: only perpetual markets have funding, such as SOL_USDC_PERP."
_TRADES = ("timestamp", "id", "price", "quantity", "quoteQuantity", "isBuyerMaker")

SymbolArgument = Annotated[str, typer.Argument(help="The market, such as SOL_USDC_PERP.", show_default=False)]

app = typer.Typer(name="market", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command("list", "get_markets", _MARKETS, places=("marketType",)),
    Command("info", "get_market"),
    Command("ticker", "get_ticker", done="Nothing was traded."),
    Command("tickers", "get_tickers", _TICKER),
)


@app.command()
def depth(
    symbol: SymbolArgument,
    levels: Annotated[int, typer.Option(min=1, max=MOST_LEVELS, help="Levels of each side.")] = 20,
    form: FormatOption = "table",
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Show the order book, best prices first."""
    limit = next(one for one in DEPTH_LIMITS if one >= levels)
    fields = checked(lambda: checked_fields("get_depth", {"symbol": symbol, "limit": limit}))
    book = perform("get_depth", fields, {"url": url, "simulator": simulator})
    bids, asks = book["bids"][::-1][:levels], book["asks"][:levels]
    if form == "json":
        print_answer({**book, "bids": bids, "asks": asks}, form)
        return
    rows = [
        dict(zip(("bidQuantity", "bidPrice", "askPrice", "askQuantity"), (*bid[::-1], *ask), strict=True))
        for bid, ask in _side_by_side(bids, asks)
    ]
    print_answer(rows, form)


def _side_by_side(bids: list[list[str]], asks: list[list[str]]) -> list[tuple[list[str], list[str]]]:
    length = max(len(bids), len(asks))
    nothing: list[list[str]] = [["", ""]] * length
    return list(zip((bids + nothing)[:length], (asks + nothing)[:length], strict=True))


@app.command()
def klines(
    symbol: SymbolArgument,
    interval: Annotated[str, typer.Argument(help="The length of a candle, such as 1m, 1h or 1d.")] = "1h",
    start: Annotated[str | None, typer.Option(metavar="TIME", help="From when, such as 2026-10-02T10:00.")] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help="Until when; now by default.")] = None,
    count: Annotated[
        int | None, typer.Option(min=1, max=MOST_CANDLES, help="How many candles, 100 without --start.")
    ] = None,
    price_type: Annotated[str, typer.Option(metavar="WORD", help="Last, Index or Mark.")] = "Last",
    form: FormatOption = "table",
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Show candles of any stretch of time, oldest first; long ones are read in several requests."""
    from backpack_connector.client.candles import candles_of, interval_s

    length_s = checked(lambda: interval_s(interval))
    end_s = int(time.time()) if end is None else checked(lambda: time_in("s", end, "--end"))
    start_s = end_s - (count or 100) * length_s if start is None else checked(lambda: time_in("s", start, "--start"))
    if end is None and start_s > end_s:
        raise UsageError("--start lies in the future.")
    if start is not None and count is not None:
        end_s = min(end_s, start_s + count * length_s)
    fields = {"symbol": symbol, "interval": interval, "start_time_s": start_s, "end_time_s": end_s}
    checked(lambda: checked_fields("get_klines", {**fields, "price_type": price_type}))

    async def use(client: "BackpackClient") -> list[Any]:
        return await gathered(candles_of(client, symbol, interval, start_s, end_s, price_type))

    rows = run_with_client(use, base_url(url, simulator))
    found = [{name: getattr(row, _SNAKE.get(name, name)) for name in ("end", *_KLINES)} for row in rows]
    print_answer(found[-count:] if count else found, form, _KLINES)


_SNAKE = {"quoteVolume": "quote_volume"}

add(
    app,
    Command("mark-prices", "get_mark_prices", _MARKS, places=("symbol",)),
    Command("open-interest", "get_open_interest", ("symbol", "openInterest", "timestamp"), places=("symbol",)),
    Command("funding-rates", "get_funding_interval_rates", FUNDING_RATES, done=NO_RATES),
    Command("trades", "get_recent_trades", _TRADES),
    Command("trade-history", "get_historical_trades", _TRADES),
    Command("assets", "get_assets", ("symbol", "displayName", "coingeckoId")),
    Command("collateral", "get_collateral_parameters", _COLLATERAL),
    Command("securities", "get_securities", ("asset", "name", "cusip")),
    Command("sessions", "get_stock_sessions"),
    Command("holidays", "get_stock_holidays"),
    Command("stock-quote", "get_stock_indicative_quote"),
    Command("prediction-events", "get_prediction_events", ("slug", "title", "resolved", "quoteVolume")),
    Command("prediction-tags", "get_prediction_tags"),
)


@app.command()
def watch(
    symbol: SymbolArgument,
    levels: Annotated[int, typer.Option(min=1, max=50, help="Levels of each side.")] = 10,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long; by Ctrl-C without it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each change.")] = False,
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Watch the order book and the trades of a market live."""
    from backpack_connector.cli.watching import watch_market

    checked(lambda: checked_fields("get_market", {"symbol": symbol}))
    address = base_url(url, simulator)

    async def use(client: "BackpackClient") -> None:
        await client.get_market(symbol)  # an unknown market would only be silent
        await watch_market(client, symbol, levels=levels, seconds=seconds, as_json=as_json)

    run_with_client(use, address)
