"""The commands `backpack order`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from backpack_connector.cli.operation_commands import Command, add, perform, value_of
from backpack_connector.cli.output import FormatOption, note, print_answer
from backpack_connector.cli.session import DryRunOption, SimulatorOption, UrlOption, YesOption, checked
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.operations import checked_orders, operation

_COLUMNS = ("id", "clientId", "symbol", "side", "orderType", "price", "quantity", "executedQuantity", "status")
_HISTORY = ("createdAt", *_COLUMNS, "expiryReason")
_FILLS = ("timestamp", "symbol", "side", "price", "quantity", "fee", "feeSymbol", "isMaker", "orderId", "clientId")
_RESULTS = ("operation", *_COLUMNS, "code", "message")

app = typer.Typer(name="order", rich_markup_mode=None, add_completion=False)
add(
    app,
    Command(
        "create",
        "execute_order",
        meaning=(
            "Place an order, such as: order create SOL_USDC buy limit --quantity 1.5 --price 140 --post-only. "
            "What it did at once is shown; the fills are in `backpack order fills`."
        ),
    ),
)


@app.command()
def batch(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A JSON list of orders; - for the standard input.")],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    form: FormatOption = "table",
    url: UrlOption = None,
    simulator: SimulatorOption = False,
) -> None:
    """Place the orders of a file with one request; each has the fields that the exchange knows."""
    orders = checked(lambda: checked_orders(_orders_of(file)))
    values = {"dry_run": dry_run, "yes": yes, "url": url, "simulator": simulator}
    answer = perform("execute_order_batch", orders, values)
    print_answer(answer, form, () if dry_run else _RESULTS)
    if not dry_run and any(row.get("operation") != "Ok" for row in answer):
        note("Not all orders were accepted.")
        raise typer.Exit(1)


add(
    app,
    Command("list", "get_open_orders", _COLUMNS),
    Command("get", "get_order"),
    Command("cancel", "cancel_order"),
    Command("cancel-all", "cancel_open_orders", _COLUMNS),
    Command("history", "get_order_history", _HISTORY),
    Command("fills", "get_fills", _FILLS),
)


def _orders_of(file: str) -> Any:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        # Numbers stay text, so that 0.1 is 0.1.
        orders = json.loads(text, parse_float=str, parse_constant=str)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror or type(error).__name__}.") from None
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{file} is no JSON.") from None
    return [_order_of(order) for order in orders] if isinstance(orders, list) else orders


def _order_of(order: Any) -> Any:
    """Return an order with its words as the exchange writes them, as `order create` takes them."""
    if not isinstance(order, dict):
        return order
    found = ((name, operation("execute_order_batch").parameter(name), value) for name, value in order.items())
    return {name: value if parameter is None else value_of(parameter, value) for name, parameter, value in found}
