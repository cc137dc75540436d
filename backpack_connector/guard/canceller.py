"""Cancel the orders of silent bots until the exchange shows none of them any more.

Rule 1: an order is a bot's own when market, side and client id are those of its journal. Everything else that the
        account has, of its owner or of other bots, is left alone.
Rule 2: no answer is believed to have done anything. What counts is the list of open orders, asked again after every
        round of cancels. Orders that were on their way when the bot fell silent arrive later; so a bot's orders count
        as cancelled only after the list has shown none of them for 15 s, three times as long as a request is valid.
Rule 3: as long as a bot is silent its orders are looked for, often at first and every half minute later.
Rule 4: when the list cannot be had, cancels are sent by client id all the same: they may get through.
Rule 5: what the journal of a living bot claims is that bot's, whatever the journal of a silent one says.
Rule 6: only with `is_exclusive`, the user's word that nobody else trades in the markets of the bot, whole markets are
        cancelled (ARCHITECTURE.md, D27).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from backpack_connector.client.rest import BackpackClient
from backpack_connector.order_journal import OrderRecord
from backpack_connector.protocol.enums import Side
from backpack_connector.protocol.errors import (
    AuthenticationRefused,
    BackpackError,
    ClockSkew,
    OrderNotFound,
    RateLimited,
)
from backpack_connector.protocol.models import OrderHead, read_rows
from backpack_connector.reconnect import Backoff

from .alarms import Sighting
from .reports import Reports

LATE_ARRIVAL_S = 15.0
"""So long after the last of its orders was seen, none that a bot had sent can still arrive (API §1.6: 5 s)."""
PAUSE_S = 1.0
"""Between two rounds while orders rest or may still arrive."""
SLOW_PAUSE_S = 30.0
"""Between two rounds when everything is cancelled."""
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 10.0
_SIDE_BY_SIDE = 20
_SIDES = {"BUY": Side.BID.value, "SELL": Side.ASK.value}

_Key = tuple[str, str, str]


def key_of(record: OrderRecord) -> _Key:
    """Return what makes an order the bot's own: client id, market and side."""
    return record.client_order_id, record.symbol, _SIDES.get(record.trade_type, "")


def _key_of_row(row: OrderHead) -> _Key:
    return str(row.client_id), row.symbol, row.side


def rows_of(records: Mapping[_Key, OrderRecord], rows: Iterable[OrderHead]) -> list[OrderHead]:
    """Return those open orders that a journal has."""
    return [row for row in rows if _key_of_row(row) in records]


@dataclass
class _Target:
    """A bot whose orders are to be cancelled."""

    records: dict[_Key, OrderRecord] = field(default_factory=dict)
    """Everything that its journal has shown as open since the alarm."""
    is_posting: bool = False
    """The bot runs and may place more."""
    none_since: float | None = None
    is_clear: bool = False
    shown: set[str] = field(default_factory=set)
    """Ids of orders that were told of."""

    @property
    def symbols(self) -> set[str]:
        return {record.symbol for record in self.records.values()}


