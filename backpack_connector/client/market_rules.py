"""Remember the filters of markets, and hold new orders to them before they are sent."""

from collections.abc import Mapping
from typing import Any

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.filters import rule_refusal
from backpack_connector.protocol.models import Market

_ORDERS = ("execute_order", "execute_order_batch")
HELD_TO_MARKETS = (*_ORDERS, "strategy_create", "submit_rfq")
"""The operations whose prices and quantities are checked before they are sent. A quote names no market."""
_QUOTED = "_RFQ"


def market_of(fields: Mapping[str, Any]) -> str:
    """Return the market whose tick and step count; markets for quotes are not listed, what is quoted is (API §2.3)."""
    return str(fields["symbol"]).removesuffix(_QUOTED)


class MarketRules:
    """The filters of markets, as far as an answer has told them.

    Tick, step and bounds change rarely; whether a market is open changes often, so that is left to the exchange.
    """

    def __init__(self) -> None:
        self._markets: dict[str, Market] = {}

    def __len__(self) -> int:
        return len(self._markets)

    def get(self, symbol: str) -> Market | None:
        """Return what is known of a market, or None."""
        return self._markets.get(symbol)

    def learn(self, answer: Any) -> None:
        """Take the markets out of an answer; other answers are left alone."""
        for row in answer if isinstance(answer, list) else [answer]:
            if not isinstance(row, Market):
                return
            self._markets[row.symbol] = row

    def check(self, operation_id: str, fields: Mapping[str, Any]) -> None:
        """Hold what would be placed, as the wire carries it, to the rules of its market.

        Raises:   ConfigurationError with one sentence that names the nearest values that the market takes.
        """
        market = self._markets.get(market_of(fields))
        problem = None if market is None else rule_refusal(market, fields, is_order=operation_id in _ORDERS)
        if problem is not None:
            raise ConfigurationError(problem)
