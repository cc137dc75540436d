"""Keep an order book true: updates in sequence over a snapshot, started again whenever something may be missing."""

from collections.abc import AsyncIterator
from decimal import Decimal

from backpack_connector.protocol.depth import DepthSequence, Verdict
from backpack_connector.protocol.messages import DepthUpdate
from backpack_connector.protocol.models import DepthSnapshot
from backpack_connector.protocol.streams import depth_stream, split_stream_name

from .rest import BackpackClient
from .stream import BackpackStream
from .stream_events import Disconnected, Event, Gap, Received, Unreadable

Levels = list[tuple[Decimal, Decimal]]


class LiveBook:
    """The order book of one market, as far as it is known to be true.

    Feed it every event of a stream with `take`, and give it a snapshot with `refresh` while `needs_snapshot` says so.
    Out of sequence means empty: there is never an old book.
    Rules:    protocol/depth.py.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._sequence: DepthSequence[DepthUpdate] = DepthSequence()

    @property
    def needs_snapshot(self) -> bool:
        """Tell whether the book is empty because it is not known, and `refresh` is due."""
        return not self._sequence.is_synchronized

    @property
    def update_id(self) -> int | None:
        """Return the id of the last change, or None while the book is not known."""
        return self._sequence.last_update_id

    @property
    def best_bid(self) -> Decimal | None:
        """Return the highest price that somebody buys at, or None."""
        return max(self._bids, default=None)

    @property
    def best_ask(self) -> Decimal | None:
        """Return the lowest price that somebody sells at, or None."""
        return min(self._asks, default=None)

    def bids(self, most: int | None = None) -> Levels:
        """Return (price, quantity) of the bids, best first."""
        return sorted(self._bids.items(), reverse=True)[:most]

    def asks(self, most: int | None = None) -> Levels:
        """Return (price, quantity) of the asks, best first."""
        return sorted(self._asks.items())[:most]

    def take(self, event: Event) -> bool:
        """Take an event of a stream, of whatever kind, and tell whether the book has changed."""
        if isinstance(event, (Disconnected, Gap, Unreadable)):
            return self._start_again() if self._concerns(event) else False
        if not isinstance(event, Received) or not isinstance(event.message, DepthUpdate):
            return False
        update = event.message
        if update.symbol != self.symbol:
            return False
        size = 1 + len(update.bids) + len(update.asks)
        verdict = self._sequence.update(update.first_update_id, update.last_update_id, update, size)
        if verdict is Verdict.APPLY:
            self._apply(update)
        elif verdict is Verdict.GAP:
            self._empty()
        return verdict in (Verdict.APPLY, Verdict.GAP)

    def take_snapshot(self, snapshot: DepthSnapshot) -> bool:
        """Take a snapshot and replay what came since; tell whether it could be used: a newer one is needed if not."""
        replay = self._sequence.snapshot(snapshot.update_id)
        if replay is None:
            return False
        self._empty()
        _change(self._bids, snapshot.bids)
        _change(self._asks, snapshot.asks)
        for update in replay:
            self._apply(update)
        return True

    async def refresh(self, client: BackpackClient) -> bool:
        """Ask for a snapshot and take it; as `take_snapshot`.

        Raises:   as `BackpackClient.call`.
        """
        return self.take_snapshot(await client.get_depth(self.symbol))

    def _concerns(self, event: "Disconnected | Gap | Unreadable") -> bool:
        if isinstance(event, Disconnected):
            return True
        names = event.streams if isinstance(event, Gap) else (event.stream,)
        return any(name is None or split_stream_name(name).symbol == self.symbol for name in names)

    def _start_again(self) -> bool:
        self._sequence.restart()
        self._empty()
        return True

    def _empty(self) -> None:
        self._bids.clear()
        self._asks.clear()

    def _apply(self, update: DepthUpdate) -> None:
        _change(self._bids, update.bids)
        _change(self._asks, update.asks)


def _change(side: dict[Decimal, Decimal], levels: list[tuple[str, str]]) -> None:
    for price_text, quantity_text in levels:
        price, quantity = Decimal(price_text), Decimal(quantity_text)  # by number: texts are padded or trimmed
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)


async def follow_book(client: BackpackClient, symbol: str, window_ms: int | None = None) -> AsyncIterator[LiveBook]:
    """Yield the book of a market after each change, always the same object; while it is empty it is not known.

    The first one comes once the stream is connected, because a book without its stream would only become old.
    Raises:   as `BackpackClient.call` when a snapshot cannot be had.
    """
    book = LiveBook(symbol)
    async with BackpackStream(client) as stream:
        await stream.subscribe(depth_stream(symbol, window_ms))
        await stream.wait_connected()
        await book.refresh(client)
        yield book
        async for event in stream:
            is_changed = book.take(event)
            if book.needs_snapshot and stream.is_connected:
                is_changed = await book.refresh(client) or is_changed
            if is_changed:
                yield book
