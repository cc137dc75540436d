"""Let faults come between a request and its answer: lateness, lost connections, error answers, broken texts.

Order: delay, loss, what holds for the whole exchange (maintenance, revoked keys), error answers, the exchange itself,
and then whatever happens to the answer. Each fault that covers a request has its draw, whatever the others do.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from backpack_connector.protocol.endpoints import Endpoint, endpoint_at
from backpack_connector.protocol.errors import ErrorCode

from .faults_active import ActiveFault, ActiveFaults, Occasion
from .faults_kinds import FaultKind
from .refusals import SERVER_ERROR, TOO_MANY_REQUESTS, UNAUTHORIZED, ParseFailure
from .request_forms import decode_body

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_BAD_GATEWAY = 502
_UNAVAILABLE = 503
DEFAULT_MAINTENANCE_TEXT = "System is under maintenance"
_CDN_PAGE = """<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><h1>502 Bad Gateway</h1><p>The origin server could not be reached.</p></body></html>
"""
_ERRORS = {
    FaultKind.RATE_LIMITED: (TOO_MANY_REQUESTS, ErrorCode.TOO_MANY_REQUESTS, "Too many requests"),
    FaultKind.TIMED_OUT: (SERVER_ERROR, ErrorCode.TIMEOUT, "Request timed out"),
    FaultKind.UNAVAILABLE: (_UNAVAILABLE, ErrorCode.MAINTENANCE, DEFAULT_MAINTENANCE_TEXT),
}
_ERROR_KINDS = (*_ERRORS, FaultKind.ANSWER_HTML)


class RequestFaults:
    """What faults do to requests."""

    def __init__(self, active: ActiveFaults) -> None:
        self._active = active

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request as far as faults let it; `handler` is the exchange."""
        endpoint = endpoint_at(request.method, request.path)
        if endpoint is None:
            return await handler(request)
        occasion = await _occasion(endpoint, request)
        delays = self._active.striking(occasion, FaultKind.REQUEST_DELAYED)
        lost = self._active.striking(occasion, FaultKind.REQUEST_LOST)
        errors = self._active.striking(occasion, *_ERROR_KINDS)
        on_answer = self._active.striking(
            occasion, FaultKind.ANSWER_DELAYED, FaultKind.ANSWER_LOST, FaultKind.ANSWER_TRUNCATED
        )
        await _wait(delays)
        if lost:
            return await _hang_up(request, lost[:1])
        refusal = self._refusal(occasion)
        if refusal is not None:
            return refusal
        response: web.StreamResponse
        if errors:
            if errors[0].fault.is_executed:
                await handler(request)
            response = _error_answer(errors[0])
        else:
            response = await handler(request)
        return await _spoil(request, response, on_answer)

    def _refusal(self, occasion: Occasion) -> web.Response | None:
        """Return the answer of an exchange that is closed, or has closed to this key."""
        if any(row.covers(occasion) for row in self._active.of_kind(FaultKind.KEY_REVOKED)):
            return _json_error(UNAUTHORIZED, ErrorCode.UNAUTHORIZED, "Unauthorized")
        for active in self._active.of_kind(FaultKind.MAINTENANCE):
            if active.covers(occasion):
                message = active.fault.message or DEFAULT_MAINTENANCE_TEXT
                return _json_error(_UNAVAILABLE, ErrorCode.MAINTENANCE, message)
        return None


async def _occasion(endpoint: Endpoint, request: web.Request) -> Occasion:
    fields: Any = dict(request.query)
    if endpoint.sends_body:
        try:
            fields = decode_body(await request.read())
        except ParseFailure:
            fields = {}
    rows = fields if isinstance(fields, list) else [fields]
    return Occasion(
        operation=endpoint.operation_id,
        account=request.headers.get("X-API-Key") if endpoint.is_signed else None,
        markets=[row.get("symbol") for row in rows if isinstance(row, dict)],
    )


async def _wait(delays: list[ActiveFault]) -> None:
    delay_s = sum(active.delay_s() for active in delays)
    if delay_s:
        await asyncio.sleep(delay_s)


async def _hang_up(request: web.Request, because_of: list[ActiveFault]) -> web.Response:
    """End the connection. What is returned goes nowhere."""
    await _wait(because_of)
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=SERVER_ERROR)


async def _spoil(
    request: web.Request, response: web.StreamResponse, on_answer: list[ActiveFault]
) -> web.StreamResponse:
    await _wait([active for active in on_answer if active.fault.kind is FaultKind.ANSWER_DELAYED])
    lost = [active for active in on_answer if active.fault.kind is FaultKind.ANSWER_LOST]
    if lost:
        return await _hang_up(request, lost[:1])
    is_cut = any(active.fault.kind is FaultKind.ANSWER_TRUNCATED for active in on_answer)
    if is_cut and isinstance(response, web.Response) and isinstance(response.body, bytes):
        response.body = response.body[: len(response.body) // 2]
    return response


def _error_answer(active: ActiveFault) -> web.Response:
    kind = active.fault.kind
    if kind is FaultKind.ANSWER_HTML:
        return web.Response(text=_CDN_PAGE, status=_BAD_GATEWAY, content_type="text/html")
    return _json_error(*_ERRORS[kind])


def _json_error(status: int, code: ErrorCode, message: str) -> web.Response:
    text = msgspec.json.encode({"code": code.value, "message": message}).decode()
    return web.Response(text=text, status=status, content_type="application/json")
