"""A server whose answers are odd below JSON: endless, slow, packed, cut, of another protocol."""

import asyncio
import itertools
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

_PART = b"x" * 65_536


@dataclass
class Garbage:
    """A server that answers every request in one odd way, and counts what it could send."""

    answer: Callable[["Garbage", web.Request], Awaitable[web.StreamResponse]]
    sent_bytes: int = 0
    asked: int = 0
    are_gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return await self.answer(self, request)

    async def pour(self, request: web.Request, parts: Iterable[bytes], pause_s: float = 0.0, **head: Any) -> Any:
        """Send parts until they end or the client hangs up."""
        response = web.StreamResponse(**head)
        with suppress(ConnectionError):
            await response.prepare(request)
            for part in parts:
                await response.write(part)
                self.sent_bytes += len(part)
                await asyncio.sleep(pause_s)
        self.are_gone.set()
        return response


async def endless(garbage: Garbage, request: web.Request) -> Any:
    return await garbage.pour(request, itertools.repeat(_PART))


async def endless_error(garbage: Garbage, request: web.Request) -> Any:
    return await garbage.pour(request, itertools.repeat(_PART), status=400)


async def slow(garbage: Garbage, request: web.Request) -> Any:
    return await garbage.pour(request, itertools.repeat(b" "), pause_s=0.01)


async def bomb(garbage: Garbage, request: web.Request) -> Any:
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(bytes(1_000_000)) for _ in range(100)] + [packer.flush()]
    return await garbage.pour(request, parts, headers={"Content-Encoding": "gzip"})


async def no_gzip(garbage: Garbage, request: web.Request) -> Any:
    return await garbage.pour(request, [b"no gzip at all"], headers={"Content-Encoding": "gzip"})


async def cut(garbage: Garbage, request: web.Request) -> Any:
    response = await garbage.pour(request, [b'{"status":'], headers={"Content-Length": "1000"})
    assert request.transport is not None
    request.transport.abort()
    return response


async def redirect(garbage: Garbage, request: web.Request) -> Any:
    return web.Response(status=307, headers={"Location": str(request.url.with_path("/elsewhere"))})


async def wrong_type(garbage: Garbage, request: web.Request) -> Any:
    return web.Response(body=b"\xff\xfe\x00", content_type="image/png")


async def binary_error(garbage: Garbage, request: web.Request) -> Any:
    return web.Response(status=404, body=b"\x1b[31m\xff\x00" * 1_000, content_type="application/octet-stream")


async def no_http(garbage: Garbage, request: web.Request) -> Any:
    assert request.transport is not None
    request.transport.write(b"\x00\x01 no HTTP\r\n\r\n")
    request.transport.close()
    return web.Response()


async def long_header(garbage: Garbage, request: web.Request) -> Any:
    return web.Response(headers={"X-Long": "x" * 1_000_000})


ODD_ANSWERS = [
    endless,
    endless_error,
    slow,
    bomb,
    no_gzip,
    cut,
    redirect,
    wrong_type,
    binary_error,
    no_http,
    long_header,
]


@asynccontextmanager
async def garbage_server(garbage: Garbage) -> AsyncIterator[str]:
    """Serve garbage; give the URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", garbage.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
