"""Replay a tape as the market: books, trades, mark prices and funding rates as they were, at the time they came.

Rule 1: the tape says what the others do, the exchange what follows from it. Depth and trades go through
        `TapeLiquidity`; tickers, candles, best prices and open interest are the simulator's own, made of them. Times
        and ids are its own too, since users' orders are among them.
Rule 2: a book is followed in sequence (protocol.depth). After a gap on the tape it stays as it is until the tape has
        the next snapshot.
Rule 3: a pause of the clock is not made up for: after more than a second the tape goes on where it stopped.
Rule 4: what on a tape cannot be read is left out, and counted.
Markets that the tape does not have go on as usual; those of the same assets follow its prices.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from backpack_connector.protocol.depth import DepthSequence, Verdict
from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.errors import BackpackError, ConfigurationError, shown
from backpack_connector.protocol.messages import DepthUpdate, MarkPriceUpdate, PublicTrade, parse_message
from backpack_connector.protocol.models import DepthSnapshot
from backpack_connector.protocol.units import MICROSECONDS_PER_SECOND, decimal_from_text
from backpack_connector.protocol.wire import read
from backpack_connector.tape_files import TapeReader, TapeRow

from .engine import Exchange
from .events import Execution
from .markets import Instrument, instrument_of
from .pricing import ToldPrices, Underlying
from .tape_liquidity import TapeLiquidity
from .traded_market import TradedMarket

REPLAY_STEP_S = 0.02
"""How often the server looks what is due."""
_LONGEST_STEP_US = MICROSECONDS_PER_SECOND
_ROWS_OF_OPENING = 200_000
"""How far into a tape its opening is looked for."""

_MOST_MAGNITUDE, _MOST_PLACES = 15, 28
_UNREADABLE = (BackpackError, msgspec.MsgspecError, ValueError, RecursionError)
_LEAST_SPEED, _MOST_SPEED = 0.01, 1_000.0


@dataclass(frozen=True)
class TapeOptions:
    """How to replay a tape."""

    path: Path
    speed: float = 1.0
    """Seconds of the tape in a second."""
    loops: bool = False
    """Begin again at the end; otherwise the books stay as they are then."""

    def __post_init__(self) -> None:
        if not _LEAST_SPEED <= self.speed <= _MOST_SPEED:
            raise ConfigurationError(f"The speed must be from {_LEAST_SPEED} to {_MOST_SPEED:.0f}, not {self.speed}.")


@dataclass(frozen=True)
class _Book:
    """A state of a book, as a snapshot or an update tells it."""

    levels: Sequence[tuple[Side, Decimal, Decimal]]
    told_us: int


class Tape:
    """A tape that was looked at: its markets, and the rows."""

    def __init__(self, options: TapeOptions) -> None:
        """Find the tape's markets and their first prices.

        Raises:   ConfigurationError when it is no tape, or has no book.
        """
        self.options = options
        self._reader = TapeReader(options.path)
        listings: dict[str, Mapping[str, Any]] = {}
        prices: dict[str, Decimal] = {}
        wanted = set(self._reader.header.symbols)
        for number, row in enumerate(self._reader.rows()):
            if number >= _ROWS_OF_OPENING or not wanted - set(prices):
                break
            if row.operation == "get_markets":
                listings.update(_listings(row))
            elif (symbol := _snapshot_symbol(row)) in wanted and symbol not in prices:
                price = _middle(row)
                if price is not None:
                    prices[symbol] = price
        self.prices = prices
        """The middle of each market's first book."""
        self._listings = listings
        if not prices:
            raise ConfigurationError(f"The tape {options.path} has no order book.")

    def rows(self) -> Iterator[TapeRow]:
        """Yield all rows from the beginning."""
        return self._reader.rows()

    def instruments(self, packaged: Sequence[Instrument]) -> list[Instrument]:
        """Return the packaged instruments, those on the tape as they were then and at its prices.

        Raises:   ConfigurationError for a market that neither the tape nor the package describes.
        """
        rows = {row.symbol: row for row in packaged}
        for symbol, price in self.prices.items():
            packaged_listing = rows[symbol].listing if symbol in rows else None
            instrument = _instrument(self._listings.get(symbol), price) or _instrument(packaged_listing, price)
            if instrument is None:
                raise ConfigurationError(f"The tape {self.options.path} does not describe the market {shown(symbol)}.")
            rows[symbol] = instrument
        return list(rows.values())


