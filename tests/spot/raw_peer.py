"""The other side of a WebSocket, byte by byte: it sends what a test says, and notes the frames that come back."""

import asyncio
import base64
import hashlib
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(payload: bytes | str, opcode: int = TEXT, *, is_last: bool = True, bits: int = 0) -> bytes:
    """Return a frame as a server sends it."""
    data = payload.encode() if isinstance(payload, str) else payload
    first = bytes([(0x80 if is_last else 0) | bits | opcode])
    if len(data) < 126:
        return first + bytes([len(data)]) + data
    if len(data) < 65_536:
        return first + b"\x7e" + struct.pack("!H", len(data)) + data
    return first + b"\x7f" + struct.pack("!Q", len(data)) + data


class RawPeer:
    """A server for one connection at a time."""

    def __init__(self) -> None:
        self.url = ""
        self.head: bytes | None = None
        """What is answered to the handshake instead of an acceptance; empty for no answer at all."""
        self.first = b""
        """What is sent together with the answer to the handshake."""
        self.requests: list[bytes] = []
        self.received: list[tuple[int, bytes]] = []
        """Frames of the client: opcode and content."""
        self.is_gone = asyncio.Event()
        """Whether the client has hung up."""
        self.is_open = asyncio.Event()
        self.answers_close = True
        self.answers_pings = True
        self.writer: asyncio.StreamWriter | None = None

    def send(self, *data: bytes) -> None:
        """Send bytes at once."""
        assert self.writer is not None
        self.writer.write(b"".join(data))

    def hang_up(self) -> None:
        """Cut the connection."""
        assert self.writer is not None
        self.writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        self.writer = writer
        self.is_gone.clear()
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(request)
            key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
            accept = base64.b64encode(hashlib.sha1(key.split(b":", 1)[1].strip() + _GUID).digest())
            head = (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            writer.write((head if self.head is None else self.head) + self.first)
            self.is_open.set()
            while True:
                await self._take(reader)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.is_gone.set()
            writer.close()

    async def _take(self, reader: asyncio.StreamReader) -> None:
        first, second = await reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        mask = await reader.readexactly(4)
        masked = await reader.readexactly(size)
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))
        opcode = first & 0x0F
        self.received.append((opcode, payload))
        if opcode == PING and self.answers_pings:
            self.send(frame(payload, PONG))
        if opcode == CLOSE and self.answers_close:
            self.send(frame(payload, CLOSE))


@asynccontextmanager
async def raw_peer(tls: ssl.SSLContext | None = None) -> AsyncIterator[RawPeer]:
    """Run a peer on a free port of this machine."""
    peer = RawPeer()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(peer.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    peer.url = f"{'ws' if tls is None else 'wss'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield peer
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
