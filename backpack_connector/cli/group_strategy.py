"""The commands `backpack strategy`."""

import typer

from backpack_connector.cli.operation_commands import Command, add

_COLUMNS = (
    "id",
    "status",
    "symbol",
    "side",
    "quantity",
    "executedQuantity",
    "duration",
    "interval",
    "clientStrategyId",
)
_HISTORY = ("createdAt", *_COLUMNS)

app = typer.Typer(name="strategy", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command(
        "create",
        "strategy_create",
        places=("quantity",),
        required=("quantity",),
        fixed=(("strategyType", "Scheduled"),),
        meaning="Start a strategy: one quantity, sent to the book in slices over --duration, one each --interval.",
    ),
    Command("list", "get_open_strategies", _COLUMNS),
    Command("get", "get_strategy"),
    Command("cancel", "cancel_strategy"),
    Command("cancel-all", "cancel_open_strategies", _COLUMNS),
    Command("history", "get_strategies_history", _HISTORY),
)
