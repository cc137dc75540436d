"""Describe the service in OpenAPI 3.1, out of the table of its paths and the definitions of its answers."""

from typing import Any

import msgspec

from backpack_connector import __version__
from backpack_connector.protocol.parameters import Kind, Parameter

from .records import AnswerMeta
from .routes import ROUTES, Route

_ERRORS = {
    "400": "The question is wrong; the message says what.",
    "404": "There is no such market, or it has no such data.",
    "502": "The exchange is out of reach, or its answer cannot be read.",
    "503": "The exchange is in maintenance, or asked more often than it allows; Retry-After says when to try again.",
}
_ERROR = "Error"


def document() -> dict[str, Any]:
    """Return the document."""
    types = [AnswerMeta, *(route.operation.result for route in ROUTES)]
    (meta, *answers), components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths = {route.path: {"get": _operation(route, meta, data)} for route, data in zip(ROUTES, answers, strict=True)}
    no_data = {"type": "null"}
    schemas = {**components, _ERROR: _envelope(meta, no_data, {"type": "integer", "minimum": 400}, is_success=False)}
    found: dict[str, Any] = _with_numbers(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Market data of Backpack",
                "version": __version__,
                "description": "Read-only and without keys. Numbers are JSON numbers, times milliseconds since 1970.",
            },
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {"schemas": schemas},
        }
    )
    return found


def _operation(route: Route, meta: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    statuses = _ERRORS if route.has_symbol else {key: text for key, text in _ERRORS.items() if key != "404"}
    error = {"$ref": f"#/components/schemas/{_ERROR}"}
    return {
        "operationId": route.path.rpartition("/")[2],
        "summary": route.operation.meaning,
        "parameters": [_parameter(one, route.defaults.get(one.name)) for one in route.operation.parameters],
        "responses": {
            "200": _response("The answer.", _envelope(meta, data, {"const": 200}, is_success=True)),
            **{status: _response(text, error) for status, text in statuses.items()},
        },
    }


def _parameter(parameter: Parameter, default: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if parameter.kind is Kind.WHOLE:
        schema = {"type": "integer", "minimum": parameter.least, "maximum": parameter.most}
    elif parameter.words:
        schema["enum"] = list(parameter.words)
    if default is not None:
        schema["default"] = default
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.meaning,
        "schema": schema,
    }


def _response(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _envelope(meta: Any, data: Any, status: Any, *, is_success: bool) -> dict[str, Any]:
    properties = {
        "data": data,
        "meta": meta,
        "status": status,
        "message": {"type": "string"},
        "success": {"const": is_success},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _with_numbers(schema: Any) -> Any:
    """Return a schema in which decimals are numbers: msgspec describes the text that it writes by default."""
    if isinstance(schema, list):
        return [_with_numbers(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        return {**{key: value for key, value in schema.items() if key != "format"}, "type": "number"}
    return {key: _with_numbers(value) for key, value in schema.items()}
