"""Profits that move into USDC every ten seconds, funding at full hours, and accounts that cannot pay."""

from decimal import Decimal

import pytest

from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import BalanceChanged, Event, PositionChanged
from backpack_connector.simulator.ledger import Balance, Ledger, SettlementSource
from backpack_connector.simulator.markets import load_instruments
from backpack_connector.simulator.positions import Position, PositionFill
from backpack_connector.simulator.pricing import FundingInterval
from backpack_connector.simulator.settlement import funding_payment
from tests.simulator.support import FakeClock, assert_sound, limit

SOL = "SOL_USDC_PERP"
HOUR_US = 3_600_000_000
# 2026-10-02T04:10:00
START_US = 1_790_914_200_000_000
NEXT_HOUR_US = 1_790_917_200_000_000


class Scene:
    """Accounts a (long) and b (short) with 2 SOL from 150, and a clock."""

    def __init__(self, usdc: str = "1000", quantity: str = "2") -> None:
        self.clock = FakeClock(START_US)
        faucet = {"USDC": Decimal(usdc), "SOL": Decimal(1)}
        self.exchange = Exchange(load_instruments(), clock=self.clock, first_id=1, faucet=faucet)
        self.exchange.place("b", limit("Ask", "150", quantity, symbol=SOL))
        self.exchange.place("a", limit("Bid", "150", quantity, symbol=SOL))

    def mark(self, price: str) -> None:
        self.exchange.prices.set_index(SOL, Decimal(price), self.clock())

    def wait(self, seconds: float) -> list[Event]:
        """Let time pass, and return what happened to balances and positions."""
        self.clock.advance_s(seconds)
        return [
            event
            for execution in self.exchange.on_second(self.clock())
            for event in execution.events
            if isinstance(event, BalanceChanged | PositionChanged)
        ]

    def usdc(self, account_id: str) -> Decimal:
        return self.exchange.ledger.balance(account_id, "USDC").available

    def position(self, account_id: str) -> Position:
        position = self.exchange.ledger.position(account_id, SOL)
        assert position is not None
        return position

    def net_equity(self, account_id: str) -> Decimal:
        return self.exchange.risk.margin(self.exchange.open_account(account_id)).net_equity


def test_profit_moves_into_usdc_and_the_position_stays() -> None:
    scene = Scene()
    before = {name: scene.usdc(name) for name in "ab"}
    worth = {}
    scene.mark("151.25")
    worth = {name: scene.net_equity(name) for name in "ab"}
    events = scene.wait(9.9)
    assert [type(event).__name__ for event in events] == []
    events = scene.wait(0.1)
    assert {name: scene.usdc(name) - before[name] for name in "ab"} == {"a": Decimal("2.5"), "b": Decimal("-2.5")}
    assert {name: scene.net_equity(name) for name in "ab"} == worth
    position = scene.position("a")
    assert (position.quantity, position.entry_price, position.realized) == (2, 150, Decimal("2.5"))
    assert position.unrealized(Decimal("151.25")) == 0
    assert_sound(scene.exchange)


def test_a_settlement_is_a_balance_update_and_a_position_update_of_one_moment() -> None:
    scene = Scene()
    scene.mark("151.25")
    balance, position = (event for event in scene.wait(10) if getattr(event, "account_id", None) == "a")
    assert isinstance(balance, BalanceChanged)
    assert isinstance(position, PositionChanged)
    assert balance.time_us == position.time_us
    assert (balance.asset, balance.available) == ("USDC", scene.usdc("a"))
    assert (position.kind.value, position.position.pnl_realized) == ("positionAdjusted", Decimal("2.5"))
    assert position.position.pnl_unrealized == 0


def test_only_what_has_changed_since_is_settled() -> None:
    scene = Scene()
    scene.mark("151.25")
    scene.wait(10)
    assert scene.wait(10) == []
    scene.mark("151.20")
    scene.wait(10)
    assert scene.position("a").realized == Decimal("2.4")


