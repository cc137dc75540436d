"""Bring who asks for a quote and who gives one together, until one of them is taken. Source: API §2.3, §3.4 (RFQ).

Rule 1: an account has one quote for a request at most; its next one takes the place of the last.
Rule 2: only the best quote can be accepted: the lowest ask for who buys, the highest bid for who sells, of equal ones
        the first. Refreshing a request cancels its quotes.
Rule 3: a fill moves everything at once or nothing, and every asset is conserved (ledger.py).

Choices, where nothing is published: quotes are asked for in spot markets (`SOL_USDC_RFQ`), for whole steps of their
base asset; submission and expiry are one and two minutes away, as in the documented example; nothing is held for a
quote, so that the acceptance is refused when one of the two cannot pay; both sides pay their spot fee (taker who asks,
maker who quotes) in the quote asset, whose part for the taker is in the price that it is shown; nobody quotes for
itself; nothing is lent or borrowed on the way; there is no deferred settlement, as no stocks are asked for.
"""

from collections.abc import Iterator
from copy import copy
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from typing import TYPE_CHECKING

from backpack_connector.protocol.enums import MarketType, OrderStatus, Side
from backpack_connector.protocol.errors import ErrorCode
from backpack_connector.protocol.units import fraction_from_bps

from .accounts import Account
from .admission import check_quantity
from .clearing import FEE_QUANTUM
from .clock import us_from_s
from .events import Event, Execution, RfqUpdated
from .ledger import EXACT, Change, InsufficientBalance
from .markets import Instrument
from .orders import ZERO
from .refusals import Refusal, invalid_request
from .rfq_states import ExecutionMode, NewQuote, NewRfq, Quote, Rfq, RfqEvent, RfqFill

if TYPE_CHECKING:
    from .engine import Exchange

SUFFIX = "_RFQ"
_SUBMISSION_US = us_from_s(60)
_EXPIRY_US = us_from_s(120)
_UP = Context(prec=72, rounding=ROUND_CEILING)


