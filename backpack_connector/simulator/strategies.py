"""Run scheduled strategies: one quantity, sent to the book in slices over a time. Source: API §2.2, §2.3 (strategy).

Rule 1: slices are ordinary orders; they come in through the same door as everybody's, and carry the strategy's id.
Rule 2: what a slice did not get is part of the next one, so that the schedule is caught up, also after a pause.
Rule 3: chance plays no part: the same strategy id makes the same randomised slices.

Only the fields and the words of the statuses are published. So these are choices: the first slice is sent with the
creation, and a refusal of it refuses the strategy; slices with a price are limit orders and may rest, the others are
market orders; nothing is held for later slices; a randomised slice is 0.6 to 1.4 times the even one; a slice that
fails for a reason that StrategyCrankCancelReason knows ends the strategy (Terminated); at the end of the duration what
rests is cancelled, and the strategy is Completed when all is filled, otherwise Terminated as Expired.
"""

import random
from collections.abc import Iterator
from decimal import Decimal, localcontext
from enum import Enum
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from backpack_connector.protocol.enums import ExpiryReason, OrderStatus

from .admission import check_order
from .clock import us_from_ms
from .events import Execution
from .ledger import EXACT
from .orders import ZERO, NewOrder, Order
from .refusals import Refusal, invalid_request

if TYPE_CHECKING:
    from .engine import Exchange

MIN_INTERVAL_MS = 1_000
"""A second: the simulator's own step. The exchange's limits are not known; likewise the longest duration."""
MAX_DURATION_MS = 7 * 24 * 60 * 60 * 1_000

# Where the edge between two randomised slices lies: so many percent of an even slice before or behind its even place.
_WIDEST_SHIFT_PCT = 20


class StrategyStatus(str, Enum):
    """Source: schema StrategyStatus."""

    RUNNING = "Running"
    COMPLETED = "Completed"
    CANCELLED = "Cancelled"
    TERMINATED = "Terminated"


class StrategyEnd(str, Enum):
    """Why a strategy was ended by the exchange. Source: schema StrategyCrankCancelReason."""

    EXPIRED = "Expired"
    FILL_OR_KILL = "FillOrKill"
    INSUFFICIENT_BORROWABLE_QUANTITY = "InsufficientBorrowableQuantity"
    INSUFFICIENT_FUNDS = "InsufficientFunds"
    INSUFFICIENT_LIQUIDITY = "InsufficientLiquidity"
    INVALID_PRICE = "InvalidPrice"
    INVALID_QUANTITY = "InvalidQuantity"
    INSUFFICIENT_MARGIN = "InsufficientMargin"
    LIQUIDATION = "Liquidation"
    PRICE_OUT_OF_BOUNDS = "PriceOutOfBounds"
    REDUCE_ONLY_NOT_REDUCED = "ReduceOnlyNotReduced"
    SELF_TRADE_PREVENTION = "SelfTradePrevention"
    UNKNOWN = "Unknown"
    USER_PERMISSIONS = "UserPermissions"


# After these the next slice has another chance.
_PASSING = frozenset(
    {
        ExpiryReason.IMMEDIATE_OR_CANCEL,
        ExpiryReason.POST_ONLY_MODE,
        ExpiryReason.POST_ONLY_TAKER,
        ExpiryReason.PRICE_IMPACT,
        ExpiryReason.SLIPPAGE_TOLERANCE_EXCEEDED,
    }
)
_ENDS = {reason.value: reason for reason in StrategyEnd}


