"""Follow the account's private stream, and ask for everything whenever it may have missed something.

What polls find is compared with what the stream tells (`stream_evidence`); a stream that turns out to be silent is
connected and subscribed anew.
"""

import asyncio
import time
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from backpack_connector import stream_evidence
from backpack_connector.latency import LatencyRecorder
from backpack_connector.protocol.errors import AuthenticationRefused, WireFormatError, plain
from backpack_connector.protocol.messages import BalanceUpdate, ErrorFrame, OrderUpdate, PositionUpdate, parse_message
from backpack_connector.protocol.streams import BALANCE_UPDATES
from backpack_connector.protocol.units import seconds_from_us, us_from_seconds
from backpack_connector.stream_evidence import StreamEvidence

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase

    from backpack_connector.order_reports import OrderReports

    class _Base(OrderReports, ExchangePyBase):
        pass
else:
    _Base = object

UNREADABLE_PAUSE_S = 5.0
"""How long after an unreadable message the account is asked for, so that a flood of them costs little."""
SUBSCRIBING_S = 1.0
"""So long a start waits for the private stream before it asks for everything without it."""
LATEST_S = 86_400.0
"""A message that is dated further ahead than this has its time in another unit, and would make later ones look old."""


class AccountStream(_Base):
    """The part of the connector that listens to the private stream; `BackpackExchangeBase` mixes it in."""

    latency: LatencyRecorder
    _has_missed_something: bool
    _asking_soon: asyncio.TimerHandle | None
    _is_key_refused = False
    _latest_time_us = 0
    _latest_asked_s = -inf
    followed_queue: "asyncio.Queue[Any] | None" = None
    """The queue of frames that the listener empties, while it does."""

    def _new_evidence(self) -> StreamEvidence:
        return StreamEvidence(self.logger(), self._doubt_user_stream)

    def on_user_stream_subscribed(self) -> None:
        """Ask for everything that may have been missed while the private stream was away."""
        self._evidence.subscribed()
        self.expect_orders_of_others()
        self._stop_asking_soon()
        self._ask_for_everything()

    def on_user_stream_interrupted(self) -> None:
        """Hear that the private stream tells nothing any more."""
        self._evidence.interrupted()

    def on_key_refused(self, error: AuthenticationRefused) -> None:
        """Hear that the key may not even ask; then it gets no private messages either, however quiet that is."""
        self._is_key_refused = True
        self._doubt_user_stream(None, f"the exchange refuses the key: {error}")

    def on_key_accepted(self) -> None:
        """Hear that the key may ask."""
        self._is_key_refused = False

    def _doubt_user_stream(self, stream: str | None, reason: str) -> None:
        self._user_stream_tracker.data_source.doubt(stream, reason)

    def _ask_for_everything(self) -> None:
        self._has_missed_something = True
        self._poll_notifier.set()

    def _ask_soon(self, pause_s: float | None = None) -> None:
        """Ask for everything once more: what could not be read may have been a fill. A flood asks every 5 s at most."""
        if self._asking_soon is None:
            self._asking_soon = asyncio.get_running_loop().call_later(
                UNREADABLE_PAUSE_S if pause_s is None else pause_s, self._ask_now
            )

    def _stop_asking_soon(self) -> None:
        if self._asking_soon is not None:
            self._asking_soon.cancel()
            self._asking_soon = None

    def _ask_now(self) -> None:
        self._asking_soon = None
        self._ask_for_everything()

    def _stop_following(self) -> None:
        self._evidence.close()
        self._stop_asking_soon()

    def compare_balance_with_stream(self, asset: str, believed: str, said: str) -> None:
        """Note that an answer has changed what was known of a balance; the stream should tell it too."""
        describe = partial("the balance of {} was {} here and is {} according to the exchange".format, asset)
        self._evidence.found(BALANCE_UPDATES, stream_evidence.balance(asset), partial(describe, believed, said))

    async def _status_polling_loop_fetch_updates(self) -> None:
        # The base class replaces its notifier after a poll, and with it a wish that came up while the poll was running.
        self._has_missed_something = True
        while self._has_missed_something:
            self._has_missed_something = False
            connection = self._evidence.connection
            await self._fetch_updates()
            self._evidence.compared(connection)

    async def _fetch_updates(self) -> None:
        """Ask for the state of the account once."""
        await super()._status_polling_loop_fetch_updates()

    @property
    def latest_timestamp(self) -> float:
        """Return a time in seconds after which no message of the exchange can be dated."""
        return seconds_from_us(self.latest_time_us)

    @property
    def latest_time_us(self) -> int:
        """Return it in microseconds."""
        now_s = time.monotonic()
        if now_s - self._latest_asked_s > 1.0:  # the synchronizer's time takes as long as a hundred messages
            self._latest_asked_s = now_s
            # The clock of the machine or the exchange's, whichever is ahead.
            latest = max(float(self._time()), float(self._time_synchronizer.time())) + LATEST_S
            self._latest_time_us = us_from_seconds(latest)
        return self._latest_time_us

    async def _user_stream_event_listener(self) -> None:
        self.followed_queue = self._user_stream_tracker.user_stream
        try:
            async for event in self._iter_user_event_queue():
                self.latency.frame_came(getattr(event, "came_s", None))
                self._hear(event)
        finally:
            self.followed_queue = None

    def hear_at_once(self, message: OrderUpdate | BalanceUpdate | PositionUpdate) -> None:
        """Apply a message where its frame arrives; only for whom `followed_queue` is empty, or it would overtake."""
        try:
            if self._evidence.is_waiting:
                self._evidence.take(message)
            self._on_account_message(message)
        except Exception as error:  # noqa: BLE001 - boundary of the listener: no message may end it (F41)
            self._skip(error)

    def _hear(self, frame: Any) -> None:
        try:
            message = parse_message(frame, self.latest_timestamp)
            if self._evidence.is_waiting:
                self._evidence.take(message)
            self._on_account_message(message)
        except Exception as error:  # noqa: BLE001 - boundary of the listener: no frame may end it (F41)
            self._skip(error)

    def _skip(self, error: Exception) -> None:
        is_explained = isinstance(error, WireFormatError)
        self.logger().error("Unexpected error in user stream listener loop.", exc_info=None if is_explained else error)
        self.logger().warning(f"A message of the private stream was skipped: {error}")
        self._ask_soon()

    def _on_account_message(self, message: Any) -> None:
        """Apply one message; a subclass adds what only its market has."""
        if isinstance(message, OrderUpdate):
            self._on_order_message(message)
        elif isinstance(message, ErrorFrame):
            sentence = f"The exchange refused a private subscription: {plain(message.message)} ({message.code})"
            self.logger().error(sentence)
