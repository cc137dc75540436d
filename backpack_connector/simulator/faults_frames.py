"""Let faults come between the exchange's messages and the clients that listen: frames, subscriptions, connections.

A frame passes the faults in the order in which they were set. Each may let it through, keep it out, hold it back for a
while, or end the connections that it was meant for; it has one draw a frame, for all listeners together.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from aiohttp import WSCloseCode

from backpack_connector.protocol.streams import split_stream_name

from .faults_active import ActiveFault, ActiveFaults, Occasion
from .faults_kinds import Fault, FaultKind
from .feeds import Frame, Subscription
from .websocket import INVALID_SIGNATURE, StreamError

if TYPE_CHECKING:
    from .websocket import Hub, Session

_REORDERED_AFTER_S = 1.0
SOCKET_KINDS = frozenset({FaultKind.SOCKET_DROPPED, FaultKind.SOCKET_CLOSED, FaultKind.SOCKET_SILENT})
_KINDS = (
    *SOCKET_KINDS,
    FaultKind.FRAME_DROPPED,
    FaultKind.FRAME_DUPLICATED,
    FaultKind.FRAME_REORDERED,
    FaultKind.FRAME_DELAYED,
)


class Delivery(msgspec.Struct, frozen=True):
    """A frame on its way to its listeners."""

    occasion: Occasion
    subscription: Subscription
    text: str
    sessions: "Sequence[Session]"
    faults: Sequence[ActiveFault]
    """What it still has to pass."""

    def behind(self, active: ActiveFault) -> "Delivery":
        """Return it as it is when it has passed a fault."""
        return msgspec.structs.replace(self, faults=self.faults[self.faults.index(active) + 1 :])


class _HeldBack:
    """Frames that a fault holds back, in their order."""

    def __init__(self, release: Callable[[Delivery], None]) -> None:
        self._release = release
        self._waiting: deque[tuple[float, Delivery]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def holds(self, subscription: Subscription) -> bool:
        """Tell whether frames of a subscription wait, so that later ones must not overtake them."""
        return any(delivery.subscription == subscription for _, delivery in self._waiting)

    def put(self, delivery: Delivery, delay_s: float) -> None:
        """Hold a frame back, and no shorter than those before it."""
        self._waiting.append((asyncio.get_running_loop().time() + delay_s, delivery))
        self._set_timer()

    def flush(self) -> None:
        """Release everything now."""
        while self._waiting:
            self._release(self._waiting.popleft()[1])
        self._set_timer()

    def close(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_at(self._waiting[0][0], self._on_due)

    def _on_due(self) -> None:
        self._timer = None
        now_s = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now_s:
            self._release(self._waiting.popleft()[1])
        self._set_timer()


class FrameFaults:
    """What faults do to frames, subscriptions and connections."""

    def __init__(self, active: ActiveFaults, hub: "Hub") -> None:
        self._active = active
        self._hub = hub
        self._held: dict[int, _HeldBack] = {}
        self._passes: dict[FaultKind, Callable[[ActiveFault, Delivery], bool]] = {
            FaultKind.FRAME_DROPPED: self._pass_dropping,
            FaultKind.FRAME_DUPLICATED: self._pass_duplicating,
            FaultKind.FRAME_REORDERED: self._pass_reordering,
            FaultKind.FRAME_DELAYED: self._pass_delaying,
            **dict.fromkeys(SOCKET_KINDS, self._pass_ending),
        }

    def deliver(self, frame: Frame, text: str, sessions: "Sequence[Session]") -> None:
        """Send a frame to its listeners, as far as faults let it through."""
        account_id, stream = frame.subscription
        market = frame.data.get("s")
        occasion = Occasion(stream=stream, account=account_id, markets=() if market is None else (market,))
        faults = [active for active in self._active.of_kind(*_KINDS) if _is_about_frames(active.fault)]
        self._go_on(Delivery(occasion, frame.subscription, text, sessions, faults))

    def _go_on(self, delivery: Delivery) -> None:
        for active in delivery.faults:
            if active.covers(delivery.occasion) and not self._passes[active.fault.kind](active, delivery):
                return
        for session in delivery.sessions:
            session.send(delivery.text)

    def _pass_dropping(self, active: ActiveFault, _: Delivery) -> bool:
        return not active.strikes()

    def _pass_duplicating(self, active: ActiveFault, delivery: Delivery) -> bool:
        if active.strikes():
            self._go_on(delivery.behind(active))
        return True

    def _pass_reordering(self, active: ActiveFault, delivery: Delivery) -> bool:
        held = self._held_by(active)
        if held:
            self._go_on(delivery.behind(active))
            held.flush()
            return False
        if not active.strikes():
            return True
        held.put(delivery.behind(active), active.delay_s(_REORDERED_AFTER_S))
        return False

    def _pass_delaying(self, active: ActiveFault, delivery: Delivery) -> bool:
        held = self._held_by(active)
        if active.strikes():
            held.put(delivery.behind(active), active.delay_s())
            return False
        if held.holds(delivery.subscription):
            held.put(delivery.behind(active), 0.0)
            return False
        return True

    def _pass_ending(self, active: ActiveFault, delivery: Delivery) -> bool:
        if not active.strikes():
            return True
        for session in delivery.sessions:
            session.end_after_queue(partial(_end, active.fault, session))
        return False

    def _held_by(self, active: ActiveFault) -> _HeldBack:
        return self._held.setdefault(active.fault_id, _HeldBack(self._go_on))

    def is_holding(self, active: ActiveFault) -> bool:
        """Tell whether a fault still holds frames back."""
        return bool(self._held.get(active.fault_id))

    def release(self, active: ActiveFault) -> None:
        """Let go what a fault that is over holds back."""
        held = self._held.pop(active.fault_id, None)
        if held is not None:
            held.flush()

    def end_connections(self, active: ActiveFault) -> bool:
        """End the connections in the scope of a fault now: all, or those with private streams of its account."""
        account_id = active.fault.account
        sessions = [row for row in self._hub.sessions if account_id is None or account_id in row.account_ids]
        for session in sessions:
            _end(active.fault, session)
        return bool(sessions)

    def revoke(self, account_id: str) -> None:
        """End all private subscriptions of an account without a word."""
        for session in self._hub.sessions:
            session.forget_account(account_id)

    def wanted(self, account_id: str | None, names: Iterable[tuple[str, bool]]) -> list[tuple[str, bool]]:
        """Return the streams, each with whether it is private, that a SUBSCRIBE of a client leads to.

        Raises:   StreamError when it is refused as a whole.
        """
        rows = []
        for name, is_private in names:
            symbol = split_stream_name(name).symbol
            occasion = Occasion(
                stream=name,
                account=account_id if is_private else None,
                markets=() if symbol is None else (symbol,),
            )
            if is_private and any(row.covers(occasion) for row in self._active.of_kind(FaultKind.KEY_REVOKED)):
                raise StreamError(INVALID_SIGNATURE, "Unauthorized")
            for active in self._striking(FaultKind.SUBSCRIPTION_REFUSED, occasion, is_private):
                code, message = active.fault.code or INVALID_SIGNATURE, active.fault.message or "Invalid signature"
                raise StreamError(code, message)
            if not self._striking(FaultKind.SUBSCRIPTION_IGNORED, occasion, is_private):
                rows.append((name, is_private))
        return rows

    def _striking(self, kind: FaultKind, occasion: Occasion, is_private: bool) -> list[ActiveFault]:
        return [
            active
            for active in self._active.of_kind(kind)
            if (is_private or active.fault.streams) and active.covers(occasion) and active.strikes()
        ]

    async def slow_down(self, session: "Session") -> None:
        """Wait as long as a connection has to wait before its next frame."""
        for active in self._active.of_kind(FaultKind.SOCKET_SLOW):
            if active.fault.account is None or active.fault.account in session.account_ids:
                await asyncio.sleep(active.delay_s())

    def close(self) -> None:
        """Forget all frames that are held back."""
        for held in self._held.values():
            held.close()


def ends_connections_by_frame(fault: Fault) -> bool:
    """Tell whether a fault ends connections when a certain frame is due, and not at a certain time."""
    return fault.kind in SOCKET_KINDS and bool(fault.streams)


def _is_about_frames(fault: Fault) -> bool:
    return fault.kind not in SOCKET_KINDS or ends_connections_by_frame(fault)


def _end(fault: Fault, session: "Session") -> None:
    if fault.kind is FaultKind.SOCKET_DROPPED:
        session.abort()
    elif fault.kind is FaultKind.SOCKET_SILENT:
        session.fall_silent()
    else:
        session.start_closing(fault.code or WSCloseCode.GOING_AWAY, (fault.message or "Shutdown").encode())
