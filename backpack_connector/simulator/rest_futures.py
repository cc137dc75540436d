"""Answer the signed REST operations about positions. Source: API §2.2, §2.3."""

from collections.abc import Callable, Mapping
from enum import Enum

from .accounts import Account
from .answers import Answer, Page, Prepared, market_filter
from .engine import Exchange
from .faults_reads import Reads
from .futures_payloads import (
    closed_position_row,
    funding_payload,
    open_position_row,
    position_payload,
    settlement_payload,
)
from .margin import liquidation_price
from .request_forms import Query


class SettlementSourceFilter(str, Enum):
    """What a settlement history can be asked for. Source: API §2.3 (since 2026-07-17)."""

    BACKSTOP_LIQUIDATION = "BackstopLiquidation"
    FUNDING_PAYMENT = "FundingPayment"
    REALIZE_PNL = "RealizePnl"
    TRADING_FEES = "TradingFees"
    TRADING_FEES_SYSTEM = "TradingFeesSystem"


class PositionState(str, Enum):
    """Source: schema PositionState."""

    OPEN = "Open"
    CLOSED = "Closed"


class FuturesRest:
    """The signed operations of one exchange about perpetual futures."""

    def __init__(self, exchange: Exchange, reads: Reads) -> None:
        self._exchange = exchange
        self._reads = reads
        self.queries: Mapping[str, Callable[[Query], Prepared]] = {
            "get_funding_payments": self.funding_payments,
            "get_position_history": self.position_history,
            "get_positions": self.positions,
            "get_settlement_history": self.settlements,
        }

    def _account(self, account_id: str) -> Account:
        return self._exchange.open_account(account_id)

    def positions(self, query: Query) -> Prepared:
        """Answer get_positions: open ones; an empty list when flat (404 is documented, but never seen).

        Only a query for one symbol gets the liquidation price (API §6, conflict 18).
        """
        belongs, is_single = market_filter(query, self._exchange.markets), query.text("symbol") is not None

        def run(account_id: str) -> Answer:
            view = self._reads.account(self._account(account_id), "get_positions")
            margin = view.margin if is_single else None
            return Answer(
                [
                    position_payload(position, None if margin is None else liquidation_price(margin, position.symbol))
                    for position in view.positions
                    if belongs(position.symbol)
                ]
            )

        return Prepared(run)

    def funding_payments(self, query: Query) -> Prepared:
        """Answer get_funding_payments."""
        belongs, page = market_filter(query, self._exchange.markets), Page(query)

        def run(account_id: str) -> Answer:
            rows = [row for row in self._account(account_id).funding_payments if belongs(row.symbol)]
            return page.answer(rows, funding_payload)

        return Prepared(run)

    def settlements(self, query: Query) -> Prepared:
        """Answer get_settlement_history."""
        source, page = query.word("source", SettlementSourceFilter), Page(query)

        def run(account_id: str) -> Answer:
            rows = self._account(account_id).settlements
            return page.answer(
                [row for row in rows if source is None or row.posting.source.value == source.value], settlement_payload
            )

        return Prepared(run)

    def position_history(self, query: Query) -> Prepared:
        """Answer get_position_history: positions in the order of their opening, open ones with their figures of now."""
        belongs, page = market_filter(query, self._exchange.markets), Page(query)
        state = query.word("state", PositionState)

        def run(account_id: str) -> Answer:
            account, risk = self._account(account_id), self._exchange.risk
            closed = [
                (row.position, closed_position_row(row))
                for row in account.closed_positions
                if state is not PositionState.OPEN
            ]
            still_open = [
                (
                    position,
                    open_position_row(position, risk.view(account, position), account.leverage_limit),
                )
                for position in self._exchange.ledger.positions(account_id).values()
                if state is not PositionState.CLOSED
            ]
            rows = [pair for pair in (*closed, *still_open) if belongs(pair[0].symbol)]
            rows.sort(key=lambda pair: pair[0].opened_us)
            return page.answer([row for _, row in rows], lambda row: row)

        return Prepared(run)
