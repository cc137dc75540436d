"""Lending and borrowing by hand and by itself, interest, and what is refused."""

from decimal import Decimal

import pytest

from backpack_connector.simulator.events import BalanceChanged
from backpack_connector.simulator.ledger import Ledger
from backpack_connector.simulator.lending import BORROWER_ID, PROVIDER_ID, LendingState
from backpack_connector.simulator.lending_positions import LoanSide, LoanSource, PaymentType
from backpack_connector.simulator.lending_rates import STEP_SIZE, entry_fee, hours_interest
from tests.simulator.lending_support import HOUR_S, LendingScene
from tests.simulator.support import limit

BORROW, LEND = LoanSide.BORROW, LoanSide.LEND


def test_lent_funds_leave_the_balance_and_the_collateral_stays_the_same() -> None:
    scene = LendingScene()
    before = scene.exchange.risk.margin(scene.account()).net_equity
    (event,) = scene.lend("20").events
    assert isinstance(event, BalanceChanged)
    assert (event.asset, event.available) == ("SOL", 30)
    assert (scene.available(), scene.net()) == (30, 20)
    margin = scene.exchange.risk.margin(scene.account())
    assert (margin.net_equity, margin.borrow_liability, margin.exposure) == (before, 0, 0)
    scene.borrow("5")
    scene.borrow("15")
    assert (scene.available(), scene.net()) == (50, 0)
    assert scene.moves() == [
        ("Lend", "Manual", "20"),
        ("LendRedeem", "Manual", "5"),
        ("LendRedeem", "Manual", "15"),
    ]


def test_a_borrow_is_available_owed_and_exposed() -> None:
    scene = LendingScene()
    before = scene.exchange.risk.margin(scene.account())
    scene.borrow("2")
    fee = -2 - scene.net()
    assert 0 < fee < Decimal("0.0001")
    assert scene.available() == 52
    margin = scene.exchange.risk.margin(scene.account())
    assert margin.borrow_liability == (2 + fee) * 150
    # Collateral counts nine tenths of the two, and the debt all of them; a tenth of the debt is margin (leverage 10).
    assert margin.net_equity == before.net_equity + 300 * Decimal("0.9") - margin.borrow_liability
    assert margin.locked == margin.borrow_liability / 10
    assert margin.maintenance_margin == margin.borrow_liability * Decimal("0.03")
    assert (margin.exposure, margin.futures_exposure) == (margin.borrow_liability, 0)
    (payment,) = scene.account().interest_payments
    assert (payment.kind, payment.amount) == (PaymentType.ENTRY_FEE, -fee)
    # The debt comes first, and the fee is for the rest of the hour.
    assert (
        payment.interval_ms == (HOUR_S * 10**6 - scene.account().loan_movements[0].time_us % (HOUR_S * 10**6)) // 1000
    )
    assert fee == entry_fee(Decimal(2), payment.yearly_rate, scene.account().loan_movements[0].time_us)


def test_a_debt_is_repaid_in_parts_and_then_closed() -> None:
    scene = LendingScene()
    scene.borrow("2")
    owed = -scene.net()
    scene.lend("1")
    assert (scene.net(), scene.available()) == (1 - owed, 51)
    scene.lend(str(owed - 1))
    assert scene.net() == 0
    (closed,) = scene.account().closed_loans
    assert (closed.loan.quantity, closed.loan.last_side) == (0, BORROW)
    scene.borrow("1")
    assert scene.exchange.ledger.loans.of("a")["SOL"].position_id != closed.loan.position_id


