"""Send a request once and to one host, and read its answer to a limit; for every session that talks to the exchange.

aiohttp repeats GET and DELETE by itself when a connection is lost: the request pools would not count it, and a cancel
could be executed twice.
"""

import aiohttp

from backpack_connector.protocol.errors import NoAnswer

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
