"""A server of raw sockets for tests of the quick transport: what it sends, and when, is written by each test."""

import asyncio
import socket
import ssl
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

PONG = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong"


async def until(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds; fail when it does not within five seconds."""
    loop = asyncio.get_running_loop()
    ends_at_s = loop.time() + 5
    while not condition():
        assert loop.time() < ends_at_s, "the condition did not come true in time"
        await asyncio.sleep(0.002)


class Peer:
    """The server's end of one connection, while a request of it is answered."""

    def __init__(self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        self.writer = writer
        self._reader = reader

    async def send(self, *parts: bytes) -> None:
        """Send bytes, each part by itself."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.001)

    async def client_closes(self) -> bytes:
        """Wait until the client has closed the connection, and return what it sent before."""
        try:
            return await asyncio.wait_for(self._reader.read(), 5)
        except ConnectionError:
            return b""

    def close(self) -> None:
        """Close the connection in order."""
        self.writer.close()

    def reset(self) -> None:
        """Close the connection with a reset."""
        end: socket.socket = self.writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Scene = Callable[[Peer], Awaitable[None]]
"""Answers one request, or does not."""


def sends(*parts: bytes) -> Scene:
    """Send these bytes, each part by itself."""

    async def scene(peer: Peer) -> None:
        await peer.send(*parts)

    return scene


def sends_and_closes(*parts: bytes) -> Scene:
    """Send these bytes, and close the connection."""

    async def scene(peer: Peer) -> None:
        await peer.send(*parts)
        peer.close()

    return scene


def sends_and_resets(*parts: bytes) -> Scene:
    """Send these bytes, and reset the connection."""

    async def scene(peer: Peer) -> None:
        await peer.send(*parts)
        await asyncio.sleep(0.01)  # a reset throws away what has not been read
        peer.reset()

    return scene


async def is_silent(_: Peer) -> None:
    """Answer nothing."""


class RawServer:
    """Counts connections and requests; answers `pong` where no scene is waiting."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.opened = 0
        self.requests: list[bytes] = []
        self.peers: list[Peer] = []
        self.scenes: deque[Scene] = deque()
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._tls = tls
        self._listening: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http{'s' if self._tls else ''}://{'localhost' if self._tls else '127.0.0.1'}:{self.port}"

    @property
    def open(self) -> int:
        """Return how many connections are open now."""
        return len(self._open)

    async def __aenter__(self) -> "RawServer":
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listening is not None
        self._listening.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self._open.add(writer)
        peer = Peer(writer, reader)
        self.peers.append(peer)
        try:
            while True:
                self.requests.append(await _request(reader))
                await (self.scenes.popleft() if self.scenes else sends(PONG))(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + (await reader.readexactly(int(length[0])) if length else b"")
