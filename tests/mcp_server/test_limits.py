"""Limits of a run: what they hold, what they give back, and that two orders never share the same room."""

from decimal import Decimal

import pytest

from backpack_connector.mcp_server.limits import LimitReached, Limits, Placement, SessionLimits


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def counted(clock: Clock, **limits: object) -> SessionLimits:
    return SessionLimits(Limits(**limits), clock)  # type: ignore[arg-type]


def worth(usdc: str, quantity: str | None = "1") -> Placement:
    return Placement("SOL_USDC", "SOL", None if quantity is None else Decimal(quantity), Decimal(usdc))


def test_one_order_up_to_its_limit_and_not_beyond(clock: Clock) -> None:
    limits = counted(clock)
    limits.reserve([worth("100")])
    with pytest.raises(LimitReached, match=r"worth 100\.01 USDC"):
        limits.reserve([worth("100.01")])
    assert limits.spent == 100


def test_all_orders_together_up_to_their_limit(clock: Clock) -> None:
    limits = counted(clock, session_notional=Decimal(150))
    limits.reserve([worth("100")])
    with pytest.raises(LimitReached, match=r"50\.00 USDC are left"):
        limits.reserve([worth("50.01")])
    limits.reserve([worth("50")])
    assert limits.spent == 150


def test_a_batch_is_taken_whole_or_not_at_all(clock: Clock) -> None:
    limits = counted(clock, session_notional=Decimal(150))
    with pytest.raises(LimitReached):
        limits.reserve([worth("100"), worth("60")])
    with pytest.raises(LimitReached):
        limits.reserve([worth("1"), worth("101")])
    assert limits.spent == 0
    limits.reserve([worth("100"), worth("50")])


def test_room_is_given_back_once(clock: Clock) -> None:
    limits = counted(clock)
    limits.reserve([worth("40")])
    second = limits.reserve([worth("60")])
    second.give_back()
    second.give_back()
    assert limits.spent == 40


def test_orders_a_minute_are_counted_over_any_minute(clock: Clock) -> None:
    limits = counted(clock, orders_per_minute=2)
    limits.reserve([worth("1")])
    clock.now_s += 30
    limits.reserve([worth("1")])
    with pytest.raises(LimitReached, match="2 orders a minute"):
        limits.reserve([worth("1")])
    clock.now_s += 30
    limits.reserve([worth("1")])
    with pytest.raises(LimitReached):
        limits.reserve([worth("1")])


def test_calls_a_minute(clock: Clock) -> None:
    limits = counted(clock, calls_per_minute=2)
    limits.count_call()
    limits.count_call()
    with pytest.raises(LimitReached, match="2 calls a minute"):
        limits.count_call()
    clock.now_s += 60
    limits.count_call()


@pytest.mark.parametrize("name", ["SOL", "SOL_USDC"])
def test_a_quantity_is_limited_by_market_and_by_asset(name: str, clock: Clock) -> None:
    limits = counted(clock, quantities={name: Decimal("0.5")})
    limits.reserve([worth("1", "0.5")])
    with pytest.raises(LimitReached, match=f"0.5 {name} at most"):
        limits.reserve([worth("1", "0.51")])
    with pytest.raises(LimitReached, match="has to be given"):
        limits.reserve([worth("1", None)])
    with pytest.raises(LimitReached):
        limits.reserve_withdrawal(worth("1", "0.51"))


def test_a_limited_name_that_is_none_stops_everything(clock: Clock) -> None:
    known = {"SOL", "USDC", "SOL_USDC"}
    assert not counted(clock).are_names_unknown
    limits = counted(clock, quantities={"SOL": Decimal(1), "sol_usdc": Decimal(1)})
    for _ in range(2):
        assert limits.are_names_unknown
        with pytest.raises(LimitReached, match=r"names sol_usdc, which is no market.*Is SOL_USDC meant"):
            limits.check_names(known)
    with pytest.raises(LimitReached, match=r"so nothing is placed\. The person"):
        counted(clock, quantities={"DOGE": Decimal(1)}).check_names(known)
    good = counted(clock, quantities={"SOL": Decimal(1), "SOL_USDC": Decimal(1)})
    good.check_names(known)
    assert not good.are_names_unknown


def test_markets_can_be_listed(clock: Clock) -> None:
    counted(clock).check_market("BTC_USDC")
    limits = counted(clock, markets=frozenset({"SOL_USDC"}))
    limits.check_market("SOL_USDC")
    with pytest.raises(LimitReached, match="SOL_USDC only"):
        limits.check_market("BTC_USDC")


def test_withdrawals_have_a_limit_of_their_own(clock: Clock) -> None:
    limits = counted(clock)
    limits.reserve_withdrawal(worth("60"))
    with pytest.raises(LimitReached, match=r"60\.00 USDC were withdrawn"):
        limits.reserve_withdrawal(worth("40.01"))
    limits.reserve_withdrawal(worth("40")).give_back()
    assert (limits.withdrawn, limits.spent) == (60, 0)
