"""Say in one sentence why the connector is not ready, once it has not been for a while.

Strategies do nothing until a connector is ready, and Hummingbot shows no reason. An exchange without any open market
counts as not ready: nothing could be traded. It gets ready by itself when one opens.
"""

import time
from typing import TYPE_CHECKING, Any

from backpack_connector.protocol.enums import MarketType
from backpack_connector.protocol.models import Market

if TYPE_CHECKING:
    from hummingbot.connector.exchange_py_base import ExchangePyBase as _Base
else:
    _Base = object

PATIENCE_S = 20.0

_SENTENCES = {
    "account_balance": "the balances of the account are not known yet",
    "funding_info": "funding rates are not known yet",
    "user_stream_initialized": "the private stream does not work",
}


class Readiness(_Base):
    """The part of the connector that explains itself; `BackpackExchangeBase` mixes it in."""

    market_type: MarketType
    _markets: dict[str, Market]
    _not_ready_since_s: float | None
    _reasons_told: str

    def tell_why_not_ready(self) -> None:
        """Log why the connector has not been ready for a while, whenever the reasons change."""
        missing = [part for part, is_there in self.status_dict.items() if not is_there]
        if not missing:
            if self._reasons_told:
                self.logger().info(f"{self.name} is ready now.")
            self._not_ready_since_s, self._reasons_told = None, ""
            return
        now_s = time.monotonic()
        if self._not_ready_since_s is None:
            self._not_ready_since_s = now_s
        reasons = "; ".join(dict.fromkeys(self._reason(part) for part in missing))
        if now_s - self._not_ready_since_s >= PATIENCE_S and reasons != self._reasons_told:
            self._reasons_told = reasons
            self.logger().warning(f"{self.name} is not ready: {reasons}.")

    def _reason(self, part: str) -> str:
        if part in ("symbols_mapping_initialized", "trading_rule_initialized"):
            if self._markets and not any(market.accepts_new_orders for market in self._markets.values()):
                return f"all {len(self._markets)} {self.market_type.value} markets are closed, nothing can be traded"
            return "the list of markets has not been read yet"
        if part == "order_books_initialized":
            return f"the order books are not complete ({', '.join(self._incomplete_books()) or 'none is started'})"
        return _SENTENCES.get(part, part)

    def _incomplete_books(self) -> list[str]:
        source: Any = self.order_book_tracker.data_source
        return sorted(source.pairs_out_of_sequence)
