"""Find what an operation takes and answers, check a whole request before it is sent, and read the answer.

The catalogue has two halves with the same keys: `endpoints` says how an operation travels (method, path, signature,
pool, effect), this one what it carries. What is refused here the exchange would refuse too, or nobody knows what it
would do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from . import operations_account, operations_market, operations_trading
from .errors import BackpackError, ConfigurationError
from .models import read_order_results
from .order_records import FullOrder
from .order_rules import order_problem
from .parameters import Operation
from .wire import read

OPERATIONS: dict[str, Operation] = {
    row.operation_id: row for row in (*operations_market.ROWS, *operations_trading.ROWS, *operations_account.ROWS)
}
GROUPS = tuple(dict.fromkeys(row.group for row in OPERATIONS.values()))

_BATCH = "execute_order_batch"
_NEW_ORDER = "execute_order"

Given = Mapping[str, Any]


def operation(operation_id: str) -> Operation:
    """Return the row of an official operation id.

    Raises:   ConfigurationError for an id that is not in the catalogue.
    """
    try:
        return OPERATIONS[operation_id]
    except KeyError:
        raise ConfigurationError(f"There is no operation {operation_id!r} in the catalogue.") from None


def checked_fields(operation_id: str, given: Given) -> dict[str, Any]:
    """Return the parameters of one request as the wire carries them.

    Shape:    names are those of the wire or of Python; None stands for absent.
    Raises:   ConfigurationError with one sentence for what the exchange would not take.
    """
    fields = operation(operation_id).fields(given)
    problem = order_problem(fields) if operation_id in (_NEW_ORDER, _BATCH) else _other_problem(operation_id, fields)
    if problem is not None:
        raise ConfigurationError(problem)
    return fields


def checked_orders(orders: Sequence[Given]) -> list[dict[str, Any]]:
    """Return the orders of one batch as the wire carries them.

    Raises:   ConfigurationError with one sentence that says which order is wrong, and how.
    """
    if isinstance(orders, (str, bytes, Mapping)) or not isinstance(orders, Sequence) or not orders:
        raise ConfigurationError(f"{_BATCH} takes a list of at least one order.")
    checked = []
    for position, given in enumerate(orders, 1):
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"Order {position} of the batch is not a set of fields.")
        try:
            checked.append(checked_fields(_BATCH, given))
        except ConfigurationError as error:
            raise ConfigurationError(f"Order {position} of the batch: {error}") from None
    return checked


def _other_problem(operation_id: str, fields: Given) -> str | None:
    if operation_id == "submit_rfq":
        is_immediate = fields.get("executionMode") == "Immediate"
        if is_immediate != ("price" in fields):
            return "submit_rfq takes a price exactly when executionMode is Immediate."
    beginning, end = fields.get("from", fields.get("startTime")), fields.get("to", fields.get("endTime"))
    if beginning is not None and end is not None and beginning > end:
        return f"{operation_id}: the end of the time is before its beginning."
    return None


def read_result(operation_id: str, answer: Any) -> Any:
    """Return a decoded answer as the type that the catalogue states.

    Raises:   WireFormatError saying what is wrong with it, and where.
    """
    row = operation(operation_id)
    if answer is None and (row.result is None or row.may_be_empty):
        return None
    if row.result is None:
        return None  # whatever an operation says that should say nothing: it was accepted
    if operation_id == _BATCH:
        results: list[FullOrder | BackpackError] = read_order_results(answer, FullOrder)
        return results
    return read(row.result, answer, operation_id)


def answer_problem(operation_id: str, fields: Any, result: Any) -> str | None:
    """Return why the answer to a new or cancelled order cannot be about it, or None (ARCHITECTURE.md, D53)."""
    if operation_id == _BATCH:
        return None if len(result) == len(fields) else f"{len(result)} results for {len(fields)} orders"
    if not isinstance(result, FullOrder):
        return None
    if result.symbol != fields.get("symbol"):
        return f"it is about an order in {result.symbol}"
    asked = fields.get("clientId")
    if asked is not None and result.client_id_text != str(asked):
        return f"it is about the order with client id {result.client_id_text}"
    return None
