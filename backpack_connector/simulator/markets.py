"""List the simulated instruments: rows in the exchange's own shape, each with the price around which it trades.

The two perpetuals are captured rows (2026-10-02). The spot rows have the shape of spot rows captured in 2026: WEN and
SPCX.US carry the filters of the official client's test payloads, the impact band of spot markets is an assumption.
Source: API §2.3 (markets), §5.1, §5.2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from typing import Any

from backpack_connector.protocol.enums import MarketType, OrderBookState
from backpack_connector.protocol.models import Market as Listing
from backpack_connector.protocol.units import decimal_from_text
from backpack_connector.protocol.wire import read


@dataclass(frozen=True)
class Instrument:
    """What can be traded, and its filters. Source: API §5.2."""

    symbol: str
    base: str
    quote: str
    market_type: MarketType
    state: OrderBookState
    tick_size: Decimal
    step_size: Decimal
    min_price: Decimal
    max_price: Decimal | None
    min_quantity: Decimal
    max_quantity: Decimal | None
    max_multiplier: Decimal | None
    min_multiplier: Decimal | None
    max_impact_multiplier: Decimal | None
    min_impact_multiplier: Decimal | None
    seed_price: Decimal
    """Last price before the simulation began."""
    listing: Mapping[str, Any]
    """The row of GET /api/v1/markets."""


def instrument_of(listing: Mapping[str, Any], seed_price: Decimal) -> Instrument:
    """Return the instrument that a row of /markets describes.

    Raises:   WireFormatError when the row lacks something.
    """
    row = read(Listing, listing, "get_markets")
    price, quantity = row.filters.price, row.filters.quantity
    return Instrument(
        symbol=row.symbol,
        base=row.base_symbol,
        quote=row.quote_symbol,
        market_type=MarketType(row.market_type),
        state=OrderBookState(row.order_book_state),
        tick_size=price.tick_size,
        step_size=quantity.step_size,
        min_price=price.min_price,
        max_price=price.max_price,
        min_quantity=quantity.min_quantity,
        max_quantity=quantity.max_quantity,
        max_multiplier=price.max_multiplier,
        min_multiplier=price.min_multiplier,
        max_impact_multiplier=price.max_impact_multiplier,
        min_impact_multiplier=price.min_impact_multiplier,
        seed_price=seed_price,
        listing=listing,
    )


def load_instruments() -> tuple[Instrument, ...]:
    """Return the instruments that come with the package."""
    text = resources.files(__package__).joinpath("markets.json").read_text(encoding="utf-8")
    return tuple(instrument_of(row["listing"], decimal_from_text(row["seedPrice"])) for row in json.loads(text))


def listing_with_state(instrument: Instrument, state: OrderBookState) -> dict[str, Any]:
    """Return the instrument's row of /markets with the state that its book is in now."""
    return {**instrument.listing, "orderBookState": state.value}
