"""Put kept records back into a new exchange of the same make; the reverse of `state_encoding`.

Parts keep their identity, and so do the containers that belong to them, because other parts hold on to both.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import count
from typing import Any

from .state_classes import blank, classes, name_of, names_of
from .state_encoding import Encoder, Roots

Record = tuple[str, dict[str, Any]]
"""(class, attributes)."""


class StateMismatch(ValueError):
    """What was kept does not fit this exchange: another version, or other markets."""


class Decoder:
    """Kept records and segments, by key."""

    def __init__(self, records: Mapping[str, Record], segments: Mapping[str, list[Any]]) -> None:
        self._records = records
        self._segments = segments
        self._objects: dict[str, Any] = {}
        self._read: dict[str, Callable[..., Any]] = {
            "d": Decimal,
            "e": lambda name, member: self._class(name)[member],
            "r": self._objects.__getitem__,
            "s": self._inline,
            "t": lambda *items: tuple(map(self._value, items)),
            "S": lambda *items: set(map(self._value, items)),
            "F": lambda *items: frozenset(map(self._value, items)),
            "f": float.fromhex,
            "c": count,
            "l": lambda items: list(map(self._value, items)),
            "q": lambda items, most: deque(map(self._value, items), most),
            "m": lambda items: {key: self._value(item) for key, item in items.items()},
            "p": lambda pairs: {self._value(key): self._value(item) for key, item in pairs},
            "g": self._long,
        }

    def fill(self, roots: Roots) -> None:
        """Give a new exchange the kept state. A root that was not there when it was kept stays as it is.

        Raises:   StateMismatch; then the exchange must not be used.
        """
        fresh = Encoder(roots)
        fresh.changes()
        known = {name for name in roots if name in self._records}
        parts = {key: part for key, part in fresh.parts().items() if _root_of(key) in known}
        records = {key: row for key, row in self._records.items() if key.startswith("#") or _root_of(key) in known}
        try:
            for key, (name, _) in records.items():
                self._objects[key] = blank(self._class(name)) if key.startswith("#") else parts[key]
            for key, (name, content) in records.items():
                self._fill(self._objects[key], name, content)
        except StateMismatch:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateMismatch(f"{type(error).__name__}: {error}") from error
        if missing := sorted(set(parts) - set(records)):
            raise StateMismatch(f"there is nothing about {missing[0]}")

    def _fill(self, value: Any, name: str, content: Mapping[str, Any]) -> None:
        if isinstance(value, random.Random):
            value.setstate(self._value(content["state"]))
            return
        if name != name_of(type(value)) or set(content) != set(names_of(value)):
            raise StateMismatch(f"{name} has other attributes now")
        for name, kept in content.items():
            restored = self._value(kept)
            current = getattr(value, name, None)
            if not _refill(current, restored):
                setattr(value, name, restored)

    def _class(self, name: str) -> Any:
        return classes()[name]

    def _value(self, kept: Any) -> Any:
        return self._read[kept[0]](*kept[1:]) if isinstance(kept, list) else kept

    def _inline(self, name: str, content: Mapping[str, Any]) -> Any:
        value = self._class(name)(**{field: self._value(kept) for field, kept in content.items()})
        if set(content) != set(names_of(value)):
            raise StateMismatch(f"{name} has other attributes now")
        return value

    def _long(self, tag: str, key: str, length: int, most: int | None = None) -> Any:
        items = list(map(self._value, self._segments[key]))
        if len(items) != length:
            raise StateMismatch(f"{key} has {len(items)} items instead of {length}")
        if tag == "p":
            return dict(items)
        return deque(items, most) if tag == "q" else items


def _root_of(key: str) -> str:
    return key.partition(".")[0]


def _refill(current: Any, restored: Any) -> bool:
    """Put the content of a container into the one that is there, if it is of the same kind."""
    if type(current) is not type(restored) or current is restored:
        return False
    if isinstance(current, (dict, set)):
        current.clear()
        current.update(restored)
        return True
    if isinstance(current, (list, deque)):
        current.clear()
        current.extend(restored)
        return True
    return False