class Canceller:
    """Cancels, round by round, until nothing is left."""

    def __init__(
        self,
        client: BackpackClient,
        reports: Reports,
        *,
        is_exclusive: bool = False,
        is_dry_run: bool = False,
    ) -> None:
        self._client = client
        self._reports = reports
        self._is_exclusive = is_exclusive
        self._is_dry_run = is_dry_run
        self._targets: dict[str, _Target] = {}
        self._claimed: frozenset[_Key] = frozenset()
        self._backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        self._places = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._has_news = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is left to be cancelled or waited for."""
        return all(target.is_clear and not target.is_posting for target in self._targets.values())

    def aim(self, silent: Iterable[Sighting], posting: Iterable[Sighting], spared: Iterable[Sighting]) -> None:
        """Say whose orders are to be cancelled from now on: those of silent bots, and those of bots that still run.

        The orders of the bots that are spared are left alone. A bot whose journal has vanished stays a target until
        its orders are gone: whoever has taken them over claims them in a journal of his own.
        """
        spared = list(spared)
        self._claimed = frozenset(key_of(record) for bot in spared for record in bot.orders)
        for bot in spared:
            self._targets.pop(bot.bot, None)
        named = {bot.bot: (bot, is_posting) for bots, is_posting in ((silent, False), (posting, True)) for bot in bots}
        for name in [name for name, target in self._targets.items() if target.is_clear and name not in named]:
            del self._targets[name]
        for name, (bot, is_posting) in named.items():
            is_new = name not in self._targets
            target = self._targets.setdefault(name, _Target())
            target.is_posting = is_posting
            news = {key_of(record): record for record in bot.orders if key_of(record) not in target.records}
            if is_new or news:
                target.records.update(news)
                target.is_clear, target.none_since = False, None
                self._has_news.set()

    async def run(self) -> None:
        """Cancel for ever."""
        while True:
            pause_s = await self.round()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._has_news.wait(), pause_s)

    async def round(self) -> float:
        """Look at the open orders once and cancel what is to be cancelled; return how long to wait after it."""
        self._has_news.clear()
        if not self._targets:
            return SLOW_PAUSE_S
        try:
            rows, is_complete = await open_orders(self._client)
        except BackpackError as error:
            self._reports.say_at_times("list", "trouble", f"The open orders cannot be listed: {error}. Trying again.")
            if not isinstance(error, RateLimited):  # more requests would make that worse
                await self._cancel_unseen()
            return self._backoff.next_pause_s()
        if self._reports.close("list"):
            self._reports.say("trouble_over", "The open orders can be listed again.")
        if await self._cancel_seen(rows, is_complete):
            self._backoff.reset()
            return SLOW_PAUSE_S if self.is_idle else PAUSE_S
        return self._backoff.next_pause_s()

    async def _cancel_seen(self, rows: Sequence[OrderHead], is_complete: bool) -> bool:
        """Cancel the rows that are the targets'; return whether every cancel was answered."""
        work: list[Any] = []
        for name, target in self._targets.items():
            own = self.own_rows(target.records, rows)
            if is_complete or own:
                self._judge(name, target, own)
            self._show(name, target, own)
            if self._is_exclusive:
                symbols = sorted({row.symbol for row in own})
                work += [self._cancel("cancel_open_orders", {"symbol": symbol}) for symbol in symbols]
            else:
                work += [self._cancel("cancel_order", {"symbol": row.symbol, "orderId": row.id}) for row in own]
        return all(await asyncio.gather(*work))

    def _show(self, name: str, target: _Target, own: Iterable[OrderHead]) -> None:
        verb = "would be cancelled" if self._is_dry_run else "is being cancelled"
        for row in own:
            if row.id in target.shown:
                continue
            target.shown.add(row.id)
            sentence = f"{name}: order {row.id} ({row.side} in {row.symbol}, client id {row.client_id}) {verb}."
            self._reports.say("cancelling", sentence, bot=name, orderId=row.id, symbol=row.symbol)

    def own_rows(self, records: Mapping[_Key, OrderRecord], rows: Iterable[OrderHead]) -> list[OrderHead]:
        """Return those open orders that are to be cancelled for a bot with these orders in its journal."""
        if self._is_exclusive:
            symbols = {record.symbol for record in records.values()}
            return [row for row in rows if row.symbol in symbols]
        return [row for row in rows_of(records, rows) if _key_of_row(row) not in self._claimed]

    def _judge(self, name: str, target: _Target, own: Sequence[OrderHead]) -> None:
        now = asyncio.get_running_loop().time()
        if own:
            target.none_since, target.is_clear = None, False
            return
        target.none_since = now if target.none_since is None else target.none_since
        if target.is_clear or now - target.none_since < LATE_ARRIVAL_S:
            return
        target.is_clear = True
        self._reports.say("clear", f"{name}: the exchange shows none of its orders any more.", bot=name)

    async def _cancel_unseen(self) -> None:
        """Cancel what the journals name without knowing whether it is open."""
        for target in list(self._targets.values()):
            if target.is_clear:
                continue
            if self._is_exclusive:
                work = [self._cancel("cancel_open_orders", {"symbol": symbol}) for symbol in sorted(target.symbols)]
            else:
                work = [
                    self._cancel("cancel_order", {"symbol": record.symbol, "clientId": int(record.client_order_id)})
                    for key, record in target.records.items()
                    if key not in self._claimed and record.client_order_id.isdecimal()
                ]
            await asyncio.gather(*work)

    async def _cancel(self, operation: str, fields: dict[str, Any]) -> bool:
        """Send one cancel; return whether the exchange has answered it. What it has done the next round shows."""
        if self._is_dry_run:
            return True
        async with self._places:
            try:
                await self._client.request(operation, fields)
            except OrderNotFound:
                return True
            except BackpackError as error:
                if is_refusal_of_key(error):
                    sentence = f"The exchange refuses to cancel with this key: {error}. Cancel the orders by hand!"
                else:
                    sentence = f"A cancel has failed: {error}. Trying again."
                self._reports.say_at_times(type(error).__name__, "trouble", sentence)
                return False
        return True


async def open_orders(client: BackpackClient) -> tuple[list[OrderHead], bool]:
    """Return all open orders of the account, conditional ones included, and whether every row could be read.

    Raises:   BackpackError when there is no answer that is a list.
    """
    rows, complaints = read_rows(OrderHead, await client.request("get_open_orders"), "get_open_orders")
    return rows, not complaints


def is_refusal_of_key(error: BackpackError) -> bool:
    """Tell whether the exchange refuses the key itself, which trying again does not change."""
    return isinstance(error, AuthenticationRefused) and not isinstance(error, ClockSkew)
