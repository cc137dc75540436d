"""Random trading of several accounts over spot and perpetual markets, with moving marks, settlement and funding.

The margin is computed once more here, straight from API §5.5 and sharing nothing with margin.py.
"""

import random
from collections import Counter
from decimal import Decimal, localcontext
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from backpack_connector.protocol.enums import SelfTradePrevention, Side, TimeInForce
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Execution, OrderUpdated, PositionChanged
from backpack_connector.simulator.orders import NewOrder
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import BOUNDED, FakeClock, assert_sound, limit, market, new_exchange, state_of

SOL, BTC, SPOT = "SOL_USDC_PERP", "BTC_USDC_PERP", "SOL_USDC"
ACCOUNTS = ("a", "b", "c")
# (seed price, tick, smallest step used, largest number of steps): small and large positions, beyond the root's knee.
MARKETS = {
    SOL: (Decimal(150), Decimal("0.01"), Decimal(1), 3_000),
    BTC: (Decimal(86_700), Decimal("0.1"), Decimal("0.01"), 500),
    SPOT: (Decimal(150), Decimal("0.01"), Decimal(1), 40),
}
FUNCTIONS = {
    SOL: {"imf": ("0.02", "0.000075"), "mmf": ("0.0135", "0.0000375")},
    BTC: {"imf": ("0.01333333", "0.00002494"), "mmf": ("0.00666667", "0.00001496")},
}
DEBT = {"imf": ("0.05", "0.000075"), "mmf": ("0.03", "0.0000375")}
WEIGHTS = {"USDC": Decimal(1), "USDT": Decimal(1)}
BOUND = Decimal("1e-20")
# Mostly orders that rest or cross a little, in the market with the most going on.
SYMBOLS = (SOL, SOL, SOL, SOL, BTC, SPOT)
TIMES_IN_FORCE = (*[TimeInForce.GTC] * 6, TimeInForce.IOC, TimeInForce.FOK)
PREVENTIONS = (*[SelfTradePrevention.REJECT_MAKER] * 3, SelfTradePrevention.REJECT_TAKER)


def recomputed_margin(exchange: Exchange, account_id: str) -> dict[str, Decimal]:
    """Compute an account's margin from its balances, positions and orders, as API §5.5 has it."""
    account, ledger = exchange.open_account(account_id), exchange.ledger
    with localcontext() as context:
        context.prec = 50
        net_equity, locked, exposure, maintenance = ledger.unsettled(account_id), Decimal(0), Decimal(0), Decimal(0)
        loans = ledger.loans.of(account_id)
        for asset in {*ledger.balances(account_id), *loans}:
            balance, loan = ledger.balance(account_id, asset), loans.get(asset)
            lent = Decimal(0) if loan is None else max(Decimal(0), loan.quantity)
            borrowed = Decimal(0) if loan is None else max(Decimal(0), -loan.quantity)
            row = exchange.markets.get(f"{asset}_USDC")
            price = Decimal(1) if row is None else row.last_price
            weight = WEIGHTS.get(asset, Decimal("0.9"))
            net_equity += (balance.available + balance.locked + lent) * price * weight - borrowed * price
            locked += max(Decimal(0), balance.locked - borrowed) * price * weight
            if borrowed:
                debt = borrowed * price
                base, factor = map(Decimal, DEBT["imf"])
                locked += debt * max(base, 1 / account.leverage_limit, factor * debt.sqrt())
                base, factor = map(Decimal, DEBT["mmf"])
                maintenance += debt * max(base, factor * debt.sqrt())
                exposure += debt
        for symbol, functions in FUNCTIONS.items():
            position, mark = ledger.position(account_id, symbol), exchange.markets[symbol].mark_price
            quantity = Decimal(0) if position is None else position.quantity
            longest = shortest = quantity
            for order in account.open_orders.values():
                if order.symbol == symbol and not order.reduce_only:
                    assert order.quantity is not None
                    left = order.quantity - order.executed_quantity
                    longest += left if order.side is Side.BID else 0
                    shortest -= left if order.side is Side.ASK else 0
            notional = max(abs(longest), abs(shortest)) * mark
            base, factor = map(Decimal, functions["imf"])
            locked += notional * max(base, 1 / account.leverage_limit, factor * notional.sqrt())
            base, factor = map(Decimal, functions["mmf"])
            maintenance += notional * max(base, factor * notional.sqrt())
            exposure += notional
            if position is not None:
                net_equity += position.cash + quantity * mark - position.realized
        return {
            "net_equity": net_equity,
            "locked": locked,
            "available": net_equity - locked,
            "exposure": exposure,
            "maintenance_margin": maintenance,
        }


