"""Make a command out of an operation of the catalogue: its parameters, its checks, its answer.

Rule 1: what is wrong on the command line is said before keys are looked for, and before anything is sent.
Rule 2: whatever changes something can be tried with --dry-run, and is confirmed on a terminal; cancels are not.
Rule 3: an order is held to the filters of its market, which are asked for first.
"""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backpack_connector.cli.output import FormatOption, note, print_answer
from backpack_connector.cli.session import (
    DryRunOption,
    SimulatorOption,
    UrlOption,
    YesOption,
    base_url,
    checked,
    confirm,
    confirm_withdrawal,
    credentials_for,
    run_with_client,
)
from backpack_connector.cli.times import time_in
from backpack_connector.client.market_rules import HELD_TO_MARKETS, market_of
from backpack_connector.protocol.endpoints import Effect, endpoint
from backpack_connector.protocol.errors import ConfigurationError, Refused
from backpack_connector.protocol.operations import checked_fields, operation
from backpack_connector.protocol.parameters import INT64, Kind, Operation, Parameter
from backpack_connector.protocol.rest import build_request

if TYPE_CHECKING:
    from backpack_connector.client.rest import BackpackClient

_UNITS = {"s": "seconds", "ms": "milliseconds"}
_SYNONYMS = {"buy": "Bid", "sell": "Ask"}


@dataclass(frozen=True)
class Command:
    """One command that is one operation."""

    name: str
    operation_id: str
    columns: tuple[str, ...] = ()
    """Of a table; all simple ones when there are none named."""
    places: tuple[str, ...] = ()
    """Parameters that are given by their place although the exchange does not require them."""
    required: tuple[str, ...] = ()
    """Parameters that this command needs although the operation does not."""
    fixed: tuple[tuple[str, str], ...] = ()
    """Parameters that this command sets itself."""
    meaning: str = ""
    """What the help says, where that is not what the operation says."""
    done: str = ""
    """What is said when the exchange answers nothing."""


def add(app: typer.Typer, *commands: Command) -> None:
    """Add commands to a group."""
    for command in commands:
        app.command(command.name)(_function_of(command))


def _function_of(command: Command) -> Callable[..., None]:
    row = operation(command.operation_id)

    def run(**values: Any) -> None:
        run_command(command, values)

    fixed = {name for name, _ in command.fixed}
    parameters = [parameter for parameter in row.parameters if parameter.name not in fixed]
    by_place = [one for one in parameters if one.is_required or one.name in (*command.places, *command.required)]
    signature = [_argument(one, is_needed=one.is_required or one.name in command.required) for one in by_place]
    signature += [_option(one) for one in parameters if one not in by_place]
    signature += _common_options(command)
    run.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in signature}
    run.__doc__ = command.meaning or row.meaning
    return run


def _common_options(command: Command) -> list[inspect.Parameter]:
    options: dict[str, tuple[Any, Any]] = {}
    row = endpoint(command.operation_id)
    if operation(command.operation_id).page_limit:
        everything = typer.Option("--all", help="Read page after page, to the end or to --limit rows.")
        options["everything"] = Annotated[bool, everything], False
    if row.effect is not Effect.READS:
        options["dry_run"] = DryRunOption, False
    if row.effect in (Effect.TRADES, Effect.CONFIGURES) and not _is_cancel(command.operation_id):
        options["yes"] = YesOption, False
    options.update(form=(FormatOption, "table"), url=(UrlOption, None), simulator=(SimulatorOption, False))
    return [_keyword(name, annotation, default) for name, (annotation, default) in options.items()]


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _help_of(parameter: Parameter) -> str:
    words = f" One of {', '.join(parameter.words)}." if parameter.words else ""
    unit = _UNITS.get(parameter.unit or "", parameter.unit)
    unit = f" In {unit}." if unit and not _is_time(parameter) else ""
    time = " A UTC time such as 2026-10-02T10:00, or seconds since 1970." if _is_time(parameter) else ""
    return f"{parameter.meaning}{words}{unit}{time}"


