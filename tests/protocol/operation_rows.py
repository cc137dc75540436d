"""Compare rows of operations with the official OpenAPI file; used by the test of each module that has rows."""

from typing import Any

from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.parameters import Kind, Operation, Parameter
from tests.protocol.schemas import answer_schema, check_answers_of, official_operations, resolved, struct_of

# Where rows differ from the official file on purpose. Source: API §2.2 ("Param changes after OAS5"), §1.4 (arrays).
ADDED = {("get_fills", "assetClass")}
LEFT_OUT = {
    ("get_collateral", "subaccountId"): "removed since",
    ("get_funding_payments", "subaccountId"): "removed since",
    ("execute_order", "brokerId"): "removed since; a header",
    ("execute_order_batch", "brokerId"): "removed since; a header",
    ("strategy_create", "brokerId"): "removed since; a header",
    ("request_withdrawal", "recipientInformation"): "which text of an object is signed is not known",
}
WORDS_REMOVED = {
    "SettlementSourceFilter": {"CulledBorrowInterest", "CulledRealizePnl", "CulledRealizePnlBookUtilization"}
}
OPEN_WORDS = {"Blockchain", "CustodyAsset"}
"""Lists that change with every listing: any text is taken."""
# Answers whose struct differs from an example of the schema: levels are pairs, times of candles are times.
READ_ELSEWHERE = {"get_depth", "get_klines", "execute_order_batch"}

_BOUNDS = {"uint16": (0, 2**16 - 1), "uint32": (0, 2**32 - 1), "int32": (0, 2**31 - 1)}


def official_parameters(operation_id: str) -> dict[str, tuple[bool, dict[str, Any]]]:
    """Return (required, schema) of each parameter in the query or the body."""
    row = official_operations()[operation_id]
    found = {
        part["name"]: (part.get("required", False), part["schema"])
        for part in row.get("parameters", [])
        if part["in"] == "query"
    }
    for content in row.get("requestBody", {}).get("content", {}).values():
        schema = resolved(content["schema"])
        schema = resolved(schema["items"]) if schema.get("type") == "array" else schema
        for name, inner in schema["properties"].items():
            found[name] = (name in schema.get("required", []), inner)
    return found


def complaints(operation: Operation) -> list[str]:
    """Say in what a row differs from the official file."""
    found: list[str] = []
    name = operation.operation_id
    official = official_parameters(name)
    ours = {row.name: row for row in operation.parameters}
    expected = {key for key in official if (name, key) not in LEFT_OUT} | {key for op, key in ADDED if op == name}
    if set(ours) != expected:
        found.append(f"{name}: parameters {set(ours) ^ expected}")
    for key in set(ours) & set(official):
        is_required, schema = official[key]
        if ours[key].is_required != is_required:
            found.append(f"{name}.{key}: required is {is_required}")
        found += [f"{name}.{key}: {text}" for text in _differences(ours[key], schema)]
    headers = official_operations()[name]["responses"]["200"].get("headers", {})
    if "X-PAGE-COUNT" in headers and not operation.page_limit:
        found.append(f"{name}: has pages")
    if bool(operation.page_limit) != ("offset" in ours):
        found.append(f"{name}: pages need an offset")
    if operation.may_be_empty != bool({"202", "204"} & set(official_operations()[name]["responses"])):
        found.append(f"{name}: the empty answer")
    return found


def _differences(parameter: Parameter, schema: dict[str, Any]) -> list[str]:
    names = [part["$ref"].rpartition("/")[2] for part in [schema, *schema.get("allOf", [])] if "$ref" in part]
    whole = resolved(schema)
    if whole.get("type") == "array":  # one value only (API §1.4)
        return _differences(parameter, whole["items"])
    if "enum" in whole and not OPEN_WORDS & set(names):
        words = set(whole["enum"]) - WORDS_REMOVED.get("".join(names), set())
        return [] if set(parameter.words) == words else [f"words {set(parameter.words) ^ words}"]
    kinds = {"boolean": {Kind.FLAG}, "integer": {Kind.WHOLE}}.get(whole.get("type", ""), {Kind.TEXT, Kind.SYMBOL})
    if whole.get("format") == "decimal" or parameter.name.endswith("TriggerPrice") or parameter.name == "triggerPrice":
        kinds = {Kind.DECIMAL}
    if parameter.name == "triggerQuantity":
        kinds = {Kind.DECIMAL_OR_PERCENT}
    # An id of a request for quotes is text in bodies and histories, and a number in one query (schemas).
    if parameter.name == "rfqId":
        kinds = {Kind.TEXT}
    found = [] if parameter.kind in kinds else [f"is a {parameter.kind.value}"]
    bounds = _BOUNDS.get(whole.get("format", ""))
    if bounds and (parameter.least, parameter.most) != bounds and parameter.name not in ("limit", "id"):
        found.append(f"from {parameter.least} to {parameter.most} in place of {bounds}")
    return found


def check_rows(rows: tuple[Operation, ...]) -> None:
    """Fail unless the rows are as in the official file, with results that read what it describes."""
    official = [row for row in rows if row.operation_id in official_operations()]
    assert [text for row in official for text in complaints(row)] == []
    for row in official:
        assert row.group in official_operations()[row.operation_id]["tags"], row.operation_id
        if (answer_schema(row.operation_id) is None) != (row.result in (None, str)):
            raise AssertionError(f"{row.operation_id}: the answer")
        if struct_of(row.result) is not None and row.operation_id not in READ_ELSEWHERE:
            check_answers_of(row.operation_id)
    for row in rows:
        assert row.meaning.endswith(".")
        endpoint(row.operation_id)
        names = {parameter.name for parameter in row.parameters}
        assert {*row.exactly_one, *row.at_least_one} <= names
        assert len({parameter.python_name for parameter in row.parameters}) == len(row.parameters)
