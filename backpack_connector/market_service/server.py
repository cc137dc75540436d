"""Answer over HTTP: every answer and every error in the same envelope; GET and HEAD, and nothing else."""

import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.errors import ConfigurationError, plain
from backpack_connector.protocol.units import ms_from_seconds

from .market_data import MarketData
from .openapi import document
from .problems import BAD_REQUEST, Problem
from .records import AnswerMeta, Envelope
from .routes import MARKET_LIFETIME_S, OPENAPI_PATH, PATHS, ROUTES, Route
from .sharing import Shared, SharedAnswers

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8710
_SHUTDOWN_TIMEOUT_S = 1.0
_OPENAPI_LIFETIME_S = 3_600.0
_LONGEST_PATH = 100

logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder(decimal_format="number").encode
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MarketService:
    """The service as an application of aiohttp, over a client without keys."""

    def __init__(self, client: BackpackClient, answers: SharedAnswers | None = None) -> None:
        self._data = MarketData(client, PATHS, time.time)
        self._answers = answers or SharedAnswers()
        self._openapi = _encode(document())

    def application(self) -> web.Application:
        """Return the application."""
        application = web.Application(middlewares=[_in_envelope])
        for route in ROUTES:
            application.router.add_get(route.path, partial(self._answer, route))
        application.router.add_get(OPENAPI_PATH, self._describe)
        application.on_shutdown.append(self._close)  # who still waits is let go, so that the end is not held up
        application.on_cleanup.append(self._close)
        return application

    async def _answer(self, route: Route, request: web.Request) -> web.Response:
        values = route.values_of(request.query)
        symbol = values.get("symbol")
        if symbol is not None:
            await self._answers.get(("market", symbol), MARKET_LIFETIME_S, partial(self._data.check_market, symbol))
        key = (route.path, *sorted(values.items()))
        shared = await self._answers.get(key, route.lifetime_s, partial(route.answer, self._data, values))
        return _success(shared, route.lifetime_s)

    async def _describe(self, _: web.Request) -> web.Response:
        return _json(self._openapi, HTTPStatus.OK, {"Cache-Control": _caching(_OPENAPI_LIFETIME_S)})

    async def _close(self, _: web.Application) -> None:
        await self._answers.close()


@asynccontextmanager
async def running_service(
    client: BackpackClient,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    answers: SharedAnswers | None = None,
) -> AsyncIterator[str]:
    """Serve as long as the context lasts, and give the URL; port 0 takes any free port.

    Raises:   ConfigurationError when it cannot listen there.
    """
    runner = web.AppRunner(
        MarketService(client, answers).application(), access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} of {host} cannot be served ({error.strerror or error}); choose another one with --port."
            ) from None
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@web.middleware
async def _in_envelope(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return _failure(problem.status, problem.message, problem.retry_after_s)
    except ConfigurationError as error:
        return _failure(BAD_REQUEST, str(error))
    except web.HTTPNotFound:
        path = plain(request.path, _LONGEST_PATH)
        return _failure(HTTPStatus.NOT_FOUND, f"There is nothing at {path}; {OPENAPI_PATH} says what there is.")
    except web.HTTPMethodNotAllowed as error:
        headers = {"Allow": error.headers["Allow"]}
        return _failure(error.status, "Market data can only be read: GET and HEAD are answered.", headers=headers)
    except web.HTTPException as error:
        return _failure(error.status, f"{error.reason}.")
    except Exception:
        logger.exception("The answer to %s failed", plain(request.path_qs))
        return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "The service has made a mistake; its log says more.")


def _success(shared: Shared, lifetime_s: float) -> web.Response:
    count = len(shared.value) if isinstance(shared.value, list) else 1
    meta = AnswerMeta(
        time=ms_from_seconds(time.time() - shared.age_s), age_ms=ms_from_seconds(shared.age_s), count=count
    )
    envelope = Envelope(data=shared.value, meta=meta, status=HTTPStatus.OK.value, message="OK", success=True)
    return _json(_encode(envelope), HTTPStatus.OK, {"Cache-Control": _caching(lifetime_s - shared.age_s)})


def _failure(
    status: int, message: str, retry_after_s: float | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    meta = AnswerMeta(time=ms_from_seconds(time.time()), age_ms=0, count=0)
    envelope = Envelope(data=None, meta=meta, status=int(status), message=message, success=False)
    retry = {} if retry_after_s is None else {"Retry-After": str(math.ceil(retry_after_s))}
    return _json(_encode(envelope), status, {"Cache-Control": "no-store", **retry, **(headers or {})})


def _caching(seconds: float) -> str:
    return f"public, max-age={max(0, math.floor(seconds))}"


def _json(body: bytes, status: int, headers: Mapping[str, Any]) -> web.Response:
    return web.Response(
        body=body,
        status=status,
        content_type="application/json",
        headers={"X-Content-Type-Options": "nosniff", **headers},
    )
