"""Send requests to one host over connections that are kept open, with less work for each than aiohttp does.

It is an option (`BACKPACK_HTTP=fast`) for the connector's own requests, and stands beside `single_attempts.answer_to`:
the same limits, the same errors, no request twice, no redirect followed. What it leaves out of aiohttp: cookies,
proxies, and every method and header that the exchange does not need.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from aiohappyeyeballs import start_connection  # a requirement of aiohttp

from backpack_connector import __version__
from backpack_connector.http_connection import Answer, AnswerUnusable, HttpConnection
from backpack_connector.protocol.errors import ConfigurationError, NoAnswer, plain
from backpack_connector.protocol.rest import TEXT_OPERATIONS, RestRequest, read_response
from backpack_connector.single_attempts import ConnectionLost

KEEP_S = 15.0
"""So long a connection rests before it is closed, as in Hummingbot's session."""
MOST_CONNECTIONS = 100
"""As in Hummingbot's session; further requests wait for one."""
_HAPPY_EYEBALLS_S = 0.25
"""RFC 8305: the next address is tried while the first one does not answer."""


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Return the context of all connections: certificates and host names are checked, by the system's authorities."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def can_be_asked(base_url: str) -> bool:
    """Tell whether a base URL has nothing that is left to aiohttp, such as a name and a password."""
    parts = urlsplit(base_url)
    return bool(parts.hostname) and parts.username is None and not parts.query and base_url.isascii()


