"""Random lending, borrowing, trading with spot margin, prices and hours keep every promise of ledger and pools."""

import random
from collections import Counter
from decimal import Decimal, localcontext

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from backpack_connector.simulator.lending_positions import LoanSide
from backpack_connector.simulator.liquidation import BACKSTOP_ACCOUNT
from backpack_connector.simulator.orders import SpotMargin
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import BOUNDED, FakeClock, assert_sound, limit, new_exchange, state_of
from tests.simulator.test_futures_property import BOUND, recomputed_margin

ACCOUNTS = ("a", "b", "c")
ASSETS = ("SOL", "USDC", "BTC")
SYMBOLS = ("SOL_USDC", "SOL_USDC", "SOL_USDC_PERP", "BTC_USDC")
# (price, tick, step, most steps)
MARKETS = {
    "SOL_USDC": (Decimal(150), Decimal("0.01"), Decimal("0.5"), 400),
    "SOL_USDC_PERP": (Decimal(150), Decimal("0.01"), Decimal(1), 600),
    "BTC_USDC": (Decimal(86_700), Decimal("0.1"), Decimal("0.01"), 60),
}
FLAGS = ("auto_borrow", "auto_borrow_repay", "auto_lend", "auto_lend_redeem")
SETTINGS = ("autoLend", "autoRepayBorrows", "autoBorrowSettlements")
EVERYTHING = (
    "Lend Manual",
    "LendRedeem Manual",
    "Borrow Manual",
    "BorrowRepay Manual",
    "Lend AutoLend",
    "BorrowRepay AutoBorrowRepay",
    "Lend SpotMargin",
    "LendRedeem SpotMargin",
    "Borrow SpotMargin",
    "BorrowRepay SpotMargin",
    "Lend Interest",
    "Borrow Interest",
    "Borrow Reconciliation",
    "CollateralConversion",
    "BORROW_REQUIRES_LEND_REDEEM",
    "LEND_REQUIRES_BORROW_REPAY",
    "INSUFFICIENT_MARGIN",
    "INSUFFICIENT_FUNDS",
)


