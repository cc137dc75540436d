"""Hold spot against a short perpetual on one account: for the difference of the prices, for the funding, or for both.

Copy this file into Hummingbot's `scripts/` folder and `backpack_spot_perpetual_arbitrage.yml` or
`backpack_funding_harvest.yml` into `conf/scripts/`, change the values there, then run `hbot start <file>.yml`.

It buys spot, sells as much as arrived on the perpetual market, and undoes both when a closing condition holds. All
orders are market orders, so a round pays four fees, which the opening condition has to be worth. A leg that comes
short is completed with the next order. A bot that is started again takes a short position in the pair for its own, and
expects as much of the base asset in the account; one that died between the two legs does not know of the first. A stop
leaves both legs as they are, which is what they were opened for.
"""

import os
from decimal import Decimal
from typing import Any

from hummingbot.connector.connector_base import ConnectorBase
from hummingbot.core.data_type.common import MarketDict, OrderType, PositionAction
from hummingbot.core.event.events import FundingPaymentCompletedEvent, OrderFilledEvent
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase
from pydantic import Field

PAUSE_S = 3.0  # between two orders, so that one that is refused is not repeated at once


class BackpackCarryConfig(StrategyV2ConfigBase):
    """The values of the .yml file; the basis is the perpetual's price over the spot price, less one."""

    script_file_name: str = os.path.basename(__file__)
    spot_connector: str = "backpack"
    perpetual_connector: str = "backpack_perpetual"
    trading_pair: str = "SOL-USDC"
    order_amount: Decimal = Field(Decimal("0.5"), gt=0)
    leverage: int = Field(3, ge=0, le=100)
    min_opening_basis: Decimal = Decimal("0.004")
    min_opening_funding_rate: Decimal = Decimal(-1)
    max_closing_basis: Decimal = Decimal("0.0005")
    min_holding_funding_rate: Decimal = Decimal(-1)
    pause_after_round_seconds: float = Field(600, ge=0)

    def update_markets(self, markets: MarketDict) -> MarketDict:
        """Tell Hummingbot which markets to connect to."""
        for connector in (self.spot_connector, self.perpetual_connector):
            markets = markets.add_or_update(connector, self.trading_pair)
        return markets


