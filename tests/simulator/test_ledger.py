"""Holds, fees and conservation: the ledger alone and under random orders."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from backpack_connector.protocol.enums import OrderType, SelfTradePrevention, Side, TimeInForce
from backpack_connector.simulator.ledger import Balance, InsufficientBalance, Ledger
from backpack_connector.simulator.orders import NewOrder
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import BOUNDED, SYMBOL, assert_sound, limit, market, new_exchange, state_of

ACCOUNTS = ("a", "b", "c")


def funded() -> Ledger:
    ledger = Ledger()
    ledger.deposit("a", "USDC", Decimal(100))
    return ledger


def test_a_hold_moves_money_from_available_to_locked() -> None:
    ledger = funded()
    change = ledger.change()
    change.hold("a", "USDC", Decimal(30))
    assert ledger.commit(change) == [("a", "USDC", Balance(Decimal(70), Decimal(30)))]


def test_nothing_happens_before_the_commit() -> None:
    ledger = funded()
    ledger.change().hold("a", "USDC", Decimal(30))
    assert ledger.balance("a", "USDC") == Balance(Decimal(100), Decimal(0))


def test_a_hold_beyond_the_available_amount_fails_at_once() -> None:
    change = funded().change()
    change.hold("a", "USDC", Decimal(60))
    with pytest.raises(InsufficientBalance):
        change.hold("a", "USDC", Decimal("40.01"))


def test_a_payment_takes_its_fee_from_the_receiver_and_collects_it() -> None:
    ledger = funded()
    change = ledger.change()
    change.hold("a", "USDC", Decimal(10))
    change.pay("a", "b", "USDC", Decimal(10), Decimal("0.01"))
    ledger.commit(change)
    assert ledger.balance("b", "USDC").available == Decimal("9.99")
    assert ledger.fees == {"USDC": Decimal("0.01")}
    assert ledger.totals() == ledger.deposited


def test_a_change_that_takes_locked_money_twice_is_not_applied() -> None:
    ledger = funded()
    change = ledger.change()
    change.hold("a", "USDC", Decimal(10))
    change.pay("a", "b", "USDC", Decimal(10), Decimal(0))
    change.release("a", "USDC", Decimal(10))
    with pytest.raises(InsufficientBalance):
        ledger.commit(change)
    assert ledger.balances("b") == {}


def test_a_change_that_makes_money_is_not_applied() -> None:
    ledger = funded()
    change = ledger.change()
    change.balances["a", "USDC"] = Balance(Decimal(101), Decimal(0))
    with pytest.raises(ArithmeticError):
        ledger.commit(change)
    assert ledger.balance("a", "USDC").available == 100


@pytest.mark.parametrize(
    ("taker_side", "taker_fee", "maker_fee"),
    [("Bid", ("0.003", "SOL"), ("0.36", "USDC")), ("Ask", ("0.45", "USDC"), ("0.0024", "SOL"))],
)
def test_fees_are_ten_and_eight_basis_points_of_what_is_received(
    taker_side: str, taker_fee: tuple[str, str], maker_fee: tuple[str, str]
) -> None:
    exchange = new_exchange()
    exchange.place("maker", limit(Side(taker_side).opposite.value, "150", "3"))
    exchange.place("taker", limit(taker_side, "150", "3"))
    for account_id, (fee, symbol) in (("taker", taker_fee), ("maker", maker_fee)):
        (fill,) = exchange.open_account(account_id).fills
        assert (fill.fee, fill.fee_symbol) == (Decimal(fee), symbol)


def test_fees_are_rounded_up_to_nine_decimals() -> None:
    exchange = new_exchange()
    exchange.open_account("maker").spot_maker_fee_bps = Decimal("8.33333")
    exchange.place("maker", limit("Bid", "150", "0.01"))
    exchange.place("taker", limit("Ask", "150", "0.01"))
    assert exchange.open_account("maker").fills[0].fee == Decimal("0.000008334")


def test_a_rebate_is_a_negative_fee() -> None:
    exchange = new_exchange()
    exchange.open_account("maker").spot_maker_fee_bps = Decimal(-1)
    exchange.place("maker", limit("Bid", "150", "1"))
    exchange.place("taker", limit("Ask", "150", "1"))
    assert exchange.ledger.balance("maker", "SOL").available == Decimal("51.0001")
    assert_sound(exchange)


def test_a_bid_that_trades_below_its_limit_gets_the_difference_back() -> None:
    exchange = new_exchange()
    exchange.place("maker", limit("Ask", "150", "1"))
    exchange.place("taker", limit("Bid", "151", "3"))
    assert exchange.ledger.balance("taker", "USDC") == Balance(Decimal(10_000 - 150 - 302), Decimal(302))


@pytest.mark.parametrize(
    ("order", "asset", "locked"),
    [(limit("Bid", "150", "2"), "USDC", "300"), (limit("Ask", "150", "2"), "SOL", "2")],
)
def test_a_resting_order_locks_what_it_may_cost_and_gives_it_back(order: NewOrder, asset: str, locked: str) -> None:
    exchange = new_exchange()
    before = exchange.open_account("a") and exchange.ledger.balance("a", asset)
    order_id = exchange.place("a", order).order.order_id
    assert exchange.ledger.balance("a", asset).locked == Decimal(locked)
    exchange.cancel("a", SYMBOL, order_id=order_id)
    assert exchange.ledger.balance("a", asset) == before


def test_locked_money_pays_for_no_second_order() -> None:
    exchange = new_exchange()
    exchange.place("a", limit("Ask", "151", "50"))
    with pytest.raises(Refusal, match="Insufficient funds"):
        exchange.place("a", limit("Ask", "151", "0.01"))


def test_the_largest_number_that_a_request_can_carry_is_computed_exactly() -> None:
    exchange = new_exchange()
    with pytest.raises(Refusal, match="Insufficient funds"):
        exchange.place("a", limit("Bid", "150.01", "9" * 26 + ".01"))


def random_order(chance: random.Random) -> NewOrder:
    side = chance.choice(list(Side))
    ticks = 15_000 + chance.randint(-40, 40) + (20 if side is Side.ASK else -20)
    quantity = Decimal(chance.randint(1, 900)) / 100
    if chance.random() < 0.15:
        by_quote = chance.random() < 0.5
        return market(side.value, None if by_quote else str(quantity), str(quantity * 150) if by_quote else None)
    return NewOrder(
        symbol=SYMBOL,
        side=side,
        order_type=OrderType.LIMIT,
        price=Decimal(ticks) / 100,
        quantity=quantity,
        time_in_force=chance.choices(list(TimeInForce), [8, 1, 1])[0],
        post_only=chance.random() < 0.1,
        self_trade_prevention=chance.choice(list(SelfTradePrevention)),
        client_id=chance.randint(0, 20),
    )


def test_five_thousand_random_actions_conserve_assets_and_never_cross_the_book() -> None:
    chance = random.Random(20261121)
    exchange = new_exchange()
    placed = refused = 0
    for number in range(5_000):
        account_id = chance.choice(ACCOUNTS)
        before = state_of(exchange) if number % 25 == 0 else None
        try:
            if chance.random() < 0.75:
                exchange.place(account_id, random_order(chance))
                placed += 1
            elif chance.random() < 0.95:
                exchange.cancel(account_id, SYMBOL, client_id=chance.randint(0, 20))
            else:
                exchange.cancel_all(account_id, SYMBOL)
        except Refusal:
            refused += 1
            assert before is None or state_of(exchange) == before
        assert not exchange.markets[SYMBOL].book.is_crossed
        if number % 50 == 0:
            assert_sound(exchange)
    assert_sound(exchange)
    assert placed > 2_500
    assert refused > 100
    assert sum(len(account.fills) for account in exchange.accounts) > 1_000
    for account_id in ACCOUNTS:
        exchange.cancel_all(account_id, SYMBOL)
        assert all(not balance.locked for balance in exchange.ledger.balances(account_id).values())


class Trading(RuleBasedStateMachine):
    """Any sequence of orders and cancels leaves the exchange sound."""

    def __init__(self) -> None:
        super().__init__()
        self.exchange = new_exchange()

    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        side=st.sampled_from(Side),
        ticks=st.integers(14_990, 15_010),
        hundredths=st.integers(1, 2_000),
        tif=st.sampled_from(TimeInForce),
        stp=st.sampled_from(SelfTradePrevention),
    )
    def place_limit(
        self, account_id: str, side: Side, ticks: int, hundredths: int, tif: TimeInForce, stp: SelfTradePrevention
    ) -> None:
        order = limit(
            side.value, str(Decimal(ticks) / 100), str(Decimal(hundredths) / 100), tif=tif.value, stp=stp.value
        )
        self.attempt(account_id, order)

    @rule(account_id=st.sampled_from(ACCOUNTS), side=st.sampled_from(Side), quote=st.integers(1, 5_000))
    def place_market_by_quote(self, account_id: str, side: Side, quote: int) -> None:
        self.attempt(account_id, market(side.value, quote=str(quote)))

    def attempt(self, account_id: str, order: NewOrder) -> None:
        self.exchange.open_account(account_id)
        before = state_of(self.exchange)
        try:
            self.exchange.place(account_id, order)
        except Refusal:
            assert state_of(self.exchange) == before

    @rule(account_id=st.sampled_from(ACCOUNTS))
    def cancel_all(self, account_id: str) -> None:
        self.exchange.cancel_all(account_id, SYMBOL)
        assert all(not balance.locked for balance in self.exchange.ledger.balances(account_id).values())

    @invariant()
    def is_sound(self) -> None:
        assert_sound(self.exchange)


TestTrading = Trading.TestCase
TestTrading.settings = BOUNDED


@BOUNDED
@given(st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.integers(1, 500)), min_size=1, max_size=20))
def test_executed_amounts_of_both_sides_of_all_fills_are_equal(orders: list[tuple[str, int]]) -> None:
    exchange = new_exchange()
    exchange.place("seller", limit("Ask", "150", "20"))
    for account_id, hundredths in orders:
        exchange.place(account_id, limit("Bid", "150", str(Decimal(hundredths) / 100), tif="IOC"))
    fills = [fill for account in exchange.accounts for fill in account.fills]
    sums = {side: sum(fill.quantity for fill in fills if fill.side is side) for side in Side}
    assert sums[Side.BID] == sums[Side.ASK]
    assert len({fill.trade_id for fill in fills}) * 2 == len(fills)