class NewStrategy(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a strategy, parsed but not yet checked."""

    order: NewOrder
    """The order that a single slice with the whole quantity would be."""
    duration_ms: int
    interval_ms: int
    is_randomized: bool = False
    client_strategy_id: int | None = None


class Strategy(msgspec.Struct, kw_only=True):
    """A strategy and what has become of it. Only `Strategies` changes it."""

    strategy_id: str
    account_id: str
    request: NewStrategy
    created_us: int
    status: StrategyStatus = StrategyStatus.RUNNING
    end: StrategyEnd | None = None
    """Why the exchange ended it; None otherwise."""
    slices_sent: int = 0
    orders: list[Order] = []
    """Its orders that are not over; the figures of the others are summed up."""
    finished_quantity: Decimal = ZERO
    finished_quote_quantity: Decimal = ZERO

    @property
    def symbol(self) -> str:
        """Return the symbol of the market."""
        return self.request.order.symbol

    @property
    def quantity(self) -> Decimal:
        """Return what is to be filled in all, in base units."""
        assert self.request.order.quantity is not None
        return self.request.order.quantity

    @property
    def executed_quantity(self) -> Decimal:
        """Return what is filled, in base units."""
        with localcontext(EXACT):
            return self.finished_quantity + sum((order.executed_quantity for order in self.orders), ZERO)

    @property
    def executed_quote_quantity(self) -> Decimal:
        """Return what the fills cost or brought, in quote units."""
        with localcontext(EXACT):
            return self.finished_quote_quantity + sum((order.executed_quote_quantity for order in self.orders), ZERO)

    @property
    def slices(self) -> int:
        """Return how many slices there are."""
        return max(1, self.request.duration_ms // self.request.interval_ms)

    @property
    def ends_us(self) -> int:
        """Return when the duration is over."""
        return self.created_us + us_from_ms(self.request.duration_ms)

    def slices_due(self, now_us: int) -> int:
        """Return how many slices are due by a time; the first is due at the creation."""
        return min(self.slices, (now_us - self.created_us) // us_from_ms(self.request.interval_ms) + 1)

    def scheduled_quantity(self, slices: int, step_size: Decimal) -> Decimal:
        """Return what the first slices are for together, in whole steps."""
        if slices >= self.slices:
            return self.quantity
        shift = 0
        if self.request.is_randomized:
            shift = random.Random(f"{self.strategy_id}:{slices}").randint(-_WIDEST_SHIFT_PCT, _WIDEST_SHIFT_PCT)
        with localcontext(EXACT):
            # Multiplied first, so that the division by the steps is the only one, and rounds down.
            steps = self.quantity * (100 * slices + shift) // (step_size * 100 * self.slices)
            return steps * step_size

    def forget_finished(self) -> None:
        """Sum up the orders that are over."""
        with localcontext(EXACT):
            for order in self.orders:
                if order.status.is_final:
                    self.finished_quantity += order.executed_quantity
                    self.finished_quote_quantity += order.executed_quote_quantity
        self.orders = [order for order in self.orders if not order.status.is_final]


class Strategies:
    """All strategies of one exchange, and the part of it that sends their slices."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self._of_account: dict[str, list[Strategy]] = {}
        self._running: dict[str, Strategy] = {}

    def create(self, account_id: str, request: NewStrategy) -> tuple[Strategy, Execution]:
        """Start a strategy with its first slice.

        Raises:   Refusal, with nothing changed.
        """
        self._check(request)
        strategy = Strategy(
            strategy_id=self._exchange.next_order_id(),
            account_id=account_id,
            request=request,
            created_us=self._exchange.now_us(),
        )
        execution = self._send(strategy, 1)
        self._of_account.setdefault(account_id, []).append(strategy)
        self._running[strategy.strategy_id] = strategy
        self._look_at(strategy)
        return strategy, execution

    def _check(self, request: NewStrategy) -> None:
        market = self._exchange.markets.get(request.order.symbol)
        if market is None:
            raise invalid_request("Invalid market symbol")
        if not MIN_INTERVAL_MS <= request.interval_ms <= request.duration_ms <= MAX_DURATION_MS:
            text = f"`interval` must be from {MIN_INTERVAL_MS} to `duration`, and `duration` up to {MAX_DURATION_MS}"
            raise invalid_request(text)
        check_order(request.order, market.instrument)
        assert request.order.quantity is not None
        slices = max(1, request.duration_ms // request.interval_ms)
        smallest_pct = 100 - 2 * _WIDEST_SHIFT_PCT if request.is_randomized else 100
        if request.order.quantity * smallest_pct < market.instrument.min_quantity * 100 * slices:
            raise invalid_request("Quantity of a slice is below the minimum allowed value")

    def _send(self, strategy: Strategy, slices: int) -> Execution:
        """Send what is due after so many slices and was neither filled nor rests."""
        instrument = self._exchange.markets[strategy.symbol].instrument
        strategy.forget_finished()
        with localcontext(EXACT):
            covered = strategy.executed_quantity + sum((order.remaining for order in strategy.orders), ZERO)
            wanted = strategy.scheduled_quantity(slices, instrument.step_size) - covered
        request = replace(strategy.request.order, quantity=wanted, strategy_id=strategy.strategy_id)
        execution = self._exchange.place(strategy.account_id, request)
        strategy.slices_sent = slices
        account = self._exchange.open_account(strategy.account_id)
        strategy.orders.append(account.orders[execution.orders[0].order_id])
        return execution

    def _look_at(self, strategy: Strategy) -> None:
        """End a strategy when its last order says so, or when everything is filled."""
        for order in strategy.orders:
            if order.status is OrderStatus.EXPIRED and order.expiry_reason not in _PASSING:
                self._end(strategy, StrategyStatus.TERMINATED, _end_of(order.expiry_reason))
        if strategy.status is StrategyStatus.RUNNING and strategy.executed_quantity >= strategy.quantity:
            self._end(strategy, StrategyStatus.COMPLETED)

    def _end(self, strategy: Strategy, status: StrategyStatus, end: StrategyEnd | None = None) -> None:
        strategy.status = status
        strategy.end = end
        self._running.pop(strategy.strategy_id, None)

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Send the slices that are due, and end what is over."""
        for strategy in list(self._running.values()):
            self._look_at(strategy)
            if strategy.status is not StrategyStatus.RUNNING:
                yield from self._withdraw(strategy)
            elif now_us >= strategy.ends_us:
                yield from self._finish(strategy)
            elif (due := strategy.slices_due(now_us)) > strategy.slices_sent:
                yield from self._try(strategy, due)

    def _finish(self, strategy: Strategy) -> Iterator[Execution]:
        """End a strategy whose time is up; slices that a pause of the clock has swallowed are sent first."""
        if strategy.slices_sent < strategy.slices:
            yield from self._try(strategy, strategy.slices)
        if strategy.status is StrategyStatus.RUNNING:
            self._end(strategy, StrategyStatus.TERMINATED, StrategyEnd.EXPIRED)
        yield from self._withdraw(strategy)

    def _try(self, strategy: Strategy, slices: int) -> Iterator[Execution]:
        try:
            execution = self._send(strategy, slices)
        except Refusal as refusal:
            strategy.slices_sent = slices
            if refusal.reason not in _PASSING:
                self._end(strategy, StrategyStatus.TERMINATED, _end_of(refusal.reason))
                yield from self._withdraw(strategy)
            return
        yield execution
        self._look_at(strategy)

    def _withdraw(self, strategy: Strategy) -> Iterator[Execution]:
        """Cancel the orders of a strategy that still rest."""
        for order in list(strategy.orders):
            if not order.status.is_final:
                yield self._exchange.cancel(strategy.account_id, strategy.symbol, order_id=order.order_id)

    def cancel(self, strategies: list[Strategy]) -> tuple[Execution, ...]:
        """Cancel running strategies, with what rests of their orders."""
        executions: list[Execution] = []
        for strategy in strategies:
            self._end(strategy, StrategyStatus.CANCELLED)
            executions += self._withdraw(strategy)
        return tuple(executions)

    def running(self, account_id: str) -> list[Strategy]:
        """Return the running strategies of an account, oldest first."""
        return [row for row in self._of_account.get(account_id, ()) if row.status is StrategyStatus.RUNNING]

    def ended(self, account_id: str) -> list[Strategy]:
        """Return the strategies of an account that are over, oldest first."""
        return [row for row in self._of_account.get(account_id, ()) if row.status is not StrategyStatus.RUNNING]

    def find(
        self, account_id: str, symbol: str, strategy_id: str | None, client_strategy_id: int | None
    ) -> Strategy | None:
        """Return the running strategy that an id names, or None; of a repeated client id the newest."""
        for row in reversed(self.running(account_id)):
            is_meant = (
                row.strategy_id == strategy_id
                if strategy_id is not None
                else row.request.client_strategy_id == client_strategy_id
            )
            if is_meant and row.symbol == symbol:
                return row
        return None


def _end_of(reason: ExpiryReason | None) -> StrategyEnd:
    return StrategyEnd.UNKNOWN if reason is None else _ENDS.get(reason.value, StrategyEnd.UNKNOWN)
