"""Index price, mark price and funding rate: the published rules, by hand-computed numbers and by random walks."""

from dataclasses import replace
from decimal import Decimal
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.protocol.enums import OrderBookState
from backpack_connector.simulator.clock import HOUR_US
from backpack_connector.simulator.markets import Instrument
from backpack_connector.simulator.pricing import FundingInterval, PerpetualPrices, Underlying, funding_rate
from tests.simulator.support import BOUNDED, START_US, instrument

SOL = instrument("SOL_USDC_PERP")
AAPL = instrument("AAPL.US_USDC_PERP")
OPEN = OrderBookState.OPEN
SECOND_US = 10**6
HOUR_END_US = (START_US // HOUR_US + 1) * HOUR_US


class Walk:
    """The prices of SOL_USDC_PERP, second by second."""

    def __init__(self, start_us: int = START_US, row: Instrument = SOL) -> None:
        self.underlying = Underlying(Decimal(150))
        self.now_us = start_us
        self.prices = PerpetualPrices(row, self.underlying, start_us)

    def second(self, mid: Decimal | str | None = None, state: OrderBookState = OPEN) -> Decimal:
        self.now_us += SECOND_US
        assert self.prices.update(self.now_us, None if mid is None else Decimal(mid), state)
        return self.prices.mark_price


def test_without_a_book_mark_and_index_stay_at_the_seed_price() -> None:
    walk = Walk()
    assert [walk.second() for _ in range(3)] == [Decimal(150)] * 3
    assert walk.prices.index_price == 150


def test_the_mark_price_is_the_index_and_a_one_minute_average_of_the_distance_to_the_book() -> None:
    walk = Walk()
    # After k seconds at a distance of 3 the average is 3 x (1 - (59/61)^k): 0.098..., 0.193..., after a minute 2.594...
    marks = [walk.second("153") for _ in range(60)]
    assert (marks[0], marks[1], marks[-1]) == (Decimal("150.10"), Decimal("150.19"), Decimal("152.59"))
    assert walk.prices.premium == (Decimal("152.59") - 150) / 150


def test_a_book_that_has_lost_a_side_for_more_than_a_minute_counts_no_longer() -> None:
    walk = Walk()
    for _ in range(60):
        kept = walk.second("150.6")
    assert kept == Decimal("150.52")
    assert {walk.second() for _ in range(60)} == {kept}
    marks = [walk.second() for _ in range(2)]
    assert marks[-1] == 150
    assert walk.second("150.6") == Decimal("150.02")


def test_the_index_follows_the_underlying_no_faster_than_its_cap() -> None:
    walk = Walk()
    walk.underlying.drift = Decimal("0.01")
    walk.second()
    assert walk.prices.index_price == Decimal("150.375")  # x 1.0025
    for _ in range(3):
        walk.second()
    assert walk.prices.index_price == Decimal("151.5")
    walk.underlying.drift = Decimal("-0.01")
    walk.second()
    assert walk.prices.index_price == Decimal("151.12125")  # x 0.9975


def test_a_row_without_caps_and_bounds_has_none() -> None:
    row = replace(
        SOL,
        max_update_multiplier=None,
        min_update_multiplier=None,
        max_funding_rate=None,
        min_funding_rate=None,
    )
    walk = Walk(row=row)
    for drift in ("0.5", "-0.5"):
        walk.underlying.drift = Decimal(drift)
        assert walk.second() == walk.prices.index_price == 150 * (1 + Decimal(drift))
    assert funding_rate(row, Decimal("0.09")) == Decimal("0.0111875")
    assert funding_rate(row, Decimal("-0.09")) == Decimal("-0.0111875")


def test_a_mark_price_is_a_whole_number_of_ticks_and_an_index_has_eight_decimals_at_most() -> None:
    walk = Walk()
    walk.underlying.drift = Decimal("0.00001234567")
    assert walk.second("150.003") == Decimal("150.00")
    assert walk.prices.index_price == Decimal("150.00185185")


def test_a_market_that_only_posts_is_marked_at_its_index() -> None:
    walk = Walk()
    assert {walk.second("153", OrderBookState.POST_ONLY) for _ in range(20)} == {Decimal(150)}


@BOUNDED
@given(
    st.lists(st.tuples(st.none() | st.decimals(1, 500, places=2), st.decimals("-0.2", "0.2", places=6)), max_size=60)
)
def test_no_update_goes_beyond_its_cap_or_its_distance_from_the_index(
    seconds: list[tuple[Decimal | None, Decimal]],
) -> None:
    walk = Walk()
    half_a_tick = SOL.tick_size / 2
    for mid, drift in seconds:
        mark, index = walk.prices.mark_price, walk.prices.index_price
        walk.underlying.drift = drift
        walk.second(mid)
        now = walk.prices
        rounding = Decimal("0.000000005")
        assert index * Decimal("0.9975") - rounding <= now.index_price <= index * Decimal("1.0025") + rounding
        assert mark * Decimal("0.9975") - half_a_tick <= now.mark_price <= mark * Decimal("1.0025") + half_a_tick
        assert abs(now.mark_price - now.index_price) <= now.index_price / 20 + half_a_tick
        assert now.mark_price % SOL.tick_size == 0


def test_the_distance_from_the_index_ends_at_five_percent() -> None:
    walk = Walk()
    for _ in range(300):
        walk.second("300")
    assert walk.prices.mark_price == Decimal("157.50")
    for _ in range(600):
        walk.second("20")
    assert walk.prices.mark_price == Decimal("142.50")


def test_there_is_one_update_a_second() -> None:
    walk = Walk()
    walk.second("153")
    assert not walk.prices.update(walk.now_us + 1, Decimal(160), OPEN)
    assert walk.prices.mark_price == Decimal("150.10")


@pytest.mark.parametrize(
    ("row", "premium", "rate"),
    [
        pytest.param(SOL, "0", "0.0000125", id="quiet"),
        pytest.param(AAPL, "0", "0.00000625", id="quiet equity"),
        # The interest pulls the premium back to 0.01 % as long as they are no more than 0.05 % apart.
        pytest.param(SOL, "0.0006", "0.0000125", id="premium within the correction"),
        pytest.param(SOL, "-0.0004", "0.0000125", id="discount within the correction"),
        pytest.param(SOL, "0.0007", "0.000025", id="premium: (0.0007 - 0.0005) / 8"),
        pytest.param(SOL, "-0.001", "-0.0000625", id="discount: (-0.001 + 0.0005) / 8"),
        pytest.param(AAPL, "0.0007", "0.000025", id="equity beyond the correction"),
        pytest.param(SOL, "0.09", "0.01", id="cap of 100 basis points"),
        pytest.param(SOL, "-0.09", "-0.01", id="floor of 100 basis points"),
    ],
)
def test_the_funding_rate_of_a_mean_premium(row: object, premium: str, rate: str) -> None:
    assert funding_rate(row, Decimal(premium)) == Decimal(rate)  # type: ignore[arg-type]


def test_the_running_rate_averages_the_premiums_of_its_interval() -> None:
    walk = Walk()
    assert walk.prices.funding_rate == Decimal("0.0000125")
    premiums = []
    for mid in ["151"] * 30 + ["149"] * 10 + [None] * 5:
        walk.second(mid)
        premiums.append(walk.prices.premium)
    assert abs(walk.prices.funding_rate - funding_rate(SOL, mean(premiums))) < Decimal("1e-24")
    assert walk.prices.funding_rate != funding_rate(SOL, premiums[-1])


def test_an_interval_ends_at_the_full_hour_with_a_rate_of_nine_decimals() -> None:
    walk = Walk(HOUR_END_US - 37 * SECOND_US)
    assert walk.prices.next_funding_us == HOUR_END_US
    premiums = []
    for _ in range(37):
        assert walk.prices.settled_funding == []
        walk.second("151")
        premiums.append(walk.prices.premium)
    rate = funding_rate(SOL, mean(premiums))
    rounded = rate.quantize(Decimal("0.000000001"))
    assert rate.quantize(Decimal("0.0000000001")) != rounded > Decimal("0.0000125")
    assert walk.prices.settled_funding == [FundingInterval(HOUR_END_US, rounded)]
    # The next interval starts from nothing.
    assert walk.prices.next_funding_us == HOUR_END_US + HOUR_US
    assert walk.prices.funding_rate == Decimal("0.0000125")


def test_each_interval_has_its_own_row() -> None:
    walk = Walk(HOUR_END_US - SECOND_US)
    for hour in range(3):
        walk.now_us = HOUR_END_US + hour * HOUR_US - SECOND_US
        walk.second()
    quiet = Decimal("0.0000125").quantize(Decimal("0.000000001"))
    assert walk.prices.settled_funding == [FundingInterval(HOUR_END_US + hour * HOUR_US, quiet) for hour in range(3)]


def test_means_reach_back_five_minutes() -> None:
    walk = Walk()
    assert (walk.prices.mean_mark_price, walk.prices.mean_premium) == (150, 0)
    marks, premiums = [], []
    for number in range(400):
        walk.underlying.drift = Decimal(number) / 100_000
        marks.append(walk.second("151"))
        premiums.append(walk.prices.premium)
    assert walk.prices.mean_mark_price == mean(marks[-300:])
    assert abs(walk.prices.mean_premium - mean(premiums[-300:])) < Decimal("1e-24")
    walk.now_us += 250 * SECOND_US
    marks.append(walk.second("151"))
    assert walk.prices.mean_mark_price == mean(marks[-50:])


def test_a_price_that_is_set_is_there_at_once_and_no_average_remembers_the_old_one() -> None:
    walk = Walk()
    for _ in range(100):
        walk.second("151")
    walk.underlying.drift = Decimal("0.001")
    walk.underlying.jump(Decimal("100.004"))
    walk.prices.jump()
    prices = walk.prices
    assert (prices.index_price, prices.mark_price) == (Decimal("100.004"), Decimal("100.00"))
    assert (prices.mean_mark_price, prices.mean_premium) == (Decimal("100.00"), 0)
    assert walk.second("100.004") == Decimal("100.00")
