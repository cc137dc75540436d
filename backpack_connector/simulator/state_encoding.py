"""Turn the exchange's objects into records that can be kept, and find out cheaply which of them have changed.

A record is a part or a piece of data with its attributes. An attribute is JSON: texts, whole numbers, booleans and None
as they are, everything else a list that begins with its kind (`_KINDS` in state_decoding). References name records, so
that an order that is in a book, in an account and in a strategy is one order again.

Rule 1: a container of more than `SEGMENT` items is kept in segments of its own. Histories only grow, or lose what is
        oldest, so that a save writes their last segment and not all of them.
Rule 2: a segment that is full and followed by another one, and has nothing in it that can still change, is not looked
        at again while its items are the same objects.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from itertools import count, islice
from operator import is_
from typing import Any

import msgspec

from .orders import Order
from .state_classes import VALUES, is_part, is_record, is_value, name_of, names_of, next_of

SEGMENT = 128

Roots = Mapping[str, object]
"""The parts from which everything else is reached, by name."""

_encode = msgspec.json.Encoder().encode
_PLAIN = (str, int, bool, type(None))
_FIXED: dict[type[Any], str] = {tuple: "t", set: "S", frozenset: "F"}
_MEMOS_KEPT = 50_000
_LISTS_KEPT = 10_000


class Unkept(TypeError):
    """Something in the exchange's state cannot be kept, and is not named as derived."""


class Changes(msgspec.Struct):
    """What is different from the last time; None = gone."""

    records: dict[str, bytes | None] = {}
    segments: dict[tuple[str, int], bytes | None] = {}

    def __bool__(self) -> bool:
        return bool(self.records or self.segments)


class _Known:
    """What is known of an object that has a record."""

    __slots__ = ("fields", "key", "pins", "round", "text", "value")

    def __init__(self, value: Any, key: str) -> None:
        self.value = value  # keeps it alive, so that nothing else gets its identity
        self.key = key
        self.text = b""
        self.round = 0
        self.fields: tuple[Any, ...] | None = None
        """Of a struct whose attributes cannot change without being replaced."""
        self.pins = 0
        """Segments that are not looked at again, and have it."""


class _Segment:
    __slots__ = ("is_settled", "items", "text")

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.text = b""
        self.is_settled = False


class _Long:
    """A container that is kept in segments."""

    __slots__ = ("first", "offset", "round", "segments")

    def __init__(self) -> None:
        self.segments: dict[int, _Segment] = {}
        self.offset = 0
        self.first: Any = None
        self.round = 0


def _decimal(value: Any, _: str) -> Any:
    return ["d", str(value)]


def _member(value: Any, _: str) -> Any:
    return ["e", name_of(type(value)), value.name]


def _float(value: Any, _: str) -> Any:
    return ["f", value.hex()]


def _counter(value: Any, _: str) -> Any:
    return ["c", next_of(value)]


def _is_flat(value: Any) -> bool:
    """Tell whether a value cannot change, and names no record."""
    if isinstance(value, msgspec.Struct):
        return value.__struct_config__.frozen and all(map(_is_flat, msgspec.structs.astuple(value)))
    return isinstance(value, (*_PLAIN, Decimal, Enum))


def _end_of(items: Sequence[Any]) -> tuple[Any, ...]:
    """Return what the newest of some candles is now; of a list, only that one changes (`VALUES`)."""
    return msgspec.structs.astuple(items[-1]) if items and type(items[-1]) in VALUES else ()


def _is_final(value: Any) -> bool:
    """Tell of an item of a long container that it will never change."""
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]
    if isinstance(value, Order):
        return value.status.is_final
    return type(value) in VALUES or _is_flat(value)


