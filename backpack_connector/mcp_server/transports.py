"""Serve a session over stdio to the one client that has started this process, or over HTTP on this machine.

Rule 1: over HTTP every request carries a token, because every program and every web page of this machine can reach the
        port. Host and Origin are checked by the SDK, so that no web page can pass for a local one.
Rule 2: standard output belongs to the protocol. What is said to people goes to standard error, and no secret with it.
"""

import hmac
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mcp.server import Server

from backpack_connector.protocol.errors import ConfigurationError

from .live import LiveData
from .server import new_server
from .session import Session
from .settings import LEAST_TOKEN_SIGNS, TOKEN_VARIABLE

PATH = "/mcp"
_UNAUTHORIZED = 401
_GRACE_S = 2

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


async def serve(session: Session) -> None:
    """Serve until the client is gone, or over HTTP until the process is stopped.

    Raises:   ConfigurationError when HTTP cannot be served: no token, or no port.
    """
    settings = session.settings
    token = "" if settings.http_port is None else http_token()
    async with LiveData(session) as live:
        server = new_server(session, live)
        if settings.http_port is None:
            await _serve_stdio(server)
        else:
            await _serve_http(server, token, settings.host, settings.http_port)


def http_token() -> str:
    """Return the token that clients have to show.

    Raises:   ConfigurationError when there is none, or one that could be guessed.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if len(token) < LEAST_TOKEN_SIGNS or not token.isascii() or not token.isprintable():
        raise ConfigurationError(
            f"Set {TOKEN_VARIABLE} to a random text of at least {LEAST_TOKEN_SIGNS} characters; clients show it as"
            " their bearer token."
        )
    return token


class TokenGate:
    """Let nobody in who does not show the token."""

    def __init__(self, application: Application, token: str) -> None:
        self._application = application
        self._expected = f"Bearer {token}".encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 401."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self._is_known(scope)):
            await self._application(scope, receive, send)
            return
        headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": _UNAUTHORIZED, "headers": headers})
        await send({"type": "http.response.body", "body": b"Show the token of this server as a bearer token.\n"})

    def _is_known(self, scope: Scope) -> bool:
        shown = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        return len(shown) == 1 and hmac.compare_digest(shown[0], self._expected)


async def _serve_stdio(server: Server[Any]) -> None:
    from mcp.server.stdio import stdio_server

    # The SDK reads in a thread that nothing can interrupt: Ctrl-C would wait for the next line of input.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.stdin.isatty():
        sys.stderr.write("Waiting for an agent on standard input; agents start this program themselves.\n")
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


async def _serve_http(server: Server[Any], token: str, host: str, port: int) -> None:
    import uvicorn

    listening = _listening_socket(host, port)
    application = TokenGate(server.streamable_http_app(streamable_http_path=PATH, host="127.0.0.1"), token)
    config = uvicorn.Config(
        application, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S, ws="none"
    )
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"Serving http://{shown}:{listening.getsockname()[1]}{PATH}; stop it with Ctrl-C.\n")
    sys.stderr.flush()
    with listening:
        await uvicorn.Server(config).serve(sockets=[listening])


def _listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()  # who reads the address may connect at once, and waits a moment
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"Port {port} of {host} cannot be used ({error.strerror or error}); choose another one with --port."
        ) from None
    return listening
