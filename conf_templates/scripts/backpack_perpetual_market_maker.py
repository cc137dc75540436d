"""Perpetual market maker for Backpack: post-only quotes on both sides, within a bound on the position.

Copy this file and backpack_market_maker.py, on which it builds, into Hummingbot's `scripts/` folder and one of the
`backpack_perpetual_market_maker*.yml` files into `conf/scripts/`, change the values there, then run
`hbot start <file>.yml`.

What it does beyond the spot script: it sets the leverage limit, which on Backpack counts for the whole account; it
quotes only as much as keeps the position between `-max_position` and `max_position`, leans its prices against the
position, and can have the quotes that make it smaller reduce-only; and when it is stopped, it cancels everything and
closes the position with reduce-only market orders. It does not stop by itself when the market runs away.
"""

import asyncio
import os
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

# Hummingbot runs the first strategy class that it finds in a script, so the one of the spot script is not imported by
# its own name.
import scripts.backpack_market_maker as spot
from hummingbot.connector.connector_base import ConnectorBase
from hummingbot.core.data_type.common import OrderType, PositionAction, PriceType, TradeType
from hummingbot.core.data_type.order_candidate import OrderCandidate, PerpetualOrderCandidate
from hummingbot.core.event.events import FundingPaymentCompletedEvent
from hummingbot.core.utils.async_utils import safe_ensure_future
from pydantic import Field

LEVERAGE_PATIENCE_S = 30.0  # before the limit is set again
CLOSE_PATIENCE_S = 3.0  # for the position to follow an order that closes it
CLOSE_TIMEOUT_S = 12.0  # what closing may take of the 30 s that `hbot stop` waits


class BackpackPerpetualMarketMakerConfig(spot.BackpackMarketMakerConfig):
    """The values of the .yml file; spreads are fractions of the middle price, amounts are in base units."""

    script_file_name: str = os.path.basename(__file__)
    connector_name: str = Field(
        "backpack_perpetual",
        json_schema_extra=spot.asked("Connector (backpack_perpetual or backpack_perpetual_simulator)"),
    )
    leverage: int = Field(
        5, ge=0, le=100, json_schema_extra=spot.asked("Leverage limit of the whole account (0 leaves it as it is)")
    )
    max_position: Decimal = Field(
        Decimal("0.3"), gt=0, json_schema_extra=spot.asked("Largest position, long or short, in base")
    )
    inventory_skew: Decimal = Field(
        Decimal(0),
        ge=0,
        lt=1,
        json_schema_extra=spot.asked("Move all quotes by this fraction, down when long, at the largest position"),
    )
    reduce_only_exits: bool = Field(
        False, description="Quotes that only make the position smaller are reduce-only, and need no margin"
    )
    close_on_stop: bool = Field(True, description="Close the position when the bot is stopped")
    liquidation_price_seconds: float = Field(
        10.0,
        ge=0,
        description="Ask for the liquidation price every ... seconds while there is a position; 0 never does",
    )


def position_of(connector: ConnectorBase, trading_pair: str) -> Any | None:
    """Return the open position of a pair, or None."""
    position = connector.account_positions.get(trading_pair)
    return position if position is not None and position.amount != 0 else None


def futures_facts(
    connector: ConnectorBase, trading_pair: str, liquidation_price: Decimal | None = None
) -> dict[str, Any]:
    """Return what is known now: as of a spot market, and leverage, funding and position."""
    funding_info = connector.get_funding_info(trading_pair)
    position = position_of(connector, trading_pair)
    return {
        **spot.market_facts(connector, trading_pair),
        "leverage": connector.get_leverage(trading_pair),
        "mark_price": funding_info.mark_price,
        "funding_rate": funding_info.rate,
        "funding_due_seconds": funding_info.next_funding_utc_timestamp - (time.time() + connector.clock_offset_s),
        "position": None
        if position is None
        else {
            "amount": position.amount,
            "entry_price": position.entry_price,
            "unrealized_pnl": position.unrealized_pnl,
            "liquidation_price": liquidation_price,
        },
    }


