"""Serve the streams: subscriptions, private signatures, keep-alive and the closing of slow or silent clients.

Rule 1: no acknowledgement; unknown and closed symbols are met with silence; errors leave the socket open (API §3.1).
Rule 2: a client that does not read is disconnected when its queue is full; it never slows the others down.
"""

import asyncio
from collections.abc import Callable, Iterable, KeysView, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.protocol.streams import (
    BALANCE_UPDATES,
    DEPTH_WINDOWS_MS,
    LIQUIDATIONS,
    ORDER_UPDATES,
    POSITION_UPDATES,
    RFQ_UPDATES,
    split_stream_name,
)

from .authentication import authenticate_subscription
from .engine import Exchange
from .feeds import EXTERNAL_TICKER, STOCK_PRICE, STOCK_QUOTE, Frame, Subscription
from .refusals import Refusal, invalid_request
from .stocks import market_of

if TYPE_CHECKING:
    from .faults_frames import FrameFaults

PING_INTERVAL_S = 60.0
PONG_TIMEOUT_S = 120.0
MAX_QUEUED_FRAMES = 20_000
MAX_SUBSCRIPTIONS = 10_000
"""Of one connection; a choice, above what one account can want: every stream of every market."""
_MAX_MESSAGE_BYTES = 256 * 1024
_CLOSE_TIMEOUT_S = 1.0
_GONE_CHECK_INTERVAL_S = 0.05

PARSE_ERROR = (4002, "Parse error")
INVALID_SIGNATURE = 4003
"""A choice: the code for bad signatures is not known (API §3.1), and this number is the gap in those that are."""
INVALID_STREAM = (4006, "Invalid stream")
INVALID_DEPTH_WINDOW = (4008, "Invalid depth window")

_PRIVATE_KINDS = frozenset({ORDER_UPDATES, BALANCE_UPDATES, POSITION_UPDATES, RFQ_UPDATES})
_UNSCOPED_KINDS = frozenset({BALANCE_UPDATES})
_PUBLIC_KINDS = frozenset(
    {
        "bookTicker",
        "depth",
        EXTERNAL_TICKER,
        "kline",
        LIQUIDATIONS,
        "markPrice",
        "openInterest",
        STOCK_PRICE,
        STOCK_QUOTE,
        "ticker",
        "trade",
    }
)
_DEPTH_WINDOWS = frozenset(f"{window_ms}ms" for window_ms in DEPTH_WINDOWS_MS)

_SORTED_JSON = msgspec.json.Encoder(order="sorted")  # the wire's keys are in alphabetical order


