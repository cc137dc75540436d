"""The REST interface of the exchange as one object: typed methods, iterators, and the single request under them."""

import asyncio
import math
from collections.abc import AsyncIterator
from decimal import Decimal
from types import TracebackType
from typing import Any

import aiohttp

from backpack_connector.hosts import REST_URL, WS_URL
from backpack_connector.protocol.endpoints import Endpoint, endpoint
from backpack_connector.protocol.errors import ClockSkew
from backpack_connector.protocol.models import Kline
from backpack_connector.protocol.rest import Parameters, build_request
from backpack_connector.protocol.signing import Credentials
from backpack_connector.request_pools import AccountPools
from backpack_connector.single_attempts import answer_to

from .calls import ATTEMPTS
from .candles import candles_of
from .iterators import PageIterators
from .market_rules import MarketRules
from .methods_account import AccountMethods
from .methods_deals import DealMethods
from .methods_lending import LendingMethods
from .methods_market import MarketMethods
from .methods_orders import OrderMethods
from .methods_positions import PositionMethods
from .server_clock import ServerClock
from .words import KlineIntervalWord, KlinePriceType

REQUEST_TIMEOUT_S = 10.0
"""After this an answer counts as lost, and the outcome of a request that changes something as unknown."""


class BackpackClient(
    MarketMethods, OrderMethods, PositionMethods, AccountMethods, LendingMethods, DealMethods, PageIterators
):
    """The REST interface of the exchange.

        async with BackpackClient(credentials=Credentials(api_key, api_secret)) as client:
            await client.learn_markets()
            order = await client.execute_order("SOL_USDC", "Bid", "Limit", quantity="1.5", price="140")
            async for fill in client.iterate_fills(symbol="SOL_USDC"):
                print(fill.price, fill.quantity)

    Each operation is a method under its official id, with checked parameters and typed results (`calls` states the
    rules: questions are asked again, whatever changes something is sent once). `request` is what lies under them: one
    request, whatever becomes of it, and decoded JSON. Requests wait for their place in the account's pools, cancels
    first, together with all other clients of the account in this process. `share` leaves the rest of the pools to other
    processes. Without credentials the public operations work.
    """

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        url: str = REST_URL,
        share: Decimal = Decimal(1),
        timeout_s: float = REQUEST_TIMEOUT_S,
        clock: ServerClock | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.url = url.rstrip("/")
        self.clock = clock or ServerClock()
        self.attempts = attempts
        self.market_rules = MarketRules()
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

    @property
    def credentials(self) -> Credentials | None:
        """Return the keys that requests are signed with, whose `repr` hides them."""
        return self._credentials

    @property
    def ws_url(self) -> str:
        """Return where the streams are: the exchange's own address, or for another host the same one."""
        return WS_URL if self.url == REST_URL else f"ws{self.url.removeprefix('http')}"

    def __repr__(self) -> str:
        return f"BackpackClient({self.url!r}, {'public' if self._credentials is None else 'with keys'})"

    async def request(
        self,
        operation_id: str,
        parameters: Parameters = None,
        *,
        headers: dict[str, str] | None = None,
        answer_headers: dict[str, str] | None = None,
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
            return await self._send(row, parameters, headers, answer_headers)
        except ClockSkew:
            await self.synchronize_clock()
            return await self._send(row, parameters, headers, answer_headers)

    def iterate_klines(
        self,
        symbol: str,
        interval: KlineIntervalWord,
        start_time_s: int,
        end_time_s: int,
        *,
        price_type: KlinePriceType | None = None,
    ) -> AsyncIterator[Kline]:
        """Yield candles from one time to another, however many, oldest first, each once."""
        return candles_of(self, symbol, interval, start_time_s, end_time_s, price_type)

    async def synchronize_clock(self) -> None:
        """Ask for the exchange's time; those who ask at the same moment share the answer."""
        asked_at = self.clock.start()
        async with self._clock_lock:
            if asked_at < self._clock_set_at:
                return
            started_at = self.clock.start()
            self.clock.set(await self._send(endpoint("get_time"), None, None), started_at)
            self._clock_set_at = self.clock.start()

    async def _send(
        self,
        row: Endpoint,
        parameters: Parameters,
        headers: dict[str, str] | None,
        answer_headers: dict[str, str] | None = None,
    ) -> Any:
        await self.pools.acquire(row)
        timestamp_ms = None
        if row.is_signed:
            timestamp_ms = self.clock.now_ms() if row.is_safe_to_repeat else self.clock.next_stamp_ms()
        request = build_request(row, parameters, credentials=self._credentials, timestamp_ms=timestamp_ms)
        session = self._open_session()
        return await answer_to(request, session, self.url, self._timeout_s, headers, answer_headers=answer_headers)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session
