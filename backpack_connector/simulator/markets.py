"""List the simulated instruments: rows in the exchange's own shape, each with the price around which it trades.

BTC_USDC_PERP and SOL_USDC_PERP are captured rows (2026-10-02). ETH_USDC_PERP has the tick, step, margin functions,
mean mark band and open interest limit of a row captured in 2025, and for the rest the values of the BTC row.
AAPL.US_USDC_PERP has the shape of these, the discovery band that was read off its row, and otherwise assumed numbers.
The spot rows have the shape of spot rows captured in 2026: WEN and SPCX.US carry the filters of the official client's
test payloads, the impact band of spot markets is an assumption.
Source: API §2.3 (markets), §5.1, §5.2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from typing import Any

from backpack_connector.protocol.enums import MarketType, OrderBookState
from backpack_connector.protocol.models import MarginFunction, PriceBand
from backpack_connector.protocol.models import Market as Listing
from backpack_connector.protocol.units import decimal_from_text, fraction_from_bps
from backpack_connector.protocol.wire import read

_EQUITIES = frozenset({"STOCK", "INDEX"})


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
    mean_mark_band: PriceBand | None
    mean_premium_tolerance: Decimal | None
    max_update_multiplier: Decimal | None
    min_update_multiplier: Decimal | None
    imf: MarginFunction | None
    """Initial margin; None for markets without positions, likewise `mmf` for maintenance margin (API §5.5)."""
    mmf: MarginFunction | None
    open_interest_limit: Decimal
    """Base units; zero for markets without positions."""
    funding_interval_ms: int | None
    max_funding_rate: Decimal | None
    """Fraction per interval; likewise `min_funding_rate`."""
    min_funding_rate: Decimal | None
    is_equity: bool
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
        mean_mark_band=price.mean_mark_price_band,
        mean_premium_tolerance=None if price.mean_premium_band is None else price.mean_premium_band.tolerance_pct,
        max_update_multiplier=price.max_price_update_multiplier,
        min_update_multiplier=price.min_price_update_multiplier,
        imf=row.imf_function,
        mmf=row.mmf_function,
        open_interest_limit=decimal_from_text(listing["openInterestLimit"]),
        funding_interval_ms=row.funding_interval,
        max_funding_rate=_optional_fraction(row.funding_rate_upper_bound),
        min_funding_rate=_optional_fraction(row.funding_rate_lower_bound),
        is_equity=row.rwa_market_type in _EQUITIES,
        seed_price=seed_price,
        listing=listing,
    )


def _optional_fraction(basis_points: Decimal | None) -> Decimal | None:
    return None if basis_points is None else fraction_from_bps(basis_points)


def load_instruments() -> tuple[Instrument, ...]:
    """Return the instruments that come with the package."""
    text = resources.files(__package__).joinpath("markets.json").read_text(encoding="utf-8")
    return tuple(instrument_of(row["listing"], decimal_from_text(row["seedPrice"])) for row in json.loads(text))


def listing_with_state(instrument: Instrument, state: OrderBookState) -> dict[str, Any]:
    """Return the instrument's row of /markets with the state that its book is in now."""
    return {**instrument.listing, "orderBookState": state.value}
