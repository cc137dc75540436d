"""The commands `backpack account`."""

import typer

from backpack_connector.cli.operation_commands import Command, add

app = typer.Typer(name="account", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command("info", "get_account"),
    Command("balances", "get_balances", ("symbol", "available", "locked", "staked")),
    Command("collateral", "get_collateral"),
    Command("max-order", "get_max_order_quantity"),
    Command("max-borrow", "get_max_borrow_quantity"),
    Command("max-withdrawal", "get_max_withdrawal_quantity"),
    Command("update", "update_account_settings", done="The settings are changed."),
)