def payment_facts(event: FundingPaymentCompletedEvent) -> dict[str, Any]:
    """Return a funding payment with every digit; positive = received."""
    return {
        "trading_pair": event.trading_pair,
        "payment_time": event.timestamp,
        "amount": event.amount,
        "rate": event.funding_rate,
    }


class BackpackPerpetualMarketMaker(spot.BackpackMarketMaker):
    """Hold post-only orders on each side of the book, as far as the bound on the position allows."""

    def __init__(self, connectors: dict[str, ConnectorBase], config: BackpackPerpetualMarketMakerConfig) -> None:
        super().__init__(connectors, config)
        self.config: BackpackPerpetualMarketMakerConfig = config
        self._next_leverage = 0.0
        self._next_liquidation_price = 0.0
        self._liquidation_price: Decimal | None = None
        self._funding = Decimal(0)

    def on_tick(self) -> None:
        """Renew the orders when it is time, once the account has the leverage limit that was asked for."""
        if self._is_leverage_set():
            self._ask_liquidation_price()
            super().on_tick()

    def _is_leverage_set(self) -> bool:
        config, now = self.config, self.current_timestamp
        if config.leverage in (0, self.connector.get_leverage(config.trading_pair)):
            return True
        if now >= self._next_leverage and not self._stopping:
            self._next_leverage = now + LEVERAGE_PATIENCE_S
            self.connector.set_leverage(config.trading_pair, config.leverage)
        return False

    def _ask_liquidation_price(self) -> None:
        interval_s, now = self.config.liquidation_price_seconds, self.current_timestamp
        if self._position is None:
            self._liquidation_price, self._next_liquidation_price = None, 0.0
        elif interval_s and now >= self._next_liquidation_price:
            self._next_liquidation_price = now + interval_s
            safe_ensure_future(self._read_liquidation_price())

    async def _read_liquidation_price(self) -> None:
        try:
            self._liquidation_price = await self.connector.liquidation_price(self.config.trading_pair)
        except OSError as error:  # what the connector raises when there is no answer
            self.logger().warning(f"The liquidation price could not be asked: {error}")

    @property
    def _position(self) -> Any | None:
        return position_of(self.connector, self.config.trading_pair)

    @property
    def _position_amount(self) -> Decimal:
        """Base units; negative = short."""
        return Decimal(0) if self._position is None else self._position.amount

    def _candidates(self) -> list[OrderCandidate]:
        # All bids may be filled before the next look, or all asks, so their sums stay within the bound.
        room = {
            TradeType.BUY: self.config.max_position - self._position_amount,
            TradeType.SELL: self.config.max_position + self._position_amount,
        }
        candidates = super()._candidates()
        self._lean(candidates)
        for candidate in candidates:
            candidate.amount = max(Decimal(0), min(candidate.amount, room[candidate.order_side]))
            room[candidate.order_side] -= candidate.amount
        candidates = [candidate for candidate in candidates if candidate.amount > 0]
        if self.config.reduce_only_exits:
            self._mark_exits(candidates)
        return candidates

    def _lean(self, candidates: list[OrderCandidate]) -> None:
        """Move the quotes against the position, so that it is more likely to shrink than to grow."""
        config, pair = self.config, self.config.trading_pair
        skew = config.inventory_skew * self._position_amount / config.max_position
        if not skew:
            return
        best_bid = self.connector.get_price_by_type(pair, PriceType.BestBid)
        best_ask = self.connector.get_price_by_type(pair, PriceType.BestAsk)
        tick = self.connector.get_order_price_quantum(pair, best_bid)
        for candidate in candidates:
            price = candidate.price * (1 - skew)
            # Post-only orders that would trade are refused.
            is_bid = candidate.order_side is TradeType.BUY
            price = min(price, best_ask - tick) if is_bid else max(price, best_bid + tick)
            candidate.price = self.connector.quantize_order_price(pair, price)

    def _mark_exits(self, candidates: list[OrderCandidate]) -> None:
        """Let orders close as far as the position reaches; all of one side may be filled."""
        left = abs(self._position_amount)
        reducing = TradeType.SELL if self._position_amount > 0 else TradeType.BUY
        for candidate in candidates:
            if candidate.order_side is reducing and candidate.amount <= left:
                candidate.position_close = True
                left -= candidate.amount

    def _order_options(self, candidate: OrderCandidate) -> dict[str, Any]:
        return {"position_action": PositionAction.CLOSE if candidate.position_close else PositionAction.OPEN}

    def _candidate(self, side: TradeType, price: Decimal) -> OrderCandidate:
        candidate = super()._candidate(side, price)
        return PerpetualOrderCandidate(
            trading_pair=candidate.trading_pair,
            is_maker=candidate.is_maker,
            order_type=candidate.order_type,
            order_side=side,
            amount=candidate.amount,
            price=candidate.price,
            leverage=Decimal(self.connector.get_leverage(candidate.trading_pair)),
        )

    def did_complete_funding_payment(self, funding_payment_completed_event: FundingPaymentCompletedEvent) -> None:
        """Write the payment down; positive = received."""
        event = funding_payment_completed_event
        if event.trading_pair != self.config.trading_pair:
            return
        self._funding += event.amount
        self._journal.write("funding", **payment_facts(event))

    def _state(self) -> dict[str, Any]:
        return futures_facts(self.connector, self.config.trading_pair, self._liquidation_price)

    async def _wind_down(self, deadline: float) -> None:
        if self.config.close_on_stop:
            await self._cancel_everything(deadline)
            await self._close_position(time.monotonic() + CLOSE_TIMEOUT_S)
        await super()._wind_down(deadline + CLOSE_TIMEOUT_S)

    async def _close_position(self, deadline: float) -> None:
        """Close with market orders until nothing is left; price bands can cut one short."""
        while self._position is not None and time.monotonic() < deadline:
            before = self._position_amount
            submit = self.sell if before > 0 else self.buy
            order_id = submit(
                self.config.connector_name,
                self.config.trading_pair,
                abs(before),
                OrderType.MARKET,
                position_action=PositionAction.CLOSE,
            )
            await self._wait_for(lambda order_id=order_id: not self._is_open(order_id), deadline)
            await self._wait_for(
                lambda before=before: self._position_amount != before, time.monotonic() + CLOSE_PATIENCE_S
            )
        if self._position is not None:
            self.logger().error(
                f"The position of {self._position_amount} in {self.config.trading_pair} could not be closed in time;"
                " it is still open."
            )

    def _is_open(self, order_id: str) -> bool:
        return any(order.client_order_id == order_id for order in self._open_orders())

    async def _wait_for(self, condition: Callable[[], bool], deadline: float) -> None:
        while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - the connector has no such event
            await asyncio.sleep(0.05)

    def _final_figures(self) -> Any:
        # With a position the net equity moves with the mark price, every second.
        return (self._position_amount, spot.balances_of(self.connector) if self._position is None else None)

    def balance_warning(self, market_trading_pair_tuples: list[Any]) -> list[str]:
        """Leave out the warning that there is none of the base asset: a perpetual needs none."""
        base, _ = self.config.trading_pair.split("-")
        warnings: list[str] = super().balance_warning(market_trading_pair_tuples)
        return [line for line in warnings if f" {base} balance " not in line]

    def format_status(self) -> str:
        """Add position and funding to what the spot script shows."""
        position = self._position
        shown = (
            "none"
            if position is None
            else f"{position.amount} at {position.entry_price}, unrealised profit {position.unrealized_pnl}"
        )
        return f"{super().format_status()}\n  Position: {shown}; funding received since start: {self._funding}"
