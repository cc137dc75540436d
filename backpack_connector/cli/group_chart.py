"""The commands `backpack chart`: pictures in the terminal, or in a file."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backpack_connector.cli import chart_text
from backpack_connector.cli.chart_text import LEAST_COLUMNS, LEAST_ROWS, Chart
from backpack_connector.cli.operation_commands import gathered
from backpack_connector.cli.output import FormatOption, note, print_answer
from backpack_connector.cli.session import SimulatorOption, UrlOption, UsageError, base_url, checked, run_with_client
from backpack_connector.protocol.operations import checked_fields
from backpack_connector.protocol.units import decimal_text

if TYPE_CHECKING:
    from backpack_connector.cli.chart_data import Sides
    from backpack_connector.cli.chart_scene import Scene
    from backpack_connector.client.rest import BackpackClient

COUNT_WITHOUT_TERMINAL, WIDTH_WITHOUT_TERMINAL = 120, 100
BESIDE_CANDLES = 16
"""About so many columns are taken by the labels of prices."""
MOST_CANDLES, MOST_RATES = 5_000, 1_000

SymbolArgument = Annotated[str, typer.Argument(help="The market, such as SOL_USDC_PERP.", show_default=False)]
HeightOption = Annotated[int, typer.Option(min=LEAST_ROWS, max=200, help="Rows of the drawing.")]
WidthOption = Annotated[
    int | None, typer.Option(min=2 * LEAST_COLUMNS, max=1000, help="Columns with labels; the terminal's by default.")
]
SaveOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write a picture instead: .svg, or .png with matplotlib.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]

app = typer.Typer(name="chart", rich_markup_mode=None, add_completion=False)


@dataclass(frozen=True)
class Output:
    """Where a chart goes, and how it is drawn."""

    form: Any
    save: str | None
    replaces: bool
    width: int
    height: int

    @property
    def path(self) -> Path | None:
        """Return the file to write."""
        return None if self.save is None else Path(self.save).expanduser()

    def give_nothing(self) -> None:
        """Print an empty answer where a program may read it."""
        if self.form != "table":
            print_answer([], self.form)

    def give(self, points: Sequence[Any], draw: Callable[[int, int], Chart], lay_out: "Callable[[], Scene]") -> None:
        """Print or save what was found; a chart needs points."""
        if self.form != "table":
            print_answer(list(points), self.form)
        elif not points:
            note("There is nothing to draw.")
        elif self.path is None:
            chart_text.print_chart(draw(self.width, self.height), is_terminal=sys.stdout.isatty())
        else:
            from backpack_connector.cli.chart_files import save

            save(lay_out(), self.path, replaces=self.replaces)
            print(f"The chart is in {self.path}.")


def _output(form: Any, save: str | None, force: bool, width: int | None, height: int) -> Output:
    from rich.console import Console

    shown = width or (Console().width if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)
    output = Output(form, save, force, max(shown, 2 * LEAST_COLUMNS), height)
    path = output.path
    if path is not None:
        from backpack_connector.cli.chart_files import check_kind, check_library, check_target

        if form != "table":
            raise UsageError("Give either --save or --format, not both.")
        checked(lambda: check_kind(path))
        checked(lambda: check_target(path, replaces=force))
        check_library(path)
    return output


@app.command()
def price(
    symbol: SymbolArgument,
    interval: Annotated[str, typer.Argument(help="The length of a candle, such as 1m, 1h or 1d.")] = "1h",
    count: Annotated[
        int | None, typer.Option(min=2, max=MOST_CANDLES, help="How many candles; by default as many as fit.")
    ] = None,
    price_type: Annotated[str, typer.Option(metavar="WORD", help="Last, Index or Mark.")] = "Last",
    height: HeightOption = 20,
    width: WidthOption = None,
    save: SaveOption = None,
    force: ForceOption = False,
    form: FormatOption = "table",
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Draw the candles of a market up to now; those that fell are dotted."""
    from backpack_connector.cli import chart_data, chart_scene
    from backpack_connector.client.candles import candles_of, interval_s

    length_s = checked(lambda: interval_s(interval))
    end_s = int(time.time())
    out = _output(form, save, force, width, height)
    fitting = COUNT_WITHOUT_TERMINAL if save else out.width - BESIDE_CANDLES
    start_s = max(0, end_s - (count or fitting) * length_s)
    fields = {"symbol": symbol, "interval": interval, "startTime": start_s, "priceType": price_type}
    checked(lambda: checked_fields("get_klines", fields))

    async def use(client: "BackpackClient") -> list[Any]:
        return await gathered(candles_of(client, symbol, interval, start_s, end_s, price_type))

    rows = run_with_client(use, base_url(url, simulator))
    bars = chart_data.bars_of(rows)
    title = f"{symbol}, {interval} candles" + ("" if price_type == "Last" else f" of the {price_type.lower()} price")
    if bars:
        last = next(row.close for row in reversed(rows) if row.close is not None)
        change = (bars[-1].close / bars[0].open - 1) * 100
        title += f", {decimal_text(last)} ({change:+.2f} %)"
    points = [{name: getattr(row, name) for name in ("start", "open", "high", "low", "close")} for row in rows]
    out.give(
        points if bars else [],
        lambda columns, lines: chart_text.price_chart(title, bars, columns, lines),
        lambda: chart_scene.price_scene(title, bars),
    )