class Encoder:
    """The records of one exchange as they were when they were last looked at."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._known: dict[int, _Known] = {}
        self._longs: dict[str, _Long] = {}
        self._numbers = count(1)
        self._round = 0
        # First come, first looked at: so the same parts have the same paths, whatever data lies between them.
        self._waiting: deque[_Known] = deque()
        self._lists: dict[str, tuple[list[Any], Any, msgspec.Raw]] = {}
        self._memo: dict[int, tuple[Any, tuple[Any, ...], msgspec.Raw]] = {}
        self._changes = Changes()
        self._kinds: dict[type[Any], Callable[[Any, str], Any]] = {}

    def changes(self) -> Changes:
        """Return everything that has changed since the last call; the first time that is everything.

        Raises:   Unkept.
        """
        self._round += 1
        self._changes = Changes(records={}, segments={})
        for name, root in self._roots.items():
            self._refer(root, name)
        while self._waiting:
            self._look_at(self._waiting.popleft())
        self._forget_unreached()
        return self._changes

    def parts(self) -> dict[str, Any]:
        """Return the parts that were found, by path."""
        return {known.key: known.value for known in self._known.values() if is_part(known.value)}

    def _look_at(self, known: _Known) -> None:
        value, path = known.value, known.key
        if isinstance(value, msgspec.Struct):
            fields = msgspec.structs.astuple(value)
            if known.fields is not None and all(map(is_, fields, known.fields)):
                self._refer_to_fields(fields)
                return
            known.fields = fields if all(_is_flat(field) or is_record(field) for field in fields) else None
        if isinstance(value, random.Random):
            content: dict[str, Any] = {"state": self._value(value.getstate(), path)}
        else:
            content = {name: self._value(getattr(value, name), f"{path}.{name}") for name in names_of(value)}
        text = _encode([name_of(type(value)), content])
        if text != known.text:
            known.text = text
            self._changes.records[known.key] = text

    def _refer_to_fields(self, fields: Iterable[Any]) -> None:
        for field in fields:
            if isinstance(field, msgspec.Struct) and is_record(field):
                self._refer(field, "")

    def _forget_unreached(self) -> None:
        for key, long in list(self._longs.items()):
            if long.round != self._round:
                for segment in self._longs.pop(key).segments.values():
                    self._unpin(segment)
                self._changes.segments.update(dict.fromkeys(((key, number) for number in long.segments), None))
        for identity, known in list(self._known.items()):
            if known.round != self._round and not known.pins:
                del self._known[identity]
                self._changes.records[known.key] = None

    def _refer(self, value: Any, path: str) -> list[Any]:
        """Return a reference to an object's record, and have it looked at once in this round."""
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = _Known(value, self._new_key(value, path))
        if known.round != self._round:
            known.round = self._round
            self._waiting.append(known)
        return ["r", known.key]

    def _new_key(self, value: Any, path: str) -> str:
        return path if is_part(value) else f"#{next(self._numbers)}"

    def _value(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        write = self._kinds.get(kind)
        if write is None:
            write = self._kinds[kind] = self._writer_of(value, path)
        return write(value, path)

    def _writer_of(self, value: Any, path: str) -> Callable[[Any, str], Any]:
        for kinds, write in (
            (Decimal, _decimal),
            (Enum, _member),
            (float, _float),
            (count, _counter),
            ((dict, list, deque), self._container),
            ((tuple, set, frozenset), self._fixed),
        ):
            if isinstance(value, kinds):
                return write
        if is_part(value) or is_record(value):
            return self._refer
        if is_value(value):
            return self._inline
        raise Unkept(f"{path} is a {type(value).__name__}, which cannot be kept")

    def _fixed(self, value: Any, path: str) -> Any:
        return [_FIXED[type(value)], *(self._value(item, path) for item in value)]

    def _inline(self, value: Any, path: str) -> Any:
        fields = msgspec.structs.astuple(value) if isinstance(value, msgspec.Struct) else None
        if fields is not None:
            memo = self._memo.get(id(value))
            if memo is not None and memo[0] is value and all(map(is_, fields, memo[1])):
                return memo[2]
        content = {name: self._value(getattr(value, name), path) for name in names_of(value)}
        row = ["s", name_of(type(value)), content]
        if fields is None or not all(map(_is_flat, fields)):
            return row
        if len(self._memo) >= _MEMOS_KEPT:
            self._memo.clear()
        raw = msgspec.Raw(_encode(row))
        self._memo[id(value)] = value, fields, raw
        return raw

    def _container(self, value: Any, path: str) -> Any:
        if len(value) > SEGMENT:
            return self._long_container(value, path)
        if isinstance(value, dict):
            if all(type(key) is str for key in value):
                return ["m", {key: self._value(item, f"{path}[{key}]") for key, item in value.items()}]
            pairs = [[self._value(key, path), self._value(item, f"{path}[{key}]")] for key, item in value.items()]
            return ["p", pairs]
        return self._short_list(value, path)

    def _short_list(self, value: Any, path: str) -> Any:
        known = self._lists.get(path)
        if known is not None and _are_same(value, known[0]) and _are_same(_end_of(value), known[1]):
            return known[2]
        items = [self._value(item, f"{path}[{place}]") for place, item in enumerate(value)]
        row = ["q", items, value.maxlen] if isinstance(value, deque) else ["l", items]
        if not all(type(item) in VALUES or _is_flat(item) for item in value):
            return row
        if len(self._lists) >= _LISTS_KEPT:
            self._lists.clear()
        raw = msgspec.Raw(_encode(row))
        self._lists[path] = list(value), _end_of(value), raw
        return raw

    def _long_container(self, value: Any, path: str) -> Any:
        long = self._longs.get(path)
        if long is None:
            long = self._longs[path] = _Long()
        long.round = self._round
        items = list(value.items()) if isinstance(value, dict) else list(value)
        long.offset += _lost(long, items)
        first, end = long.offset, long.offset + len(items)
        numbers = range(first // SEGMENT, (end - 1) // SEGMENT + 1)
        for number in numbers:
            part = items[max(number * SEGMENT - first, 0) : (number + 1) * SEGMENT - first]
            self._segment(long, number, part, path, is_last=number == numbers[-1], has_keys=isinstance(value, dict))
        for number in [number for number in long.segments if number not in numbers]:
            self._unpin(long.segments.pop(number))
            self._changes.segments[path, number] = None
        if isinstance(value, deque):
            return ["g", "q", path, end - first, value.maxlen]
        return ["g", "p" if isinstance(value, dict) else "l", path, end - first]

    def _segment(
        self, long: _Long, number: int, part: Sequence[Any], path: str, *, is_last: bool, has_keys: bool
    ) -> None:
        segment = long.segments.get(number)
        if segment is None:
            segment = long.segments[number] = _Segment()
        elif segment.is_settled and _are_same(part, segment.items):
            return
        self._unpin(segment)
        segment.items = list(part)
        rows = zip(part, _names_of(part, number * SEGMENT, has_keys=has_keys), strict=True)
        text = _encode([self._value(item, f"{path}[{name}]") for item, name in rows])
        if text != segment.text:
            segment.text = text
            self._changes.segments[path, number] = text
        if not is_last and all(map(_is_final, part)):
            segment.is_settled = True
            for known in self._records_in(segment):
                known.pins += 1

    def _unpin(self, segment: _Segment) -> None:
        if segment.is_settled:
            segment.is_settled = False
            for known in self._records_in(segment):
                known.pins -= 1

    def _records_in(self, segment: _Segment) -> Iterator[_Known]:
        return (self._known[id(value)] for value in _objects(segment.items) if id(value) in self._known)


def _names_of(part: Sequence[Any], first: int, *, has_keys: bool) -> Iterable[Any]:
    """Return what tells the items of a segment apart: their keys, or their places."""
    return (key for key, _ in part) if has_keys else range(first, first + len(part))


def _objects(items: Iterable[Any]) -> Iterator[Any]:
    return (item[1] if isinstance(item, tuple) and len(item) == 2 else item for item in items)


def _are_same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    if len(one) != len(other):
        return False
    if one and isinstance(one[0], tuple):
        return all(a is b or (len(a) == len(b) and all(map(is_, a, b))) for a, b in zip(one, other, strict=True))
    return all(map(is_, one, other))


def _lost(long: _Long, items: Sequence[Any]) -> int:
    """Return how many items a container has lost at its beginning since the last time."""
    if not long.segments or not items:
        return 0
    known = (item for number in sorted(long.segments) for item in long.segments[number].items)
    for lost, item in enumerate(islice(known, len(items) + SEGMENT)):
        if _are_same([item], [items[0]]):
            return lost
    return 0
