"""Read the streams with picows, where the user asks for it: frames go to their reader from where they are parsed.

aiohttp puts each frame into a queue and wakes a task. picows parses in compiled code, and calls us for each frame while
the event loop hands the bytes over. What Hummingbot's connections promise is kept: `WSAssistant` works over it, pings
are answered, a dead line is noticed, no frame above the limit is taken, and little is kept while nobody takes it.

Rule 1: frames are handed over in the order of the line, and those before a Close are handed over before it is told.
Rule 2: after the end, whoever caused it, no frame is handed over.
Rule 3: what nobody takes is kept up to a limit; then the line waits, and with it the exchange.
Rule 4: a connection that nobody wants any more leaves no socket, timer or task behind.
"""

import asyncio
import json
import logging
import socket
import ssl
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from json import JSONDecodeError
from typing import Any, cast
from urllib.parse import urlsplit

from aiohappyeyeballs import start_connection
from hummingbot.core.web_assistant.connections.data_types import WSResponse
from hummingbot.core.web_assistant.connections.ws_connection import WSConnection
from picows import WSCloseCode, WSError, WSFrame, WSInvalidStatusError, WSListener, WSMsgType, WSTransport, ws_connect

from backpack_connector.protocol.errors import plain

MOST_KEPT = 1024 * 1024
"""Characters of frames that may wait for a reader before the line has to."""
CLOSE_S = 2.0
"""So long the other side may take to answer a Close."""
HANDSHAKE_S = 10.0
_SECOND_ADDRESS_AFTER_S = 0.25

_log = logging.getLogger(__name__)
_log.setLevel(logging.CRITICAL)  # what picows says, the connection says in its own words