def option_name(parameter: Parameter) -> str:
    """Return the name of a parameter as an option, without dashes in front."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", parameter.name).lower()


def _argument(parameter: Parameter, *, is_needed: bool) -> inspect.Parameter:
    metavar = option_name(parameter).replace("-", "_").upper()
    declared = typer.Argument(metavar=metavar, help=_help_of(parameter), show_default=False)
    if is_needed:
        return _keyword(parameter.python_name, Annotated[str, declared], inspect.Parameter.empty)
    return _keyword(parameter.python_name, Annotated[str | None, declared], None)


def _option(parameter: Parameter) -> inspect.Parameter:
    name = option_name(parameter)
    if parameter.kind is Kind.FLAG:
        flag = typer.Option(f"--{name}/--no-{name}", help=_help_of(parameter), show_default=False)
        return _keyword(parameter.python_name, Annotated[bool | None, flag], None)
    metavar = {Kind.DECIMAL: "NUMBER", Kind.WHOLE: "NUMBER", Kind.WORD: "WORD"}.get(parameter.kind, "TEXT")
    declared = typer.Option(f"--{name}", metavar="TIME" if _is_time(parameter) else metavar, help=_help_of(parameter))
    return _keyword(parameter.python_name, Annotated[str | None, declared], None)


def _is_time(parameter: Parameter) -> bool:
    return parameter.kind is Kind.WHOLE and parameter.name in ("from", "to", "startTime", "endTime")


def value_of(parameter: Parameter, value: Any) -> Any:
    """Return a value as the catalogue writes it: words in any case, buy for Bid, times as numbers."""
    if not isinstance(value, str):
        return value
    if _is_time(parameter):
        return time_in(parameter.unit or "ms", value, f"--{option_name(parameter)}")
    lower = value.strip().lower()
    return next((word for word in parameter.words if word.lower() in (lower, _SYNONYMS.get(lower, "").lower())), value)


def run_command(command: Command, values: dict[str, Any]) -> None:
    """Carry out one command with what was given on the command line."""
    row = operation(command.operation_id)
    given: dict[str, Any] = dict(command.fixed)
    for parameter in row.parameters:
        if parameter.name not in given:
            given[parameter.name] = checked(partial(value_of, parameter, values.get(parameter.python_name)))
    if values.get("everything"):
        most = checked(partial(_most_rows, row, given))
        fields = checked(lambda: checked_fields(command.operation_id, given))
        answer = all_rows(command.operation_id, fields, most, values)
    else:
        fields = checked(lambda: checked_fields(command.operation_id, given))
        answer = perform(command.operation_id, fields, values)
    is_nothing = answer is None or (command.done and answer == [])
    if is_nothing and values["form"] == "table":
        waits = row.may_be_empty and endpoint(command.operation_id).effect is not Effect.READS
        note(command.done or ("Accepted, and not executed yet." if waits else "Done."))
    else:
        print_answer(answer, values["form"], () if values.get("dry_run") else command.columns)


def perform(operation_id: str, fields: Any, values: dict[str, Any]) -> Any:
    """Send one request, after the questions that it calls for, and return the answer, or the request that is not sent.

    Shape:    `fields` as on the wire; of `values` url, simulator, dry_run and yes count.
    """
    row = endpoint(operation_id)
    url = base_url(values["url"], values["simulator"])
    credentials = credentials_for(is_signed=row.is_signed)

    async def use(client: "BackpackClient") -> Any:
        if operation_id in HELD_TO_MARKETS:
            await _hold_to_markets(client, operation_id, fields)
        if values.get("dry_run"):
            return await request_of(client, operation_id, fields)
        if row.effect is Effect.MOVES_FUNDS:
            confirm_withdrawal(_question(operation_id, fields), url)
        elif row.effect is not Effect.READS and not _is_cancel(operation_id):
            confirm(_question(operation_id, fields), yes=values.get("yes", False), url=url)
        return await client.call(operation_id, fields, is_raw=True)

    return run_with_client(use, url, credentials=credentials)


def _most_rows(row: Operation, given: dict[str, Any]) -> int | None:
    """Take out how many rows are wanted of all pages; what a page holds at most does not bound that."""
    if given.pop("offset", None) is not None:
        raise ConfigurationError("Give either --all or --offset, not both.")
    limit, page = given.pop("limit", None), row.parameter("limit")
    return None if limit is None or page is None else int(replace(page, most=INT64).wire_value(limit))


def all_rows(operation_id: str, fields: dict[str, Any], most: int | None, values: dict[str, Any]) -> list[Any]:
    """Return the rows of all pages, up to `most` of them."""
    url = base_url(values["url"], values["simulator"])
    credentials = credentials_for(is_signed=endpoint(operation_id).is_signed)

    async def use(client: "BackpackClient") -> list[Any]:
        from backpack_connector.client.paging import rows_of

        return await gathered(rows_of(client, operation_id, fields, most=most, is_raw=True))

    return run_with_client(use, url, credentials=credentials)


async def gathered(rows: AsyncIterator[Any]) -> list[Any]:
    """Return all rows, and show on a terminal how many there are so far."""
    from rich.console import Console

    console = Console(stderr=True)
    found: list[Any] = []
    with console.status("0 rows") if console.is_terminal else nullcontext() as status:
        async for row in rows:
            found.append(row)
            if status is not None:
                status.update(f"{len(found)} rows")
    return found


async def _hold_to_markets(client: "BackpackClient", operation_id: str, fields: Any) -> None:
    orders = fields if isinstance(fields, list) else [fields]
    try:
        await asyncio.gather(*(client.get_market(symbol) for symbol in {market_of(order) for order in orders}))
    except Refused:
        if operation_id != "submit_rfq":  # quotes can be asked for where there is no market, as for stocks (API §2.3)
            raise
    checked(lambda: client.checked(operation_id, fields))


def _is_cancel(operation_id: str) -> bool:
    """Tell whether an operation only takes something back: that must not wait for an answer."""
    return "cancel" in operation_id


async def request_of(client: "BackpackClient", operation_id: str, fields: Any) -> dict[str, Any]:
    """Return the signed request that would be sent; its signature is good for five seconds."""
    row = endpoint(operation_id)
    if row.is_signed:
        await client.synchronize_clock()
    timestamp_ms = client.clock.now_ms() if row.is_signed else None
    request = build_request(row, fields, credentials=client.credentials, timestamp_ms=timestamp_ms)
    return {
        "method": request.method,
        "url": client.url + request.path,
        **request.headers,
        "body": None if request.body is None else request.body.decode(),
        "isSent": False,
    }


def _question(operation_id: str, fields: Any) -> str:
    orders: Sequence[dict[str, Any]] = fields if isinstance(fields, list) else [fields]
    told = "; ".join(" ".join(f"{name}={value}" for name, value in one.items()) for one in orders)
    return f"Really {operation_id.replace('_', ' ')}: {told}," if told else f"Really {operation_id.replace('_', ' ')}"
