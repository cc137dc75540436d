"""Say what of the exchange's objects is kept: everything, except what is named here as derived.

Parts are what the constructor of the exchange makes, such as a ledger or the book of a market. They are found again by
their path, and only their contents are kept. Everything else is data: orders, accounts, loans. A new attribute is kept
without anybody thinking of it; one that cannot be kept, such as a function, must be named in `DERIVED`, or keeping
fails.
"""

import dataclasses
import random
import sys
from enum import Enum
from functools import cache
from itertools import count
from typing import Any, cast

import msgspec

from .accounts import Account
from .book import Level
from .candles import Candle
from .equity import Curve
from .orders import ZERO

DERIVED: dict[str, frozenset[str]] = {
    "Accounts": frozenset({"faucet"}),  # an option of each start
    "CandleStore": frozenset({"past", "_past_sums"}),  # the past comes from seed and first start; a cache
    "Capital": frozenset({"assets"}),  # comes with the package
    "Exchange": frozenset({"_clock", "_clearing"}),  # kept by itself; rules without a state
    "Liquidations": frozenset({"_clearing"}),
    "MovableClock": frozenset({"_clock"}),  # the machine's
    "PerpetualPrices": frozenset({"_instrument"}),  # comes with the package, or from the tape
    "Rfqs": frozenset({"instruments"}),
    "TradedMarket": frozenset({"instrument", "is_listed", "state"}),  # as listed; only faults change that
    "Vault": frozenset({"terms"}),  # comes with the package
}
"""Attributes that are not kept, by class: the constructor makes them again."""

_EXAMPLES: dict[type[Any], object] = {Account: Account("", 0), Level: Level(ZERO), Curve: Curve()}
DATA = tuple(_EXAMPLES)
"""Classes of data that are no structs."""

VALUES: tuple[type[Any], ...] = (Candle,)
"""Mutable structs that one container owns, and of which only the newest one changes: kept as values in their place."""

_PACKAGE = __name__.rpartition(".")[0]
_ROOT = f"{_PACKAGE.rpartition('.')[0]}."


def is_part(value: object) -> bool:
    """Tell whether an object is a part of the exchange."""
    kind = type(value)
    is_own = kind.__module__.startswith(_PACKAGE) and not issubclass(kind, (msgspec.Struct, Enum, *DATA))
    return kind is random.Random or (is_own and not dataclasses.is_dataclass(kind))


def is_record(value: object) -> bool:
    """Tell whether an object is data with an identity: it can change, and several places may name it."""
    kind = type(value)
    if kind in DATA:
        return True
    return isinstance(value, msgspec.Struct) and kind not in VALUES and not value.__struct_config__.frozen


def is_value(value: object) -> bool:
    """Tell whether an object is data without an identity, which never changes or belongs to one place."""
    kind = type(value)
    return kind in VALUES or isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(kind)


def names_of(value: object) -> tuple[str, ...]:
    """Return the names of the attributes that are kept, in a fixed order."""
    kind = type(value)
    if isinstance(value, msgspec.Struct):
        return kind.__struct_fields__  # type: ignore[no-any-return, attr-defined]
    names = _NAMES_OF_DATA.get(kind)
    if names is None and dataclasses.is_dataclass(kind):
        names = _NAMES_OF_DATA[kind] = tuple(row.name for row in dataclasses.fields(kind))
    return tuple(sorted(set(vars(value)) - DERIVED.get(kind.__name__, frozenset()))) if names is None else names


# Of an example, because what was just made has no attributes yet.
_NAMES_OF_DATA: dict[type[Any], tuple[str, ...]] = {
    kind: tuple(sorted(cast("tuple[str, ...]", getattr(kind, "__slots__", ())) or vars(example)))
    for kind, example in _EXAMPLES.items()
}


def blank(kind: type[Any]) -> Any:
    """Return an object of a class whose attributes are yet to be set."""
    if issubclass(kind, msgspec.Struct):
        return kind(**dict.fromkeys(kind.__struct_fields__))
    return object.__new__(kind)


def name_of(kind: type[Any]) -> str:
    """Return the name under which a class is kept, such as `simulator.orders.Order`."""
    return f"{kind.__module__.removeprefix(_ROOT)}.{kind.__qualname__}"


@cache
def classes() -> dict[str, type[Any]]:
    """Return the classes that data can have, by name: the simulator's, and those of the protocol that it uses."""
    return {
        name_of(kind): kind
        for name, module in sorted(sys.modules.items())
        if name.startswith((f"{_PACKAGE}.", f"{_ROOT}protocol."))
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == name and _is_data_class(kind)
    }


def _is_data_class(kind: type[Any]) -> bool:
    return issubclass(kind, (msgspec.Struct, Enum)) or kind in DATA or dataclasses.is_dataclass(kind)


def next_of(ids: "count[int]") -> int:
    """Return the number that a counter gives next, without taking it."""
    return int(repr(ids).removeprefix("count(").removesuffix(")"))
