"""Write answers over HTTP: JSON with keys in alphabetical order, and what goes wrong in the exchange's form."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from backpack_connector.protocol.errors import ErrorCode

from .faults_requests import Handler
from .refusals import BAD_REQUEST, SERVER_ERROR, ParseFailure, Refusal

_SORTED_JSON = msgspec.json.Encoder(order="sorted")
_UNREADABLE_BODY = "parse request payload error: the body cannot be read or decompressed"


def json_response(body: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    return web.Response(
        body=_SORTED_JSON.encode(body),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every refusal and every failure the exchange's form. Source: API §4.4."""
    try:
        response: web.StreamResponse = await handler(request)
    except ParseFailure as failure:
        return web.Response(text=str(failure), status=BAD_REQUEST)
    except (web.RequestPayloadError, ConnectionError):
        # Broken or bottomless compression, or a client that went away: where a next request would begin is not known.
        response = web.Response(text=_UNREADABLE_BODY, status=BAD_REQUEST)
        response.force_close()
        return response
    except Refusal as refusal:
        return json_response({"code": refusal.code.value, "message": refusal.message}, status=refusal.status)
    except web.HTTPClientError as error:
        # Unknown paths among them: 404 with the text "not found".
        return web.Response(text=(error.reason or "").lower(), status=error.status)
    except Exception as error:
        if request.writer.output_size:
            raise  # a stream has begun, and no answer can follow
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"the simulator could not answer {request.method} {request.path}", "exception": error}
        )
        body = {"code": ErrorCode.SERVER_ERROR.value, "message": "Internal server error"}
        return json_response(body, status=SERVER_ERROR)
    return response


def quiet_logger() -> logging.Logger:
    """Return the log of the HTTP server, without the traces that requests leave which cannot be read."""
    logger = logging.getLogger(f"{__name__}.server")
    logger.addFilter(_is_worth_reading)
    return logger


def _is_worth_reading(record: logging.LogRecord) -> bool:
    # aiohttp reports these although the client is told, and although nothing is wrong with the server.
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (web.RequestPayloadError, HttpProcessingError))
