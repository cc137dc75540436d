"""Say how far a taker may trade in a market at this moment; what it may not take expires. Source: API §5.2."""

from decimal import Decimal

from backpack_connector.protocol.enums import ExpiryReason, Side

from .matching import TakerLimit
from .traded_market import TradedMarket


def taker_limits(market: TradedMarket, side: Side) -> list[TakerLimit]:
    """Return the worst prices at which an order of a side may take. Which reason each band gives is an inference.

    Price impact: a multiple of the best price on arrival, in all markets. Mean mark price and mean premium: around the
    means of the last five minutes, in perpetual markets whose row has these bands.
    """
    limits = [(_impact_limit(market, side), ExpiryReason.PRICE_IMPACT)]
    if market.prices is not None:
        limits.append((_mean_mark_limit(market, market.prices.mean_mark_price, side), ExpiryReason.PRICE_OUT_OF_BOUNDS))
        limits.append((_mean_premium_limit(market, market.prices.mean_premium, side), ExpiryReason.PRICE_OUT_OF_BOUNDS))
    return [TakerLimit(price, reason) for price, reason in limits if price is not None]


def _impact_limit(market: TradedMarket, side: Side) -> Decimal | None:
    best = market.book.side(side.opposite).best
    instrument = market.instrument
    multiplier = instrument.max_impact_multiplier if side is Side.BID else instrument.min_impact_multiplier
    return None if best is None or multiplier is None else best.price * multiplier


def _mean_mark_limit(market: TradedMarket, mean_mark_price: Decimal, side: Side) -> Decimal | None:
    band = market.instrument.mean_mark_band
    if band is None:
        return None
    return mean_mark_price * (band.max_multiplier if side is Side.BID else band.min_multiplier)


def _mean_premium_limit(market: TradedMarket, mean_premium: Decimal, side: Side) -> Decimal | None:
    tolerance = market.instrument.mean_premium_tolerance
    if tolerance is None:
        return None
    return market.index_price * (1 + mean_premium + (tolerance if side is Side.BID else -tolerance))
