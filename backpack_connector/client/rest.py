"""Call any REST operation of the exchange by its official id: counted, signed, sent once, and read."""

import asyncio
import math
from decimal import Decimal
from types import TracebackType
from typing import Any

import aiohttp

from backpack_connector.hosts import REST_URL
from backpack_connector.protocol.endpoints import Endpoint, endpoint
from backpack_connector.protocol.errors import ClockSkew
from backpack_connector.protocol.rest import Parameters, build_request
from backpack_connector.protocol.signing import Credentials
from backpack_connector.request_pools import AccountPools
from backpack_connector.single_attempts import answer_to

from .server_clock import ServerClock

REQUEST_TIMEOUT_S = 10.0
"""After this an answer counts as lost, and the outcome of a request that changes something as unknown."""


class BackpackClient:
    """The REST interface of the exchange.

        async with BackpackClient(credentials=Credentials(api_key, api_secret)) as client:
            orders = await client.request("get_open_orders", {"symbol": "SOL_USDC"})

    A request is sent once, whatever becomes of it: only who asks can know whether repeating is safe. Requests wait for
    their place in the account's pools, cancels first, together with all other clients of the account in this process.
    `share` leaves the rest of the pools to other processes. Without credentials the public operations work.
    """

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        url: str = REST_URL,
        share: Decimal = Decimal(1),
        timeout_s: float = REQUEST_TIMEOUT_S,
        clock: ServerClock | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.clock = clock or ServerClock()
        self._credentials = credentials
        self.pools = AccountPools(credentials.api_key if credentials is not None else "", share)
        self._timeout_s = timeout_s
        self._clock_lock = asyncio.Lock()
        self._clock_set_at = -math.inf
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "BackpackClient":
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self, operation_id: str, parameters: Parameters = None, *, headers: dict[str, str] | None = None
    ) -> Any:
        """Return the answer of one operation: decoded JSON, text for ping and time, None for an empty answer.

        A request that the exchange refused because of the clock is sent once more with the exchange's time: refused
        means that it was not executed (API §1.6).

        Raises:   RequestError by meaning, whose `outcome_known` tells whether the exchange may have done it;
                  ConfigurationError before anything is sent; WireFormatError for an answer that cannot be read.
        """
        row = endpoint(operation_id)
        if row.is_signed and not self.clock.is_set:
            await self.synchronize_clock()
        try:
            return await self._send(row, parameters, headers)
        except ClockSkew:
            await self.synchronize_clock()
            return await self._send(row, parameters, headers)

    async def synchronize_clock(self) -> None:
        """Ask for the exchange's time; those who ask at the same moment share the answer."""
        asked_at = self.clock.start()
        async with self._clock_lock:
            if asked_at < self._clock_set_at:
                return
            started_at = self.clock.start()
            self.clock.set(await self._send(endpoint("get_time"), None, None), started_at)
            self._clock_set_at = self.clock.start()

    async def _send(self, row: Endpoint, parameters: Parameters, headers: dict[str, str] | None) -> Any:
        await self.pools.acquire(row)
        request = build_request(
            row,
            parameters,
            credentials=self._credentials,
            timestamp_ms=self.clock.now_ms() if row.is_signed else None,
        )
        return await answer_to(request, self._open_session(), self.url, self._timeout_s, headers)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session
