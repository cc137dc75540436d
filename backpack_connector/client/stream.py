"""Listen to streams of the exchange: subscribed by name, connected again by itself, with every gap told.

Rule 1: a connection that is lost is made again after growing pauses, and everything subscribed is subscribed again.
Rule 2: the exchange sends nothing again that was missed. So the listener is told `Disconnected` when a connection ends,
        and `Gap`, with the streams that it concerns, when messages come again and some may be missing.
Rule 3: who reads more slowly than messages come would see an ever older past. So the queue is bounded; when it is full,
        everything in it is thrown away, and one `Gap` says how much that was.
Rule 4: private streams are signed with the exchange's time, at each connection anew.
"""

import asyncio
import json
import logging
from collections import deque
from types import TracebackType
from typing import Any

import aiohttp

from backpack_connector.protocol.errors import ConfigurationError, NoAnswer, WireFormatError
from backpack_connector.protocol.market_messages import read_market_message
from backpack_connector.protocol.messages import ErrorFrame, decoded_frame, parse_message, stream_of
from backpack_connector.protocol.streams import (
    split_stream_name,
    stream_problem,
    subscribe_frame,
    unsubscribe_frame,
)
from backpack_connector.reconnect import Backoff, keep_connected

from .rest import BackpackClient
from .stream_events import Disconnected, Event, Gap, Received, Refused, Unreadable

MAX_QUEUED = 10_000
"""Events that wait for the listener; some seconds of all markets together."""
MAX_FRAME_BYTES = 4 * 1024 * 1024
HEARTBEAT_S = 10.0
"""So often the connection is tried; one that does not answer for half as long is made anew."""
CONNECT_TIMEOUT_S = 10.0


class BackpackStream:
    """Messages of streams, in the order in which they come.

        async with BackpackClient(credentials=...) as client, BackpackStream(client) as stream:
            await stream.subscribe(depth_stream("SOL_USDC"), ORDER_UPDATES)
            async for event in stream:
                if isinstance(event, Gap):
                    ...  # ask REST for what may have been missed
                elif isinstance(event, Received):
                    print(event.stream, event.message)

    The client lends its keys and its clock. The iteration ends when the stream is closed.
    """

    def __init__(
        self,
        client: BackpackClient,
        *,
        url: str | None = None,
        max_queued: int = MAX_QUEUED,
        backoff: Backoff | None = None,
    ) -> None:
        self.url = url or client.ws_url
        self._client = client
        self._max_queued = max_queued
        self._backoff = backoff
        self._streams: dict[str, None] = {}
        self._events: deque[Event] = deque()
        self._has_news = asyncio.Event()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._is_open = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self._was_connected = False
        self._is_closed = False
        self._log = logging.getLogger(__name__)

    def __repr__(self) -> str:
        return f"BackpackStream({self.url!r}, {len(self._streams)} streams)"

    async def __aenter__(self) -> "BackpackStream":
        self._session = aiohttp.ClientSession()
        self._task = asyncio.ensure_future(
            keep_connected(self._listen_once, "a stream", self._log, backoff=self._backoff)
        )
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def is_connected(self) -> bool:
        """Tell whether there is a connection on which everything is subscribed."""
        return self._socket is not None

    @property
    def streams(self) -> tuple[str, ...]:
        """Return the names of what is subscribed."""
        return tuple(self._streams)

    async def wait_connected(self) -> None:
        """Wait until there is a connection on which everything is subscribed; it is tried for as long as it takes."""
        await self._is_open.wait()

    async def close(self) -> None:
        """End the connection and the iteration."""
        self._is_closed = True
        self._has_news.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def subscribe(self, *names: str) -> None:
        """Subscribe to streams by name, now and after each reconnection.

        Raises:   ConfigurationError for a name that is no stream, or a private one without keys.
        """
        for name in names:
            problem = stream_problem(name)
            if problem is not None:
                raise ConfigurationError(problem)
            if split_stream_name(name).is_private and self._client.credentials is None:
                raise ConfigurationError(f"{name} is private: it needs an API key.")
        new = [name for name in names if name not in self._streams]
        self._streams.update(dict.fromkeys(new))
        await self._send_to_open_socket(new, is_on=True)

    async def unsubscribe(self, *names: str) -> None:
        """End subscriptions; names that are not subscribed do no harm."""
        known = [name for name in names if name in self._streams]
        for name in known:
            del self._streams[name]
        await self._send_to_open_socket(known, is_on=False)

    def __aiter__(self) -> "BackpackStream":
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._is_closed:
                raise StopAsyncIteration
            self._has_news.clear()
            await self._has_news.wait()
        return self._events.popleft()

    async def _listen_once(self) -> None:
        assert self._session is not None
        try:
            connecting = self._session.ws_connect(self.url, heartbeat=HEARTBEAT_S, max_msg_size=MAX_FRAME_BYTES)
            socket = await asyncio.wait_for(connecting, CONNECT_TIMEOUT_S)
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            raise NoAnswer(f"no connection: {error or type(error).__name__}") from error
        try:
            async with self._sending:
                await self._subscribe(socket, list(self._streams))
                self._socket = socket
                self._is_open.set()
            if self._was_connected:
                self._put(Gap(tuple(self._streams), "the connection was made again"))
            self._was_connected = True
            await self._read(socket)
        finally:
            if self._socket is not None and not self._is_closed:
                self._put(Disconnected("the connection was lost"))
            self._socket = None
            self._is_open.clear()
            await socket.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                self._put(event_of(frame.data))
            elif frame.type is aiohttp.WSMsgType.ERROR:
                return

    async def _send_to_open_socket(self, names: list[str], *, is_on: bool) -> None:
        async with self._sending:
            socket = self._socket
            if socket is None or not names:
                return  # the next connection subscribes what is subscribed then
            try:
                if is_on:
                    await self._subscribe(socket, names)
                else:
                    await socket.send_str(json.dumps(unsubscribe_frame(names)))
            except (aiohttp.ClientError, OSError):
                await socket.close()  # the next connection sends what is subscribed then

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse, names: list[str]) -> None:
        public = [name for name in names if not split_stream_name(name).is_private]
        private = [name for name in names if split_stream_name(name).is_private]
        if public:
            await socket.send_str(json.dumps(subscribe_frame(public)))
        credentials = self._client.credentials
        if private and credentials is not None:
            await self._client.synchronize_clock()
            signature = credentials.subscription_signature(self._client.clock.now_ms())
            await socket.send_str(json.dumps(subscribe_frame(private, signature)))

    def _put(self, event: Event) -> None:
        if len(self._events) >= self._max_queued:
            dropped = len(self._events)
            self._events.clear()
            self._events.append(Gap(tuple(self._streams), f"the listener was too slow: {dropped} events were dropped"))
        self._events.append(event)
        self._has_news.set()


def event_of(text: str) -> Event:
    """Return what a frame says; one that cannot be read says so."""
    frame: Any = decoded_frame(text)
    try:
        message: Any = parse_message(frame)
        if isinstance(message, ErrorFrame):
            return Refused(message.code, message.message)
        stream = stream_of(frame) or ""
        if message is None:
            message = read_market_message(stream, frame["data"])
        return Received(stream, frame["data"] if message is None else message)
    except WireFormatError as error:
        return Unreadable(stream_of(frame), str(error))
