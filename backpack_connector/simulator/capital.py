"""Let money come and go: deposits, withdrawals, the address book, two-factor rule and withdrawal delay.

    deposit      pending, then after a while confirmed and in the balance; less than the token's minimum is declined
    withdrawal   gone from the balance at once and pending, after the delay and a while confirmed

Rule 1: a withdrawal costs its fee out of its quantity; so do the captured amounts (minimum = 2 x fee) make sense.
Rule 2: a withdrawal needs a two-factor token, unless its address is in the address book with an exemption. No token is
        valid here, as the exchange issues none at present (API §2.2, POST /wapi/v1/user/2fa).
Rule 3: a withdrawal to the deposit address of another account of this exchange stays inside: no fee, no blockchain.
Which of its checks the exchange makes first, their texts and how long a blockchain takes is not known.
Source: API §2.2 (capital, withdrawal delays), §2.3; schemas Deposit, Withdrawal, WithdrawalDelay.
"""

from collections.abc import Iterator
from decimal import Decimal, localcontext
from itertools import count
from typing import TYPE_CHECKING

from backpack_connector.protocol.errors import ErrorCode
from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND

from .accounts import Account
from .capital_assets import Assets, Token
from .capital_networks import Blockchain, is_address, new_address, normal_address, transaction_hash
from .capital_records import (
    ADMINISTRATOR_SOURCE,
    INTERNAL_SOURCE,
    Deposit,
    DepositStatus,
    KnownAddress,
    Withdrawal,
    WithdrawalDelay,
    WithdrawalRequest,
    WithdrawalStatus,
)
from .clock import HOUR_US
from .events import Execution
from .ledger import EXACT, Change, InsufficientBalance
from .lending_positions import LoanSource
from .orders import ZERO
from .refusals import Refusal, invalid_request

if TYPE_CHECKING:
    from .engine import Exchange

CONFIRMATION_US = 20 * MICROSECONDS_PER_SECOND
"""How long a blockchain takes to confirm a deposit, or to send a withdrawal (choice)."""
MAX_DELAY_HOURS = 24 * 366

_STRANGER = "a stranger"
_THE_EXCHANGE = "the exchange"