def is_proxy_set(url: str) -> bool:
    """Tell whether the environment names a proxy for the streams; the way over it is left to aiohttp."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    scheme = "https" if parts.scheme == "wss" else "http"
    is_named = any(proxies.get(name) for name in (parts.scheme, scheme, "all"))
    return is_named and not urllib.request.proxy_bypass(parts.hostname or "")


class _Line(WSListener):
    """What picows calls: a frame has come, the connection is gone."""

    def __init__(self, most_in_message: int) -> None:
        self._most_in_message = most_in_message
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._kept: deque[str] = deque()
        self._kept_size = 0
        self._is_held = False
        self._is_clogged = False
        self._parts: list[bytes] | None = None
        self._parts_size = 0
        self._parts_kind = WSMsgType.TEXT
        self._waiting: asyncio.Future[None] | None = None
        self._take: Callable[[str], None] = self._keep
        self.heard_at_s = time.monotonic()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done when nothing is handed over any more: with an error, or without one if this side has ended it."""
        self._gone: asyncio.Future[None] = self._loop.create_future()

    # What picows calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.heard_at_s = time.monotonic()
        kind = frame.msg_type
        try:
            if transport.is_close_frame_sent:
                self._on_frame_after_the_end(transport, kind)
            elif kind is WSMsgType.TEXT and frame.fin and self._parts is None and not frame.rsv1:
                self._take(frame.get_payload_as_utf8_text())
            else:
                self._on_other(transport, frame, kind)
        except UnicodeDecodeError as error:
            self._break(WSCloseCode.INVALID_TEXT, f"it is no text, {plain(str(error.reason))}")
        except Exception as error:  # noqa: BLE001 - it is for whoever waits for the end of the connection
            self.end(error)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.end(ConnectionError(_complaint(transport) or "the connection was lost"))
        if not self._gone.done():
            self._gone.set_result(None)
        # picows keeps an error for whoever asks, and Python complains if nobody does.
        asyncio.ensure_future(transport.wait_disconnected()).add_done_callback(_take_note)

    def pause_writing(self) -> None:
        self._is_clogged = True

    def resume_writing(self) -> None:
        self._is_clogged = False

    def _on_frame_after_the_end(self, transport: WSTransport, kind: WSMsgType) -> None:
        # picows goes on for a moment after a frame that it has refused, and may take its content for a frame. It reads
        # one frame ahead, so the one before such a frame is lost too; so is the connection, and then all is asked for.
        self.end(ConnectionError(_complaint(transport)))
        if kind is WSMsgType.CLOSE:
            transport.disconnect()

    # Frames that are not whole texts

    def _on_other(self, transport: WSTransport, frame: WSFrame, kind: WSMsgType) -> None:
        if kind is WSMsgType.PING:
            if not self._is_clogged:  # whoever sends pings and reads no answers gets none
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind is WSMsgType.CLOSE:
            code, reason = int.from_bytes(frame.get_payload_as_bytes()[:2], "big"), frame.get_close_reason()
            said = f", {plain(reason)}" if reason else ""
            self.end(ConnectionError(f"the exchange closed it with code {code}{said}"))
        elif kind is not WSMsgType.PONG:
            self._on_part(frame, kind)

    def _on_part(self, frame: WSFrame, kind: WSMsgType) -> None:
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._break(WSCloseCode.PROTOCOL_ERROR, "it has bits that nobody agreed on")
            return
        if (kind is WSMsgType.CONTINUATION) is (self._parts is None):
            self._break(WSCloseCode.PROTOCOL_ERROR, "its parts do not follow each other")
            return
        if self._parts is None:
            self._parts, self._parts_size, self._parts_kind = [], 0, kind
        self._parts_size += frame.payload_size
        if self._parts_size > self._most_in_message:
            self._break(WSCloseCode.MESSAGE_TOO_BIG, f"its parts are above {self._most_in_message} bytes together")
            return
        self._parts.append(frame.get_payload_as_bytes())
        if frame.fin:
            data, self._parts = b"".join(self._parts), None
            is_text = self._parts_kind is WSMsgType.TEXT
            self._take(data.decode() if is_text else f"a binary frame, {data[:50]!r}")

    def _break(self, code: WSCloseCode, reason: str) -> None:
        assert self._transport is not None
        self._transport.send_close(code)
        self.end(ConnectionError(f"a frame could not be taken: {reason}"))

    # Whoever reads

    def _keep(self, text: str) -> None:
        self._kept.append(text)
        self._kept_size += len(text)
        if self._kept_size > MOST_KEPT and not self._is_held and self._transport is not None:
            self._is_held = True
            self._transport.underlying_transport.pause_reading()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def hand_to(self, take: Callable[[str], None]) -> None:
        """Call somebody with each frame from now on, and at once with those that were kept."""
        while self._kept:
            take(self._next_kept())
        if not self.ended.done():
            self._take = take

    def hand_to_nobody(self) -> None:
        """Keep frames again."""
        if not self.ended.done():
            self._take = self._keep

    async def next(self) -> str | None:
        """Return the next frame; None when this side has ended the connection."""
        while not self._kept:
            if self.ended.done():
                self.ended.result()
                return None
            self._waiting = self._loop.create_future()
            await asyncio.wait({self._waiting, self.ended}, return_when=asyncio.FIRST_COMPLETED)
        return self._next_kept()

    def _next_kept(self) -> str:
        text = self._kept.popleft()
        self._kept_size -= len(text)
        if self._is_held and self._kept_size <= MOST_KEPT // 2:
            self._go_on_reading()
        return text

    def _go_on_reading(self) -> None:
        self._is_held = False
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()

    # Life and end

    def watch(self, heartbeat_s: float) -> None:
        """Ping after so long a silence, and end the connection when half of that passes without an answer."""
        assert self._transport is not None
        silent_s = time.monotonic() - self.heard_at_s
        if silent_s < heartbeat_s or self._is_held:
            pause_s = heartbeat_s if self._is_held else heartbeat_s - silent_s
            self._timer = self._loop.call_later(pause_s, self.watch, heartbeat_s)
            return
        self._transport.send_ping()
        self._timer = self._loop.call_later(heartbeat_s / 2, self._look_again, heartbeat_s, self.heard_at_s)

    def _look_again(self, heartbeat_s: float, heard_at_s: float) -> None:
        if self.heard_at_s != heard_at_s:
            self.watch(heartbeat_s)
            return
        assert self._transport is not None
        self.end(ConnectionError(f"nothing was heard for {heartbeat_s * 1.5:g} s, and a ping was not answered"))
        self._transport.disconnect(graceful=False)

    def end(self, error: Exception | None) -> None:
        """Hand over nothing more, and hang up."""
        if self.ended.done():
            return
        self._take = _drop
        if error is None:
            self._kept.clear()
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
            self.ended.exception()  # else Python complains that nobody has asked for it
        if self._timer is not None:
            self._timer.cancel()
        transport = self._transport
        if transport is not None and not transport.is_disconnected:
            if self._is_held:
                self._go_on_reading()  # the answer to the Close comes behind what was held back
            transport.send_close(WSCloseCode.OK)  # nothing, when a Close was sent already
            if error is not None:
                transport.disconnect()
            self._timer = self._loop.call_later(CLOSE_S, transport.disconnect, False)

    async def close(self) -> None:
        """End the connection, and wait until it is gone."""
        self.end(None)
        try:
            await asyncio.shield(self._gone)
        finally:
            if self._transport is not None and not self._transport.is_disconnected:
                self._transport.disconnect(graceful=False)


def _complaint(transport: WSTransport) -> str | None:
    """Return what picows itself has ended the connection for; it says so in its Close."""
    handshake = transport.close_handshake
    if handshake is None or handshake.sent is None:
        return None
    return f"a frame could not be taken: {handshake.sent.reason}"


def _drop(_: str) -> None:
    pass