class Rfqs:
    """All requests for quotes of one exchange, and the part of it that lets them expire."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self.instruments: dict[str, Instrument] = {
            row.symbol + SUFFIX: row.instrument
            for row in exchange.markets.values()
            if row.instrument.market_type is MarketType.SPOT
        }
        self._open: dict[str, Rfq] = {}
        self._rfqs: dict[str, list[Rfq]] = {}
        """All requests of an account, oldest first; likewise `_quotes`."""
        self._quotes: dict[str, list[Quote]] = {}

    def submit(self, account_id: str, request: NewRfq) -> tuple[Rfq, Execution]:
        """Open a request for quotes, and tell everybody.

        Raises:   Refusal.
        """
        self._check(request)
        now_us = self._exchange.now_us()
        rfq = Rfq(
            rfq_id=self._exchange.next_order_id(),
            account_id=account_id,
            request=request,
            created_us=now_us,
            submission_us=now_us + _SUBMISSION_US,
            expiry_us=now_us + _EXPIRY_US,
        )
        self._open[rfq.rfq_id] = rfq
        self._rfqs.setdefault(account_id, []).append(rfq)
        return rfq, _execution(self._to_asker(RfqEvent.ACCEPTED, rfq, now_us), self._to_all(rfq, now_us))

    def _check(self, request: NewRfq) -> None:
        instrument = self.instruments.get(request.symbol)
        if instrument is None:
            raise invalid_request("Invalid market symbol")
        if (request.quantity is None) == (request.quote_quantity is None):
            raise invalid_request("Must specify either `quantity` or `quoteQuantity`")
        if (request.price is None) == (request.mode is ExecutionMode.IMMEDIATE):
            raise invalid_request("Must specify `price` with execution mode `Immediate`, and with no other")
        numbers = (request.quantity, request.quote_quantity, request.price)
        if any(number is not None and number <= 0 for number in numbers):
            raise invalid_request("Quantities and prices must be positive")
        if request.quantity is not None:
            check_quantity(request.quantity, instrument)

    def quote(self, account_id: str, request: NewQuote) -> tuple[Quote, Execution]:
        """Offer prices for a request; an immediate request takes the first one that is within its price.

        Raises:   Refusal.
        """
        rfq = self._open.get(request.rfq_id)
        if rfq is None:
            raise invalid_request("RFQ not found")
        if rfq.account_id == account_id:
            raise invalid_request("Cannot quote your own RFQ")
        self._check_prices(request, self.instruments[rfq.symbol])
        now_us = self._exchange.now_us()
        quote = Quote(
            quote_id=self._exchange.next_order_id(),
            account_id=account_id,
            symbol=rfq.symbol,
            request=request,
            created_us=now_us,
        )
        events: list[Event] = [_of_quote(RfqEvent.QUOTE_ACCEPTED, rfq, quote, now_us)]
        events += self._end_quotes(rfq, [row for row in rfq.quotes if row.account_id == account_id], now_us)
        self._quotes.setdefault(account_id, []).append(quote)
        rfq.quotes.append(quote)
        if rfq.best_quote is quote:
            events.append(self._candidate(rfq, quote, now_us))
            if rfq.is_within_price(self.taker_price(rfq, quote)):
                events += self._fill_at_once(rfq, quote, now_us)
        return quote, _execution(*events)

    def _check_prices(self, request: NewQuote, instrument: Instrument) -> None:
        if not 0 < request.bid_price <= request.ask_price:
            raise invalid_request("Must specify a positive `bidPrice` that is not above `askPrice`")
        if request.bid_price % instrument.tick_size or request.ask_price % instrument.tick_size:
            raise invalid_request("Price decimal too long")

    def _fill_at_once(self, rfq: Rfq, quote: Quote, now_us: int) -> list[Event]:
        """Fill an immediate request; where somebody cannot pay, it stays open for the next quote."""
        try:
            return self._fill(rfq, quote, now_us)
        except Refusal:
            return []

    def accept(
        self, account_id: str, quote_id: str, *, rfq_id: str | None = None, client_id: int | None = None
    ) -> tuple[Rfq, Execution]:
        """Take the best quote.

        Raises:   Refusal, with nothing changed.
        """
        for rfq in self.open_of(account_id):
            is_meant = rfq_id in (None, rfq.rfq_id) and client_id in (None, rfq.request.client_id)
            quote = rfq.quote(quote_id)
            if is_meant and quote is not None:
                if rfq.best_quote is not quote:
                    raise invalid_request("Only the best quote can be accepted")
                return rfq, _execution(*self._fill(rfq, quote, self._exchange.now_us()))
        raise invalid_request("Quote not found")

    def refresh(self, account_id: str, rfq_id: str) -> tuple[Rfq, Execution]:
        """Cancel the quotes of a request, and give it its time again.

        Raises:   Refusal.
        """
        rfq = self._mine(account_id, rfq_id, None)
        now_us = self._exchange.now_us()
        rfq.submission_us, rfq.expiry_us = now_us + _SUBMISSION_US, now_us + _EXPIRY_US
        events = self._end_quotes(rfq, rfq.quotes, now_us)
        return rfq, _execution(*events, self._to_asker(RfqEvent.REFRESHED, rfq, now_us), self._to_all(rfq, now_us))

    def cancel(self, account_id: str, *, rfq_id: str | None, client_id: int | None) -> tuple[Rfq, Execution]:
        """Cancel a request and its quotes.

        Raises:   Refusal.
        """
        rfq = self._mine(account_id, rfq_id, client_id)
        return rfq, _execution(*self._end(rfq, OrderStatus.CANCELLED, self._exchange.now_us()))

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Let requests expire."""
        for rfq in [row for row in self._open.values() if row.expiry_us <= now_us]:
            yield _execution(*self._end(rfq, OrderStatus.EXPIRED, self._exchange.now_us()))

    def open_of(self, account_id: str) -> list[Rfq]:
        """Return the open requests of an account, oldest first."""
        return [rfq for rfq in self._open.values() if rfq.account_id == account_id]

    def requests_of(self, account_id: str) -> list[Rfq]:
        """Return all requests of an account, oldest first."""
        return self._rfqs.get(account_id, [])

    def quotes_of(self, account_id: str) -> list[Quote]:
        """Return all quotes of an account, oldest first."""
        return self._quotes.get(account_id, [])

    def _mine(self, account_id: str, rfq_id: str | None, client_id: int | None) -> Rfq:
        for rfq in reversed(self.open_of(account_id)):
            if rfq.rfq_id == rfq_id if rfq_id is not None else rfq.request.client_id == client_id:
                return rfq
        raise invalid_request("RFQ not found")

    def _end(self, rfq: Rfq, status: OrderStatus, now_us: int) -> list[Event]:
        events = self._end_quotes(rfq, rfq.quotes, now_us)
        rfq.status = status
        del self._open[rfq.rfq_id]
        return [*events, self._to_asker(RfqEvent.CANCELLED, rfq, now_us)]

    def _end_quotes(self, rfq: Rfq, quotes: list[Quote], now_us: int) -> list[Event]:
        ended = list(quotes)
        for quote in ended:
            quote.status = OrderStatus.CANCELLED
            rfq.quotes.remove(quote)
        return [_of_quote(RfqEvent.QUOTE_CANCELLED, rfq, quote, now_us) for quote in ended]

    def _rate(self, account_id: str, *, is_taker: bool) -> Decimal:
        account = self._exchange.open_account(account_id)
        return fraction_from_bps(account.spot_taker_fee_bps if is_taker else account.spot_maker_fee_bps)

    def taker_price(self, rfq: Rfq, quote: Quote) -> Decimal:
        """Return the price of a quote with the fee of who asked for it. Source: the documented `p` of rfqCandidate."""
        rate = self._rate(rfq.account_id, is_taker=True)
        with localcontext(EXACT):
            return rfq.price_of(quote) * (1 + rate if rfq.request.side is Side.BID else 1 - rate)

    def _quantity(self, rfq: Rfq, taker_price: Decimal) -> Decimal:
        """Return how much base a request is for; one by quote quantity takes the whole steps that it pays for."""
        if rfq.request.quantity is not None:
            return rfq.request.quantity
        assert rfq.request.quote_quantity is not None
        step = self.instruments[rfq.symbol].step_size
        with localcontext(EXACT):
            return rfq.request.quote_quantity // (taker_price * step) * step

    def _fill(self, rfq: Rfq, quote: Quote, now_us: int) -> list[Event]:
        """Exchange the money and end everything; a Refusal has changed nothing."""
        taker_price = self.taker_price(rfq, quote)
        quantity = self._quantity(rfq, taker_price)
        instrument = self.instruments[rfq.symbol]
        if quantity < instrument.min_quantity:
            raise invalid_request("Quantity is below the minimum allowed value")
        with localcontext(EXACT):
            change, fee = self._paid(rfq, quote, quantity, instrument)
            self._check_margin(self._exchange.open_account(rfq.account_id), change)
            self._check_margin(self._exchange.open_account(quote.account_id), change)
            balances = self._exchange.commit(change, now_us)
        fill = RfqFill(
            quantity=quantity,
            price=rfq.price_of(quote),
            taker_price=taker_price,
            fee=fee,
            fee_symbol=instrument.quote,
            time_us=now_us,
        )
        rfq.fill, rfq.status, rfq.filled_by = fill, OrderStatus.FILLED, quote
        quote.fill, quote.status, quote.filled = fill, OrderStatus.FILLED, rfq
        rfq.quotes.remove(quote)
        del self._open[rfq.rfq_id]
        others = self._end_quotes(rfq, rfq.quotes, now_us)
        to_asker = self._to_asker(RfqEvent.FILLED, rfq, now_us, quote=quote, price=taker_price)
        return [to_asker, _of_quote(RfqEvent.FILLED, rfq, quote, now_us, price=fill.price), *others, *balances]

    def _paid(self, rfq: Rfq, quote: Quote, quantity: Decimal, instrument: Instrument) -> tuple[Change, Decimal]:
        """Return the change that a fill makes, and the fee of who quoted, in the quote asset."""
        notional = rfq.price_of(quote) * quantity
        taker_fee, maker_fee = (
            (notional * self._rate(account_id, is_taker=is_taker)).quantize(FEE_QUANTUM, context=_UP)
            for account_id, is_taker in ((rfq.account_id, True), (quote.account_id, False))
        )
        is_buying = rfq.request.side is Side.BID
        buyer, seller = (rfq.account_id, quote.account_id) if is_buying else (quote.account_id, rfq.account_id)
        paid = notional + (taker_fee if is_buying else maker_fee)
        change = self._exchange.ledger.change()
        try:
            change.hold(buyer, instrument.quote, paid)
            change.hold(seller, instrument.base, quantity)
        except InsufficientBalance as error:
            raise Refusal(ErrorCode.INSUFFICIENT_FUNDS, "Insufficient funds") from error
        change.pay(buyer, seller, instrument.quote, paid, taker_fee + maker_fee)
        change.pay(seller, buyer, instrument.base, quantity, ZERO)
        return change, maker_fee

    def _check_margin(self, account: Account, change: Change) -> None:
        """Refuse what takes collateral away from positions that need it, as spot orders are refused (placement.py)."""
        risk = self._exchange.risk
        if not risk.has_risk(account):
            return
        after = risk.margin(account, change=change)
        if after.available < 0 and after.available < risk.margin(account).available:
            raise Refusal(ErrorCode.INSUFFICIENT_MARGIN, "Insufficient margin")

    def _to_asker(
        self, kind: RfqEvent, rfq: Rfq, now_us: int, *, quote: Quote | None = None, price: Decimal | None = None
    ) -> Event:
        return RfqUpdated(
            kind=kind, account_id=rfq.account_id, rfq=copy(rfq), quote=copy(quote), price=price, time_us=now_us
        )

    def _candidate(self, rfq: Rfq, quote: Quote, now_us: int) -> Event:
        return self._to_asker(RfqEvent.CANDIDATE, rfq, now_us, quote=quote, price=self.taker_price(rfq, quote))

    def _to_all(self, rfq: Rfq, now_us: int) -> Event:
        return RfqUpdated(kind=RfqEvent.ACTIVE, account_id=None, rfq=copy(rfq), time_us=now_us)


def _of_quote(kind: RfqEvent, rfq: Rfq, quote: Quote, now_us: int, *, price: Decimal | None = None) -> Event:
    """Return an event for who gave a quote."""
    return RfqUpdated(
        kind=kind, account_id=quote.account_id, rfq=copy(rfq), quote=copy(quote), price=price, time_us=now_us
    )


def _execution(*events: Event) -> Execution:
    return Execution((), events)
