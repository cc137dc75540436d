"""Keep the faults that are set: what each covers, whether chance lets it strike, and when it is over."""

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import msgspec

from backpack_connector.protocol.units import us_from_seconds

from .clock import Clock
from .faults_kinds import KINDS, Fault, FaultKind

_FINISHED_KEPT = 1_000


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """What happens that a fault may be about."""

    operation: str | None = None
    stream: str | None = None
    account: str | None = None
    markets: Sequence[str | None] = ()
    """A batch may concern several."""


class ActiveFault:
    """A fault that is set, or was."""

    def __init__(self, fault_id: int, fault: Fault, now_us: int) -> None:
        row = KINDS[fault.kind]
        self.fault_id = fault_id
        self.fault = fault
        self.ends_us = None if fault.duration_s is None else now_us + us_from_seconds(fault.duration_s)
        self.is_over = False
        self.occasion_count = 0
        self.struck_count = 0
        self.chance = random.Random(f"{fault.seed}/{fault.kind.value}")
        self._operations = frozenset(fault.operations) or row.operations
        self._probability = 1.0 if fault.probability is None else fault.probability
        self._count = row.default_count if fault.count is None else fault.count
        self._skip = fault.skip or 0

    @property
    def is_spent(self) -> bool:
        """Tell whether it has struck as often as it may."""
        return self._count is not None and self.struck_count >= self._count

    def covers(self, occasion: Occasion) -> bool:
        """Tell whether an occasion is in the scope."""
        fault = self.fault
        return (
            (not self._operations or occasion.operation in self._operations)
            and (fault.account is None or fault.account == occasion.account)
            and (fault.market is None or fault.market in occasion.markets)
            and (not fault.streams or self._names(occasion.stream))
        )

    def _names(self, stream: str | None) -> bool:
        return stream is not None and any(
            stream == name or stream.startswith(f"{name}.") for name in self.fault.streams
        )

    def draws(self) -> bool:
        """Count an occasion, and tell whether chance chooses it; `struck` follows if something comes of it."""
        self.occasion_count += 1
        if self.is_over or self.is_spent or self.occasion_count <= self._skip:
            return False
        return self._probability == 1 or self.chance.random() < self._probability

    def struck(self) -> None:
        """Count that it has struck."""
        self.struck_count += 1

    def strikes(self) -> bool:
        """Count an occasion, and tell whether the fault strikes."""
        is_chosen = self.draws()
        if is_chosen:
            self.struck()
        return is_chosen

    def delay_s(self, default_s: float = 0.0) -> float:
        """Return how late something is this time."""
        delay_s = default_s if self.fault.delay_s is None else self.fault.delay_s
        return delay_s + self.chance.uniform(0, self.fault.jitter_s) if self.fault.jitter_s else delay_s

    def payload(self) -> dict[str, Any]:
        """Return the fault as it was set, with what has become of it."""
        description: dict[str, Any] = msgspec.to_builtins(self.fault)
        return {
            **description,
            "id": self.fault_id,
            "isActive": not self.is_over,
            "occasions": self.occasion_count,
            "struck": self.struck_count,
        }


class ActiveFaults:
    """All faults that are set, and the last ones that were."""

    def __init__(self, clock: Clock, on_end: Callable[[ActiveFault], None]) -> None:
        self._clock = clock
        self._on_end = on_end
        self._ids = count(1)
        self._active: dict[int, ActiveFault] = {}
        self._by_kind: dict[FaultKind, list[ActiveFault]] = {}
        self._finished: deque[ActiveFault] = deque(maxlen=_FINISHED_KEPT)

    def __len__(self) -> int:
        return len(self._active)

    def __iter__(self) -> Iterator[ActiveFault]:
        return iter(list(self._active.values()))

    def add(self, fault: Fault) -> ActiveFault:
        """Set a fault."""
        active = ActiveFault(next(self._ids), fault, self._clock())
        self._active[active.fault_id] = active
        self._by_kind.setdefault(fault.kind, []).append(active)
        return active

    def end(self, active: ActiveFault) -> None:
        """End a fault; once more makes no difference."""
        if active.is_over:
            return
        active.is_over = True
        del self._active[active.fault_id]
        self._by_kind[active.fault.kind].remove(active)
        self._finished.append(active)
        self._on_end(active)

    def expire(self) -> None:
        """End the faults whose time is over."""
        now_us = self._clock()
        for active in self:
            if active.ends_us is not None and active.ends_us <= now_us:
                self.end(active)

    def known(self, fault_id: int) -> ActiveFault | None:
        """Return a fault that is set or was set lately."""
        active = self._active.get(fault_id)
        return active or next((row for row in self._finished if row.fault_id == fault_id), None)

    def payload(self) -> list[dict[str, Any]]:
        """Return all that are set and the last ones that were, oldest first."""
        self.expire()
        rows = sorted([*self._finished, *self], key=lambda row: row.fault_id)
        return [row.payload() for row in rows]

    def of_kind(self, *kinds: FaultKind) -> list[ActiveFault]:
        """Return the faults of some kinds, in the order in which they were set."""
        self.expire()
        if len(kinds) == 1:
            return list(self._by_kind.get(kinds[0], ()))
        return [active for active in self if active.fault.kind in kinds]

    def striking(self, occasion: Occasion, *kinds: FaultKind) -> list[ActiveFault]:
        """Return the faults of some kinds that strike on an occasion; each that covers it has its draw."""
        return [active for active in self.of_kind(*kinds) if active.covers(occasion) and active.strikes()]
