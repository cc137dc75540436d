"""Answer the signed REST operations: orders, history, account, capital. Source: API §2.2, §2.3, §4.

Each operation is checked in the order of the real exchange: parse, then authenticate, then the engine.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from backpack_connector.protocol.enums import MarketType
from backpack_connector.protocol.errors import ErrorCode

from .accounts import Account
from .clock import us_from_ms
from .collateral import collateral_payload
from .engine import Exchange, Execution
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

_DEFAULT_PAGE = 100
_MAX_PAGE = 1_000
_SETTINGS = ("autoBorrowSettlements", "autoLend", "autoRepayBorrows")


class SortDirection(str, Enum):
    """The direction of a history; newest first unless asked otherwise."""

    ASCENDING = "Asc"
    DESCENDING = "Desc"


class CancelOrderType(str, Enum):
    """Which orders a cancel of all orders means. Source: schema CancelOrderTypeEnum."""

    RESTING_LIMIT_ORDER = "RestingLimitOrder"
    CONDITIONAL_ORDER = "ConditionalOrder"


class Answer(msgspec.Struct, frozen=True):
    """What an operation answers: a body (None is empty), headers, and what happened in the engine."""

    body: Any
    headers: dict[str, str] = {}
    executions: tuple[Execution, ...] = ()


Command = Callable[[str], Answer]
"""The parsed request; it runs when the account that signed is known."""


class Prepared(msgspec.Struct, frozen=True):
    """A parsed request, ready to be authenticated and run."""

    command: Command
    is_delayed: bool = False
    """It waits out the taker delay (API §4.1)."""


class PrivateRest:
    """The signed operations of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.queries: Mapping[str, Callable[[Query], Prepared]] = {
            "get_account": lambda _: Prepared(self.account),
            "get_balances": lambda _: Prepared(self.balances),
            "get_borrow_lend_positions": lambda _: Prepared(lambda _: Answer([])),
            "get_collateral": lambda _: Prepared(self.collateral),
            "get_fills": self.fills,
            "get_open_orders": self.open_orders,
            "get_order": self.order,
            "get_order_history": self.order_history,
            "get_positions": lambda _: Prepared(lambda _: Answer([])),
        }
        self.bodies: Mapping[str, Callable[[Any], Prepared]] = {
            "cancel_open_orders": self.cancel_open_orders,
            "cancel_order": self.cancel_order,
            "execute_order": self.execute_order,
            "execute_order_batch": self.execute_order_batch,
            "update_account_settings": self.update_account_settings,
        }

    def _account(self, account_id: str) -> Account:
        return self._exchange.open_account(account_id)

    def account(self, account_id: str) -> Answer:
        """Answer get_account."""
        return Answer(account_payload(self._account(account_id)))

    def balances(self, account_id: str) -> Answer:
        """Answer get_balances."""
        self._account(account_id)
        return Answer(balances_payload(self._exchange.ledger.balances(account_id)))

    def collateral(self, account_id: str) -> Answer:
        """Answer get_collateral."""
        self._account(account_id)
        return Answer(collateral_payload(self._exchange.ledger.balances(account_id), self._price_of))

    def _price_of(self, asset: str) -> Decimal:
        market = self._exchange.markets.get(f"{asset}_USDC")
        return Decimal(1) if market is None else market.last_price

    def order(self, query: Query) -> Prepared:
        """Answer get_order: resting orders only."""
        symbol, order_id, client_id = query.symbol(), query.text("orderId"), query.client_id()
        _check_ids(order_id, client_id)

        def run(account_id: str) -> Answer:
            order = self._account(account_id).open_order(symbol, order_id, client_id)
            if order is None:
                raise not_found()
            return Answer(order_payload(order))

        return Prepared(run)

    def open_orders(self, query: Query) -> Prepared:
        """Answer get_open_orders."""
        belongs = self._filter(query)
        return Prepared(
            lambda account_id: Answer(
                [order_payload(order) for order in self._account(account_id).open_orders.values() if belongs(order)]
            )
        )

    def _filter(self, query: Query) -> Callable[[Any], bool]:
        """Return what tells whether an order or fill matches `symbol` and `marketType`."""
        symbol = query.text("symbol")
        market_types = query.words("marketType", MarketType)
        if symbol is not None:
            query.symbol()

        def belongs(row: Any) -> bool:
            if symbol is not None and row.symbol != symbol:
                return False
            return not market_types or self._exchange.markets[row.symbol].instrument.market_type in market_types

        return belongs

    def order_history(self, query: Query) -> Prepared:
        """Answer get_order_history; orders that still rest are in it too."""
        belongs, page, order_id = self._filter(query), _Page(query), query.text("orderId")
        return Prepared(
            lambda account_id: page.answer(
                [
                    order
                    for order in self._account(account_id).orders.values()
                    if belongs(order) and order_id in (None, order.order_id)
                ],
                historical_order_payload,
            )
        )

    def fills(self, query: Query) -> Prepared:
        """Answer get_fills; `from` is inclusive and `to` exclusive, both in milliseconds."""
        belongs, page, order_id = self._filter(query), _Page(query), query.text("orderId")
        from_us = us_from_ms(query.integer("from", 0) or 0)
        to_ms = query.integer("to")

        def run(account_id: str) -> Answer:
            fills = [
                fill
                for fill in self._account(account_id).fills
                if belongs(fill)
                and order_id in (None, fill.order_id)
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
        if request.symbol not in self._exchange.markets:
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
        """Answer cancel_open_orders of one market."""
        payload = Payload(body, "OrderCancelAllPayload")
        symbol = payload.symbol()
        kind = payload.word("orderType", CancelOrderType, CancelOrderType.RESTING_LIMIT_ORDER)

        def run(account_id: str) -> Answer:
            if kind is CancelOrderType.CONDITIONAL_ORDER:
                return Answer([])
            execution = self._exchange.cancel_all(account_id, symbol)
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
            account = self._account(account_id)
            account.auto_settings.update(flags)
            if leverage_limit is not None:
                account.leverage_limit = leverage_limit
            return Answer(None)

        return Prepared(run)


def _check_ids(order_id: str | None, client_id: int | None) -> None:
    if order_id is None and client_id is None:
        raise invalid_request("Must specify either `orderId` or `clientId`")


class _Page:
    """One page of a history, with the headers that describe it. Source: API §2.0 (pagination)."""

    def __init__(self, query: Query) -> None:
        self._limit = query.integer("limit", _DEFAULT_PAGE, maximum=_MAX_PAGE) or 0
        self._offset = query.integer("offset", 0) or 0
        self._is_ascending = query.word("sortDirection", SortDirection) is SortDirection.ASCENDING

    def answer(self, rows: list[Any], payload: Callable[[Any], Json]) -> Answer:
        """Return the page of rows that come oldest first."""
        ordered = rows if self._is_ascending else rows[::-1]
        page_size = max(self._limit, 1)
        headers = {
            "X-CURRENT-PAGE": str(self._offset // page_size),
            "X-PAGE-COUNT": str(-(-len(rows) // page_size)),
            "X-PAGE-SIZE": str(self._limit),
            "X-TOTAL": str(len(rows)),
        }
        return Answer([payload(row) for row in ordered[self._offset : self._offset + self._limit]], headers)
