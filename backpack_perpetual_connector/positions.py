"""Keep an account's positions from REST answers and the position stream, as Hummingbot shows them.

Rule 1: a message is newer than any answer whose request was sent before it or soon after (`stream_evidence.Question`),
        and no older message replaces a newer one.
Rule 2: a position that a complete answer does not list is closed; an odd row hides no other (F03).
Rule 3: unrealised profit is (mark - entry) x signed quantity. What the exchange calls unrealised is only what is left
        since it last realised profit, every 10 s (F44); that part is kept beside it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import NamedTuple

from hummingbot.connector.derivative.position import Position as HummingbotPosition
from hummingbot.core.data_type.common import PositionSide

from backpack_connector.protocol.futures import Position
from backpack_connector.protocol.messages import PositionUpdate
from backpack_connector.stream_evidence import Question

ZERO = Decimal(0)


class _Closed(NamedTuple):
    """The end of a position, as the stream has told it."""

    changed_at: int = 0
    engine_timestamp: float = 0.0
    heard_at_s: float = -inf


class Correction(NamedTuple):
    """What an answer has changed: signed quantities in base units, zero for no position."""

    symbol: str
    believed: Decimal
    said: Decimal


@dataclass(frozen=True)
class OpenPosition:
    """One position: quantity in signed base units, prices and profits in USDC."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    realized: Decimal | None
    """Already part of the USDC balance."""
    engine_timestamp: float
    changed_at: int
    """Place in the order of everything received; see `Positions.mark`."""
    heard_at_s: float = -inf
    """When the stream has told it, by the monotonic clock."""

    @property
    def unrealized(self) -> Decimal:
        """Return the profit since entry."""
        return (self.mark_price - self.entry_price) * self.quantity


class BackpackPosition(HummingbotPosition):
    """A position as Hummingbot knows it, with what this exchange tells besides."""

    def __init__(self, trading_pair: str, position: OpenPosition, leverage: Decimal) -> None:
        side = PositionSide.LONG if position.quantity > 0 else PositionSide.SHORT
        super().__init__(trading_pair, side, position.unrealized, position.entry_price, position.quantity, leverage)
        self.mark_price = position.mark_price
        self.realized_pnl = position.realized
        """USDC that was settled into the balance already, or None when the exchange has not said."""


def _usable(mark_price: Decimal, known: OpenPosition | None, entry_price: Decimal) -> Decimal:
    """Return a mark price, or for one of zero, such as a market without trading may have, the best that is known."""
    if mark_price > 0:
        return mark_price
    return entry_price if known is None else known.mark_price


_NEVER = _Closed()


class Positions:
    """The open positions of one account, by symbol."""

    def __init__(self) -> None:
        self._positions: dict[str, OpenPosition] = {}
        self._closed: dict[str, _Closed] = {}
        self._sequence = 0
        self._is_known = False

    def __iter__(self) -> Iterator[OpenPosition]:
        return iter(self._positions.values())

    def get(self, symbol: str) -> OpenPosition | None:
        """Return the position in a market, or None."""
        return self._positions.get(symbol)

    def mark(self) -> Question:
        """Return when a request is sent that is sent now, for `replace`."""
        return Question(self._next(), time.monotonic())

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def apply_update(self, update: PositionUpdate) -> bool:
        """Take one message of the stream; return False when a newer one is known already."""
        known = self._positions.get(update.symbol)
        last = self._closed.get(update.symbol, _NEVER) if known is None else known
        if update.event_timestamp < last.engine_timestamp:
            return False
        if update.net_quantity == 0:
            self._positions.pop(update.symbol, None)
            self._closed[update.symbol] = _Closed(self._next(), update.event_timestamp, time.monotonic())
            return True
        self._positions[update.symbol] = OpenPosition(
            symbol=update.symbol,
            quantity=update.net_quantity,
            entry_price=update.entry_price,
            mark_price=_usable(update.mark_price, known, update.entry_price),
            realized=update.pnl_realized,
            engine_timestamp=update.event_timestamp,
            changed_at=self._next(),
            heard_at_s=time.monotonic(),
        )
        return True

    def apply_mark(self, symbol: str, mark_price: Decimal) -> bool:
        """Take a new mark price; return whether there is a position that it changes."""
        known = self._positions.get(symbol)
        if known is None or mark_price <= 0 or known.mark_price == mark_price:
            return False
        self._positions[symbol] = OpenPosition(
            symbol=symbol,
            quantity=known.quantity,
            entry_price=known.entry_price,
            mark_price=mark_price,
            realized=known.realized,
            engine_timestamp=known.engine_timestamp,
            changed_at=known.changed_at,
            heard_at_s=known.heard_at_s,
        )
        return True

    def replace(self, rows: Sequence[Position], asked: Question, *, is_complete: bool = True) -> list[Correction]:
        """Take an answer, and return which quantities it has changed of what was known.

        What the stream has reported since it was asked, or just before, stays. In an incomplete answer, one with rows
        that could not be read, a missing position proves nothing.
        """
        listed = {row.symbol: row for row in rows if row.net_quantity != 0}
        outdated = self.better_known(asked)
        before = {symbol: position.quantity for symbol, position in self._positions.items()}
        for symbol, row in listed.items():
            if symbol not in outdated:
                self._positions[symbol] = self._from_row(row, asked.place)
        if is_complete:
            for symbol in before.keys() - listed.keys() - outdated:
                del self._positions[symbol]
        after = {symbol: position.quantity for symbol, position in self._positions.items()}
        changes = [
            Correction(symbol, before.get(symbol, ZERO), after.get(symbol, ZERO))
            for symbol in sorted({*before, *after})
            if before.get(symbol) != after.get(symbol)
        ]
        is_first, self._is_known = not self._is_known, True
        return [] if is_first else changes

    def better_known(self, asked: Question) -> set[str]:
        """Return the markets of which the stream knows more than an answer to a question does."""
        told: dict[str, _Closed | OpenPosition] = {**self._closed, **self._positions}
        return {symbol for symbol, last in told.items() if asked.is_outdated_by(last.changed_at, last.heard_at_s)}

    def _from_row(self, row: Position, asked_at: int) -> OpenPosition:
        known = self._positions.get(row.symbol)
        return OpenPosition(
            symbol=row.symbol,
            quantity=row.net_quantity,
            entry_price=row.entry_price,
            mark_price=_usable(row.mark_price, known, row.entry_price),
            realized=row.pnl_realized,
            # Rows carry no time, so the last message's still tells which messages are older.
            engine_timestamp=0.0 if known is None else known.engine_timestamp,
            changed_at=asked_at,
        )
