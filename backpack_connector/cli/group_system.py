"""The commands `backpack system`."""

import typer

from backpack_connector.cli.operation_commands import Command, add

app = typer.Typer(name="system", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command("status", "get_status"),
    Command("ping", "ping"),
    Command("time", "get_time"),
    Command("wallets", "get_wallets"),
)