class BackpackCarry(StrategyV2Base):
    """One hedge at a time; both legs are counted by their fills."""

    def __init__(self, connectors: dict[str, ConnectorBase], config: BackpackCarryConfig) -> None:
        super().__init__(connectors, config)
        self.config: BackpackCarryConfig = config
        self._held = Decimal(0)
        self._short = Decimal(0)
        self._funding = Decimal(0)
        self._is_known = False
        self._is_closing = False
        self._legs: dict[str, str] = {}
        self._next_order = 0.0

    @property
    def _spot(self) -> ConnectorBase:
        return self.connectors[self.config.spot_connector]

    @property
    def _perpetual(self) -> ConnectorBase:
        return self.connectors[self.config.perpetual_connector]

    def apply_initial_setting(self) -> None:
        """Set the leverage limit, which on Backpack is the whole account's."""
        if self.config.leverage:
            self._perpetual.set_leverage(self.config.trading_pair, self.config.leverage)

    def on_tick(self) -> None:
        """Do the next thing that brings both legs to where they should be; one order at a time."""
        if not self._is_known:
            self._take_over()
        if self.current_timestamp < self._next_order or self._is_busy():
            return
        if self._is_closing:
            self._close()
        elif self._complete_hedge():
            return
        elif self._short > 0:
            self._is_closing = self._should_close()
        elif self._should_open():
            self._order(self._spot, self.config.order_amount, is_buy=True)

    def _take_over(self) -> None:
        position = self._perpetual.account_positions.get(self.config.trading_pair)
        if position is not None and position.amount < 0:
            self._held = self._short = -position.amount
            self.logger().info(f"A short position of {self._short} is taken over, with as much of the base asset.")
        self._is_known = True

    def _is_busy(self) -> bool:
        return any(
            order.trading_pair == self.config.trading_pair and not order.is_done
            for connector in self.connectors.values()
            for order in connector.in_flight_orders.values()
        )

    def _complete_hedge(self) -> bool:
        """Bring the short position to what is held; tell whether something was missing."""
        missing = self._quantized(self._perpetual, abs(self._held - self._short))
        if missing <= 0:
            return False
        self._order(self._perpetual, missing, is_buy=self._short > self._held)
        return True

    def _close(self) -> None:
        held = min(self._held, self._spot.get_available_balance(self.config.trading_pair.split("-")[0]))
        is_sold = self._quantized(self._spot, held) <= 0
        is_bought = self._quantized(self._perpetual, self._short) <= 0
        if not is_sold:
            self._order(self._spot, held, is_buy=False)
        if not is_bought:
            self._order(self._perpetual, self._short, is_buy=True)
        if is_sold and is_bought:
            self._is_closing, self._held, self._short = False, Decimal(0), Decimal(0)
            self._next_order = self.current_timestamp + self.config.pause_after_round_seconds

    def _quantized(self, connector: ConnectorBase, amount: Decimal) -> Decimal:
        return connector.quantize_order_amount(self.config.trading_pair, amount)

    def _order(self, connector: ConnectorBase, amount: Decimal, *, is_buy: bool) -> None:
        name = self.config.perpetual_connector if connector is self._perpetual else self.config.spot_connector
        action = PositionAction.NIL
        if connector is self._perpetual:  # the short leg is opened by selling and closed by buying
            action = PositionAction.CLOSE if is_buy else PositionAction.OPEN
        amount = self._quantized(connector, amount)
        if amount <= 0:
            return
        submit = self.buy if is_buy else self.sell
        order_id = submit(name, self.config.trading_pair, amount, OrderType.MARKET, position_action=action)
        self._legs[order_id] = name
        self._next_order = self.current_timestamp + PAUSE_S

    def _basis(self, *, opening: bool) -> Decimal:
        pair = self.config.trading_pair
        return self._perpetual.get_price(pair, not opening) / self._spot.get_price(pair, opening) - 1

    def _funding_rate(self) -> Decimal:
        return self._perpetual.get_funding_info(self.config.trading_pair).rate

    def _should_open(self) -> bool:
        return (
            self._basis(opening=True) >= self.config.min_opening_basis
            and self._funding_rate() >= self.config.min_opening_funding_rate
        )

    def _should_close(self) -> bool:
        return (
            self._basis(opening=False) <= self.config.max_closing_basis
            or self._funding_rate() < self.config.min_holding_funding_rate
        )

    def did_fill_order(self, order_filled_event: OrderFilledEvent) -> None:
        """Count the leg; spot takes the fee of a buy out of what it buys."""
        event = order_filled_event
        leg = self._legs.get(event.order_id)
        sign = 1 if event.trade_type.name == "BUY" else -1
        if leg == self.config.spot_connector:
            base = self.config.trading_pair.split("-")[0]
            fees = sum((fee.amount for fee in event.trade_fee.flat_fees if fee.token == base), Decimal(0))
            self._held += sign * event.amount - fees
        elif leg == self.config.perpetual_connector:
            self._short -= sign * event.amount

    def did_complete_funding_payment(self, funding_payment_completed_event: FundingPaymentCompletedEvent) -> None:
        """Count what was received; negative = paid."""
        self._funding += funding_payment_completed_event.amount

    def create_actions_proposal(self) -> list[Any]:
        """Propose nothing: there are no executors."""
        return []

    def stop_actions_proposal(self) -> list[Any]:
        """Stop nothing: there are no executors."""
        return []

    def format_status(self) -> str:
        """Add both legs, the basis and the funding to what `hbot status` shows."""
        return (
            f"{super().format_status()}\n  Held: {self._held}; short: {self._short}; basis now:"
            f" {self._basis(opening=self._short == 0):.5f}; funding rate: {self._funding_rate()};"
            f" funding received since start: {self._funding}"
        )