def test_closing_settles_at_once() -> None:
    scene = Scene()
    before = scene.usdc("a")
    scene.exchange.place("b", limit("Bid", "151", "2", symbol=SOL))
    scene.exchange.place("a", limit("Ask", "151", "2", symbol=SOL))
    assert scene.usdc("a") == before + 2 - Decimal("0.151")
    (closed,) = scene.exchange.open_account("a").closed_positions
    assert (closed.position.realized, closed.position.quantity) == (2, 0)
    assert scene.exchange.ledger.house == 0
    assert_sound(scene.exchange)


def test_an_account_that_does_not_want_it_is_not_settled() -> None:
    scene = Scene()
    scene.exchange.open_account("a").auto_settings["autoRealizePnl"] = False
    scene.mark("151.25")
    scene.wait(10)
    assert (scene.position("a").realized, scene.position("b").realized) == (0, Decimal("-2.5"))
    assert_sound(scene.exchange)


def test_profits_move_in_whole_millionths_and_the_rest_waits() -> None:
    ledger = Ledger()
    ledger.deposit("a", "USDC", Decimal(10))
    change = ledger.change()
    for account_id, quantity in (("a", "0.0003"), ("b", "-0.0003")):
        fill = PositionFill(
            symbol=SOL,
            quantity=Decimal(quantity),
            price=Decimal("0.01"),
            fee=Decimal(0),
            liquidation_fee=Decimal(0),
            time_us=1,
        )
        change.fill(account_id, fill)
    ledger.commit(change)
    position = ledger.position("a", SOL)
    assert position is not None
    change = ledger.change()
    change.realize("a", position, Decimal("0.000001"))
    ledger.commit(change)
    after = ledger.position("a", SOL)
    assert after is not None
    assert after.unrealized(Decimal("0.02")) == Decimal("0.000002")
    assert ledger.balance("a", "USDC").available == Decimal("10.000001")
    assert ledger.house == Decimal("-0.000001")


def test_positions_that_do_not_add_up_to_zero_are_not_committed() -> None:
    ledger = Ledger()
    change = ledger.change()
    fill = PositionFill(symbol=SOL, quantity=Decimal(1), price=Decimal(150), fee=Decimal(0), time_us=1)
    change.fill("a", fill)
    with pytest.raises(ArithmeticError, match="add up to zero"):
        ledger.commit(change)
    assert ledger.positions("a") == {}


def test_what_an_account_cannot_pay_stays_as_a_claim_until_it_can() -> None:
    scene = Scene(usdc="100")
    scene.exchange.open_account("a").auto_settings["autoBorrowSettlements"] = False
    scene.mark("75")  # b, short, wins 150; a has less than 100 USDC and 1 SOL
    worth = scene.net_equity("a")
    lost = scene.usdc("a") - 150
    scene.wait(10)
    ledger = scene.exchange.ledger
    assert (scene.usdc("a"), ledger.unsettled("a")) == (0, lost)
    assert scene.net_equity("a") == worth
    assert_sound(scene.exchange)
    # Nobody buys its SOL from the exchange. It sells some itself, and the next settlement takes what is owed.
    scene.exchange.place("b", limit("Bid", "150", "0.5"))
    scene.exchange.place("a", limit("Ask", "150", "0.5"))
    received = 75 - Decimal("0.075")
    assert scene.usdc("a") == received
    events = scene.wait(10)
    assert (scene.usdc("a"), ledger.unsettled("a")) == (received + lost, 0)
    assert [type(event).__name__ for event in events] == ["BalanceChanged"]
    assert_sound(scene.exchange)


@pytest.mark.parametrize(
    ("quantity", "mark", "rate", "amount"),
    [
        pytest.param("2", "150", "0.0000125", "-0.00375", id="a long pays a positive rate"),
        pytest.param("-2", "150", "0.0000125", "0.00375", id="a short receives it"),
        pytest.param("2", "150", "-0.0000125", "0.00375", id="a negative rate pays longs"),
        # The two payments of API §2.3: 0.000022 and -0.022061 in millionths, away from zero.
        pytest.param("0.001", "4447.065", "-0.0000048", "0.000022", id="the captured payment"),
        pytest.param("0.01", "150.01", "0.000012512", "-0.000019", id="paid: rounded up"),
        pytest.param("-0.01", "150.01", "0.000012512", "0.000019", id="received: rounded up too"),
        pytest.param("2", "150", "0", "0", id="no rate"),
    ],
)
def test_funding_is_rate_times_quantity_times_mark(quantity: str, mark: str, rate: str, amount: str) -> None:
    position = Position(position_id="1", symbol=SOL, opened_us=0, quantity=Decimal(quantity))
    assert funding_payment(position, Decimal(mark), Decimal(rate)) == Decimal(amount)


