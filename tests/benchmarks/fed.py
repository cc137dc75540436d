"""Feed frames to a connector in its own process: a stream connection without a socket, everything above it real."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

TURNS_BETWEEN_FRAMES = 4
"""Turns of the event loop that finish what a frame still has to do, which is no part of the next frame's time."""


def message(text: str) -> aiohttp.WSMessage:
    """Return a frame as aiohttp hands it out."""
    return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, text, None)


class FedSocket:
    """A stream connection that delivers what it is fed, without giving way while there is more, as aiohttp does."""

    closed = False
    close_code = None

    def __init__(self) -> None:
        self._frames: Sequence[aiohttp.WSMessage] = ()
        self._next = 0
        self._fed = asyncio.Event()
        self._is_done: Callable[[], bool] | None = None
        self.handed_at: list[float] = []
        self.came_back_at: list[float] = []

    def feed(self, frames: Sequence[aiohttp.WSMessage], is_done: Callable[[], bool] | None = None) -> None:
        """Deliver frames; with a condition one at a time, the next one when the condition is true."""
        self._frames, self._next, self._is_done = frames, 0, is_done
        self.handed_at, self.came_back_at = [], []
        self._fed.set()

    @property
    def is_empty(self) -> bool:
        """Tell whether everything was delivered and whoever reads has come back for more."""
        return not self._fed.is_set()

    async def receive(self, timeout: float | None = None) -> aiohttp.WSMessage:
        """Deliver the next frame."""
        if self._is_done is not None and self._next:
            while not self._is_done():  # noqa: ASYNC110 - each turn of the loop counts
                await asyncio.sleep(0)
            self.came_back_at.append(time.perf_counter())
            for _ in range(TURNS_BETWEEN_FRAMES):
                await asyncio.sleep(0)
        while self._next >= len(self._frames):
            self._fed.clear()
            self._is_done = None
            await self._fed.wait()
        frame = self._frames[self._next]
        self._next += 1
        if self._is_done is not None:
            self.handed_at.append(time.perf_counter())
        return frame

    async def send_json(self, *_: Any, **__: Any) -> None:
        """Take a subscription."""

    async def send_str(self, *_: Any, **__: Any) -> None:
        """Take a subscription."""

    async def ping(self, *_: Any) -> None:
        """Take a ping."""

    async def pong(self, *_: Any) -> None:
        """Take a pong."""

    async def close(self, **_: Any) -> None:
        """End."""
        self.closed = True


class FedSession:
    """A client session whose requests are real and whose stream is fed."""

    closed = False

    def __init__(self) -> None:
        self._real = aiohttp.ClientSession()
        self.socket = FedSocket()

    def request(self, *arguments: Any, **options: Any) -> Any:
        """Send a request."""
        return self._real.request(*arguments, **options)

    async def ws_connect(self, *_: Any, **__: Any) -> FedSocket:
        """Return the fed connection."""
        return self.socket

    async def close(self) -> None:
        """Close what is real."""
        await self._real.close()


async def fed_socket() -> FedSocket:
    """Make Hummingbot's connections use a fed session from now on, and return its stream."""
    factory = ConnectionsFactory()
    await factory.close()
    session = FedSession()
    factory._shared_client = session
    return session.socket
