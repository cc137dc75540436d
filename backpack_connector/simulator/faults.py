"""Put faults into a running simulator, by script (`Simulator.faults`) or over HTTP (`/simulator/faults`).

The server and the sockets ask at fixed points: before and after the exchange sees a request, when an answer reads the
state, before a frame is queued. While no fault is set, each point costs one `if`. The kinds are listed in faults_kinds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from backpack_connector.protocol.units import us_from_seconds

from .clock import Clock
from .engine import Exchange
from .events import Event, Execution
from .faults_active import ActiveFault, ActiveFaults, Occasion
from .faults_acts import ExchangeFaults
from .faults_frames import SOCKET_KINDS, FrameFaults, ends_connections_by_frame
from .faults_kinds import Fault, FaultKind, check_fault
from .faults_reads import Reads
from .faults_requests import DEFAULT_MAINTENANCE_TEXT, RequestFaults
from .refusals import Refusal, not_found
from .websocket import Hub, check_stream_kind

Command = Callable[[], Awaitable[Any]]

_ACTS = frozenset({FaultKind.ORDER_CANCELLED, FaultKind.PRICE_TRADED, FaultKind.POSITION_LIQUIDATED})
_STATES = frozenset({FaultKind.MARKET_STATE, FaultKind.MARKET_UNLISTED})


class Faults:
    """The faults of one simulator."""

    def __init__(self, exchange: Exchange, hub: Hub, clock: Clock, publish: Callable[[Execution], None]) -> None:
        self._hub = hub
        self._active = ActiveFaults(clock, self._on_end)
        self._acts = ExchangeFaults(exchange, self._active, publish)
        self._frames = FrameFaults(self._active, hub)
        self._later: set[asyncio.Task[None]] = set()
        self.requests = RequestFaults(self._active)
        self.reads = Reads(exchange, clock, self._active)

    @property
    def is_set(self) -> bool:
        """Tell whether any fault is set."""
        return len(self._active) > 0

    def inject(self, *faults: Fault) -> list[int]:
        """Set faults, and return their ids. What happens at once has happened then.

        Raises:   Refusal with one sentence for a fault that cannot be; then none of them stays set.
        """
        for fault in faults:
            check_fault(fault)
            self._acts.check(fault)
            for name in fault.streams:
                check_stream_kind(name)
        begun: list[ActiveFault] = []
        try:
            for fault in faults:
                begun.append(self._active.add(fault))
                self._begin(begun[-1])
        except Refusal:
            self._end_all(begun)
            raise
        return [active.fault_id for active in begun]

    def _begin(self, active: ActiveFault) -> None:
        self._hub.faults = self._frames
        self.reads.start(active)
        if active.fault.kind in _STATES:
            self._acts.set_states()
        elif active.fault.kind is FaultKind.KEY_REVOKED and active.fault.account is not None:
            self._frames.revoke(active.fault.account)
        elif _is_timed(active.fault):
            self._act(active)

    def _act(self, active: ActiveFault) -> None:
        if active.draws() and (
            self._acts.act(active) if active.fault.kind in _ACTS else self._frames.end_connections(active)
        ):
            active.struck()

    def end(self, fault_id: int | None = None) -> int:
        """End one fault, or all, and return how many that were.

        Raises:   Refusal for an id that no fault has, or has had lately.
        """
        if fault_id is None:
            return self._end_all(self._active)
        active = self._active.known(fault_id)
        if active is None:
            raise not_found()
        return self._end_all([active])

    def _end_all(self, faults: Iterable[ActiveFault]) -> int:
        ended = [active for active in faults if not active.is_over]
        for active in ended:
            self._active.end(active)
        return len(ended)

    def _on_end(self, active: ActiveFault) -> None:
        self.reads.end(active)
        self._frames.release(active)
        if active.fault.kind in _STATES:
            self._acts.set_states()
        if not self.is_set:
            self._hub.faults = None

    def struck_count(self, fault_id: int) -> int:
        """Return how often a fault has struck.

        Raises:   Refusal for an id that no fault has, or has had lately.
        """
        active = self._active.known(fault_id)
        if active is None:
            raise not_found()
        return active.struck_count

    def payload(self) -> list[dict[str, Any]]:
        """Return all faults that are set and the last ones that were, oldest first."""
        return self._active.payload()

    def record(self, events: Sequence[Event]) -> None:
        """Take in what happens in the engine."""
        self.reads.record(events)

    def on_second(self) -> None:
        """Do what is due each second, and end the faults that are over: by time, or with nothing left to do."""
        self._active.expire()
        for active in self._active:
            if _is_timed(active.fault):
                try:
                    self._act(active)
                except Refusal:
                    continue  # the exchange cannot do it now; next second then
            if active.is_spent and not self._frames.is_holding(active):
                self._active.end(active)
        self.reads.on_second()

    @property
    def clock_offset_us(self) -> int:
        """Return what the server's clock is ahead of the engine's by."""
        skews = self._active.of_kind(FaultKind.CLOCK_SKEWED)
        return sum(us_from_seconds(active.fault.offset_s or 0.0) for active in skews)

    @property
    def maintenance_text(self) -> str | None:
        """Return what GET /status says of a maintenance, or None when there is none."""
        for active in self._active.of_kind(FaultKind.MAINTENANCE):
            return active.fault.message or DEFAULT_MAINTENANCE_TEXT
        return None

    def refuses_connection(self) -> bool:
        """Tell whether a new WebSocket connection is refused."""
        return bool(self._active.striking(Occasion(), FaultKind.SOCKET_REFUSED))

    def later(self, operation: str, account_id: str, fields: Any) -> Callable[[Command], None] | None:
        """Return what executes a cancel later than it is answered, or None for a request that is executed now."""
        symbol = fields.get("symbol") if isinstance(fields, dict) else None
        occasion = Occasion(operation=operation, account=account_id, markets=() if symbol is None else (symbol,))
        striking = self._active.striking(occasion, FaultKind.CANCEL_DEFERRED)
        return partial(self._run_later, striking[0].delay_s()) if striking else None

    def _run_later(self, delay_s: float, command: Command) -> None:
        async def run() -> None:
            await asyncio.sleep(delay_s)
            try:
                await command()
            except Refusal:
                return  # nobody is told

        task = asyncio.ensure_future(run())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def close(self) -> None:
        """Stop what is under way."""
        later = list(self._later)
        for task in later:
            task.cancel()
        await asyncio.gather(*later, return_exceptions=True)
        self._frames.close()


def _is_timed(fault: Fault) -> bool:
    """Tell whether a fault has its occasions when it is set and each second."""
    return fault.kind in _ACTS or (fault.kind in SOCKET_KINDS and not ends_connections_by_frame(fault))