@pytest.mark.parametrize(
    ("prepare", "side", "quantity", "asset", "code"),
    [
        (None, LEND, "1", "WEN", "INVALID_ASSET"),
        (None, LEND, "1", "NOPE", "INVALID_ASSET"),
        (None, LEND, "0", "SOL", "INVALID_QUANTITY"),
        (None, BORROW, "-1", "SOL", "INVALID_QUANTITY"),
        (None, LEND, "0.00000000001", "SOL", "INVALID_CLIENT_REQUEST"),
        (None, LEND, "50.0000000001", "SOL", "INSUFFICIENT_FUNDS"),
        (None, LEND, "9" * 28, "SOL", "LEND_LIMIT"),
        (None, BORROW, "9" * 28, "SOL", "INSUFFICIENT_SUPPLY"),
        (None, BORROW, "17500.1", "SOL", "INSUFFICIENT_SUPPLY"),
        (None, BORROW, "6700", "SOL", "BORROW_LIMIT"),
        (None, BORROW, "3000", "SOL", "INSUFFICIENT_MARGIN"),
        ((LEND, "5"), BORROW, "5.1", "SOL", "BORROW_REQUIRES_LEND_REDEEM"),
        ((BORROW, "5"), LEND, "5.1", "SOL", "LEND_REQUIRES_BORROW_REPAY"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    prepare: tuple[LoanSide, str] | None, side: LoanSide, quantity: str, asset: str, code: str
) -> None:
    scene = LendingScene()
    if prepare is not None:
        scene.exchange.lending.execute("a", prepare[0], "SOL", Decimal(prepare[1]))
    before = scene.exchange.ledger.balances("a"), scene.exchange.ledger.loans.of("a")
    assert scene.refusal(side, quantity, asset) == code
    assert (scene.exchange.ledger.balances("a"), scene.exchange.ledger.loans.of("a")) == before


@pytest.mark.parametrize(("state", "code"), [(LendingState.CLOSED, "TRADING_PAUSED"), (LendingState.REPAY_ONLY, None)])
def test_a_market_that_is_not_open_takes_nothing_new(state: LendingState, code: str | None) -> None:
    scene = LendingScene()
    scene.lend("10")
    scene.borrow("1", "ETH")
    scene.exchange.lending.states |= {"SOL": state, "ETH": state, "BTC": state}
    assert scene.refusal(LEND, "1") == "TRADING_PAUSED"
    assert scene.refusal(BORROW, "1", "ETH") == "TRADING_PAUSED"
    assert scene.refusal(LEND, "0.1", "BTC") == "TRADING_PAUSED"
    if code is None:
        scene.borrow("10")
        scene.lend("1", "ETH")
        assert scene.net() == 0
    else:
        assert scene.refusal(BORROW, "1") == code
        assert scene.refusal(LEND, "1", "ETH") == code


def test_an_account_that_is_liquidated_neither_lends_nor_borrows() -> None:
    scene = LendingScene()
    scene.account().is_liquidating = True
    assert {scene.refusal(side, "1") for side in LoanSide} == {"ACCOUNT_LIQUIDATING"}


def test_interest_is_paid_on_the_hour_by_borrowers_to_lenders_and_moves_no_funds() -> None:
    scene = LendingScene()
    scene.lend("20", name="b")
    scene.borrow("2")
    before = {name: (scene.net(name=name), scene.available(name=name)) for name in ("a", "b", PROVIDER_ID, BORROWER_ID)}
    pool = scene.exchange.lending.pool("SOL")
    scene.until_the_hour()
    paid = hours_interest(-before["a"][0], pool.borrow_rate, rounds_up=True)
    received = hours_interest(Decimal(20), pool.lend_rate, rounds_up=False)
    assert scene.net() == before["a"][0] - paid
    assert scene.net(name="b") == 20 + received
    others = hours_interest(-before[BORROWER_ID][0], pool.borrow_rate, rounds_up=True)
    assert scene.net(name=PROVIDER_ID) == before[PROVIDER_ID][0] + paid + others - received
    assert [scene.available(name=name) for name in before] == [available for _, available in before.values()]
    (row,) = scene.account("b").interest_payments
    assert (row.kind, row.amount, row.yearly_rate) == (PaymentType.LEND, received, pool.lend_rate)
    assert (row.interval_ms, row.time_us % (HOUR_S * 10**6)) == (HOUR_S * 1000, 0)
    kinds = [(row.kind, row.amount) for row in scene.account().interest_payments[1:]]
    assert kinds == [(PaymentType.BORROW, -paid)]
    assert scene.moves("b")[-1] == ("Lend", "Interest", f"{received.normalize():f}")
    assert scene.moves()[-1] == ("Borrow", "Interest", f"{paid.normalize():f}")


def test_each_hour_that_passes_is_paid_once() -> None:
    scene = LendingScene()
    scene.lend("20")
    scene.wait(3 * HOUR_S)
    scene.wait(1)
    assert len(scene.account().interest_payments) == 3
    assert len(scene.exchange.lending.samples["SOL"]) == 4


def test_interest_too_small_to_write_is_a_payment_without_a_movement() -> None:
    scene = LendingScene()
    scene.lend(str(STEP_SIZE))
    scene.until_the_hour()
    assert [row.amount for row in scene.account().interest_payments] == [0]
    assert scene.moves() == [("Lend", "Manual", "0.0000000001")]


def test_where_only_the_exchange_lends_nothing_is_paid() -> None:
    scene = LendingScene()
    before = scene.net("BTC", PROVIDER_ID)
    scene.lend("20")
    scene.until_the_hour()
    assert scene.net("BTC", PROVIDER_ID) == before


def test_auto_lend_lends_what_lies_idle_and_takes_it_back_when_it_is_off() -> None:
    scene = LendingScene()
    scene.borrow("1", "ETH")
    scene.account().auto_settings["autoLend"] = True
    scene.wait(1)
    assert {asset: scene.available(asset) for asset in ("SOL", "BTC", "USDC", "ETH", "kBONK")} == {
        "SOL": 0,
        "BTC": 0,
        "USDC": 0,
        "ETH": 3,  # a debt is there
        "kBONK": 50_000,  # it has no pool
    }
    assert scene.net("USDC") == 10_000
    assert scene.moves()[-1][1] == "AutoLend"
    scene.account().auto_settings["autoLend"] = False
    scene.borrow("10000", "USDC")
    scene.wait(1)
    assert (scene.available("USDC"), scene.net("USDC")) == (10_000, 0)


def test_auto_lend_is_off_where_the_market_or_the_account_stops() -> None:
    scene = LendingScene()
    scene.exchange.lending.states |= {"SOL": LendingState.REPAY_ONLY, "BTC": LendingState.CLOSED}
    for name in ("a", "b"):
        scene.account(name).auto_settings["autoLend"] = True
    scene.account("b").is_liquidating = True
    list(scene.exchange.lending.on_second(scene.clock()))
    assert (scene.net("SOL"), scene.net("BTC"), scene.net("ETH")) == (0, 0, 2)
    assert scene.exchange.ledger.loans.of("b") == {}


@pytest.mark.parametrize("wants", [True, False])
def test_auto_repay_uses_what_comes_in_and_not_what_was_there(wants: bool) -> None:
    scene = LendingScene()
    scene.account().auto_settings["autoRepayBorrows"] = wants
    scene.borrow("2")
    owed = -scene.net()
    scene.wait(1)
    assert -scene.net() == owed  # 50 SOL were there before
    scene.exchange.place("b", limit("Ask", "150", "1"))
    scene.exchange.place("a", limit("Bid", "150", "1"))
    scene.wait(1)
    received = Decimal("0.999")
    assert -scene.net() == (owed - received if wants else owed)
    if wants:
        assert scene.moves()[-1] == ("BorrowRepay", "AutoBorrowRepay", "0.999")
    scene.wait(1)
    assert -scene.net() == (owed - received if wants else owed)


def test_auto_repay_does_not_take_more_than_is_owed_nor_what_was_spent_again() -> None:
    scene = LendingScene()
    scene.borrow("0.5")
    scene.exchange.place("b", limit("Ask", "150", "1"))
    scene.exchange.place("a", limit("Bid", "150", "1"))
    scene.wait(1)
    assert (scene.net(), len(scene.account().closed_loans)) == (0, 1)
    scene.borrow("0.5", "ETH")
    scene.exchange.place("b", limit("Ask", "2760", "0.1", symbol="ETH_USDC"))
    scene.exchange.place("a", limit("Bid", "2760", "0.1", symbol="ETH_USDC"))
    scene.lend(str(-scene.net("ETH")), "ETH")
    scene.lend(str(scene.available("ETH")), "ETH")
    scene.wait(1)
    assert scene.available("ETH") == 0


def test_what_a_cancelled_order_gives_back_counts_as_coming_in() -> None:
    scene = LendingScene()
    order = scene.exchange.place("a", limit("Ask", "160", "49")).order
    scene.borrow("2")
    scene.exchange.cancel("a", "SOL_USDC", order_id=order.order_id)
    scene.wait(1)
    assert scene.net() == 0


def test_a_change_of_loans_alone_cannot_make_money() -> None:
    ledger = Ledger()
    change = ledger.change()
    change.loans.shift("a", "SOL", Decimal(5), LoanSource.MANUAL, 1)
    with pytest.raises(ArithmeticError, match="conserve"):
        ledger.commit(change)
    assert (ledger.loans.of("a"), ledger.loans.lent) == ({}, {})
