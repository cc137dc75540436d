"""Keep what streams tell, so that agents can read it as resources: order books and the last messages.

Rule 1: a stream is followed from the first time that it is asked for. The last MOST_FOLLOWED of them are kept.
Rule 2: what is kept belongs to the key with which it was heard, and is dropped with it.
Rule 3: an agent is told that something changed at most once a second, and reads it when it likes.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import msgspec

from backpack_connector.client.live_book import LiveBook, follow_book
from backpack_connector.client.rest import BackpackClient
from backpack_connector.client.stream import BackpackStream
from backpack_connector.client.stream_events import Disconnected, Event, Gap, Received
from backpack_connector.protocol.errors import BackpackError, ConfigurationError, shown
from backpack_connector.protocol.streams import PRIVATE_PREFIX, split_stream_name, stream_problem

from .answers import answer_of, error_of
from .session import NO_KEYS, Session

MOST_FOLLOWED = 20
MESSAGES_KEPT = 50
BOOK_LEVELS = 20
FIRST_WAIT_S = 3.0
"""So long a first reading waits for something to read."""
NEWS_PERIOD_S = 1.0
RETRY_S = 5.0

SCHEME = "backpack://"
KINDS = ("trade", "bookTicker", "ticker", "markPrice", "kline", "openInterest")
"""Of public streams; depth is offered as a book."""
PRIVATE_STREAMS = ("account.orderUpdate", "account.balanceUpdate", "account.positionUpdate")
_URI = re.compile(r"backpack://(book|stream)/([A-Za-z0-9._]{1,80})")


class _Followed:
    """One stream or book, and what is known of it."""

    def __init__(self) -> None:
        self.messages: deque[Any] = deque(maxlen=MESSAGES_KEPT)
        self.seen = 0
        self.interruptions = 0
        self.book: LiveBook | None = None
        self.error: BackpackError | None = None
        self.has_something = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class LiveData:
    """What the streams of one session tell; open it with `async with`."""

    def __init__(self, session: Session) -> None:
        self.publish: Callable[[str], Awaitable[None]] | None = None
        """Called with the URI of what has changed."""
        self._session = session
        self._client: BackpackClient | None = None
        self._stream: BackpackStream | None = None
        self._followed: dict[str, _Followed] = {}
        self._changed: dict[str, None] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> "LiveData":
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    async def read(self, uri: str) -> dict[str, Any]:
        """Return what is known of a stream or a book, for an agent.

        Raises:   BackpackError when there is no such thing, or when it cannot be followed.
        """
        followed = await self.follow(uri)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(followed.has_something.wait(), FIRST_WAIT_S)
        if followed.error is not None:
            return error_of(followed.error)
        if uri.startswith(f"{SCHEME}book/"):
            return answer_of(_book_data(followed.book))
        assert self._stream is not None
        return answer_of(
            {
                "is_connected": self._stream.is_connected,
                "messages_seen": followed.seen,
                "interruptions": followed.interruptions,
                "messages": list(followed.messages),
            }
        )

    async def follow(self, uri: str) -> _Followed:
        """Begin to follow a stream or a book, unless it is followed already.

        Raises:   BackpackError when there is no such thing.
        """
        self._session.limits.count_call()
        kind, name = _parts(uri)
        async with self._opening:
            client = await self._use_present_key()
            followed = self._followed.pop(uri, None)
            if followed is None:
                await _check(client, kind, name)
                followed = _Followed()
                if kind == "book":
                    followed.task = asyncio.ensure_future(self._follow_book(uri, name, client, followed))
                else:
                    self._followed[uri] = followed  # before the first message can come
                    assert self._stream is not None
                    await self._stream.subscribe(name)
            self._followed[uri] = followed  # at the end of those that were asked for
            while len(self._followed) > MOST_FOLLOWED:
                await self._drop(next(iter(self._followed)))
        return followed

    async def _use_present_key(self) -> BackpackClient:
        client = self._session.client
        if client is not self._client:
            await self._close()
            self._client = client
            self._stream = await BackpackStream(client).__aenter__()
            self._tasks = [asyncio.ensure_future(self._listen(self._stream)), asyncio.ensure_future(self._tell())]
        return client

    async def _close(self) -> None:
        followed, self._followed = self._followed, {}
        tasks, self._tasks = [*self._tasks, *(row.task for row in followed.values() if row.task is not None)], []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stream, self._stream, self._client = self._stream, None, None
        if stream is not None:
            await stream.close()

    async def _drop(self, uri: str) -> None:
        followed = self._followed.pop(uri)
        if followed.task is not None:
            followed.task.cancel()
            await asyncio.gather(followed.task, return_exceptions=True)
        elif self._stream is not None:
            await self._stream.unsubscribe(_parts(uri)[1])

    async def _listen(self, stream: BackpackStream) -> None:
        async for event in stream:
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Received):
            uri = f"{SCHEME}stream/{event.stream}"
            followed = self._followed.get(uri)
            if followed is not None:
                followed.seen += 1
                followed.messages.append(named(event.message))
                self._note(uri, followed)
        elif isinstance(event, Gap | Disconnected):
            for uri, followed in self._followed.items():
                followed.interruptions += isinstance(event, Gap) and followed.book is None
                self._note(uri, followed)

    async def _follow_book(self, uri: str, symbol: str, client: BackpackClient, followed: _Followed) -> None:
        while True:
            try:
                async for book in follow_book(client, symbol):
                    followed.book, followed.error = book, None
                    self._note(uri, followed)
            except BackpackError as error:
                followed.book, followed.error = None, error
                self._note(uri, followed)
            await asyncio.sleep(RETRY_S)

    def _note(self, uri: str, followed: _Followed) -> None:
        followed.has_something.set()
        self._changed[uri] = None

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(NEWS_PERIOD_S)
            changed, self._changed = self._changed, {}
            for uri in changed:
                if self.publish is not None:
                    await self.publish(uri)


def named(value: Any) -> Any:
    """Return a message under the names that it has in Python; on the wire they have one letter."""
    if isinstance(value, msgspec.Struct):
        return {name: named(item) for name, item in msgspec.structs.asdict(value).items()}
    if isinstance(value, (list, tuple)):
        return [named(item) for item in value]
    return value


def _parts(uri: str) -> tuple[str, str]:
    """Take a URI apart into kind and name.

    Raises:   ConfigurationError for one that is no resource of this server.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise ConfigurationError(f"There is no resource {shown(uri)}; one is {SCHEME}book/SOL_USDC.")
    kind, name = found.groups()
    if kind == "stream":
        parts = split_stream_name(name)
        if parts.kind not in KINDS and name not in PRIVATE_STREAMS:
            raise ConfigurationError(
                f"There is no stream {shown(name)} here; the kinds are {', '.join((*KINDS, *PRIVATE_STREAMS))}."
            )
        if (problem := stream_problem(name)) is not None:
            raise ConfigurationError(problem)
    return kind, name


async def _check(client: BackpackClient, kind: str, name: str) -> None:
    """Find out whether there is such a market, or whether there are keys."""
    if name.startswith(PRIVATE_PREFIX):
        if client.credentials is None:
            raise ConfigurationError(NO_KEYS)
        return
    symbol = name if kind == "book" else str(split_stream_name(name).symbol)
    if client.market_rules.get(symbol) is None:
        await client.get_market(symbol)


def _book_data(book: LiveBook | None) -> dict[str, Any]:
    if book is None or book.needs_snapshot:
        return {"is_known": False, "bids": [], "asks": []}
    return {
        "is_known": True,
        "update_id": book.update_id,
        "bids": [list(level) for level in book.bids(BOOK_LEVELS)],
        "asks": [list(level) for level in book.asks(BOOK_LEVELS)],
    }
