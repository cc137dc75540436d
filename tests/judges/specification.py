"""Hold answers against the official OpenAPI file of 2026-05-24, and against what is known better since.

`complaints` says everything in which an answer of an operation differs. It is stricter than a general validator: a key
that the specification does not have is a complaint too, and so is a number that is not trimmed (API §2.0).
Where the real exchange is known to differ from its own specification, the difference is a row in one of the tables
below, with the section of the API facts that says so.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

PATH = Path(__file__).resolve().parents[1] / "samples" / "openapi-2026-05-24.json"

# Keys that objects have since May 2026. Source: API §2.2 ("Param changes after OAS5"); schemas.md, first list.
_NULLABLE_BAND: Schema = {
    "type": "object",
    "required": ["maxMultiplier", "minMultiplier"],
    "properties": {
        "maxMultiplier": {"type": "string", "format": "decimal"},
        "minMultiplier": {"type": "string", "format": "decimal"},
    },
}
_DECIMAL: Schema = {"type": "string", "format": "decimal"}
_ADDED_PROPERTIES: dict[str, dict[str, Schema]] = {
    "Market": {"rwaMarketType": {"type": "string", "enum": ["STOCK", "INDEX", "COMMODITY", "FX"]}},
    "PriceFilter": {
        "discoveryBoundBand": _NULLABLE_BAND,
        "maxPriceUpdateMultiplier": _DECIMAL,
        "minPriceUpdateMultiplier": _DECIMAL,
    },
}
# Operations that came later. Source: API §2.2 ("Added after May 2026"). The form of the vault histories is only known
# from the official client's types, that of the holidays not at all: their answers are checked for being JSON.
_ADDED_ANSWERS: dict[str, Schema] = {
    "get_stock_sessions": {"type": "array", "items": {"$ref": "#/components/schemas/MarketSession"}},
    "get_stock_holidays": {"type": "array", "items": {}},
    "get_stock_indicative_quote": {"type": "object", "additionalProperties": {}},
    "get_vault_mint_history": {"type": "array", "items": {}},
    "get_vault_redeem_history": {"type": "array", "items": {}},
}
# Answers with a status that the specification does not list for the operation.
_ADDED_STATUSES: dict[str, dict[int, str]] = {
    "get_depth": {404: "a closed market has no depth (API §2.3)"},
    "get_market": {404: "as get_depth"},
    "update_account_settings": {403: "since 2026-10 (API §2.2)"},
}
# What every operation may answer: too many requests (API §2.1), and refusals by permission (API §4.4).
_ALWAYS_ALLOWED = frozenset({400, 401, 403, 429, 500, 503})

_JSON_TYPE, _TEXT_TYPE = "application/json", "text/plain"
_TRIMMED = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
_NAIVE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?")
_NAIVE_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_ZONED_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_KINDS: dict[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}
_WIDTHS = {
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


@cache
def specification() -> Schema:
    """Return the official file."""
    return json.loads(PATH.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@cache
def operations() -> dict[str, tuple[str, str, Schema]]:
    """Return method, path and description of each operation of the official file, by its id."""
    return {
        row["operationId"]: (method.upper(), path, row)
        for path, methods in specification()["paths"].items()
        for method, row in methods.items()
    }


def schema_of(name: str) -> Schema:
    return specification()["components"]["schemas"][name]  # type: ignore[no-any-return]


def documented_headers(operation_id: str, status: int) -> list[str]:
    """Return the names of the headers that the specification promises for an answer."""
    if operation_id in _ADDED_ANSWERS:
        return []
    return list(operations()[operation_id][2]["responses"].get(str(status), {}).get("headers", {}))


def complaints(operation_id: str, status: int, body: Any, content_type: str | None = None) -> list[str]:
    """Say in which points an answer is not as specified; an empty body is None."""
    return [f"{operation_id} {status}: {text}" for text in _complaints(operation_id, status, body, content_type)]


def assert_as_specified(operation_id: str, status: int, body: Any, content_type: str | None = None) -> None:
    """Fail with everything that is not as specified in an answer, such as `Client.call` returns it."""
    found = complaints(operation_id, status, body, content_type)
    assert not found, "\n".join(found)


def _complaints(operation_id: str, status: int, body: Any, content_type: str | None) -> Iterator[str]:
    if operation_id in _ADDED_ANSWERS:
        contents = {_JSON_TYPE: _ADDED_ANSWERS[operation_id]} if status == 200 else _error_contents()
    else:
        documented = operations()[operation_id][2]["responses"]
        is_added = status in _ALWAYS_ALLOWED or status in _ADDED_STATUSES.get(operation_id, {})
        if str(status) not in documented and not is_added:
            yield f"has no such status, only {', '.join(documented)}"
            return
        found = documented.get(str(status), {}).get("content", {})
        contents = {kind.partition(";")[0]: row["schema"] for kind, row in found.items()}
        contents = _error_contents() if status >= 400 else contents
    # What cannot be parsed is answered in plain text (API §4.4).
    if status == 400 and isinstance(body, str):
        return
    if not contents:
        if body not in (None, ""):
            yield f"the body has to be empty, and is {shown(body)}"
        return
    ((expected_type, schema),) = contents.items()
    if content_type is not None and content_type.partition(";")[0] != expected_type:
        yield f"{content_type} instead of {expected_type}"
    yield from differences(body, schema, "body")


def _error_contents() -> dict[str, Schema]:
    return {_JSON_TYPE: {"$ref": "#/components/schemas/ApiErrorResponse"}}


def shown(value: Any) -> str:
    return repr(value)[:120]


def differences(value: Any, schema: Schema, place: str) -> Iterator[str]:
    """Say where a value is not what a schema describes."""
    flat = flattened(schema, value)
    kind = flat.get("type")
    if kind is not None and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{place} is {shown(value)}, not of type {kind}"
    elif "enum" in flat and value not in flat["enum"]:
        yield f"{place} is {shown(value)}, which is not one of the {len(flat['enum'])} documented words"
    elif kind == "string":
        yield from _text_differences(value, flat, place)
    elif kind == "integer":
        least, most = _WIDTHS[flat["format"]]
        if not least <= value <= most:
            yield f"{place} is {value}, beyond {flat['format']}"
    elif kind == "array":
        yield from _list_differences(value, flat, place)
    elif kind == "object":
        yield from _object_differences(value, flat, place)


def _text_differences(value: str, flat: Schema, place: str) -> Iterator[str]:
    form = flat.get("format")
    if form == "decimal" and not _TRIMMED.fullmatch(value):
        yield f"{place} is {value!r}, not a trimmed decimal"
    if form == "naive-date-time" and not _is_time(value, _NAIVE_TIME):
        yield f"{place} is {value!r}, not a time without zone"
    if form == "naive-time" and not _NAIVE_CLOCK.fullmatch(value):
        yield f"{place} is {value!r}, not a time of day"
    if form == "date-time" and not _is_time(value, _ZONED_TIME):
        yield f"{place} is {value!r}, not a time with zone"
    if len(value) > flat.get("maxLength", len(value)):
        yield f"{place} is longer than {flat['maxLength']}"


def _is_time(value: str, form: re.Pattern[str]) -> bool:
    if not form.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _list_differences(value: list[Any], flat: Schema, place: str) -> Iterator[str]:
    # The file says maxLength of lists where JSON Schema says maxItems: a pair of price and quantity.
    if not flat.get("minLength", 0) <= len(value) <= flat.get("maxLength", len(value)):
        yield f"{place} has {len(value)} elements"
    for position, element in enumerate(value):
        yield from differences(element, flat.get("items", {}), f"{place}[{position}]")


def _object_differences(value: Schema, flat: Schema, place: str) -> Iterator[str]:
    properties, required = flat.get("properties", {}), flat.get("required", [])
    for key in sorted(set(required) - set(value)):
        yield f"{place}.{key} is missing"
    for key, element in value.items():
        if key in properties:
            # A field that is not set is null on the wire (schemas.md, first list; API §2.3).
            if element is not None or key in required:
                yield from differences(element, properties[key], f"{place}.{key}")
        elif "additionalProperties" in flat:
            yield from differences(element, flat["additionalProperties"], f"{place}.{key}")
        else:
            yield f"{place}.{key} is not in the specification"


def flattened(schema: Schema, value: Any) -> Schema:
    """Follow references, and join what a schema is made of into one that describes this value."""
    flat: Schema = {"properties": {}, "required": []}
    for part in _parts(schema, value):
        flat["properties"] |= part.get("properties", {})
        flat["required"] = flat["required"] + part.get("required", [])
        flat |= {key: part[key] for key in part if key not in ("properties", "required")}
    return flat


def _parts(schema: Schema, value: Any) -> Iterator[Schema]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from _parts(schema_of(name), value)
        yield {"properties": _ADDED_PROPERTIES.get(name, {})}
        return
    for part in schema.get("allOf", ()):
        yield from _parts(part, value)
    if "discriminator" in schema:
        choice = schema["discriminator"]
        word = value.get(choice["propertyName"]) if isinstance(value, dict) else None
        mapping = choice["mapping"]
        # An unknown word is complained about by the first branch, which lists its own.
        yield from _parts({"$ref": mapping.get(word, next(iter(mapping.values())))}, value)
    yield {key: part for key, part in schema.items() if key not in ("allOf", "anyOf", "oneOf", "description")}
