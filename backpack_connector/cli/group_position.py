"""The commands `backpack position`."""

import typer

from backpack_connector.cli.operation_commands import Command, add

_COLUMNS = (
    "symbol",
    "netQuantity",
    "entryPrice",
    "markPrice",
    "breakEvenPrice",
    "estLiquidationPrice",
    "pnlUnrealized",
    "pnlRealized",
)
_HISTORY = ("symbol", "state", "netQuantity", "entryPrice", "closingPrice", "cumulativePnlRealized", "fees", "closedAt")

app = typer.Typer(name="position", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command("list", "get_positions", _COLUMNS),
    Command(
        "get",
        "get_positions",
        _COLUMNS,
        required=("symbol",),
        meaning="Return the position in one market, with its liquidation price.",
    ),
    Command("history", "get_position_history", _HISTORY),
)
