"""Remember the filters of markets, and hold new orders to them before they are sent."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.filters import rule_refusal
from backpack_connector.protocol.models import Market


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

    def check(self, fields: Mapping[str, Any]) -> None:
        """Hold an order, as the wire carries it, to the rules of its market.

        Raises:   ConfigurationError with one sentence that names the nearest values that the market takes.
        """
        market = self._markets.get(fields["symbol"])
        if market is None:
            return
        quantity, price = fields.get("quantity"), fields.get("price")
        problem = rule_refusal(
            market,
            None if quantity is None else Decimal(quantity),
            None if price is None else Decimal(price),
        )
        if problem is not None:
            raise ConfigurationError(problem)