def with_rates(scene: Scene, *rates: str) -> None:
    """Let the hours that follow the start have these rates."""
    prices = scene.exchange.markets[SOL].prices
    assert prices is not None
    prices.settled_funding += [
        FundingInterval(START_US + number * HOUR_US, Decimal(rate)) for number, rate in enumerate(rates)
    ]


def test_funding_is_paid_once_for_each_interval() -> None:
    scene = Scene()
    before = {name: scene.usdc(name) for name in "ab"}
    with_rates(scene, "0.0001", "0.0003")
    scene.wait(1)
    scene.wait(1)
    # 2 x 150 x 0.0004
    assert {name: scene.usdc(name) - before[name] for name in "ab"} == {"a": Decimal("-0.12"), "b": Decimal("0.12")}
    assert scene.position("a").funding == Decimal("-0.12")
    rows = scene.exchange.open_account("a").funding_payments
    assert [(row.symbol, str(row.amount), str(row.rate)) for row in rows] == [
        (SOL, "-0.030000", "0.0001"),
        (SOL, "-0.090000", "0.0003"),
    ]
    assert rows[1].interval_end_us - rows[0].interval_end_us == HOUR_US
    assert_sound(scene.exchange)


def test_the_hours_of_an_advanced_clock_are_paid_one_by_one() -> None:
    scene = Scene()
    scene.wait(3 * 3_600)
    ends = [row.interval_end_us for row in scene.exchange.open_account("a").funding_payments]
    assert ends == [NEXT_HOUR_US, NEXT_HOUR_US + HOUR_US, NEXT_HOUR_US + 2 * HOUR_US]
    assert_sound(scene.exchange)


def test_who_has_no_position_at_the_hour_pays_nothing() -> None:
    scene = Scene()
    scene.exchange.place("b", limit("Bid", "150", "2", symbol=SOL))
    scene.exchange.place("a", limit("Ask", "150", "2", symbol=SOL))
    with_rates(scene, "0.0001")
    scene.wait(1)
    assert scene.exchange.open_account("a").funding_payments == []


def test_an_interval_without_a_rate_is_no_payment() -> None:
    scene = Scene()
    with_rates(scene, "0")
    assert scene.wait(1) == []
    assert scene.exchange.open_account("a").funding_payments == []


def test_what_roundings_leave_is_collected() -> None:
    """One pays 0.00003678 as 0.000037, two receive 0.00001839 as 0.000019 each: a millionth is missing."""
    scene = Scene(quantity="0.01")
    scene.exchange.place("c", limit("Ask", "150", "0.01", symbol=SOL))
    scene.exchange.place("a", limit("Bid", "150", "0.01", symbol=SOL))
    fees = scene.exchange.ledger.fees["USDC"]
    with_rates(scene, "0.00001226")
    scene.wait(1)
    assert scene.position("a").funding == Decimal("-0.000037")
    assert (scene.position("b").funding, scene.position("c").funding) == (Decimal("0.000019"), Decimal("0.000019"))
    assert scene.exchange.ledger.fees["USDC"] == fees - Decimal("0.000001")
    assert_sound(scene.exchange)


def test_every_movement_is_in_the_settlement_history() -> None:
    scene = Scene()
    scene.mark("151")
    with_rates(scene, "0.0001")
    scene.wait(10)
    rows = scene.exchange.open_account("a").settlements
    position_id = scene.position("a").position_id
    found = [(row.posting.source, row.posting.amount) for row in rows if row.posting.position_id == position_id]
    assert found[:3] == [
        (SettlementSource.TRADING_FEES, Decimal("-0.15")),
        (SettlementSource.FUNDING_PAYMENT, Decimal("-0.0302")),
        (SettlementSource.REALIZE_PNL, Decimal(2)),
    ]
    assert scene.usdc("a") == 1000 + sum(row.posting.amount for row in rows)
    assert scene.exchange.ledger.balance("a", "SOL") == Balance(Decimal(1))
