"""Hold the Hummingbot that is running to what the connectors rely on, and say in one sentence what is different.

The connectors override and use parts of Hummingbot that it promises to nobody. Another Hummingbot may have renamed one,
and what follows would be a traceback at best, and at worst an override that is never called. So everything of it is
looked at once in a process, before the first connector is made; `hummingbot_members.py` names it.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from backpack_connector import __version__
from backpack_connector.hummingbot_members import MEMBERS, TESTED_VERSION

OUR_PACKAGES = ("backpack_connector", "backpack_perpetual_connector")
MOST_NAMED = 3
_MEMBER = re.compile(r"(\??\w*)(?:\(([^)]*)\))?")

_fitting: set[str] = set()


class HummingbotChanged(Exception):
    """Hummingbot is not as the plugin expects it; the text says it to the user."""


def check(module_name: str | None = None) -> None:
    """Check everything that is loaded and has not been found fitting yet, or what one module holds.

    Raises:   HummingbotChanged with what is different, the version, and what to do.
    """
    found: list[str] = []
    for key, members in MEMBERS.items():
        holder, _, class_name = key.partition(":")
        module = sys.modules.get(holder)
        if module is None or key in _fitting or module_name not in (None, holder):
            continue
        differences = list(_differences(module, class_name, members))
        if not differences:
            _fitting.add(key)
        found += differences
    if found:
        raise HummingbotChanged(sentence(found))


def sentence(found: list[str]) -> str:
    """Say what is different and what to do about it."""
    named = "; ".join(found[:MOST_NAMED]) + (f"; and {len(found) - MOST_NAMED} more" if found[MOST_NAMED:] else "")
    return (
        f"Hummingbot {running_version()} does not fit the Backpack plugin {__version__}, which is made for Hummingbot "
        f"{TESTED_VERSION}: {named}. Install Hummingbot {TESTED_VERSION} or a plugin that is made for yours, or set "
        "BACKPACK_CONNECTOR=off to do without the plugin."
    )


def import_failure(module: str, error: Exception) -> str | None:
    """Say why a module of ours cannot be loaded, if that is Hummingbot's doing: it has no such name, or is another."""
    if isinstance(error, ImportError):
        is_hummingbots = (error.name or "").partition(".")[0] == "hummingbot"
    else:
        is_hummingbots = running_version() != TESTED_VERSION
    if not is_hummingbots:
        return None
    told = str(error).partition(" (")[0]  # the rest is a path
    return sentence([f"{module} cannot be loaded ({type(error).__name__}: {told})"])


def running_version() -> str:
    """Return the version of the Hummingbot that is loaded."""
    file = getattr(sys.modules.get("hummingbot"), "__file__", None)
    return (hummingbot_version(Path(file).parent) if file else None) or "of an unknown version"


def hummingbot_version(folder: Path) -> str | None:
    """Return the version of a Hummingbot by the folder of its package.

    A release from the package index calls itself by its date; only a source checkout has nothing but its VERSION file,
    which in the release names the development version that it was made from.
    """
    for release in metadata.distributions(name="hummingbot"):
        if Path(str(release.locate_file("hummingbot"))).resolve() == folder.resolve():
            return release.version
    try:
        return (folder / "VERSION").read_text(encoding="utf-8").strip()
    except OSError:
        return None


# What one class must have


def read_members(text: str) -> Iterator[tuple[str, list[str] | None]]:
    """Read rows of the table: a name, and its arguments if it is called."""
    for found in _MEMBER.finditer(text):
        if found.group():
            name, arguments = found.groups()
            yield name, None if arguments is None else arguments.replace(",", " ").split()


def _differences(module: ModuleType, class_name: str, members: str) -> Iterator[str]:
    owner: Any = module
    if class_name:
        owner = getattr(module, class_name, None)
        if owner is None:
            yield f"{module.__name__} has no {class_name}"
            return
    ours = list(_our_subclasses(owner)) if isinstance(owner, type) else []
    for name, arguments in read_members(members):
        yield from _differences_of_member(owner, class_name or module.__name__, ours, name, arguments)


def _differences_of_member(
    owner: Any, shown: str, ours: list[type], name: str, arguments: list[str] | None
) -> Iterator[str]:
    may_be_missing, name = name.startswith("?"), name.removeprefix("?")
    holder = _holder(owner, ours, name) if name else owner
    if holder is None:
        if not may_be_missing:
            yield f"{shown} has no {name}"
    elif arguments is not None:
        static = inspect.getattr_static(holder, name) if name else None
        actual = signature_of(getattr(holder, name) if name else owner, static)
        overrides = {getattr(one, name) for one in ours} if name else set()
        if actual is not None and not (
            _takes(actual, arguments) and all(_accepts(override, actual) for override in overrides)
        ):
            told = f"{shown}.{name}" if name else shown
            yield f"{told} takes ({', '.join(actual)}) instead of ({', '.join(arguments)})"


def _our_subclasses(owner: type) -> Iterator[type]:
    below: list[type] = owner.__subclasses__()
    for one in below:
        if one.__module__.partition(".")[0] in OUR_PACKAGES:
            yield one
        yield from _our_subclasses(one)


def _holder(owner: Any, ours: list[type], name: str) -> Any:
    """Return the class that has the member, or one below it: a member may move down to where all of ours have it."""
    if _has(owner, name):
        return owner
    lower = [next((base for base in one.__mro__ if _is_hummingbots(base) and _has(base, name)), None) for one in ours]
    return lower[0] if lower and None not in lower else None


def _is_hummingbots(owner: type) -> bool:
    return owner.__module__.startswith("hummingbot.")


def _has(holder: Any, name: str) -> bool:
    return (
        hasattr(holder, name)
        or name in getattr(holder, "model_fields", ())  # pydantic keeps its fields there
        or any(name in _set_in_constructor(base) for base in getattr(holder, "__mro__", ()))
    )


@cache
def _set_in_constructor(owner: type) -> frozenset[str]:
    code = getattr(vars(owner).get("__init__"), "__code__", None)
    return frozenset(code.co_names) if code is not None else frozenset()


def signature_of(function: Any, static: Any = None) -> list[str] | None:
    """Write down the arguments of a function as the table does; None for a compiled one that does not tell."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    is_bound = isinstance(function, type) or static is None or isinstance(static, staticmethod | classmethod)
    return [_argument(one) for one in parameters[0 if is_bound else 1 :]]


def _argument(parameter: inspect.Parameter) -> str:
    mark = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
    return f"{mark}{parameter.name}{'' if parameter.default is parameter.empty else '='}"


def _takes(actual: list[str], wanted: list[str]) -> bool:
    """Tell whether a call with the wanted arguments still works: all are there, in their order, nothing else is due."""
    names = [one.rstrip("=") for one in wanted]
    kept = [one for one in actual if one.rstrip("=") in names]
    if [one.rstrip("=") for one in kept] != names:
        return False
    is_optional = all(now.endswith("=") or not then.endswith("=") for now, then in zip(kept, wanted, strict=True))
    return is_optional and all(one.endswith("=") or one.startswith("*") for one in actual if one not in kept)


def _accepts(override: Any, actual: list[str]) -> bool:
    """Tell whether a method of ours takes every argument that Hummingbot may hand to the one that it replaces."""
    if not getattr(override, "__module__", "").startswith(OUR_PACKAGES):
        return True
    ours = {one.rstrip("=") for one in signature_of(override) or ()}
    takes_all = any(one.startswith("**") for one in ours)
    return takes_all or all(one.startswith("*") or one.rstrip("=") in ours for one in actual)
