"""Answer the signed REST operations about requests for quotes. Source: API §2.2, §2.3 (RFQ)."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from backpack_connector.protocol.enums import OrderStatus, Side

from .answers import Answer, Page, Prepared
from .engine import Exchange
from .refusals import invalid_request
from .request_forms import Payload, Query
from .rfq_payloads import (
    historical_quote_payload,
    historical_rfq_payload,
    quote_fill_payload,
    quote_payload,
    rfq_fill_payload,
    rfq_payload,
    rfq_with_quotes_payload,
)
from .rfq_states import ExecutionMode, NewQuote, NewRfq

_AUTO_FIELDS = ("autoBorrow", "autoBorrowRepay", "autoLend", "autoLendRedeem")
_T = TypeVar("_T")


class RfqFillType(str, Enum):
    """What the fills of requests can be asked for; the exchange itself asks for no quotes here."""

    USER = "User"
    COLLATERAL_CONVERSION = "CollateralConversion"


class RfqRest:
    """The operations of one exchange about requests for quotes."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.queries: Mapping[str, Callable[[Query], Prepared]] = {
            "get_open_rfqs": self.open_rfqs,
            "get_quote_fill_history": self.quote_fills,
            "get_quote_history": self.quotes,
            "get_rfq_fill_history": self.rfq_fills,
            "get_rfq_history": self.rfqs,
        }
        self.bodies: Mapping[str, Callable[[Any], Prepared]] = {
            "accept_quote": self.accept,
            "cancel_rfq": self.cancel,
            "refresh_rfq": self.refresh,
            "submit_quote": self.submit_quote,
            "submit_rfq": self.submit_rfq,
        }

    def submit_rfq(self, body: Any) -> Prepared:
        """Answer submit_rfq."""
        payload = Payload(body, "RequestForQuotePayload")
        _check_flags(payload)
        request = NewRfq(
            symbol=payload.symbol(),
            side=payload.word("side", Side),
            quantity=payload.decimal("quantity"),
            quote_quantity=payload.decimal("quoteQuantity"),
            mode=payload.word("executionMode", ExecutionMode, ExecutionMode.AWAIT_ACCEPT),
            price=payload.decimal("price"),
            client_id=payload.client_id(),
        )

        def run(account_id: str) -> Answer:
            rfq, execution = self._exchange.rfqs.submit(account_id, request)
            return Answer(rfq_payload(rfq), executions=(execution,))

        return Prepared(run)

    def submit_quote(self, body: Any) -> Prepared:
        """Answer submit_quote."""
        payload = Payload(body, "QuotePayload")
        _check_flags(payload)
        request = NewQuote(
            rfq_id=payload.required_text("rfqId"),
            bid_price=payload.required_decimal("bidPrice"),
            ask_price=payload.required_decimal("askPrice"),
            client_id=payload.client_id(),
        )

        def run(account_id: str) -> Answer:
            quote, execution = self._exchange.rfqs.quote(account_id, request)
            return Answer(quote_payload(quote), executions=(execution,))

        return Prepared(run)

    def accept(self, body: Any) -> Prepared:
        """Answer accept_quote with the filled request."""
        payload = Payload(body, "QuoteAcceptPayload")
        quote_id, rfq_id, client_id = payload.required_text("quoteId"), payload.text("rfqId"), payload.client_id()

        def run(account_id: str) -> Answer:
            rfq, execution = self._exchange.rfqs.accept(account_id, quote_id, rfq_id=rfq_id, client_id=client_id)
            return Answer(rfq_payload(rfq), executions=(execution,))

        return Prepared(run)

    def refresh(self, body: Any) -> Prepared:
        """Answer refresh_rfq."""
        rfq_id = Payload(body, "RequestForQuoteRefreshPayload").required_text("rfqId")

        def run(account_id: str) -> Answer:
            rfq, execution = self._exchange.rfqs.refresh(account_id, rfq_id)
            return Answer(rfq_payload(rfq), executions=(execution,))

        return Prepared(run)

    def cancel(self, body: Any) -> Prepared:
        """Answer cancel_rfq."""
        payload = Payload(body, "RequestForQuoteCancelPayload")
        rfq_id, client_id = payload.text("rfqId"), payload.client_id()
        if rfq_id is None and client_id is None:
            raise invalid_request("Must specify either `rfqId` or `clientId`")

        def run(account_id: str) -> Answer:
            rfq, execution = self._exchange.rfqs.cancel(account_id, rfq_id=rfq_id, client_id=client_id)
            return Answer(rfq_payload(rfq), executions=(execution,))

        return Prepared(run)

    def open_rfqs(self, query: Query) -> Prepared:
        """Answer get_open_rfqs: the account's own."""
        symbol, rfq_id, is_deferred = query.text("symbol"), query.integer("rfqId"), query.flag("deferredSettlement")
        query.integer("subaccountId", maximum=2**16 - 1)

        def run(account_id: str) -> Answer:
            rows = [
                rfq_with_quotes_payload(rfq)
                for rfq in self._exchange.rfqs.open_of(account_id)
                if symbol in (None, rfq.symbol) and rfq_id in (None, int(rfq.rfq_id)) and not is_deferred
            ]
            return Answer(rows)

        return Prepared(run)

    def rfqs(self, query: Query) -> Prepared:
        """Answer get_rfq_history: requests that are filled, cancelled or expired."""
        rfq_id, side, status = query.text("rfqId"), query.word("side", Side), query.word("status", OrderStatus)
        return self._history(
            query,
            self._exchange.rfqs.requests_of,
            lambda row: (
                row.status.is_final
                and _fits((rfq_id, row.rfq_id), (side, row.request.side), (status, row.status))
                and _fits((query.text("symbol"), row.symbol))
            ),
            historical_rfq_payload,
        )

    def rfq_fills(self, query: Query) -> Prepared:
        """Answer get_rfq_fill_history."""
        quote_id, side = query.text("quoteId"), query.word("side", Side)
        is_none = query.word("fillType", RfqFillType) is RfqFillType.COLLATERAL_CONVERSION
        return self._history(
            query,
            self._exchange.rfqs.requests_of,
            lambda row: (
                row.filled_by is not None
                and not is_none
                and _fits((quote_id, row.filled_by.quote_id), (side, row.request.side))
                and _fits((query.text("symbol"), row.symbol))
            ),
            rfq_fill_payload,
        )

    def quotes(self, query: Query) -> Prepared:
        """Answer get_quote_history: quotes that are filled or cancelled."""
        quote_id, status = query.text("quoteId"), query.word("status", OrderStatus)
        return self._history(
            query,
            self._exchange.rfqs.quotes_of,
            lambda row: (
                row.status.is_final
                and _fits((quote_id, row.quote_id), (status, row.status), (query.text("symbol"), row.symbol))
            ),
            historical_quote_payload,
        )

    def quote_fills(self, query: Query) -> Prepared:
        """Answer get_quote_fill_history."""
        quote_id, side, symbol = query.text("quoteId"), query.word("side", Side), query.text("symbol")
        return self._history(
            query,
            self._exchange.rfqs.quotes_of,
            lambda row: (
                row.filled is not None
                and _fits((quote_id, row.quote_id), (symbol, row.symbol))
                and _fits((side, row.filled.request.side.opposite))
            ),
            quote_fill_payload,
        )

    def _history(
        self,
        query: Query,
        rows_of: Callable[[str], list[_T]],
        belongs: Callable[[_T], bool],
        payload: Callable[[_T], dict[str, Any]],
    ) -> Prepared:
        page, is_deferred = Page(query), query.flag("deferredSettlement")
        return Prepared(
            lambda account_id: page.answer(
                [row for row in rows_of(account_id) if not is_deferred and belongs(row)], payload
            )
        )


def _fits(*pairs: tuple[Any, Any]) -> bool:
    """Tell whether everything that was asked for is what is there; None asks for nothing."""
    return all(wanted is None or wanted == found for wanted, found in pairs)


def _check_flags(payload: Payload) -> None:
    """Read the flags of lending and borrowing, which change nothing here (rfq.py)."""
    for name in _AUTO_FIELDS:
        payload.flag(name)
