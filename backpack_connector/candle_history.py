"""Ask for finished candles over REST, in full pages, inside the request pools that all candle feeds share.

Nobody knows whose requests the exchange counts when they carry no key (API §2.1): so they are counted among all keyless
ones of this process, and, where a feed belongs to a connector, also in the account of that connector.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hummingbot.core.api_throttler.async_throttler_base import AsyncThrottlerBase
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from backpack_connector import backpack_constants as constants
from backpack_connector.backpack_web_utils import rest_base
from backpack_connector.protocol import candles
from backpack_connector.protocol.candles import Candle
from backpack_connector.protocol.endpoints import endpoint
from backpack_connector.protocol.enums import KlineInterval
from backpack_connector.protocol.errors import NoAnswer
from backpack_connector.protocol.rest import Parameters, build_request
from backpack_connector.single_attempts import ConnectionLost, answer_to


@dataclass(frozen=True)
class Span:
    """The buckets of a span of time, one row each, and the last price before them."""

    rows: dict[int, Candle | None]
    close_before: Decimal | None
    """None = nothing was traded before the first trade of the rows."""

    @property
    def begins_with_the_market(self) -> bool:
        """Tell whether the market's first trade of all is in the span, or after it."""
        return self.close_before is None and next(iter(self.rows.values()), None) is None

    def candles(self) -> list[Candle]:
        """Return the candles, flat ones where nothing was traded."""
        return candles.filled(self.rows, self.close_before)


class CandleHistory:
    """The past of one market in candles of one interval."""

    def __init__(
        self, symbol: str, interval: KlineInterval, domain: str, budgets: Sequence[AsyncThrottlerBase]
    ) -> None:
        self._symbol = symbol
        self._interval = interval
        self._domain = domain
        self.budgets = tuple(budgets)

    async def between(self, first_s: int, last_s: int) -> Span:
        """Return the buckets that begin in [first, last].

        Units:    whole seconds, UTC; `first_s` is where a bucket begins.
        Raises:   RequestError by meaning; WireFormatError when a row cannot be read.
        """
        rows: dict[int, Candle | None] = {}
        for page in candles.pages(first_s, last_s, self._interval):
            rows.update(await self._page(self._interval, *page))
        rows = candles.without_holes(rows, first_s, last_s, self._interval)
        close = None
        if rows and next(iter(rows.values())) is None:
            close = await self._close_before(next(iter(rows)))
        return Span(rows, close)

    async def _close_before(self, start_s: int) -> Decimal | None:
        for interval, first_s, last_s in candles.spans_before(start_s, self._interval):
            rows = await self._page(interval, first_s, last_s)
            traded = [row for row in rows.values() if row is not None]
            if traded:
                return traded[-1].close
        return None

    async def _page(self, interval: KlineInterval, first_s: int, last_s: int) -> dict[int, Candle | None]:
        answer = await self.ask("get_klines", candles.kline_parameters(self._symbol, interval, first_s, last_s))
        return candles.read_klines(answer, first_s, last_s)

    async def ask(self, operation_id: str, parameters: Parameters = None) -> Any:
        """Send a question that needs no key, and return its decoded data.

        Raises:   RequestError by meaning.
        """
        try:
            return await self._ask_once(operation_id, parameters)
        except NoAnswer as error:
            if not isinstance(error.__cause__, ConnectionLost):
                raise
            # The exchange may close a kept connection just when it is used again.
            return await self._ask_once(operation_id, parameters)

    async def _ask_once(self, operation_id: str, parameters: Parameters) -> Any:
        row = endpoint(operation_id)
        async with AsyncExitStack() as places:
            for budget in self.budgets:
                await places.enter_async_context(budget.execute_task(limit_id=row.path))
            session = await ConnectionsFactory()._get_shared_client()
            request = build_request(row, parameters)
            return await answer_to(request, session, rest_base(self._domain), constants.REQUEST_TIMEOUT_S)
