"""Build URLs and web assistants, ask for the server's time, and read answers into data or typed errors."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Protocol, cast

import aiohttp
from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.connector.utils import TimeSynchronizerRESTPreProcessor
from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.web_assistant.auth import AuthBase
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory
from hummingbot.core.web_assistant.connections.data_types import RESTMethod, RESTRequest, RESTResponse, WSResponse
from hummingbot.core.web_assistant.connections.rest_connection import RESTConnection
from hummingbot.core.web_assistant.connections.ws_connection import WSConnection
from hummingbot.core.web_assistant.rest_post_processors import RESTPostProcessorBase
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory
from hummingbot.core.web_assistant.ws_assistant import WSAssistant

from backpack_connector import backpack_constants as constants
from backpack_connector import hosts
from backpack_connector.head_start import HeadStart
from backpack_connector.protocol.endpoints import endpoint_at
from backpack_connector.protocol.rest import TEXT_OPERATIONS, read_response, read_server_time
from backpack_connector.request_budget import RequestBudget
from backpack_connector.single_attempts import send_once, text_of

HEARTBEAT_S = 15.0
"""How often a stream is pinged; it counts as dead when half of this passes without any answer."""
CONNECT_TIMEOUT_S = 10.0
"""aiohttp itself would wait five minutes for the answer to a WebSocket handshake."""


def rest_url(path: str, domain: str = constants.DEFAULT_DOMAIN) -> str:
    """Return the URL of a path, on the exchange or on the simulator."""
    return f"{rest_base(domain)}/{path.lstrip('/')}"


def rest_base(domain: str) -> str:
    """Return the base URL of a domain, without a trailing slash."""
    return hosts.simulator_url() if domain.endswith("_simulator") else hosts.REST_URL


public_rest_url = rest_url
private_rest_url = rest_url


def ws_url(domain: str = constants.DEFAULT_DOMAIN) -> str:
    """Return the URL of the streams, on the exchange or on the simulator."""
    if not domain.endswith("_simulator"):
        return hosts.WS_URL
    return "ws" + hosts.simulator_url()[len("http") :] + "/"


class ReadAnswer(RESTResponse):
    """An answer whose body was read already: `json` gives data as `protocol.rest.read_response` does."""

    def __init__(self, response: RESTResponse, data: Any, text: str) -> None:
        super().__init__(response._aiohttp_response)
        self._data = data
        self._text = text

    async def json(self) -> Any:
        """Return the decoded data; None for an empty body, which a pending cancel has (F20)."""
        return self._data

    async def text(self) -> str:
        """Return the body as it came."""
        return self._text


class SingleAttempt(RESTConnection):
    """Sends a request once and to one host.

    aiohttp also follows redirects, and would carry a signature to wherever they lead.
    """

    async def call(self, request: RESTRequest) -> RESTResponse:
        """Send it; raises ConnectionLost when there is no answer."""
        response = await self._client_session.request(
            method=request.method.value,
            url=request.url,
            params=request.params,
            data=request.data,
            headers=request.headers,
            allow_redirects=False,
            middlewares=(send_once,),
        )
        return await self._build_resp(response)


class StreamConnection(WSConnection):
    """A stream on which an unreadable frame is only that.

    Hummingbot's own connection ends with an exception of Python's at a number of 5,000 digits or at deep nesting.
    """

    async def receive(self) -> WSResponse | None:
        """Return the next frame; raises ConnectionError when the connection is lost, also by a frame above 4 MiB."""
        try:
            return await super().receive()
        except aiohttp.WebSocketError as error:
            raise ConnectionError(f"a frame could not be taken: {error}") from error

    async def deliver(self, take: Callable[[str], None]) -> None:
        """Call somebody with the text of each frame until the connection is closed from this side.

        It stands for `WSAssistant.iter_messages` with `receive`, and keeps what they do: the time of the last frame,
        answers to pings, an error when the connection is lost. What it leaves out is five coroutines a frame, and
        post-processors, of which our factory has none. As there, frames that have arrived are taken without a pause.

        Raises:   ConnectionError when the connection is lost; whatever `take` raises.
        """
        text, socket = aiohttp.WSMsgType.TEXT, self._connection
        while self._connected:
            frame = await socket.receive(self._message_timeout)
            self._last_recv_time = time.time()
            if frame.type is text:
                take(frame.data)
                continue
            try:
                message = await self._process_message(frame)
            except aiohttp.WebSocketError as error:
                raise ConnectionError(f"a frame could not be taken: {error}") from error
            if message is not None and message.type is aiohttp.WSMsgType.BINARY:
                take(f"a binary frame, {message.data[:50]!r}")  # no text of the exchange, as its reader says

    @staticmethod
    def _build_resp(msg: aiohttp.WSMessage) -> WSResponse:
        try:
            return WSConnection._build_resp(msg)
        except (ValueError, RecursionError):
            return WSResponse(msg.data)  # text is no message, and its reader says so


class SingleAttempts(ConnectionsFactory):
    """Hands out connections of Hummingbot's own session, on which each request is sent once."""

    def __new__(cls, **_: Any) -> "SingleAttempts":
        return object.__new__(cls)  # the base class is a singleton, whose session stays everybody's

    def __init__(self, is_picows_wanted: bool = False, domain: str = constants.DEFAULT_DOMAIN) -> None:
        super().__init__()
        self._is_picows_wanted = is_picows_wanted
        self._domain = domain

    async def get_rest_connection(self) -> RESTConnection:
        """Return a connection that repeats nothing."""
        return SingleAttempt((await ConnectionsFactory().get_rest_connection())._client_session)

    async def get_ws_connection(self) -> WSConnection:
        """Return a connection for streams."""
        if self._is_picows_wanted:
            connection = _picows_connection(ws_url(self._domain))
            if connection is not None:
                return connection
        return StreamConnection((await ConnectionsFactory().get_ws_connection())._client_session)

    async def close(self) -> None:
        """Close the session."""
        await ConnectionsFactory().close()