class HttpClient:
    """Connections to one host, and the requests that are sent over them; all in one event loop at a time."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        self._host = parts.hostname
        self._is_tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._fixed = (
            f" HTTP/1.1\r\nHost: {_host_header(parts)}\r\n"
            f"User-Agent: backpack-hummingbot-connector/{__version__}\r\nAccept: */*\r\n"
        )
        self._fixed_lines = self._fixed.count("\n")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: set[HttpConnection] = set()
        self._resting: deque[HttpConnection] = deque()
        """The one that has rested longest is the first."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closing: asyncio.TimerHandle | None = None
        if self._is_tls:
            tls_context()  # reading the authorities takes a while, and no order shall wait for it

    @property
    def open_connections(self) -> int:
        """Return how many connections there are, those that are being opened included."""
        return len(self._open)

    @property
    def resting_connections(self) -> int:
        """Return how many of them wait for a request."""
        return len(self._resting)

    async def answer_to(
        self,
        request: RestRequest,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        is_text_wanted: bool = False,
    ) -> Any:
        """Send a request once, and return its data as `protocol.rest.read_response` does, or their text.

        Units:    `timeout_s` covers everything from the connection to the end of the answer.
        Raises:   NoAnswer when none came, so that the outcome is not known; the errors of read_response.
        """
        operation = request.operation_id
        payload = self.rendered(request, headers)
        try:
            status, body = await self.exchange(payload, timeout_s)
        except (AnswerUnusable, ConnectionLost, asyncio.TimeoutError, OSError) as error:
            reason = plain(str(error)) or type(error).__name__
            raise NoAnswer(f"no answer from the exchange: {reason}", operation=operation) from error
        text = body.decode(errors="replace")  # bytes that are no text are no JSON either
        return read_response(operation, status, text, is_json=not (is_text_wanted or operation in TEXT_OPERATIONS))

    def rendered(self, request: RestRequest, headers: Mapping[str, str] | None = None) -> bytes:
        """Return what goes over the wire.

        Raises:   ConfigurationError for a header that would be more than one line.
        """
        query = f"?{urlencode(request.query)}" if request.query else ""
        lines = [f"{name}: {value}\r\n" for name, value in request.headers.items()]
        if headers:
            lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        body = request.body
        if body is not None or request.method != "GET":
            lines.append(f"Content-Length: {len(body or b'')}\r\n")
        else:
            lines.append("Accept-Encoding: gzip, deflate\r\n")  # for long lists; an answer to an order is short
        head = f"{request.method} {self._prefix}{request.path}{query}{self._fixed}{''.join(lines)}"
        breaks = self._fixed_lines + len(lines)
        if head.count("\n") != breaks or head.count("\r") != breaks or not head.isascii():
            raise ConfigurationError(f"{request.operation_id}: a header holds what no header can hold.")
        return f"{head}\r\n".encode() + (body or b"")

    async def exchange(self, payload: bytes, timeout_s: float) -> Answer:
        """Write a request to a connection, and return status and body of its answer.

        Raises:   AnswerUnusable; ConnectionLost when it ended before an answer began; asyncio.TimeoutError; an OSError
                  when there is no connection, and nothing has left.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._enter(loop)
        ends_at_s = loop.time() + timeout_s
        connection = self._rested(loop)
        if connection is None:
            connection = await asyncio.wait_for(self._available(loop), timeout_s)
            if not connection.is_usable:  # Python 3.11 lets the loop turn in between
                connection.drop()
                raise ConnectionResetError("the connection ended as soon as it was open")
        waiter: asyncio.Future[Answer] = loop.create_future()
        connection.ask(payload, waiter)
        timer = loop.call_at(ends_at_s, _expire, waiter, timeout_s)
        try:
            return await waiter
        finally:
            timer.cancel()
            connection.give_up(waiter)  # whoever was cancelled, or has waited too long

    def close(self) -> None:
        """Close the connections that rest; those in use are closed when their answers are there."""
        for connection in list(self._resting):
            connection.drop()
        for connection in self._open:
            connection.is_last_request = True
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    # Connections

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forget what belongs to an event loop that is no longer used."""
        self._loop = loop
        self._open.clear()
        self._resting.clear()
        self._waiting.clear()
        self._closing = None

    def _rested(self, loop: asyncio.AbstractEventLoop) -> HttpConnection | None:
        """Take the connection that was used last: it is the least likely to be closed by the server just now."""
        while self._resting:
            connection = self._resting.pop()
            if connection.is_usable and loop.time() - connection.rests_since_s < KEEP_S:
                return connection
            connection.drop()
        return None

    async def _available(self, loop: asyncio.AbstractEventLoop) -> HttpConnection:
        """Return a connection as soon as there may be one."""
        while len(self._open) >= MOST_CONNECTIONS:
            place: asyncio.Future[None] = loop.create_future()
            self._waiting.append(place)
            try:
                await place
            except BaseException:
                if place.done() and not place.cancelled():
                    self._offer_place()
                raise
            if (connection := self._rested(loop)) is not None:
                return connection
        connection = HttpConnection(self._rest, self._forget)
        self._open.add(connection)
        try:
            options: dict[str, Any] = {"ssl": tls_context(), "server_hostname": self._host} if self._is_tls else {}
            # asyncio's own search leaves a socket open when it is cancelled, and uvloop's waits for each address.
            channel = await start_connection(await self._addresses(loop), happy_eyeballs_delay=_HAPPY_EYEBALLS_S)
            try:
                channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.create_connection(lambda: connection, sock=channel, **options)
            except BaseException:
                channel.close()
                raise
        except BaseException:
            connection.drop()
            raise
        return connection

    async def _addresses(self, loop: asyncio.AbstractEventLoop) -> list[Any]:
        """Return where the host may be, as `getaddrinfo` does; one that is named by its address needs no thread."""
        try:
            version = ipaddress.ip_address(self._host).version
        except ValueError:
            return list(await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))
        place = (self._host, self._port) if version == 4 else (self._host, self._port, 0, 0)
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place)]

    def _rest(self, connection: HttpConnection) -> None:
        assert self._loop is not None
        connection.rests_since_s = self._loop.time()
        self._resting.append(connection)
        if self._closing is None:
            self._closing = self._loop.call_at(connection.rests_since_s + KEEP_S, self._close_rested)
        self._offer_place()

    def _close_rested(self) -> None:
        assert self._loop is not None
        self._closing = None
        now_s = self._loop.time()
        while self._resting and now_s - self._resting[0].rests_since_s >= KEEP_S:
            self._resting[0].drop()
        if self._resting:
            self._closing = self._loop.call_at(self._resting[0].rests_since_s + KEEP_S, self._close_rested)

    def _forget(self, connection: HttpConnection) -> None:
        if connection in self._open:
            self._open.discard(connection)
            if connection in self._resting:
                self._resting.remove(connection)
            self._offer_place()

    def _offer_place(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return


def _expire(waiter: "asyncio.Future[Answer]", timeout_s: float) -> None:
    if not waiter.done():
        waiter.set_exception(asyncio.TimeoutError(f"nothing came within {timeout_s:g} s"))


def _host_header(parts: SplitResult) -> str:
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else f"{parts.hostname}"
    return host if parts.port is None else f"{host}:{parts.port}"