class Lenders(RuleBasedStateMachine):
    """Any sequence of what accounts and time do."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.exchange = new_exchange(self.clock)
        self.seen: Counter[str] = Counter()
        for name in ACCOUNTS:
            self.exchange.open_account(name)

    @rule(
        name=st.sampled_from(ACCOUNTS),
        side=st.sampled_from(LoanSide),
        asset=st.sampled_from(ASSETS),
        cents=st.integers(1, 900_000),
    )
    def lend_or_borrow(self, name: str, side: LoanSide, asset: str, cents: int) -> None:
        quantity = Decimal(cents) / {"SOL": 5_000, "USDC": 50, "BTC": 1_000_000}[asset]
        account = self.exchange.open_account(name)
        before = state_of(self.exchange)
        had_debts = self.exchange.ledger.loans.get(name, asset)
        try:
            self.exchange.lending.execute(name, side, asset, quantity)
        except Refusal as refusal:
            assert state_of(self.exchange) == before
            self.seen[refusal.code.value] += 1
            return
        loan = self.exchange.ledger.loans.get(name, asset)
        if loan is not None and loan.borrowed > (0 if had_debts is None else had_debts.borrowed):
            assert self.exchange.risk.margin(account).available >= 0
            assert self.exchange.lending.pool(asset).utilization <= Decimal("0.951")

    @rule(
        name=st.sampled_from(ACCOUNTS),
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(["Bid", "Ask"]),
        ticks=st.integers(-3, 3),
        steps=st.integers(1, 600),
        flags=st.sets(st.sampled_from(FLAGS)),
        jump=st.sampled_from([0, 0, 0, 1]),
    )
    def order(self, name: str, symbol: str, side: str, ticks: int, steps: int, flags: "set[str]", jump: int) -> None:
        price, tick, step, most = MARKETS[symbol]
        last = self.exchange.markets[symbol].last_price
        at = (last if jump else price) + ticks * tick
        order = limit(side, str(at), str(step * (steps % most + 1)), symbol=symbol, stp="RejectMaker")
        if symbol != "SOL_USDC_PERP":
            order = replace(order, spot_margin=SpotMargin(**dict.fromkeys(flags, True)))
        before = state_of(self.exchange)
        try:
            self.exchange.place(name, order)
        except Refusal as refusal:
            assert state_of(self.exchange) == before
            self.seen[refusal.code.value] += 1

    @rule(permille=st.integers(-400, 400))
    def move_price(self, permille: int) -> None:
        """Let two strangers trade at another price: what collateral and debts in SOL are worth."""
        price = str((Decimal(150) * (1000 + permille) / 1000).quantize(Decimal("0.01")))
        for name in ACCOUNTS:
            self.exchange.cancel_all(name, "SOL_USDC")
        try:
            self.exchange.place("x", limit("Ask", price, "0.01"))
            self.exchange.place("y", limit("Bid", price, "0.01"))
        except Refusal as refusal:
            self.seen[refusal.code.value] += 1
        for name in "xy":
            self.exchange.cancel_all(name, "SOL_USDC")

    @rule(permille=st.integers(-60, 60))
    def move_mark(self, permille: int) -> None:
        price = Decimal(150) * (1000 + permille) / 1000
        self.exchange.prices.set_index("SOL_USDC_PERP", price, self.clock())

    @rule(seconds=st.sampled_from([1, 1, 10, 3_600, 90_000]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance_s(seconds)
        list(self.exchange.on_second(self.clock()))

    @rule(name=st.sampled_from(ACCOUNTS), symbol=st.sampled_from(SYMBOLS))
    def cancel_all(self, name: str, symbol: str) -> None:
        self.exchange.cancel_all(name, symbol)

    @rule(name=st.sampled_from(ACCOUNTS), setting=st.sampled_from(SETTINGS), wanted=st.booleans())
    def set_setting(self, name: str, setting: str, wanted: bool) -> None:
        self.exchange.open_account(name).auto_settings[setting] = wanted

    @invariant()
    def is_sound(self) -> None:
        assert_sound(self.exchange)

    @invariant()
    def margin_equals_the_recomputed_one(self) -> None:
        for account in self.exchange.accounts:
            margin = self.exchange.risk.margin(account)
            for name, value in recomputed_margin(self.exchange, account.account_id).items():
                assert abs(getattr(margin, name) - value) < BOUND, name

    @invariant()
    def interest_is_what_positions_have_grown_by(self) -> None:
        with localcontext() as context:
            context.prec = 50
            for account in self.exchange.accounts:
                loans = [*self.exchange.ledger.loans.of(account.account_id).values()]
                loans += [row.loan for row in account.closed_loans]
                if account.account_id != BACKSTOP_ACCOUNT:
                    paid = sum((row.amount for row in account.interest_payments), Decimal(0))
                    assert sum((loan.interest for loan in loans), Decimal(0)) == paid

    def count_movements(self) -> None:
        for name in ACCOUNTS:
            account = self.exchange.open_account(name)
            self.seen.update(f"{row.event.value} {row.source.value}" for row in account.loan_movements)
            kinds = [fill.system_order_type for fill in account.fills]
            self.seen.update(kind.value for kind in kinds if kind is not None)


def act(machine: Lenders, chance: random.Random) -> None:
    """Do something at random, of what the rules above offer."""
    name, kind = chance.choice(ACCOUNTS), chance.random()
    if kind < 0.25:
        side, asset = chance.choice(list(LoanSide)), chance.choice(ASSETS)
        machine.lend_or_borrow(name=name, side=side, asset=asset, cents=chance.randint(1, 900_000))
    elif kind < 0.7:
        machine.order(
            name=name,
            symbol=chance.choice(SYMBOLS),
            side=chance.choice(["Bid", "Ask"]),
            ticks=chance.randint(-3, 3),
            steps=chance.randint(1, 600),
            flags={flag for flag in FLAGS if chance.random() < 0.4},
            jump=int(chance.random() < 0.5),
        )
    elif kind < 0.74:
        machine.move_price(permille=chance.randint(-400, 400))
    elif kind < 0.8:
        machine.move_mark(permille=chance.randint(-60, 60))
    elif kind < 0.92:
        machine.let_time_pass(seconds=chance.choice((1, 1, 10, 10, 3_600)))
    elif kind < 0.95:
        machine.cancel_all(name=name, symbol=chance.choice(SYMBOLS))
    else:
        machine.set_setting(name=name, setting=chance.choice(SETTINGS), wanted=chance.random() < 0.4)


def test_hundreds_of_random_actions_see_everything() -> None:
    seen: Counter[str] = Counter()
    for seed in range(6):
        chance, machine = random.Random(seed), Lenders()
        for number in range(500):
            act(machine, chance)
            if number % 4 == 0:
                machine.is_sound()
                machine.margin_equals_the_recomputed_one()
                machine.interest_is_what_positions_have_grown_by()
        machine.count_movements()
        seen += machine.seen
    assert [word for word in EVERYTHING if not seen[word]] == [], seen


TestLenders = Lenders.TestCase
TestLenders.settings = BOUNDED
