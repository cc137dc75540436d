"""Help the tests of lending: short ways to lend, borrow and look."""

from decimal import Decimal

from backpack_connector.simulator.accounts import Account
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import Execution
from backpack_connector.simulator.lending_positions import LoanSide
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import FakeClock, assert_sound, new_exchange

HOUR_S = 3_600


class LendingScene:
    """An exchange where `a` and `b` lend and borrow."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.exchange: Exchange = new_exchange(self.clock)
        for name in "ab":
            self.exchange.open_account(name)

    def account(self, name: str = "a") -> Account:
        return self.exchange.open_account(name)

    def lend(self, quantity: str, asset: str = "SOL", name: str = "a") -> Execution:
        return self._execute(LoanSide.LEND, quantity, asset, name)

    def borrow(self, quantity: str, asset: str = "SOL", name: str = "a") -> Execution:
        return self._execute(LoanSide.BORROW, quantity, asset, name)

    def _execute(self, side: LoanSide, quantity: str, asset: str, name: str) -> Execution:
        execution = self.exchange.lending.execute(name, side, asset, Decimal(quantity))
        assert_sound(self.exchange)
        return execution

    def refusal(self, side: LoanSide, quantity: str, asset: str = "SOL", name: str = "a") -> str:
        """Return the code with which something is refused."""
        try:
            self.exchange.lending.execute(name, side, asset, Decimal(quantity))
        except Refusal as refusal:
            assert_sound(self.exchange)
            return refusal.code.value
        raise AssertionError("it was not refused")

    def wait(self, seconds: float) -> list[Execution]:
        """Let time pass, and return what happened."""
        self.clock.advance_s(seconds)
        executions = list(self.exchange.on_second(self.clock()))
        assert_sound(self.exchange)
        return executions

    def until_the_hour(self) -> list[Execution]:
        return self.wait(HOUR_S - self.clock() // 10**6 % HOUR_S)

    def available(self, asset: str = "SOL", name: str = "a") -> Decimal:
        return self.exchange.ledger.balance(name, asset).available

    def net(self, asset: str = "SOL", name: str = "a") -> Decimal:
        """Return what is lent (positive) or borrowed (negative)."""
        loan = self.exchange.ledger.loans.get(name, asset)
        return Decimal(0) if loan is None else loan.quantity

    def moves(self, name: str = "a", since: int = 0) -> list[tuple[str, str, str]]:
        """Return event, source and quantity of each movement."""
        rows = self.account(name).loan_movements[since:]
        return [(row.event.value, row.source.value, f"{row.quantity.normalize():f}") for row in rows]