def _instrument(listing: Any, price: Decimal) -> Instrument | None:
    """Return the instrument that a row of /markets describes, or None when it does not."""
    try:
        return instrument_of(listing, price)
    except (*_UNREADABLE, TypeError, KeyError):
        return None


def _listings(row: TapeRow) -> dict[str, Mapping[str, Any]]:
    try:
        return {listing["symbol"]: listing for listing in msgspec.json.decode(row.body)}
    except (*_UNREADABLE, TypeError, KeyError):
        return {}


def _snapshot_symbol(row: TapeRow) -> str | None:
    return row.query.get("symbol") if row.operation == "get_depth" else None


def _snapshot(row: TapeRow) -> DepthSnapshot:
    return read(DepthSnapshot, _decoded(row.body), "get_depth")


def _decoded(raw: msgspec.Raw) -> Any:
    return msgspec.json.decode(raw)


def _middle(row: TapeRow) -> Decimal | None:
    """Return the middle of a snapshot's best prices, or None without both sides."""
    try:
        book = _snapshot(row)
        _levels(book)  # figures that cannot be make no middle
        return (decimal_from_text(book.bids[-1][0]) + decimal_from_text(book.asks[0][0])) / 2
    except (*_UNREADABLE, IndexError):
        return None


class _TapedMarket:
    """One market of the tape."""

    def __init__(self, exchange: Exchange, market: TradedMarket, *, leads: bool) -> None:
        self._market = market
        self._liquidity = TapeLiquidity(exchange, market)
        self._sequence: DepthSequence[_Book] = DepthSequence()
        self._leads = leads
        """The price of the underlying follows its trades; otherwise, if it has one, its index price."""

    def restart(self) -> None:
        """Wait for the next snapshot."""
        self._sequence.restart()

    def snapshot(self, snapshot: DepthSnapshot) -> Iterator[Execution]:
        """Take a snapshot, and what came before it and goes behind it.

        Raises:   BackpackError or ValueError at once for a level that cannot be; likewise `depth`.
        """
        levels = _levels(snapshot)
        later = self._sequence.snapshot(snapshot.update_id)
        if later is None:
            return iter(())
        first = self._liquidity.replace(levels, snapshot.timestamp)
        return chain(first, *(self._liquidity.update(book.levels, book.told_us) for book in later))

    def depth(self, update: DepthUpdate) -> Iterator[Execution]:
        """Take an update if it is its turn."""
        book = _Book(_levels(update), _engine_us(update))
        verdict = self._sequence.update(update.first_update_id, update.last_update_id, book, 1 + len(book.levels))
        return self._liquidity.update(book.levels, book.told_us) if verdict is Verdict.APPLY else iter(())

    def trade(self, trade: PublicTrade) -> Iterator[Execution]:
        """Repeat a trade."""
        _check(trade.price, trade.quantity)
        if self._leads:
            _move(self._market.underlying, trade.price)
        maker_side = Side.BID if trade.is_buyer_maker else Side.ASK
        return self._liquidity.trade(trade.price, trade.quantity, maker_side, _engine_us(trade))

    def mark_price(self, update: MarkPriceUpdate) -> None:
        """Have the exchange use the tape's prices from its next second on."""
        prices = self._market.prices
        if prices is None:
            return
        index_price = prices.index_price if update.index_price is None else update.index_price
        for price in (index_price, update.mark_price):
            _check(price, price)
        prices.told = ToldPrices(index_price, update.mark_price, update.funding_rate)
        _move(self._market.underlying, index_price)


def _engine_us(message: DepthUpdate | PublicTrade) -> int:
    return message.event_time_us if message.engine_time_us is None else message.engine_time_us


def _levels(book: DepthSnapshot | DepthUpdate) -> list[tuple[Side, Decimal, Decimal]]:
    sides = ((Side.BID, book.bids), (Side.ASK, book.asks))
    rows = [
        (side, decimal_from_text(price), decimal_from_text(quantity))
        for side, rows in sides
        for price, quantity in rows
    ]
    for _, price, quantity in rows:
        _check(price, quantity)
    return rows


