"""Trade Backpack's perpetual futures with Hummingbot."""

import asyncio
from collections import defaultdict
from decimal import Decimal
from typing import Any

from hummingbot.connector.perpetual_derivative_py_base import PerpetualDerivativePyBase
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import OrderType, PositionAction, PositionMode, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.data_type.trade_fee import TradeFeeBase

from backpack_connector.backpack_base import BackpackExchangeBase
from backpack_connector.order_reconciliation import ListedOrder
from backpack_connector.protocol import messages
from backpack_connector.protocol.enums import MarketType, OrderEvent, OrderOrigin, OrderStatus
from backpack_connector.protocol.errors import BackpackError, OrderRejected, RequestError
from backpack_connector.protocol.futures import MarginSummary
from backpack_connector.protocol.messages import BalanceUpdate, OrderUpdate, PositionUpdate
from backpack_connector.protocol.models import AccountSummary, Order
from backpack_connector.protocol.streams import POSITION_UPDATES
from backpack_connector.protocol.wire import read
from backpack_connector.reconnect import Backoff
from backpack_connector.to_hummingbot import SIDES
from backpack_perpetual_connector import backpack_perpetual_constants as constants
from backpack_perpetual_connector.account_positions import AccountPositions
from backpack_perpetual_connector.backpack_perpetual_api_order_book_data_source import (
    BackpackPerpetualAPIOrderBookDataSource,
)
from backpack_perpetual_connector.budget_checker import BackpackBudgetChecker
from backpack_perpetual_connector.funding import AccountFunding
from backpack_perpetual_connector.to_hummingbot import perpetual_fill_fee

FIRST_POLL_PAUSE_S = 2.0
"""After this a poll that could not tell what the account has is made again; a poll is several requests."""
FIRST_LEVERAGE_PAUSE_S = 1.0
LEVERAGE_QUESTIONS = 4
"""How often the limit is asked for after a change without an answer; a request on its way is valid for 5 s."""
NOTHING_TO_REDUCE = "reduce only order not reduced"
"""How the exchange refuses a closing order when there is nothing left to close (API §4.4)."""
_ORIGINS = {
    OrderOrigin.LIQUIDATION: "a liquidation",
    OrderOrigin.ADL: "an auto-deleveraging",
    OrderOrigin.BACKSTOP: "a liquidation taken over by a backstop provider",
    OrderOrigin.SETTLEMENT: "the settlement of its market",
}


