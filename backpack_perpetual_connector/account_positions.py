"""Learn the account's positions and the mark prices that value them, and show both to Hummingbot."""

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from backpack_connector import stream_evidence
from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.protocol.errors import OrderNotFound
from backpack_connector.protocol.futures import Position
from backpack_connector.protocol.messages import MarkPriceUpdate, PositionUpdate
from backpack_connector.protocol.models import MarkPrice, read_rows
from backpack_connector.protocol.streams import POSITION_UPDATES
from backpack_perpetual_connector.collateral import AccountMargin
from backpack_perpetual_connector.positions import BackpackPosition, Correction, Positions
from backpack_perpetual_connector.to_hummingbot import funding_info_of_message

if TYPE_CHECKING:
    from hummingbot.connector.perpetual_derivative_py_base import PerpetualDerivativePyBase

    from backpack_connector.backpack_base import BackpackExchangeBase

    class _Base(BackpackExchangeBase, PerpetualDerivativePyBase):
        pass
else:
    _Base = object


class AccountPositions(_Base):
    """The part of the perpetual connector that knows positions; `BackpackPerpetualDerivative` mixes it in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._positions = Positions()
        self._margin = AccountMargin()
        self._interval_ends: dict[str, int | None] = {}
        self._positions_received = False
        super().__init__(*args, **kwargs)

    async def _update_positions(self) -> None:
        asked, margin_asked_at = self._positions.mark(), self._margin.mark()
        try:
            answer = await self.request("get_positions", {"marketType": self.market_type.value})
        except OrderNotFound:  # 404 "Position not found": there is none (API §2.3, position)
            answer = []
        rows, complaints = read_rows(Position, answer, "get_positions")
        for complaint in complaints:
            self.logger().error(f"A position was left out because it cannot be read: {complaint}")
        known = [row for row in rows if self.trading_pair_or_none(row.symbol) is not None]
        better_known = self._positions.better_known(asked)
        for correction in self._positions.replace(known, asked, is_complete=not complaints):
            self._compare_position_with_stream(correction)
        self._margin.replace_positions(known, margin_asked_at, is_complete=not complaints, better_known=better_known)
        self._positions_received = True
        self._publish_positions()

    def _compare_position_with_stream(self, correction: Correction) -> None:
        describe = partial("the position in {} was {} here and is {} according to the exchange".format, *correction)
        self._evidence.found(POSITION_UPDATES, stream_evidence.position(correction.symbol), describe)

    async def liquidation_price(self, trading_pair: str) -> Decimal | None:
        """Return the price at which the exchange estimates to liquidate a position, None when it names none.

        Raises:   RequestError when the exchange cannot be asked.
        """
        # The estimate is there only when a single market is asked for (API §6, conflict 18).
        try:
            answer = await self.request("get_positions", {"symbol": self.symbol_of_pair(trading_pair)})
        except OrderNotFound:
            return None
        rows, _ = read_rows(Position, answer, "get_positions")
        return (rows[0].est_liquidation_price or None) if rows else None

    def _on_position_message(self, message: PositionUpdate) -> None:
        if self.trading_pair_or_none(message.symbol) is None:
            return
        self._margin.apply_position(message)
        if self._positions.apply_update(message):
            self._publish_positions()

    def has_mark_price(self, symbol: str) -> bool:
        """Tell whether the exchange publishes a mark price of a market now. Source: API §2.3 (markPrices)."""
        market = self._markets.get(self.trading_pair_or_none(symbol) or "")
        return market is not None and market.order_book_state in (OrderBookState.OPEN, OrderBookState.POST_ONLY)

    def on_listed_mark_price(self, row: MarkPrice) -> None:
        """Take a row of get_mark_prices: the margin of an order can be told before the stream has said anything."""
        if self.trading_pair_or_none(row.symbol) is not None:
            self._margin.apply_mark(row.symbol, row.mark_price, 0.0)  # a row has no time, and the stream is newer

    def on_mark_price(self, update: MarkPriceUpdate) -> None:
        """Take a message of the mark price stream."""
        trading_pair = self.trading_pair_or_none(update.symbol)
        if trading_pair is None:
            return
        self._margin.apply_mark(update.symbol, update.mark_price, update.event_timestamp)
        if self._positions.apply_mark(update.symbol, update.mark_price):
            self._publish_positions()
        if trading_pair in self._trading_pairs:
            self._on_funding(update, trading_pair)

    def _on_funding(self, update: MarkPriceUpdate, trading_pair: str) -> None:
        if trading_pair not in self._perpetual_trading._funding_info:
            self._perpetual_trading.initialize_funding_info(funding_info_of_message(update, trading_pair))
        known = self._interval_ends.get(trading_pair)
        if known is not None and known != update.next_funding:
            self._funding_fee_poll_notifier.set()  # an interval is over, so there may be a payment
        self._interval_ends[trading_pair] = update.next_funding

    def _publish_positions(self) -> None:
        shown = self._perpetual_trading.account_positions
        pairs = {self.trading_pair_or_none(position.symbol): position for position in self._positions}
        for trading_pair in [pair for pair in shown if pair not in pairs]:
            self._perpetual_trading.remove_position(trading_pair)
        for pair, position in pairs.items():
            assert pair is not None
            leverage = Decimal(self.get_leverage(pair))
            self._perpetual_trading.set_position(pair, BackpackPosition(pair, position, leverage))
        self._orderbook_ds.follow_mark_prices(self._margin.symbols_in_use)