def _check(price: Decimal, quantity: Decimal) -> None:
    """Refuse numbers with which nothing could be computed exactly (ledger.EXACT)."""
    for number in (price, quantity):
        exponent = number.as_tuple().exponent
        if number < 0 or number.adjusted() > _MOST_MAGNITUDE or int(exponent) < -_MOST_PLACES:
            raise ValueError("a price or a quantity that cannot be")
    if not price:
        raise ValueError("a price of nothing")


def _move(underlying: Underlying, price: Decimal) -> None:
    """Let the underlying drift to a price, so that the background flow follows without a jump."""
    underlying.drift = price / underlying.anchor - 1


class Replay:
    """A tape on its way through an exchange that was made with the tape's instruments."""

    def __init__(self, tape: Tape, exchange: Exchange, now_us: int) -> None:
        self._tape = tape
        markets = {symbol: exchange.markets[symbol] for symbol in tape.prices}
        indexed = {id(market.underlying) for market in markets.values() if market.prices is not None}
        self._markets = {
            symbol: _TapedMarket(exchange, market, leads=id(market.underlying) not in indexed)
            for symbol, market in markets.items()
        }
        self.symbols = frozenset(markets)
        self.unreadable = 0
        """Rows that could not be read."""
        self.rounds = 0
        """How often the tape came to its end."""
        self.is_over = False
        self._last_us = now_us
        self._begin(now_us)

    def _begin(self, now_us: int) -> None:
        self._rows = self._tape.rows()
        self._next = next(self._rows, None)
        self._origin_us = 0 if self._next is None else self._next.time_us
        self._begun_us = now_us
        for market in self._markets.values():
            market.restart()

    @property
    def position_s(self) -> float:
        """Return how far into the tape it is, in seconds of the tape."""
        return (self._last_us - self._begun_us) * self._tape.options.speed / MICROSECONDS_PER_SECOND

    def payload(self) -> dict[str, Any]:
        """Return where the tape is, for who looks at the simulator."""
        return {
            "isOver": self.is_over,
            "positionSeconds": round(self.position_s, 3),
            "rounds": self.rounds,
            "symbols": sorted(self.symbols),
            "unreadable": self.unreadable,
        }

    def advance(self, now_us: int) -> Iterator[Execution]:
        """Do what is due by now. The caller reads it to the end."""
        pause_us = now_us - self._last_us - _LONGEST_STEP_US
        if pause_us > 0:
            self._begun_us += pause_us
        self._last_us = now_us
        while not self.is_over and self._next is not None and self._is_due(self._next, now_us):
            row, self._next = self._next, next(self._rows, None)
            yield from self._play(row)
        if self._next is None and not self.is_over:
            self.rounds += 1
            self.is_over = not self._tape.options.loops
            if not self.is_over:
                self._begin(now_us)

    def _is_due(self, row: TapeRow, now_us: int) -> bool:
        return row.time_us - self._origin_us <= (now_us - self._begun_us) * self._tape.options.speed

    def _play(self, row: TapeRow) -> Iterator[Execution]:
        try:
            action = self._action(row)
        except _UNREADABLE:
            self.unreadable += 1
            return
        yield from action

    def _action(self, row: TapeRow) -> Iterator[Execution]:
        """Return what a row does; nothing for what the simulator makes itself.

        Raises:   one of `_UNREADABLE` when the row cannot be read.
        """
        symbol = _snapshot_symbol(row)
        if symbol is not None and symbol in self._markets:
            return self._markets[symbol].snapshot(_snapshot(row))
        if row.stream is None or row.redacted:
            return iter(())
        message = parse_message({"stream": row.stream, "data": _decoded(row.data)})
        market = self._markets.get(getattr(message, "symbol", ""))
        if market is None:
            return iter(())
        if isinstance(message, DepthUpdate):
            return market.depth(message)
        if isinstance(message, PublicTrade):
            return market.trade(message)
        if isinstance(message, MarkPriceUpdate):
            market.mark_price(message)
        return iter(())
