"""The utilisation curve, what may be borrowed and redeemed, and an hour's interest."""

from dataclasses import replace
from decimal import Decimal

import pytest

from backpack_connector.simulator.clock import HOUR_US
from backpack_connector.simulator.lending_positions import (
    Loan,
    LoanEvent,
    LoanSource,
    moved,
)
from backpack_connector.simulator.lending_rates import (
    LENDING_TERMS,
    STEP_SIZE,
    Pool,
    entry_fee,
    hours_interest,
    in_steps,
    time_left_us,
)

TERMS = replace(LENDING_TERMS["SOL"], provided=Decimal(1_000))


def pool(lent: str, borrowed: str) -> Pool:
    return Pool(TERMS, Decimal(lent), Decimal(borrowed))


@pytest.mark.parametrize(
    ("borrowed", "borrow_rate", "lend_rate"),
    [
        ("0", "0", "0"),
        ("400", "0.05", "0.018"),
        ("800", "0.1", "0.072"),
        ("900", "0.8", "0.648"),
        ("1000", "1.5", "1.35"),
    ],
    ids=["unused", "half way", "optimal", "beyond", "everything"],
)
def test_rates_follow_two_lines_that_meet_at_the_optimum(borrowed: str, borrow_rate: str, lend_rate: str) -> None:
    row = pool("1000", borrowed)
    assert (row.borrow_rate, row.lend_rate) == (Decimal(borrow_rate), Decimal(lend_rate))


def test_nobody_has_lent_anything() -> None:
    row = pool("0", "0")
    assert (row.utilization, row.borrow_rate, row.lend_rate, row.room, row.redeemable) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("borrowed", ["0", "600", "949.9999999999", "950"])
def test_what_may_be_borrowed_or_redeemed_leads_to_the_bound_and_not_beyond(borrowed: str) -> None:
    row = pool("1000", borrowed)
    fullest = pool("1000", str(row.borrowed + row.room))
    assert fullest.utilization <= TERMS.bound
    assert fullest.borrowed + STEP_SIZE > row.lent * TERMS.bound
    emptiest = pool(str(row.lent - row.redeemable), borrowed)
    assert emptiest.borrowed <= emptiest.lent * TERMS.bound
    assert row.redeemable == 1000 or emptiest.borrowed > (emptiest.lent - STEP_SIZE) * TERMS.bound


def test_a_pool_beyond_the_bound_lets_nothing_out() -> None:
    row = pool("1000", "960")
    assert (row.room, row.redeemable) == (0, 0)


def test_the_open_limit_stops_new_borrows_and_lends() -> None:
    assert pool("20000", "9999").room == 1
    assert pool("9999", "0").lending_room == 1
    assert pool("20000", "0").lending_room == 0


def test_an_hours_interest_is_the_yearly_rate_over_its_hours_rounded_against_the_customer() -> None:
    # 1000 x 0.0876 / 8760 = 0.01
    assert hours_interest(Decimal(1000), Decimal("0.0876"), rounds_up=True) == Decimal("0.01")
    exact = Decimal(1000) / 8760
    paid, received = (hours_interest(Decimal(1000), Decimal(1), rounds_up=up) for up in (True, False))
    assert received < exact < paid
    assert paid - received == STEP_SIZE


def test_the_entry_fee_is_for_what_is_left_of_the_hour() -> None:
    assert entry_fee(Decimal(1000), Decimal("0.0876"), HOUR_US * 7) == Decimal("0.01")
    assert entry_fee(Decimal(1000), Decimal("0.0876"), HOUR_US * 7 + HOUR_US * 3 // 4) == Decimal("0.0025")
    assert entry_fee(Decimal(1000), Decimal("0.0876"), HOUR_US - 1) == STEP_SIZE
    assert time_left_us(HOUR_US - 1) == 1


def test_quantities_are_rounded_down_to_steps() -> None:
    assert in_steps(Decimal("1.00000000019")) == Decimal("1.0000000001")


@pytest.mark.parametrize(
    ("before", "amount", "event", "after"),
    [
        ("0", "5", LoanEvent.LEND, "5"),
        ("5", "-2", LoanEvent.LEND_REDEEM, "3"),
        ("5", "-5", LoanEvent.LEND_REDEEM, "0"),
        ("0", "-5", LoanEvent.BORROW, "-5"),
        ("-5", "-1", LoanEvent.BORROW, "-6"),
        ("-5", "5", LoanEvent.BORROW_REPAY, "0"),
    ],
)
def test_movements_are_named_by_what_they_do(before: str, amount: str, event: LoanEvent, after: str) -> None:
    loan = Loan(position_id="1", asset="SOL", quantity=Decimal(before), source=LoanSource.MANUAL, opened_us=0)
    then, movement = moved(loan, Decimal(amount), LoanSource.MANUAL, 7)
    assert (then.quantity, movement.event) == (Decimal(after), event)
    assert (movement.quantity, movement.position_quantity) == (abs(Decimal(amount)), abs(Decimal(after)))


@pytest.mark.parametrize(("before", "amount"), [("5", "-6"), ("-5", "6")])
def test_a_position_does_not_change_its_side_in_one_step(before: str, amount: str) -> None:
    loan = Loan(position_id="1", asset="SOL", quantity=Decimal(before), source=LoanSource.MANUAL, opened_us=0)
    with pytest.raises(ArithmeticError, match="cannot move"):
        moved(loan, Decimal(amount), LoanSource.MANUAL, 7)
