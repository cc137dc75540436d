"""Which funding payments are new."""

from decimal import Decimal

from backpack_connector.protocol.futures import FundingPayment
from backpack_connector.protocol.units import iso_from_us
from backpack_perpetual_connector.funding import LISTING_LAG_S, FundingPayments

HOUR_S = 3_600
NOON = 1_757_592_000  # 2025-09-11T12:00:00
SOL, BTC = "SOL_USDC_PERP", "BTC_USDC_PERP"


def payment(hour: int, symbol: str = SOL) -> FundingPayment:
    return FundingPayment(
        symbol=symbol,
        quantity=Decimal("-0.01"),
        funding_rate=Decimal("0.0000125"),
        interval_end_timestamp=iso_from_us((NOON + hour * HOUR_S) * 1_000_000),
    )


def told(
    payments: FundingPayments, *rows: FundingPayment, started: float = NOON, is_complete: bool = True
) -> list[tuple[str, int]]:
    new = payments.new_payments(rows, started, is_complete=is_complete)
    return [(row.symbol, round((row.payment_timestamp - NOON) / HOUR_S)) for row in new]


def test_payments_from_before_the_start_are_not_news() -> None:
    payments = FundingPayments()
    assert payments.since_timestamp(NOON) == NOON - LISTING_LAG_S
    assert told(payments, payment(0), payment(-1), payment(-2)) == []
    assert told(payments, payment(1), payment(0), payment(-1)) == [(SOL, 1)]
    assert told(payments, payment(1), payment(0), payment(-1)) == []


def test_payments_of_an_interruption_are_told_once_each_and_oldest_first() -> None:
    payments = FundingPayments()
    told(payments, payment(0))
    assert told(payments, *(payment(hour) for hour in (5, 4, 3, 2, 1, 0))) == [(SOL, hour) for hour in range(1, 6)]
    assert told(payments, *(payment(hour) for hour in (5, 4, 3, 2, 1, 0))) == []


def test_a_payment_after_the_start_is_new_although_the_first_list_came_after_it() -> None:
    assert told(FundingPayments(), payment(1), payment(0), payment(-1)) == [(SOL, 1)]


def test_markets_are_paid_at_the_same_time_and_told_apart() -> None:
    payments = FundingPayments()
    told(payments, payment(0), payment(0, BTC))
    assert told(payments, payment(1)) == [(SOL, 1)]
    # The other market's row of the same hour was listed late.
    assert told(payments, payment(1, BTC), payment(1)) == [(BTC, 1)]


def test_after_an_empty_first_list_only_payments_after_the_start_are_new() -> None:
    payments = FundingPayments()
    assert told(payments) == []
    assert told(payments, payment(0), payment(-1), payment(-100)) == []
    assert told(payments, payment(1), payment(0), payment(-1), payment(-100)) == [(SOL, 1)]


def test_the_first_payment_of_an_account_is_new() -> None:
    payments = FundingPayments()
    for _ in range(3):
        assert told(payments) == []
    assert told(payments, payment(30)) == [(SOL, 30)]


def test_what_an_incomplete_first_list_left_out_is_not_new_later() -> None:
    payments = FundingPayments()
    assert told(payments, is_complete=False) == []
    assert told(payments, payment(1), payment(-1), is_complete=False) == [(SOL, 1)]
    assert told(payments, payment(1), payment(0), payment(-1), payment(-2)) == []
    assert told(payments, payment(2), payment(1), payment(0), payment(-1), payment(-2)) == [(SOL, 2)]


def test_lists_that_are_never_complete_tell_each_payment_once() -> None:
    payments = FundingPayments()
    for hour in range(1, 10):
        rows = [payment(listed) for listed in range(hour, -3, -1)]
        assert told(payments, *rows, is_complete=False) == [(SOL, hour)]


def test_a_payment_from_right_before_the_start_that_the_first_list_did_not_show_is_new() -> None:
    payments = FundingPayments()
    assert told(payments, payment(-1), payment(-2)) == []
    assert told(payments, payment(0), payment(-1), payment(-2)) == [(SOL, 0)]


def test_a_payment_listed_much_too_late_is_not_new() -> None:
    payments = FundingPayments()
    told(payments, payment(-50))
    assert told(payments, payment(-3), payment(-50)) == []


def test_the_start_does_not_move_with_the_clock() -> None:
    payments = FundingPayments()
    told(payments)
    assert told(payments, payment(1), started=NOON + 5 * HOUR_S) == [(SOL, 1)]
    assert payments.since_timestamp(NOON + 5 * HOUR_S) == NOON + HOUR_S - LISTING_LAG_S


def test_an_empty_list_in_between_forgets_nothing() -> None:
    payments = FundingPayments()
    told(payments, payment(3), payment(2))
    assert told(payments) == []
    assert told(payments, payment(3), payment(2)) == []


def test_what_was_told_is_not_kept_for_ever() -> None:
    payments = FundingPayments()
    for hour in range(500):
        told(payments, payment(hour))
    assert len(payments._told) < 10
