"""Run the vaults: accounts of the exchange whose owners hold tokens.

A vault's system account trades like any other, with keys that the simulator tells (`key_pair`), and what it earns its
tokens are worth. Who mints pays into that account; who asks for a redeem has his tokens locked, and is paid out of the
account after the delay, as soon as it has the money and keeps enough margin.

Rule 1: a mint costs the higher of spot and average value of a token, a redeem pays the lower; what is rounded favours
        those who hold tokens.
Rule 2: each account has at most one open request per vault, because a cancel names the vault alone.
What is known of vaults are these operations and their schemas; terms, delay and average are choices. Source: API §2.2.
"""

import hashlib
from collections.abc import Iterator, Mapping
from decimal import ROUND_DOWN, Context, Decimal, localcontext
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from backpack_connector.protocol.errors import ErrorCode
from backpack_connector.protocol.signing import generate_key_pair
from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND

from .accounts import Account
from .capital import check_margin, take
from .clock import HOUR_US
from .events import Execution
from .ledger import EXACT, SETTLEMENT_ASSET, InsufficientBalance
from .orders import ZERO
from .positions import USDC_QUANTUM
from .refusals import Refusal, invalid_request
from .vault_shares import Mint, Nav, NavHistory, Redeem, RedeemStatus, Snapshot, VaultTerms, spot_nav

if TYPE_CHECKING:
    from .engine import Exchange

TERMS = (
    VaultTerms(
        vault_id=1,
        token="vUSDC",
        symbol=SETTLEMENT_ASSET,
        minimum_mint=Decimal(10),
        minimum_redeem=Decimal(1),
        redeem_delay_us=HOUR_US,
        token_step=USDC_QUANTUM,
        most_tokens=Decimal("1000000"),
    ),
)
CRANK_US = 60 * MICROSECONDS_PER_SECOND
"""How often the value of a token is taken for the average."""
_SNAPSHOTS_KEPT = 366 * 24
_DOWN = Context(prec=72, rounding=ROUND_DOWN)


def key_pair(vault_id: int) -> tuple[str, str]:
    """Return the API key and secret of a vault's system account; they are no secret, as nothing here is real."""
    return generate_key_pair(hashlib.sha256(f"vault {vault_id} of the simulator".encode()).digest())


