"""Money comes, goes, is minted, redeemed, lent and converted in any order: nothing is lost and nothing is made."""

from contextlib import suppress
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from backpack_connector.simulator.capital_networks import Blockchain
from backpack_connector.simulator.capital_records import DepositStatus, KnownAddress, WithdrawalRequest
from backpack_connector.simulator.lending_positions import LoanSide
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import BOUNDED, FakeClock, assert_sound, limit, new_exchange

NAMES = ("a", "b")
ADDRESS = "So11111111111111111111111111111111111111112"
SOLANA = Blockchain.SOLANA

names = st.sampled_from(NAMES)
symbols = st.sampled_from(("USDC", "SOL", "HNT"))
quantities = st.decimals("0.001", "12000", places=3)


class Capital(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.exchange = new_exchange(self.clock)
        self.capital, self.vault = self.exchange.capital, self.exchange.vaults.vault(1)
        for name in NAMES:
            account = self.exchange.open_account(name)
            for address in (ADDRESS, *(self.capital.deposit_address(other, SOLANA) for other in NAMES)):
                self.capital.know_address(account, KnownAddress(blockchain=SOLANA, address=address))

    @rule(name=names, symbol=symbols, quantity=quantities)
    def deposit(self, name: str, symbol: str, quantity: Decimal) -> None:
        with suppress(Refusal):
            self.capital.deposit(self.exchange.open_account(name), symbol, quantity, SOLANA)

    @rule(name=names, symbol=symbols, quantity=quantities, inside=st.booleans(), flags=st.booleans())
    def withdraw(self, name: str, symbol: str, quantity: Decimal, *, inside: bool, flags: bool) -> None:
        other = NAMES[1 - NAMES.index(name)]
        address = self.capital.deposit_address(other, SOLANA) if inside else ADDRESS
        request = WithdrawalRequest(
            address=address, blockchain=SOLANA, symbol=symbol, quantity=quantity, borrows=flags, redeems=flags
        )
        with suppress(Refusal):
            self.capital.withdraw(self.exchange.open_account(name), request)

    @rule(name=names)
    def convert_dust(self, name: str) -> None:
        self.exchange.dust.convert(self.exchange.open_account(name), None)

    @rule(name=names, quantity=quantities)
    def mint(self, name: str, quantity: Decimal) -> None:
        with suppress(Refusal):
            self.vault.mint(self.exchange.open_account(name), "USDC", quantity, redeems=False, borrows=False)

    @rule(name=names, tokens=st.none() | quantities)
    def redeem(self, name: str, tokens: Decimal | None) -> None:
        with suppress(Refusal):
            self.vault.request_redeem(self.exchange.open_account(name), tokens)

    @rule(name=names)
    def cancel_redeem(self, name: str) -> None:
        with suppress(Refusal):
            self.vault.cancel_redeem(self.exchange.open_account(name))

    @rule(name=names, side=st.sampled_from(LoanSide), symbol=st.sampled_from(("USDC", "SOL")), quantity=quantities)
    def lend_or_borrow(self, name: str, side: LoanSide, symbol: str, quantity: Decimal) -> None:
        with suppress(Refusal):
            self.exchange.lending.execute(name, side, symbol, quantity)

    @rule(quantity=st.integers(1, 400), is_bid=st.booleans())
    def let_the_vault_trade(self, quantity: int, *, is_bid: bool) -> None:
        price = "150.5" if is_bid else "149.5"
        sides = ("Ask", "Bid") if is_bid else ("Bid", "Ask")
        for name, side in zip(("b", self.vault.account_id), sides, strict=True):
            with suppress(Refusal):
                self.exchange.place(name, limit(side, price, str(Decimal(quantity) / 100)))

    @rule(seconds=st.sampled_from((1, 30, 600, 3_601, 90_000)))
    def wait(self, seconds: int) -> None:
        self.clock.advance_s(seconds)
        for _ in self.exchange.on_second(self.clock()):
            pass

    @invariant()
    def nothing_is_lost(self) -> None:
        assert_sound(self.exchange)

    @invariant()
    def what_came_and_went_is_in_the_histories(self) -> None:
        # The faucet gives no HNT, nobody trades it and it cannot be lent.
        total = Decimal(0)
        for account in map(self.exchange.open_account, NAMES):
            rows = [row for row in self.capital.deposits(account) if row.symbol == "HNT"]
            total += sum(row.quantity for row in rows if row.status is DepositStatus.CONFIRMED)
            sent = [row for row in self.capital.withdrawals(account) if row.request.symbol == "HNT"]
            total -= sum(row.request.quantity - row.fee for row in sent)
        assert self.exchange.ledger.deposited.get("HNT", Decimal(0)) == total

    @invariant()
    def the_tokens_are_those_that_somebody_has(self) -> None:
        held = sum(self.exchange.ledger.balance(name, "vUSDC").total for name in NAMES)
        assert held == self.vault.supply == self.exchange.ledger.deposited.get("vUSDC", 0)


Capital.TestCase.settings = BOUNDED
TestCapital = Capital.TestCase
