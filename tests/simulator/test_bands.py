"""How far takers may go: price impact, mean mark price, mean premium; what goes further expires."""

from dataclasses import replace
from decimal import Decimal

import pytest

from backpack_connector.protocol.enums import ExpiryReason, Side
from backpack_connector.simulator.bands import taker_limits
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.matching import TakerLimit
from tests.simulator.support import START_US, SYMBOL, FakeClock, instrument, limit, new_exchange

PERP = "SOL_USDC_PERP"
IMPACT = ExpiryReason.PRICE_IMPACT
OUT_OF_BOUNDS = ExpiryReason.PRICE_OUT_OF_BOUNDS


def with_perpetual_quotes(bid: str, ask: str) -> Exchange:
    exchange = new_exchange()
    exchange.place("maker", limit("Bid", bid, "1", symbol=PERP))
    exchange.place("maker", limit("Ask", ask, "1", symbol=PERP))
    return exchange


def test_spot_takers_are_held_by_price_impact_alone() -> None:
    exchange = new_exchange()
    assert taker_limits(exchange.markets[SYMBOL], Side.BID) == []
    exchange.place("maker", limit("Ask", "150", "1"))
    exchange.place("maker", limit("Bid", "140", "1"))
    assert taker_limits(exchange.markets[SYMBOL], Side.BID) == [TakerLimit(Decimal("151.50"), IMPACT)]
    assert taker_limits(exchange.markets[SYMBOL], Side.ASK) == [TakerLimit(Decimal("138.60"), IMPACT)]


def test_perpetual_takers_are_also_held_by_the_means_of_five_minutes() -> None:
    exchange = with_perpetual_quotes("149", "151")
    # Mean mark price 150 x 1.075 and x 0.925; index 150 x (1 + 0 +- 0.05).
    assert taker_limits(exchange.markets[PERP], Side.BID) == [
        TakerLimit(Decimal("152.51"), IMPACT),
        TakerLimit(Decimal("161.250"), OUT_OF_BOUNDS),
        TakerLimit(Decimal("157.50"), OUT_OF_BOUNDS),
    ]
    assert taker_limits(exchange.markets[PERP], Side.ASK) == [
        TakerLimit(Decimal("147.51"), IMPACT),
        TakerLimit(Decimal("138.750"), OUT_OF_BOUNDS),
        TakerLimit(Decimal("142.50"), OUT_OF_BOUNDS),
    ]


def test_a_perpetual_whose_row_has_no_bands_of_the_means_has_none() -> None:
    row = replace(instrument(PERP), mean_mark_band=None, mean_premium_tolerance=None)
    exchange = Exchange([row], clock=FakeClock(), first_id=1)
    exchange.place("maker", limit("Ask", "151", "1", symbol=PERP))
    assert taker_limits(exchange.markets[PERP], Side.BID) == [TakerLimit(Decimal("152.51"), IMPACT)]
    assert taker_limits(exchange.markets[PERP], Side.ASK) == []


def test_the_premium_band_moves_with_index_and_mean_premium() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    exchange.place("maker", limit("Bid", "152", "1", symbol=PERP))
    exchange.place("maker", limit("Ask", "154", "1", symbol=PERP))
    for _ in range(600):
        clock.advance_s(1)
        list(exchange.on_second(clock()))
    prices = exchange.markets[PERP].prices
    assert prices is not None
    assert (prices.mark_price, prices.mean_premium) == (153, Decimal("0.02"))
    assert taker_limits(exchange.markets[PERP], Side.BID)[2].price == Decimal("160.50")  # 150 x (1 + 0.02 + 0.05)
    assert taker_limits(exchange.markets[PERP], Side.ASK)[2].price == Decimal("145.50")


@pytest.mark.parametrize(
    ("ask", "wanted", "filled", "reason"),
    [
        pytest.param("157.50", "3", "2", OUT_OF_BOUNDS, id="up to the band, the rest expires"),
        pytest.param("157.51", "3", "1", OUT_OF_BOUNDS, id="nothing beyond the band"),
        pytest.param("157.51", "1", "1", None, id="within the band it is filled"),
    ],
)
def test_what_a_buyer_cannot_take_expires(ask: str, wanted: str, filled: str, reason: ExpiryReason | None) -> None:
    exchange = new_exchange()
    # The first level decides the price impact band (157 x 1.01), so that the premium band is the stricter one.
    for price in ("157", ask, "158"):
        exchange.place("maker", limit("Ask", price, "1", symbol=PERP))
    order = exchange.place("taker", limit("Bid", "160", wanted, symbol=PERP)).order
    assert (order.executed_quantity, order.expiry_reason) == (Decimal(filled), reason)
    assert order.order_id not in exchange.open_account("taker").open_orders


def test_a_seller_is_held_likewise_and_even_the_best_price_can_be_out_of_bounds() -> None:
    exchange = new_exchange()
    for price in ("142.50", "142.49"):
        exchange.place("maker", limit("Bid", price, "1", symbol=PERP))
    assert exchange.place("taker", limit("Ask", "140", "5", symbol=PERP)).order.executed_quantity == 1
    order = exchange.place("taker", limit("Ask", "140", "5", symbol=PERP)).order
    assert (order.executed_quantity, order.expiry_reason) == (0, OUT_OF_BOUNDS)


def test_a_price_beyond_the_bands_may_rest() -> None:
    exchange = with_perpetual_quotes("149", "170")
    order = exchange.place("taker", limit("Bid", "165", "1", symbol=PERP)).order
    assert order.order_id in exchange.open_account("taker").open_orders


def test_the_mean_mark_band_holds_where_it_is_the_strictest() -> None:
    exchange = new_exchange()
    # BTC: mean mark price 86700 x 1.04 = 90168, premium band 86700 x 1.05, impact 90000 x 1.01.
    for price in ("90000", "90168", "90168.1"):
        exchange.place("maker", limit("Ask", price, "0.001", symbol="BTC_USDC_PERP"))
    order = exchange.place("taker", limit("Bid", "95000", "0.003", symbol="BTC_USDC_PERP")).order
    assert (order.executed_quantity, order.expiry_reason) == (Decimal("0.002"), OUT_OF_BOUNDS)


def test_price_impact_holds_where_it_is_the_strictest() -> None:
    exchange = new_exchange()
    for price in ("150", "151.50", "151.51"):
        exchange.place("maker", limit("Ask", price, "1", symbol=PERP))
    order = exchange.place("taker", limit("Bid", "155", "3", symbol=PERP)).order
    assert (order.executed_quantity, order.expiry_reason) == (2, IMPACT)


def test_a_price_that_was_set_takes_the_bands_along() -> None:
    exchange = new_exchange()
    exchange.prices.set_index(PERP, Decimal(120), START_US)
    exchange.place("maker", limit("Ask", "120", "1", symbol=PERP))
    assert exchange.place("taker", limit("Bid", "120", "1", symbol=PERP)).order.executed_quantity == 1
    exchange.place("maker", limit("Ask", "126.01", "1", symbol=PERP))
    assert exchange.place("taker", limit("Bid", "130", "1", symbol=PERP)).order.expiry_reason is OUT_OF_BOUNDS
