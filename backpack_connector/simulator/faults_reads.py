"""Show what REST answers are made of: books, histories and accounts as they are, or as faults make them look."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from backpack_connector.protocol.units import us_from_seconds

from .accounts import Account
from .clock import Clock
from .engine import Exchange
from .events import Event
from .faults_active import ActiveFault, ActiveFaults, Occasion
from .faults_kinds import FaultKind
from .faults_past import PastAccounts, PastBooks, PastOrders, Recording
from .ledger import Balance
from .margin import AccountMargin
from .orders import Fill, Order
from .payloads import Json, depth_payload
from .positions import PositionView
from .traded_market import TradedMarket

_RECORDINGS: Mapping[FaultKind, type[Recording]] = {
    FaultKind.DEPTH_LAGS: PastBooks,
    FaultKind.HISTORY_LAGS: PastOrders,
    FaultKind.ACCOUNT_LAGS: PastAccounts,
}


class AccountView(Protocol):
    """What REST tells of an account's funds and positions."""

    @property
    def balances(self) -> Mapping[str, Balance]:
        """Return all balances by asset."""

    @property
    def margin(self) -> AccountMargin:
        """Return the margin."""

    @property
    def positions(self) -> Sequence[PositionView]:
        """Return the open positions."""


class LiveAccount:
    """An account as it is."""

    def __init__(self, exchange: Exchange, account: Account) -> None:
        self._exchange = exchange
        self._account = account

    @property
    def balances(self) -> Mapping[str, Balance]:
        """Return all balances by asset."""
        return self._exchange.ledger.balances(self._account.account_id)

    @property
    def margin(self) -> AccountMargin:
        """Return the margin."""
        return self._exchange.risk.margin(self._account)

    @property
    def positions(self) -> Sequence[PositionView]:
        """Return the open positions."""
        return self._exchange.risk.views(self._account)


class Reads:
    """What the exchange shows. Faults that make it lag are few, so that each look tries them all."""

    def __init__(self, exchange: Exchange, clock: Clock, active: ActiveFaults) -> None:
        self._exchange = exchange
        self._clock = clock
        self._active = active
        self._recordings: dict[ActiveFault, Recording] = {}

    def start(self, active: ActiveFault) -> None:
        """Begin what a fault needs to know of the past, if it is one that makes answers lag."""
        recording = _RECORDINGS.get(active.fault.kind)
        if recording is not None:
            self._recordings[active] = recording(self._exchange, active.fault)

    def end(self, active: ActiveFault) -> None:
        """Forget what was kept for a fault."""
        self._recordings.pop(active, None)

    def record(self, events: Sequence[Event]) -> None:
        """Take in what has happened."""
        for recording in self._recordings.values():
            recording.record(events)

    def on_second(self) -> None:
        """Take in what time has changed, and forget what is too old to be shown."""
        for active, recording in self._recordings.items():
            recording.on_second()
            fault = active.fault
            recording.forget(self._clock() - us_from_seconds((fault.delay_s or 0.0) + (fault.jitter_s or 0.0)))

    def _lag(self, kind: FaultKind, occasion: Occasion) -> tuple[ActiveFault, int] | None:
        """Return the fault that makes an answer lag, and until when it shows things; None = until now."""
        if not self._recordings:
            return None
        striking = self._active.striking(occasion, kind)
        if not striking:
            return None
        active = striking[0]
        until_us = self._clock() - us_from_seconds(active.delay_s())
        return active, max(self._recordings[active].started_us, until_us)

    def depth(self, market: TradedMarket, limit: int) -> Json:
        """Return a book in the shape of GET /depth."""
        lag = self._lag(FaultKind.DEPTH_LAGS, Occasion(operation="get_depth", markets=(market.symbol,)))
        if lag is None:
            return depth_payload(market.book, limit, self._clock())
        active, until_us = lag
        recording = self._recordings[active]
        assert isinstance(recording, PastBooks)
        return recording.depth(market.symbol, limit, until_us)

    def orders(self, account: Account) -> list[Order]:
        """Return the order history, oldest first."""
        rows = list(account.orders.values())
        lag = self._history_lag(account, "get_order_history")
        if lag is None:
            return rows
        active, until_us = lag
        recording = self._recordings[active]
        assert isinstance(recording, PastOrders)
        # The official text says of resting orders that the history may include them, not that it does.
        is_ended_only = bool(active.fault.is_ended_only)
        past = []
        for row in rows:
            if not _is_about(active, row.symbol):
                past.append(row)
                continue
            was = recording.order(row, until_us)
            if was is not None and (was.status.is_final or not is_ended_only):
                past.append(was)
        return past

    def fills(self, account: Account) -> list[Fill]:
        """Return the fill history, oldest first."""
        lag = self._history_lag(account, "get_fills")
        if lag is None:
            return account.fills
        active, until_us = lag
        return [row for row in account.fills if row.time_us <= until_us or not _is_about(active, row.symbol)]

    def _history_lag(self, account: Account, operation: str) -> tuple[ActiveFault, int] | None:
        # One history shows all markets: a fault of one market is about those of its rows.
        occasion = Occasion(operation=operation, account=account.account_id, markets=tuple(self._exchange.markets))
        return self._lag(FaultKind.HISTORY_LAGS, occasion)

    def account(self, account: Account, operation: str) -> AccountView:
        """Return the funds and positions of an account."""
        lag = self._lag(FaultKind.ACCOUNT_LAGS, Occasion(operation=operation, account=account.account_id))
        if lag is None:
            return LiveAccount(self._exchange, account)
        active, until_us = lag
        recording = self._recordings[active]
        assert isinstance(recording, PastAccounts)
        return recording.account(account.account_id, until_us) or LiveAccount(self._exchange, account)


def _is_about(active: ActiveFault, symbol: str) -> bool:
    return active.fault.market in (None, symbol)
