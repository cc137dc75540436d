"""Spoil JSON values: every field in turn left out, or replaced by every kind of value that nobody expects there."""

from collections.abc import Iterator
from typing import Any

MISSING = object()
"""Stands for a field, or an element of a list, that is left out."""


def nested(depth: int) -> list[Any]:
    """Return a list in a list in a list."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def unexpected_values() -> dict[str, Any]:
    """Return values of all kinds by name, as decoded JSON may hold them."""
    return {
        "missing": MISSING,
        "null": None,
        "true": True,
        "false": False,
        "zero": 0,
        "minus one": -1,
        "beyond 64 bits": 2**64,
        "below 64 bits": -(2**63) - 1,
        "largest of 64 bits": 2**63 - 1,
        "whole number of 4,000 digits": 10**3_999,
        "fraction": 1.5,
        "largest float": 1.7976931348623157e308,
        "not a number": float("nan"),
        "infinity": float("inf"),
        "empty text": "",
        "blank text": " \t\n",
        "word": "x",
        "NaN as text": "NaN",
        "sNaN as text": "sNaN",
        "infinity as text": "Infinity",
        "minus infinity as text": "-Infinity",
        "huge exponent": "1e999999999",
        "tiny exponent": "1e-999999999",
        "zero with a huge exponent": "0e999999999",
        "exponent beyond Decimal": "1e99999999999999999999",
        "10,000 digits": "9" * 10_000,
        "10,000 places": "0." + "1" * 10_000,
        "minus one as text": "-1",
        "zero as text": "0",
        "digits of another script": "٣",
        "half a surrogate pair": "\ud800",
        "control characters": "\x00\x1b[31m\r\n",
        "text of 100,000 signs": "a" * 100_000,
        "digits of 100,000 signs": "7" * 100_000,
        "time of year one": "0001-01-01T00:00:00",
        "empty list": [],
        "list in a list": [[]],
        "list of texts": ["1", "2", "3"],
        "empty object": {},
        "object": {"a": 1},
        "deep list": nested(900),
    }


Path = tuple["str | int", ...]


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Name every place in a JSON value; of a list the first element stands for all."""
    yield at
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, (*at, name))
    elif isinstance(value, list) and value:
        yield from paths(value[0], (*at, 0))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Return a JSON value with another value at one place, or without the place; the original stays as it is."""
    if not path:
        return None if new is MISSING else new
    first, *rest = path
    if isinstance(value, dict):
        items = dict(value)
        if new is MISSING and not rest:
            del items[first]
        else:
            items[first] = replaced(items[first], tuple(rest), new)
        return items
    elements = list(value)
    if new is MISSING and not rest:
        del elements[first]
    else:
        elements[first] = replaced(elements[first], tuple(rest), new)
    return elements


def mutations(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (what was done, spoilt value) for every place and every unexpected value."""
    for path in paths(value):
        for name, new in unexpected_values().items():
            yield f"{'.'.join(map(str, path)) or 'all'}: {name}", replaced(value, path, new)
