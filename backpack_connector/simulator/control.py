"""Read what a test asks of the simulator itself: a later time, or another price. No part of Backpack's interface."""

from decimal import Decimal
from typing import Any

from .clock import MAX_ADVANCE_S
from .refusals import invalid_request
from .request_forms import Payload


def read_advance(value: Any) -> float:
    """Read `{"advanceSeconds": 3600}`.

    Raises:   Refusal, or ParseFailure when the body is no object.
    """
    seconds = Payload(value, "ClockPayload").fields.get("advanceSeconds")
    # Numbers with a point arrive as Decimal.
    if isinstance(seconds, (int, Decimal)) and not isinstance(seconds, bool) and 0 <= seconds <= MAX_ADVANCE_S:
        return float(seconds)
    raise invalid_request(f"advanceSeconds must be a number from 0 to {MAX_ADVANCE_S}")


def read_index_price(value: Any) -> tuple[str, Decimal]:
    """Read `{"symbol": "SOL_USDC_PERP", "indexPrice": "151.2"}`.

    Raises:   Refusal, or ParseFailure in the form of the exchange's own bodies.
    """
    payload = Payload(value, "PricePayload")
    price = payload.decimal("indexPrice")
    if price is None:
        raise invalid_request("Must specify an `indexPrice`")
    return payload.symbol(), price
