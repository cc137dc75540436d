"""What an account was worth over time: the right figure, and never more than so many points."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from backpack_connector.simulator.equity import MAX_POINTS, SAMPLE_INTERVAL_US, Curve, EquityCurves, worth
from backpack_connector.simulator.margin import margin_of
from tests.simulator.support import BOUNDED, FakeClock, limit, market, new_exchange


def test_an_account_is_worth_its_assets_at_full_price_and_its_profit() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    account = exchange.open_account("alice")
    exchange.open_account("bob")
    before = worth(exchange.risk.margin(account))
    faucet = exchange.accounts.faucet
    expected = sum((amount * exchange.risk.price_of(asset) for asset, amount in faucet.items()), Decimal(0))
    assert before == expected
    exchange.place("bob", limit("Ask", "150", "2", symbol="SOL_USDC_PERP"))
    exchange.place("alice", market("Bid", "2", symbol="SOL_USDC_PERP"))
    mark = exchange.markets["SOL_USDC_PERP"].mark_price
    fees = account.fills[-1].fee
    assert worth(exchange.risk.margin(account)) == before + 2 * (mark - 150) - fees


def test_samples_are_taken_of_users_and_not_of_the_exchange() -> None:
    clock = FakeClock()
    exchange = new_exchange(clock)
    exchange.open_account("alice")
    exchange.accounts.open_background("flow", clock(), {"USDC": Decimal(1)})
    curves = EquityCurves(exchange)
    assert [account.account_id for account in curves.accounts()] == ["alice"]
    for _ in range(11):
        curves.sample(clock())
        clock.advance_s(1)
    assert [time_us - curves.of("alice")[0][0] for time_us, _ in curves.of("alice")] == [
        0,
        SAMPLE_INTERVAL_US,
        2 * SAMPLE_INTERVAL_US,
    ]
    assert (curves.of("flow"), curves.of("nobody")) == ((), ())


@BOUNDED
@given(st.lists(st.integers(1, 40_000_000), max_size=3_000))
def test_a_curve_is_bounded_and_keeps_its_beginning(steps_us: list[int]) -> None:
    curve, time_us, times = Curve(), 0, [0]
    curve.add(0, Decimal(0))
    for step_us in steps_us:
        time_us += step_us
        times.append(time_us)
        curve.add(time_us, Decimal(time_us))
    points = curve.points
    assert len(points) <= MAX_POINTS
    assert points[0] == (0, Decimal(0))
    assert [row[0] for row in points] == sorted({row[0] for row in points} & set(times))
    gaps_us = [later - earlier for (earlier, _), (later, _) in pairwise(points)]
    assert all(gap_us >= SAMPLE_INTERVAL_US for gap_us in gaps_us)


def test_a_long_run_still_ends_in_the_present() -> None:
    curve = Curve()
    for second in range(0, 200_000, 5):
        curve.add(second * 1_000_000, Decimal(second))
    assert MAX_POINTS // 2 <= len(curve.points) <= MAX_POINTS
    (spacing_us,) = {later - earlier for (earlier, _), (later, _) in pairwise(curve.points)}
    assert curve.points[0] == (0, Decimal(0))
    assert curve.points[-1][0] > 200_000 * 1_000_000 - 2 * spacing_us


def test_claims_of_the_clearing_house_count() -> None:
    assert worth(margin_of([], {}, Decimal(10), unsettled=Decimal(-5))) == Decimal(-5)
