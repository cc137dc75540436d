"""Stand between the connector and the simulator, and let tests script what goes wrong on the way.

The simulator executes orders for real; the double only loses, delays, hides or rewrites what travels. So a test says
what happens on the wire, and what becomes of the money is the engine's word.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp import web

from backpack_connector.protocol.endpoints import endpoint_at
from backpack_connector.protocol.streams import ORDER_UPDATES

SYMBOL = "SOL_USDC"
PAIR = "SOL-USDC"

Frame = dict[str, Any]


@dataclass
class Answer:
    """What travels back to the connector."""

    status: int
    text: str

    @property
    def data(self) -> Any:
        return json.loads(self.text)


@dataclass
class Call:
    """One request of the connector on its way to the exchange."""

    operation: str
    fields: dict[str, Any]
    headers: Mapping[str, str]
    forward: Callable[[], Awaitable[Answer]] = field(repr=False)


Script = Callable[[Call], Awaitable[Answer | None]]
"""Decides what a request gets; None is a connection that breaks without an answer."""


async def lose_answer(call: Call) -> Answer | None:
    """Let the exchange do it, and break the connection before the answer."""
    await call.forward()
    return None


async def lose_request(call: Call) -> Answer | None:
    """Break the connection before the exchange sees anything."""
    return None


def answer(status: int, body: Any) -> Script:
    """Answer without asking the exchange."""

    async def script(call: Call) -> Answer | None:
        return Answer(status, body if isinstance(body, str) else json.dumps(body))

    return script


def do_and_answer(status: int, body: Any) -> Script:
    """Let the exchange do it, and answer something else."""

    async def script(call: Call) -> Answer | None:
        await call.forward()
        return Answer(status, body if isinstance(body, str) else json.dumps(body))

    return script


def change(edit: Callable[[Any], Any]) -> Script:
    """Let the exchange do it, and rewrite its answer's data."""

    async def script(call: Call) -> Answer | None:
        original = await call.forward()
        return Answer(original.status, json.dumps(edit(original.data)))

    return script


def hold_request(until: asyncio.Event) -> Script:
    """Keep the request on the way until told."""

    async def script(call: Call) -> Answer | None:
        await until.wait()
        return await call.forward()

    return script


def hold_answer(until: asyncio.Event) -> Script:
    """Let the exchange do it, and keep the answer on the way until told."""

    async def script(call: Call) -> Answer | None:
        done = await call.forward()
        await until.wait()
        return done

    return script