def _take_note(task: "asyncio.Future[None]") -> None:
    if not task.cancelled():
        task.exception()


class PicowsConnection(WSConnection):
    """A stream that picows reads; it stands in for `StreamConnection` in all that `WSAssistant` and we ask of it."""

    def __init__(self) -> None:
        super().__init__(aiohttp_client_session=None)
        self._line: _Line | None = None

    @property
    def last_recv_time(self) -> float:
        """Return when the last frame came, of whatever kind, in seconds; 0 before the first connection."""
        if self._line is not None:
            self._last_recv_time = time.time() - (time.monotonic() - self._line.heard_at_s)
        return self._last_recv_time

    async def connect(
        self,
        ws_url: str,
        ping_timeout: float = 10,
        message_timeout: float | None = None,
        ws_headers: Mapping[str, str] | None = None,
        max_msg_size: int | None = None,
    ) -> None:
        """Connect; raises an OSError or asyncio.TimeoutError when there is no connection."""
        self._ensure_not_connected()
        most = max_msg_size or self._MAX_MSG_SIZE
        self._line = await _connected_line(ws_url, dict(ws_headers or {}), most)
        self._message_timeout = message_timeout
        self._connected = True
        self._line.watch(ping_timeout)

    async def disconnect(self) -> None:
        """Close the connection, if there is one."""
        _, line = self.last_recv_time, self._line
        self._line, self._connected = None, False
        if line is not None:
            await line.close()

    async def ping(self) -> None:
        """Send a ping."""
        self._open_transport().send_ping()

    async def receive(self) -> WSResponse | None:
        """Return the next frame, or None when this side has closed the connection meanwhile.

        Raises:   ConnectionError when it is lost; asyncio.TimeoutError when a time limit was set and has passed.
        """
        self._ensure_connected()
        line = self._line
        assert line is not None
        try:
            text = await asyncio.wait_for(line.next(), self._message_timeout)
        except asyncio.TimeoutError:
            raise asyncio.TimeoutError("Message receive timed out.") from None
        if text is None:
            return None
        try:
            return WSResponse(json.loads(text))
        except (JSONDecodeError, ValueError, RecursionError):
            return WSResponse(text)  # text is no message, and its reader says so

    async def deliver(self, take: Callable[[str], None]) -> None:
        """Call somebody with the text of each frame until the connection is closed from this side.

        Raises:   ConnectionError when the connection is lost; whatever `take` raises, and then it hangs up.
        """
        line = self._line
        if line is None:
            return
        try:
            line.hand_to(take)
            await asyncio.shield(line.ended)
        finally:
            line.hand_to_nobody()

    async def _send_json(self, payload: Mapping[str, Any]) -> None:
        self._open_transport().send(WSMsgType.TEXT, json.dumps(payload))

    async def _send_plain_text(self, payload: str) -> None:
        self._open_transport().send(WSMsgType.TEXT, payload)

    async def _send_binary(self, payload: bytes) -> None:
        self._open_transport().send(WSMsgType.BINARY, payload)

    def _open_transport(self) -> WSTransport:
        line = self._line
        if line is None or line._transport is None or line.ended.done():
            raise ConnectionResetError("the connection is closed")
        return line._transport


async def _connected_line(url: str, headers: Mapping[str, str], most: int) -> _Line:
    line: _Line | None = None
    used: socket.socket | None = None

    async def connected_socket(parsed: Any) -> socket.socket:
        nonlocal used
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(parsed.host, parsed.port, type=socket.SOCK_STREAM)
        used = await start_connection(infos, happy_eyeballs_delay=_SECOND_ADDRESS_AFTER_S, loop=loop)
        return used

    try:
        transport, listener = await ws_connect(
            lambda: _Line(most),
            url,
            ssl_context=_tls() if url.startswith("wss:") else None,
            websocket_handshake_timeout=HANDSHAKE_S,
            logger_name=_log,
            enable_auto_pong=False,  # a ping is a sign of life too
            max_frame_size=most,
            extra_headers=headers,
            max_redirects=0,  # nothing is carried to wherever somebody says
            socket_factory=connected_socket,
            use_aiofastnet=False,
        )
        line = cast("_Line | None", listener)
    except WSInvalidStatusError as error:
        status = error.response.status if error.response is not None else 0
        raise ConnectionError(f"the exchange refused it with status {int(status)}") from error
    except WSError as error:
        raise ConnectionError(f"the exchange's answer is not that of a stream: {plain(str(error))}") from error
    finally:
        if line is None and used is not None:
            # picows would wait for the answer although nobody does any more; so the line ends here.
            with suppress(OSError):
                used.shutdown(socket.SHUT_RDWR)
    if line is None or transport.is_disconnected:
        raise ConnectionError("the other side hung up instead of answering")
    return line


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
