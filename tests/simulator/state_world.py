"""A world in which everything happens that other random worlds leave out: strategies, quotes, capital, vaults, dust."""

import random
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from backpack_connector.protocol.enums import OrderType, Side
from backpack_connector.simulator.capital_networks import Blockchain
from backpack_connector.simulator.capital_records import KnownAddress, WithdrawalRequest
from backpack_connector.simulator.lending_positions import LoanSide
from backpack_connector.simulator.orders import NewOrder
from backpack_connector.simulator.refusals import Refusal
from backpack_connector.simulator.rfq_states import ExecutionMode, NewQuote, NewRfq
from backpack_connector.simulator.strategies import NewStrategy
from tests.simulator.support import FakeClock, limit, new_exchange

NAMES = ("a", "b", "c")
ADDRESS = "So11111111111111111111111111111111111111112"
SYMBOLS = ("SOL_USDC", "SOL_USDC_PERP")


class Everything:
    """An exchange on which three people do everything."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.exchange = new_exchange(self.clock)
        for name in NAMES:
            self.exchange.open_account(name)

    def act(self, chance: random.Random) -> None:
        """Do one thing, or let time pass."""
        actions: tuple[Callable[[random.Random], object], ...] = (
            self.order,
            self.order,
            self.order,
            self.cancel,
            self.strategy,
            self.end_strategy,
            self.ask,
            self.quote,
            self.quote,
            self.accept,
            self.end_request,
            self.deposit,
            self.withdraw,
            self.settings,
            self.vault,
            self.vault,
            self.lend,
            self.dust,
            self.wait,
            self.wait,
            self.wait,
        )
        self.clock.advance_s(0.001)
        with suppress(Refusal):
            chance.choice(actions)(chance)

    def order(self, chance: random.Random) -> None:
        price, quantity = str(chance.randint(1_480, 1_520) / 10), str(chance.randint(1, 100) / 100)
        side, symbol = chance.choice(("Bid", "Ask")), chance.choice(SYMBOLS)
        self.exchange.place(chance.choice(NAMES), limit(side, price, quantity, symbol=symbol, stp="RejectMaker"))

    def cancel(self, chance: random.Random) -> None:
        for symbol in SYMBOLS:
            self.exchange.cancel_all(chance.choice(NAMES), symbol)

    def strategy(self, chance: random.Random) -> None:
        order = NewOrder(
            symbol=chance.choice(SYMBOLS),
            side=chance.choice(list(Side)),
            order_type=OrderType.LIMIT,
            price=Decimal(chance.randint(145, 155)),
            quantity=Decimal(chance.randint(10, 300)) / 100,
        )
        request = NewStrategy(order=order, duration_ms=60_000, interval_ms=5_000, is_randomized=chance.random() < 0.5)
        self.exchange.strategies.create(chance.choice(NAMES), request)

    def end_strategy(self, chance: random.Random) -> None:
        self.exchange.strategies.cancel(self.exchange.strategies.running(chance.choice(NAMES))[:1])

    def ask(self, chance: random.Random) -> None:
        request = NewRfq(
            symbol="SOL_USDC_RFQ",
            side=chance.choice(list(Side)),
            quantity=Decimal(chance.randint(1, 20)) / 10,
            mode=ExecutionMode.AWAIT_ACCEPT,
        )
        self.exchange.rfqs.submit(chance.choice(NAMES), request)

    def quote(self, chance: random.Random) -> None:
        for name in NAMES:
            for rfq in self.exchange.rfqs.open_of(name):
                middle = chance.randint(145, 155)
                quote = NewQuote(rfq_id=rfq.rfq_id, bid_price=Decimal(middle - 1), ask_price=Decimal(middle + 1))
                with suppress(Refusal):
                    self.exchange.rfqs.quote(chance.choice(NAMES), quote)

    def accept(self, chance: random.Random) -> None:
        for name in chance.sample(NAMES, len(NAMES)):
            for rfq in self.exchange.rfqs.open_of(name):
                if rfq.best_quote is not None:
                    self.exchange.rfqs.accept(name, rfq.best_quote.quote_id, rfq_id=rfq.rfq_id, client_id=None)
                    return

    def end_request(self, chance: random.Random) -> None:
        name = chance.choice(NAMES)
        for rfq in self.exchange.rfqs.open_of(name)[:1]:
            if chance.random() < 0.5:
                self.exchange.rfqs.refresh(name, rfq.rfq_id)
            else:
                self.exchange.rfqs.cancel(name, rfq_id=rfq.rfq_id, client_id=None)

    def deposit(self, chance: random.Random) -> None:
        account = self.exchange.open_account(chance.choice(NAMES))
        quantity = Decimal(chance.randint(1_000, 90_000)) / 1_000
        self.exchange.capital.deposit(account, chance.choice(("USDC", "SOL", "HNT")), quantity, Blockchain.SOLANA)

    def withdraw(self, chance: random.Random) -> None:
        account = self.exchange.open_account(chance.choice(NAMES))
        other = self.exchange.capital.deposit_address(chance.choice(NAMES), Blockchain.SOLANA)
        request = WithdrawalRequest(
            address=chance.choice((ADDRESS, other)),
            blockchain=Blockchain.SOLANA,
            symbol=chance.choice(("USDC", "SOL")),
            quantity=Decimal(chance.randint(1, 3)),
            redeems=True,
        )
        for address in (ADDRESS, other):
            self.exchange.capital.know_address(account, KnownAddress(blockchain=Blockchain.SOLANA, address=address))
        self.exchange.capital.withdraw(account, request)

    def settings(self, chance: random.Random) -> None:
        account = self.exchange.open_account(chance.choice(NAMES))
        self.exchange.capital.set_delay(account, chance.choice((0, 24)))
        self.exchange.set_leverage_limit(account.account_id, Decimal(chance.choice((5, 10))))
        account.auto_settings["autoLend"] = chance.random() < 0.3

    def vault(self, chance: random.Random) -> None:
        vault, account = self.exchange.vaults.vault(1), self.exchange.open_account(chance.choice(NAMES))
        if chance.random() < 0.6:
            vault.mint(account, "USDC", Decimal(chance.randint(10, 30)), redeems=False, borrows=False)
        elif chance.random() < 0.7:
            vault.request_redeem(account, None)
        else:
            vault.cancel_redeem(account)

    def lend(self, chance: random.Random) -> None:
        side, asset = chance.choice(list(LoanSide)), chance.choice(("USDC", "SOL"))
        self.exchange.lending.execute(chance.choice(NAMES), side, asset, Decimal(chance.randint(1, 20)))

    def dust(self, chance: random.Random) -> None:
        self.exchange.dust.convert(self.exchange.open_account(chance.choice(NAMES)), None)

    def wait(self, chance: random.Random) -> None:
        self.clock.advance_s(chance.choice((1, 1, 2, 5, 15, 70, 3_601)))
        for _ in self.exchange.on_second(self.clock()):
            pass
