"""Send a request once and to one host, and read its answer to a limit; for every session that talks to the exchange.

aiohttp repeats GET and DELETE by itself when a connection is lost: the request pools would not count it, and a cancel
could be executed twice.
"""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import aiohttp

from backpack_connector.protocol.errors import NoAnswer, plain
from backpack_connector.protocol.rest import TEXT_OPERATIONS, RestRequest, read_response

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Far beyond the longest list that the exchange sends; without a limit an answer could fill the memory."""


class ConnectionLost(aiohttp.ClientConnectionError):
    """The connection ended before there was an answer; whether the request was executed is not known."""


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request, as a middleware of aiohttp; raises ConnectionLost where aiohttp would send it again."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # there was no connection, and aiohttp does not repeat that
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionLost(str(error) or type(error).__name__) from error


async def text_of(response: aiohttp.ClientResponse) -> str:
    """Return the whole body; bytes that are no text become replacement characters, and so no JSON.

    Raises:   NoAnswer for a body beyond the limit.
    """
    body = bytearray()
    try:
        async for part in response.content.iter_any():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise NoAnswer(f"an answer of more than {MAX_ANSWER_BYTES} bytes was not read to its end")
    except BaseException:
        response.close()  # what is left of the answer must not meet the next request
        raise
    return body.decode(errors="replace")


@lru_cache(maxsize=16)
def _within(timeout_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeout_s)


async def answer_to(
    request: RestRequest,
    session: aiohttp.ClientSession,
    base_url: str,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    is_text_wanted: bool = False,
    answer_headers: dict[str, str] | None = None,
) -> Any:
    """Send a request once and to one host, and return its data as `protocol.rest.read_response` does, or their text.

    `answer_headers` is given the headers of the answer, with names in lower case.
    Units:    `timeout_s` covers everything from the connection to the end of the answer.
    Raises:   NoAnswer when none came, so that the outcome is not known; the errors of read_response.
    """
    operation = request.operation_id
    try:
        response = await session.request(
            request.method,
            base_url + request.path,
            params=request.query,
            data=request.body,
            headers={**request.headers, **headers} if headers else request.headers,
            allow_redirects=False,  # it would carry the signature elsewhere
            timeout=_within(timeout_s),
            middlewares=(send_once,),
        )
        status, text = response.status, await text_of(response)
        if answer_headers is not None:
            answer_headers.update((name.lower(), value) for name, value in response.headers.items())
    except NoAnswer as error:
        raise NoAnswer(error.message, operation=operation) from error
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
        reason = plain(str(error)) or type(error).__name__
        raise NoAnswer(f"no answer from the exchange: {reason}", operation=operation) from error
    return read_response(operation, status, text, is_json=not (is_text_wanted or operation in TEXT_OPERATIONS))
