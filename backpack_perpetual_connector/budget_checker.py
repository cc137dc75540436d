"""Tell strategies which orders the account can afford, by the margin that the exchange will ask."""

from collections import defaultdict
from copy import copy
from decimal import Decimal
from typing import Any

from hummingbot.connector.derivative.perpetual_budget_checker import PerpetualBudgetChecker
from hummingbot.core.data_type.common import TradeType
from hummingbot.core.data_type.order_candidate import PerpetualOrderCandidate
from hummingbot.core.data_type.trade_fee import TokenAmount

ZERO = Decimal(0)


class BackpackBudgetChecker(PerpetualBudgetChecker):
    """Hummingbot's checker with the exchange's margin in place of notional / leverage of the strategy.

    So a strategy with leverage 20 on an account with limit 5 is not promised what the exchange refuses, and an order
    that does not increase the risk needs nothing, not even its fee, as a closing one (F28). Fees are Hummingbot's.
    Candidates of one list count together: bids and asks of one market do not both need margin.
    """

    def __init__(self, exchange: Any) -> None:
        super().__init__(exchange)
        self._planned: dict[tuple[str, TradeType], Decimal] = defaultdict(Decimal)

    def reset_locked_collateral(self) -> None:
        super().reset_locked_collateral()
        self._planned.clear()

    def populate_collateral_entries(self, order_candidate: PerpetualOrderCandidate) -> PerpetualOrderCandidate:
        candidate = super().populate_collateral_entries(order_candidate)
        margin = self._exchange.margin_required(
            candidate.trading_pair,
            candidate.order_side,
            candidate.amount,
            candidate.position_close,
            planned_buys=self._planned[candidate.trading_pair, TradeType.BUY],
            planned_sells=self._planned[candidate.trading_pair, TradeType.SELL],
            price=candidate.price if candidate.price.is_finite() else None,
        )
        if margin > 0:
            candidate.order_collateral = TokenAmount(candidate.order_collateral.token, margin)
        else:
            candidate.order_collateral = candidate.percent_fee_collateral = None
        return candidate

    def adjust_candidate(
        self, order_candidate: PerpetualOrderCandidate, all_or_none: bool = True
    ) -> PerpetualOrderCandidate:
        adjusted = super().adjust_candidate(order_candidate, all_or_none)
        if all_or_none or not adjusted.resized:
            return adjusted
        return self._largest_affordable(order_candidate)

    def _largest_affordable(self, order_candidate: PerpetualOrderCandidate) -> PerpetualOrderCandidate:
        # Margin does not grow in proportion to the quantity: what closes a position is free, large sizes cost more.
        step = self._exchange.get_order_size_quantum(order_candidate.trading_pair, order_candidate.amount)
        affordable_steps, too_many_steps = 0, int(order_candidate.amount / step) + 1
        while too_many_steps - affordable_steps > 1:
            steps = (affordable_steps + too_many_steps) // 2
            if self._is_affordable(self._with_amount(order_candidate, steps * step)):
                affordable_steps = steps
            else:
                too_many_steps = steps
        candidate = self._with_amount(order_candidate, affordable_steps * step)
        candidate.resized = True
        return candidate

    def _with_amount(self, order_candidate: PerpetualOrderCandidate, amount: Decimal) -> PerpetualOrderCandidate:
        candidate = copy(order_candidate)
        candidate.amount = amount
        return self.populate_collateral_entries(candidate)

    def _is_affordable(self, candidate: PerpetualOrderCandidate) -> bool:
        candidate.adjust_from_balances(self._get_available_balances(candidate))
        return not candidate.resized

    def _lock_available_collateral(self, order_candidate: PerpetualOrderCandidate) -> None:
        super()._lock_available_collateral(order_candidate)
        if not order_candidate.position_close:
            self._planned[order_candidate.trading_pair, order_candidate.order_side] += order_candidate.amount
