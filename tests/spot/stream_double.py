"""Stand in front of the simulator: pass everything on, and fail, delay, alter or withhold what a test scripts.

Rule 1: what no script mentions comes from the real simulator, over real sockets, untouched.
Rule 2: REST answers are scripted by operation id; streams by what passes through a connection, or by hand.
Rule 3: everything that arrives is recorded, so that a test can count it.
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web
from yarl import URL

from backpack_connector.protocol.endpoints import endpoint, endpoint_at

HOST = "127.0.0.1"
_SHUTDOWN_TIMEOUT_S = 0.1


@dataclass
class Seen:
    """One request as it arrived."""

    operation_id: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    at_s: float = field(default_factory=time.monotonic)

    @property
    def timestamp_ms(self) -> int | None:
        """Return when the client says that it signed the request."""
        text = self.headers.get("X-Timestamp")
        return None if text is None else int(text)


@dataclass(frozen=True)
class Reply:
    """A scripted answer. A body of bytes is sent as it is, of text as text, anything else as JSON."""

    body: Any = None
    status: int = 200
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        if self.body is None:
            return web.Response(status=self.status)
        if isinstance(self.body, bytes):
            return web.Response(status=self.status, body=self.body, content_type="application/json", charset="utf-8")
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body, headers=self.headers)
        return web.json_response(self.body, status=self.status)


def failure(status: int, code: str, message: str) -> Reply:
    """Return an error answer in the exchange's form."""
    return Reply({"code": code, "message": message}, status)


UNAVAILABLE = failure(503, "SERVER_ERROR", "Service unavailable")
HANG_UP = Reply(status=0)
"""The connection is cut without an answer."""

Script = Callable[[Seen], "Reply | Awaitable[Reply | None] | None"]
"""Returns the answer to one request, or None to let the simulator answer."""