class ExchangeDouble:
    """A reverse proxy on loopback; without scripts it changes nothing."""

    def __init__(self, upstream_url: str) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self.edit_frame: Callable[[Frame], list[Frame]] = lambda frame: [frame]
        """Turns one frame of the exchange into those that the connector gets."""
        self.frames: list[Frame] = []
        """What the exchange sent, whether or not it was delivered."""
        self._upstream_url = upstream_url
        self._scripts: dict[str, list[tuple[Script, int | None]]] = {}
        self._sockets: set[web.WebSocketResponse] = set()
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "ExchangeDouble":
        self._session = aiohttp.ClientSession()
        application = web.Application()
        application.router.add_get("/", self._stream)
        application.router.add_route("*", "/{path:.+}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        assert self._session is not None
        await self.close_streams()
        await self._runner.cleanup()
        await self._session.close()

    # Scripts

    def script(self, operation: str, script: Script, *, times: int | None = None) -> None:
        """Treat the next requests of an operation so; after earlier scripts are used up, for ever without `times`."""
        self._scripts.setdefault(operation, []).append((script, times))

    def behave(self, *operations: str) -> None:
        """Forget the scripts of these operations, or all of them."""
        for operation in operations or tuple(self._scripts):
            self._scripts.pop(operation, None)

    def count(self, *operations: str) -> int:
        """Return how many requests of these operations came."""
        return sum(call.operation in operations for call in self.calls)

    def counts(self) -> Counter[str]:
        """Return how many requests came, by operation."""
        return Counter(call.operation for call in self.calls)

    def requests(self, operation: str) -> list[Call]:
        """Return the requests of an operation."""
        return [call for call in self.calls if call.operation == operation]

    # Streams

    def drop_frames(self, *streams: str) -> None:
        """Deliver no more frames of these streams, all when none is named."""
        self.edit_frame = lambda frame: [] if not streams or frame.get("stream") in streams else [frame]

    def alter_order_frames(self, edit: Callable[[Frame], list[Frame]]) -> None:
        """Rewrite the data of order events; the function returns the data of all frames to deliver."""

        def edit_frame(frame: Frame) -> list[Frame]:
            if frame.get("stream") != ORDER_UPDATES:
                return [frame]
            return [{"stream": ORDER_UPDATES, "data": data} for data in edit(frame["data"])]

        self.edit_frame = edit_frame

    def hold_order_frames(self) -> list[Frame]:
        """Keep order events back from now on; return the list that gathers them."""
        held: list[Frame] = []
        self.alter_order_frames(lambda data: held.append(data) or [])  # type: ignore[func-returns-value]
        return held

    def order_events(self, order_id: str) -> list[Frame]:
        """Return the data of all events that the exchange sent about one of its orders."""
        return [
            frame["data"]
            for frame in self.frames
            if frame["stream"] == ORDER_UPDATES and frame["data"]["i"] == order_id
        ]

    async def push_order_event(self, data: Frame, **changes: Any) -> None:
        """Deliver an order event with some keys changed; None leaves a key out."""
        changed = {**data, **changes}
        await self.push(
            {"stream": ORDER_UPDATES, "data": {key: changed[key] for key in changed if changed[key] is not None}}
        )

    async def push(self, frame: Any) -> None:
        """Deliver a frame of the test's own on all streams."""
        for socket in tuple(self._sockets):
            await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def close_streams(self) -> None:
        """End all WebSocket connections."""
        for socket in tuple(self._sockets):
            await socket.close()

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        assert self._session is not None
        socket = web.WebSocketResponse(timeout=0.2)
        await socket.prepare(request)
        async with self._session.ws_connect(
            self._upstream_url, timeout=aiohttp.ClientWSTimeout(ws_close=0.2)
        ) as source:
            self._sockets.add(socket)
            pump = asyncio.ensure_future(self._pump(source, socket))
            try:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        await source.send_str(message.data)
            finally:
                self._sockets.discard(socket)
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)
        return socket

    async def _pump(self, source: aiohttp.ClientWebSocketResponse, socket: web.WebSocketResponse) -> None:
        async for message in source:
            if message.type is aiohttp.WSMsgType.TEXT:
                frame = json.loads(message.data)
                self.frames.append(frame)
                for edited in self.edit_frame(frame):
                    await socket.send_str(json.dumps(edited))
        await socket.close()

    # REST

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        row = endpoint_at(request.method, request.path)
        body = await request.read()
        fields = json.loads(body) if body else dict(request.query)
        operation = row.operation_id if row is not None else request.path

        async def forward() -> Answer:
            return await self._forward(request, body)

        call = Call(operation, fields, request.headers, forward)
        self.calls.append(call)
        outcome = await self._next_script(operation)(call)
        if outcome is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=outcome.status, text=outcome.text, content_type="application/json")

    def _next_script(self, operation: str) -> Script:
        scripts = self._scripts.get(operation, [])
        if not scripts:
            return _pass_on
        script, times = scripts[0]
        if times is not None:
            scripts[0] = (script, times - 1)
            if times == 1:
                scripts.pop(0)
        return script

    async def _forward(self, request: web.Request, body: bytes) -> Answer:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        url = self._upstream_url + request.path_qs
        async with self._session.request(request.method, url, data=body or None, headers=headers) as response:
            return Answer(response.status, await response.text())


_HOP_HEADERS = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}


async def _pass_on(call: Call) -> Answer | None:
    return await call.forward()
