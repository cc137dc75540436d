"""Measure what a connector holds, so that whatever only ever grows is seen."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_OURS = ("backpack_connector.", "backpack_perpetual_connector.", "hummingbot.")
_NOT_OURS = ("backpack_connector.simulator.", "hummingbot.logger", "hummingbot.core.web_assistant.connections.")
_SHARED = frozenset({"_logger", "_clock"})
_BOUNDED = frozenset(
    {"ClientOrderTracker._cached_orders", "BackpackOrderTracker._cached_orders", "RequestWindow._sent"}
)
"""Finished orders, which are kept for ten minutes, and the requests of the last minute.

The latter show how much is asked, not how much is kept: the pools bound them (`invariants`), at the start the first
minute is not over, and regular polls alone are more than SLACK.
"""


SLACK = 24
"""How many entries more a container may have than at the start, beside two for each order that is open, the owner's
included; what a connector keeps
on purpose, such as its latest questions, is below that, and a run places about a hundred orders."""
TASKS_SLACK = 4
"""How many tasks of a kind may be there that did not run at the start, such as cancels that wait for their turn."""


class Growth:
    """What a connector held at its start, and what it holds more now."""

    def __init__(self, connector: Any, tasks: "Iterable[asyncio.Task[Any]]") -> None:
        self._sizes = container_sizes(connector)
        self._tasks = task_names(tasks)

    def since(
        self, connector: Any, tasks: "Iterable[asyncio.Task[Any]]", open_count: int, pairs_more: int
    ) -> Iterator[str]:
        """Yield a sentence for each container and each kind of task that is more than what is there explains.

        `open_count` orders of the account are open, and `pairs_more` pairs are traded than at the start.
        """
        allowed = SLACK + 2 * open_count
        for path, size in container_sizes(connector).items():
            if size > self._sizes[path] + allowed:
                yield f"The container {path} has grown from {self._sizes[path]} to {size} entries."
        for name, count in task_names(tasks).items():
            before = self._tasks[name]
            if count > (before + pairs_more if before else TASKS_SLACK):
                yield f"There are {count} tasks {name}, and there were {before} at the start."


def container_sizes(connector: Any) -> Counter[str]:
    """Return how many entries each container holds that can be reached from a connector, by its path."""
    sizes: Counter[str] = Counter()
    seen: set[int] = set()
    waiting: deque[tuple[str, Any]] = deque([("", connector)])
    while waiting:
        path, thing = waiting.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, asyncio.Queue):
            sizes[path] += thing.qsize()
        elif isinstance(thing, Mapping):
            sizes[path] += len(thing)
            waiting.extend((f"{path}[]", value) for value in list(thing.values()))
        elif isinstance(thing, deque) and thing.maxlen is not None:
            continue
        elif isinstance(thing, list | set | frozenset | deque | tuple):
            sizes[path] += 0 if isinstance(thing, tuple) else len(thing)
            waiting.extend((f"{path}[]", value) for value in list(thing))
        elif type(thing).__module__.startswith(_OURS) and not type(thing).__module__.startswith(_NOT_OURS):
            waiting.extend((f"{path}.{name}", value) for name, value in _attributes(thing))
    return sizes


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    names: set[str] = set(getattr(thing, "__dict__", ()))
    for kind in type(thing).__mro__:
        slots: Iterable[str] = kind.__dict__.get("__slots__", ())
        names.update([slots] if isinstance(slots, str) else slots)
    for name in sorted(names - _SHARED):
        if f"{type(thing).__name__}.{name}" in _BOUNDED:
            continue
        try:
            yield name, getattr(thing, name)
        except Exception:  # noqa: BLE001 - a slot that was never filled, or a property that refuses
            continue


def task_names(tasks: "Iterable[asyncio.Task[Any]]") -> Counter[str]:
    """Return how many tasks run, by the name of what they run."""
    return Counter(task_name(task) for task in tasks)


def task_name(task: "asyncio.Task[Any]") -> str:
    """Return the name of what a task runs."""
    work: Any = task.get_coro()
    inside = getattr(getattr(work, "cr_frame", None), "f_locals", {}).get("c")  # Hummingbot's wrapper that logs errors
    return str(getattr(inside, "__qualname__", None) or getattr(work, "__qualname__", None) or repr(task))
