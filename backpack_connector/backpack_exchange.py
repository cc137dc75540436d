"""Trade Backpack's spot markets with Hummingbot."""

import asyncio
import time
from decimal import Decimal
from math import inf
from typing import Any

from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder
from hummingbot.core.data_type.trade_fee import TradeFeeBase

from backpack_connector import stream_evidence
from backpack_connector.account_balances import FoundInCapitals, SpotBalances
from backpack_connector.backpack_base import BackpackExchangeBase
from backpack_connector.protocol.enums import MarketType
from backpack_connector.protocol.errors import BackpackError
from backpack_connector.protocol.messages import BalanceUpdate
from backpack_connector.protocol.models import AccountSummary, BorrowLendPosition, read_balances, read_rows
from backpack_connector.to_hummingbot import spot_fill_fee

LOANS_PAUSE_S = 0.5
"""How long after a change of the capital the loans are asked about, so that the messages of one trade ask once."""
LOANS_INTERVAL_S = 5.0
"""How much time lies between such questions at least, so that a lender who trades all the time asks for little."""
LATE_S = 0.5
"""A message about the balance that comes so much later than an order's answer may have been lost."""
_MOVES_LOANS = frozenset({"autoLend", "autoLendRedeem", "autoBorrow", "autoBorrowRepay"})
"""What an order may ask for that lends, redeems, borrows or repays. Source: API §4.1."""