class Vault:
    """One vault."""

    def __init__(self, exchange: "Exchange", terms: VaultTerms, first_id: int, now_us: int) -> None:
        self._exchange = exchange
        self.terms = terms
        self.account_id = key_pair(terms.vault_id)[0]
        exchange.accounts.unfunded.add(self.account_id)
        self.supply = ZERO
        """Tokens that somebody has."""
        self._ids = count(first_id)
        self._values = NavHistory()
        self._mints: dict[str, list[Mint]] = {}
        self._redeems: dict[str, list[Redeem]] = {}
        self._pending: dict[str, Redeem] = {}
        self.snapshots = [Snapshot(now_us, spot_nav(ZERO, ZERO), ZERO, ZERO)]
        """Hourly, oldest first."""

    @property
    def last_crank_us(self) -> int | None:
        """Return when the value of a token was taken for the average, or None."""
        return self._values.last_us

    @property
    def remaining(self) -> Decimal:
        """Return how many tokens can still be minted."""
        return self.terms.most_tokens - self.supply

    def mints(self, account_id: str) -> list[Mint]:
        """Return what an account has minted, oldest first."""
        return self._mints.get(account_id, [])

    def redeems(self, account_id: str) -> list[Redeem]:
        """Return what happened to an account's requests, oldest first."""
        return self._redeems.get(account_id, [])

    def pending(self) -> list[Redeem]:
        """Return the open requests of all accounts, oldest first."""
        return list(self._pending.values())

    def locked(self, account_id: str) -> Decimal:
        """Return the tokens that an account's open request locks."""
        redeem = self._pending.get(account_id)
        return ZERO if redeem is None else redeem.tokens

    def equity(self) -> Decimal:
        """Return what the vault has, in USDC: assets at their last price, without haircuts, less debts."""
        margin = self._exchange.risk.margin(self._account())
        with localcontext(EXACT):
            value = sum((asset.notional for asset in margin.assets), ZERO)
            return value + margin.pnl_unrealized + margin.unsettled - margin.borrow_liability

    def net_equity(self) -> Decimal:
        """Return the same with haircuts."""
        return self._exchange.risk.margin(self._account()).net_equity

    def nav(self, now_us: int) -> Nav:
        """Return what a token is worth."""
        spot = spot_nav(self.equity(), self.supply) if self.supply else spot_nav(ZERO, ZERO)
        return Nav(spot, self._values.average(now_us, spot))

    def _account(self) -> Account:
        return self._exchange.open_account(self.account_id)

    def mint(self, account: Account, symbol: str, quantity: Decimal, *, redeems: bool, borrows: bool) -> Execution:
        """Let an account pay in, and give it tokens.

        Raises:   Refusal, with nothing changed.
        """
        terms = self.terms
        if symbol != terms.symbol:
            raise Refusal(ErrorCode.INVALID_SYMBOL, f"This vault takes {terms.symbol}")
        if account.account_id == self.account_id:
            raise invalid_request("A vault cannot mint its own tokens")
        if quantity < terms.minimum_mint:
            raise Refusal(ErrorCode.INVALID_QUANTITY, "Quantity is below the minimum allowed value")
        if -int(quantity.normalize().as_tuple().exponent) > -int(USDC_QUANTUM.as_tuple().exponent):
            raise Refusal(ErrorCode.INVALID_QUANTITY, "Quantity decimal too long")
        time_us = self._exchange.now_us()
        nav = self.nav(time_us)
        if nav.spot <= 0:
            raise Refusal(ErrorCode.PRECONDITION_FAILED, "The vault has lost everything")
        tokens = _DOWN.quantize(_DOWN.divide(quantity, nav.mint), terms.token_step)
        if not 0 < tokens <= self.remaining:
            raise Refusal(ErrorCode.INVALID_QUANTITY, "Quantity is above the maximum allowed value")
        with localcontext(EXACT):
            change = self._exchange.ledger.change()
            take(self._exchange, change, account, symbol, quantity, redeems=redeems, borrows=borrows)
            change.give(self.account_id, symbol, quantity)
            change.give(account.account_id, terms.token, tokens)
            change.leave(terms.token, -tokens)
            check_margin(self._exchange, change, account)
            self._account()
            execution = self._exchange.settle(change)
        self.supply += tokens
        self._mints.setdefault(account.account_id, []).append(
            Mint(str(next(self._ids)), quantity, tokens, nav.mint, time_us)
        )
        self._take_value(time_us)
        return execution

    def request_redeem(self, account: Account, tokens: Decimal | None) -> Execution:
        """Lock tokens until they are redeemed; without a number all that the account has.

        Raises:   Refusal, with nothing changed.
        """
        terms, account_id = self.terms, account.account_id
        if account_id in self._pending:
            raise Refusal(ErrorCode.PRECONDITION_FAILED, "A redeem request is pending already")
        if tokens is None:
            tokens = self._exchange.ledger.balance(account_id, terms.token).available
        if tokens < terms.minimum_redeem:
            raise Refusal(ErrorCode.INVALID_QUANTITY, "Quantity is below the minimum allowed value")
        with localcontext(EXACT):
            if tokens % terms.token_step:
                raise Refusal(ErrorCode.INVALID_QUANTITY, "Quantity decimal too long")
            change = self._exchange.ledger.change()
            try:
                change.hold(account_id, terms.token, tokens)
            except InsufficientBalance:
                raise Refusal(ErrorCode.INSUFFICIENT_FUNDS, "Insufficient funds") from None
            time_us = self._exchange.now_us()
            redeem = Redeem(
                redeem_id=str(next(self._ids)),
                account_id=account_id,
                status=RedeemStatus.REQUESTED,
                tokens=tokens,
                time_us=time_us,
            )
            self._pending[account_id] = redeem
            self._remember(redeem)
            return self._exchange.settle(change)

    def cancel_redeem(self, account: Account) -> Execution:
        """Unlock the tokens of an open request.

        Raises:   Refusal when there is none.
        """
        redeem = self._pending.get(account.account_id)
        if redeem is None:
            raise invalid_request("Redeem request not found")
        with localcontext(EXACT):
            change = self._exchange.ledger.change()
            change.release(account.account_id, self.terms.token, redeem.tokens)
            execution = self._exchange.settle(change)
        self._end(redeem, RedeemStatus.CANCELLED, reason="Cancelled by the user")
        return execution

    def _end(self, redeem: Redeem, status: RedeemStatus, **fields: Decimal | str) -> None:
        del self._pending[redeem.account_id]
        time_us = self._exchange.now_us()
        self._remember(msgspec.structs.replace(redeem, status=status, time_us=time_us, **fields))

    def _remember(self, redeem: Redeem) -> None:
        self._redeems.setdefault(redeem.account_id, []).append(redeem)

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Take the value of a token, pay what is due, and keep what the vault was worth at each full hour."""
        last_us = self.last_crank_us
        if self.supply and (last_us is None or now_us - last_us >= CRANK_US):
            self._take_value(now_us)
        for redeem in self.pending():
            if now_us - redeem.time_us >= self.terms.redeem_delay_us:
                yield from self._pay(redeem, now_us)
        if now_us // HOUR_US > self.snapshots[-1].time_us // HOUR_US:
            equity = self.equity() if self.supply else ZERO
            self.snapshots.append(Snapshot(now_us, spot_nav(equity, self.supply), equity, self.supply))
            del self.snapshots[:-_SNAPSHOTS_KEPT]

    def _take_value(self, now_us: int) -> None:
        spot = self.nav(now_us).spot
        self._values.add(now_us, spot)
        self._exchange.risk.token_prices[self.terms.token] = spot

    def _pay(self, redeem: Redeem, now_us: int) -> list[Execution]:
        """Pay a request that is due, or leave it open when the vault cannot pay now."""
        nav = self.nav(now_us).redeem
        if nav <= 0:
            return []
        quantity = _DOWN.quantize(_DOWN.multiply(redeem.tokens, nav), USDC_QUANTUM)
        terms = self.terms
        with localcontext(EXACT):
            change = self._exchange.ledger.change()
            try:
                change.give(self.account_id, terms.symbol, -quantity)
                check_margin(self._exchange, change, self._account())
            except (InsufficientBalance, Refusal):
                return []
            change.give(redeem.account_id, terms.symbol, quantity)
            change.release(redeem.account_id, terms.token, redeem.tokens)
            change.give(redeem.account_id, terms.token, -redeem.tokens)
            change.leave(terms.token, redeem.tokens)
            execution = self._exchange.settle(change)
        self.supply -= redeem.tokens
        if not self.supply:
            self._values.clear()
        self._end(redeem, RedeemStatus.REDEEMED, quantity=quantity, nav=nav)
        return [execution]


class Vaults:
    """The part of the exchange that runs all vaults."""

    def __init__(self, exchange: "Exchange", first_id: int, now_us: int) -> None:
        self.vaults: Mapping[int, Vault] = {terms.vault_id: Vault(exchange, terms, first_id, now_us) for terms in TERMS}

    def vault(self, vault_id: int) -> Vault:
        """Return a vault.

        Raises:   Refusal when there is none.
        """
        vault = self.vaults.get(vault_id)
        if vault is None:
            raise invalid_request("Vault not found")
        return vault

    def owned_by(self, account_id: str) -> Vault | None:
        """Return the vault whose system account this is, or None."""
        return next((vault for vault in self.vaults.values() if vault.account_id == account_id), None)

    def locked(self, account_id: str, asset: str) -> Decimal:
        """Return how much of an asset an account's open requests lock."""
        vaults = [vault for vault in self.vaults.values() if vault.terms.token == asset]
        return sum((vault.locked(account_id) for vault in vaults), ZERO)

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Do what is due in each vault."""
        for vault in self.vaults.values():
            yield from vault.on_second(now_us)