def _picows_connection(url: str) -> WSConnection | None:
    try:
        from backpack_connector.picows_stream import PicowsConnection, is_proxy_set
    except ImportError as error:
        _say_once(
            f"{constants.WEBSOCKET_VARIABLE} is picows, but picows cannot be used here ({error}), so the streams use "
            "aiohttp. It comes with `pip install picows`."
        )
        return None
    if is_proxy_set(url):
        _say_once(
            f"{constants.WEBSOCKET_VARIABLE} is picows, but the environment names a proxy, so the streams use aiohttp."
        )
        return None
    return PicowsConnection()


@lru_cache(maxsize=8)
def _say_once(sentence: str) -> None:
    logging.getLogger(__name__).warning(sentence)


class ClockOfSignedRequests(TimeSynchronizerRESTPreProcessor):
    """Asks for the server's time before the first signed request; a public one needs no clock (F34)."""

    async def pre_process(self, request: RESTRequest) -> RESTRequest:
        """Synchronize the clock if that is needed and was not done yet."""
        return await super().pre_process(request) if request.is_auth_required else request


class AnswerReader(RESTPostProcessorBase):
    """Turns every answer of the exchange into data or a typed error (ARCHITECTURE.md, D2).

    Hummingbot runs post-processors before its own check of the status, so an error raised here is the one that
    callers see, with its class instead of a text to search.
    """

    async def post_process(self, response: RESTResponse) -> RESTResponse:
        """Read the answer; raises RequestError for status 400 or more."""
        path = response._aiohttp_response.url.path
        row = endpoint_at(response.method.value, path)
        operation_id = row.operation_id if row is not None else path
        # Hummingbot's time limit covers the head of an answer only.
        text = await asyncio.wait_for(text_of(response._aiohttp_response), timeout=constants.REQUEST_TIMEOUT_S)
        is_json = operation_id not in TEXT_OPERATIONS
        return ReadAnswer(response, read_response(operation_id, response.status, text, is_json=is_json), text)


def build_api_factory(
    throttler: AsyncThrottlerBase | None = None,
    time_synchronizer: TimeSynchronizer | None = None,
    domain: str = constants.DEFAULT_DOMAIN,
    time_provider: Callable[[], Any] | None = None,
    auth: AuthBase | None = None,
) -> WebAssistantsFactory:
    """Return a factory whose first signed request asks for the server's time: nothing is signed without it (F34)."""
    throttler = throttler or create_throttler()
    synchronizer = time_synchronizer or TimeSynchronizer()

    def server_time() -> Any:
        return get_current_server_time(throttler=throttler, domain=domain)

    return WebAssistantsFactory(
        throttler=throttler,
        auth=auth,
        rest_pre_processors=[
            ClockOfSignedRequests(synchronizer=synchronizer, time_provider=time_provider or server_time)
        ],
        rest_post_processors=[AnswerReader()],
        connections_factory=SingleAttempts(
            is_picows_wanted=constants.is_picows_wanted(),
            domain=domain,
        ),
    )


def build_api_factory_without_time_synchronizer_pre_processor(throttler: AsyncThrottlerBase) -> WebAssistantsFactory:
    """Return a factory for requests that need no clock, such as the one for the time itself."""
    return WebAssistantsFactory(
        throttler=throttler, rest_post_processors=[AnswerReader()], connections_factory=SingleAttempts()
    )


async def connected_stream(factory: WebAssistantsFactory, domain: str) -> WSAssistant:
    """Return a new connection to the streams.

    Raises:   asyncio.TimeoutError or an OSError when there is none.
    """
    assistant = await factory.get_ws_assistant()
    connecting = assistant.connect(ws_url=ws_url(domain), ping_timeout=HEARTBEAT_S)
    try:
        await asyncio.wait_for(connecting, timeout=CONNECT_TIMEOUT_S)
    except aiohttp.WSServerHandshakeError as error:  # no OSError, although there is no connection
        raise ConnectionError(f"the exchange refused it with status {error.status}") from error
    return assistant


def stream_head_start(factory: WebAssistantsFactory, domain: str) -> HeadStart[WSAssistant]:
    """Return a connection to the streams that may be begun early; nothing is subscribed on it."""
    return HeadStart(partial(connected_stream, factory, domain), lambda assistant: assistant.disconnect())


class _Delivering(Protocol):
    async def deliver(self, take: Callable[[str], None]) -> None: ...


async def deliver_frames(assistant: WSAssistant, take: Callable[[str], None]) -> None:
    """Call somebody with the text of each frame of a `connected_stream`: see `StreamConnection.deliver`."""
    await cast("_Delivering", assistant._connection).deliver(take)


def create_throttler() -> RequestBudget:
    """Return the budget of requests without an account."""
    return RequestBudget(account="")


async def get_current_server_time(
    throttler: AsyncThrottlerBase | None = None, domain: str = constants.DEFAULT_DOMAIN
) -> float:
    """Return the server's time in milliseconds.

    Raises:   RequestError when there is no usable answer; WireFormatError when it is no number.
    """
    factory = build_api_factory_without_time_synchronizer_pre_processor(throttler or create_throttler())
    assistant = await factory.get_rest_assistant()
    answer = await assistant.execute_request(
        url=public_rest_url(constants.SERVER_TIME_PATH_URL, domain=domain),
        method=RESTMethod.GET,
        throttler_limit_id="get_time",
        timeout=constants.REQUEST_TIMEOUT_S,
    )
    return float(read_server_time(answer))
