"""Offer the spot prices of Backpack, or of the local simulator, to Hummingbot's rate oracle, without keys."""

from decimal import Decimal
from typing import TYPE_CHECKING

from hummingbot.connector.utils import split_hb_trading_pair
from hummingbot.core.rate_oracle.sources.rate_source_base import RateSourceBase
from hummingbot.core.utils import async_ttl_cache

from backpack_connector.backpack_constants import EXCHANGE_NAME, SIMULATOR_DOMAIN
from backpack_connector.protocol.errors import BackpackError

if TYPE_CHECKING:
    from backpack_connector.backpack_exchange import BackpackExchange

CACHE_S = 30


class BackpackRateSource(RateSourceBase):
    """The last prices of all listed spot markets; other markets' symbols in the tickers are skipped (F25)."""

    _domain = EXCHANGE_NAME

    def __init__(self) -> None:
        super().__init__()
        self._exchange: BackpackExchange | None = None

    @property
    def name(self) -> str:
        return self._domain

    @async_ttl_cache(ttl=CACHE_S, maxsize=1)  # type: ignore[untyped-decorator]
    async def get_prices(self, quote_token: str | None = None) -> dict[str, Decimal]:
        """Return last prices by trading pair, of the pairs from which a price in the quote token can be found.

        Nearly everything on Backpack is quoted in USDC. So a pair counts when its quote is the wanted token, or when a
        pair of its quote with the wanted token is listed: BP-USDC helps to price BP in USDT because USDT-USDC exists.
        """
        try:
            prices = await self._connector().get_all_prices()
        except BackpackError as error:
            self.logger().error(f"No rates from {self._domain}: {error}")
            return {}
        if quote_token is None:
            return prices
        bridges = {quote_token}
        for pair in prices:
            tokens = set(split_hb_trading_pair(pair))
            if quote_token in tokens:
                bridges |= tokens
        return {pair: price for pair, price in prices.items() if split_hb_trading_pair(pair)[1] in bridges}

    def _connector(self) -> "BackpackExchange":
        if self._exchange is None:
            # Importing it at the top would be a circle: connectors import Hummingbot's configuration, which lists us.
            from backpack_connector.backpack_exchange import BackpackExchange

            self._exchange = BackpackExchange("", "", trading_pairs=[], trading_required=False, domain=self._domain)
        return self._exchange


class BackpackSimulatorRateSource(BackpackRateSource):
    """The simulator's prices, so that a bot that trades there asks nobody on the internet for rates."""

    _domain = SIMULATOR_DOMAIN