class Capital:
    """The part of the exchange that lets money in and out."""

    def __init__(self, exchange: "Exchange", assets: Assets, first_id: int) -> None:
        self._exchange = exchange
        self.assets = assets
        self._deposit_ids = count(first_id)
        self._withdrawal_ids = count(first_id)
        self._deposits: dict[str, list[Deposit]] = {}
        self._withdrawals: dict[str, list[Withdrawal]] = {}
        self._pending_deposits: list[Deposit] = []
        self._pending_withdrawals: list[Withdrawal] = []
        self._known: dict[tuple[str, Blockchain, str], KnownAddress] = {}
        self._delays: dict[str, WithdrawalDelay] = {}

    def wallets(self) -> list[tuple[Blockchain, str]]:
        """Return the exchange's own address on each blockchain."""
        return [(blockchain, new_address(blockchain, _THE_EXCHANGE)) for blockchain in self.assets.blockchains]

    def deposit_address(self, account_id: str, blockchain: Blockchain) -> str:
        """Return where an account's deposits arrive.

        Raises:   Refusal for a blockchain without a token.
        """
        if blockchain not in self.assets.blockchains:
            raise invalid_request("Deposits are not supported on this blockchain")
        return new_address(blockchain, account_id)

    def deposits(self, account: Account) -> list[Deposit]:
        """Return an account's deposits, oldest first; what the faucet gave comes first."""
        rows = self._deposits.get(account.account_id)
        if rows is None:
            rows = self._deposits[account.account_id] = [
                Deposit(
                    deposit_id=next(self._deposit_ids),
                    account_id=account.account_id,
                    source=ADMINISTRATOR_SOURCE,
                    symbol=symbol,
                    quantity=quantity,
                    status=DepositStatus.CONFIRMED,
                    created_us=account.opened_us,
                )
                for symbol, quantity in account.opening.items()
            ]
        return rows

    def withdrawals(self, account: Account) -> list[Withdrawal]:
        """Return an account's withdrawals, oldest first."""
        return self._withdrawals.get(account.account_id, [])

    def deposit(
        self, account: Account, symbol: str, quantity: Decimal, blockchain: Blockchain, from_address: str | None = None
    ) -> Deposit:
        """Let somebody outside send money to an account; it arrives when the blockchain has confirmed it.

        Raises:   Refusal for what no blockchain could send here.
        """
        token = self._token(symbol, blockchain, quantity)
        if not token.is_deposit_enabled:
            raise Refusal(ErrorCode.PRECONDITION_FAILED, f"Deposits of {symbol} on {blockchain.value} are disabled")
        if from_address is not None and not is_address(blockchain, from_address):
            raise invalid_request("Invalid address")
        rows = self.deposits(account)
        deposit_id = next(self._deposit_ids)
        deposit = Deposit(
            deposit_id=deposit_id,
            account_id=account.account_id,
            source=blockchain.source,
            symbol=symbol,
            quantity=quantity,
            status=DepositStatus.DECLINED if quantity < token.minimum_deposit else DepositStatus.PENDING,
            created_us=self._exchange.now_us(),
            to_address=new_address(blockchain, account.account_id),
            from_address=new_address(blockchain, _STRANGER) if from_address is None else from_address,
            transaction_hash=transaction_hash(blockchain, f"deposit {deposit_id}"),
        )
        rows.append(deposit)
        if deposit.status is DepositStatus.PENDING:
            self._pending_deposits.append(deposit)
        return deposit

    def _token(self, symbol: str, blockchain: Blockchain, quantity: Decimal) -> Token:
        if not self.assets.has(symbol):
            raise Refusal(ErrorCode.INVALID_ASSET, "Invalid asset")
        token = self.assets.token(symbol, blockchain)
        if token is None:
            raise Refusal(ErrorCode.INVALID_ASSET, f"{symbol} is not available on {blockchain.value}")
        if quantity <= 0:
            raise Refusal(ErrorCode.INVALID_QUANTITY, "Quantity is below the minimum allowed value")
        if token.is_too_fine(quantity):
            raise Refusal(ErrorCode.INVALID_QUANTITY, "Quantity decimal too long")
        return token

    def know_address(self, account: Account, known: KnownAddress) -> None:
        """Put an address into an account's address book, as its owner does on the web site.

        Raises:   Refusal for a text that is no address.
        """
        if known.blockchain not in self.assets.blockchains or not is_address(known.blockchain, known.address):
            raise invalid_request("Invalid address")
        address = normal_address(known.blockchain, known.address)
        self._known[account.account_id, known.blockchain, address] = known

    def known_addresses(self, account: Account) -> list[KnownAddress]:
        """Return an account's address book, oldest entry first."""
        return [known for (account_id, _, _), known in self._known.items() if account_id == account.account_id]

    def delay(self, account: Account) -> WithdrawalDelay | None:
        """Return an account's withdrawal delay, or None when it has none."""
        delay = self._delays.get(account.account_id)
        return None if delay is None else delay.at(self._exchange.now_us())

    def set_delay(self, account: Account, hours: int) -> None:
        """Set the withdrawal delay: the first one counts at once, another one when the current delay has passed."""
        now_us, before = self._exchange.now_us(), self.delay(account)
        self._delays[account.account_id] = (
            WithdrawalDelay(hours)
            if before is None
            else WithdrawalDelay(before.hours, hours, now_us + before.hours * HOUR_US)
        )

    def withdraw(self, account: Account, request: WithdrawalRequest) -> tuple[Withdrawal, Execution]:
        """Take money out of an account and send it away.

        Raises:   Refusal, with nothing changed.
        """
        token = self._check(account, request)
        known = self._check_second_factor(account, request)
        time_us = self._exchange.now_us()
        receiver_id = self._owner_of(request.blockchain, request.address)
        if receiver_id == account.account_id:
            raise invalid_request("Withdrawals to the account's own deposit address are not possible")
        fee = token.fee if receiver_id is None else ZERO
        delay = None if known.is_whitelisted else self.delay(account)
        trigger_us = None if delay is None else time_us + delay.hours * HOUR_US
        execution = self._pay(account, request, fee)
        withdrawal = Withdrawal(
            withdrawal_id=next(self._withdrawal_ids),
            account_id=account.account_id,
            request=request,
            fee=fee,
            status=WithdrawalStatus.PENDING,
            created_us=time_us,
            sent_us=(time_us if trigger_us is None else trigger_us) + (CONFIRMATION_US if receiver_id is None else 0),
            trigger_us=trigger_us,
            receiver_id=receiver_id,
        )
        self._withdrawals.setdefault(account.account_id, []).append(withdrawal)
        self._pending_withdrawals.append(withdrawal)
        return withdrawal, execution

    def _check(self, account: Account, request: WithdrawalRequest) -> Token:
        token = self._token(request.symbol, request.blockchain, request.quantity)
        if not is_address(request.blockchain, request.address):
            raise invalid_request("Invalid address")
        if not token.is_withdraw_enabled:
            text = f"Withdrawals of {request.symbol} on {request.blockchain.value} are disabled"
            raise Refusal(ErrorCode.PRECONDITION_FAILED, text)
        if request.quantity < token.minimum_withdrawal:
            raise Refusal(ErrorCode.INVALID_QUANTITY, "Quantity is below the minimum allowed value")
        if token.maximum_withdrawal is not None and request.quantity > token.maximum_withdrawal:
            raise Refusal(ErrorCode.INVALID_QUANTITY, "Quantity is above the maximum allowed value")
        if account.is_liquidating:
            raise Refusal(ErrorCode.ACCOUNT_LIQUIDATING, "Account is being liquidated")
        return token

    def _check_second_factor(self, account: Account, request: WithdrawalRequest) -> KnownAddress:
        address = normal_address(request.blockchain, request.address)
        known = self._known.get((account.account_id, request.blockchain, address))
        if known is not None and not known.needs_two_factor:
            return known
        text = "Two factor token is required" if request.two_factor_token is None else "Invalid two factor token"
        raise Refusal(ErrorCode.INVALID_TWO_FACTOR_CODE, text)

    def _owner_of(self, blockchain: Blockchain, address: str) -> str | None:
        address = normal_address(blockchain, address)
        for account in self._exchange.accounts:
            if not account.is_background and new_address(blockchain, account.account_id) == address:
                return account.account_id
        return None

    def _pay(self, account: Account, request: WithdrawalRequest, fee: Decimal) -> Execution:
        with localcontext(EXACT):
            change = self._exchange.ledger.change()
            take(
                self._exchange,
                change,
                account,
                request.symbol,
                request.quantity,
                redeems=request.redeems,
                borrows=request.borrows,
            )
            change.collect_fee(request.symbol, fee)
            change.leave(request.symbol, request.quantity - fee)
            check_margin(self._exchange, change, account)
            return self._exchange.settle(change)

    def on_second(self, now_us: int) -> Iterator[Execution]:
        """Confirm what is due, oldest first."""
        due_us = now_us - CONFIRMATION_US
        for deposit in [row for row in self._pending_deposits if row.created_us <= due_us]:
            self._pending_deposits.remove(deposit)
            deposit.status = DepositStatus.CONFIRMED
            yield self._credit(deposit)
        for withdrawal in [row for row in self._pending_withdrawals if row.sent_us <= now_us]:
            self._pending_withdrawals.remove(withdrawal)
            withdrawal.status = WithdrawalStatus.CONFIRMED
            if withdrawal.receiver_id is None:
                name = f"withdrawal {withdrawal.withdrawal_id}"
                withdrawal.transaction_hash = transaction_hash(withdrawal.request.blockchain, name)
            else:
                yield self._credit(self._internal_deposit(withdrawal, withdrawal.receiver_id))

    def _internal_deposit(self, withdrawal: Withdrawal, receiver_id: str) -> Deposit:
        request, time_us = withdrawal.request, self._exchange.now_us()
        deposit = Deposit(
            deposit_id=next(self._deposit_ids),
            account_id=receiver_id,
            source=INTERNAL_SOURCE,
            symbol=request.symbol,
            quantity=request.quantity,
            status=DepositStatus.CONFIRMED,
            created_us=time_us,
            to_address=request.address,
        )
        self.deposits(self._exchange.open_account(receiver_id)).append(deposit)
        return deposit

    def _credit(self, deposit: Deposit) -> Execution:
        with localcontext(EXACT):
            change = self._exchange.ledger.change()
            change.leave(deposit.symbol, -deposit.quantity)
            change.give(deposit.account_id, deposit.symbol, deposit.quantity)
            return self._exchange.settle(change)


def take(
    exchange: "Exchange",
    change: Change,
    account: Account,
    symbol: str,
    quantity: Decimal,
    *,
    redeems: bool,
    borrows: bool,
) -> None:
    """Add to a change that an account pays an amount, out of what it lent and by borrowing if it may.

    Raises:   Refusal with INSUFFICIENT_FUNDS, and those of lending.
    """
    account_id, time_us = account.account_id, exchange.now_us()
    exchange.lending.fund(
        change,
        account_id,
        symbol,
        quantity,
        redeems=redeems,
        borrows=borrows,
        source=LoanSource.WITHDRAWAL,
        time_us=time_us,
    )
    try:
        change.give(account_id, symbol, -quantity)
    except InsufficientBalance:
        raise Refusal(ErrorCode.INSUFFICIENT_FUNDS, "Insufficient funds") from None


def check_margin(exchange: "Exchange", change: Change, account: Account) -> None:
    """Refuse a change after which an account would have too little margin for what is open.

    Raises:   Refusal with INSUFFICIENT_MARGIN.
    """
    if exchange.risk.margin(account, change=change).available < 0:
        raise Refusal(ErrorCode.INSUFFICIENT_MARGIN, "Insufficient margin")
