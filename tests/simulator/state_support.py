"""Help the tests of the kept state: keep an exchange in memory, and make a second one of it."""

from typing import Any

import msgspec

from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.state_decoding import Decoder
from backpack_connector.simulator.state_encoding import Changes, Encoder, Roots
from backpack_connector.simulator.truth import truth_payload


class Keeper:
    """What a store would hold after all changes so far."""

    def __init__(self, roots: Roots) -> None:
        self.encoder = Encoder(roots)
        self.records: dict[str, bytes] = {}
        self.segments: dict[tuple[str, int], bytes] = {}

    def save(self) -> Changes:
        """Take over what has changed."""
        changes = self.encoder.changes()
        for rows, changed in ((self.records, changes.records), (self.segments, changes.segments)):
            for key, text in changed.items():
                if text is None:
                    del rows[key]  # type: ignore[arg-type]
                else:
                    rows[key] = text  # type: ignore[index]
        return changes

    def load(self, roots: Roots) -> None:
        """Give a new exchange what is kept."""
        segments: dict[str, list[Any]] = {}
        for key, number in sorted(self.segments):
            segments.setdefault(key, []).extend(msgspec.json.decode(self.segments[key, number]))
        Decoder({key: msgspec.json.decode(text) for key, text in self.records.items()}, segments).fill(roots)


def whole(roots: Roots) -> tuple[Any, Any]:
    """Return everything that an exchange consists of, in a form that can be compared."""
    changes = Encoder(roots).changes()
    return changes.records, changes.segments


def truth(exchange: Exchange) -> bytes:
    """Return what the exchange tells of itself."""
    return msgspec.json.encode(truth_payload(exchange, seed=1, now_us=0))
