"""Deposits, withdrawals, the address book and the delay, and dust: the engine alone."""

from decimal import Decimal
from typing import Any

import pytest

from backpack_connector.simulator.accounts import Account
from backpack_connector.simulator.capital_networks import Blockchain
from backpack_connector.simulator.capital_records import Deposit, KnownAddress, Withdrawal, WithdrawalRequest
from backpack_connector.simulator.events import BalanceChanged
from backpack_connector.simulator.lending_positions import LoanSide
from backpack_connector.simulator.refusals import Refusal
from tests.simulator.support import START_US, FakeClock, assert_sound, limit, new_exchange, state_of

ADDRESS = "So11111111111111111111111111111111111111112"
ETHEREUM_ADDRESS = "0x0ad42b8e602c2d3d475ae52d678cf63d84ab2749"
HOUR_US = 3_600_000_000


class Scene:
    """Two accounts with faucet money, and a clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.exchange = new_exchange(self.clock)
        self.capital = self.exchange.capital
        self.a, self.b = (self.exchange.open_account(name) for name in "ab")
        self.know(ADDRESS)

    def know(self, address: str, blockchain: str = "Solana", **fields: bool) -> None:
        self.capital.know_address(self.a, KnownAddress(blockchain=Blockchain(blockchain), address=address, **fields))

    def deposit(self, symbol: str, quantity: str, blockchain: str = "Solana") -> Deposit:
        return self.capital.deposit(self.a, symbol, Decimal(quantity), Blockchain(blockchain))

    def withdraw(self, **fields: Any) -> Withdrawal:
        return self.capital.withdraw(self.a, request(**fields))[0]

    def wait(self, seconds: float) -> list[BalanceChanged]:
        self.clock.advance_s(seconds)
        return [
            event
            for execution in self.exchange.on_second(self.clock())
            for event in execution.events
            if isinstance(event, BalanceChanged)
        ]

    def available(self, symbol: str, account: Account | None = None) -> Decimal:
        return self.exchange.ledger.balance((account or self.a).account_id, symbol).available


def request(**fields: Any) -> WithdrawalRequest:
    usual = {"address": ADDRESS, "blockchain": Blockchain.SOLANA, "symbol": "USDC", "quantity": Decimal(25)}
    return WithdrawalRequest(**{**usual, **fields})


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_the_faucet_gave_is_the_first_deposit(scene: Scene) -> None:
    rows = scene.capital.deposits(scene.a)
    assert {row.symbol: row.quantity for row in rows} == scene.exchange.accounts.faucet
    assert {(row.source, row.status.value, row.created_us) for row in rows} == {
        ("administrator", "confirmed", scene.a.opened_us)
    }
    assert rows == scene.capital.deposits(scene.a)


def test_a_deposit_is_pending_and_then_in_the_balance(scene: Scene) -> None:
    before = scene.available("USDC")
    deposit = scene.deposit("USDC", "120.5", "Ethereum")
    assert (deposit.status.value, deposit.source) == ("pending", "ethereum")
    assert deposit.to_address == scene.capital.deposit_address("a", Blockchain.ETHEREUM)
    assert scene.wait(19) == []
    assert (deposit.status.value, scene.available("USDC")) == ("pending", before)
    (event,) = scene.wait(1.1)
    assert (event.account_id, event.asset, event.available) == ("a", "USDC", before + Decimal("120.5"))
    assert deposit.status.value == "confirmed"
    assert scene.wait(60) == []
    assert scene.capital.deposits(scene.a)[-1] is deposit
    assert_sound(scene.exchange)


def test_too_little_is_declined_and_never_arrives(scene: Scene) -> None:
    assert scene.deposit("USDC", "0.999999").status.value == "declined"
    assert scene.wait(60) == []
    assert scene.deposit("USDC", "1").status.value == "pending"


@pytest.mark.parametrize(
    ("symbol", "quantity", "blockchain", "code"),
    [
        ("NOPE", "1", "Solana", "INVALID_ASSET"),
        ("USDC", "1", "Sui", "INVALID_ASSET"),
        ("kBONK", "1", "Solana", "INVALID_ASSET"),
        ("USDC", "0", "Solana", "INVALID_QUANTITY"),
        ("USDC", "-1", "Solana", "INVALID_QUANTITY"),
        ("USDC", "5.0000001", "Solana", "INVALID_QUANTITY"),
        ("WEN", "10000", "Solana", "PRECONDITION_FAILED"),
    ],
)
def test_what_no_blockchain_could_send_is_refused(
    scene: Scene, symbol: str, quantity: str, blockchain: str, code: str
) -> None:
    with pytest.raises(Refusal) as caught:
        scene.deposit(symbol, quantity, blockchain)
    assert caught.value.code.value == code


def test_a_withdrawal_costs_its_fee_and_is_gone_at_once(scene: Scene) -> None:
    before, deposited = scene.available("USDC"), scene.exchange.ledger.deposited["USDC"]
    withdrawal, execution = scene.capital.withdraw(scene.a, request(client_id="mine"))
    (event,) = execution.events
    assert isinstance(event, BalanceChanged)
    assert event.available == scene.available("USDC") == before - 25
    assert (withdrawal.status.value, withdrawal.fee, withdrawal.transaction_hash) == ("pending", 1, None)
    assert scene.exchange.ledger.fees["USDC"] == 1
    assert scene.exchange.ledger.deposited["USDC"] == deposited - 24
    scene.wait(19)
    assert withdrawal.status.value == "pending"
    assert scene.wait(1.1) == []
    assert withdrawal.status.value == "confirmed"
    assert withdrawal.transaction_hash
    assert scene.capital.withdrawals(scene.a) == [withdrawal]
    assert scene.capital.withdrawals(scene.b) == []
    assert_sound(scene.exchange)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"symbol": "NOPE"}, "INVALID_ASSET"),
        ({"blockchain": Blockchain.SUI}, "INVALID_ASSET"),
        ({"blockchain": Blockchain.ETHEREUM, "quantity": Decimal(50)}, "INVALID_CLIENT_REQUEST"),
        ({"address": "nowhere"}, "INVALID_CLIENT_REQUEST"),
        ({"quantity": Decimal("1.999999")}, "INVALID_QUANTITY"),
        ({"quantity": Decimal("2.0000001")}, "INVALID_QUANTITY"),
        ({"quantity": Decimal(-25)}, "INVALID_QUANTITY"),
        ({"quantity": Decimal("10000.01")}, "INSUFFICIENT_FUNDS"),
        (
            {"quantity": Decimal(1_000_001), "blockchain": Blockchain.ETHEREUM, "address": ETHEREUM_ADDRESS},
            "INVALID_QUANTITY",
        ),
        (
            {"symbol": "USDT", "blockchain": Blockchain.TRON, "address": "TNekDcGLGfS2FBFTN9QKGfPZCRWhozaY3A"},
            "PRECONDITION_FAILED",
        ),
        ({"address": ETHEREUM_ADDRESS, "blockchain": Blockchain.ETHEREUM}, "INVALID_TWO_FACTOR_CODE"),
        (
            {"address": ETHEREUM_ADDRESS, "blockchain": Blockchain.ETHEREUM, "two_factor_token": "123456"},
            "INVALID_TWO_FACTOR_CODE",
        ),
    ],
)
def test_a_refused_withdrawal_changes_nothing(scene: Scene, fields: dict[str, Any], code: str) -> None:
    before = state_of(scene.exchange)
    with pytest.raises(Refusal) as caught:
        scene.withdraw(**fields)
    assert caught.value.code.value == code
    assert state_of(scene.exchange) == before
    assert scene.capital.withdrawals(scene.a) == []


def test_an_address_that_needs_the_second_factor_does_not_help(scene: Scene) -> None:
    scene.know(ADDRESS, needs_two_factor=True)
    with pytest.raises(Refusal, match="Two factor token is required"):
        scene.withdraw()
    with pytest.raises(Refusal, match="Invalid two factor token"):
        scene.withdraw(two_factor_token="123456")
    assert [row.needs_two_factor for row in scene.capital.known_addresses(scene.a)] == [True]
    assert scene.capital.known_addresses(scene.b) == []


def test_the_address_book_knows_an_address_in_any_case(scene: Scene) -> None:
    scene.know(ETHEREUM_ADDRESS, "Ethereum")
    address = "0x" + ETHEREUM_ADDRESS[2:].upper()
    assert scene.withdraw(address=address, blockchain=Blockchain.ETHEREUM).request.address == address


@pytest.mark.parametrize(("address", "blockchain"), [("nowhere", "Solana"), (ADDRESS, "Ethereum"), (ADDRESS, "Sui")])
def test_the_address_book_takes_addresses_only(scene: Scene, address: str, blockchain: str) -> None:
    with pytest.raises(Refusal, match="Invalid address"):
        scene.know(address, blockchain)


def test_the_delay_holds_back_what_is_not_whitelisted(scene: Scene) -> None:
    scene.know(ADDRESS, is_whitelisted=False)
    assert scene.withdraw().trigger_us is None
    scene.capital.set_delay(scene.a, 24)
    withdrawal = scene.withdraw()
    assert withdrawal.trigger_us == withdrawal.created_us + 24 * HOUR_US
    scene.wait(24 * 3_600)
    assert withdrawal.status.value == "pending"
    scene.wait(20.1)
    assert withdrawal.status.value == "confirmed"
    scene.know(ADDRESS)
    assert scene.withdraw().trigger_us is None


def test_a_changed_delay_counts_when_the_current_one_has_passed(scene: Scene) -> None:
    assert scene.capital.delay(scene.a) is None
    scene.capital.set_delay(scene.a, 2)
    scene.capital.set_delay(scene.a, 0)
    delay = scene.capital.delay(scene.a)
    assert delay is not None
    assert (delay.hours, delay.pending_hours) == (2, 0)
    assert delay.pending_from_us is not None
    assert abs(delay.pending_from_us - START_US - 2 * HOUR_US) < 1_000
    scene.clock.advance_s(2 * 3_600 + 1)
    after = scene.capital.delay(scene.a)
    assert after is not None
    assert (after.hours, after.pending_hours, after.pending_from_us) == (0, None, None)


def test_a_withdrawal_to_somebody_here_stays_inside(scene: Scene) -> None:
    address = scene.capital.deposit_address("b", Blockchain.SOLANA)
    scene.know(address)
    withdrawal = scene.withdraw(address=address)
    assert (withdrawal.fee, withdrawal.receiver_id) == (0, "b")
    (event,) = scene.wait(1)
    assert (event.account_id, event.available) == ("b", Decimal(10_025))
    assert (withdrawal.status.value, withdrawal.transaction_hash) == ("confirmed", None)
    deposit = scene.capital.deposits(scene.b)[-1]
    assert (deposit.source, deposit.status.value, deposit.quantity) == ("internal", "confirmed", 25)
    assert_sound(scene.exchange)


def test_nobody_withdraws_to_himself(scene: Scene) -> None:
    address = scene.capital.deposit_address("a", Blockchain.SOLANA)
    scene.know(address)
    with pytest.raises(Refusal, match="own deposit address"):
        scene.withdraw(address=address)


def test_no_money_leaves_that_a_position_needs(scene: Scene) -> None:
    scene.exchange.accounts.faucet = {"USDC": Decimal(20_000)}
    poor = scene.exchange.open_account("c")
    scene.capital.know_address(poor, KnownAddress(blockchain=Blockchain.SOLANA, address=ADDRESS))
    for name, side in (("b", "Ask"), ("c", "Bid")):
        scene.exchange.place(name, limit(side, "150", "1000", symbol="SOL_USDC_PERP"))
    before = state_of(scene.exchange)
    with pytest.raises(Refusal) as caught:
        scene.capital.withdraw(poor, request(quantity=Decimal(6_000)))
    assert caught.value.code.value == "INSUFFICIENT_MARGIN"
    assert state_of(scene.exchange) == before
    scene.capital.withdraw(poor, request(quantity=Decimal(4_000)))


def test_an_account_in_liquidation_keeps_its_money(scene: Scene) -> None:
    scene.a.is_liquidating = True
    with pytest.raises(Refusal) as caught:
        scene.withdraw()
    assert caught.value.code.value == "ACCOUNT_LIQUIDATING"


def dusty(scene: Scene) -> None:
    """Leave 0.004 SOL and 0.06 HNT."""
    for symbol, quantity in (("SOL", "49.996"),):
        scene.withdraw(symbol=symbol, quantity=Decimal(quantity))
    scene.deposit("HNT", "0.06")
    scene.wait(60)


def test_dust_becomes_usdc(scene: Scene) -> None:
    dusty(scene)
    before, fees = scene.available("USDC"), dict(scene.exchange.ledger.fees)
    scene.exchange.dust.convert(scene.a, None)
    sol = scene.exchange.markets["SOL_USDC"].last_price * Decimal("0.004")
    hnt = scene.exchange.markets["HNT_USDC"].last_price * Decimal("0.06")
    assert (scene.available("SOL"), scene.available("HNT")) == (0, 0)
    assert scene.available("USDC") == before + sol + hnt
    rows = scene.exchange.dust.conversions(scene.a)
    assert [(row.symbol, row.quantity, row.usdc) for row in rows] == [
        ("HNT", Decimal("0.06"), hnt),
        ("SOL", Decimal("0.004"), sol),
    ]
    assert scene.exchange.ledger.fees["SOL"] - fees["SOL"] == Decimal("0.004")
    assert_sound(scene.exchange)
    scene.exchange.dust.convert(scene.a, None)
    assert scene.exchange.dust.conversions(scene.a) == rows


def test_one_asset_is_converted_alone(scene: Scene) -> None:
    dusty(scene)
    scene.exchange.dust.convert(scene.a, "HNT")
    assert scene.available("SOL") == Decimal("0.004")
    assert [row.symbol for row in scene.exchange.dust.conversions(scene.a)] == ["HNT"]


@pytest.mark.parametrize(
    ("symbol", "code"),
    [("SOL", "INVALID_QUANTITY"), ("WEN", "INVALID_QUANTITY"), ("USDC", "INVALID_ASSET"), ("NOPE", "INVALID_ASSET")],
)
def test_what_is_no_dust_stays(scene: Scene, symbol: str, code: str) -> None:
    before = state_of(scene.exchange)
    with pytest.raises(Refusal) as caught:
        scene.exchange.dust.convert(scene.a, symbol)
    assert caught.value.code.value == code
    assert state_of(scene.exchange) == before


def lend(scene: Scene, symbol: str, quantity: str) -> None:
    scene.exchange.lending.execute("a", LoanSide.LEND, symbol, Decimal(quantity))


def test_lent_funds_are_redeemed_for_a_withdrawal_that_says_so(scene: Scene) -> None:
    lend(scene, "USDC", "9990")
    with pytest.raises(Refusal) as caught:
        scene.withdraw()
    assert caught.value.code.value == "INSUFFICIENT_FUNDS"
    scene.withdraw(redeems=True)
    assert scene.available("USDC") == 0
    assert_sound(scene.exchange)


def test_lent_dust_is_redeemed_and_what_is_lent_besides_is_none(scene: Scene) -> None:
    lend(scene, "SOL", "49.995")
    with pytest.raises(Refusal, match="not dust"):
        scene.exchange.dust.convert(scene.a, "SOL")
    scene.exchange.lending.execute("a", LoanSide.BORROW, "SOL", Decimal("49.99"))
    scene.withdraw(symbol="SOL", quantity=Decimal("49.992"))
    scene.exchange.dust.convert(scene.a, "SOL")
    assert [row.quantity for row in scene.exchange.dust.conversions(scene.a)] == [Decimal("0.008")]
    assert "SOL" not in scene.exchange.ledger.loans.of("a")
    assert_sound(scene.exchange)


def test_a_withdrawal_may_borrow(scene: Scene) -> None:
    with pytest.raises(Refusal):
        scene.withdraw(quantity=Decimal(10_500))
    scene.withdraw(quantity=Decimal(10_500), borrows=True)
    assert scene.available("USDC") == 0
    loan = scene.exchange.ledger.loans.of("a")["USDC"]
    assert loan.borrowed - loan.borrowed % 1 == 500
    assert_sound(scene.exchange)
