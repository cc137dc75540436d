"""The simulator as a program of its own, with request pools that refill as fast as these bots are born."""

import ctypes
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest import mock

from backpack_connector.protocol import rate_limits

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
POOL_WINDOW_S = 3.0
"""A bot that starts again asks some dozens of questions; in real life it does so once a day, here every few seconds."""


@contextmanager
def quick_pools() -> Iterator[None]:
    """Shorten the windows of the request limits; both sides of a run do so."""
    with ExitStack() as stack:
        for name in ("_CLIENT_POOLS", "_SERVER_POOLS"):
            pools = {key: replace(pool, window_s=POOL_WINDOW_S) for key, pool in getattr(rate_limits, name).items()}
            stack.enter_context(mock.patch.object(rate_limits, name, pools))
        yield


def end_with_parent() -> None:
    """Have this process killed when the one that started it ends, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> int:
    """Run the simulator with the command line that it always has."""
    from backpack_connector.simulator.__main__ import parse_options, run

    end_with_parent()
    with quick_pools():
        return run(parse_options())


if __name__ == "__main__":
    sys.exit(main())