EVERYTHING = (
    "positionOpened",
    "positionAdjusted",
    "positionClosed",
    "orderModified",
    "orderExpired",
    "Insufficient margin",
    "Reduce only order not reduced",
    "Account is being liquidated",
    "LiquidatePositionOnBook",
    "LiquidatePositionOnBackstop",
    "LiquidatePositionOnAdl",
)


class Futures(RuleBasedStateMachine):
    """Any sequence of orders, prices, settlements and hours keeps the promises of margin and positions."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.exchange = new_exchange(self.clock)
        self.seen: Counter[str] = Counter()
        self.walk: Counter[str] = Counter()
        self.flows: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
        """Per account and market: what all fills brought in, and the quantity that they add up to."""

    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(Side),
        ticks=st.integers(-4, 4),
        steps=st.integers(1, 3_000),
        tif=st.sampled_from(TIMES_IN_FORCE),
        stp=st.sampled_from(PREVENTIONS),
        reduce_only=st.sampled_from([False, False, True]),
    )
    def place_limit(
        self,
        account_id: str,
        symbol: str,
        side: Side,
        ticks: int,
        steps: int,
        tif: TimeInForce,
        stp: SelfTradePrevention,
        reduce_only: bool,
    ) -> None:
        price, tick, step, most = MARKETS[symbol]
        order = limit(
            side.value,
            str(price + ticks * tick),
            str(step * (steps % most + 1)),
            tif=tif.value,
            stp=stp.value,
            symbol=symbol,
            reduce_only=reduce_only if symbol != SPOT else None,
        )
        self.attempt(account_id, order)

    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(Side),
        quote=st.integers(100, 100_000),
        reduce_only=st.booleans(),
    )
    def place_market_by_quote(self, account_id: str, symbol: str, side: Side, quote: int, reduce_only: bool) -> None:
        flag = reduce_only if symbol != SPOT else None
        self.attempt(account_id, market(side.value, quote=str(quote), symbol=symbol, reduce_only=flag))

    def attempt(self, account_id: str, request: NewOrder) -> None:
        exchange = self.exchange
        account = exchange.open_account(account_id)
        before_state = state_of(exchange)
        before = exchange.risk.margin(account)
        quantities = {owner: exchange.net_quantity(owner, request.symbol) for owner in ACCOUNTS}
        try:
            execution = exchange.place(account_id, request)
        except Refusal as refusal:
            assert state_of(exchange) == before_state
            self.seen[refusal.message] += 1
            return
        after = exchange.risk.margin(account)
        if request.symbol == SPOT:
            is_riskier = after.available < before.available and bool(after.exposure)
        else:
            is_riskier = after.exposure_quantity(request.symbol) > before.exposure_quantity(request.symbol)
        # Closing is always allowed, even where resting orders of the other direction then stand alone.
        assert request.reduce_only or not is_riskier or after.available >= 0
        self.book(execution)
        self.check_reductions(account_id, request, execution, quantities)

    def check_reductions(
        self, account_id: str, request: NewOrder, execution: Execution, before: dict[str, Decimal]
    ) -> None:
        """Reduce-only orders, resting or not, bring a position towards zero and never beyond."""
        running = dict(before)
        for event in execution.events:
            if isinstance(event, OrderUpdated) and event.fill is not None and event.order.symbol != SPOT:
                owner = event.order.account_id
                now = running.get(owner, Decimal(0))
                then = now + (event.fill.quantity if event.order.side is Side.BID else -event.fill.quantity)
                running[owner] = then
                if event.order.reduce_only:
                    assert now * then >= 0
                    assert abs(then) < abs(now)
        if request.symbol != SPOT:
            for owner in ACCOUNTS:
                assert running[owner] == self.exchange.net_quantity(owner, request.symbol)

    def book(self, execution: Execution) -> None:
        for event in execution.events:
            if isinstance(event, OrderUpdated | PositionChanged):
                self.seen[event.kind.value] += 1
            if isinstance(event, OrderUpdated) and event.fill is not None:
                kind = event.fill.system_order_type
                self.seen["user" if kind is None else kind.value] += 1
            if isinstance(event, OrderUpdated) and event.fill is not None and event.order.symbol != SPOT:
                key = (event.order.account_id, event.order.symbol)
                cash, quantity = self.flows.get(key, (Decimal(0), Decimal(0)))
                bought = event.fill.quantity if event.order.side is Side.BID else -event.fill.quantity
                self.flows[key] = (cash - bought * event.fill.price, quantity + bought)

    @rule(account_id=st.sampled_from(ACCOUNTS), symbol=st.sampled_from(sorted(MARKETS)))
    def cancel_all(self, account_id: str, symbol: str) -> None:
        self.exchange.cancel_all(account_id, symbol)

    @rule(symbol=st.sampled_from([SOL, BTC]), permille=st.integers(-60, 60))
    def move_mark(self, symbol: str, permille: int) -> None:
        price = MARKETS[symbol][0] * (1000 + permille) / 1000
        self.exchange.prices.set_index(symbol, price, self.clock())

    @rule(seconds=st.sampled_from([1, 7, 10, 25, 3_600, 10_000]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance_s(seconds)
        for execution in self.exchange.on_second(self.clock()):
            self.book(execution)

    @rule(account_id=st.sampled_from(ACCOUNTS), limit_text=st.sampled_from(["1", "2", "5", "10", "50", "75"]))
    def set_leverage(self, account_id: str, limit_text: str) -> None:
        account = self.exchange.open_account(account_id)
        before = account.leverage_limit
        try:
            self.exchange.set_leverage_limit(account_id, Decimal(limit_text))
        except Refusal:
            assert account.leverage_limit == before
        else:
            margin = self.exchange.risk.margin(account)
            assert Decimal(limit_text) >= before or not margin.exposure or margin.available >= 0

    @invariant()
    def is_sound(self) -> None:
        assert_sound(self.exchange)

    @invariant()
    def margin_equals_the_recomputed_one(self) -> None:
        for account in self.exchange.accounts:
            margin: Any = self.exchange.risk.margin(account)
            for name, value in recomputed_margin(self.exchange, account.account_id).items():
                assert abs(getattr(margin, name) - value) < BOUND, name

    @invariant()
    def profits_are_what_fills_say(self) -> None:
        """Realised (in closed and open positions) + unrealised = cash of all fills + quantity x mark, exactly."""
        for (account_id, symbol), (cash, quantity) in self.flows.items():
            mark = self.exchange.markets[symbol].mark_price
            position = self.exchange.ledger.position(account_id, symbol)
            closed = [row.position for row in self.exchange.open_account(account_id).closed_positions]
            profit = sum((row.realized for row in closed if row.symbol == symbol), Decimal(0))
            assert quantity == self.exchange.net_quantity(account_id, symbol)
            if position is not None:
                profit += position.realized + position.unrealized(mark)
            assert profit == cash + quantity * mark


def act(machine: Futures, chance: random.Random) -> None:
    """Do something at random, of what the rules above offer."""
    account_id, symbol, side = chance.choice(ACCOUNTS), chance.choice(SYMBOLS), chance.choice(list(Side))
    if account_id != "c" and chance.random() < 0.6:
        side = Side.BID if account_id == "a" else Side.ASK  # so that positions grow large
    reduce_only, kind = chance.random() < 0.3, chance.random()
    if kind < 0.65:
        machine.place_limit(
            account_id=account_id,
            symbol=symbol,
            side=side,
            ticks=chance.randint(-4, 4),
            steps=chance.randint(1, 3_000),
            tif=chance.choice(TIMES_IN_FORCE),
            stp=chance.choice(PREVENTIONS),
            reduce_only=reduce_only,
        )
    elif kind < 0.75:
        quote = chance.randint(100, 100_000)
        machine.place_market_by_quote(
            account_id=account_id, symbol=symbol, side=side, quote=quote, reduce_only=reduce_only
        )
    elif kind < 0.83:
        # A walk in steps that are smaller than maintenance margins, so that liquidations begin on the book.
        moved = chance.choice((SOL, BTC))
        machine.walk[moved] = max(-150, min(150, machine.walk[moved] + chance.randint(-9, 9)))
        machine.move_mark(symbol=moved, permille=machine.walk[moved])
    elif kind < 0.95:
        machine.let_time_pass(seconds=chance.choice((1, 1, 1, 7, 10, 25, 3_600)))
    elif kind < 0.98:
        machine.cancel_all(account_id=account_id, symbol=symbol)
    else:
        machine.set_leverage(account_id=account_id, limit_text=chance.choice(("20", "50", "75")))


def test_thousands_of_random_actions_see_everything() -> None:
    """Long runs, where positions grow old; and proof that the random actions reach what they are meant to reach."""
    seen: Counter[str] = Counter()
    for seed in range(12):
        chance, machine = random.Random(seed), Futures()
        machine.exchange.liquidations.backstop_capacity = Decimal((0, 50_000, 10_000_000)[seed % 3])
        for number in range(1_400):
            act(machine, chance)
            if number % 4 == 0:
                machine.is_sound()
                machine.margin_equals_the_recomputed_one()
                machine.profits_are_what_fills_say()
        seen += machine.seen
    assert [word for word in EVERYTHING if not seen[word]] == [], seen


TestFutures = Futures.TestCase
TestFutures.settings = BOUNDED
