"""The commands `backpack funding`."""

import typer

from backpack_connector.cli.group_market import FUNDING_RATES, NO_RATES
from backpack_connector.cli.operation_commands import Command, add

app = typer.Typer(name="funding", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command("rates", "get_funding_interval_rates", FUNDING_RATES, done=NO_RATES),
    Command("history", "get_funding_payments", ("intervalEndTimestamp", "symbol", "quantity", "fundingRate")),
)
