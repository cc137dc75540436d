"""Run tests of the spot connector once more, with the perpetual connector in a perpetual market.

What both connectors share is proven for spot. Here its tests are run for the other one too, so that nothing in between
(another data source, other streams, another way of asking for the account) undoes it.
"""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

from tests.perpetual.session import perpetual_world

SYMBOL, OTHER_SYMBOL = "SOL_USDC_PERP", "BTC_USDC_PERP"


def streams_of(symbol: str) -> list[str]:
    return [f"depth.{symbol}", f"trade.{symbol}", f"markPrice.{symbol}"]


NAMES = {
    "SYMBOL": SYMBOL,
    "OTHER_SYMBOL": OTHER_SYMBOL,
    "STREAMS": streams_of(SYMBOL),
    "OTHER_STREAMS": streams_of(OTHER_SYMBOL),
    "world": perpetual_world,
}
"""What the modules call markets, their streams and the exchange, and what that is here."""


def taken_from(module: ModuleType, but: Collection[str] = ()) -> dict[str, Any]:
    """Return the tests and fixtures that a module defines, without those of the given names."""
    found = {name: member for name, member in vars(module).items() if _is_defined_in(member, module)}
    return {name: member for name, member in found.items() if name not in _existing(but, found)}


def picked_from(module: ModuleType, *names: str) -> dict[str, Any]:
    """Return the tests of the given names."""
    return {name: getattr(module, name) for name in _existing(names, vars(module))}


def _existing(names: Collection[str], found: Collection[str]) -> Collection[str]:
    unknown = [name for name in names if name not in found]
    assert not unknown, f"There are no such tests: {unknown}"
    return names


def _is_defined_in(member: Any, module: ModuleType) -> bool:
    return getattr(member, "__module__", None) == module.__name__


@contextmanager
def about_perpetuals(*modules: ModuleType) -> Iterator[None]:
    """Let the tests of modules find a perpetual market where they look for a spot market."""
    with ExitStack() as stack:
        for module in modules:
            for name, value in NAMES.items():
                if hasattr(module, name):
                    stack.enter_context(mock.patch.object(module, name, value))
        yield
