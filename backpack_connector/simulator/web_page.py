"""Serve the page that shows the simulated exchange: files of this package under fixed names, with a strict policy.

The page is a client of the exchange like any other: markets, books, candles and trades come over its public REST
interface and its streams, so faults meet the page too. Only what no client may see, which is everybody's orders and
balances, comes from `/simulator/overview`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources

import msgspec
from aiohttp import web

from .local_only import check_is_local
from .overview import fault_kinds_payload
from .payloads import Json

FILES_PATH = "/simulator/page"
OVERVIEW_PATH = "/simulator/overview"
FAULT_KINDS_PATH = "/simulator/fault-kinds"

_START = "index.html"
_TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}
_JSON = msgspec.json.Encoder(order="sorted")
_HEADERS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def security_policy(host: str) -> str:
    """Return what the page may load and do: its own files, its own server, no markup made from text."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            # Not every browser counts ws: as 'self'.
            f"connect-src 'self' ws://{host}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


@cache
def _files() -> Mapping[str, bytes]:
    folder = resources.files(__package__).joinpath("web")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _TYPES}


class WebPage:
    """The page of one simulator; `overview` sums up the simulation for an account, or for none."""

    def __init__(self, overview: Callable[[str | None], Json]) -> None:
        self._overview = overview

    def routes(self) -> list[web.RouteDef]:
        """Return the routes beside `/`, which the streams have too."""
        return [
            web.get(f"{FILES_PATH}/{{name}}", self._file),
            web.get(OVERVIEW_PATH, self._state),
            web.get(FAULT_KINDS_PATH, self._fault_kinds),
        ]

    def start_page(self, request: web.Request) -> web.Response:
        """Answer a browser that comes to `/`."""
        check_is_local(request)
        return _file_response(request, _START)

    async def _file(self, request: web.Request) -> web.Response:
        check_is_local(request)
        return _file_response(request, request.match_info["name"])

    async def _state(self, request: web.Request) -> web.Response:
        check_is_local(request)
        return _json_response(self._overview(account_in(request)))

    async def _fault_kinds(self, request: web.Request) -> web.Response:
        check_is_local(request)
        return _json_response(fault_kinds_payload())


def account_in(request: web.Request) -> str | None:
    """Return the account that a query names."""
    account_id = request.query.get("account")
    # A plus sign that was not URL-encoded arrives as a space, and keys contain plus signs but no spaces.
    return None if account_id is None else account_id.replace(" ", "+")


def _file_response(request: web.Request, name: str) -> web.Response:
    body = _files().get(name)
    if body is None:
        raise web.HTTPNotFound
    return web.Response(
        body=body,
        content_type=_TYPES[name.rpartition(".")[2]],
        charset="utf-8",
        headers={**_HEADERS, "Content-Security-Policy": security_policy(request.host)},
    )


def _json_response(body: object) -> web.Response:
    return web.Response(
        body=_JSON.encode(body),
        content_type="application/json",
        charset="utf-8",
        headers={**_HEADERS, "Cache-Control": "no-store"},
    )
