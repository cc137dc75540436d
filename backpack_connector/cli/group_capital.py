"""The commands `backpack capital`."""

import typer

from backpack_connector.cli.operation_commands import Command, add

_WITHDRAWALS = ("id", "createdAt", "status", "symbol", "quantity", "fee", "blockchain", "toAddress", "clientId")

app = typer.Typer(name="capital", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command("deposits", "get_deposits", ("id", "createdAt", "status", "symbol", "quantity", "source")),
    Command("deposit-address", "get_deposit_address"),
    Command("withdrawals", "get_withdrawals", _WITHDRAWALS),
    Command("withdraw", "request_withdrawal", places=("quantity",)),
    Command("convert-dust", "convert_dust", places=("symbol",), done="The dust is converted."),
    Command("dust-history", "get_dust_history"),
    Command("settlements", "get_settlement_history", ("timestamp", "source", "quantity", "positionId")),
)
