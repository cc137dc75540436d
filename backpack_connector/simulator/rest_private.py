"""Answer the signed REST operations: orders, history, account, capital. Source: API §2.2, §2.3, §4.

Each operation is checked in the order of the real exchange: parse, then authenticate, then the engine.
"""

from collections.abc import Callable, Mapping
from typing import Any

from backpack_connector.protocol.enums import CancelOrderType
from backpack_connector.protocol.errors import ErrorCode

from .accounts import Account
from .answers import FILL_KINDS, Answer, FillType, Page, Prepared, market_filter
from .clock import us_from_ms
from .engine import Exchange
from .events import Execution
from .faults_reads import Reads
from .futures_payloads import collateral_payload
from .orders import NewOrder
from .payloads import (
    Json,
    account_payload,
    balances_payload,
    fill_payload,
    historical_order_payload,
    order_payload,
)
from .refusals import ParseFailure, Refusal, invalid_request, not_found
from .request_forms import MAX_BATCH, Payload, Query, read_new_order
from .rest_capital import CapitalRest
from .rest_futures import FuturesRest
from .rest_lending import LendingRest
from .rest_rfq import RfqRest
from .rest_strategies import StrategiesRest
from .rest_unlisted import UNLISTED_BODIES
from .rest_vaults import VaultsRest

_SETTINGS = ("autoBorrowSettlements", "autoLend", "autoRepayBorrows")


