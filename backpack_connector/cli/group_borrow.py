"""The commands `backpack borrow`."""

import typer

from backpack_connector.cli.operation_commands import Command, add

_MARKETS = (
    "symbol",
    "state",
    "borrowInterestRate",
    "lendInterestRate",
    "utilization",
    "borrowedQuantity",
    "lentQuantity",
)
_HISTORY = ("timestamp", "eventType", "symbol", "quantity", "positionQuantity", "source")
_POSITIONS = ("symbol", "netQuantity", "markPrice", "cumulativeInterest", "netExposureNotional", "estLiquidationPrice")

app = typer.Typer(name="borrow", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command("markets", "get_borrow_lend_markets", _MARKETS),
    Command("markets-history", "get_borrow_lend_markets_history"),
    Command("apy", "get_apy_rates"),
    Command("positions", "get_borrow_lend_positions", _POSITIONS),
    Command("execute", "execute_borrow_lend", done="Done: see `backpack borrow positions`."),
    Command("history", "get_borrow_lend_history", _HISTORY),
    Command("interest-history", "get_interest_history"),
    Command("position-history", "get_borrow_lend_position_history"),
    Command("liquidation-price", "get_borrow_lend_estimated_liquidation_price"),
)