class StreamError(Exception):
    """A frame of the client that is answered with an error frame."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def check_stream(name: str) -> bool:
    """Tell whether a stream name needs a signature.

    Raises:   StreamError for a kind or a depth window that does not exist. Source: API §3.1.
    """
    stream = split_stream_name(name)
    if stream.is_private:
        if stream.kind not in _PRIVATE_KINDS or (stream.kind in _UNSCOPED_KINDS and stream.symbol):
            raise StreamError(*INVALID_STREAM)
        return True
    if stream.kind not in _PUBLIC_KINDS:
        raise StreamError(*INVALID_STREAM)
    if stream.kind == "depth" and stream.argument is not None and stream.argument not in _DEPTH_WINDOWS:
        raise StreamError(*INVALID_DEPTH_WINDOW)
    return False


def check_stream_kind(name: str) -> None:
    """Check that there are streams of which a name is the name or the beginning.

    Raises:   Refusal.
    """
    kinds = _PUBLIC_KINDS | _PRIVATE_KINDS
    if split_stream_name(name).kind not in kinds and not any(kind.startswith(f"{name}.") for kind in kinds):
        raise invalid_request(f"There are no streams {name!r}")


def _text_of(frame: Frame) -> str:
    return _SORTED_JSON.encode({"data": frame.data, "stream": frame.subscription[1]}).decode()


class Hub:
    """Who listens to what."""

    def __init__(self) -> None:
        # In the order in which they came, so that what faults choose among them does not depend on addresses in memory.
        self._listeners: dict[Subscription, dict[Session, None]] = {}
        self._sessions: dict[Session, None] = {}
        self.faults: FrameFaults | None = None
        """None while no fault is set."""

    @property
    def sessions(self) -> KeysView["Session"]:
        """Return the open connections, oldest first."""
        return self._sessions.keys()

    def enter(self, session: "Session") -> None:
        """Count a connection."""
        self._sessions[session] = None

    def leave(self, session: "Session") -> None:
        """Count a connection no longer."""
        self._sessions.pop(session, None)

    def is_wanted(self, subscription: Subscription) -> bool:
        """Tell whether anybody has the subscription."""
        return subscription in self._listeners

    def add(self, subscription: Subscription, session: "Session") -> None:
        """Subscribe a session; once more makes no difference."""
        self._listeners.setdefault(subscription, {})[session] = None

    def remove(self, subscription: Subscription, session: "Session") -> None:
        """End a subscription, if there is one."""
        listeners = self._listeners.get(subscription)
        if listeners is not None:
            listeners.pop(session, None)
            if not listeners:
                del self._listeners[subscription]

    def publish(self, frames: Iterable[Frame]) -> None:
        """Queue messages for their listeners, each encoded once."""
        for frame in frames:
            listeners = self._listeners.get(frame.subscription)
            if listeners:
                self.deliver(frame, tuple(listeners))

    def deliver(self, frame: Frame, sessions: Sequence["Session"]) -> None:
        """Queue a message for some of its listeners."""
        text = _text_of(frame)
        if self.faults is not None:
            self.faults.deliver(frame, text, sessions)
            return
        for session in sessions:
            session.send(text)

    async def close(self) -> None:
        """Send every client a Close frame and end its session."""
        await asyncio.gather(*(session.close(WSCloseCode.GOING_AWAY, b"Shutdown") for session in tuple(self.sessions)))


class Session:
    """One WebSocket connection."""

    def __init__(
        self,
        hub: Hub,
        exchange: Exchange,
        now_ms: Callable[[], int],
        first_frames: Callable[[Subscription], Iterable[Frame]],
        *,
        ping_interval_s: float = PING_INTERVAL_S,
        pong_timeout_s: float = PONG_TIMEOUT_S,
        max_queued_frames: int = MAX_QUEUED_FRAMES,
    ) -> None:
        self._hub = hub
        self._exchange = exchange
        self._now_ms = now_ms
        self._first_frames = first_frames
        self._ping_interval_s = ping_interval_s
        self._pong_timeout_s = pong_timeout_s
        self._socket = web.WebSocketResponse(
            autoping=False, autoclose=False, max_msg_size=_MAX_MESSAGE_BYTES, timeout=_CLOSE_TIMEOUT_S
        )
        self._queue: asyncio.Queue[str | Callable[[], None]] = asyncio.Queue(max_queued_frames)
        self._subscriptions: dict[Subscription, None] = {}
        self._last_pong_s = 0.0
        self._closing: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._is_ending = False
        """Nothing more is sent."""
        self._is_silent = False
        """Half-open: nothing is read and answered any more either."""

    @property
    def account_ids(self) -> set[str | None]:
        """Return the accounts whose streams the client gets; None stands for public ones."""
        return {account_id for account_id, _ in self._subscriptions}

    def send(self, text: str) -> None:
        """Queue a text frame; a client that has let its queue run full is disconnected."""
        if self._is_ending:
            return
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self.start_closing(WSCloseCode.TRY_AGAIN_LATER, b"Too slow")

    def start_closing(self, code: int, reason: bytes) -> None:
        """Close the connection soon."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self.close(code, reason))

    def abort(self) -> None:
        """End the connection without a Close frame."""
        self._is_ending = True
        if self._transport is not None:
            self._transport.abort()

    def fall_silent(self) -> None:
        """Leave the connection open, and do nothing with it any more."""
        self._is_ending = self._is_silent = True

    def end_after_queue(self, action: Callable[[], None]) -> None:
        """Do what ends the connection as soon as the queue is written; nothing is queued behind it."""
        if self._queue.full():
            action()
        elif not self._is_ending:
            self._queue.put_nowait(action)
        self._is_ending = True

    def forget_account(self, account_id: str) -> None:
        """End the subscriptions to an account's private streams."""
        self._drop([entry for entry in self._subscriptions if entry[0] == account_id])

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve the connection until it ends."""
        await self._socket.prepare(request)
        self._transport = request.transport
        self._hub.enter(self)
        self._last_pong_s = asyncio.get_running_loop().time()
        helpers = [asyncio.ensure_future(self._write()), asyncio.ensure_future(self._keep_alive())]
        try:
            async for message in self._socket:
                await self._receive(message)
            if self._is_silent:
                await self._until_gone()
        except ConnectionError:
            pass  # the client went away while it was being answered
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            for subscription in self._subscriptions:
                self._hub.remove(subscription, self)
            self._hub.leave(self)
            if self._closing is not None:
                await self._closing
        return self._socket

    async def close(self, code: int, reason: bytes) -> None:
        """Send a Close frame and end the connection."""
        if self._is_silent:
            self.abort()
            return
        self._is_ending = True
        for subscription in self._subscriptions:
            self._hub.remove(subscription, self)
        self._subscriptions.clear()
        try:
            await asyncio.wait_for(self._socket.close(code=code, message=reason), 2 * _CLOSE_TIMEOUT_S)
        except asyncio.TimeoutError:
            # Not even the Close frame fits into what the client leaves unread.
            if self._transport is not None:
                self._transport.abort()

    async def _until_gone(self) -> None:
        """Wait until the client has hung up, without an answer to its Close frame; nothing tells when that is."""
        while self._transport is not None and not self._transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(_GONE_CHECK_INTERVAL_S)

    async def _write(self) -> None:
        while True:
            text = await self._queue.get()
            if self._hub.faults is not None:
                await self._hub.faults.slow_down(self)
            if callable(text):
                text()
                continue
            try:
                await self._socket.send_str(text)
            except ConnectionError:
                return

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._ping_interval_s)
            if self._is_silent:
                return
            if asyncio.get_running_loop().time() - self._last_pong_s > self._pong_timeout_s:
                await self.close(WSCloseCode.POLICY_VIOLATION, b"No pong")
                return
            try:
                await self._socket.ping()
            except ConnectionError:
                return

    async def _receive(self, message: WSMessage) -> None:
        if self._is_silent:
            return
        if message.type is WSMsgType.PING:
            await self._socket.pong(message.data)
        elif message.type is WSMsgType.PONG:
            self._last_pong_s = asyncio.get_running_loop().time()
        elif message.type is WSMsgType.TEXT:
            try:
                self._on_text(message.data)
            except StreamError as error:
                answer = {"id": None, "error": {"code": error.code, "message": error.message}}
                self.send(msgspec.json.encode(answer).decode())
        elif message.type is WSMsgType.BINARY:
            answer = {"id": None, "error": {"code": PARSE_ERROR[0], "message": PARSE_ERROR[1]}}
            self.send(msgspec.json.encode(answer).decode())

    def _on_text(self, text: str) -> None:
        method, streams, signature = _read_command(text)
        are_private = [check_stream(name) for name in streams]
        if method == "UNSUBSCRIBE":
            self._unsubscribe(streams)
            return
        account_id = self._authenticate(signature) if any(are_private) else None
        wanted: Iterable[tuple[str, bool]] = zip(streams, are_private, strict=True)
        if self._hub.faults is not None:
            wanted = self._hub.faults.wanted(account_id, wanted)
        for name, is_private in wanted:
            if not (self._is_served_privately(name) if is_private else self._is_served(name)):
                continue
            subscription = (account_id if is_private else None, name)
            if subscription not in self._subscriptions:
                if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
                    raise StreamError(INVALID_STREAM[0], "Too many subscriptions")
                self._subscriptions[subscription] = None
                self._hub.add(subscription, self)
                for frame in self._first_frames(subscription):
                    self._hub.deliver(frame, (self,))

    def _authenticate(self, signature: Any) -> str:
        try:
            account_id = authenticate_subscription(signature, self._now_ms())
        except Refusal as refusal:
            raise StreamError(INVALID_SIGNATURE, refusal.message) from refusal
        self._exchange.open_account(account_id)
        return account_id

    def _unsubscribe(self, streams: list[str]) -> None:
        names = set(streams)
        self._drop([entry for entry in self._subscriptions if entry[1] in names])

    def _drop(self, subscriptions: list[Subscription]) -> None:
        for subscription in subscriptions:
            self._subscriptions.pop(subscription, None)
            self._hub.remove(subscription, self)

    def _is_served_privately(self, name: str) -> bool:
        symbol = split_stream_name(name).symbol
        return symbol is None or symbol in self._exchange.markets or symbol in self._exchange.rfqs.instruments

    def _is_served(self, name: str) -> bool:
        if name == LIQUIDATIONS:
            return True
        stream, markets = split_stream_name(name), self._exchange.markets
        symbol = stream.symbol or ""
        market = market_of(markets, symbol) if stream.kind in (STOCK_PRICE, STOCK_QUOTE) else markets.get(symbol)
        return market is not None and market.state is not OrderBookState.CLOSED


def _read_command(text: str) -> tuple[str, list[str], Any]:
    try:
        command = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise StreamError(*PARSE_ERROR) from None
    if not isinstance(command, dict) or command.get("method") not in ("SUBSCRIBE", "UNSUBSCRIBE"):
        raise StreamError(*PARSE_ERROR)
    streams = command.get("params")
    if not isinstance(streams, list) or not all(isinstance(name, str) for name in streams):
        raise StreamError(*PARSE_ERROR)
    return command["method"], streams, command.get("signature")