class PrivateRest:
    """The signed operations of one exchange."""

    def __init__(self, exchange: Exchange, reads: Reads) -> None:
        self._exchange = exchange
        self._reads = reads
        rfqs, strategies = RfqRest(exchange), StrategiesRest(exchange)
        capital, vaults = CapitalRest(exchange), VaultsRest(exchange)
        lending = LendingRest(exchange)
        self.queries: Mapping[str, Callable[[Query], Prepared]] = {
            "get_account": lambda _: Prepared(self.account),
            "get_balances": lambda _: Prepared(self.balances),
            "get_collateral": lambda _: Prepared(self.collateral),
            "get_fills": self.fills,
            "get_open_orders": self.open_orders,
            "get_order": self.order,
            "get_order_history": self.order_history,
            **FuturesRest(exchange, reads).queries,
            **lending.queries,
            **rfqs.queries,
            **capital.queries,
            **strategies.queries,
            **vaults.queries,
        }
        self.bodies: Mapping[str, Callable[[Any], Prepared]] = {
            "cancel_open_orders": self.cancel_open_orders,
            "cancel_order": self.cancel_order,
            "execute_order": self.execute_order,
            "execute_order_batch": self.execute_order_batch,
            "update_account_settings": self.update_account_settings,
            **lending.bodies,
            **rfqs.bodies,
            **capital.bodies,
            **strategies.bodies,
            **vaults.bodies,
            **UNLISTED_BODIES,
        }

    def _account(self, account_id: str) -> Account:
        return self._exchange.open_account(account_id)

    def account(self, account_id: str) -> Answer:
        """Answer get_account."""
        return Answer(account_payload(self._account(account_id)))

    def balances(self, account_id: str) -> Answer:
        """Answer get_balances."""
        return Answer(balances_payload(self._reads.account(self._account(account_id), "get_balances").balances))

    def collateral(self, account_id: str) -> Answer:
        """Answer get_collateral."""
        return Answer(collateral_payload(self._reads.account(self._account(account_id), "get_collateral").margin))

    def order(self, query: Query) -> Prepared:
        """Answer get_order: orders that rest or wait for a trigger, no others (API §4.3)."""
        symbol, order_id, client_id = query.symbol(), query.text("orderId"), query.client_id()
        _check_ids(order_id, client_id)

        def run(account_id: str) -> Answer:
            order = self._account(account_id).open_order(symbol, order_id, client_id)
            if order is None:
                raise not_found()
            return Answer(order_payload(order))

        return Prepared(run)

    def open_orders(self, query: Query) -> Prepared:
        """Answer get_open_orders: those that rest and those that wait for a trigger."""
        belongs = self._filter(query)
        return Prepared(
            lambda account_id: Answer(
                [order_payload(order) for order in self._account(account_id).all_open_orders if belongs(order)]
            )
        )

    def _filter(self, query: Query) -> Callable[[Any], bool]:
        """Return what tells whether an order or fill matches `symbol` and `marketType`."""
        belongs = market_filter(query, self._exchange.markets)
        return lambda row: belongs(row.symbol)

    def order_history(self, query: Query) -> Prepared:
        """Answer get_order_history; orders that still rest are in it too."""
        belongs, page, order_id = self._filter(query), Page(query), query.text("orderId")
        strategy_id = query.text("strategyId")
        return Prepared(
            lambda account_id: page.answer(
                [
                    order
                    for order in self._reads.orders(self._account(account_id))
                    if belongs(order)
                    and order_id in (None, order.order_id)
                    and strategy_id in (None, order.strategy_id)
                ],
                historical_order_payload,
            )
        )

    def fills(self, query: Query) -> Prepared:
        """Answer get_fills; `from` is inclusive and `to` exclusive, both in milliseconds."""
        belongs, page, order_id = self._filter(query), Page(query), query.text("orderId")
        strategy_id = query.text("strategyId")
        from_us = us_from_ms(query.integer("from", 0, is_signed=True) or 0)
        to_ms = query.integer("to", is_signed=True)
        fill_type = query.word("fillType", FillType)
        kinds = None if fill_type is None else FILL_KINDS[fill_type]

        def run(account_id: str) -> Answer:
            fills = [
                fill
                for fill in self._reads.fills(self._account(account_id))
                if belongs(fill)
                and (kinds is None or fill.system_order_type in kinds)
                and order_id in (None, fill.order_id)
                and strategy_id in (None, fill.strategy_id)
                and from_us <= fill.time_us
                and (to_ms is None or fill.time_us < us_from_ms(to_ms))
            ]
            return page.answer(fills, fill_payload)

        return Prepared(run)

    def execute_order(self, body: Any) -> Prepared:
        """Answer execute_order."""
        request = read_new_order(body)
        self._check_listed(request)

        def run(account_id: str) -> Answer:
            execution = self._exchange.place(account_id, request)
            return Answer(order_payload(execution.order), executions=(execution,))

        return Prepared(run, is_delayed=not request.post_only)

    def _check_listed(self, request: NewOrder) -> None:
        market = self._exchange.markets.get(request.symbol)
        if market is None or not market.is_listed:
            raise Payload({}, "OrderExecutePayload").failure("MarketSymbol", "Invalid market symbol")

    def execute_order_batch(self, body: Any) -> Prepared:
        """Answer execute_order_batch: all are parsed before any is placed, then each has its own result."""
        if not isinstance(body, list):
            raise ParseFailure('parse request payload error: failed to parse "Array": Expected input type "array"')
        if not 1 <= len(body) <= MAX_BATCH:
            raise invalid_request(f"Batch must contain between 1 and {MAX_BATCH} orders")
        requests = [read_new_order(element) for element in body]
        for request in requests:
            self._check_listed(request)
        # One wait for the whole batch; whether the exchange does the same is unknown (API §6).
        return Prepared(
            lambda account_id: self._place_all(account_id, requests),
            is_delayed=not all(request.post_only for request in requests),
        )

    def _place_all(self, account_id: str, requests: list[NewOrder]) -> Answer:
        results: list[Json] = []
        executions: list[Execution] = []
        for request in requests:
            try:
                execution = self._exchange.place(account_id, request)
            except Refusal as refusal:
                results.append({"code": refusal.code.value, "message": refusal.message, "operation": "Err"})
            else:
                executions.append(execution)
                results.append({**order_payload(execution.order), "operation": "Ok"})
        return Answer(results, executions=tuple(executions))

    def cancel_order(self, body: Any) -> Prepared:
        """Answer cancel_order."""
        payload = Payload(body, "OrderCancelPayload")
        symbol, order_id, client_id = payload.symbol(), payload.order_id(), payload.client_id()
        _check_ids(order_id, client_id)

        def run(account_id: str) -> Answer:
            execution = self._exchange.cancel(account_id, symbol, order_id=order_id, client_id=client_id)
            return Answer(order_payload(execution.order), executions=(execution,))

        return Prepared(run)

    def cancel_open_orders(self, body: Any) -> Prepared:
        """Answer cancel_open_orders of one market; without `orderType` all kinds are meant, as no schema limits it."""
        payload = Payload(body, "OrderCancelAllPayload")
        symbol = payload.symbol()
        kind = payload.optional_word("orderType", CancelOrderType)
        conditional = None if kind is None else kind is CancelOrderType.CONDITIONAL_ORDER

        def run(account_id: str) -> Answer:
            execution = self._exchange.cancel_all(account_id, symbol, conditional=conditional)
            return Answer([order_payload(order) for order in execution.orders], executions=(execution,))

        return Prepared(run)

    def update_account_settings(self, body: Any) -> Prepared:
        """Answer update_account_settings with an empty body."""
        payload = Payload(body, "UpdateAccountSettingsRequest")
        flags = {name: flag for name in _SETTINGS if (flag := payload.flag(name)) is not None}
        leverage_limit = payload.decimal("leverageLimit")
        if leverage_limit is not None and leverage_limit < 1:
            raise Refusal(ErrorCode.INVALID_RANGE, "Leverage limit must be at least 1")

        def run(account_id: str) -> Answer:
            if leverage_limit is not None:
                self._exchange.set_leverage_limit(account_id, leverage_limit)
            self._account(account_id).auto_settings.update(flags)
            return Answer(None)

        return Prepared(run)


def _check_ids(order_id: str | None, client_id: int | None) -> None:
    if order_id is None and client_id is None:
        raise invalid_request("Must specify either `orderId` or `clientId`")
