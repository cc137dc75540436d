"""Give out client order ids: decimal strings in [1, 2^32) that this installation does not use twice.

How uniqueness holds. The wire allows 32 bits (API §2.0), and Hummingbot uses the id as a database key, so an id must
be unique over connectors, restarts and months, not only among open orders.
- One generator serves all connectors of a process, and its ids strictly increase, so two never meet.
- It follows the clock at 34 ids a second, which is more than the exchange accepts (2,000 requests a minute). So when a
  process starts again, the clock has passed every id of the process before it. A burst faster than that is caught up
  with by the clock: only a process that dies within a minute of a burst of thousands of orders and comes back at once
  could meet its own last ids.
- The clock goes round after 2^32 / 34 seconds, four years; an id of four years ago comes back only if an order is
  placed in the same 1/34 second of the round.
- Every installation adds its own offset, a hash of its instance id and its folder. Two bots on one account share an id
  only if one places an order exactly as long after the other's as their offsets are apart. For that to happen within
  a day of each other the offsets must be that close: 1 in 730 for a pair of bots, and then only in the same slot. Even
  then no state is mixed up, because an event must match the exchange's own order id as well (required behaviour F36).
"""

import hashlib
import threading
import time
from collections.abc import Callable

from backpack_connector.running_client import running_configuration

ID_SPACE = 2**32
IDS_PER_SECOND = 34


class ClientOrderIds:
    """A sequence of ids that follows the clock; see the module for what it promises."""

    def __init__(self, installation: str, clock: Callable[[], float] = time.time) -> None:
        digest = hashlib.sha256(installation.encode()).digest()
        self._offset = int.from_bytes(digest[:4], "big")
        self._clock = clock
        self._last = 0

    def next(self) -> str:
        """Return the next id."""
        slot = int(self._clock() * IDS_PER_SECOND)
        self._last = slot if slot > self._last else self._last + 1
        # Zero is left out: whether the exchange accepts it is not known.
        return str((self._last + self._offset) % (ID_SPACE - 1) + 1)


_process_ids: ClientOrderIds | None = None
_process_lock = threading.Lock()


def next_client_order_id() -> str:
    """Return the next id of this process, whichever connector or thread asks."""
    global _process_ids
    with _process_lock:
        if _process_ids is None:
            _process_ids = ClientOrderIds(installation())
        return _process_ids.next()


def installation() -> str:
    """Return what tells this installation of Hummingbot from others: instance and folder."""
    from hummingbot import prefix_path

    return f"{_instance_id()} {prefix_path()}"


def _instance_id() -> str:
    # Scripts and notebooks have no instance id: the folder alone tells them apart.
    configuration = running_configuration()
    return "" if configuration is None else str(configuration.instance_id)
