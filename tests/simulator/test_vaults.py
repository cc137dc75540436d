"""Vaults: minting, redeeming after the delay, what a token is worth; the engine alone."""

from decimal import Decimal

import pytest

from backpack_connector.protocol.signing import Credentials
from backpack_connector.simulator.engine import Exchange
from backpack_connector.simulator.events import BalanceChanged
from backpack_connector.simulator.lending_positions import LoanSide
from backpack_connector.simulator.refusals import Refusal
from backpack_connector.simulator.vault_shares import Nav, NavHistory, RedeemStatus
from backpack_connector.simulator.vaults import Vault, key_pair
from tests.simulator.support import FakeClock, assert_sound, limit, new_exchange, state_of

HOUR_S = 3_600
TOKEN = "vUSDC"


class Scene:
    """An account with faucet money, and a vault."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.exchange: Exchange = new_exchange(self.clock)
        self.vault: Vault = self.exchange.vaults.vault(1)
        self.a, self.b = (self.exchange.open_account(name) for name in "ab")

    def mint(self, quantity: str, name: str = "a", symbol: str = "USDC", **flags: bool) -> None:
        account = self.exchange.open_account(name)
        flags = {"redeems": False, "borrows": False, **flags}
        self.vault.mint(account, symbol, Decimal(quantity), **flags)

    def redeem(self, tokens: str | None = None) -> None:
        self.vault.request_redeem(self.a, None if tokens is None else Decimal(tokens))

    def wait(self, seconds: float) -> list[BalanceChanged]:
        self.clock.advance_s(seconds)
        events = []
        for execution in self.exchange.on_second(self.clock()):
            events += [event for event in execution.events if isinstance(event, BalanceChanged)]
        return events

    def has(self, asset: str, name: str = "a") -> tuple[Decimal, Decimal]:
        balance = self.exchange.ledger.balance(name, asset)
        return balance.available, balance.locked

    def earn(self, quantity: str) -> None:
        """Let the vault receive money."""
        change = self.exchange.ledger.change()
        change.give(self.vault.account_id, "USDC", Decimal(quantity))
        change.leave("USDC", -Decimal(quantity))
        self.exchange.settle(change)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_first_tokens_cost_one_each(scene: Scene) -> None:
    scene.mint("1000.5")
    assert scene.has(TOKEN) == (Decimal("1000.5"), 0)
    assert scene.has("USDC") == (Decimal("8999.5"), 0)
    assert scene.has("USDC", scene.vault.account_id) == (Decimal("1000.5"), 0)
    (mint,) = scene.vault.mints("a")
    assert (mint.quantity, mint.tokens, mint.nav) == (Decimal("1000.5"), Decimal("1000.5"), 1)
    assert (scene.vault.supply, scene.vault.remaining) == (Decimal("1000.5"), Decimal("998999.5"))
    assert scene.vault.mints("b") == []
    assert_sound(scene.exchange)


@pytest.mark.parametrize(
    ("quantity", "symbol", "name", "code"),
    [
        ("9.999999", "USDC", "a", "INVALID_QUANTITY"),
        ("10.0000001", "USDC", "a", "INVALID_QUANTITY"),
        ("-10", "USDC", "a", "INVALID_QUANTITY"),
        ("10", "SOL", "a", "INVALID_SYMBOL"),
        ("10001", "USDC", "a", "INSUFFICIENT_FUNDS"),
        ("1000001", "USDC", "a", "INVALID_QUANTITY"),
        ("10", "USDC", key_pair(1)[0], "INVALID_CLIENT_REQUEST"),
    ],
)
def test_a_refused_mint_changes_nothing(scene: Scene, quantity: str, symbol: str, name: str, code: str) -> None:
    scene.exchange.open_account(name)
    before = state_of(scene.exchange)
    with pytest.raises(Refusal) as caught:
        scene.mint(quantity, name, symbol)
    assert caught.value.code.value == code
    assert state_of(scene.exchange) == before
    assert (scene.vault.supply, scene.vault.mints(name)) == (0, [])


def test_a_vault_has_no_faucet(scene: Scene) -> None:
    scene.exchange.open_account(scene.vault.account_id)
    assert scene.exchange.ledger.balances(scene.vault.account_id) == {}
    Credentials(*key_pair(1))
    assert scene.exchange.vaults.owned_by(key_pair(1)[0]) is scene.vault
    assert scene.exchange.vaults.owned_by("a") is None
    with pytest.raises(Refusal, match="Vault not found"):
        scene.exchange.vaults.vault(2)


def test_a_redeem_locks_and_pays_after_the_delay(scene: Scene) -> None:
    scene.mint("1000")
    scene.redeem("400")
    assert scene.has(TOKEN) == (600, 400)
    assert [row.tokens for row in scene.vault.pending()] == [400]
    assert scene.wait(HOUR_S - 60) == []
    events = {(event.account_id, event.asset): event for event in scene.wait(61)}
    assert events["a", TOKEN].locked == 0
    assert scene.has("USDC")[0] == 9_400
    assert scene.has(TOKEN) == (600, 0)
    requested, redeemed = scene.vault.redeems("a")
    assert requested.redeem_id == redeemed.redeem_id
    assert (requested.status, redeemed.status) == (RedeemStatus.REQUESTED, RedeemStatus.REDEEMED)
    assert (redeemed.quantity, redeemed.nav, requested.quantity) == (400, 1, None)
    assert (scene.vault.supply, scene.vault.pending()) == (600, [])
    assert_sound(scene.exchange)


def test_without_a_number_all_tokens_are_redeemed(scene: Scene) -> None:
    scene.mint("123.456789")
    scene.redeem()
    scene.wait(HOUR_S + 1)
    assert (scene.vault.supply, scene.has(TOKEN), scene.has("USDC")[0]) == (0, (0, 0), 10_000)
    assert scene.vault.last_crank_us is None
    scene.mint("10")
    assert scene.has(TOKEN)[0] == 10


def test_a_cancelled_redeem_unlocks(scene: Scene) -> None:
    scene.mint("1000")
    scene.redeem("400")
    scene.vault.cancel_redeem(scene.a)
    assert scene.has(TOKEN) == (1000, 0)
    assert [row.status.value for row in scene.vault.redeems("a")] == ["Requested", "Cancelled"]
    assert scene.vault.redeems("a")[-1].reason
    assert scene.wait(2 * HOUR_S) == []
    with pytest.raises(Refusal, match="not found"):
        scene.vault.cancel_redeem(scene.a)
    scene.redeem("1000")


@pytest.mark.parametrize(
    ("tokens", "code"),
    [
        ("1000.000001", "INSUFFICIENT_FUNDS"),
        ("0.5", "INVALID_QUANTITY"),
        ("-5", "INVALID_QUANTITY"),
        ("5.0000001", "INVALID_QUANTITY"),
    ],
)
def test_a_refused_redeem_changes_nothing(scene: Scene, tokens: str, code: str) -> None:
    scene.mint("1000")
    before = state_of(scene.exchange)
    with pytest.raises(Refusal) as caught:
        scene.redeem(tokens)
    assert caught.value.code.value == code
    assert state_of(scene.exchange) == before
    assert (scene.vault.pending(), scene.vault.redeems("a")) == ([], [])


def test_there_is_one_open_request_at_a_time(scene: Scene) -> None:
    scene.mint("1000")
    scene.redeem("10")
    with pytest.raises(Refusal) as caught:
        scene.redeem("10")
    assert caught.value.code.value == "PRECONDITION_FAILED"
    with pytest.raises(Refusal, match="below"):
        scene.vault.request_redeem(scene.b, None)


def test_what_the_vault_earns_its_tokens_are_worth(scene: Scene) -> None:
    scene.mint("1000")
    scene.earn("100")
    nav = scene.vault.nav(scene.exchange.now_us())
    assert (nav.spot, scene.vault.equity()) == (Decimal("1.1"), 1_100)
    # The average lags, so that nobody buys yesterday's value or sells tomorrow's.
    assert nav.mint == Decimal("1.1")
    assert 1 <= nav.redeem < Decimal("1.1")
    scene.mint("110", "b")
    assert scene.has(TOKEN, "b")[0] == 100
    scene.redeem("500")
    scene.wait(HOUR_S * 2)
    scene.wait(1)
    # The average has caught up.
    assert scene.has("USDC")[0] == 9_000 + 550
    assert scene.exchange.risk.price_of(TOKEN) == Decimal("1.1")
    assert_sound(scene.exchange)


def test_a_vault_that_cannot_pay_now_pays_later(scene: Scene) -> None:
    scene.mint("1000")
    scene.exchange.place("b", limit("Ask", "150", "5"))
    scene.exchange.place(scene.vault.account_id, limit("Bid", "150", "5"))
    scene.redeem("900")
    scene.wait(HOUR_S + 1)
    assert [row.tokens for row in scene.vault.pending()] == [900]
    scene.exchange.place("b", limit("Bid", "150", "5"))
    scene.exchange.place(scene.vault.account_id, limit("Ask", "150", "4.99"))
    scene.wait(1)
    assert scene.vault.pending() == []
    assert scene.has("USDC")[0] > 9_890
    assert_sound(scene.exchange)


def test_a_vault_keeps_the_margin_that_it_needs(scene: Scene) -> None:
    scene.mint("1000")
    scene.exchange.place("b", limit("Ask", "150", "60", symbol="SOL_USDC_PERP"))
    scene.exchange.place(scene.vault.account_id, limit("Bid", "150", "60", symbol="SOL_USDC_PERP"))
    scene.redeem("900")
    scene.wait(HOUR_S + 1)
    assert [row.tokens for row in scene.vault.pending()] == [900]


def test_a_ruined_vault_sells_nothing_and_pays_nothing(scene: Scene) -> None:
    scene.mint("1000")
    scene.redeem("100")
    scene.earn("-1000")
    with pytest.raises(Refusal) as caught:
        scene.mint("10", "b")
    assert caught.value.code.value == "PRECONDITION_FAILED"
    scene.wait(HOUR_S + 1)
    assert [row.tokens for row in scene.vault.pending()] == [100]
    assert_sound(scene.exchange)


def test_minting_may_redeem_what_is_lent(scene: Scene) -> None:
    scene.exchange.lending.execute("a", LoanSide.LEND, "USDC", Decimal(9_995))
    with pytest.raises(Refusal):
        scene.mint("100")
    scene.mint("100", redeems=True)
    assert scene.has("USDC")[0] == 0
    scene.mint("100", redeems=False, borrows=True, name="b")


def test_snapshots_are_hourly(scene: Scene) -> None:
    scene.mint("1000")
    scene.wait(3 * HOUR_S)
    hours = [row.time_us // 3_600_000_000 for row in scene.vault.snapshots]
    assert hours == list(range(hours[0], hours[0] + 4))
    assert [(row.supply, row.equity) for row in scene.vault.snapshots] == [(0, 0), *[(1000, 1000)] * 3]


def test_the_average_is_weighted_by_time() -> None:
    history = NavHistory()
    assert history.average(0, Decimal(7)) == 7
    history.add(0, Decimal(1))
    history.add(1_800_000_000, Decimal(2))
    assert history.average(1_800_000_000, Decimal(2)) == 1
    assert history.average(3_600_000_000, Decimal(2)) == Decimal("1.5")
    assert history.average(4_500_000_000, Decimal(2)) == Decimal("1.75")
    assert history.average(99_000_000_000, Decimal(2)) == 2
    history.add(5_400_000_000, Decimal(3))
    assert history.average(5_400_000_000, Decimal(3)) == 2
    assert history.last_us == 5_400_000_000
    history.clear()
    assert history.last_us is None
    assert (Nav(Decimal(2), Decimal(1)).mint, Nav(Decimal(2), Decimal(1)).redeem) == (2, 1)
