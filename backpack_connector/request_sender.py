"""Send the connector's requests: counted, signed with the exchange's time, sent once, and read.

It stands in the place of Hummingbot's REST assistant, which copies each request and encodes its body three times. What
the assistant promises is kept: a place in the throttler before the signature, so that a request that waited is stamped
when it leaves. Only the exchange's time is asked for before that place is taken, not after. The session is the one that
Hummingbot's connectors share, unless the user wants the quick way (`fast_http`). Whoever asks the factory for
an assistant gets one that counts, signs and reads in the same way.
"""

import time
from collections.abc import Callable
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from backpack_connector import backpack_constants as constants
from backpack_connector import backpack_web_utils
from backpack_connector.backpack_auth import BackpackAuth
from backpack_connector.fast_http import fast_client
from backpack_connector.protocol.endpoints import Endpoint, endpoint
from backpack_connector.protocol.rest import Parameters, build_request
from backpack_connector.request_budget import RequestBudget
from backpack_connector.single_attempts import answer_to

if TYPE_CHECKING:
    from backpack_connector.http_client import HttpClient

_PING = endpoint("ping")

FRESH_S = 2.0
"""So long nobody needs to ask for the time again who wants it for good measure."""


class ExchangeClock(TimeSynchronizer):
    """Hummingbot's clock of an exchange, which averages its samples when one comes instead of at every look."""

    def __init__(self) -> None:
        super().__init__()
        self._settled_offset_ms: float | None = None
        self._sampled_at: tuple[float, float] = (-inf, -inf)

    @property
    def is_fresh(self) -> bool:
        """Tell whether the exchange has just been asked; by two clocks, for one stands still while a machine sleeps."""
        now = (time.monotonic(), time.time())
        elapsed_s = (abs(is_ - was) for is_, was in zip(now, self._sampled_at, strict=True))
        return bool(self._time_offset_ms) and all(seconds < FRESH_S for seconds in elapsed_s)

    @property
    def time_offset_ms(self) -> float:
        """Return how far the exchange is ahead of this machine's counter; of its clock while there is no sample."""
        if not self._time_offset_ms:
            return float(super().time_offset_ms)
        if self._settled_offset_ms is None:
            self._settled_offset_ms = float(super().time_offset_ms)
        return self._settled_offset_ms

    def add_time_offset_ms_sample(self, offset: float) -> None:
        """Take a sample."""
        super().add_time_offset_ms_sample(offset)
        self._settled_offset_ms = None
        self._sampled_at = (time.monotonic(), time.time())

    def clear_time_offset_ms_samples(self) -> None:
        """Forget all samples."""
        super().clear_time_offset_ms_samples()
        self._settled_offset_ms = None


class RequestSender:
    """Sends the requests of one connector."""

    def __init__(
        self,
        budget: RequestBudget,
        auth: BackpackAuth,
        clock: TimeSynchronizer,
        server_time_ms: Callable[[], Any],
        domain: str,
        on_leaving: Callable[[], object] = lambda: None,
        *,
        is_fast: bool = False,
        warn: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._budget = budget
        self._auth = auth
        self._clock = clock
        self._server_time_ms = server_time_ms
        self._domain = domain
        self._on_leaving = on_leaving
        self._is_fast = is_fast
        self._warn = warn
        self._connections = ConnectionsFactory()  # the one of all connectors

    async def send(
        self,
        row: Endpoint,
        parameters: Parameters,
        headers: dict[str, str] | None = None,
        is_text_wanted: bool = False,
    ) -> Any:
        """Send one operation once, and return its decoded data or the text of it, None for an empty answer.

        Raises:   RequestError by meaning; ConfigurationError before anything is sent; WireFormatError.
        """
        # Before the place is taken: a request that waits for the time afterwards arrives when the window has moved on.
        is_signed = row.is_signed
        was_known = is_signed and (self._is_time_known or await self.learn_time())
        if not self._budget.take(row):
            await self._budget.acquire(row.operation_id)
        if is_signed:
            if was_known and not self._is_time_known:
                await self.learn_time()  # it was forgotten meanwhile
            request = self._auth.signed_request(row, parameters)
        else:
            request = build_request(row, parameters)
        fast = self._fast
        if fast is not None:
            self._on_leaving()
            return await fast.answer_to(request, constants.REQUEST_TIMEOUT_S, headers, is_text_wanted)
        session = self._connections._shared_client or await self._connections._get_shared_client()
        base_url = self._base_url
        self._on_leaving()
        return await answer_to(request, session, base_url, constants.REQUEST_TIMEOUT_S, headers, is_text_wanted)

    async def touch(self) -> None:
        """Ask the exchange for nothing, over a connection that nobody uses; not while the limits leave no room.

        Raises:   RequestError when there is no answer.
        """
        if self._budget.take(_PING):
            request = build_request(_PING)
            if self._fast is not None:
                await self._fast.answer_to(request, constants.REQUEST_TIMEOUT_S)
                return
            session = self._connections._shared_client or await self._connections._get_shared_client()
            await answer_to(request, session, self._base_url, constants.REQUEST_TIMEOUT_S)

    def close(self) -> None:
        """Close the connections that are the connector's own and rest; Hummingbot's session is everybody's."""
        fast: HttpClient | None = vars(self).get("_fast")  # none is made to be closed
        if fast is not None:
            fast.close()

    async def learn_time(self) -> bool:
        """Ask for the exchange's time unless it is known; return whether it is known now."""
        if not self._is_time_known:  # nothing is signed without the exchange's time (F34)
            await self._clock.update_server_time_if_not_initialized(self._server_time_ms())
        return self._is_time_known

    @property
    def _is_time_known(self) -> bool:
        return bool(self._clock._time_offset_ms)

    @cached_property
    def _fast(self) -> "HttpClient | None":
        return fast_client(self._base_url, self._warn) if self._is_fast else None

    @cached_property
    def _base_url(self) -> str:
        return backpack_web_utils.rest_base(self._domain)
