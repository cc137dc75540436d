"""Build URLs and web assistants, ask for the server's time, and read answers into data or typed errors."""

import asyncio
from collections.abc import Callable
from typing import Any

from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.connector.utils import TimeSynchronizerRESTPreProcessor
from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.web_assistant.auth import AuthBase
from hummingbot.core.web_assistant.connections.data_types import RESTMethod, RESTRequest, RESTResponse
from hummingbot.core.web_assistant.rest_post_processors import RESTPostProcessorBase
from hummingbot.core.web_assistant.web_assistants_factory import WebAssistantsFactory

from backpack_connector import backpack_constants as constants
from backpack_connector.protocol.endpoints import endpoint_at
from backpack_connector.protocol.errors import WireFormatError
from backpack_connector.protocol.rest import read_response
from backpack_connector.request_budget import RequestBudget


def rest_url(path: str, domain: str = constants.DEFAULT_DOMAIN) -> str:
    """Return the URL of a path, on the exchange or on the simulator."""
    base = constants.simulator_url() if domain.endswith("_simulator") else constants.REST_URL
    return f"{base}/{path.lstrip('/')}"


public_rest_url = rest_url
private_rest_url = rest_url


def ws_url(domain: str = constants.DEFAULT_DOMAIN) -> str:
    """Return the URL of the streams, on the exchange or on the simulator."""
    if not domain.endswith("_simulator"):
        return constants.WS_URL
    return "ws" + constants.simulator_url()[len("http") :] + "/"


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
        body = await asyncio.wait_for(response._aiohttp_response.read(), timeout=constants.REQUEST_TIMEOUT_S)
        text = body.decode(errors="replace")  # bytes that are no text are no JSON either, and that is reported
        is_json = operation_id not in ("get_time", "ping")
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
    )


def build_api_factory_without_time_synchronizer_pre_processor(throttler: AsyncThrottlerBase) -> WebAssistantsFactory:
    """Return a factory for requests that need no clock, such as the one for the time itself."""
    return WebAssistantsFactory(throttler=throttler, rest_post_processors=[AnswerReader()])


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
    text = str(answer).strip()
    if not (text.isascii() and text.isdigit()):
        raise WireFormatError(f"get_time: expected milliseconds, got {answer!r}")
    return float(text)
