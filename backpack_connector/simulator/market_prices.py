"""Update index price, mark price and funding rate of all perpetual markets each second, and let tests set prices."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from backpack_connector.protocol.enums import OrderBookState

from .clock import ms_from_us
from .events import Execution, MarkPricePublished
from .markets import Instrument
from .pricing import Underlying
from .refusals import invalid_request
from .traded_market import TradedMarket

HIGHEST_PRICE = Decimal(10_000_000)

Asset = tuple[str, str]
"""(base, quote): what markets with one underlying have in common."""


def underlyings_of(instruments: Iterable[Instrument]) -> dict[Asset, Underlying]:
    """Return one underlying for all markets with the same base and quote; the first market's seed price counts."""
    underlyings: dict[Asset, Underlying] = {}
    for instrument in instruments:
        underlyings.setdefault((instrument.base, instrument.quote), Underlying(instrument.seed_price))
    return underlyings


class MarketPrices:
    """The first of the exchange's parts: what follows in the same second sees the new prices."""

    def __init__(self, markets: Mapping[str, TradedMarket]) -> None:
        self._markets = markets

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Update the prices of every perpetual market that is not closed, and publish those that are published."""
        events = []
        for market in self._markets.values():
            if market.prices is None or market.state is OrderBookState.CLOSED:
                continue
            is_new = market.prices.update(now_us, market.mid_price, market.state)
            if is_new:
                market.sample_prices(now_us)
            if is_new and market.publishes_mark_price:
                events.append(_published(market, now_us))
        if events:
            yield Execution((), tuple(events))

    def set_index(self, symbol: str, price: Decimal, now_us: int) -> Execution:
        """Set the price of a market's underlying; index and mark price follow at once.

        All markets with the same underlying follow: SOL_USDC_PERP takes SOL_USDC along, if somebody trades there.
        Raises:   Refusal for a symbol that does not exist, and for a price out of all proportion.
        """
        target = self._markets.get(symbol)
        if target is None:
            raise invalid_request("Invalid market symbol")
        affected = [market for market in self._markets.values() if market.underlying is target.underlying]
        lowest = max(market.instrument.tick_size for market in affected)
        if not lowest <= price <= HIGHEST_PRICE:
            raise invalid_request(f"The price must be from {lowest} to {HIGHEST_PRICE}")
        target.underlying.jump(price)
        for market in affected:
            if market.prices is not None:
                market.prices.jump()
        events = [_published(market, now_us) for market in affected if market.publishes_mark_price]
        return Execution((), tuple(events))


def _published(market: TradedMarket, now_us: int) -> MarkPricePublished:
    assert market.prices is not None
    return MarkPricePublished(
        symbol=market.symbol,
        mark_price=market.mark_price,
        index_price=market.index_price,
        funding_rate=market.funding_rate,
        next_funding_ms=ms_from_us(market.prices.next_funding_us),
        time_us=now_us,
    )