class BackpackExchange(BackpackExchangeBase):
    """The spot markets of one account.

    Balances follow the exchange: total = available + locked + staked + lent - borrowed, and available for trading
    = available + lent, because an order that needs lent funds tells the exchange to redeem them.
    """

    market_type = MarketType.SPOT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._spot_balances = SpotBalances()
        self._capital_told_at_s = self._loans_asked_at_s = -inf
        self._holds_timer: asyncio.TimerHandle | None = None
        super().__init__(*args, **kwargs)
        # The balance stream reports every change, so available funds need no estimate in between (F16).
        self.real_time_balance_update = True

    # Fees

    def _account_fees_bps(self, account: AccountSummary) -> "tuple[Decimal, Decimal]":
        return account.spot_maker_fee, account.spot_taker_fee

    async def _update_account(self) -> AccountSummary:
        account = await super()._update_account()
        if account.auto_lend:
            self._spot_balances.has_loans = True
        return account

    def _get_fee(
        self,
        base_currency: str,
        quote_currency: str,
        order_type: OrderType,
        order_side: TradeType,
        amount: Decimal,
        price: Decimal = Decimal("NaN"),
        is_maker: bool | None = None,
    ) -> TradeFeeBase:
        return TradeFeeBase.new_spot_fee(
            fee_schema=self.trade_fee_schema(),
            trade_type=order_side,
            percent=self._fee_fraction(order_type, is_maker),
        )

    def _fill_fee(self, order: InFlightOrder, fee: Decimal, fee_symbol: str) -> TradeFeeBase:
        return spot_fill_fee(order.trade_type, order.trading_pair, fee, fee_symbol)

    # Balances

    async def _update_balances(self) -> None:
        asked = self._spot_balances.mark()
        self._loans_asked_at_s = asked.at_s
        found: tuple[Any, Any] = await asyncio.gather(
            self.request("get_balances"), self._update_lent(), return_exceptions=True
        )
        for one in found:
            if isinstance(one, BaseException):
                raise one
        answer, are_positions_known = found
        balances, complaints = read_balances(answer)
        for complaint in complaints:
            self.logger().warning(f"A balance was left out: {complaint}")
        # "Nothing" is believed only with the lent funds at hand: an account may have lent everything it has (F32).
        is_complete = not complaints and (bool(balances) or are_positions_known)
        for correction in self._spot_balances.set_capital(balances, asked, is_complete=is_complete):
            self.compare_balance_with_stream(correction.asset, correction.believed, correction.said)
        self._publish_balances()
        self._balances_received = True
        self._watch_holds()
        if self._spot_balances.has_loans and asked.is_outdated_by(asked.place, self._capital_told_at_s):
            self._ask_about_loans()  # the answer may be older than what the stream told just before

    async def _update_lent(self) -> bool:
        """Ask for lent and borrowed funds; return whether they are known now."""
        try:
            answer = await self.request("get_borrow_lend_positions")
            positions, complaints = read_rows(BorrowLendPosition, answer, "get_borrow_lend_positions")
        except BackpackError as error:
            # What was lent a moment ago is a better guess than nothing (F15).
            self.logger().warning(f"Lent and borrowed funds could not be asked; the last known ones stay: {error}")
            return False
        for complaint in complaints:
            self.logger().warning(f"A lent or borrowed position was left out: {complaint}")
        newly_borrowed = self._spot_balances.set_positions(positions, is_complete=not complaints)
        if newly_borrowed:
            self.logger().warning(
                f"The account has borrowed {', '.join(sorted(newly_borrowed))}; borrowed funds are not part of totals."
            )
        return True

    def _publish_balances(self) -> None:
        self._account_balances = self._spot_balances.totals()
        self._account_available_balances = self._spot_balances.available()

    def _on_account_message(self, message: Any) -> None:
        if isinstance(message, BalanceUpdate):
            self._spot_balances.apply_update(message)
            self._publish_balances()
            if self._spot_balances.has_loans:
                self._capital_told_at_s = time.monotonic()
                self._ask_about_loans()
        else:
            super()._on_account_message(message)

    def _ask_about_loans(self) -> None:
        """Ask again soon what is lent and borrowed: no message tells it, and what was redeemed would count twice."""
        since_s = time.monotonic() - self._loans_asked_at_s
        self._ask_soon(max(LOANS_PAUSE_S, LOANS_INTERVAL_S - since_s))

    @property
    def available_balances(self) -> dict[str, Decimal]:
        """Return available funds by asset, for the client's `balance` and for `hbot balance`.

        Both look assets up in capitals, and would show all kBONK as allocated; so it is found in capitals too.
        """
        return FoundInCapitals(self._account_available_balances)

    def get_available_balance(self, currency: str) -> Decimal:
        """Return what can be traded, less what orders take of which the balance does not know yet."""
        available: Decimal = super().get_available_balance(currency)
        held = self._spot_balances.held(currency)
        return max(Decimal(0), available - held) if held else available

    def in_flight_asset_balances(self, in_flight_orders: dict[str, InFlightOrder]) -> dict[str, Decimal]:
        """Return what open orders lock, by asset; a market order counts with the price that it would get (F14)."""
        locked: dict[str, Decimal] = {}
        for order in (in_flight_orders or {}).values():
            if order.is_done:
                continue
            asset, amount = self._needed(order, order.amount - order.executed_amount_base)
            locked[asset] = locked.get(asset, Decimal(0)) + amount
        return locked

    def _needed(self, order: InFlightOrder, amount: Decimal) -> "tuple[str, Decimal]":
        """Return (asset, quantity) that an order of this amount takes; fees come out of what it receives."""
        if order.trade_type is TradeType.SELL:
            return order.base_asset, amount
        price = order.price
        if price is None or not price.is_finite():
            price = self._expected_price(order.trading_pair, order.trade_type) or Decimal(0)
        return order.quote_asset, amount * price

    def _hold_funds(self, order: InFlightOrder) -> None:
        self._spot_balances.hold(order.client_order_id, *self._needed(order, order.amount))

    def _on_request_ended(self, order: InFlightOrder) -> None:
        self._spot_balances.request_ended(order.client_order_id)
        self._watch_holds()

    def on_order_ended(self, client_order_id: str) -> None:
        """Stop counting what an order that ended without a fill would have taken; what a fill took is gone."""
        super().on_order_ended(client_order_id)
        order = self.order_tracker.fillable_order(client_order_id)
        if order is None or not order.executed_amount_base:
            self._spot_balances.release(client_order_id)

    def _watch_holds(self) -> None:
        """Ask for the balances when the stream does not tell them, as nothing may stay counted as used for ever."""
        since_s = self._spot_balances.untold_since_s
        if since_s is None or self._holds_timer is not None:
            return
        wait_s = since_s + stream_evidence.ANSWER_LAG_S + LATE_S - time.monotonic()
        self._holds_timer = asyncio.get_running_loop().call_later(max(LATE_S, wait_s), self._look_at_holds)

    def _look_at_holds(self) -> None:
        self._holds_timer = None
        since_s = self._spot_balances.untold_since_s
        if since_s is not None and time.monotonic() >= since_s + stream_evidence.ANSWER_LAG_S:
            self._ask_for_everything()
        else:
            self._watch_holds()

    def _stop_following(self) -> None:
        super()._stop_following()
        if self._holds_timer is not None:
            self._holds_timer.cancel()
            self._holds_timer = None

    def _order_fields(self, order: InFlightOrder) -> dict[str, Any]:
        fields = super()._order_fields(order)
        if self._spot_balances.has_lent and self._spot_balances.needs_redeeming(*self._needed(order, order.amount)):
            # API §4.1; without it the exchange refuses lent funds (F15), and an order may say that it wants just that.
            fields.setdefault("autoLendRedeem", True)
        if not _MOVES_LOANS.isdisjoint(fields):
            self._spot_balances.has_loans = True
        return fields
