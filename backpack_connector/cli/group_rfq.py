"""The commands `backpack rfq`."""

import typer

from backpack_connector.cli.operation_commands import Command, add

app = typer.Typer(name="rfq", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command("submit", "submit_rfq"),
    Command("list", "get_open_rfqs", ("rfq", "quotes")),
    Command("accept", "accept_quote"),
    Command("refresh", "refresh_rfq"),
    Command("cancel", "cancel_rfq"),
    Command("history", "get_rfq_history"),
    Command("fills", "get_rfq_fill_history"),
    Command("quote", "submit_quote"),
    Command("quotes", "get_quote_history"),
    Command("quote-fills", "get_quote_fill_history"),
)
