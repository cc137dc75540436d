"""Answer the signed REST operations about strategies. Source: API §2.2, §2.3 (strategy).

That an unknown strategy is refused as an unknown order is, is a choice; so is that strategies of one market type are
those whose market has it.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from .answers import Answer, Page, Prepared, market_filter
from .engine import Exchange
from .refusals import invalid_request, not_found
from .request_forms import MAX_CLIENT_ID, Payload, Query, read_new_order
from .strategies import NewStrategy
from .strategy_payloads import STRATEGY_TYPE, historical_strategy_payload, strategy_payload

_CREATE = "StrategyCreatePayload"
_MAX_UINT64 = 2**64 - 1
# What an order and a strategy have in common, and go into each of its orders.
_ORDER_FIELDS = (
    "autoBorrow",
    "autoBorrowRepay",
    "autoLend",
    "autoLendRedeem",
    "postOnly",
    "price",
    "quantity",
    "reduceOnly",
    "selfTradePrevention",
    "side",
    "slippageTolerance",
    "slippageToleranceType",
    "symbol",
    "timeInForce",
)


class StrategyTypeEnum(str, Enum):
    """Source: schema StrategyTypeEnum."""

    SCHEDULED = STRATEGY_TYPE


class StrategiesRest:
    """The operations of one exchange about strategies."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.queries: Mapping[str, Callable[[Query], Prepared]] = {
            "get_open_strategies": self.open_strategies,
            "get_strategies_history": self.history,
            "get_strategy": self.strategy,
        }
        self.bodies: Mapping[str, Callable[[Any], Prepared]] = {
            "cancel_open_strategies": self.cancel_all,
            "cancel_strategy": self.cancel,
            "strategy_create": self.create,
        }

    def create(self, body: Any) -> Prepared:
        """Answer strategy_create."""
        request = read_new_strategy(body)
        market = self._exchange.markets.get(request.order.symbol)
        if market is None or not market.is_listed:
            raise Payload({}, _CREATE).failure("MarketSymbol", "Invalid market symbol")

        def run(account_id: str) -> Answer:
            strategy, execution = self._exchange.strategies.create(account_id, request)
            return Answer(strategy_payload(strategy), executions=(execution,))

        return Prepared(run, is_delayed=not request.order.post_only)

    def strategy(self, query: Query) -> Prepared:
        """Answer get_strategy: running ones only."""
        symbol, strategy_id = query.symbol(), query.text("strategyId")
        client_strategy_id = query.integer("clientStrategyId", maximum=MAX_CLIENT_ID)
        _check_ids(strategy_id, client_strategy_id)

        def run(account_id: str) -> Answer:
            strategy = self._exchange.strategies.find(account_id, symbol, strategy_id, client_strategy_id)
            if strategy is None:
                raise not_found()
            return Answer(strategy_payload(strategy))

        return Prepared(run)

    def open_strategies(self, query: Query) -> Prepared:
        """Answer get_open_strategies."""
        belongs = market_filter(query, self._exchange.markets)
        query.word("strategyType", StrategyTypeEnum)
        return Prepared(
            lambda account_id: Answer(
                [strategy_payload(row) for row in self._exchange.strategies.running(account_id) if belongs(row.symbol)]
            )
        )

    def history(self, query: Query) -> Prepared:
        """Answer get_strategies_history: those that are over."""
        belongs, page, strategy_id = market_filter(query, self._exchange.markets), Page(query), query.text("strategyId")

        def run(account_id: str) -> Answer:
            rows = [
                row
                for row in self._exchange.strategies.ended(account_id)
                if belongs(row.symbol) and strategy_id in (None, row.strategy_id)
            ]
            return page.answer(rows, historical_strategy_payload)

        return Prepared(run)

    def cancel(self, body: Any) -> Prepared:
        """Answer cancel_strategy."""
        payload = Payload(body, "StrategyCancelPayload")
        symbol, strategy_id = payload.symbol(), payload.text("strategyId")
        client_strategy_id = _client_strategy_id(payload)
        _check_ids(strategy_id, client_strategy_id)

        def run(account_id: str) -> Answer:
            strategy = self._exchange.strategies.find(account_id, symbol, strategy_id, client_strategy_id)
            if strategy is None:
                raise invalid_request("Strategy not found")
            executions = self._exchange.strategies.cancel([strategy])
            return Answer(strategy_payload(strategy), executions=executions)

        return Prepared(run)

    def cancel_all(self, body: Any) -> Prepared:
        """Answer cancel_open_strategies of one market."""
        payload = Payload(body, "StrategyCancelAllPayload")
        symbol = payload.symbol()
        payload.optional_word("strategyType", StrategyTypeEnum)
        if symbol not in self._exchange.markets:
            raise invalid_request("Invalid market symbol")

        def run(account_id: str) -> Answer:
            strategies = [row for row in self._exchange.strategies.running(account_id) if row.symbol == symbol]
            executions = self._exchange.strategies.cancel(strategies)
            return Answer([strategy_payload(row) for row in strategies], executions=executions)

        return Prepared(run)


def read_new_strategy(body: Any) -> NewStrategy:
    """Read the body of POST /strategy.

    Raises:   ParseFailure, or Refusal for fields that do not go together.
    """
    payload = Payload(body, _CREATE)
    payload.word("strategyType", StrategyTypeEnum)
    fields = {name: value for name, value in payload.fields.items() if name in _ORDER_FIELDS}
    kind = "Market" if fields.get("price") is None else "Limit"
    order = read_new_order({**fields, "orderType": kind}, _CREATE)
    duration_ms, interval_ms = _milliseconds(payload, "duration"), _milliseconds(payload, "interval")
    if order.quantity is None or duration_ms is None or interval_ms is None:
        raise invalid_request("Scheduled strategies must specify `quantity`, `duration` and `interval`")
    return NewStrategy(
        order=order,
        duration_ms=duration_ms,
        interval_ms=interval_ms,
        is_randomized=bool(payload.flag("randomizedIntervalQuantity")),
        client_strategy_id=_client_strategy_id(payload),
    )


def _milliseconds(payload: Payload, field: str) -> int | None:
    number = payload.fields.get(field)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _MAX_UINT64:
        raise payload.failure("integer_uint64", "Expected an integer of 64 bits.")
    return number


def _client_strategy_id(payload: Payload) -> int | None:
    return None if payload.fields.get("clientStrategyId") is None else payload.uint32("clientStrategyId")


def _check_ids(strategy_id: str | None, client_strategy_id: int | None) -> None:
    if strategy_id is None and client_strategy_id is None:
        raise invalid_request("Must specify either `strategyId` or `clientStrategyId`")
