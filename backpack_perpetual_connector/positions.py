"""Keep an account's positions from REST answers and the position stream, as Hummingbot shows them.

Rule 1: a message is newer than any answer whose request was sent before it, and no older message replaces a newer one.
Rule 2: a position that a complete answer does not list is closed; an odd row hides no other (F03).
Rule 3: unrealised profit is (mark - entry) x signed quantity. What the exchange calls unrealised is only what is left
        since it last realised profit, every 10 s (F44); that part is kept beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hummingbot.connector.derivative.position import Position as HummingbotPosition
from hummingbot.core.data_type.common import PositionSide

from backpack_connector.protocol.futures import Position
from backpack_connector.protocol.messages import PositionUpdate

ZERO = Decimal(0)


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


class Positions:
    """The open positions of one account, by symbol."""

    def __init__(self) -> None:
        self._positions: dict[str, OpenPosition] = {}
        self._closed_at: dict[str, tuple[int, float]] = {}
        self._sequence = 0

    def __iter__(self) -> Iterator[OpenPosition]:
        return iter(self._positions.values())

    def get(self, symbol: str) -> OpenPosition | None:
        """Return the position in a market, or None."""
        return self._positions.get(symbol)

    def mark(self) -> int:
        """Return the place of a request that is sent now, for `replace`."""
        self._sequence += 1
        return self._sequence

    def apply_update(self, update: PositionUpdate) -> bool:
        """Take one message of the stream; return False when a newer one is known already."""
        known = self._positions.get(update.symbol)
        known_timestamp = self._closed_at.get(update.symbol, (0, 0.0))[1] if known is None else known.engine_timestamp
        if update.event_timestamp < known_timestamp:
            return False
        if update.net_quantity == 0:
            self._positions.pop(update.symbol, None)
            self._closed_at[update.symbol] = (self.mark(), update.event_timestamp)
            return True
        self._positions[update.symbol] = OpenPosition(
            symbol=update.symbol,
            quantity=update.net_quantity,
            entry_price=update.entry_price,
            mark_price=_usable(update.mark_price, known, update.entry_price),
            realized=update.pnl_realized,
            engine_timestamp=update.event_timestamp,
            changed_at=self.mark(),
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
        )
        return True

    def replace(self, rows: Sequence[Position], asked_at: int, *, is_complete: bool = True) -> None:
        """Take an answer; what the stream has reported since it was asked stays.

        In an incomplete answer, one with rows that could not be read, a missing position proves nothing.
        """
        listed = {row.symbol: row for row in rows if row.net_quantity != 0}
        for symbol, row in listed.items():
            if not self._is_newer(symbol, asked_at):
                self._positions[symbol] = self._from_row(row, asked_at)
        if is_complete:
            for symbol in [symbol for symbol in self._positions if symbol not in listed]:
                if not self._is_newer(symbol, asked_at):
                    del self._positions[symbol]

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

    def _is_newer(self, symbol: str, asked_at: int) -> bool:
        known = self._positions.get(symbol)
        changed_at = self._closed_at.get(symbol, (0, 0.0))[0] if known is None else known.changed_at
        return changed_at > asked_at