class BackpackPerpetualDerivative(AccountFunding, AccountPositions, BackpackExchangeBase, PerpetualDerivativePyBase):
    """The perpetual markets of one account: one-way positions, margin in USDC, one leverage limit for all markets.

    Balances are the exchange's net equity (total) and available net equity, kept up to date between two reports by
    `collateral.AccountMargin`.
    """

    market_type = MarketType.PERP

    def __init__(
        self,
        backpack_api_key: str,
        backpack_api_secret: str,
        *,
        domain: str = constants.DEFAULT_DOMAIN,
        **kwargs: Any,
    ) -> None:
        self._leverage_limit: Decimal | None = None
        self._leverage_changes = 0
        self._has_warned_of_leverage = False
        self._told_closes: set[str] = set()
        self._asked_values: set[str] = set()
        """Assets that came while no report said what they count; one was asked for."""
        self._poll_backoff = Backoff(FIRST_POLL_PAUSE_S)
        self._next_poll: asyncio.TimerHandle | None = None
        super().__init__(backpack_api_key, backpack_api_secret, domain=domain, **kwargs)
        self._budget_checker = BackpackBudgetChecker(self)
        # Streams report what moves the margin, so available funds need no estimate by the base class.
        self.real_time_balance_update = True

    # What Hummingbot asks about the connector

    @property
    def status_dict(self) -> dict[str, bool]:
        status: dict[str, bool] = super().status_dict
        # A strategy that is told "ready" takes a position that is not shown for none, and opens another one.
        is_known = self._positions_received and self._leverage_limit is not None
        status["account_balance"] = status["account_balance"] and (is_known or not self.is_trading_required)
        return status

    def supported_position_modes(self) -> list[PositionMode]:
        return [PositionMode.ONEWAY]

    def get_buy_collateral_token(self, trading_pair: str) -> str:
        return constants.COLLATERAL_TOKEN

    def get_sell_collateral_token(self, trading_pair: str) -> str:
        return constants.COLLATERAL_TOKEN

    def _create_order_book_data_source(self) -> BackpackPerpetualAPIOrderBookDataSource:
        return BackpackPerpetualAPIOrderBookDataSource(
            trading_pairs=self._trading_pairs,
            connector=self,
            api_factory=self._web_assistants_factory,
            domain=self.domain,
        )

    def _private_streams(self) -> list[str]:
        return [*super()._private_streams(), POSITION_UPDATES]

    async def _format_trading_rules(self, exchange_info_dict: Any) -> list[TradingRule]:
        rules = await super()._format_trading_rules(exchange_info_dict)
        for market in self._markets.values():
            if market.imf_function is not None:
                self._margin.set_market(market.symbol, market.imf_function)
        for rule in rules:
            rule.buy_order_collateral_token = rule.sell_order_collateral_token = constants.COLLATERAL_TOKEN
        return rules

    # Regular questions

    async def _fetch_updates(self) -> None:
        # One after the other: the margin report is compared with what is known about positions and orders.
        for what, update in (
            ("the account's settings", self._update_trading_fees),
            ("positions", self._update_positions),
            ("orders", self._update_order_status),
            ("balances", self._update_balances),
        ):
            try:
                await update()
            except BackpackError as error:
                self.logger().network(
                    f"Could not update {what} of {self.name} ({error}); asking again at the next poll.",
                    app_warning_msg=f"Could not update {what} of {self.name}: {error}",
                )
        if self.status_dict["account_balance"]:
            self._poll_backoff.reset()
        else:  # nobody can trade before the account is known once, so that does not wait for the next poll
            pause_s = self._poll_backoff.next_pause_s()
            self._next_poll = asyncio.get_running_loop().call_later(pause_s, lambda: self._poll_notifier.set())

    async def stop_network(self) -> None:
        await super().stop_network()
        if self._next_poll is not None:
            self._next_poll.cancel()

    def on_open_orders(self, orders: list[Order], asked_at: int) -> None:
        """Take the complete list of the account's open orders in perpetual markets."""
        self._margin.replace_orders(orders, asked_at)
        self._orderbook_ds.follow_mark_prices(self._margin.symbols_in_use)

    def mark_open_orders_request(self) -> int:
        """Return the place of a request for open orders that is sent now."""
        return self._margin.mark()

    async def _update_balances(self) -> None:
        asked_at = self._margin.mark()
        summary = read(MarginSummary, await self.request("get_collateral"), "get_collateral")
        corrections = self._margin.report(summary, asked_at, answered_at=self._time() + self.clock_offset_s)
        for correction in corrections:
            self.compare_balance_with_stream(correction.asset, f"{correction.believed}", f"{correction.said}")
        self._balances_received = True
        self._publish_balances()

    # Balances

    def _publish_balances(self) -> None:
        self._account_balances = {constants.COLLATERAL_TOKEN: self._margin.net_equity}
        self._account_available_balances = {constants.COLLATERAL_TOKEN: self._margin.available}

    def get_available_balance(self, currency: str) -> Decimal:
        """Return what new positions can use as margin, as the exchange would report it now."""
        if self._balances_received:
            self._publish_balances()
        available: Decimal = super().get_available_balance(currency)
        return available

    def get_balance(self, currency: str) -> Decimal:
        """Return the account's net equity."""
        if self._balances_received:
            self._publish_balances()
        balance: Decimal = super().get_balance(currency)
        return balance

    def get_all_balances(self) -> dict[str, Decimal]:
        """Return the net equity by the collateral token."""
        if self._balances_received:
            self._publish_balances()
        balances: dict[str, Decimal] = super().get_all_balances()
        return balances

    def apply_balance_limit(self, currency: str, available_balance: Decimal, limit: Decimal) -> Decimal:
        """Return what a limit that the user configured leaves, once locked margin is taken off it."""
        locked = max(Decimal(0), self._margin.net_equity - self._margin.available)
        return min(available_balance, max(Decimal(0), limit - locked))

    def margin_required(
        self,
        trading_pair: str,
        trade_type: TradeType,
        amount: Decimal,
        position_close: bool,
        planned_buys: Decimal = Decimal(0),
        planned_sells: Decimal = Decimal(0),
        price: Decimal | None = None,
    ) -> Decimal:
        """Return the margin in USDC that an order would lock beyond what is locked now; none when it reduces.

        With a price, it includes what a fill at this price would lose against the mark price.
        Units:    amount and the quantities of orders that are planned beside it in base units.
        """
        return self._margin.required(
            self.symbol_of_pair(trading_pair),
            SIDES[trade_type],
            amount,
            reduce_only=position_close,
            planned_bids=planned_buys,
            planned_asks=planned_sells,
            price=price,
        )

    def _hold_funds(self, order: InFlightOrder) -> None:
        self._margin.hold(
            order.client_order_id,
            self.symbol_of(order),
            SIDES[order.trade_type],
            order.amount,
            reduce_only=_is_closing(order),
        )

    def on_order_ended(self, client_order_id: str) -> None:
        """Stop counting the margin of an order that ended, also of one that the exchange never had."""
        super().on_order_ended(client_order_id)
        self._margin.release(client_order_id)

    # Orders

    def _tracked_order(self, *args: Any, position_action: PositionAction = PositionAction.NIL, **kwargs: Any) -> Any:
        if position_action not in self.VALID_POSITION_ACTIONS:
            raise OrderRejected("An order in a perpetual market must say whether it opens or closes a position.")
        return super()._tracked_order(*args, position_action=position_action, **kwargs)

    def _order_fields(self, order: InFlightOrder) -> dict[str, Any]:
        fields = super()._order_fields(order)
        if _is_closing(order):
            fields["reduceOnly"] = True  # a close must never open the other side (F02)
        return fields

    async def _place_order_and_process_update(self, order: InFlightOrder, **kwargs: Any) -> str:
        try:
            return await super()._place_order_and_process_update(order, **kwargs)
        except OrderRejected as error:
            if not (_is_closing(order) and NOTHING_TO_REDUCE in str(error).lower()):
                raise
            self.logger().warning(
                f"Order {order.client_order_id} had nothing to close in {order.trading_pair}; asking for positions."
            )
            self._update_state(
                order, OrderState.CANCELED, {"error_message": str(error), "error_type": "NothingToClose"}
            )
            self._poll_notifier.set()
            return ""

    def apply_report(self, order: InFlightOrder, report: ListedOrder, source: str | None = None) -> bool:
        if isinstance(report, Order):
            self._margin.acknowledge(order.client_order_id, report)
        if _is_closing(order) and report.status is not OrderStatus.TRIGGER_PENDING:
            self._shrink(order, report.quantity)
        return super().apply_report(order, report, source)

    def _shrink(self, order: InFlightOrder, quantity: Decimal | None) -> None:
        # The exchange shrinks a closing order that would do more than close (API §4.1, orderModified).
        if quantity is not None and 0 < quantity < order.amount:
            self.logger().info(
                f"The exchange has cut closing order {order.client_order_id} from {order.amount} to {quantity}."
            )
            order.amount = quantity
            order.check_filled_condition()

    # Fees

    def _account_fees_bps(self, account: AccountSummary) -> "tuple[Decimal, Decimal]":
        return account.futures_maker_fee, account.futures_taker_fee

    def _get_fee(
        self,
        base_currency: str,
        quote_currency: str,
        order_type: OrderType,
        order_side: TradeType,
        position_action: PositionAction,
        amount: Decimal,
        price: Decimal = Decimal("NaN"),
        is_maker: bool | None = None,
    ) -> TradeFeeBase:
        return TradeFeeBase.new_perpetual_fee(
            fee_schema=self.trade_fee_schema(),
            position_action=position_action,
            percent=self._fee_fraction(order_type, is_maker),
            percent_token=constants.COLLATERAL_TOKEN,
        )

    def _fill_fee(self, order: InFlightOrder, fee: Decimal, fee_symbol: str) -> TradeFeeBase:
        return perpetual_fill_fee(self.trade_fee_schema(), order.position, fee, fee_symbol)

    # Private stream

    def _on_account_message(self, message: Any) -> None:
        if isinstance(message, BalanceUpdate):
            self._margin.apply_balance(message)
            if message.asset not in self._asked_values and self._margin.lacks_value_of(message.asset):
                self._asked_values.add(message.asset)  # once: what is no collateral never gets a value
                self._ask_for_everything()
        elif isinstance(message, PositionUpdate):
            self._on_position_message(message)
        else:
            if isinstance(message, OrderUpdate) and self.trading_pair_or_none(message.symbol) is not None:
                self._margin.apply_order(message)
                self._orderbook_ds.follow_mark_prices([message.symbol])
                self._tell_of_forced_close(message)
            super()._on_account_message(message)

    def _on_order_message(self, message: messages.OrderUpdate) -> None:
        if message.event == OrderEvent.MODIFIED:
            order = self._order_of_message(message)
            if order is not None:
                self._shrink(order, message.quantity)
        super()._on_order_message(message)

    def _tell_of_forced_close(self, message: OrderUpdate) -> None:
        origin = _ORIGINS.get(message.origin or "")  # type: ignore[call-overload]
        if origin is None or not message.is_fill or message.order_id in self._told_closes:
            return
        self._told_closes.add(message.order_id)
        sentence = (
            f"The exchange trades {message.symbol} in this account because of {origin}: "
            f"{message.side} {message.quantity} at {message.fill_price}."
        )
        self.logger().error(sentence)

    # Position mode and leverage

    async def _trading_pair_position_mode_set(self, mode: PositionMode, trading_pair: str) -> "tuple[bool, str]":
        if mode is PositionMode.ONEWAY:
            return True, ""
        return False, "Backpack has one-way positions only."

    async def _fetch_account_position_mode(self) -> PositionMode:
        return PositionMode.ONEWAY

    async def _trading_fees_polling_loop(self) -> None:
        """Do nothing: every poll asks for the account's settings, the fees among them."""

    async def _update_trading_fees(self) -> None:
        changes = self._leverage_changes
        account = await self._update_account()
        if changes == self._leverage_changes:  # otherwise the answer may be older than the limit that the bot has set
            self._on_leverage_limit(account.leverage_limit)

    def _on_leverage_limit(self, leverage_limit: Decimal) -> None:
        """Take the account's leverage limit, which counts for every pair (F22)."""
        if self._leverage_limit is not None and leverage_limit != self._leverage_limit:
            self.logger().warning(
                f"The leverage limit of the account is {leverage_limit} now; it was {self._leverage_limit}."
            )
        self._leverage_limit = leverage_limit
        self._margin.set_leverage(leverage_limit)
        leverage = int(leverage_limit)
        self._perpetual_trading._leverage = defaultdict(
            lambda: leverage, dict.fromkeys(self._perpetual_trading._leverage, leverage)
        )

    async def _set_trading_pair_leverage(self, trading_pair: str, leverage: int) -> "tuple[bool, str]":
        if not self._has_warned_of_leverage:
            self._has_warned_of_leverage = True
            self.logger().warning(
                "Backpack has one leverage limit for the whole account: setting it for one pair sets it for all."
            )
        if leverage < 1:
            return False, f"Leverage must be at least 1, not {leverage}."
        try:
            await self.request("update_account_settings", {"leverageLimit": str(leverage)})
        except BackpackError as error:
            if isinstance(error, RequestError) and error.outcome_known:
                return False, str(error)
            return await self._leverage_after_all(leverage, error)
        self._take_leverage(Decimal(leverage))
        return True, ""

    async def _leverage_after_all(self, leverage: int, error: BackpackError) -> "tuple[bool, str]":
        """Find out whether a leverage limit counts although there was no usable answer."""
        self.logger().warning(f"It is not known whether the leverage limit is {leverage} now ({error}); asking for it.")
        known: Decimal | None = None
        backoff = Backoff(FIRST_LEVERAGE_PAUSE_S)
        for number in range(LEVERAGE_QUESTIONS):
            if number:
                await self._sleep(backoff.next_pause_s())
            try:
                known = (await self._update_account()).leverage_limit
            except BackpackError as asked:
                self.logger().warning(f"The leverage limit could not be asked: {asked}")
            if known == leverage:
                break
        if known is None:
            return False, f"{error}; nor is it known whether the limit was set, which the next poll finds out"
        self._take_leverage(known)
        return known == leverage, "" if known == leverage else f"{error}; the limit still is {known}"

    def _take_leverage(self, leverage: Decimal) -> None:
        self._leverage_changes += 1
        self._leverage_limit = leverage  # asked for, so no news
        self._on_leverage_limit(leverage)


def _is_closing(order: InFlightOrder) -> bool:
    return bool(order.position is PositionAction.CLOSE)
