"""Find out from the code what the connectors rely on in Hummingbot: what they override, and what they call of it."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import backpack_connector
import backpack_perpetual_connector

PACKAGES = (backpack_connector, backpack_perpetual_connector)
PRIVATE = re.compile(r"_[a-z]\w*")


def our_modules() -> Iterator[Any]:
    for package in PACKAGES:
        for found in pkgutil.iter_modules(package.__path__):
            if not found.ispkg:
                yield importlib.import_module(f"{package.__name__}.{found.name}")


def is_hummingbots(owner: type) -> bool:
    return owner.__module__.startswith("hummingbot.")


def our_classes() -> list[type]:
    """Return our classes that stand on one of Hummingbot's."""
    return [
        one
        for module in our_modules()
        for one in vars(module).values()
        if inspect.isclass(one) and one.__module__ == module.__name__ and any(map(is_hummingbots, one.__mro__))
    ]


def set_in_constructor(owner: type) -> set[str]:
    code = getattr(vars(owner).get("__init__"), "__code__", None)
    return set() if code is None else set(code.co_names)


def names_used(ours: type) -> set[str]:
    """Return what a class defines, and what it takes from `self` and `super()`."""
    used = set(vars(ours))
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(ours)))):
        if isinstance(node, ast.Attribute):
            of_super = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
            if of_super or getattr(node.value, "id", "") == "self":
                used.add(node.attr)
    # Loggers are noted in our classes while tests run; they are not ours.
    return {name for name in used if not name.startswith("__") and name != "_abc_impl" and not name.endswith("logger")}


def inherited_names() -> dict[type, set[str]]:
    """Return the names that our classes override or take from above, by the class of Hummingbot that has them."""
    found: dict[type, set[str]] = defaultdict(set)
    for ours in our_classes():
        bases = [base for base in ours.__mro__ if is_hummingbots(base)]
        for name in set().union(*(names_used(one) for one in ours.__mro__ if one.__module__.startswith("backpack"))):
            owners = [base for base in bases if name in vars(base)]
            owners += [base for base in bases if name in set_in_constructor(base)]
            if owners:
                found[owners[0]].add(name)
    return found


def borrowed_private_names() -> set[str]:
    """Return the private names that our code takes from objects other than its own, and that it does not define."""
    borrowed, defined = set(), set()
    for module in our_modules():
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                defined.add(node.name)
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                defined |= {name for one in targets for name in re.findall(r"\w+", ast.unparse(one))}
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") not in ("self", "cls"):
                borrowed.add(node.attr)
    return {name for name in borrowed - defined if PRIVATE.fullmatch(name)} - {"_fields", "_replace"}  # of any tuple
