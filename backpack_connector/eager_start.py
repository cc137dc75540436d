"""Start a coroutine at once, so that a request leaves before the strategy's tick ends and not after it.

Hummingbot queues a task for every order, and the tasks of a tick wait until the tick is over. From Python 3.12 on a
task can take its first step, up to its first wait, inside the call that starts it; before, it is queued as Hummingbot's
are. Whoever starts work like this must not tell the strategy anything before the first wait: an event that arrives
inside `buy()` is about an order whose id the strategy does not have yet.
"""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from hummingbot.core.utils.async_utils import safe_ensure_future, safe_wrapper

T = TypeVar("T")

IS_POSSIBLE = sys.version_info >= (3, 12)


def begin(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Start work whose result somebody awaits; needs a running event loop."""
    if IS_POSSIBLE:
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)  # type: ignore[call-arg]
    return asyncio.ensure_future(work)


def begin_alone(work: Coroutine[Any, Any, Any]) -> None:
    """Start work that nobody awaits, as Hummingbot's `safe_ensure_future` does: what it raises is logged."""
    try:
        loop = asyncio.get_running_loop() if IS_POSSIBLE else None
    except RuntimeError:
        loop = None
    if loop is None:
        safe_ensure_future(work)
    else:
        asyncio.Task(safe_wrapper(work), loop=loop, eager_start=True)  # type: ignore[call-arg]
