"""Remember what books, orders and accounts were some seconds ago, for the faults that make REST answers lag.

A recording begins when its fault is set: with what there is at that moment, so that nothing that was visible then
disappears. It forgets what no answer can ask for any more.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from decimal import Decimal
from typing import Protocol, TypeVar

import msgspec

from backpack_connector.protocol.enums import Side

from .accounts import Account
from .engine import Exchange
from .events import Event, LevelChanged, OrderUpdated
from .faults_kinds import Fault
from .ledger import Balance
from .margin import AccountMargin
from .orders import Order
from .payloads import Json, levels_payload
from .positions import PositionView
from .traded_market import TradedMarket

_ALL_LEVELS = 100_000
_LONG_AGO_US = 0


class PastAccount(msgspec.Struct, frozen=True):
    """An account's funds and positions as they were."""

    time_us: int
    balances: Mapping[str, Balance]
    margin: AccountMargin
    positions: Sequence[PositionView]


class _PastOrder(msgspec.Struct, frozen=True):
    """An order as it was from a time on."""

    time_us: int
    order: Order


class _Timed(Protocol):
    @property
    def time_us(self) -> int: ...


_T = TypeVar("_T", bound=_Timed)


def _latest(rows: Iterable[_T], until_us: int) -> _T | None:
    """Return the last row of a time or before it; rows come oldest first."""
    found = None
    for row in rows:
        if row.time_us > until_us:
            break
        found = row
    return found


def _forget(rows: deque[_T], before_us: int) -> None:
    """Drop the rows that were out of date at a time already."""
    while len(rows) > 1 and rows[1].time_us <= before_us:
        rows.popleft()


class Recording:
    """What one fault needs to know of the past."""

    def __init__(self, exchange: Exchange, fault: Fault) -> None:
        self.exchange = exchange
        self.fault = fault
        # The engine's time and not the clock's: it is later than everything that has happened.
        self.started_us = exchange.now_us()

    def record(self, events: Sequence[Event]) -> None:
        """Take in what has happened."""

    def on_second(self) -> None:
        """Take in what time has changed."""

    def forget(self, before_us: int) -> None:
        """Drop what was out of date at a time already, because nobody asks for earlier times any more."""

    def _accounts(self) -> list[Account]:
        """Return the accounts in the scope."""
        return [
            account
            for account in self.exchange.accounts
            if self.fault.account in (None, account.account_id) and not account.is_background
        ]


class PastBooks(Recording):
    """The books of the markets in the scope."""

    def __init__(self, exchange: Exchange, fault: Fault) -> None:
        super().__init__(exchange, fault)
        self._books = {
            symbol: _PastBook(market) for symbol, market in exchange.markets.items() if fault.market in (None, symbol)
        }

    def record(self, events: Sequence[Event]) -> None:
        """Keep the changes of levels."""
        for event in events:
            if isinstance(event, LevelChanged) and event.symbol in self._books:
                self._books[event.symbol].record(event)

    def forget(self, before_us: int) -> None:
        """Apply old changes for good."""
        for book in self._books.values():
            book.forget(before_us)

    def depth(self, symbol: str, limit: int, until_us: int) -> Json:
        """Return a book of a time in the shape of GET /depth; see `payloads.depth_payload`."""
        return self._books[symbol].depth(limit, until_us)


_Levels = dict[Side, dict[Decimal, Decimal]]


class _PastBook:
    """One book: the levels of a time, and the changes since."""

    def __init__(self, market: TradedMarket) -> None:
        self._update_id = market.book.update_id
        self._levels: _Levels = {side: dict(market.book.side(side).best_levels(_ALL_LEVELS)) for side in Side}
        self._changes: deque[LevelChanged] = deque()

    def record(self, change: LevelChanged) -> None:
        if change.update_id > self._update_id:
            self._changes.append(change)

    def forget(self, before_us: int) -> None:
        while self._changes and self._changes[0].time_us <= before_us:
            change = self._changes.popleft()
            self._update_id = change.update_id
            _apply(self._levels, change)

    def depth(self, limit: int, until_us: int) -> Json:
        levels = {side: dict(prices) for side, prices in self._levels.items()}
        update_id = self._update_id
        for change in self._changes:
            if change.time_us > until_us:
                break
            update_id = change.update_id
            _apply(levels, change)
        return {
            "asks": levels_payload(sorted(levels[Side.ASK].items())[:limit]),
            "bids": levels_payload(sorted(levels[Side.BID].items())[-limit:]),
            "lastUpdateId": str(update_id),
            "timestamp": until_us,
        }


def _apply(levels: _Levels, change: LevelChanged) -> None:
    if change.quantity:
        levels[change.side][change.price] = change.quantity
    else:
        levels[change.side].pop(change.price, None)


class PastOrders(Recording):
    """The orders in the scope. Those that have not changed since the beginning need no recording."""

    def __init__(self, exchange: Exchange, fault: Fault) -> None:
        super().__init__(exchange, fault)
        self._states: dict[str, deque[_PastOrder]] = {
            order.order_id: deque([_PastOrder(_LONG_AGO_US, copy(order))])
            for account in self._accounts()
            for order in account.all_open_orders
        }

    def record(self, events: Sequence[Event]) -> None:
        """Keep the states of orders; an event carries a copy of its own."""
        for event in events:
            if isinstance(event, OrderUpdated):
                states = self._states.setdefault(event.order.order_id, deque())
                states.append(_PastOrder(event.time_us, event.order))

    def forget(self, before_us: int) -> None:
        """Drop old states, and orders that are over and shown so."""
        for order_id, states in list(self._states.items()):
            _forget(states, before_us)
            if states[-1].order.status.is_final and states[-1].time_us <= before_us:
                del self._states[order_id]

    def order(self, order: Order, until_us: int) -> Order | None:
        """Return an order as it was at a time, or None when it was not there yet."""
        states = self._states.get(order.order_id)
        if states is None:
            return order
        state = _latest(states, until_us)
        return None if state is None else state.order


class PastAccounts(Recording):
    """The funds and positions of the accounts in the scope; prices move them as well as events do."""

    def __init__(self, exchange: Exchange, fault: Fault) -> None:
        super().__init__(exchange, fault)
        self._samples: dict[str, deque[PastAccount]] = {}
        self.on_second()

    def record(self, events: Sequence[Event]) -> None:
        """Look at the accounts with orders that something happened to; what else changes, seconds change."""
        touched = {event.order.account_id for event in events if isinstance(event, OrderUpdated)}
        self._sample([account for account in self._accounts() if account.account_id in touched])

    def on_second(self) -> None:
        """Look at all accounts."""
        self._sample(self._accounts())

    def _sample(self, accounts: Iterable[Account]) -> None:
        exchange = self.exchange
        for account in accounts:
            sample = PastAccount(
                time_us=exchange.now_us(),
                balances=exchange.ledger.balances(account.account_id),
                margin=exchange.risk.margin(account),
                positions=exchange.risk.views(account),
            )
            self._samples.setdefault(account.account_id, deque()).append(sample)

    def forget(self, before_us: int) -> None:
        """Drop old samples."""
        for samples in self._samples.values():
            _forget(samples, before_us)

    def account(self, account_id: str, until_us: int) -> PastAccount | None:
        """Return an account as it was at a time, or as early as it is known; None for one that is new."""
        samples = self._samples.get(account_id)
        return None if samples is None else _latest(samples, until_us) or samples[0]
