"""Combine what REST and the balance stream say about a spot account into totals and available funds.

Rule 1: stream messages are absolute and newer than any answer whose request was sent before them or soon after
        (`stream_evidence.Question`); the order among messages is that of their engine times.
Rule 2: an asset that a complete answer does not list is gone; an answer that did not come changes nothing.
Rule 3: lent funds have left the capital (API §2.3) but belong to the account; borrowed ones are in it but do not.
Rule 4: what an order takes counts as used until the balance knows of it: until its request has ended and the stream has
        told of the asset since it was sent, one message for each order, as the exchange joins none (API §3.4); or until
        an answer tells that was asked for long enough after the request.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any

from backpack_connector.protocol.messages import BalanceUpdate
from backpack_connector.protocol.models import Balance, BorrowLendPosition
from backpack_connector.stream_evidence import Question

ZERO = Decimal(0)
_NEGLIGIBLE = Decimal("1e-6")
"""Relative difference that is rounding or interest, not something that was missed."""


@dataclass
class _Asset:
    available: Decimal
    locked: Decimal
    staked: Decimal
    changed_at: int
    """Place in the order of everything received; see `mark`."""
    heard_at_s: float = -inf
    """When the stream has told it, by the monotonic clock."""
    engine_timestamp: float = -inf
    """What the stream tells of earlier moments is outdated."""

    def differs(self, balance: "Balance | None") -> bool:
        """Tell whether an answer says something else than is known."""
        if balance is None:
            return bool(self.available or self.locked or self.staked)
        pairs = ((self.available, balance.available), (self.locked, balance.locked), (self.staked, balance.staked))
        return any(abs(known - said) > _NEGLIGIBLE * max(abs(known), abs(said)) for known, said in pairs)


@dataclass
class _Hold:
    """What an order takes that the balance does not know of yet."""

    asset: str
    quantity: Decimal
    ended_at_s: float | None = None
    """When its request ended by the monotonic clock; None while it is on its way."""
    is_told: bool = False
    """Whether the stream has told of the asset while the request was on its way, and for no other order."""


@dataclass(frozen=True)
class Correction:
    """What an answer has changed: available, locked and staked funds of an asset, as text."""

    asset: str
    believed: str
    said: str


_NOTHING = _Asset(ZERO, ZERO, ZERO, 0)


def _as_text(balance: "_Asset | Balance | None") -> str:
    if balance is None:
        return "nothing"
    return f"{balance.available} available, {balance.locked} locked, {balance.staked} staked"


class SpotBalances:
    """The balances of one spot account, in units of each asset."""

    def __init__(self) -> None:
        self._capital: dict[str, _Asset] = {}
        self._lent: dict[str, Decimal] = {}
        self._borrowed: dict[str, Decimal] = {}
        self.has_loans = False
        """Whether funds may move between the capital and loans, which the stream tells only of the capital."""
        self._holds: dict[str, _Hold] = {}
        self._held: dict[str, Decimal] = {}
        self._sequence = 0
        self._has_capital = False

    def mark(self) -> Question:
        """Return when a request is sent that is sent now, for `set_capital`."""
        return Question(self._next(), time.monotonic())

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def set_capital(
        self, balances: Mapping[str, Balance], asked: Question, *, is_complete: bool = True
    ) -> list[Correction]:
        """Take an answer, and return what it has changed of what was known.

        Assets that the stream has reported since it was asked, or just before, keep the newer figure. In an incomplete
        answer, one with rows that could not be read, a missing asset proves nothing.
        """
        known = self._capital
        newer = {
            asset: entry for asset, entry in known.items() if asked.is_outdated_by(entry.changed_at, entry.heard_at_s)
        }
        self._capital = {} if is_complete else dict(known)
        for asset, balance in balances.items():
            entry = _Asset(balance.available, balance.locked, balance.staked, asked.place)
            entry.engine_timestamp = known[asset].engine_timestamp if asset in known else -inf
            self._capital[asset] = entry
        self._capital.update(newer)
        for order_id, hold in list(self._holds.items()):
            if hold.ended_at_s is not None and asked.knows_of(hold.ended_at_s):
                self.release(order_id)
        is_first, self._has_capital = not self._has_capital, True
        if is_first:
            return []
        corrected = {asset for asset in {*known, *balances} - newer.keys() if is_complete or asset in balances}
        entries = [(asset, known.get(asset), balances.get(asset)) for asset in sorted(corrected)]
        return [
            Correction(asset, _as_text(entry), _as_text(balance))
            for asset, entry, balance in entries
            if (entry or _NOTHING).differs(balance)
        ]

    def set_positions(self, positions: Sequence[BorrowLendPosition], *, is_complete: bool = True) -> set[str]:
        """Take lent and borrowed positions; return the assets that were not borrowed before."""
        borrowed_before = set(self._borrowed)
        if is_complete:
            self._lent.clear()
            self._borrowed.clear()
        for row in positions:
            self._lent.pop(row.symbol, None)
            self._borrowed.pop(row.symbol, None)
            if row.net_quantity > 0:
                self._lent[row.symbol] = row.net_quantity
            elif row.net_quantity < 0:
                self._borrowed[row.symbol] = -row.net_quantity
        # For good: an account that has lent everything back may lend again with its next trade.
        self.has_loans = bool(self.has_loans or self._lent or self._borrowed)
        return set(self._borrowed) - borrowed_before

    def apply_update(self, update: BalanceUpdate) -> None:
        """Take one message of the balance stream, unless it has told something newer already."""
        known = self._capital.get(update.asset)
        if known is None or update.event_timestamp >= known.engine_timestamp:
            self._capital[update.asset] = _Asset(
                update.available,
                update.locked,
                update.staked,
                self._next(),
                time.monotonic(),
                update.event_timestamp,
            )
        if self._holds:
            self._tell(update.asset)

    def totals(self) -> dict[str, Decimal]:
        """Return what the account owns, by asset; negative when more was borrowed and spent than it has."""
        totals = {asset: entry.available + entry.locked + entry.staked for asset, entry in self._capital.items()}
        for asset, lent in self._lent.items():
            totals[asset] = totals.get(asset, ZERO) + lent
        for asset, borrowed in self._borrowed.items():
            totals[asset] = totals.get(asset, ZERO) - borrowed
        return totals

    def available(self) -> dict[str, Decimal]:
        """Return what orders can use, by asset: available capital and lent funds."""
        available = {asset: entry.available for asset, entry in self._capital.items()}
        for asset, lent in self._lent.items():
            available[asset] = available.get(asset, ZERO) + lent
        return available

    @property
    def has_lent(self) -> bool:
        """Tell whether anything is lent."""
        return bool(self._lent)

    def needs_redeeming(self, asset: str, quantity: Decimal) -> bool:
        """Tell whether a quantity is there only if lent funds are redeemed, other orders on their way included."""
        entry = self._capital.get(asset)
        wanted = max(quantity, self.held(asset))
        return asset in self._lent and wanted > (ZERO if entry is None else entry.available)

    def hold(self, order_id: str, asset: str, quantity: Decimal) -> None:
        """Count a quantity as used by an order that is on its way."""
        self._holds[order_id] = _Hold(asset, quantity)
        self._held[asset] = self._held.get(asset, ZERO) + quantity

    def request_ended(self, order_id: str) -> None:
        """Hear that the request of an order has ended, and that the exchange may have the order."""
        hold = self._holds.get(order_id)
        if hold is None:
            return
        hold.ended_at_s = time.monotonic()
        if hold.is_told:
            hold.is_told = False
            self.release(order_id)

    def release(self, order_id: str) -> None:
        """Stop counting what an order takes: the balance knows, or the order takes nothing."""
        hold = self._holds.pop(order_id, None)
        if hold is not None:
            self._held[hold.asset] -= hold.quantity
            if hold.is_told:
                self._tell(hold.asset)  # the message was about another order

    def _tell(self, asset: str) -> None:
        """Note that the stream has told of an asset: it may have told of the first order that waits for it."""
        waiting = [(order_id, hold) for order_id, hold in self._holds.items() if hold.asset == asset]
        for order_id, hold in waiting:
            if hold.ended_at_s is not None:
                self.release(order_id)
                return
        for _, hold in waiting:
            if not hold.is_told:
                hold.is_told = True
                return

    @property
    def untold_since_s(self) -> float | None:
        """Return when the first request ended of whose order the balance does not know, by the monotonic clock."""
        ends_s = (hold.ended_at_s for hold in self._holds.values() if hold.ended_at_s is not None)
        return min(ends_s, default=None)

    def held(self, asset: str) -> Decimal:
        """Return what orders use of an asset of which the balance does not know yet."""
        return self._held.get(asset, ZERO)


class FoundInCapitals(dict[str, Decimal]):
    """Amounts by asset, in which an asset with small letters is found under its name in capitals too."""

    def __missing__(self, asset: str) -> Decimal:
        for name, amount in self.items():
            if name.upper() == asset:
                return amount
        raise KeyError(asset)

    def get(self, asset: str, default: Any = None) -> Any:
        """Return the amount of an asset, or the default."""
        try:
            return self[asset]
        except KeyError:
            return default