@app.command()
def depth(
    symbol: SymbolArgument,
    distance: Annotated[
        float, typer.Option("--range", metavar="PERCENT", min=0.01, max=100, help="How far from the middle.")
    ] = 2.0,
    height: HeightOption = 16,
    width: WidthOption = None,
    save: SaveOption = None,
    force: ForceOption = False,
    form: FormatOption = "table",
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Draw the order book of a market: what could be bought and sold up to each price."""
    from backpack_connector.cli import chart_data, chart_scene

    out = _output(form, save, force, width, height)
    checked(lambda: checked_fields("get_depth", {"symbol": symbol}))

    async def use(client: "BackpackClient") -> Any:
        return await client.get_depth(symbol, limit=1000)

    sides = chart_data.sides_of(run_with_client(use, base_url(url, simulator)), distance)
    points = _points(sides)
    if sides is None or (not points and form == "table"):
        note("There are no orders." if sides is None else f"No order is within {distance:g} %: try a larger --range.")
        out.give_nothing()
        return
    curve = chart_data.curve_of(sides)
    title = f"{symbol}, order book within {distance:g} % of the middle"
    out.give(
        points,
        lambda columns, rows: chart_text.depth_chart(title, curve, columns, rows),
        lambda: chart_scene.depth_scene(title, curve),
    )


def _points(sides: "Sides | None") -> list[dict[str, str]]:
    named = () if sides is None else (("bid", sides.bids), ("ask", sides.asks))
    return [
        {"side": name, "price": decimal_text(price), "upTo": decimal_text(total)}
        for name, side in named
        for price, total in side
    ]


@app.command()
def funding(
    symbol: SymbolArgument,
    count: Annotated[
        int | None, typer.Option(min=2, max=MOST_RATES, help="How many intervals; by default as many as fit.")
    ] = None,
    height: HeightOption = 12,
    width: WidthOption = None,
    save: SaveOption = None,
    force: ForceOption = False,
    form: FormatOption = "table",
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Draw the funding rates of a perpetual market: above the line longs pay, below it shorts do."""
    from backpack_connector.cli import chart_data, chart_scene

    out = _output(form, save, force, width, height)
    fitting = COUNT_WITHOUT_TERMINAL if save else out.width - BESIDE_CANDLES
    limit = min(MOST_RATES, count or fitting)
    checked(lambda: checked_fields("get_funding_interval_rates", {"symbol": symbol, "limit": limit}))

    async def use(client: "BackpackClient") -> list[Any]:
        return await client.get_funding_interval_rates(symbol, limit=limit)

    rows = run_with_client(use, base_url(url, simulator))
    rates = chart_data.rates_of(rows)
    title = f"{symbol}, funding rate per interval" + (f", last {rates[-1].percent:+.4f} %" if rates else "")
    points = [{"intervalEnd": row.interval_end_timestamp, "rate": decimal_text(row.funding_rate)} for row in rows]
    out.give(
        points,
        lambda columns, lines: chart_text.funding_chart(title, rates, columns, lines),
        lambda: chart_scene.funding_scene(title, rates),
    )
