"""Read schemas of the official OpenAPI file for the tests of the protocol: what fields they have, and an example."""

import types
from functools import cache
from typing import Any, Union, get_args, get_origin

import msgspec

from backpack_connector.protocol.operations import OPERATIONS
from backpack_connector.protocol.wire import WireStruct, read
from tests.protocol.samples import sample

Schema = dict[str, Any]


@cache
def specification() -> Schema:
    return sample("openapi-2026-05-24.json")  # type: ignore[no-any-return]


@cache
def official_operations() -> dict[str, Schema]:
    """Return the description of each operation of the official file, by its id."""
    return {row["operationId"]: row for methods in specification()["paths"].values() for row in methods.values()}


def resolved(schema: Schema) -> Schema:
    """Follow references and merge `allOf`; of alternatives the last one that is an object is taken."""
    if "$ref" in schema:
        return resolved(specification()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return resolved(schema[word][-1])
    if "allOf" in schema:
        merged: Schema = {"type": "object", "properties": {}, "required": []}
        for part in map(resolved, schema["allOf"]):
            merged = {
                **merged,
                **part,
                "properties": {**merged["properties"], **part.get("properties", {})},
                "required": [*merged["required"], *part.get("required", [])],
            }
        return merged
    return schema


def example(schema: Schema, *, has_optional: bool) -> Any:
    """Return a value as a schema describes it, with or without what it does not require."""
    schema = resolved(schema)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "array":
        return [example(schema["items"], has_optional=has_optional)]
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return {"USDC": example(schema["additionalProperties"], has_optional=has_optional)}
    if kind == "object":
        required = schema.get("required", [])
        return {
            name: example(inner, has_optional=has_optional) if has_optional or name in required else None
            for name, inner in schema.get("properties", {}).items()
        }
    texts = {"decimal": "1.5", "naive-date-time": "2026-10-02T10:00:00.123", "date-time": "2026-10-02T10:00:00Z"}
    return {"string": texts.get(schema.get("format", ""), "7"), "integer": 7, "boolean": True, "number": 7}[kind or ""]


def answer_schema(operation_id: str) -> Schema | None:
    """Return the schema of a successful answer, or None for an empty one or text."""
    content = official_operations()[operation_id]["responses"]["200"].get("content", {})
    return next((row["schema"] for kind, row in content.items() if kind.startswith("application/json")), None)


def struct_of(result: Any) -> Any:
    """Return the struct in a type such as `list[Market]`, or None."""
    if isinstance(result, type) and issubclass(result, WireStruct):
        return result
    if get_origin(result) in (list, dict, Union, types.UnionType):
        return next((found for part in get_args(result) if (found := struct_of(part)) is not None), None)
    return None


def members_of(schema: Schema) -> dict[str, Schema]:
    """Return the properties of an object, or of the objects in a list or a map."""
    schema = resolved(schema)
    if schema.get("type") == "array":
        return members_of(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        return members_of(schema["additionalProperties"])
    return schema.get("properties", {})  # type: ignore[no-any-return]


def missing_fields(struct: Any, schema: Schema) -> list[str]:
    """Return the properties of a schema that a struct and the structs inside it lack."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    missing = []
    for name, inner in members_of(schema).items():
        if name not in fields:
            missing.append(f"{struct.__name__}.{name}")
        elif (inner_struct := struct_of(fields[name])) is not None:
            missing += missing_fields(inner_struct, inner)
    return missing


def check_answers_of(*operation_ids: str) -> None:
    """Fail unless the results of these operations have each field of their schema, and read whole and bare examples."""
    for operation_id in operation_ids:
        schema = answer_schema(operation_id)
        result = OPERATIONS[operation_id].result
        assert schema is not None, operation_id
        assert missing_fields(struct_of(result), schema) == [], operation_id
        for has_optional in (True, False):
            payload = example(schema, has_optional=has_optional)
            assert msgspec.to_builtins(read(result, payload, operation_id)) is not None


def operations_in(module: Any) -> list[str]:
    """Return the official operations whose results a module of the protocol defines."""
    return [
        row.operation_id
        for row in OPERATIONS.values()
        if row.operation_id in official_operations()
        and (struct := struct_of(row.result)) is not None
        and struct.__module__ == module.__name__
    ]
