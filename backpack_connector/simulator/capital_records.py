"""Define deposits, withdrawals and what an owner has set up for them."""

from decimal import Decimal
from enum import Enum

import msgspec

from .capital_networks import Blockchain


class DepositStatus(str, Enum):
    """Source: schema DepositStatus; the others belong to fiat money and to travel rules."""

    CONFIRMED = "confirmed"
    DECLINED = "declined"
    PENDING = "pending"


class WithdrawalStatus(str, Enum):
    """Source: schema WithdrawalStatus; the others belong to travel rules."""

    CONFIRMED = "confirmed"
    PENDING = "pending"


ADMINISTRATOR_SOURCE = "administrator"
INTERNAL_SOURCE = "internal"
PLATFORM_SOURCES = frozenset({ADMINISTRATOR_SOURCE, INTERNAL_SOURCE})
"""Deposits that originate from the exchange; that these two count is a choice."""


class Deposit(msgspec.Struct, kw_only=True):
    """Money that came, or is coming."""

    deposit_id: int
    account_id: str
    source: str
    """A blockchain, or the exchange itself. Source: schema DepositSource."""
    symbol: str
    quantity: Decimal
    status: DepositStatus
    created_us: int
    to_address: str | None = None
    from_address: str | None = None
    transaction_hash: str | None = None


class WithdrawalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What POST /capital/withdrawals asks for."""

    address: str
    blockchain: Blockchain
    symbol: str
    quantity: Decimal
    client_id: str | None = None
    two_factor_token: str | None = None
    borrows: bool = False
    redeems: bool = False


class Withdrawal(msgspec.Struct, kw_only=True):
    """Money that went, or is going. It has left the balance when it was asked for."""

    withdrawal_id: int
    account_id: str
    request: WithdrawalRequest
    fee: Decimal
    status: WithdrawalStatus
    created_us: int
    sent_us: int
    """When it is confirmed."""
    trigger_us: int | None
    """When the delay is over; None without one."""
    receiver_id: str | None
    """The account of this exchange that gets it, or None."""
    transaction_hash: str | None = None


class KnownAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of an owner's address book."""

    blockchain: Blockchain
    address: str
    needs_two_factor: bool = False
    is_whitelisted: bool = True
    """The withdrawal delay does not apply."""


class WithdrawalDelay(msgspec.Struct, frozen=True):
    """How long withdrawals to addresses that are not whitelisted wait. Source: schema WithdrawalDelay."""

    hours: int
    pending_hours: int | None = None
    pending_from_us: int | None = None

    def at(self, now_us: int) -> "WithdrawalDelay":
        """Return the setting as it is at a time."""
        if self.pending_hours is None or self.pending_from_us is None or now_us < self.pending_from_us:
            return self
        return WithdrawalDelay(self.pending_hours)
