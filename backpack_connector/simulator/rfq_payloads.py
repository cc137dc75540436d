"""Write requests for quotes and quotes as REST and the stream show them.

Sources: schemas RequestForQuote, Quote, RfqWithQuotes, RequestForQuoteHistorical, QuoteHistorical,
RequestForQuoteFillHistorical, QuoteFillHistorical; the Streams text of the OpenAPI file for `account.rfqUpdate`.
"""

from backpack_connector.protocol.units import decimal_text, iso_from_us

from .clock import ms_from_us
from .events import RfqUpdated
from .payloads import Json, optional_text
from .rfq_states import Quote, Rfq, RfqEvent


def rfq_payload(rfq: Rfq) -> Json:
    """Return a request; all times in milliseconds."""
    return {
        **_common_rfq_fields(rfq),
        "createdAt": ms_from_us(rfq.created_us),
        "expiryTime": ms_from_us(rfq.expiry_us),
        "submissionTime": ms_from_us(rfq.submission_us),
        "systemOrderType": None,
    }


def rfq_with_quotes_payload(rfq: Rfq) -> Json:
    """Return an open request and the quotes that it has."""
    return {"quotes": [quote_payload(quote) for quote in rfq.quotes], "rfq": rfq_payload(rfq)}


def historical_rfq_payload(rfq: Rfq) -> Json:
    """Return a request as the history shows it; all times as text."""
    return {
        **_common_rfq_fields(rfq),
        "createdAt": iso_from_us(rfq.created_us),
        "deferredSettlementQuoteId": None,
        "expiryTime": iso_from_us(rfq.expiry_us),
        "submissionTime": iso_from_us(rfq.submission_us),
    }


def _common_rfq_fields(rfq: Rfq) -> Json:
    request = rfq.request
    return {
        "clientId": request.client_id,
        "executionMode": request.mode.value,
        "price": optional_text(request.price),
        "quantity": optional_text(request.quantity),
        "quoteQuantity": optional_text(request.quote_quantity),
        "rfqId": rfq.rfq_id,
        "side": request.side.value,
        "status": rfq.status.value,
        "symbol": rfq.symbol,
    }


def quote_payload(quote: Quote) -> Json:
    """Return a quote; `createdAt` in milliseconds."""
    return {**_common_quote_fields(quote), "createdAt": ms_from_us(quote.created_us)}


def historical_quote_payload(quote: Quote) -> Json:
    """Return a quote as the history shows it; `createdAt` as text."""
    return {
        **_common_quote_fields(quote),
        "createdAt": iso_from_us(quote.created_us),
        "deferredSettlement": False,
    }


def _common_quote_fields(quote: Quote) -> Json:
    request = quote.request
    return {
        "askPrice": decimal_text(request.ask_price),
        "bidPrice": decimal_text(request.bid_price),
        "clientId": request.client_id,
        "quoteId": quote.quote_id,
        "rfqId": request.rfq_id,
        "status": quote.status.value,
    }


def rfq_fill_payload(rfq: Rfq) -> Json:
    """Return the fill of a request; `fillPrice` has the fee in it."""
    assert rfq.fill is not None
    assert rfq.filled_by is not None
    return {
        "clientId": rfq.request.client_id,
        "createdAt": iso_from_us(rfq.created_us),
        "fillPrice": decimal_text(rfq.fill.taker_price),
        "filledAt": iso_from_us(rfq.fill.time_us),
        "quantity": optional_text(rfq.request.quantity),
        "quoteId": rfq.filled_by.quote_id,
        "quoteQuantity": optional_text(rfq.request.quote_quantity),
        "rfqId": rfq.rfq_id,
        "side": rfq.request.side.value,
        "symbol": rfq.symbol,
        "systemOrderType": None,
    }


def quote_fill_payload(quote: Quote) -> Json:
    """Return the fill of a quote; `side` is what its giver did."""
    assert quote.fill is not None
    assert quote.filled is not None
    return {
        "clientId": quote.request.client_id,
        "createdAt": iso_from_us(quote.created_us),
        "fee": decimal_text(quote.fill.fee),
        "feeSymbol": quote.fill.fee_symbol,
        "fillPrice": decimal_text(quote.fill.price),
        "filledAt": iso_from_us(quote.fill.time_us),
        "quantity": decimal_text(quote.fill.quantity),
        "quoteId": quote.quote_id,
        "rfqId": quote.request.rfq_id,
        "side": quote.filled.request.side.opposite.value,
        "symbol": quote.filled.symbol,
    }


_WITH_TIMES = (RfqEvent.ACCEPTED, RfqEvent.ACTIVE, RfqEvent.REFRESHED, RfqEvent.CANCELLED)


def rfq_update_data(update: RfqUpdated, now_us: int) -> Json:
    """Return what happened to a request or a quote, for the one that it concerns; ids are numbers here.

    `w` and `W` are in milliseconds. Who quotes neither learns the side of a request nor who asked.
    """
    rfq, quote = update.rfq, update.quote
    is_for_asker = update.account_id == rfq.account_id
    data: Json = {
        "E": now_us,
        "R": int(rfq.rfq_id),
        "T": update.time_us,
        "X": (rfq if quote is None or is_for_asker else quote).status.value,
        "e": update.kind.value,
        "s": rfq.symbol,
    }
    if quote is not None:
        data["u"] = int(quote.quote_id)
    if update.price is not None:
        data["p"] = decimal_text(update.price)
    if is_for_asker:
        data["S"] = rfq.request.side.value
    if is_for_asker or quote is None:
        data |= _quantities(rfq)
    if update.kind in _WITH_TIMES:
        data |= {"W": ms_from_us(rfq.expiry_us), "w": ms_from_us(rfq.submission_us)}
    client_id = rfq.request.client_id if is_for_asker else None if quote is None else quote.request.client_id
    return data if client_id is None else {**data, "C": str(client_id)}


def _quantities(rfq: Rfq) -> Json:
    if rfq.request.quantity is not None:
        return {"q": decimal_text(rfq.request.quantity)}
    assert rfq.request.quote_quantity is not None
    return {"Q": decimal_text(rfq.request.quote_quantity)}