class Connection:
    """One WebSocket connection of the connector."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.received: list[Any] = []
        """Decoded frames of the client."""
        self.opened_s = time.monotonic()
        self.is_open = True
        self._request = request

    @property
    def streams(self) -> list[str]:
        """Return the names that the client has subscribed to, in order and with repetitions."""
        return [name for frame in self.received if frame.get("method") == "SUBSCRIBE" for name in frame["params"]]

    @property
    def ended_streams(self) -> list[str]:
        """Return the names that the client has unsubscribed from."""
        return [name for frame in self.received if frame.get("method") == "UNSUBSCRIBE" for name in frame["params"]]

    @property
    def is_private(self) -> bool:
        """Tell whether the client has asked for private streams."""
        return any(name.startswith("account.") for name in self.streams)

    async def send(self, payload: Any) -> None:
        """Send a frame: bytes as binary, text as it is, anything else as JSON."""
        if isinstance(payload, bytes):
            await self.socket.send_bytes(payload)
        else:
            await self.socket.send_str(payload if isinstance(payload, str) else json.dumps(payload))

    async def close(self, code: int = 1001) -> None:
        """Send a Close frame and end the connection."""
        await self.socket.close(code=code)

    def cut(self) -> None:
        """End the connection without a Close frame."""
        transport = self._request.transport
        if transport is not None:
            transport.abort()


class StreamDouble:
    """A reverse proxy whose REST answers and streams can be scripted."""

    def __init__(self, rest_url: str, ws_url: str) -> None:
        self._rest_url = rest_url
        self._ws_url = ws_url
        self.requests: list[Seen] = []
        self.connections: list[Connection] = []
        self.refuses_streams = False
        """Answer 503 to every new WebSocket connection."""
        self.is_deaf = False
        """Leave every new WebSocket connection without any answer."""
        self.on_client_frame: Callable[[Connection, Any], Awaitable[bool]] | None = None
        """Called with each decoded frame of the client; false withholds it from the simulator."""
        self.on_server_frame: Callable[[Connection, Any], Iterable[Any]] | None = None
        """Called with each decoded frame of the simulator; returns what the client gets instead."""
        self._once: dict[str, deque[Reply]] = defaultdict(deque)
        self._scripts: dict[str, Script] = {}
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Return the base URL of REST; the streams have the same host and port."""
        return f"http://{HOST}:{self.port}"

    @property
    def public(self) -> Connection:
        """Return the newest connection that is not private."""
        return [connection for connection in self.connections if connection.streams and not connection.is_private][-1]

    @property
    def private(self) -> Connection:
        """Return the newest private connection."""
        return [connection for connection in self.connections if connection.is_private][-1]

    def count(self, operation_id: str) -> int:
        """Return how many requests of an operation have arrived."""
        return len(self.seen(operation_id))

    def seen(self, operation_id: str) -> list[Seen]:
        """Return the requests of an operation."""
        return [request for request in self.requests if request.operation_id == operation_id]

    def answer_once(self, operation_id: str, *replies: Reply) -> None:
        """Answer the next requests of an operation with these, one each."""
        self._once[operation_id].extend(replies)

    def answer(self, operation_id: str, reply: "Reply | Script | None") -> None:
        """Answer all requests of an operation with this from now on; None lets the simulator answer again."""
        if reply is None:
            self._scripts.pop(operation_id, None)
        elif isinstance(reply, Reply):
            self._scripts[operation_id] = lambda _: reply
        else:
            self._scripts[operation_id] = reply

    def alter(self, operation_id: str, change: Callable[[Any], Any]) -> None:
        """Pass requests of an operation on, and change the decoded answer from now on."""

        async def altered(seen: Seen) -> Reply:
            status, body = await self.ask_simulator(seen)
            return Reply(change(json.loads(body)), status)

        self.answer(operation_id, altered)

    async def start(self) -> None:
        """Listen on any free port."""
        self._session = aiohttp.ClientSession()
        application = web.Application()
        application.router.add_get("/", self._stream)
        application.router.add_route("*", "/{path:.*}", self._rest)
        self._runner = web.AppRunner(application, shutdown_timeout=_SHUTDOWN_TIMEOUT_S, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End all connections and stop listening."""
        for connection in self.connections:
            if connection.is_open:
                connection.cut()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        row = endpoint_at(request.method, request.path)
        text = await request.text()
        seen = Seen(
            operation_id=request.path if row is None else row.operation_id,
            query=dict(request.query),
            body=json.loads(text) if text else None,
            headers=dict(request.headers),
        )
        self.requests.append(seen)
        reply = await self._scripted(seen)
        if reply is None:
            status, body = await self.ask_simulator(seen)
            return web.Response(status=status, body=body, content_type="application/json", charset="utf-8")
        await asyncio.sleep(reply.delay_s)
        if reply is HANG_UP:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return reply.response()

    async def _scripted(self, seen: Seen) -> Reply | None:
        if self._once[seen.operation_id]:
            return self._once[seen.operation_id].popleft()
        script = self._scripts.get(seen.operation_id)
        reply = None if script is None else script(seen)
        return reply if reply is None or isinstance(reply, Reply) else await reply

    async def ask_simulator(self, seen: Seen) -> tuple[int, bytes]:
        """Pass a request on, and return status and body of the answer."""
        assert self._session is not None
        row = endpoint(seen.operation_id)
        headers = {name: value for name, value in seen.headers.items() if name.startswith("X-")}
        if seen.body is not None:
            headers["Content-Type"] = "application/json"
        body = None if seen.body is None else json.dumps(seen.body)
        url = URL(f"{self._rest_url}{row.path}").with_query(seen.query)
        async with self._session.request(row.method, url, data=body, headers=headers) as answer:
            return answer.status, await answer.read()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(timeout=1.0)
        connection = Connection(socket, request)
        self.connections.append(connection)
        if self.refuses_streams:
            connection.is_open = False
            return web.Response(status=503)
        if self.is_deaf:
            await asyncio.sleep(60)
        await socket.prepare(request)
        assert self._session is not None
        async with self._session.ws_connect(self._ws_url) as upstream:
            down = asyncio.ensure_future(self._pass_down(upstream, connection))
            try:
                await self._pass_up(connection, upstream)
            finally:
                connection.is_open = False
                down.cancel()
                await asyncio.gather(down, return_exceptions=True)
        return socket

    async def _pass_up(self, connection: Connection, upstream: aiohttp.ClientWebSocketResponse) -> None:
        async for message in connection.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            connection.received.append(frame)
            if self.on_client_frame is None or await self.on_client_frame(connection, frame):
                await upstream.send_str(message.data)

    async def _pass_down(self, upstream: aiohttp.ClientWebSocketResponse, connection: Connection) -> None:
        with suppress(ConnectionError):
            async for message in upstream:
                if message.type is not WSMsgType.TEXT:
                    continue
                if self.on_server_frame is None:
                    await connection.send(message.data)
                    continue
                for frame in self.on_server_frame(connection, json.loads(message.data)):
                    await connection.send(frame)
            await connection.close()


def late_answers(double: StreamDouble, operation_id: str) -> "tuple[asyncio.Event, asyncio.Event]":
    """Keep answers on their way; return the event of an answer that has been given, and the one that lets it go on."""
    answered, go = asyncio.Event(), asyncio.Event()

    async def late(seen: Seen) -> Reply:
        status, body = await double.ask_simulator(seen)
        answered.set()
        await go.wait()
        return Reply(body, status)

    double.answer(operation_id, late)
    return answered, go


def error_frame(code: int = 4003, message: str = "Invalid signature") -> dict[str, Any]:
    """Return the frame with which the exchange refuses a subscription. Source: API §3.1."""
    return {"id": None, "error": {"code": code, "message": message}}
