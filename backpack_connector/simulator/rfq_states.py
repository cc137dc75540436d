"""Define requests for quotes, quotes and what fills them. Source: API §2.3 (RFQ) and the schemas of that name."""

from decimal import Decimal
from enum import Enum

import msgspec

from backpack_connector.protocol.enums import OrderStatus, Side


class ExecutionMode(str, Enum):
    """How a request takes a quote. Source: schema RfqExecutionMode."""

    AWAIT_ACCEPT = "AwaitAccept"
    IMMEDIATE = "Immediate"


class RfqEvent(str, Enum):
    """What the stream tells. Source: API §3.4; rfqAcceptedBinding belongs to stocks, which are not simulated."""

    ACCEPTED = "rfqAccepted"
    ACTIVE = "rfqActive"
    CANCELLED = "rfqCancelled"
    CANDIDATE = "rfqCandidate"
    FILLED = "rfqFilled"
    REFRESHED = "rfqRefreshed"
    QUOTE_ACCEPTED = "quoteAccepted"
    QUOTE_CANCELLED = "quoteCancelled"


class NewRfq(msgspec.Struct, frozen=True, kw_only=True):
    """A request for quotes, parsed but not yet checked."""

    symbol: str
    side: Side
    quantity: Decimal | None = None
    """Base units."""
    quote_quantity: Decimal | None = None
    """Quote units, fee included."""
    mode: ExecutionMode = ExecutionMode.AWAIT_ACCEPT
    price: Decimal | None = None
    """The worst price, fee included, that an immediate request takes."""
    client_id: int | None = None


class NewQuote(msgspec.Struct, frozen=True, kw_only=True):
    """A quote, parsed but not yet checked."""

    rfq_id: str
    bid_price: Decimal
    ask_price: Decimal
    client_id: int | None = None


class RfqFill(msgspec.Struct, frozen=True, kw_only=True):
    """What was exchanged."""

    quantity: Decimal
    """Base units."""
    price: Decimal
    """As it was quoted."""
    taker_price: Decimal
    """With the fee of who asked."""
    fee: Decimal
    """Of who quoted."""
    fee_symbol: str
    time_us: int


class Quote(msgspec.Struct, kw_only=True, eq=False):
    """A quote and what has become of it. Only `Rfqs` changes it; events carry copies."""

    quote_id: str
    account_id: str
    symbol: str
    """Of the request that it is for."""
    request: NewQuote
    created_us: int
    status: OrderStatus = OrderStatus.NEW
    fill: RfqFill | None = None
    filled: "Rfq | None" = None
    """The request that it filled."""


class Rfq(msgspec.Struct, kw_only=True, eq=False):
    """A request for quotes and what has become of it. Only `Rfqs` changes it; events carry copies."""

    rfq_id: str
    account_id: str
    request: NewRfq
    created_us: int
    submission_us: int
    """By when quotes should be there."""
    expiry_us: int
    status: OrderStatus = OrderStatus.NEW
    quotes: list[Quote] = []
    """That can be accepted, oldest first."""
    fill: RfqFill | None = None
    filled_by: Quote | None = None

    @property
    def symbol(self) -> str:
        """Return the symbol, which ends in `_RFQ`."""
        return self.request.symbol

    def price_of(self, quote: Quote) -> Decimal:
        """Return the side of a quote that counts: the ask for who buys."""
        return quote.request.ask_price if self.request.side is Side.BID else quote.request.bid_price

    @property
    def best_quote(self) -> Quote | None:
        """Return the quote that can be accepted, or None; of equal ones the first."""
        if not self.quotes:
            return None
        choose = min if self.request.side is Side.BID else max
        return choose(self.quotes, key=self.price_of)

    def quote(self, quote_id: str) -> Quote | None:
        """Return one of the quotes, or None."""
        return next((quote for quote in self.quotes if quote.quote_id == quote_id), None)

    def is_within_price(self, price: Decimal) -> bool:
        """Tell whether an immediate request takes a price."""
        limit = self.request.price
        if limit is None:
            return False
        return price <= limit if self.request.side is Side.BID else price >= limit
